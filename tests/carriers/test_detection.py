"""One port for every wire: the openings, the greeting, TLS, and a session that is there from the start."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from chatd.carriers.detection import GREETING_DELAY_SECONDS, MAX_BYTES_BEFORE_DETECTION, match_opening_bytes
from chatd.carriers.foreign import HTTP, TLS
from chatd.carriers.silence_timer import MIN_PAUSE_BETWEEN_FRAMES_SECONDS
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.core.limits import Limits
from chatd.daemon.wires import AUTO_WIRE_NAMES, declared_wires
from tests.support.certificates import issue, self_signed
from tests.support.daemon_process import Client, Daemon
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, StageTestCase

TABLE = [
    *(
        (opening, wire.carrier_name)
        for wire in declared_wires()
        if wire.name in AUTO_WIRE_NAMES
        for opening in wire.openings
    ),
    *((opening, foreign.name) for foreign in (TLS, HTTP) for opening in foreign.openings),
]
"""What ``auto`` tells apart."""

OPENINGS = [opening for opening, _ in TABLE]

PARTS = [b" ", b"\n", b"a", *(opening.start[:end] for opening in OPENINGS for end in (1, 2, None))]
"""What beginnings are made of."""

HELLO = b'{"from":"alice","action":"client-hello"}'


class Begun(SynchronousTestCase):
    """What the first bytes tell."""

    def tells(self, read: bytes, over: bool = False) -> str | None:
        """What they do."""
        return match_opening_bytes(read, TABLE, over, "")

    def test_each_opening_is_known_as_soon_as_it_is_complete(self) -> None:
        """And not one byte before; whatever follows makes no difference."""
        for opening, target in TABLE:
            for end in range(1, len(opening.start)):
                self.assertIsNone(self.tells(opening.start[:end]), opening)
            for rest in (b"", b"\n", b"\x00\xff{GET "):
                self.assertEqual(self.tells(opening.start + rest), target)

    def test_blanks_may_stand_before_json_alone(self) -> None:
        """As many as `MAX_BYTES_BEFORE_DETECTION`; then it is text, of empty lines."""
        for blanks in (b" ", b"\r\n", b"\t \n"):
            self.assertIsNone(self.tells(blanks))
            self.assertEqual(self.tells(blanks + b"{"), "json")
            self.assertEqual(self.tells(blanks + b"["), "json")
            for start in (b"Hello|alice", b"GET / HTTP/1.1", b"\x01", b"\x16\x03"):
                self.assertEqual(self.tells(blanks + start), "")
        self.assertIsNone(self.tells(b"\n" * (MAX_BYTES_BEFORE_DETECTION - 1)))
        self.assertEqual(self.tells(b"\n" * MAX_BYTES_BEFORE_DETECTION), "")

    def test_what_fits_nothing_is_text_at_the_first_byte_that_does_not(self) -> None:
        for start, rest in (
            (b"HE", b"L"),
            (b"Hell", b"!"),
            (b"Hello", b"w"),
            (b"PR", b"V"),
            (b"NICK", b"\n"),
            (b"GET", b"\r"),
            (b"\x16", b"\x01"),
            (b"\xef\xbb", b"a"),
        ):
            self.assertIsNone(self.tells(start), start)
            self.assertEqual(self.tells(start + rest), "", start)
        for start in (b"I", b"h", b"MSG", b"\x00", b"\x04", b"\xff", b"|"):
            self.assertEqual(self.tells(start), "")

    @settings(max_examples=effort(200), deadline=None)
    @given(
        st.sampled_from((0, 1, MAX_BYTES_BEFORE_DETECTION - 1, MAX_BYTES_BEFORE_DETECTION, 99)),
        st.lists(st.sampled_from(PARTS), max_size=4),
    )
    def test_it_makes_no_difference_how_much_is_read_at_once(self, blanks: int, parts: list[bytes]) -> None:
        """Byte by byte it is the same as in one piece."""
        read = b" " * blanks + b"".join(parts)
        slowly = (self.tells(read[:end]) for end in range(len(read) + 1))
        self.assertEqual(next((told for told in slowly if told is not None), None), self.tells(read))

    def test_the_end_is_as_good_as_the_end_of_a_line(self) -> None:
        """Hello alone is one; nothing else is complete without what follows."""
        self.assertEqual(self.tells(b"Hello", over=True), "chunks")
        for start in (b"", b"\n", b"Hell", b"GET", b"NICK", b"\x16", b"\xef"):
            self.assertEqual(self.tells(start, over=True), "")


class AutoTestCase(StageTestCase):
    """Somebody who listens on the text wire, and somebody who comes to ``auto``."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.stage.text("bob")

    def comes(self, *segments: bytes) -> Peer:
        """A client that says these, one directly after the other."""
        peer = self.stage.connect("auto")
        for segment in segments:
            peer.says(segment)
        return peer

    def told_bob(self) -> list[str]:
        """What bob was told, with time for whoever is slow to be understood."""
        self.stage.wait(1)
        return self.bob.lines()


