"""What holds on every wire; tests/daemon/test_wires.py has each of them pass it."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from chatd.boundaries import Dialect
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS, MAX_REFUSALS_BEFORE_LOGIN
from chatd.core.limits import Limits
from chatd.daemon import wires as daemon_wires
from chatd.daemon.wires import AUTO_WIRE_NAMES, declared_wires
from tests.support.in_memory_daemon import Peer, StageTestCase
from tests.support.wire_samples import Sample

MAX_FROM_ONE_ADDRESS: Final = 3
"""Connections from one address, unless it is this machine."""


class Contract(StageTestCase):
    """What everybody on a wire can rely on, and everybody else from them.

    ``told`` is somebody on the text wire, who sees what comes of it.
    """

    wire: str
    sample: Sample
    limits = Limits(
        connections_per_address=MAX_FROM_ONE_ADDRESS, slow_logins=1, requests_per_second=2, burst_seconds=30
    )

    def setUp(self) -> None:
        """Have somebody there who looks on, and note what is logged as a mistake."""
        super().setUp()
        self.told = self.stage.text("told")
        mistakes: list[Any] = []

        @implementer(ILogObserver)
        def watch(event: LogEvent) -> None:
            if event["log_level"] >= LogLevel.error:
                mistakes.append(event)

        globalLogPublisher.addObserver(watch)
        self.addCleanup(self.assertEqual, mistakes, [])
        self.addCleanup(globalLogPublisher.removeObserver, watch)

    def says(self, peer: Peer, *segments: bytes) -> bytes:
        """Say these, if any, each in its time; what comes back."""
        for segment in segments:
            peer.says(segment)
            self.stage.wait(0.5)
        self.stage.wait(0.5)
        return peer.hears()

    def connect(self, host: str = "127.0.0.1") -> Peer:
        """A client that has said nothing yet."""
        return self.stage.connect(self.wire, host, self.sample.subprotocol)

    def comes(self, nick: bytes) -> Peer:
        """Somebody of that name."""
        peer = self.connect()
        self.says(peer, self.sample.hello(nick))
        self.assertEqual(self.told.lines(), [f"ARR {nick.decode()}"])
        return peer

    def test_it_greets_or_is_silent(self) -> None:
        """As its dialect has it: at once, or where the client could be any, once it has waited."""
        wires = [
            wire
            for wire in declared_wires()
            if wire.name == (AUTO_WIRE_NAMES[0] if self.wire == "auto" else self.wire)
            and wire.subprotocol == self.sample.subprotocol
        ]
        (greeting,) = {_greeting(wire.carrier_name, wire.make_dialect(Limits())) for wire in wires}
        detects = self.wire == "auto" or len(wires) > 1
        peer = self.connect()
        self.assertEqual(peer.hears(), b"" if detects else greeting)
        self.stage.wait(2)
        self.assertEqual(peer.hears(), greeting if detects else b"")

    def test_a_web_page_can_not_talk_on_it(self) -> None:
        """The request line is refused, wherever the network cuts it, and what follows is not done."""
        sample = self.sample
        line = b"FOO /x HTTP/1.1\r\n"
        said = line + b"Host: localhost\r\n\r\n" + sample.hello(b"eve") + sample.says(b"x")
        for at in range(len(line)):
            peer = self.connect().says(said[:at]).says(said[at:])
            self.stage.wait(0.5)
            self.assertEqual(peer.hears().count(b"HTTP"), 1, at)
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertEqual((peer.closed, peer.wire.aborted), (True, False))
        self.assertEqual(self.told.hears(), b"")

    def test_a_hello_of_tls_can_not_talk_on_it(self) -> None:
        """A browser sends the session ticket that a page's server has given it, whatever is in it."""
        lines = b"IAM evil\nMSG x\nHello|evil\nx\n" + self.sample.hello(b"evil") + self.sample.says(b"x")
        for start in (b"\x16\x03\x01\x02\x00\x01", b"\x16"):
            peer = self.connect().says(start + b"\n" + lines)
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS + 0.5)
            self.assertEqual(self.told.hears(), b"", start)
            self.assertEqual((peer.closed, peer.wire.aborted), (True, False))

    def test_who_has_a_name_may_say_a_request_line(self) -> None:
        alice = self.comes(b"alice")
        self.says(alice, self.sample.says(b"GET / HTTP/1.1"))
        self.assertEqual(self.told.lines(), ["MSG alice GET / HTTP/1.1"])

    def test_who_is_refused_five_times_without_a_name_goes(self) -> None:
        """And what it has sent behind that is not done; whoever has a name may be wrong more often."""
        sample = self.sample
        taken = sample.hello(b"told") * MAX_REFUSALS_BEFORE_LOGIN
        peer = self.connect()
        heard = self.says(peer, taken + sample.hello(b"eve") + sample.says(b"x"))
        # Where a hello takes two messages, each of them is refused.
        self.assertIn(
            heard.count(sample.taken), (MAX_REFUSALS_BEFORE_LOGIN, (MAX_REFUSALS_BEFORE_LOGIN + 1) // 2)
        )
        self.assertEqual(heard.count(sample.guesses), 1)
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual((peer.closed, peer.wire.aborted), (True, False))
        self.assertEqual(self.told.hears(), b"")
        alice = self.comes(b"alice")
        self.says(alice, *([sample.says(b" ")] * MAX_REFUSALS_BEFORE_LOGIN), sample.says(b"salut"))
        self.assertEqual(self.told.lines(), ["MSG alice salut"])

    def test_who_does_not_log_in_in_time_goes(self) -> None:
        """Whether it is silent or its login is refused, if there are too many such; it is told why.

        Who has a name stays, and so does the last one without.
        """
        alice = self.comes(b"alice")
        silent, refused, last = (self.connect() for _ in range(3))
        self.stage.wait(self.limits.login_seconds - 2)
        self.assertIn(self.sample.taken, self.says(refused, self.sample.hello(b"told")))
        self.assertEqual((silent.closed, refused.closed), (False, False))
        silent.hears()
        self.stage.wait(2 + LINGER_AFTER_REFUSAL_SECONDS)
        for peer in (silent, refused):
            self.assertIn(self.sample.late, peer.hears())
            self.assertEqual((peer.closed, peer.wire.aborted), (True, False))
        self.assertEqual((alice.closed, last.closed), (False, False))
        self.assertEqual(self.told.hears(), b"")

    def test_one_address_has_not_all_connections(self) -> None:
        """One more is refused, and one at another address is not; whoever goes makes room."""
        crowd = [self.connect("192.0.2.1") for _ in range(MAX_FROM_ONE_ADDRESS)]
        refused = self.connect("192.0.2.1")
        self.stage.wait(0.6)
        self.assertIn(self.sample.crowded, refused.hears())
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(refused.closed)
        other = self.connect("192.0.2.2")
        crowd[0].hangs_up()
        next_one = self.connect("192.0.2.1")
        self.stage.wait(2)
        self.assertEqual([peer.closed for peer in (*crowd[1:], other, next_one)], [False] * (len(crowd) + 1))

    def test_a_full_database_takes_no_message(self) -> None:
        """At its maximum size one is stored, one byte over it none; who sends one is told, and stays."""
        alice = self.comes(b"alice")
        journal = self.stage.journal
        journal.database_bytes = self.limits.database_size
        self.says(alice, self.sample.says(b"one"))
        self.assertEqual(self.told.lines(), ["MSG alice one"])
        journal.database_bytes += 1
        self.assertIn(self.sample.full, self.says(alice, self.sample.says(b"two")))
        self.assertEqual((self.told.hears(), alice.closed), (b"", False))
        journal.database_bytes -= 1
        self.says(alice, self.sample.says(b"three"))
        self.assertEqual(self.told.lines(), ["MSG alice three"])

    def test_whoever_sends_too_much_waits(self) -> None:
        """More than the burst is read no faster than the limit, in order, and nobody else waits."""
        alice, bob = self.comes(b"alice"), self.comes(b"bob")
        burst = self.limits.requests_per_second * self.limits.burst_seconds
        said = [f"MSG alice {number}" for number in range(burst + 40)]
        began = self.stage.reactor.seconds()
        for line in said:
            alice.says(self.sample.says(line.removeprefix("MSG alice ").encode()))
            self.stage.wait(0.03)
        heard = self.told.lines()

        def assert_rate() -> None:
            """All that was sent until now, up to what the limit lets pass, and what comes to it meanwhile."""
            allowed = burst + (self.stage.reactor.seconds() - began) * self.limits.requests_per_second
            self.assertEqual(heard, said[: len(heard)])
            self.assertLess(abs(len(heard) - allowed), 4)

        assert_rate()
        bob.says(self.sample.says(b"salut"))
        self.stage.wait(0.03)
        self.assertIn("MSG bob salut", lines := self.told.lines())
        heard += [line for line in lines if "bob" not in line]
        self.stage.wait(5)
        heard += [line for line in self.told.lines() if "bob" not in line]
        self.assertLess(len(heard), len(said))
        self.stage.wait(30)
        heard += self.told.lines()
        self.assertEqual((heard, alice.closed), (said, False))

    def test_it_talks_and_hears_and_never_hears_itself(self) -> None:
        alice, bob = self.comes(b"alice"), self.comes(b"bob")
        self.says(alice), self.told.hears()
        self.assertNotIn(b"salut", self.says(alice, self.sample.says(b"salut")))
        self.assertEqual(self.told.lines(), ["MSG alice salut"])
        self.assertEqual(self.says(bob).count(self.sample.hears(b"alice", b"salut")), 1)
        self.told.says("MSG bonjour")
        for peer in (alice, bob):
            self.assertEqual(self.says(peer).count(self.sample.hears(b"told", b"bonjour")), 1)

    def test_everybody_on_it_is_told_the_same_bytes(self) -> None:
        """They are encoded once."""
        alice, bob = self.comes(b"alice"), self.comes(b"bob")
        self.says(alice), self.says(bob)
        self.told.says("MSG one\nMSG two\nBYE")
        heard, also = self.says(alice), self.says(bob)
        self.assertIn(self.sample.hears(b"told", b"two"), heard)
        self.assertEqual(heard, also)

    def test_a_nick_in_use_is_refused_and_another_one_will_do(self) -> None:
        peer = self.connect()
        self.assertIn(self.sample.taken, self.says(peer, self.sample.hello(b"told")))
        self.says(peer, self.sample.hello(b"alice"))
        self.assertEqual(self.told.lines(), ["ARR alice"])

    def test_what_cannot_be_understood_is_refused(self) -> None:
        """And nobody else notices; the client goes on, or knows that it can't."""
        alice = self.comes(b"alice")
        self.assertEqual(self.says(alice, self.sample.broken).count(self.sample.refusal), 1)
        self.says(alice, self.sample.says(b"salut"))
        if self.sample.ends:
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertEqual((alice.closed, alice.wire.aborted), (True, False))
            self.assertEqual(self.told.lines(), ["LFT alice"])
        else:
            self.assertFalse(alice.closed)
            self.assertEqual(self.told.lines(), ["MSG alice salut"])

    def test_it_makes_no_difference_where_the_network_cuts(self) -> None:
        """A pipelined conversation, in two segments split anywhere."""
        sample = self.sample
        heard: list[int] = []
        length = len(sample.hello(b"n000") + sample.says(b"one") + sample.says(b"two") + sample.broken)
        for at in range(length + 1):
            nick = b"n%03d" % at
            said = sample.hello(nick) + sample.says(b"one") + sample.says(b"two") + sample.broken
            peer = self.connect().says(said[:at]).says(said[at:])
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS + 0.5)
            told = self.told.lines()
            self.assertEqual(told[:3], [f"ARR n{at:03}", f"MSG n{at:03} one", f"MSG n{at:03} two"], at)
            heard.append(peer.hears().count(sample.refusal))
            peer.hangs_up()
            self.told.hears()
        self.assertEqual(set(heard), {1})

    def test_the_end_of_what_it_says_leaves_nothing_unanswered(self) -> None:
        peer = self.connect()
        peer.says(self.sample.hello(b"alice") + self.sample.says(b"one") + self.sample.says(b"two"))
        IHalfCloseableProtocol(peer.protocol).readConnectionLost()
        self.stage.wait(1)
        self.assertEqual(self.told.lines(), ["ARR alice", "MSG alice one", "MSG alice two", "LFT alice"])
        self.assertIn(b"alice", peer.hears())
        self.assertEqual((peer.closed, peer.wire.aborted), (True, False))

    def test_it_is_told_why_it_can_not_stay(self) -> None:
        """When the daemon stops."""
        alice = self.comes(b"alice")
        self.stage.sessions.close()
        self.stage.wait(1)
        self.assertIn(self.sample.stops, alice.hears())
        self.assertEqual((alice.closed, alice.wire.aborted), (True, False))


