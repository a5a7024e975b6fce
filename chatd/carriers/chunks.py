"""Frames that are chunks: what a client writes at once, as clients of the TP6 chat room do."""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.idle_timer import IdleTimer
from chatd.connections.factory import Sessions
from chatd.core.language import N_
from chatd.core.refusals import Phrase, Refusal

MAX_WRITE_BYTES: Final = 1000
"""Bytes in one write, at most: most clients read 1,024 at a time, and decode each read by itself."""

CLIENT_READ_SIZES: Final = (100, 128, 255)
"""Sizes of reads that clients use, or multiples of these: 100 and 255 were seen, 128 is a guess."""


class IdleDelimitedCarrier(SessionCarrier):
    """Puts together what was written at once: up to a newline, a silence, or the end of the stream.

    A chunk is one frame; but a chunk that ends in a newline is one frame a line, and so is any chunk of a
    client without a name. Empty frames are ignored, and one CR before a newline is accepted.

    While paused, the carrier reads on, up to the length of a line, and cuts by time. If it stopped, two
    writes would arrive as one read and could not be told apart.
    """

    def __init__(self, sessions: Sessions, dialect: Dialect, accepted: bool = False) -> None:
        super().__init__(sessions, dialect, accepted)
        limits = sessions.limits
        self._limit = limits.line
        self._most = limits.line + 1  # one more for a CR, which may turn out to belong to the end of the line
        self._gap = IdleTimer(sessions.clock, self._end_chunk)
        # The chunk that may go on; the complete chunks, and how many bytes of the first were handed over.
        self._open = bytearray()
        self._chunks: deque[bytes] = deque()
        self._read = 0

    @staticmethod
    def next_write(frames: deque[bytes]) -> bytes:
        """As many frames as fit into `MAX_WRITE_BYTES`, or a part of the first one: see `write_length`."""
        data = frames.popleft()
        while frames and len(data) < MAX_WRITE_BYTES:
            data += frames.popleft()
        end = write_length(data)
        if end < len(data):
            frames.appendleft(data[end:])
        return data[:end]

    def buffer(self, data: bytes) -> None:
        """Append ``data`` to the open chunk, and close the chunk if it is complete."""
        self._open += data
        if data.endswith(b"\n"):
            self._close_chunk(len(self._open))
        elif len(self._open) > self._most:
            # Too long for one frame: lines, or refused.
            self._close_chunk(self._open.rfind(b"\n") + 1)
            if len(self._open) > self._most:
                self._close_chunk(len(self._open))
        self._wait()
        if self._paused and self._size > self._limit:
            self._stop_reading()

    def dispatch_next_frame(self) -> bool:
        """Hand over the next frame of the chunks that are complete; False when there is none."""
        if self.input_ended:
            self._close_chunk(len(self._open))
        if not self._chunks:
            return False
        frame = self._cut()
        if len(frame) > self._limit:
            self.session.break_off(Refusal("too_long", what=Phrase(N_("the message")), limit=self._limit))
        elif frame:
            self.session.receive(frame)
        return True

    def pauseProducing(self) -> None:
        """Hand over nothing until `resumeProducing`; read on, up to the length of a line."""
        self._paused = True
        if self._size > self._limit:
            self._stop_reading()

    def resumeProducing(self) -> None:
        """Go on, beginning with the chunks that arrived during the pause."""
        self._wait()
        super().resumeProducing()

    @property
    def _size(self) -> int:
        return len(self._open) + sum(map(len, self._chunks))

    def _stop_reading(self) -> None:
        self._gap.stop()  # nothing is read: silence proves nothing
        self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session."""
        self._gap.stop()
        super().connectionLost(reason)

    def _cut(self) -> bytes:
        """The next frame of the first chunk."""
        chunk, start = self._chunks[0], self._read
        by_line = chunk.endswith(b"\n") or self.session.user is None
        end = chunk.find(b"\n", start) if by_line else -1
        self._read = end + 1 if end >= 0 else len(chunk)
        if self._read == len(chunk):
            self._chunks.popleft()
            self._read = 0
        return chunk[start:end].removesuffix(b"\r") if end >= 0 else chunk[start:]

    def _wait(self) -> None:
        if self._open:
            self._gap.restart()
        else:
            self._gap.stop()

    def _end_chunk(self) -> None:
        self._close_chunk(len(self._open))
        self.dispatch_frames()

    def _close_chunk(self, end: int) -> None:
        """The open chunk is complete up to ``end``."""
        if end:
            self._chunks.append(bytes(self._open[:end]))
            del self._open[:end]


def write_length(text: bytes) -> int:
    """How many bytes of ``text``, which is UTF-8, go into one write: `MAX_WRITE_BYTES` at most.

    The portion ends at the end of a line if there is one, else between two characters. It also ends before
    the first character that a read of one of the sizes in `CLIENT_READ_SIZES` would cut in two: the client
    may decode each read by itself.
    """
    end = min(len(text), MAX_WRITE_BYTES)
    if not text[:end].isascii():
        cuts = {cut for size in CLIENT_READ_SIZES for cut in range(size, end + 1, size)} | {end}
        end = next((cut for cut in sorted(cuts) if _is_inside(text, cut)), end)
        while _is_inside(text, end):
            end -= 1
    return text.rfind(b"\n", 0, end) + 1 or end


def _is_inside(text: bytes, place: int) -> bool:
    """Whether the byte at ``place`` goes on with a character."""
    return place < len(text) and text[place] & 0xC0 == 0x80