class Greeting(AutoTestCase):
    """Who waits for the daemon to begin gets WHO."""

    def test_a_silent_client_is_greeted_once(self) -> None:
        peer = self.stage.connect("auto")
        self.stage.wait(GREETING_DELAY_SECONDS - 0.01)
        self.assertEqual(peer.hears(), b"")
        self.stage.wait(5)
        self.assertEqual(peer.hears(), b"WHO\n")
        self.assertEqual(peer.says("IAM alice").hears(), b"ARR alice\n")

    def test_a_text_client_that_begins_itself_is_greeted_then(self) -> None:
        """It gets what it would on the text wire."""
        self.assertEqual(self.comes(b"IAM alice\n").hears(), b"WHO\nARR alice\n")

    def test_who_was_greeted_may_be_any(self) -> None:
        """Nothing is lost by it but a line that they don't know."""
        for number, hello in enumerate(
            (
                b'{"from":"n0","action":"client-hello"}',
                b"Hello|n1",
                b"\x01\x00\x08Hello|n2",
                b"IAM n3\n",
            )
        ):
            peer = self.stage.connect("auto")
            self.stage.wait(1)
            self.assertEqual(peer.hears(), b"WHO\n")
            peer.says(hello)
            self.assertEqual(self.told_bob(), [f"ARR n{number}"])
            self.assertNotIn(b"WHO", peer.hears())

    def test_nobody_else_is_greeted(self) -> None:
        for nick, hello in enumerate((b'{"from":"%s","action":"client-hello"}\n', b"Hello|%s\n")):
            peer = self.comes(hello % b"n%d" % nick)
            self.stage.wait(1)
            self.assertNotIn(b"WHO", peer.hears())

    def test_one_that_has_begun_is_waited_for(self) -> None:
        """The silence counts from its last byte, and it is greeted in the middle of a word if need be."""
        peer = self.comes(b"H")
        self.stage.wait(GREETING_DELAY_SECONDS - 0.01)
        peer.says(b"e")
        self.stage.wait(GREETING_DELAY_SECONDS - 0.01)
        self.assertEqual(peer.hears(), b"")
        self.stage.wait(0.02)
        self.assertEqual(peer.hears(), b"WHO\n")
        peer.says(b"llo|alice")
        self.assertEqual(self.told_bob(), ["ARR alice"])

    def test_hello_without_a_name_is_complete_when_nothing_follows(self) -> None:
        self.comes(b"Hello")
        self.stage.wait(GREETING_DELAY_SECONDS - 0.01)
        self.assertEqual(self.bob.lines(), [])
        self.assertEqual(self.told_bob(), ["ARR guest2"])

    def test_a_connection_that_closes_leaves_no_timer(self) -> None:
        waiting = len(self.stage.reactor.getDelayedCalls())
        for start in (b"", b"He"):
            peer = self.comes(start)
            self.assertEqual(len(self.stage.reactor.getDelayedCalls()), waiting + 1)
            peer.hangs_up()
            self.assertEqual(len(self.stage.reactor.getDelayedCalls()), waiting)
        self.comes(b"MSG one\n")
        self.assertEqual(len(self.stage.reactor.getDelayedCalls()), waiting)


