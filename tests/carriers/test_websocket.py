"""The WebSocket carrier: messages in frames and fragments, control frames, and what ends the connection."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from websockets.frames import Frame, Opcode

from chatd.carriers.websocket import (
    MAX_UNANSWERED_PINGS,
    PING_INTERVAL_SECONDS,
    WebSocketCarrier,
    wrap_text_message,
)
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.core.limits import Limits
from tests.support.effort import effort
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, StageTestCase
from tests.support.websocket import FrameReader, frame, handshake, json_frame, messages

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)
"""Sizes of payloads on both sides of where the header grows (RFC 6455, section 5.2)."""


class Framing(SynchronousTestCase):
    """What goes out."""

    def test_a_payload_of_any_size_is_one_unmasked_text_frame(self) -> None:
        """As another implementation reads it."""
        for size in SIZES:
            wrapped = wrap_text_message(b"x" * size)
            (one,) = FrameReader().feed(wrapped)
            self.assertEqual((one.opcode, one.fin, len(one.data)), (Opcode.TEXT, True, size))
            self.assertEqual(wrapped, Frame(Opcode.TEXT, b"x" * size).serialize(mask=False))

    def test_all_who_share_frames_have_the_same_function(self) -> None:
        """Fan-out shares frames by it."""
        one: Any = object()
        self.assertIs(WebSocketCarrier.wrapper_for(one), WebSocketCarrier.wrapper_for(one))


class Connected(StageTestCase):
    """Alice on a WebSocket, who has logged in, and bob on the text wire."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.stage.text("bob")
        self.alice = self.comes()
        self.assertEqual(self.bob.lines(), ["ARR alice"])

    def comes(self, nick: str = "alice") -> Peer:
        """A client of that name."""
        peer = self.stage.connect("web", subprotocol="chatd.json")
        peer.says(json_frame(action="client-hello", from_=nick)).hears()
        return peer

    def hears(self, peer: Peer | None = None) -> list[str]:
        """What she was sent, as conversations write it."""
        return messages((peer or self.alice).hears())

    def assert_closed(self, code: int, reason: str, refusal: str) -> None:
        """Alice was refused with that code, then closed with that code and reason; bob saw her leave."""
        *before, last = self.hears()
        self.assertEqual(last, f"(close {code} {reason})")
        self.assertEqual([json.loads(one)["code"] for one in before], [refusal])
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual((self.alice.closed, self.alice.wire.aborted), (True, False))
        self.assertEqual(self.bob.lines(), ["LFT alice"])


class Messages(Connected):
    """What comes in."""

    limits = UNTHROTTLED

    def test_a_message_may_come_in_fragments_with_pings_between_them(self) -> None:
        said = json.dumps({"action": "client-broadcast", "msg": "é" * 10}, ensure_ascii=False).encode()
        middle = said.index("é".encode()) + 1  # in the middle of a character
        self.alice.says(
            frame(said[:5], fin=False)
            + frame(b"", Opcode.CONT, fin=False)
            + frame(b"one", Opcode.PING)
            + frame(said[5:middle], Opcode.CONT, fin=False)
            + frame(b"", Opcode.PONG)
            + frame(said[middle:], Opcode.CONT)
        )
        self.assertEqual(self.bob.lines(), ["MSG alice " + "é" * 10])
        pong, ack = self.hears()
        self.assertEqual((pong, json.loads(ack)["action"]), ("(pong one)", "server-ack"))

    def test_each_ping_is_answered_with_its_bytes(self) -> None:
        self.alice.says(b"".join(frame(b"%d" % number, Opcode.PING) for number in range(300)))
        heard = FrameReader().feed(self.alice.hears())
        self.assertEqual([bytes(one.data) for one in heard], [b"%d" % number for number in range(300)])
        self.assertEqual({one.opcode for one in heard}, {Opcode.PONG})

    @settings(max_examples=effort(60), deadline=None)
    @given(st.lists(st.integers(1, 5000), max_size=8), st.integers(0, 3))
    def test_it_makes_no_difference_where_the_network_cuts(self, cuts: list[int], padding: int) -> None:
        """Frames with lengths in one byte and in three, in any segments."""
        texts = ["x" * (4000 + padding), "y", "z" * (8192 - padding), "end"]
        stream = b"".join(json_frame(action="client-broadcast", msg=text) for text in texts)
        at = 0
        for cut in cuts:
            self.alice.says(stream[at : at + cut])
            at += cut
        self.alice.says(stream[at:])
        self.assertEqual(self.bob.lines(), [f"MSG alice {text}" for text in texts])
        self.hears()

    def test_the_same_bytes_go_to_all(self) -> None:
        """Not only equal ones: the same object, encoded and framed once."""
        others = [self.comes(f"n{number}") for number in range(20)]
        for peer in (self.alice, *others):
            peer.hears()
        self.bob.says("MSG salut")
        frames = [peer.wire.writes[0] for peer in (self.alice, *others)]
        self.assertEqual({id(one) for one in frames}, {id(frames[0])})
        self.assertIn(b'"salut"', frames[0])


