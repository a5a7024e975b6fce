"""A timer that finds the end of a client's write by the silence after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from chatd.boundaries import Clock

IDLE_SECONDS: Final = 0.02
"""The silence between two reads that separates two writes.

The parts of one write arrive closer together. Clients themselves can't tell writes apart that are less than
10 ms apart, so programs for them leave more time between two writes.
"""


class IdleTimer:
    """Calls ``on_idle`` when `IDLE_SECONDS` have passed since the last call of `restart`."""

    def __init__(self, clock: Clock, on_idle: Callable[[], None]) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._timer: IDelayedCall | None = None

    def restart(self) -> None:
        """Start the silence anew."""
        self.stop()
        self._timer = self._clock.callLater(IDLE_SECONDS, self._look_again)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look_again(self) -> None:
        # The daemon itself may have been busy for that long: first read what has arrived meanwhile.
        self._timer = self._clock.callLater(0, self._on_idle)
