"""The credit of a client, by the clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.connections.rate_limit import RateLimit
from chatd.core import commands as c
from chatd.core.channel_commands import FindUsers, ShowChannel, ShowUsers, WatchUsers
from chatd.core.limits import Limits
from tests.support.in_memory_daemon import StageTestCase

LIMITS = Limits(requests_per_second=10, bytes_per_second=1000, reads_per_second=2, burst_seconds=3)


class Credit(SynchronousTestCase):
    """What is read in a stretch of time is at most the burst and what came back."""

    def seconds_for(self, count: int, size: int, command: type[c.Command] | None) -> float:
        """How long ``count`` requests take, from the first to the moment after the last."""
        limit, now = RateLimit(LIMITS), 1000.0
        for _ in range(count):
            now += max(0.0, limit.charge(now, size, command) - LIMITS.burst_seconds)
        return now - 1000

    def test_requests(self) -> None:
        """30 at once, then ten a second."""
        self.assertAlmostEqual(self.seconds_for(30, 0, None), 0)
        self.assertAlmostEqual(self.seconds_for(31, 0, None), 0.1)
        self.assertAlmostEqual(self.seconds_for(130, 0, None), 10)

    def test_bytes(self) -> None:
        """A request of 1,000 bytes takes a second and its own tenth."""
        self.assertAlmostEqual(self.seconds_for(10, 1000, None), 10 * 1.1 - 3)

    def test_reads(self) -> None:
        """Half a second and their own tenth, whatever they read."""
        reading = (c.ReadHistory, c.ListGroupMessages, c.ListGroupEvents, c.ListConversations, c.Search)
        for command in (*reading, ShowChannel, ShowUsers, FindUsers, WatchUsers):
            self.assertAlmostEqual(self.seconds_for(10, 0, command), 10 * 0.6 - 3)
        self.assertAlmostEqual(self.seconds_for(10, 0, c.ListGroups), 0)

    def test_passwords(self) -> None:
        """A second and their own tenth, because each is hashed; but not a hello, which may need none."""
        for command in (c.Register, c.ChangePassword, c.Unregister, c.Identify, c.ResetPassword):
            self.assertAlmostEqual(self.seconds_for(10, 0, command), 10 * 1.1 - 3)
        self.assertAlmostEqual(self.seconds_for(10, 0, c.Hello), 0)

    @given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 5000)), max_size=50))
    def test_any_pauses(self, requests: list[tuple[float, int]]) -> None:
        """Whoever waits as told has paid for everything but the burst, and never waits for more than that."""
        limit, now, cost = RateLimit(LIMITS), 0.0, 0.0
        for pause, size in requests:
            now += pause
            wait = limit.charge(now, size, None) - LIMITS.burst_seconds
            cost += 0.1 + size / 1000
            self.assertLessEqual(wait, cost - LIMITS.burst_seconds + 1e-6)
            now += max(0.0, wait)
            self.assertLessEqual(cost, now + LIMITS.burst_seconds + 1e-6)


class Crowd(StageTestCase):
    """Many clients that use their credit at the same time."""

    limits = Limits(requests_per_second=10, burst_seconds=10)

    def test_each_sends_a_few_messages_at_once_and_then_one_in_its_turn(self) -> None:
        alice = self.stage.text("alice")
        talkers = [self.stage.text(f"talker{number}") for number in range(3)]
        alice.hears()
        for number, talker in enumerate(talkers):
            talker.protocol.dataReceived(b"".join(b"MSG %d %d\n" % (number, n) for n in range(50)))
        self.stage.settle()
        heard = [line.split()[2:] for line in alice.lines()]
        for number in range(3):
            own = [int(n) for talker, n in heard if talker == str(number)]
            self.assertEqual(own, list(range(50)))
        at_once = 3 * 5
        self.assertEqual([int(n) for _, n in heard[at_once:]], [n for n in range(5, 50) for _ in range(3)])

    def test_a_request_waits_until_the_one_before_is_answered(self) -> None:
        alice = self.stage.text("alice")
        bob = self.stage.text("bob")
        self.stage.writer.held = True
        alice.says(b"".join(b"MSG %d\n" % n for n in range(50)))
        for commits in range(1, 20):
            self.stage.writer.run_next()
            self.stage.settle()
            self.assertLessEqual(len(bob.hears().splitlines()), 5 if commits == 1 else 1)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(len(bob.lines()), 50 - 5 - 18)


class Flood(StageTestCase):
    """A client that has sent too much."""

    limits = Limits(requests_per_second=1, burst_seconds=10)

    def test_it_may_go(self) -> None:
        """While it waits: nothing is left behind."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says(b"MSG x\n" * 100)
        self.assertEqual(len(bob.lines()), 10)
        alice.hangs_up()
        self.stage.wait(100)
        self.assertEqual(bob.lines(), ["LFT alice"])

    def test_it_is_told_when_the_daemon_stops(self) -> None:
        alice = self.stage.text("alice")
        alice.says(b"MSG x\n" * 100)
        self.stage.sessions.close()
        self.stage.settle()
        self.assertIn("shutting_down", alice.hears().decode())

    def test_half_closed(self) -> None:
        """All that it has sent is done, in its time."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says(b"MSG x\n" * 20)
        protocol = alice.protocol
        protocol.readConnectionLost()  # type: ignore[attr-defined]
        self.stage.wait(5)
        self.assertEqual((len(bob.lines()), alice.closed), (15, False))
        self.stage.wait(7)
        self.assertEqual((bob.lines()[-2:], alice.closed), (["MSG alice x", "LFT alice"], True))

    def test_refusals_count_as_well(self) -> None:
        """Whatever it sends: nonsense, frames that can't be read, requests before a login."""
        alice = self.stage.text("alice")
        alice.says(b"nonsense\n" * 100)
        self.assertEqual(len(alice.lines()), 10)
