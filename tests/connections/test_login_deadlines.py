"""Connections without a login: how long they may stay, and which of them are closed."""

from __future__ import annotations

from chatd.connections.outbox import CLOSE_TIMEOUT_SECONDS
from chatd.core.limits import Limits
from tests.support.in_memory_daemon import StageTestCase


class LoggingIn(StageTestCase):
    """A connection has so long until its login, if others take longer already."""

    limits = Limits(login_seconds=10, slow_logins=1)

    def test_nobody_is_hurried_without_need(self) -> None:
        """A person may be asked for a nick once the client has connected."""
        peer = self.stage.connect("auto")
        self.stage.wait(3600)
        peer.says("IAM alice")
        self.assertIn(b"ARR alice", peer.hears())
        self.stage.wait(1)
        self.assertEqual(self.stage.reactor.getDelayedCalls(), [])

    def test_the_oldest_goes(self) -> None:
        """In the words of its wire, and as soon as one too many is over its time."""
        first, second = self.stage.connect("json"), self.stage.connect("text")
        self.stage.wait(4)
        third = self.stage.connect("text")
        self.stage.wait(6.1)
        (refusal,) = first.objects()
        self.assertEqual((refusal["code"], "retry_after" in refusal), ("login_timeout", False))
        self.assertEqual((second.hears(), third.hears()), (b"WHO\n", b"WHO\n"))
        self.stage.wait(4)
        self.assertEqual(
            second.hears(),
            b"ERR login_timeout no login within 10 seconds: connect again and give your nick first\n",
        )
        self.stage.wait(100)
        self.assertEqual((first.closed, second.closed, third.closed), (True, True, False))

    def test_the_time_counts_from_the_connection(self) -> None:
        """What shows the wire of an undecided connection starts it no second time."""
        peer = self.stage.connect("auto")
        self.stage.wait(1)
        self.stage.connect("text")
        self.stage.wait(8)
        peer.says(b"WHO\n")
        self.stage.wait(1.9)
        self.assertNotIn(b"login_timeout", peer.hears())
        self.stage.wait(0.2)
        self.assertIn(b"login_timeout", peer.hears())

    def test_a_slow_connection_that_shows_its_wire_stays_the_oldest(self) -> None:
        peer = self.stage.connect("auto")
        self.stage.wait(11)
        peer.says(b"WHO\n")
        self.stage.connect("text")
        self.stage.wait(11)
        self.assertIn(b"login_timeout", peer.hears())

    def test_whoever_has_logged_in_or_gone_does_not_count(self) -> None:
        """And no timer is left when nobody is waited for."""
        self.stage.connect("auto").hangs_up()
        self.stage.connect("text").hangs_up()
        alice, late, other = self.stage.text("alice"), self.stage.connect("text"), self.stage.connect("text")
        self.stage.wait(5)
        other.hangs_up()
        self.stage.wait(6)
        late.says("IAM late")
        last = self.stage.connect("text")
        self.stage.wait(20)
        self.assertEqual([peer.closed for peer in (alice, late, last)], [False] * 3)
        self.assertEqual(self.stage.reactor.getDelayedCalls(), [])

    def test_a_refused_login_is_none(self) -> None:
        """Guessing names keeps no connection open."""
        self.stage.text("alice")
        eve = self.stage.connect("text")
        self.stage.connect("text")
        self.stage.wait(5)
        eve.says("IAM alice")
        self.stage.wait(5.1)
        self.assertIn(b"login_timeout", eve.hears())

    def test_who_does_not_read_the_refusal_is_cut(self) -> None:
        peer = self.stage.connect("text")
        peer.wire.stuck = True
        self.stage.connect("text")
        self.stage.wait(10 + CLOSE_TIMEOUT_SECONDS + 1)
        self.assertTrue(peer.closed)

    def test_the_end_of_the_daemon_leaves_no_timer(self) -> None:
        self.stage.connect("auto"), self.stage.connect("text")
        over = self.stage.sessions.close()
        self.stage.wait(3)
        self.successResultOf(over)
        self.assertEqual(self.stage.reactor.getDelayedCalls(), [])
