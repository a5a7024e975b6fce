"""A timer that detects the end of a client's write by the silence after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from chatd.boundaries import Clock

MIN_PAUSE_BETWEEN_FRAMES_SECONDS: Final = 0.02
"""The silence, in seconds, that separates two writes of a client.

The parts of one write arrive closer together. Clients themselves can't separate writes that are less than 10
ms apart, so programs that talk to these clients leave more time between two writes.
"""


class SilenceTimer:
    """A timer that calls ``on_idle`` when `MIN_PAUSE_BETWEEN_FRAMES_SECONDS` have passed since the last
    `restart`.
    """

    def __init__(self, clock: Clock, on_idle: Callable[[], None]) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._timer: IDelayedCall | None = None

    def restart(self) -> None:
        """Start the timer, or start it again from zero if it runs."""
        self.stop()
        self._timer = self._clock.callLater(MIN_PAUSE_BETWEEN_FRAMES_SECONDS, self._look_again)

    def stop(self) -> None:
        """Cancel the timer if it runs."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look_again(self) -> None:
        # The daemon itself may have been busy for that long: first let the reactor read what has arrived.
        self._timer = self._clock.callLater(0, self._on_idle)
