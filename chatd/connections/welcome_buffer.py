"""Output after the welcome of a client that may be the reference client of the text protocol.

The reference client takes each read for one line. It can be recognised only by its next line, ``LST``
(SPEC.md, chapter 6). Until then, everything after the welcome is buffered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from chatd.boundaries import Clock
from chatd.connections.outbox import Outbox

QUIET_SECONDS: Final = 0.25
"""Silence after a hello that shows that the client is not the reference client."""

LINE_BY_LINE_SECONDS: Final = 5.0
"""How long missed messages are written line by line to a silent client; then the rest is written at once."""


class WelcomeBuffer:
    """Buffers frames in front of ``outbox``, in order, until the session calls `take`.

    After `QUIET_SECONDS` a silent client gets all of them at once, or, if missed messages are among them,
    frame by frame, ``pace`` seconds apart. ``is_read`` says whether the client is read from: if not, its
    silence means nothing. ``on_end`` is called when the buffer may hold the frames no longer; it has to
    call `take`.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        pace: float,
        is_read: Callable[[], bool],
        on_end: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._pace = pace
        self._is_read = is_read
        self._on_end = on_end
        self._frames: list[bytes] = []
        self._size = 0
        # How many leading frames are missed messages, or come before one.
        self._missed = 0
        self._writes_lines = False
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        """How many frames are buffered."""
        return len(self._frames)

    def put(self, frame: bytes) -> None:
        """Buffer ``frame``, or pass it on once frames are written one by one; end if too much is buffered."""
        if self._writes_lines:
            self._outbox.put(frame)
        elif frame:
            self._frames.append(frame)
            self._size += len(frame)
            if self._size > self._outbox.cap // 8:
                self._on_end()

    def put_missed(self, frame: bytes) -> None:
        """Buffer a message that the client has missed."""
        self.put(frame)
        self._missed = len(self._frames)

    def convert(self, convert: Callable[[bytes], bytes]) -> None:
        """Replace each buffered frame by ``convert(frame)``; an empty one is dropped."""
        self._frames = list(map(convert, self._frames))

    def take(self) -> list[bytes]:
        """Return the buffered frames, and do nothing from now on."""
        self.stop_timer()
        frames, self._frames = self._frames, []
        return frames

    def start_timer(self, seconds: float = QUIET_SECONDS) -> None:
        """End after ``seconds`` of silence."""
        self._timer = self._clock.callLater(seconds, self._end_silence)

    def stop_timer(self) -> None:
        """Stop the timer: the client has said something, or is gone."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _end_silence(self) -> None:
        if not self._is_read():
            self.start_timer()
        elif self._missed:
            # LST may still come, late or from afar.
            lines = self._missed
            self._outbox.set_pace(self._pace)
            for frame in self.take():
                self._outbox.put(frame)
            self._missed = 0
            self._writes_lines = True
            self.start_timer(min(lines * self._pace, LINE_BY_LINE_SECONDS))
        else:
            self._on_end()
