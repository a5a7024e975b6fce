"""A queue in which clients with expensive requests take turns, so that others are served in between."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred

from chatd.boundaries import Clock


class FairQueue:
    """A queue of waiting clients, of which one is served in each iteration of the reactor.

    A client waits in the queue before the daemon formats a page or a long list for it, which blocks the
    reactor's thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when the client is the next in the queue.

        One fires per reactor iteration.
        """
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
