"""Where a write of the client ends, when nothing in it says so: where nothing follows for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from chatd.boundaries import Clock

IDLE_SECONDS: Final = 0.02
"""Seconds between two reads that belong to two writes.

The parts of one write come nearer to each other than this. Clients can't tell writes apart that are less than
10 ms apart, so whoever wants to be understood by them leaves more time between two of theirs.
"""


class IdleTimer:
    """Calls ``over`` once `wait` has not been called for `IDLE_SECONDS`."""

    def __init__(self, clock: Clock, over: Callable[[], None]) -> None:
        self._clock = clock
        self._over = over
        self._timer: IDelayedCall | None = None

    def wait(self) -> None:
        """Something has come: wait from now on."""
        self.stop()
        self._timer = self._clock.callLater(IDLE_SECONDS, self._look_again)

    def stop(self) -> None:
        """Wait no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _look_again(self) -> None:
        # It may be us who were busy for so long: first read what has come meanwhile.
        self._timer = self._clock.callLater(0, self._over)