class Faults(Connected):
    """What ends the connection, with which code (RFC 6455, section 7.4.1), and what does not."""

    def test_what_is_no_object_is_refused_and_she_stays(self) -> None:
        self.alice.says(frame("nonsense"))
        (refusal,) = self.hears()
        self.assertEqual(json.loads(refusal)["code"], "bad_json")
        self.alice.says(json_frame(action="client-broadcast", msg="salut"))
        self.assertEqual((self.bob.lines(), self.alice.closed), (["MSG alice salut"], False))

    def test_invalid_utf8(self) -> None:
        self.alice.says(frame(b'{"action":"client-broadcast","msg":"\xff"}'))
        self.assert_closed(1007, "bad_utf8", "bad_utf8")

    def test_a_binary_message(self) -> None:
        self.alice.says(frame(b"{}", Opcode.BINARY))
        self.assert_closed(1003, "bad_request", "bad_request")

    def test_what_is_no_valid_frame(self) -> None:
        """Unmasked, a reserved bit, an unknown opcode, a long or a fragmented ping, a fragment of nothing."""
        masked = frame(b"x")
        for bad in (
            Frame(Opcode.TEXT, b"{}").serialize(mask=False),
            bytes([masked[0] | 0x40]) + masked[1:],
            bytes([0x83]) + masked[1:],
            frame(b"x" * 126, Opcode.PING),
            frame(b"x", Opcode.PING, fin=False),
            frame(b"x", Opcode.CONT),
            frame(b"x", fin=False) + frame(b"x"),
            frame(b"\x03\xed", Opcode.CLOSE),  # 1005 is never sent
            frame(b"\x03", Opcode.CLOSE),
        ):
            with self.subTest(bad):
                self.alice.says(bad)
                *_, last = self.hears()
                self.assertEqual(last[:12], "(close 1002 ")
                self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
                self.assertTrue(self.alice.closed)
                self.alice = self.comes()
                self.bob.hears()

    def test_what_came_before_a_fault_is_done(self) -> None:
        self.alice.says(json_frame(action="client-broadcast", msg="salut") + b"\x00\x00")
        self.assertEqual(self.bob.lines(), ["MSG alice salut", "LFT alice"])
        ack, refusal, close = self.hears()
        self.assertEqual(json.loads(ack)["action"], "server-ack")
        self.assertEqual((json.loads(refusal)["code"], close[:11]), ("bad_request", "(close 1002"))

    def test_the_first_fault_counts(self) -> None:
        """Its code is sent, whatever came behind it in the same segment."""
        for behind in (frame(b"\x03\xe8", Opcode.CLOSE), b"\x00\x00"):
            for first, closed in (
                (frame(b"\xff"), "(close 1007 bad_utf8)"),
                (frame(b"{}", Opcode.BINARY), "(close 1003 bad_request)"),
            ):
                with self.subTest(closed, behind=behind):
                    self.alice.says(first + behind)
                    self.assertEqual(self.hears()[1:], [closed])
                    self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
                    self.alice = self.comes()

    def test_too_long(self) -> None:
        """By its announced length, before it comes, or by the sum of its fragments."""
        limit = self.stage.limits.json
        text = '{"action":"client-list-clients"}'
        self.alice.says(frame(text + " " * (limit - len(text))))
        self.assertEqual(json.loads(self.hears()[0])["action"], "server-list-clients")
        for bad in (
            b"\x81\xff" + (limit + 1).to_bytes(8, "big"),
            b"\x81\xff" + (2**40).to_bytes(8, "big"),
            frame(b"x" * limit, fin=False) + frame(b"x", Opcode.CONT),
        ):
            with self.subTest(bad[:10]):
                self.alice.says(bad)
                refusal, close = self.hears()
                self.assertEqual((json.loads(refusal)["code"], close[:11]), ("too_long", "(close 1009"))
                self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
                self.assertTrue(self.alice.closed)
                self.alice = self.comes()
                self.bob.hears()


