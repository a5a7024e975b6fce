"""Lines as they arrive: their ends, their limit, pauses, the end of the stream."""

from __future__ import annotations

from twisted.internet.interfaces import IHalfCloseableProtocol

from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.core.limits import Limits
from tests.support.in_memory_daemon import Peer, StageTestCase


def half_closes(peer: Peer) -> None:
    """The client sends nothing more and reads on."""
    IHalfCloseableProtocol(peer.protocol).readConnectionLost()
    peer.stage.settle()


class Cutting(StageTestCase):
    """Where a line ends."""

    def test_lf_with_or_without_cr(self) -> None:
        """One CR before it is no part of the line, any other is."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        bob.says(b"MSG one\r\nMSG two\nMSG three\r\r\nMSG fo\rur\n")
        self.assertEqual(
            alice.hears(), b"MSG bob one\nMSG bob two\nMSG bob three\nMSG bob \nMSG bob fo\nMSG bob ur\n"
        )

    def test_empty_lines_say_nothing(self) -> None:
        """However they end, before IAM and after."""
        alice = self.stage.connect("text").says(b"\n\r\n\n")
        self.assertEqual(alice.hears(), b"WHO\n")
        alice.says(b"\r\n\nIAM alice\n\n\r\n\n")
        self.assertEqual(alice.hears(), b"ARR alice\n")

    def test_nothing_happens_before_the_end_of_the_line(self) -> None:
        """Nor when it never comes."""
        alice = self.stage.connect("text").says(b"IAM alice")
        self.assertEqual(alice.hears(), b"WHO\n")
        alice.says(b"\r").says(b"\n")
        self.assertEqual(alice.hears(), b"ARR alice\n")
        alice.says(b"BYE").hangs_up()
        self.assertEqual(self.stage.text("bob").says("WHO").lines()[0], "WHO bob")


class TooLong(StageTestCase):
    """Limits are limits of the line without its end."""

    limits = Limits(line=20)
    refusal = b"ERR too_long the line is longer than 20 bytes: shorten it, or split it\n"

    def test_up_to_the_limit(self) -> None:
        """Exactly as long as allowed, with either end, in one segment, in two or in single bytes."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        line = b"MSG " + b"x" * 16
        for end in (b"\n", b"\r\n"):
            for segments in (
                [line + end],
                [line, end],
                [line[:10], line[10:] + end],
                [bytes([byte]) for byte in line + end],
            ):
                for segment in segments:
                    bob.says(segment)
                self.assertEqual(alice.hears(), b"MSG bob " + b"x" * 16 + b"\n", segments)
        self.assertFalse(bob.closed)

    def test_over_the_limit(self) -> None:
        """A clear error, then the end; neither its tail nor a good line behind it counts any more."""
        alice = self.stage.text("alice")
        long = b"MSG " + b"x" * 17
        for segments in (
            [long + b"\n"],
            [long + b"\r\n"],
            [long, b"\n"],
            [long + b"x"],
            [long[:10], long[10:] + b"\nMSG good\n"],
            [long + b"xxxx", b"\nMSG good\n"],
            [long + b"xxx\rMSG good\n", b"MSG good\n"],
            [long + b"xx\nMSG good\nMSG good\n"],
            [bytes([byte]) for byte in long + b"\nMSG good\n"],
        ):
            bob = self.stage.text("bob")
            alice.hears()
            for segment in segments:
                bob.says(segment)
            self.assertEqual(bob.hears(), self.refusal, segments)
            self.assertEqual(alice.hears(), b"LFT bob\n", segments)
            bob.says(b"MSG good\n")
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertTrue(bob.closed)
            self.assertFalse(bob.wire.aborted)
            self.assertEqual(bob.hears() + alice.hears(), b"")

    def test_what_came_before_is_answered_first(self) -> None:
        """In order, and its commit waited for."""
        bob = self.stage.text("bob")
        self.stage.writer.held = True
        bob.says(b"cg;wob\nWHO\n" + b"x" * 30 + b"\nMSG good\n").says(b"MSG good\n")
        self.assertEqual(bob.hears(), b"")
        self.assertFalse(bob.closed)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bob.hears(), b"ACK cg wob 1 1\nWHO bob\nEND WHO 1\n" + self.refusal)
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(bob.closed)


class Pausing(StageTestCase):
    """A client is not heard while too much of what it said waits."""

    limits = Limits(commit_queue=3)

    def test_order_is_kept(self) -> None:
        """What was read already, and what still arrives, waits its turn in the carrier."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears(), bob.hears()
        self.stage.writer.held = True
        bob.says(b"".join(b"MSG %d\n" % number for number in range(10)) + b"MSG te")
        self.assertEqual(bob.wire.producerState, "paused")
        bob.says(b"n\nMSG eleven\nWHO\n")
        self.assertEqual(alice.hears(), b"")
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(bob.wire.producerState, "producing")
        self.assertEqual(alice.lines(), [f"MSG bob {number}" for number in [*range(10), "ten", "eleven"]])
        self.assertEqual(bob.lines(), ["WHO alice", "WHO bob", "END WHO 2"])
        self.assertGreaterEqual(self.stage.journal.commits, 4)

    def test_the_end_of_the_stream_waits_as_well(self) -> None:
        """All that was sent before is done, then the connection closes."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        self.stage.writer.held = True
        bob.says(b"".join(b"MSG %d\n" % number for number in range(10)))
        half_closes(bob)
        while self.stage.writer.waiting:
            self.assertFalse(bob.closed)
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(alice.lines(), [f"MSG bob {number}" for number in range(10)] + ["LFT bob"])
        self.assertTrue(bob.closed)

    def test_hanging_up_while_paused(self) -> None:
        """What was not decided yet is dropped, and what was is done."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.hears()
        self.stage.writer.held = True
        bob.says(b"".join(b"MSG %d\n" % number for number in range(10)))
        bob.hangs_up()
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(alice.lines(), ["MSG bob 0", "MSG bob 1", "MSG bob 2", "LFT bob"])


class HalfClosed(StageTestCase):
    """`printf … | nc`: a client that sends all it has and then reads."""

    def test_everything_is_answered_then_closed(self) -> None:
        """Also what waits for its commit; a line without an end is none."""
        alice = self.stage.text("alice")
        bob = self.stage.connect("text")
        self.stage.writer.held = True
        bob.says(b"IAM bob\ncg;wob\nMSG hello\nmessages;wob\nMSG unfinish")
        half_closes(bob)
        self.assertEqual(bob.hears(), b"WHO\n")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bob.hears(), b"ARR bob\nACK cg wob 1 1\nEND messages 0\n")
        self.assertTrue(bob.closed)
        self.assertFalse(bob.wire.aborted)
        self.assertEqual(alice.hears(), b"ARR bob\nMSG bob hello\nLFT bob\n")

    def test_who_never_said_a_name(self) -> None:
        """Nobody hears of it."""
        alice, nobody = self.stage.text("alice"), self.stage.connect("text")
        half_closes(nobody)
        self.assertTrue(nobody.closed)
        self.assertEqual(alice.hears(), b"")

    def test_after_bye(self) -> None:
        """Once is enough."""
        bob = self.stage.text("bob")
        self.stage.writer.held = True
        bob.says(b"MSG hello\nBYE\n")
        half_closes(bob)
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bob.hears(), b"LFT bob\n")
