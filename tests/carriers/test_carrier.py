"""What holds for every carrier, a toy included: where the network cuts makes no difference, both ways."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.chunks import IdleDelimitedCarrier
from chatd.carriers.frames import LengthPrefixedCarrier
from chatd.carriers.json_stream import JsonStreamCarrier
from chatd.carriers.lines import LineCarrier
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.dialects.json import JsonDialect
from chatd.dialects.text import TextDialect
from chatd.dialects.tp6 import Tp6Dialect
from chatd.dialects.tp6_frames import Tp6BinaryFrameDialect
from tests.toys.two_byte import TwoByteLengths

LIMITS: Final = Limits(line=24, json=256)

TEXT: Final = TextDialect(LIMITS)
COURSE: Final = JsonDialect(LIMITS)
JSON_LINES: Final = JsonDialect(LIMITS, newline_delimited=True)
ROOM: Final = Tp6Dialect(LIMITS)
FRAMED: Final = Tp6BinaryFrameDialect(LIMITS)

Cuts = set[int]
"""Where a stream is cut into reads."""


class Heard:
    """A session that notes what its carrier hands over. Its client has a name."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.user = object()
        self.is_closing = False
        self.events: list[bytes | str] = []

    def receive(self, payload: bytes) -> None:
        """Note a payload."""
        self.events.append(payload)

    def reject_frame(self, refusal: Refusal) -> None:
        """Note a frame that is no payload."""
        self.events.append(f"rejected: {refusal.code}")

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Note the end of the framing."""
        self.events.append(f"broken off: {refusal.code}")
        self.is_closing = True

    def set_dialect(self, dialect: Dialect) -> None:
        """Note a change of the dialect."""
        self.events.append("another dialect")
        self.dialect = dialect

    def end_of_input(self) -> None:
        """Note the end of the stream."""
        self.events.append("the end")


class Place:
    """Opens such sessions."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.limits = LIMITS

    def open_session(self, dialect: Dialect, carrier: object, detector: object) -> Heard:
        """One session."""
        return Heard(dialect)


def heard(make: type[SessionCarrier], dialect: Dialect, stream: bytes, cuts: Cuts) -> list[bytes | str]:
    """What a session is handed of ``stream``, which is read in pieces, with no time between them."""
    place: Any = Place()
    carrier = make(place, dialect)
    carrier.makeConnection(StringTransport())
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in pairwise(places):
        carrier.dataReceived(stream[start:end])
    for _ in range(3):
        place.clock.advance(1)
    carrier.readConnectionLost()
    session: Any = carrier.session
    events: list[bytes | str] = session.events
    return events


