"""Frames as they arrive: in one read or many, counted in bytes or in characters, and how long they may be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.interfaces import IHalfCloseableProtocol

from chatd.carriers.detection import Detector
from chatd.carriers.frames import LengthPrefixedCarrier
from chatd.carriers.silence_timer import MIN_PAUSE_BETWEEN_FRAMES_SECONDS
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from tests.support.effort import effort
from tests.support.in_memory_daemon import UNTHROTTLED, Peer, StageTestCase


def frame(text: str, first: int = 1, digits: int = 2, size: int | None = None) -> bytes:
    """A frame as a client sends it; ``size`` is what it says, if that is not how many bytes there are."""
    body = text.encode()
    length = (len(body) if size is None else size).to_bytes(digits)
    return bytes((first,) if first == 1 else (first, digits)) + length + body


def counted(text: str, first: int = 1, digits: int = 2) -> bytes:
    """The same by a client that counts characters."""
    return frame(text, first, digits, len(text))


class FramesTestCase(StageTestCase):
    """What bob says in frames is in the log."""

    def setUp(self) -> None:
        """Let him in."""
        super().setUp()
        self.bob = self.comes("bob")

    def comes(self, nick: str) -> Peer:
        """Somebody of that name."""
        peer = self.stage.connect("tp6").says(frame(f"Hello|{nick}"))
        self.stage.wait(0.1)
        peer.hears()
        return peer

    def logged(self) -> list[tuple[str, str]]:
        """What was said since the last time."""
        rows = self.stage.rows("SELECT kind, body FROM log ORDER BY id")
        new, self.before = rows[getattr(self, "before", 0) :], len(rows)
        return new

    def assert_said(self, reads: list[bytes], *messages: str, by: Peer | None = None) -> None:
        """These reads are these messages."""
        peer = by or self.bob
        for read in reads:
            peer.says(read)
        self.stage.wait(0.1)
        self.assertEqual([body for _, body in self.logged()], list(messages), reads)

    def frames_of(self, peer: Peer) -> LengthPrefixedCarrier:
        """The carrier behind the first bytes."""
        assert isinstance(peer.protocol, Detector)
        carrier = peer.protocol._protocol
        assert isinstance(carrier, LengthPrefixedCarrier)
        return carrier


class Cutting(FramesTestCase):
    """Where a frame ends."""

    def test_every_type_with_every_header(self) -> None:
        self.bob.says(frame("one") + frame("two", 2, 1) + frame("art", 3, 1) + frame("x" * 300, 2, 9))
        self.bob.says(frame("y", 2, 255) + frame("##\n##", 3, 255))
        self.assertEqual(
            self.logged(),
            [
                ("message", "one"),
                ("message", "two"),
                ("image", "art"),
                ("message", "x" * 300),
                ("message", "y"),
                ("image", "##\n##"),
            ],
        )

    def test_ascii_needs_no_gap(self) -> None:
        self.bob.says(frame("one"))
        self.assertEqual(self.logged(), [("message", "one")])

    def test_any_two_reads_and_single_bytes(self) -> None:
        stream = frame("one") + frame("ça va", 2, 3) + frame("😀", 2, 1) + frame("two")
        for at in range(len(stream) + 1):
            carol = self.comes(f"carol{at}")
            self.assert_said([stream[:at], stream[at:]], "one", "ça va", "😀", "two", by=carol)
        dave = self.comes("dave")
        self.assert_said(
            [stream[at : at + 1] for at in range(len(stream))], "one", "ça va", "😀", "two", by=dave
        )

    def test_an_empty_one_is_refused(self) -> None:
        self.bob.says(frame("") + frame("one"))
        self.assertIn(b"[empty]", self.bob.hears())
        self.assertEqual(self.logged(), [("message", "one")])

    def test_one_that_is_cut_by_the_end_says_nothing(self) -> None:
        whole = frame("one")
        for at in range(1, len(whole)):
            carol = self.comes(f"carol{at}").says(whole[:at])
            IHalfCloseableProtocol(carol.protocol).readConnectionLost()
            self.stage.settle()
            self.assertEqual((carol.hears(), carol.closed, self.logged()), (b"", True, []))


class Counting(FramesTestCase):
    """What a length counts, which a client shows with its first frame that is not all ASCII."""

    def test_characters_when_it_would_end_inside_one(self) -> None:
        self.assert_said([counted("xé")], "xé")

    def test_characters_when_no_header_follows(self) -> None:
        self.assert_said([counted("é!!")], "é!!")
        carol = self.comes("carol")
        self.assert_said([counted("éa!"), counted("ça")], "éa!", "ça", by=carol)

    def test_characters_when_the_next_frame_is_no_text_itself(self) -> None:
        """Its length has a byte that no UTF-8 has, and comes in the same read."""
        long = "x" * 0x85
        self.assert_said([counted("é!!"), counted(long)], "é!!", long)
        carol = self.comes("carol")
        self.assert_said([counted("é!!") + counted(long)], "é!!", long, by=carol)

    def test_bytes_when_a_header_follows(self) -> None:
        for first in (1, 2, 3):
            carol = self.comes(f"carol{first}")
            self.assert_said([frame("é") + frame("x", first)], "é", "x", by=carol)

    def test_bytes_when_nothing_follows(self) -> None:
        """After a gap, or at the end."""
        self.bob.says(frame("é"))
        self.stage.wait(MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 0.9)
        self.assertEqual(self.logged(), [])
        self.stage.wait(MIN_PAUSE_BETWEEN_FRAMES_SECONDS * 0.2)
        self.assertEqual(self.logged(), [("message", "é")])
        carol = self.comes("carol").says(frame("ça"))
        IHalfCloseableProtocol(carol.protocol).readConnectionLost()
        self.stage.settle()
        self.assertEqual(self.logged(), [("message", "ça")])

    def test_bytes_at_the_end_of_a_pause(self) -> None:
        """The end came while nothing was handed over."""
        self.stage.writer.held = True
        carol = self.stage.connect("tp6").says(frame("Hello|carol") + frame("été"))
        IHalfCloseableProtocol(carol.protocol).readConnectionLost()
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.wait(0.1)
        self.assertEqual(self.logged(), [("message", "été")])
        self.assertTrue(carol.closed)

    def test_once_it_is_known_nothing_waits(self) -> None:
        self.assert_said([frame("é")], "é")
        self.bob.says(frame("è"))
        self.assertEqual(self.logged(), [("message", "è")])
        carol = self.comes("carol")
        self.assert_said([counted("aé")], "aé", by=carol)
        carol.says(counted("èè"))
        self.assertEqual(self.logged(), [("message", "èè")])

    def test_a_pause_is_no_gap(self) -> None:
        """The rest may be there already, and is read when reading goes on."""
        session = self.frames_of(self.bob).session
        said = counted("éa!")
        self.bob.says(said[:-1])
        session._pause()
        self.stage.wait(1)
        session._resume()
        self.bob.says(said[-1:])
        self.stage.wait(0.1)
        self.assertEqual(self.logged(), [("message", "éa!")])

    def test_what_is_no_utf_8_shows_nothing(self) -> None:
        """It is refused, and the next frame is read."""
        self.bob.says(b"\x01\x00\x02\xff!" + frame("é") + frame("one"))
        self.assertEqual(self.bob.hears().count(b"[bad_utf8]"), 1)
        self.assertEqual(self.logged(), [("message", "é"), ("message", "one")])

    def test_nobody_can_count_the_characters_of_what_is_no_utf_8(self) -> None:
        self.assert_said([counted("xé")], "xé")
        self.bob.says(b"\x01\x00\x02\xff!")
        self.assertIn(b"[bad_utf8]", self.bob.hears())
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS + 0.1)
        self.assertTrue(self.bob.closed)

    # What begins a text in the wild is no control character: those are headers.
    texts = st.lists(st.text("aé€😀!", min_size=1, max_size=8), min_size=1, max_size=6)

    @settings(deadline=None, max_examples=effort(60))
    @given(texts, st.booleans(), st.sets(st.integers(1, 80)))
    def test_any_texts_in_any_reads(self, texts: list[str], characters: bool, cuts: set[int]) -> None:
        """Counted in either way."""
        self.number = getattr(self, "number", 0) + 1
        carol = self.comes(f"c{self.number}")
        stream = b"".join((counted if characters else frame)(text) for text in texts)
        ends = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        self.assert_said([stream[a:b] for a, b in pairwise(ends)], *texts, by=carol)
        carol.hangs_up()


class Hostile(FramesTestCase):
    """What has no frame in it is refused, and the connection ends."""

    limits = replace(UNTHROTTLED, message=20, image=40)

    def assert_broken_off(self, said: bytes, refusal: bytes) -> None:
        """This is refused, though it may not be whole, and nothing behind it counts."""
        carol = self.comes(f"carol{self.stage.journal.commits}")
        carol.says(said)
        self.assertIn(refusal, carol.hears(), said)
        carol.says(frame("more"))
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS + 0.1)
        self.assertEqual((carol.closed, carol.wire.aborted, self.logged()), (True, False, []), said)

    def test_no_header(self) -> None:
        for said in (b"\x04\x00\x01x", b"\x00", b"Hello", b"\xff"):
            self.assert_broken_off(said, b"[bad_request]")
        for said in (b"\x02\x00", b"\x03\x00x"):
            self.assert_broken_off(said, b"[bad_request]")

    def test_too_long(self) -> None:
        """As soon as that is known, whatever the length of the length."""
        self.assert_said([frame("x" * 20), frame("y" * 40, 3)], "x" * 20, "y" * 40)
        for said in (
            b"\x01\x00\x15",
            b"\x02\x01\x15",
            b"\x03\x01\x29",
            b"\x02\x08" + b"\xff" * 8,
            b"\x02\xff" + b"\xff" * 255,
            b"\x03\xff\x01" + b"\x00" * 254,
        ):
            self.assert_broken_off(said, b"[too_long]")

    def test_as_many_characters_as_there_may_be_bytes(self) -> None:
        """Too long for a message, and the framing is not lost."""
        self.bob.says(counted("xé"))
        self.stage.wait(0.1)
        self.bob.says(counted("😀" * 20) + counted("é"))
        self.assertEqual(self.bob.hears().count(b"[too_long]"), 1)
        self.assertEqual(self.logged(), [("message", "xé"), ("message", "é")])

    def test_little_is_kept(self) -> None:
        """Of a body that never ends."""
        frames = self.frames_of(self.bob)
        self.bob.says(counted("xé"))
        for _ in range(100):
            self.bob.says(counted("😀" * 20)[:-1])
            self.bob.says("😀".encode()[-1:])
            self.assertLessEqual(len(frames._buffer), 4 * 20 + 3)


class Drips(FramesTestCase):
    def test_are_not_decoded_over_and_over(self) -> None:
        """48 KiB of an image in single bytes."""
        art = "█" * 16_000
        self.assert_said([counted("xé")], "xé")
        looks = 0
        frames = self.frames_of(self.bob)
        cut = frames._cut

        def counting() -> bytes | None:
            nonlocal looks
            looks += 1
            return cut()

        self.patch(frames, "_cut", counting)
        said = counted(art, 3, 3)
        for at in range(len(said)):
            self.bob.protocol.dataReceived(said[at : at + 1])
        self.stage.settle()
        self.assertEqual(self.logged()[-1:], [("image", art)])
        self.assertLess(looks, 100)
