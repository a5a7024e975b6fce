"""A buffer for the frames that follow the welcome of a possible reference client of the text protocol.

The reference client takes the bytes of each read for one line. Only its next request, ``LST``, shows that it
is the reference client (SPEC.md, chapter 6). Until then, all frames after the welcome are buffered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from chatd.boundaries import Clock
from chatd.connections.outbox import Outbox

CLIENT_SILENCE_SECONDS: Final = 0.25
"""Seconds of silence after a hello which show that the client is not the reference client."""

MAX_LINE_BY_LINE_DURATION_SECONDS: Final = 5.0
"""Maximum number of seconds for which missed messages are written line by line to a silent client.

Then the remaining messages are written at once.
"""


class WelcomeBuffer:
    """Holds back the frames after a welcome until the client's next line shows how the client reads lines.

    The reference client of the text protocol takes each read for one line. The session ends the buffering
    with `take_all_frames`. If too many bytes are buffered, or the client is silent for
    `CLIENT_SILENCE_SECONDS`, the buffer calls ``on_end``, which must end the buffering.

    There is one exception. If missed messages are in the buffer of a silent client, all frames are first
    passed to ``outbox``, one every ``seconds_between_lines`` seconds. ``on_end`` is called if the client is
    silent after that. While ``is_read()`` is false, the client's input is not read, and the time does not
    count as silence.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        seconds_between_lines: float,
        is_read: Callable[[], bool],
        on_end: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._pace = seconds_between_lines
        self._is_read = is_read
        self._on_end = on_end
        self._frames: list[bytes] = []
        self._size = 0
        # How many leading frames are missed messages, or come before one.
        self._missed = 0
        self._writes_lines = False
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        """Return the number of buffered frames."""
        return len(self._frames)

    def put(self, frame: bytes) -> None:
        """Buffer ``frame``. End the buffering if too many bytes are buffered.

        If the buffered frames are being sent one by one already, queue ``frame`` in the outbox behind them.
        """
        if self._writes_lines:
            self._outbox.queue_frame(frame)
        elif frame:
            self._frames.append(frame)
            self._size += len(frame)
            if self._size > self._outbox.max_bytes // 8:
                self._on_end()

    def put_missed_message(self, frame: bytes) -> None:
        """Buffer the frame of a message that the client has missed."""
        self.put(frame)
        self._missed = len(self._frames)

    def convert_frames(self, convert: Callable[[bytes], bytes]) -> None:
        """Replace each buffered frame by the result of ``convert(frame)``.

        A frame that becomes empty is not sent.
        """
        self._frames = list(map(convert, self._frames))

    def take_all_frames(self) -> list[bytes]:
        """Remove all frames from the buffer and return them. Stop the timer."""
        self.stop_timer()
        frames, self._frames = self._frames, []
        return frames

    def start_timer(self, seconds: float = CLIENT_SILENCE_SECONDS) -> None:
        """Start the timer that ends the buffering if the client sends nothing for ``seconds``."""
        self._timer = self._clock.callLater(seconds, self._end_silence)

    def stop_timer(self) -> None:
        """Stop the timer that waits for the client's silence."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _end_silence(self) -> None:
        if not self._is_read():
            self.start_timer()
        elif self._missed:
            # LST may still come, late or from afar.
            lines = self._missed
            self._outbox.set_seconds_between_writes(self._pace)
            for frame in self.take_all_frames():
                self._outbox.queue_frame(frame)
            self._missed = 0
            self._writes_lines = True
            self.start_timer(min(lines * self._pace, MAX_LINE_BY_LINE_DURATION_SECONDS))
        else:
            self._on_end()