def _joined(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(parts, max_size=12).map(b"".join)


def _sized(size: int) -> Callable[[bytes], bytes]:
    return lambda body: len(body).to_bytes(size) + body


LINES: Final = _joined(st.sampled_from((b"one", b"\xff", b"x" * 11, b"\r", b"\n", b"\r\n", "é".encode())))
JSON: Final = _joined(
    st.sampled_from((b'{"a":1}', b'{"b":[{},"}\\""]}', b"[]", b"{", b"}", b'"', b" ", b"\r\n", b"\n", b"x"))
)
# A newline at the end says that there were lines; else all of it is one message.
CHUNKS: Final = st.one_of(
    _joined(st.sampled_from((b"one\n", b"two\r\n", b"\n", "é\n".encode(), b"\xff\n"))),
    _joined(st.sampled_from((b"one", b"\r", "é".encode(), b"\xff"))),
)
BODIES: Final = st.sampled_from((b"", b"one", "é".encode(), "a€b😀".encode(), b"\xff", b"x" * 30))
FRAMES: Final = _joined(
    st.one_of(
        BODIES.map(_sized(2)).map(lambda frame: b"\x01" + frame),
        BODIES.map(_sized(1)).map(lambda frame: b"\x02\x01" + frame),
        BODIES.map(_sized(3)).map(lambda frame: b"\x03\x03" + frame),
        st.sampled_from((b"\x01", b"\x02\x00", b"y")),
    )
)
MESSAGES: Final = _joined(st.one_of(BODIES.map(_sized(2)), st.just(b"\x00")))
CUTS: Final = st.sets(st.integers(1, 120))


class Splits(SynchronousTestCase):
    """However the network cuts a stream into reads, the session is handed the same, in the same order."""

    def assert_same(self, make: type[SessionCarrier], dialect: Dialect, stream: bytes, cuts: Cuts) -> None:
        """In these pieces, and byte by byte, it is what it is in one piece."""
        whole = heard(make, dialect, stream, set())
        self.assertEqual(heard(make, dialect, stream, cuts), whole)
        self.assertEqual(heard(make, dialect, stream, set(range(1, len(stream)))), whole)

    @settings(deadline=None)
    @given(LINES, CUTS)
    def test_lines(self, stream: bytes, cuts: Cuts) -> None:
        self.assert_same(LineCarrier, TEXT, stream, cuts)

    @settings(deadline=None)
    @given(JSON, CUTS)
    def test_json(self, stream: bytes, cuts: Cuts) -> None:
        self.assert_same(JsonStreamCarrier, COURSE, stream, cuts)

    @settings(deadline=None)
    @given(CHUNKS, CUTS)
    def test_chunks(self, stream: bytes, cuts: Cuts) -> None:
        self.assert_same(IdleDelimitedCarrier, ROOM, stream, cuts)

    @settings(deadline=None)
    @given(FRAMES, CUTS)
    @example(  # lengths that count characters; what is no UTF-8 stands in a frame that never ends
        b"\x01\x00\x02" + "éy".encode() + b"\x01\x00\x09" + "a€b😀".encode() + b"\x01\x00\x01\xff", set()
    )
    def test_frames(self, stream: bytes, cuts: Cuts) -> None:
        self.assert_same(LengthPrefixedCarrier, FRAMED, stream, cuts)

    @settings(deadline=None)
    @given(MESSAGES, CUTS)
    def test_two_byte_lengths(self, stream: bytes, cuts: Cuts) -> None:
        self.assert_same(TwoByteLengths, TEXT, stream, cuts)


class RoundTrips(SynchronousTestCase):
    """What a carrier wraps, a carrier of the same kind cuts."""

    payloads = st.lists(st.text("aé€ ", min_size=1, max_size=8).map(str.encode))

    @settings(deadline=None)
    @given(payloads, CUTS)
    def test_lines_and_two_byte_lengths(self, payloads: list[bytes], cuts: Cuts) -> None:
        """The payloads arrive as they were."""
        for make in (LineCarrier, TwoByteLengths):
            stream = b"".join(map(make.wrapper_for(TEXT), payloads))
            self.assertEqual(heard(make, TEXT, stream, cuts), [*payloads, "the end"])

    def test_json(self) -> None:
        """A newline ends a value only for clients that end their lines."""
        self.assertEqual(JsonStreamCarrier.wrapper_for(COURSE)(b"{}"), b"{}")
        self.assertEqual(JsonStreamCarrier.wrapper_for(JSON_LINES)(b"{}"), b"{}\n")

    def test_all_who_share_frames_have_the_same_function(self) -> None:
        """Fan-out shares frames by it."""
        for make in (LineCarrier, IdleDelimitedCarrier, LengthPrefixedCarrier, TwoByteLengths):
            self.assertIs(make.wrapper_for(TEXT), make.wrapper_for(ROOM))
        self.assertIs(
            JsonStreamCarrier.wrapper_for(JSON_LINES),
            JsonStreamCarrier.wrapper_for(JsonDialect(LIMITS, newline_delimited=True)),
        )

    def test_frames(self) -> None:
        """The length of the text stands before it, in as many bytes as it takes."""
        wrap = LengthPrefixedCarrier.wrapper_for(FRAMED)
        head = b"\x03bob"
        for size, length in ((0, b"\x01\x00"), (255, b"\x01\xff"), (256, b"\x02\x01\x00")):
            payload = b"\x01\x04" + head + b"x" * size
            self.assertEqual(wrap(payload), b"\x01" + head + length + b"x" * size)