def _greeting(carrier: str, dialect: Dialect) -> bytes:
    """What a new client is sent by ``carrier``."""
    return b"".join(map(daemon_wires.CARRIERS[carrier].wrapper_for(dialect), dialect.greeting))


class WebSocketContract(Contract):
    """The same for whoever has opened a WebSocket; a web page may speak HTTP there, but not chat."""

    def test_a_web_page_can_not_talk_on_it(self) -> None:
        """What it can make a browser send is answered as HTTP, or not at all."""
        body = self.sample.hello(b"eve") + self.sample.says(b"x")
        said = b" /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for method in (b"POST", b"GET", b"FOO"):
            peer = self.stage.connect(self.wire).says(method + said)
            self.stage.wait(20)
            self.assertEqual(peer.hears()[:11], b"HTTP/1.1 40", method)
            self.assertTrue(peer.closed)
        self.assertEqual(self.told.hears(), b"")

    def test_a_hello_of_tls_can_not_talk_on_it(self) -> None:
        """There is no certificate."""
        for start in (b"\x16\x03\x01\x02\x00\x01", b"\x16"):
            peer = self.stage.connect(self.wire).says(start + b"\n" + self.sample.hello(b"eve"))
            self.stage.wait(20)
            self.assertEqual((peer.closed, peer.wire.aborted, self.told.hears()), (True, False, b""))
