"""Frames with a length: the encoding that the TP6 chat room proposes.

A client sends ``01``, the length in two bytes, a text; or ``02`` (long text) or ``03`` (image), one byte
with the size of the length, the length, the content. Numbers are big-endian. A length counts bytes, but
many clients count characters.
"""

from __future__ import annotations

import codecs
from typing import Final, Literal, NamedTuple

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatd.boundaries import Dialect, Wrap
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.idle_timer import IdleTimer
from chatd.connections.factory import Sessions
from chatd.core.language import N_
from chatd.core.refusals import Phrase, Refusal, reason

TEXT_TYPE: Final = 1
LONG_TEXT_TYPE: Final = 2
IMAGE_TYPE: Final = 3

_TYPES: Final = (TEXT_TYPE, LONG_TEXT_TYPE, IMAGE_TYPE)

_decoder: Final = codecs.getincrementaldecoder("utf-8")


class Header(NamedTuple):
    """The header of a frame: ``image`` or text, the ``length`` of the body, the ``size`` of the header."""

    image: bool
    length: int
    size: int


def wrap_frame(payload: bytes) -> bytes:
    """Put the length of the text before the text.

    ``payload`` has a type, the size of its head in a byte, the head, the text. The frame has the type, the
    head, how many bytes hold the length of the text, that length, and the text.
    """
    start = 2 + payload[1]
    size = len(payload) - start
    digits = max(1, (size.bit_length() + 7) // 8)
    return b"%c%b%c%b%b" % (payload[0], payload[2:start], digits, size.to_bytes(digits), payload[start:])


class LengthPrefixedCarrier(SessionCarrier):
    """Cuts frames. A payload is a byte that says `TEXT_TYPE` or `IMAGE_TYPE`, then the content of the frame.

    Whether a client counts bytes or characters shows in its first frame that is not all ASCII. It counts
    characters if the frame would end inside a character, or if what follows the frame would be no header.
    That frame waits until something follows, or nothing does for `IDLE_SECONDS`.
    """

    def __init__(self, sessions: Sessions, dialect: Dialect, accepted: bool = False) -> None:
        super().__init__(sessions, dialect, accepted)
        limits = sessions.limits
        self._limits = limits
        self._gap = IdleTimer(sessions.clock, self._settle)
        self._counts: Literal["bytes", "characters"] | None = None
        self._waits = False
        self._buffer = bytearray()
        # Where the next frame begins, and how many bytes from there are needed for the next step.
        self._start = 0
        self._need = 1

    @staticmethod
    def wrap_for(dialect: Dialect) -> Wrap:
        """How payloads of any dialect are framed: see `wrap_frame`."""
        return wrap_frame

    def buffer(self, data: bytes) -> None:
        """Append ``data`` to the buffer, and drop what was handed over."""
        del self._buffer[: self._start]
        self._start = 0
        self._buffer += data

    def dispatch_next_frame(self) -> bool:
        """Hand over the next frame; False while none is complete, or its end is not clear."""
        if self.input_ended and self._waits:
            self._count_bytes()
        if self._held < self._need:
            return False
        try:
            frame = self._cut()
        except Refusal as refusal:
            self.session.break_off(refusal)
            return True
        if frame is not None:
            self.session.receive(frame)
        return frame is not None

    def pauseProducing(self) -> None:
        """Cut no frame and read nothing until `resumeProducing`."""
        self._gap.stop()  # nothing is read: silence proves nothing
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Go on, beginning with what was read already."""
        if self._waits:
            self._gap.restart()
        super().resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session."""
        self._gap.stop()
        super().connectionLost(reason)

    @property
    def _held(self) -> int:
        return len(self._buffer) - self._start

    def _cut(self) -> bytes | None:
        """The next frame; None when more of it is needed. Raises `Refusal` when the framing is lost."""
        header = self._header()
        if header is None:
            return None
        begin = self._start + header.size
        end = self._end_of(header, begin)
        if end is None:
            return None
        self._start = end
        self._need = 1
        return bytes((IMAGE_TYPE if header.image else TEXT_TYPE,)) + self._buffer[begin:end]

    def _header(self) -> Header | None:
        first, at = self._buffer[self._start], self._start + 1
        if first not in _TYPES:
            raise Refusal("bad_request", why=reason("frame_type", first=first))
        digits = 2
        if first != TEXT_TYPE:
            if self._held < 2:
                self._need = 2
                return None
            digits = self._buffer[at]
            at += 1
        if digits == 0:
            raise Refusal("bad_request", why=reason("frame_length"))
        size = at + digits - self._start
        if self._held < size:
            self._need = size
            return None
        length = int.from_bytes(self._buffer[at : at + digits])
        limit = self._limits.image if first == IMAGE_TYPE else self._limits.message
        if length > limit:
            raise Refusal("too_long", what=Phrase(N_("the frame")), limit=limit)
        return Header(first == IMAGE_TYPE, length, size)

    def _end_of(self, header: Header, begin: int) -> int | None:
        if self._counts == "characters":
            return self._end_of_characters(header, begin)
        end = begin + header.length
        if len(self._buffer) < end:
            self._need = header.size + header.length
            return None
        body = self._buffer[begin:end]
        if self._counts == "bytes" or body.isascii():
            return end
        decoder = _decoder()
        try:
            decoder.decode(body)
        except UnicodeDecodeError:
            return end  # the dialect will refuse it; it proves nothing
        inside = bool(decoder.getstate()[0])
        follows = self._buffer[end : end + 1]
        if not (inside or follows or self.input_ended):
            self._waits = True
            self._gap.restart()
            self._need = self._held + 1
            return None
        self._waits = False
        self._gap.stop()
        no_header = follows and follows[0] not in _TYPES
        self._counts = "characters" if inside or no_header else "bytes"
        return self._end_of(header, begin)

    def _end_of_characters(self, header: Header, begin: int) -> int | None:
        bytes_read = self._buffer[begin : begin + 4 * header.length]
        try:
            text, is_broken = _decoder().decode(bytes_read), False
        except UnicodeDecodeError as error:  # maybe behind this frame, where the next one begins
            text, is_broken = bytes_read[: error.start].decode(), True
        missing = header.length - len(text)
        if missing <= 0:
            return begin + len(text[: header.length].encode())
        self._need = header.size + len(text.encode()) + missing  # a character is at least a byte
        if is_broken and self._held >= self._need:
            raise Refusal("bad_utf8")
        return None

    def _settle(self) -> None:
        """Nothing followed the frame, so its length counts bytes."""
        self._count_bytes()
        self.dispatch_frames()

    def _count_bytes(self) -> None:
        self._waits = False
        self._counts = "bytes"
        self._need = 1
