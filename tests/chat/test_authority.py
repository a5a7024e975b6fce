"""The authority: what it decides, and within which quotas."""

from __future__ import annotations

import sqlite3

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from chatd.core.limits import Limits
from tests.support.effort import effort
from tests.support.in_memory_daemon import UNTHROTTLED, StageTestCase


class Quotas(StageTestCase):
    """What was decided before a restart counts behind it."""

    limits = Limits(groups_per_user=1)

    def test_after_a_restart(self) -> None:
        """The counters are read from the log."""
        self.stage.text("alice").says("cg;one").says("register;correct horse battery")
        self.restart()
        alice = self.stage.connect("text").says("PWD correct horse battery").says("IAM alice")
        self.assertIn("too_many_groups", alice.says("cg;two").hears().decode())


class FullDatabase(StageTestCase):
    """A database that has reached its maximum size, as it is measured on the disk."""

    def fill(self, over: int) -> None:
        """Restart with a maximum that the database exceeds by ``over`` bytes."""
        alice = self.stage.json("alice")
        alice.asks(action="cgroupe", group="wob").asks(action="client-broadcast", msg="before")
        self.restart()
        size = self.stage.journal.database_bytes
        self.limits = msgspec.structs.replace(UNTHROTTLED, database_size=size - over)
        self.restart()
        self.assertEqual(self.stage.journal.database_bytes, size)

    def test_at_the_limit_messages_are_stored_until_it_is_exceeded(self) -> None:
        """It is exceeded by no more than what is written between two measurements."""
        self.fill(over=0)
        alice = self.stage.json("alice", history="none")
        stored = 0
        while "code" not in (said := alice.asks(action="client-broadcast", msg="x" * 8_000).objects()[0]):
            stored += 1
        self.assertEqual((said["code"], said["retry_after"]), ("storage_full", 60.0))
        self.assertIn(stored, (1, 2, 3))
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE kind = 'message'"), [(stored + 1,)])

    def test_over_it_none_is_stored_and_the_rest_goes_on(self) -> None:
        """Also after the next restart."""
        self.fill(over=1)
        for _ in range(2):
            alice, bob = self.stage.json("alice"), self.stage.json("bob")
            alice.hears(), bob.hears()
            alice.asks(action="client-broadcast", msg="more").asks(action="send", dest="bob", msg="more")
            self.assertEqual([said.get("code") for said in alice.objects()], ["storage_full"] * 2)
            self.assertEqual(bob.hears(), b"")
            (page,) = alice.asks(action="history").objects()
            self.assertEqual([said["msg"] for said in page["messages"]], ["before"])
            self.restart()
        alice = self.stage.json("alice")
        alice.asks(action="leave", group="wob").asks(action="register", password="correct horse battery")
        self.assertEqual({said["action"] for said in alice.objects()}, {"server-ack", "server-account"})
        self.assertEqual(alice.asks(action="client-quit").objects()[-1]["action"], "server-quit")


MOVES = st.lists(
    st.tuples(st.integers(-5_000, 5_000), st.booleans(), st.integers(1, 3)), min_size=1, max_size=8
)


class Times(StageTestCase):
    """The clock may go back; the times of the log don't."""

    @settings(max_examples=effort(60), deadline=None)
    @given(MOVES)
    def test_never_go_back(self, moves: list[tuple[int, bool, int]]) -> None:
        """Nor after a restart. A time is that of the clock as soon as the clock has caught up."""
        self.restart()
        ((before,),) = self.stage.rows("SELECT count(*) FROM log")
        expected: list[int] = []
        for milliseconds, restarts, messages in moves:
            now = self.stage.reactor.rightNow + milliseconds / 1000
            if restarts:
                self.restart()
            self.stage.reactor.rightNow = now
            alice = self.stage.json("alice", history="none")
            for _ in range(messages):
                ((last,),) = self.stage.rows("SELECT coalesce(max(at), 0) FROM log")
                expected.append(max(last, int(self.stage.reactor.rightNow * 1000)))
                alice.asks(action="client-broadcast", msg="x")
            alice.hangs_up()
        found = self.stage.rows("SELECT at FROM log ORDER BY id LIMIT -1 OFFSET ?", before)
        self.assertEqual([at for (at,) in found], expected)
        self.assertEqual(expected, sorted(expected))
        self.flushWarnings()
        self.stage.reactor.rightNow = max(self.stage.reactor.rightNow, expected[-1] / 1000)

    def test_events_and_what_is_delivered_have_the_same_time(self) -> None:
        alice, bob = self.stage.json("alice"), self.stage.text("bob")
        ack = alice.asks(action="cgroupe", group="wob").objects()[-1]
        self.stage.reactor.rightNow -= 3600
        bob.says("j;wob")
        (joined,) = alice.objects()
        self.assertEqual((joined["event"], joined["ts"]), ("joined", ack["ts"]))
        (page,) = alice.asks(action="states", group="wob").objects()
        self.assertEqual([item["ts"] for item in page["events"]], [ack["ts"]] * 2)

    def test_what_was_rolled_back_holds_nothing_up(self) -> None:
        """The next time is counted from what is on disk."""
        alice = self.stage.json("alice").asks(action="client-broadcast", msg="one")
        now = self.stage.reactor.rightNow
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.stage.reactor.rightNow = now + 3600
        alice.asks(action="client-broadcast", msg="lost")
        self.stage.writer.error = None
        self.flushLoggedErrors()
        self.stage.reactor.rightNow = now + 60
        alice.hears()
        (ack,) = alice.asks(action="client-broadcast", msg="two").objects()
        ((first,), (second,)) = self.stage.rows("SELECT at FROM log ORDER BY id")
        self.assertTrue(60_000 <= second - first < 61_000, second - first)
        self.assertEqual(ack["id"], 2)

    def test_a_warning_once(self) -> None:
        """Of a clock that is far behind, and again after it had caught up."""
        warnings = self.warnings()
        alice = self.stage.json("alice").asks(action="client-broadcast", msg="one")
        for back, expected in ((5, 0), (30, 1), (30, 1), (-100, 1), (60, 2)):
            self.stage.reactor.rightNow -= back
            alice.asks(action="client-broadcast", msg="x")
            self.assertEqual(len(warnings), expected, back)
        self.assertIn("the clock is 60 s behind the last entry of the log", warnings[-1])

    def warnings(self) -> list[str]:
        """The warnings that are logged from now on."""
        found: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.warn:
                found.append(str(formatEvent(event)))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        return found