class Ends(Connected):
    """Who closes, and what the other side is told."""

    def test_she_closes(self) -> None:
        """All that she has sent is answered first; then she gets her code back."""
        self.alice.says(json_frame(action="client-broadcast", msg="bye") + frame(b"\x03\xe8ok", Opcode.CLOSE))
        ack, close = self.hears()
        self.assertEqual((json.loads(ack)["action"], close), ("server-ack", "(close 1000 ok)"))
        self.assertEqual((self.alice.closed, self.alice.wire.aborted), (True, False))
        self.assertEqual(self.bob.lines(), ["MSG alice bye", "LFT alice"])

    def test_nothing_behind_her_close_is_done(self) -> None:
        self.alice.says(frame(b"", Opcode.CLOSE) + json_frame(action="client-broadcast", msg="x"))
        self.assertEqual(self.hears(), ["(close 1005)"])
        self.assertEqual(self.bob.lines(), ["LFT alice"])

    def test_she_closes_within_a_message(self) -> None:
        """A Close may come between fragments (RFC 6455, section 5.4): it is answered like any other."""
        for data, answer in ((b"\x03\xe8ok", "(close 1000 ok)"), (b"", "(close 1005)")):
            with self.subTest(data):
                said = frame(b"x", fin=False) + frame(data, Opcode.CLOSE) + frame(b"y", Opcode.CONT)
                self.alice.says(said)
                self.assertEqual((self.hears(), self.alice.closed), ([answer], True))
                self.assertEqual(self.bob.lines(), ["LFT alice"])
                self.alice = self.comes()
                self.bob.hears()

    def test_she_quits(self) -> None:
        self.alice.says(json_frame(action="client-quit"))
        goodbye, close = self.hears()
        self.assertEqual((json.loads(goodbye)["action"], close), ("server-quit", "(close 1000)"))
        self.assertTrue(self.alice.closed)

    def test_the_daemon_stops(self) -> None:
        self.stage.sessions.close()
        self.stage.settle()
        refusal, close = self.hears()
        self.assertEqual(json.loads(refusal)["code"], "shutting_down")
        self.assertEqual(close, "(close 1001 shutting_down)")

    def test_a_silent_client_is_sent_pings_and_cut_if_it_answers_none(self) -> None:
        """Anything that it sends will do, and a client that talks gets none."""
        for _ in range(3):
            self.stage.wait(PING_INTERVAL_SECONDS - 1)
            self.alice.says(json_frame(action="client-list-clients"))
        self.assertNotIn("(ping)", self.hears())
        self.stage.wait(PING_INTERVAL_SECONDS)
        for _ in range(3):
            self.stage.wait(2 * PING_INTERVAL_SECONDS)
            self.assertIn("(ping)", self.hears())
            self.alice.says(frame(b"", Opcode.PONG))
        self.stage.wait(PING_INTERVAL_SECONDS)
        for _ in range(MAX_UNANSWERED_PINGS):
            self.assertFalse(self.alice.closed)
            self.stage.wait(PING_INTERVAL_SECONDS)
            self.assertEqual(self.hears(), ["(ping)"])
        self.stage.wait(PING_INTERVAL_SECONDS)
        self.assertTrue(self.alice.wire.aborted)
        self.assertEqual(self.bob.lines(), ["LFT alice"])


