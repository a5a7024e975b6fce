"""The health of the daemon: whether it can store messages and read them."""

from __future__ import annotations

from typing import Final

from twisted.internet import defer
from twisted.internet.interfaces import IReactorTime

from chatd.boundaries import Archive, Journal
from chatd.core.events import LOBBY
from chatd.core.records import PageIdWindow
from chatd.store.errors import ReadFailed

TRANSACTION_STALLED_SECONDS: Final = 5.0
"""Seconds that a transaction may take until the daemon counts as unhealthy."""

DATABASE_READ_TIMEOUT_SECONDS: Final = 5.0
"""Seconds that the database may take for a short read until the daemon counts as unhealthy."""


class Health:
    """Checks whether the journal can write to the database and the archive can read from it."""

    def __init__(self, journal: Journal, archive: Archive, clock: IReactorTime) -> None:
        self._journal = journal
        self._archive = archive
        self._clock = clock

    async def is_healthy(self) -> bool:
        """Return whether the daemon is healthy, that is, whether `find_problems` finds no problems."""
        return not await self.find_problems()

    async def find_problems(self) -> list[str]:
        """Return the problems of the daemon, as sentences. A healthy daemon has none."""
        problems = []
        if self._journal.is_failing:
            problems.append("the last transaction failed")
        if self._journal.current_transaction_seconds > TRANSACTION_STALLED_SECONDS:
            problems.append(
                f"a transaction takes more than {TRANSACTION_STALLED_SECONDS:g} seconds;"
                f" {len(self._journal)} tasks wait"
            )
        reading = self._archive.page(LOBBY, PageIdWindow(1), 1, self._journal.last_delivered_id)
        reading.addTimeout(DATABASE_READ_TIMEOUT_SECONDS, self._clock)
        try:
            await reading
        except ReadFailed:
            problems.append("the database can't be read")
        except defer.TimeoutError:
            problems.append(f"to read the database takes more than {DATABASE_READ_TIMEOUT_SECONDS:g} seconds")
        return problems
