"""RFC 6455 by its sections: what a client sends, and what a server that echoes each text sends back."""

from __future__ import annotations

import re
from itertools import pairwise

from websockets.frames import Frame, Opcode

from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from tests.support.in_memory_daemon import UNTHROTTLED, StageTestCase
from tests.support.toys import WithToys
from tests.support.websocket import frame, messages

ERROR = "(close 1002)"
NOT_TAKEN = "(close 1003)"
BAD_UTF8 = "(close 1007)"

UTF8 = (
    *("", "\0", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufeff", "\uffff", "\U00010000"),
    *("\U0001fffe", "\U0010ffff", "naïve, 東京, 🐢"),
)
"""The first and the last characters of each length, those beside the surrogates, and no characters."""

NO_UTF8 = (
    *(b"\x80", b"\xbf", b"\xfe", b"\xff"),  # no first byte
    *(b"\xc3", b"\xe2\x82", b"\xf0\x9f\x90"),  # too short
    *(b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"),  # longer than needed
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb0\xa2"),  # surrogates
    *(
        b"\xf4\x90\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfd\xbf\xbf\xbf\xbf\xbf",
    ),  # too large
)
"""What no decoder of UTF-8 may take (RFC 3629, sections 3 and 10)."""


def reserved(bits: int, data: bytes) -> bytes:
    """The frame ``data`` with ``bits`` of 1 to 7 for the reserved ones."""
    return bytes([data[0] | bits << 4]) + data[1:]


def fragments(payload: bytes, opcode: int = Opcode.TEXT) -> list[bytes]:
    """A message whose bytes come in a frame each, between two empty ones."""
    middle = [frame(bytes([byte]), Opcode.CONT, fin=False) for byte in payload]
    return [frame(b"", opcode, fin=False), *middle, frame(b"", Opcode.CONT)]


def code(number: int, reason: bytes = b"") -> bytes:
    """A Close frame."""
    return frame(number.to_bytes(2, "big") + reason, Opcode.CLOSE)


class Played(WithToys, StageTestCase):
    """Clients of a server that echoes."""

    limits = UNTHROTTLED

    def play(self, said: bytes, *heard: str) -> None:
        """Two clients say it, in one segment and byte by byte, and hear the same.

        If that ends with a Close frame, their connections are closed. Reasons of errors are left out.
        """
        for size in {len(said), 1} if len(said) < 500 else {len(said), 1000}:
            with self.subTest(said[:100], size=size):
                peer = self.stage.connect("web", subprotocol="test.echo")
                for at in range(0, len(said), size):
                    peer.says(said[at : at + size])
                told = [
                    re.sub(r"\(close (100[237]) .*\)", r"(close \1)", one) for one in messages(peer.hears())
                ]
                self.assertEqual(told, list(heard))
                self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
                self.assertEqual(peer.closed, any(one.startswith("(close ") for one in heard))
                peer.hangs_up()


class Frames(Played):
    """Section 5: frames, fragments, control frames."""

    def test_5_1_what_a_client_sends_is_masked(self) -> None:
        for opcode in (Opcode.TEXT, Opcode.PING, Opcode.CLOSE):
            self.play(frame("a") + Frame(opcode, b"").serialize(mask=False) + frame("b"), "a", ERROR)

    def test_5_2_texts_of_all_sizes(self) -> None:
        for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536):
            self.play(frame("*" * size) + frame("end"), "*" * size, "end")

    def test_5_2_reserved_bits(self) -> None:
        for bits in range(1, 8):
            for opcode in (Opcode.TEXT, Opcode.PING, Opcode.PONG, Opcode.CLOSE):
                self.play(frame("a") + reserved(bits, frame(b"", opcode)) + frame("b"), "a", ERROR)

    def test_5_2_reserved_opcodes(self) -> None:
        for opcode in (*range(3, 8), *range(11, 16)):
            for data in (b"", b"data"):
                self.play(frame("a") + frame(data, opcode) + frame("b"), "a", ERROR)

    def test_5_4_fragments(self) -> None:
        self.play(frame("a", fin=False) + frame("b", Opcode.CONT), "ab")
        self.play(frame("", fin=False) + frame("", Opcode.CONT), "")
        self.play(b"".join(fragments(b"many")) * 2 + frame("end"), "many", "many", "end")
        self.play(frame("the rest never comes", fin=False))

    def test_5_4_control_frames_between_fragments(self) -> None:
        """Each is answered before the message is complete."""
        ping, pong = frame("now", Opcode.PING), frame("so", Opcode.PONG)
        self.play(ping.join(fragments(b"ab")), *["(pong now)"] * 3, "ab")
        self.play(pong.join(fragments(b"ab")), "ab")
        self.play(frame("a", fin=False) + code(1000) + frame("b", Opcode.CONT), "(close 1000)")

    def test_5_4_what_breaks_a_message(self) -> None:
        """A fragment of nothing, or a message within a message; what came before is done."""
        for fin in (True, False):
            for opcode in (Opcode.TEXT, Opcode.BINARY):
                self.play(frame("a", fin=False) + frame("b", opcode, fin), ERROR)
            self.play(frame("b", Opcode.CONT, fin) + frame("c"), ERROR)
            self.play(b"".join(fragments(b"a")) + frame("b", Opcode.CONT, fin), "a", ERROR)

    def test_5_5_control_frames_are_short_and_whole(self) -> None:
        for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
            self.play(frame(b"\x03\xe8" + b"x" * 124, opcode), ERROR)
            self.play(frame(b"\x03\xe8", opcode, fin=False) + frame("x", Opcode.CONT), ERROR)

    def test_5_5_2_pings(self) -> None:
        """Any bytes come back; the largest ping as well."""
        for data, shown in ((b"", ""), (b"text", " text"), (b"\xfe\x00\xff", " \\xfe\0\\xff")):
            self.play(frame(data, Opcode.PING), f"(pong{shown})")
        self.play(frame("x" * 125, Opcode.PING) + frame("end"), f"(pong {'x' * 125})", "end")
        self.play(
            b"".join(frame(str(n), Opcode.PING) for n in range(10)), *(f"(pong {n})" for n in range(10))
        )

    def test_5_5_3_pongs(self) -> None:
        """Nobody has asked for them, and they change nothing."""
        self.play(frame("", Opcode.PONG) + frame("x" * 125, Opcode.PONG) + frame("end"), "end")
        self.play(frame("no", Opcode.PONG) + frame("yes", Opcode.PING), "(pong yes)")

    def test_5_6_binary_messages_are_not_taken(self) -> None:
        """Whatever their size is, whole or in fragments (section 7.4.1)."""
        for size in (0, 1, 126, 65_536):
            self.play(frame("a") + frame(b"\xfe" * size, Opcode.BINARY) + frame("b"), "a", NOT_TAKEN)
        self.play(b"".join(fragments(b"\xfe", Opcode.BINARY)), NOT_TAKEN)


class Closing(Played):
    """Section 7: the closing handshake, and the codes."""

    def test_7_1_5_a_code_or_none(self) -> None:
        """The answer is the same."""
        self.play(frame("a") + frame(b"", Opcode.CLOSE), "a", "(close 1005)")
        self.play(code(1000), "(close 1000)")
        self.play(code(1000, "tschüß".encode()), "(close 1000 tschüß)")
        self.play(code(1000, b"x" * 123), f"(close 1000 {'x' * 123})")

    def test_7_1_6_a_reason_has_a_code_and_is_utf8(self) -> None:
        self.play(frame(b"\x03", Opcode.CLOSE), ERROR)
        for bad in NO_UTF8:
            self.play(code(1000, b"so " + bad), BAD_UTF8)

    def test_7_1_4_nothing_behind_a_close_frame_counts(self) -> None:
        for late in (frame("late"), frame("late", Opcode.PING), code(1001), b"\x00\x00"):
            self.play(code(1000) + late, "(close 1000)")

    def test_7_4_codes(self) -> None:
        """Those that are defined, those to be registered and the private ones may be sent, no others."""
        for number in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999):
            self.play(code(number), f"(close {number})")
        for number in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
            self.play(code(number, b"why"), ERROR)


class Texts(Played):
    """Section 8: UTF-8."""

    def test_8_1_a_text_is_utf8_wherever_it_is_cut(self) -> None:
        for text in UTF8:
            self.play(frame(text) + b"".join(fragments(text.encode())), text, text)
        whole = "".join(UTF8).encode()
        for start, end in pairwise((0, *range(5, len(whole), 7), len(whole))):
            said = frame(whole[:start], fin=False) + frame(whole[start:end], Opcode.CONT, fin=False)
            self.play(said + frame(whole[end:], Opcode.CONT), whole.decode())

    def test_8_1_what_is_no_utf8(self) -> None:
        """Whole, at the end and in the middle of a text, in fragments, and behind a good message."""
        for bad in NO_UTF8:
            for payload in (bad, b"good " + bad, b"good " + bad + b" good"):
                self.play(frame("good") + frame(payload) + frame("late"), "good", BAD_UTF8)
                self.play(b"".join(fragments(payload)) + frame("late"), BAD_UTF8)