class Floods(Connected):
    """Frames that say nothing cost the one who sends them."""

    limits = Limits(requests_per_second=10, burst_seconds=10)

    def test_control_frames_and_fragments_are_read_at_the_rate_of_requests(self) -> None:
        """Others are served meanwhile, and a message that comes behind them in time is not lost."""
        for many in (
            [frame(b"", Opcode.PING)] * 300,
            [frame(b"", Opcode.PONG)] * 300,
            [frame(b"", fin=False), *[frame(b"", Opcode.CONT, fin=False)] * 299, frame(b"x", Opcode.CONT)],
        ):
            said = json_frame(action="client-broadcast", msg="late")
            self.alice.says(b"".join(many) + said)
            self.stage.wait(15)
            self.assertEqual(self.bob.lines(), [])
            self.stage.wait(30)
            self.assertEqual(self.bob.lines(), ["MSG alice late"])
            self.hears()

    def test_no_more_is_parsed_than_is_handled(self) -> None:
        """A segment holds hundreds of frames: to parse them all would stop the others for milliseconds."""
        protocol: Any = self.alice.protocol
        for one in (frame(b"", Opcode.PING), frame(b"", Opcode.PONG)):
            protocol.dataReceived(one * 600)
            self.assertGreater(len(protocol._protocol._unparsed), 590 * len(one))
            self.stage.wait(100)
            self.assertEqual(len(protocol._protocol._unparsed), 0)


class Text(StageTestCase):
    """The subprotocol chatd.text."""

    def test_a_line_is_a_message_whether_or_not_it_has_its_end(self) -> None:
        bob = self.stage.text("bob")
        peer = self.stage.connect("web", subprotocol="chatd.text")
        self.assertEqual(messages(peer.hears()), ["WHO"])
        peer.says(frame("IAM alice")).says(frame("MSG one\r\n")).says(frame("MSG two\n"))
        self.assertEqual(bob.lines(), ["ARR alice", "MSG alice one", "MSG alice two"])
        peer.says(frame("MSG three\nMSG four"))
        self.assertEqual(
            messages(peer.hears())[1:], ["ERR bad_request send each line as a message of its own"]
        )
        self.assertEqual(bob.lines(), [])

    def test_it_is_never_taken_for_the_reference_client(self) -> None:
        """No frame waits for its next line, and ``LST`` changes none."""
        bob = self.stage.text("bob")
        peer = self.stage.connect("web", subprotocol="chatd.text")
        peer.hears()
        peer.says(frame("IAM alice"))
        bob.says("MSG one")
        self.assertEqual(messages(peer.hears()), ["ARR alice", "MSG bob one"])
        peer.says(frame("LST"))
        self.stage.text("carol")
        self.assertEqual(messages(peer.hears()), ["LST bob alice ", "ARR carol"])