class OneWire(StageTestCase):
    """A port for one wire with two carriers: the openings of its default are of no account there."""

    def test_chunks_begin_at_once(self) -> None:
        """A chunk ends where nothing follows for a moment, whatever it begins with."""
        for wire in ("tp6", "tp6-bonus"):
            for start in (b"Hello", b"Hel"):
                peer = self.stage.connect(wire).says(start)
                self.stage.wait(2 * MIN_PAUSE_BETWEEN_FRAMES_SECONDS)
                self.assertNotEqual(peer.hears(), b"", (wire, start))

    def test_frames_do_as_well(self) -> None:
        for wire in ("tp6", "tp6-bonus"):
            peer = self.stage.connect(wire).says(b"\x01").says(b"\x00\x05Hello")
            self.assertEqual(peer.hears()[:1], b"\x01", wire)


class Becoming(AutoTestCase):
    """Whoever it is, however it is split, nothing is lost and nothing overtakes."""

    conversations = {
        "text": b"IAM alice\nMSG one\nMSG two\n",
        "blanks, then text": b"\r\n\nIAM alice\nMSG one\nMSG two\n",
        "JSON lines": HELLO + b'\n{"action":"client-broadcast","msg":"one"}\n'
        b'{"action":"client-broadcast","msg":"two"}\n',
        "JSON, laid out": b' \n{\n"from": "alice",\n"action": "client-hello"}\n\n'
        b'{"action":"client-broadcast","msg":"one"} {"action":"client-broadcast","msg":"two"}',
        "JSON with a byte order mark": b"\xef\xbb\xbf" + HELLO + b'{"action":"client-broadcast","msg":"one"}'
        b'{"action":"client-broadcast","msg":"two"}',
        "TP6": b"Hello|alice\none\ntwo\n",
        "frames": b"\x01\x00\x0bHello|alice\x01\x00\x03one\x02\x01\x03two",
    }

    def test_in_two_segments_split_anywhere(self) -> None:
        for name, said in self.conversations.items():
            for at in range(len(said) + 1):
                with self.subTest(name, at=at):
                    peer = self.comes(said[:at], said[at:])
                    told = self.told_bob()
                    self.assertEqual(told[:1] + told[-2:], ["ARR alice", "MSG alice one", "MSG alice two"])
                    peer.hangs_up()
                    self.assertEqual(self.told_bob(), ["LFT alice"])

    def test_byte_by_byte(self) -> None:
        for name, said in self.conversations.items():
            with self.subTest(name):
                peer = self.comes(*(bytes([byte]) for byte in said))
                told = self.told_bob()
                self.assertEqual(told[:1] + told[-2:], ["ARR alice", "MSG alice one", "MSG alice two"])
                peer.hangs_up()
                self.assertEqual(self.told_bob(), ["LFT alice"])

    def test_with_the_end_right_behind(self) -> None:
        """Everything is answered, then the connection closes."""
        for name, said in self.conversations.items():
            with self.subTest(name):
                peer = self.comes(said)
                IHalfCloseableProtocol(peer.protocol).readConnectionLost()
                told = self.told_bob()
                self.assertEqual(told[-3:], ["MSG alice one", "MSG alice two", "LFT alice"])
                self.assertIn(b"alice", peer.hears())
                self.assertEqual((peer.closed, peer.wire.aborted), (True, False))

    def test_an_end_before_it_was_clear(self) -> None:
        """It is the end of a line, and of text; without a byte too."""
        for said, heard in ((b"", b"WHO\n"), (b"HEL", b"WHO\n"), (b"\r\n", b"WHO\n")):
            peer = self.comes(said)
            IHalfCloseableProtocol(peer.protocol).readConnectionLost()
            self.stage.settle()
            self.assertEqual((peer.hears(), peer.closed, peer.wire.aborted), (heard, True, False))
        peer = self.comes(b"Hello")
        IHalfCloseableProtocol(peer.protocol).readConnectionLost()
        self.assertEqual(self.told_bob(), ["ARR guest2", "LFT guest2"])

    def test_who_speaks_json_is_paced_and_framed_as_on_its_wire(self) -> None:
        """One that ends lines gets lines, another one gets course work."""
        lines, course = self.comes(HELLO + b"\n"), self.comes(HELLO.replace(b"alice", b"carol"))
        self.stage.wait(0.2)
        self.assertIn(b'"cursor":0', lines.hears().partition(b"\n")[0])
        course.hears()
        self.bob.says("MSG one\nMSG two")
        self.assertEqual(len(course.wire.writes), 1)
        self.assertEqual(lines.hears().count(b"\n"), 2)
        self.stage.wait(0.2)
        self.assertEqual(len(course.wire.writes), 2)

    def test_it_is_paused_and_goes_on_as_the_carrier_that_it_became(self) -> None:
        """What it had sent before is obeyed afterwards."""
        self.stage.writer.held = True
        peer = self.comes(b"IAM alice\n" + b"msgs;wob\nMSG one\n" * 3)
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(self.told_bob(), ["ARR alice"] + ["MSG alice one"] * 3)
        self.assertEqual(peer.lines()[:2], ["WHO", "ARR alice"])


