"""The carrier of TP6 chat room clients, which send each message in one write without a delimiter. A message
ends at a silence in the stream, or at a newline that is the last byte of a read.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.silence_timer import SilenceTimer
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.core.language import N_
from chatd.core.refusals import Refusal, TranslatableText

MAX_CHUNK_WRITE_BYTES: Final = 1000
"""The maximum size of one write to a client, in bytes. Most clients read 1,024 bytes at a time and decode
each read by itself.
"""

CLIENT_READ_SIZES_BYTES: Final = (100, 128, 255)
"""The buffer sizes, in bytes, with which clients read from the socket; multiples of them are in use too. 100
and 255 were seen in real clients, 128 is a guess.
"""


class IdleDelimitedCarrier(SessionCarrier):
    """A carrier that separates frames by pauses: a frame is what the client sends without a pause.

    The stream is cut into chunks. A chunk ends when the client is silent for
    `MIN_PAUSE_BETWEEN_FRAMES_SECONDS`, after a newline that is the last byte of a read, and at the end of the
    stream. A chunk is one frame, with two exceptions: if it ends in a newline, or if the client has not
    logged in, each of its lines is a frame. Empty frames are ignored. A CR before a newline is dropped.

    While the session pauses the carrier, the carrier still reads up to ``limits.line`` bytes and looks for
    pauses. Otherwise two writes of the client would arrive as one read, and the pause between them would be
    lost.
    """

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        super().__init__(sessions, dialect, detector)
        limits = sessions.limits
        self._limit = limits.line
        self._most = limits.line + 1  # one more for a CR, which may turn out to belong to the end of the line
        self._gap = SilenceTimer(sessions.clock, self._end_chunk)
        # The unfinished chunk; the finished chunks, and how many bytes of the first were passed on.
        self._open = bytearray()
        self._chunks: deque[bytes] = deque()
        self._read = 0

    @staticmethod
    def dequeue_next_write(frames: deque[bytes]) -> bytes:
        """Take frames from the front of the queue ``frames``, and return them joined as the bytes of one
        write.

        The write has as many whole frames as fit into `MAX_CHUNK_WRITE_BYTES`, or a part of the first frame.
        """
        data = frames.popleft()
        while frames and len(data) < MAX_CHUNK_WRITE_BYTES:
            data += frames.popleft()
        end = next_write_length_bytes(data)
        if end < len(data):
            frames.appendleft(data[end:])
        return data[:end]

    def buffer(self, data: bytes) -> None:
        """Append ``data`` to the unfinished chunk. A newline at the end of ``data`` finishes the chunk."""
        self._open += data
        if data.endswith(b"\n"):
            self._close_chunk(len(self._open))
        elif len(self._open) > self._most:
            # Too long for one frame: cut into lines if it has any, else refused as too long.
            self._close_chunk(self._open.rfind(b"\n") + 1)
            if len(self._open) > self._most:
                self._close_chunk(len(self._open))
        self._wait()
        if self._paused and self._size > self._limit:
            self._stop_reading()

    def dispatch_next_frame(self) -> bool:
        """Pass the next frame of the finished chunks to the session.

        Return False if no finished chunk is left.
        """
        if self.input_ended:
            self._close_chunk(len(self._open))
        if not self._chunks:
            return False
        frame = self._cut()
        if len(frame) > self._limit:
            self.session.refuse_and_close(
                Refusal("too_long", what=TranslatableText(N_("the message")), limit=self._limit)
            )
        elif frame:
            self.session.receive(frame)
        return True

    def pauseProducing(self) -> None:
        """Pass no frame on until `resumeProducing`. The socket is still read, up to ``limits.line`` bytes."""
        self._paused = True
        if self._size > self._limit:
            self._stop_reading()

    def resumeProducing(self) -> None:
        """Pass frames on again, beginning with those that arrived during the pause."""
        self._wait()
        super().resumeProducing()

    @property
    def _size(self) -> int:
        return len(self._open) + sum(map(len, self._chunks))

    def _stop_reading(self) -> None:
        self._gap.stop()  # while nothing is read, silence proves nothing
        self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the silence timer and end the session."""
        self._gap.stop()
        super().connectionLost(reason)

    def _cut(self) -> bytes:
        """Remove the next frame from the first finished chunk and return it."""
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
        """Move the first ``end`` bytes of the unfinished chunk to the queue of finished chunks."""
        if end:
            self._chunks.append(bytes(self._open[:end]))
            del self._open[:end]


def next_write_length_bytes(text: bytes) -> int:
    """Return the number of bytes of ``text``, which is UTF-8, that the next write should have.

    The number is at most `MAX_CHUNK_WRITE_BYTES`. The write ends after its last newline if it has one, else
    between two characters. It also ends before a character that a client would cut in two if it read in one
    of the sizes in `CLIENT_READ_SIZES_BYTES`, because the client may decode each read by itself.
    """
    end = min(len(text), MAX_CHUNK_WRITE_BYTES)
    if not text[:end].isascii():
        cuts = {cut for size in CLIENT_READ_SIZES_BYTES for cut in range(size, end + 1, size)} | {end}
        end = next((cut for cut in sorted(cuts) if _is_inside(text, cut)), end)
        while _is_inside(text, end):
            end -= 1
    return text.rfind(b"\n", 0, end) + 1 or end


def _is_inside(text: bytes, place: int) -> bool:
    """Return whether the byte of ``text`` at index ``place`` is a UTF-8 continuation byte."""
    return place < len(text) and text[place] & 0xC0 == 0x80
