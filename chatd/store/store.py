"""The store as a whole, as the daemon sees it, and which kind of database it is on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from twisted.internet.defer import Deferred

from chatd.boundaries import Clock
from chatd.core.records import Snapshot
from chatd.store.archive import Archive
from chatd.store.backup import BackupResult
from chatd.store.journal import Journal

Durability = Literal["full", "process"]
"""What a commit survives: a power cut ("full"), or only the end of the process ("process")."""


class Store(Protocol):
    """The interface of an open database, which no other process writes to.

    ``name`` is the path of the file, or the URL without a password. ``durability`` says what a commit
    survives.
    """

    name: str
    durability: Durability

    def read_snapshot(self) -> Snapshot:
        """Return a copy of all data that the daemon keeps in memory, read from the database.

        Raises `StoreError`.

        The call blocks, so use it only when the daemon starts.
        """

    def open_journal(
        self,
        clock: Clock,
        snapshot: Snapshot,
        on_failure: Callable[[], None],
        on_committed: Callable[[], None],
    ) -> Journal:
        """Return the journal, which begins at ``snapshot``. Call this once."""

    def open_archive(self) -> Archive:
        """Return the archive, which reads pages of the log on connections that can't write."""

    def check_access(self) -> None:
        """Raise `StoreError` if the user of this process may not write to the database."""

    def disk_bytes(self) -> Deferred[int]:
        """Return a Deferred of the size in bytes that the database takes on the disk."""

    def back_up(self, target: Path) -> Deferred[BackupResult]:
        """Copy the database to the new file ``target`` and check the copy, while the journal goes on writing.

        Return a Deferred of a `BackupResult`. It fails with `StoreError` if no sound copy could be made, and
        with `MaintenanceInProgress` while another backup or check is under way.
        """

    def check(self) -> Deferred[list[str]]:
        """Return a Deferred of the problems of the database, as sentences.

        The Deferred fails with `StoreError` if the check can't be made, and with `MaintenanceInProgress`
        while another check or backup is under way.
        """

    def cancel_backups_and_checks(self) -> None:
        """Have the running backup or check, if any, fail soon with `StoreError`, and every later one as
        well.
        """

    def unlock(self) -> None:
        """Let other processes use the database. Call this when the journal and the archive are closed."""


def is_postgresql_url(database: str) -> bool:
    """Return whether ``database``, as the configuration has it, is the URL of a PostgreSQL database."""
    return database.startswith(("postgresql:", "postgres:"))


def open_store(database: str, durability: Durability, reactor: Any) -> Store:
    """Return the store in ``database``, which is the path of a file for SQLite or a ``postgresql://`` URL.

    Raises `StoreError` if it can't be used.
    """
    if is_postgresql_url(database):
        # Imported here, because only those who use it have psycopg.
        from chatd.store.postgresql import open_postgresql_store

        return open_postgresql_store(database, durability, reactor)
    from chatd.store.sqlite_store import SqliteStore

    return SqliteStore(Path(database), durability, reactor)
