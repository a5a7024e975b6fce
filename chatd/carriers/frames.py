"""The carrier of length-prefixed frames, the encoding that the TP6 chat room proposes.

A client sends ``01``, a length of two bytes and a text; or ``02`` (a long text) or ``03`` (an image), one
byte that says how many bytes the length has, the length, and the content. Numbers are big-endian. The length
should count bytes, but many clients count characters.
"""

from __future__ import annotations

import codecs
from typing import Final, Literal, NamedTuple

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatd.boundaries import Dialect, FrameWrapper
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.silence_timer import SilenceTimer
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.core.language import N_
from chatd.core.refusals import Refusal, TranslatableText, translatable_reason

TEXT_FRAME_TYPE: Final = 1
LONG_TEXT_FRAME_TYPE: Final = 2
IMAGE_FRAME_TYPE: Final = 3

_TYPES: Final = (TEXT_FRAME_TYPE, LONG_TEXT_FRAME_TYPE, IMAGE_FRAME_TYPE)

_decoder: Final = codecs.getincrementaldecoder("utf-8")


class LengthPrefixedHeader(NamedTuple):
    """The header of a received length-prefixed frame.

    ``is_image`` says whether the frame is an image or a text. ``body_length`` is the length of the body, in
    bytes or in characters, whichever the client counts. ``header_length`` is the size of the header in bytes.
    """

    is_image: bool
    body_length: int
    header_length: int


def wrap_length_prefixed(payload: bytes) -> bytes:
    """Return ``payload`` as a frame, which gives the length of the text before the text.

    The payload is: type (1 byte), size of the head (1 byte), head, text. The frame is: type (1 byte), head,
    size of the length (1 byte), length of the text in bytes, text. The head is what the dialect puts before
    the length, such as the author; the frame leaves its size out.
    """
    start = 2 + payload[1]
    size = len(payload) - start
    digits = max(1, (size.bit_length() + 7) // 8)
    return b"%c%b%c%b%b" % (payload[0], payload[2:start], digits, size.to_bytes(digits), payload[start:])


class LengthPrefixedCarrier(SessionCarrier):
    """A carrier whose frames begin with their length.

    Each payload that it passes to the session is a type byte, `TEXT_FRAME_TYPE` or `IMAGE_FRAME_TYPE`,
    followed by the content of the frame.

    The first frame that is not all ASCII shows whether the client's lengths count bytes or characters. They
    are taken to count characters if, read as bytes, the frame would end inside a character, or the next byte
    could not begin a frame. If no byte follows the frame yet, the carrier waits for one, or for
    `MIN_PAUSE_BETWEEN_FRAMES_SECONDS`.
    """

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        super().__init__(sessions, dialect, detector)
        limits = sessions.limits
        self._limits = limits
        self._gap = SilenceTimer(sessions.clock, self._settle)
        self._counts: Literal["bytes", "characters"] | None = None
        self._waits = False
        self._buffer = bytearray()
        # The index where the next frame begins, and how many bytes from there the next step needs.
        self._start = 0
        self._need = 1

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """Return `wrap_length_prefixed`, which puts a payload of any dialect into a length-prefixed frame."""
        return wrap_length_prefixed

    def buffer(self, data: bytes) -> None:
        """Append ``data`` to the buffer, after removing the frames that were passed to the session."""
        del self._buffer[: self._start]
        self._start = 0
        self._buffer += data

    def dispatch_next_frame(self) -> bool:
        """Pass the next frame to the session.

        Return False if no frame is complete, or if it is not clear yet where the frame ends.
        """
        if self.input_ended and self._waits:
            self._count_bytes()
        if self._held < self._need:
            return False
        try:
            frame = self._cut()
        except Refusal as refusal:
            self.session.refuse_and_close(refusal)
            return True
        if frame is not None:
            self.session.receive(frame)
        return frame is not None

    def pauseProducing(self) -> None:
        """Stop reading from the socket and passing frames on, until `resumeProducing`."""
        self._gap.stop()  # while nothing is read, silence proves nothing
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Pass on the frames that were buffered before the pause, and read from the socket again."""
        if self._waits:
            self._gap.restart()
        super().resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the silence timer and end the session."""
        self._gap.stop()
        super().connectionLost(reason)

    @property
    def _held(self) -> int:
        return len(self._buffer) - self._start

    def _cut(self) -> bytes | None:
        """Remove the next frame from the buffer and return it; None if it is incomplete. Raises `Refusal` if
        its header is invalid.
        """
        header = self._header()
        if header is None:
            return None
        begin = self._start + header.header_length
        end = self._end_of(header, begin)
        if end is None:
            return None
        self._start = end
        self._need = 1
        return bytes((IMAGE_FRAME_TYPE if header.is_image else TEXT_FRAME_TYPE,)) + self._buffer[begin:end]

    def _header(self) -> LengthPrefixedHeader | None:
        first, at = self._buffer[self._start], self._start + 1
        if first not in _TYPES:
            raise Refusal("bad_request", why=translatable_reason("frame_type", first=first))
        digits = 2
        if first != TEXT_FRAME_TYPE:
            if self._held < 2:
                self._need = 2
                return None
            digits = self._buffer[at]
            at += 1
        if digits == 0:
            raise Refusal("bad_request", why=translatable_reason("frame_length"))
        size = at + digits - self._start
        if self._held < size:
            self._need = size
            return None
        length = int.from_bytes(self._buffer[at : at + digits])
        limit = self._limits.image if first == IMAGE_FRAME_TYPE else self._limits.message
        if length > limit:
            raise Refusal("too_long", what=TranslatableText(N_("the frame")), limit=limit)
        return LengthPrefixedHeader(first == IMAGE_FRAME_TYPE, length, size)

    def _end_of(self, header: LengthPrefixedHeader, begin: int) -> int | None:
        if self._counts == "characters":
            return self._end_of_characters(header, begin)
        end = begin + header.body_length
        if len(self._buffer) < end:
            self._need = header.header_length + header.body_length
            return None
        body = self._buffer[begin:end]
        if self._counts == "bytes" or body.isascii():
            return end
        decoder = _decoder()
        try:
            decoder.decode(body)
        except UnicodeDecodeError:
            return end  # the dialect refuses invalid UTF-8; the frame does not show what the length counts
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

    def _end_of_characters(self, header: LengthPrefixedHeader, begin: int) -> int | None:
        bytes_read = self._buffer[begin : begin + 4 * header.body_length]
        try:
            text, is_broken = _decoder().decode(bytes_read), False
        except UnicodeDecodeError as error:  # the invalid bytes may belong to the next frame
            text, is_broken = bytes_read[: error.start].decode(), True
        missing = header.body_length - len(text)
        if missing <= 0:
            return begin + len(text[: header.body_length].encode())
        self._need = header.header_length + len(text.encode()) + missing  # a character is at least a byte
        if is_broken and self._held >= self._need:
            raise Refusal("bad_utf8")
        return None

    def _settle(self) -> None:
        """Conclude that the client's lengths count bytes, since nothing followed the frame, and pass that
        frame on.
        """
        self._count_bytes()
        self.dispatch_frames()

    def _count_bytes(self) -> None:
        self._waits = False
        self._counts = "bytes"
        self._need = 1
