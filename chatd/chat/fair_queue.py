"""Clients that ask for much take turns, so that everyone else is served in between."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred

from chatd.boundaries import Clock


class FairQueue:
    """Wakes one waiter in each turn of the reactor.

    Pages and long lists are formatted in the reactor's thread: each in a turn of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()

    def wait(self) -> Deferred[None]:
        """Fires in a turn of the reactor in which no other waiter is woken."""
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        if len(self._waiting) == 1:
            self._clock.callLater(0, self._wake_one)
        return done

    def _wake_one(self) -> None:
        done = self._waiting.popleft()
        if self._waiting:
            self._clock.callLater(0, self._wake_one)
        done.callback(None)
