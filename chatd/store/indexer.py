"""Keeps the search index up to date, in the writer's thread while no transaction is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatd.boundaries import Clock
from chatd.store.database import Database
from chatd.store.errors import StoreError

INDEX_DELAY_SECONDS: Final = 15.0
"""Seconds from a commit until its messages are indexed, with those that came meanwhile.

To index many messages at once writes less to the disk than one by one. Until then a search finds them without
index.
"""

INDEX_STEP_PAUSE_SECONDS: Final = 0.003
"""Pause in seconds after each step. A step takes about a millisecond, for which a commit may have to wait.
"""


class SearchIndexer:
    """Adds messages that are on disk to the search index, in short steps.

    ``pool`` has the connection that writes. ``when_idle`` returns a Deferred that fires when no task of the
    journal waits; each step waits for it. While ``is_failing()`` is true, nothing is indexed.
    """

    _log = Logger()

    def __init__(
        self,
        pool: ConnectionPool,
        database: Database,
        clock: Clock,
        when_idle: Callable[[], Deferred[None]],
        is_failing: Callable[[], bool],
    ) -> None:
        self._pool = pool
        self._database = database
        self._clock = clock
        self._when_idle = when_idle
        self._is_failing = is_failing
        self._next: IDelayedCall | None = None
        self._is_at_work = False
        self._has_more = False
        self._is_stopped = False

    def wake(self) -> None:
        """Start, after a delay, to index the messages that are not indexed yet, unless a start is already
        scheduled.
        """
        self._has_more = True
        if not self._is_at_work:
            self._go_on()

    def stop(self) -> None:
        """Start no further step of indexing."""
        self._is_stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _go_on(self, delay: float = INDEX_DELAY_SECONDS) -> None:
        self._is_at_work = self._has_more and not self._is_stopped
        if self._is_at_work:
            self._next = self._clock.callLater(delay, self._run)

    def _run(self) -> None:
        Deferred.fromCoroutine(self._index()).addErrback(self._crash)

    def _crash(self, failure: Failure) -> None:
        self._log.failure("bug while indexing messages", failure)
        self._is_at_work = False

    async def _index(self) -> None:
        await self._when_idle()
        if self._is_stopped:
            return
        self._has_more = False
        if self._is_failing():
            self._go_on()
            return
        try:
            if await self._pool.runInteraction(self._database.index_messages):
                self._has_more = True
                self._go_on(INDEX_STEP_PAUSE_SECONDS)
                return
        except (self._database.driver_error_type, StoreError) as error:
            # A search finds the messages without index. The next commit tries again.
            self._log.warn("messages were not indexed for search: {why}", why=str(error))
        self._go_on()