class Irc(StageTestCase):
    """The subprotocols of IRC: a line is a message, with or without its end."""

    def test_each_speaks_its_kind_and_takes_both(self) -> None:
        for subprotocol, opcode in (
            ("text.ircv3.net", Opcode.TEXT),
            ("binary.ircv3.net", Opcode.BINARY),
        ):
            peer = self.stage.connect("web", subprotocol=subprotocol)
            peer.says(frame("NICK alice")).says(frame(b"USER a 0 * :Alice\r\n", Opcode.BINARY))
            frames = FrameReader().feed(peer.hears())
            self.assertEqual({one.opcode for one in frames}, {opcode})
            self.assertEqual(bytes(frames[0].data), b":chatd 001 alice :Welcome to chatd, alice")
            for one in frames:
                self.assertNotRegex(bytes(one.data), b"[\r\n]")
            peer.says(frame(b"PING :caf\xc3\xa9", Opcode.BINARY)).says(frame("PING b"))
            self.assertEqual(
                [bytes(one.data).decode() for one in FrameReader().feed(peer.hears())],
                [":chatd PONG chatd :café", ":chatd PONG chatd :b"],
            )
            peer.hangs_up()

    def test_what_is_no_utf8(self) -> None:
        """In a binary message it is IRC's to refuse; in a text message it is no WebSocket."""
        peer = self.stage.connect("web", subprotocol="text.ircv3.net")
        peer.says(frame(b"PRIVMSG b :\xe9", Opcode.BINARY))
        self.assertEqual(messages(peer.hears()), [":chatd FAIL PRIVMSG INVALID_UTF8 :send text in UTF-8"])
        peer.says(frame(b"PING \xe9"))
        self.assertEqual(messages(peer.hears())[-1], "(close 1007 bad_utf8)")

    def test_a_line_is_no_longer_than_elsewhere(self) -> None:
        """Ten thousand channels in one message are none."""
        peer = self.stage.connect("web", subprotocol="text.ircv3.net")
        peer.says(frame("NICK alice")).says(frame("USER a 0 * :Alice")).hears()
        peer.says(frame(f"JOIN {','.join(f'#{number}' for number in range(10_000))}"))
        self.assertEqual(messages(peer.hears()), [":chatd 417 alice :Input line was too long"])
        peer.says(frame("PING a\r\nJOIN #b"))
        sentence = "send one line, without CR, LF and NUL in it"
        self.assertEqual(messages(peer.hears()), [f":chatd NOTICE alice :{sentence}"])
        peer.says(frame("CAP REQ standard-replies")).hears()
        for inside in ("\r\n", "\n", "\r", "\0"):
            peer.says(frame(f"PING a{inside}JOIN #b"))
            self.assertEqual(messages(peer.hears()), [f":chatd FAIL PING INVALID_LINE :{sentence}"])

    def test_line_breaks_in_a_realname(self) -> None:
        """They are left out, and keep nobody out."""
        peer = self.stage.connect("web", subprotocol="text.ircv3.net")
        peer.says(frame("NICK alice")).says(frame("USER a 0 * :A\nlice\r\0")).hears()
        peer.says(frame("WHO alice"))
        self.assertEqual(messages(peer.hears())[0], ":chatd 352 alice * ~a chatd * alice H :0 Alice")

    def test_fragments_keep_their_kind(self) -> None:
        peer = self.stage.connect("web", subprotocol="binary.ircv3.net")
        peer.says(frame(b"PRIVMSG \xe9", Opcode.BINARY, fin=False)).says(frame(b" :\xe9", Opcode.CONT))
        (one,) = FrameReader().feed(peer.hears())
        self.assertEqual(bytes(one.data), b":chatd FAIL PRIVMSG INVALID_UTF8 :send text in UTF-8")


class Handshake(StageTestCase):
    """What comes with the handshake in one segment is not lost."""

    def test_frames_may_follow_at_once(self) -> None:
        bob = self.stage.text("bob")
        hello = json_frame(action="client-hello", from_="alice")
        said = handshake("chatd.json") + hello + json_frame(action="client-broadcast", msg="salut")
        for at in (0, 20, len(said) - 30, len(said) - 1):
            for wire in ("web", "auto"):
                peer = self.stage.connect(wire).says(said[:at]).says(said[at:])
                self.assertEqual(bob.lines()[0::2][:1], ["ARR alice"], (wire, at))
                peer.hangs_up()
                bob.hears()