class Strangers(AutoTestCase):
    """Who is recognised and can't be served is told so, in one sentence, and goes."""

    def test_each_is_told_what_is_not_spoken_here(self) -> None:
        for opening in TLS.openings:
            with capturedLogs() as logs:
                peer = self.comes(opening.start + b"/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
                peer.says(b"IAM alice\n")
            self.assertEqual(peer.hears(), f"ERR bad_request {TLS.why}\n".encode())
            self.assertFalse(peer.closed)
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertEqual((peer.closed, peer.wire.aborted), (True, False))
            said = [log for log in logs if log.get("log_format") == "{peer} speaks {name}"]
            self.assertEqual([(log["name"], log["log_level"].name) for log in said], [(TLS.name, "info")])
        self.assertEqual(self.told_bob(), [])

    def test_the_end_right_behind_changes_nothing(self) -> None:
        peer = self.comes(TLS.openings[0].start)
        IHalfCloseableProtocol(peer.protocol).readConnectionLost()
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual(peer.hears(), f"ERR bad_request {TLS.why}\n".encode())
        self.assertTrue(peer.closed)

    def test_http_is_passed_on_whole(self) -> None:
        """By each of its openings, wherever the first bytes are cut; an answer of HTTP comes back."""
        for opening in HTTP.openings:
            said = opening.start + b"/no/page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            for at in (1, len(opening.start), len(opening.start) + 3):
                peer = self.comes(said[:at], said[at:])
                self.assertRegex(peer.hears(), rb"HTTP/1\.1 4\d\d ", opening)
                self.stage.wait(20)
                self.assertTrue(peer.closed, opening)
        self.assertEqual(self.told_bob(), [])


class BeforeItIsClear(AutoTestCase):
    """The session is there from the start."""

    limits = Limits(connections=2)

    def test_it_counts_as_one_client(self) -> None:
        """Whatever it becomes; the next one is refused, and what it says doesn't count."""
        peer = self.stage.connect("auto")
        self.assertEqual(len(self.stage.sessions), 2)
        refused = self.comes(b"IAM carol\n")
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual(refused.hears(), b"ERR rate_limited too many connections: try again in 5 seconds\n")
        self.assertTrue(refused.closed)
        peer.says(HELLO)
        self.assertEqual(self.told_bob(), ["ARR alice"])
        self.assertEqual(len(self.stage.sessions), 2)
        peer.hangs_up()
        self.assertEqual(len(self.stage.sessions), 1)

    def test_one_that_was_refused_is_not_greeted_meanwhile(self) -> None:
        """Though it takes a while until the refusal has its turn, and the client has ended before."""
        self.stage.connect("auto")
        self.stage.writer.held = True
        self.bob.says("cg;wob")
        for ends in (True, False):
            refused = self.stage.connect("auto")
            if ends:
                IHalfCloseableProtocol(refused.protocol).readConnectionLost()
            self.stage.wait(2 * GREETING_DELAY_SECONDS)
            self.assertEqual(refused.hears(), b"")
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(refused.hears(), b"ERR rate_limited too many connections: try again in 5 seconds\n")

    def test_it_gets_nothing_that_it_could_not_read(self) -> None:
        """It has no name, so nothing is told to it."""
        peer = self.comes(b"He")
        self.bob.says("MSG one")
        self.stage.wait(GREETING_DELAY_SECONDS)
        self.assertEqual(peer.hears(), b"WHO\n")

    def test_it_is_told_when_the_daemon_stops(self) -> None:
        """And not greeted after that."""
        for start in (b"", b"He"):
            peer = self.comes(start)
            peer.wire.stuck = True
            self.stage.sessions.close()
            self.stage.wait(1)
            self.assertEqual(
                peer.hears(), b"ERR shutting_down the daemon is shutting down: connect again later\n"
            )
            peer.hangs_up()

    def test_its_log_lines_are_those_of_any(self) -> None:
        with capturedLogs() as logs:
            self.comes(b"He").hangs_up()
        self.assertEqual(
            [log["log_format"] for log in logs if "peer" in log], ["{peer} connected", "{peer} disconnected"]
        )


class ManyUndecided(StageTestCase):
    """Clients that drip."""

    def test_what_is_kept_is_bounded(self) -> None:
        """Blanks without end are text sooner or later, as nothing."""
        peer = self.stage.connect("auto")
        for _ in range(10 * MAX_BYTES_BEFORE_DETECTION):
            peer.says(b" ")
        carrier: Any = peer.protocol
        self.assertEqual(carrier._read, b"")


class Tls(SynchronousTestCase):
    """TLS and everything else on one port, with real sockets and Python's own TLS."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        (self.folder / "chat.pem").write_bytes(self_signed("localhost"))
        self.trust = ssl.create_default_context(cafile=self.folder / "chat.pem")

    def daemon(self, *options: str) -> Daemon:
        """One with a certificate."""
        return Daemon(self.folder, "--listen=auto=tcp:0", "--certificate=chat.pem", *options)

    def connect(self, daemon: Daemon) -> Client:
        """A client that speaks TLS."""
        client = daemon.connect("auto")
        client.socket = self.trust.wrap_socket(client.socket, server_hostname="localhost")
        return client

    def test_every_wire_inside(self) -> None:
        """The bytes inside decide as they do outside."""
        with self.daemon("--listen=text=tcp:0") as daemon, daemon.connect("auto") as bob:
            bob.says("IAM bob")
            self.assertEqual((bob.line(), bob.line()), ("WHO", "ARR bob"))
            for nick, hello in {
                "text": b"IAM text\n",
                "json": b'{"from":"json","action":"client-hello"}\n',
                "tp6": b"Hello|tp6",
                "frames": b"\x01\x00\x0cHello|frames",
            }.items():
                with self.connect(daemon) as client:
                    client.says(hello)
                    self.assertEqual(bob.line(), f"ARR {nick}")
                    bob.says(f"MSG welcome {nick}")
                    self.assertIn(nick.encode(), client.hears_until(b"welcome " + nick.encode()))
                self.assertEqual(bob.line(), f"LFT {nick}")
            self.assertEqual(daemon.terminate(), 0)
            self.assertNotIn("#error]", daemon.log)
            self.assertNotIn("Traceback", daemon.log)

    def test_a_web_page_can_not_talk_inside(self) -> None:
        """Whatever its method, a known one or none that is known; nothing behind it is done."""
        with self.daemon("--listen=text=tcp:0") as daemon, daemon.connect("auto") as bob:
            bob.says("IAM bob")
            self.assertEqual((bob.line(), bob.line()), ("WHO", "ARR bob"))
            for method in (b"POST", b"fetch", b"Hello|eve"):
                with self.connect(daemon) as client:
                    client.says(method + b" / HTTP/1.1\r\n\r\nIAM eve\r\nHello|eve\r\nMSG x\r\n")
                    client.hears_until(b"HTTP")
            bob.says("WHO")
            self.assertEqual((bob.line(), bob.line()), ("WHO bob", "END WHO 1"))

    def test_the_greeting_comes_inside(self) -> None:
        with self.daemon() as daemon, self.connect(daemon) as client:
            self.assertEqual(client.line(), "WHO")
            client.says("IAM alice")
            self.assertEqual(client.line(), "ARR alice")

    def test_its_hello_may_come_in_pieces(self) -> None:
        """Another client is served in between, so that each piece has been read."""
        with self.daemon() as daemon, daemon.connect("auto") as client, daemon.connect("auto") as other:
            inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = self.trust.wrap_bio(inside, outside, server_hostname="localhost")
            with self.assertRaises(ssl.SSLWantReadError):
                tls.do_handshake()
            hello = outside.read()
            other.says("IAM bob")
            for piece in (hello[:1], hello[1:3], hello[3:]):
                client.says(piece)
                other.says("WHO").hears_until(b"END WHO 1\n")
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    inside.write(client.socket.recv(65536))
            tls.write(b"IAM alice\n")
            client.says(outside.read())
            other.hears_until(b"ARR alice\n")

    def test_much_goes_through_it_both_ways(self) -> None:
        """More than any buffer on the way: the outbox waits for TLS as it does for a plain socket."""
        with self.daemon() as daemon, self.connect(daemon) as alice, self.connect(daemon) as bob:
            for nick, client in (("alice", alice), ("bob", bob)):
                client.says(f"IAM {nick}")
                self.assertEqual((client.line(), client.line()), ("WHO", f"ARR {nick}"))
            self.assertEqual(alice.line(), "ARR bob")
            line = "MSG " + "x" * 8000
            for _ in range(10):
                bob.says(f"{line}\n" * 20)
                for _ in range(20):
                    self.assertEqual(alice.line(), line.replace("MSG", "MSG bob"))
            bob.says("BYE")
            self.assertEqual(alice.line(), "LFT bob")
            self.assertEqual(bob.hears_rest(), b"LFT bob\n")

    def test_the_chain_is_sent(self) -> None:
        """Who knows the root alone can check the certificate."""
        root = issue("root", authority=True)
        between = issue("between", issuer=root, authority=True)
        own = issue("localhost", issuer=between)
        (self.folder / "chat.pem").write_bytes(own.pem() + between.pem() + own.key_pem())
        self.trust = ssl.create_default_context(cadata=root.pem().decode())
        with self.daemon() as daemon, self.connect(daemon) as client:
            self.assertEqual(client.line(), "WHO")

    def test_no_tls_in_tls(self) -> None:
        """Nor on a listener that is TLS itself; behind a proxy there is TLS once as well."""
        for endpoint, proxy in (
            ("tcp:0", b""),
            ("ssl:0", b""),
            ("ssl:0:privateKey=chat.pem", b""),
            ("haproxy:ssl:0", b"PROXY TCP4 127.0.0.2 127.0.0.1 4000 7070\r\n"),
            ("haproxy:tcp:0", b"PROXY TCP4 127.0.0.2 127.0.0.1 4000 7070\r\n"),
        ):
            with Daemon(self.folder, f"--listen=auto={endpoint}", "--certificate=chat.pem") as daemon:
                with daemon.connect("auto").says(proxy) as client:
                    client.socket = self.trust.wrap_socket(client.socket, server_hostname="localhost")
                    client.says(b"\x16\x03\x01\x00\x05hello")
                    self.assertEqual(client.line(), f"ERR bad_request {TLS.why}")
                    self.assertEqual(client.hears_rest(), b"")
                self.assertNotIn("Traceback", daemon.log)

    def test_without_a_certificate_it_is_refused(self) -> None:
        """And the log says what came."""
        with Daemon(self.folder, "--listen=auto=tcp:0") as daemon:
            with self.assertRaises(ssl.SSLError), self.connect(daemon):
                pass
            daemon.wait_for("speaks TLS")
            self.assertNotIn("Traceback", daemon.log)

    def test_what_only_looks_like_tls_harms_nobody(self) -> None:
        """Broken, cut off, or silent in the middle of the handshake."""
        with self.daemon() as daemon:
            with daemon.connect("auto") as broken:
                broken.says(b"\x16\x03\x01\x00\x05hello" + bytes(1000))
                broken.hears_rest()
            with daemon.connect("auto") as cut:
                cut.says(b"\x16\x03\x01")
                cut.socket.shutdown(socket.SHUT_WR)
                cut.hears_rest()
            with daemon.connect("auto") as silent:
                silent.says(b"\x16\x03\x01\x02\x00")
                with self.connect(daemon) as client:
                    self.assertEqual(client.line(), "WHO")
                self.assertEqual(daemon.terminate(), 0)
                self.assertEqual(silent.hears_rest(), b"")
            self.assertNotIn("#error]", daemon.log)
            self.assertNotIn("Traceback", daemon.log)

    def test_a_unix_socket_has_tls_as_well(self) -> None:
        with Daemon(self.folder, "--listen=auto=unix:chat.sock", "--certificate=chat.pem"):
            connection = socket.socket(socket.AF_UNIX)
            with contextlib.chdir(self.folder):  # since the name of a socket has to be short
                connection.connect("chat.sock")
            with Client(self.trust.wrap_socket(connection, server_hostname="localhost")) as client:
                self.assertEqual(client.line(), "WHO")
