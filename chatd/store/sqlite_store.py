"""The store on SQLite: one file, opened once, with separate connections for journal and archive."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from errno import EACCES
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred, fail, succeed

from chatd.boundaries import Clock
from chatd.core.records import Snapshot
from chatd.files import make_private_folder
from chatd.store.archive import Archive, load_snapshot
from chatd.store.backup import BackupResult, back_up
from chatd.store.check import find_problems, interrupt_statements_when
from chatd.store.errors import MaintenanceInProgress, StoreError
from chatd.store.journal import Journal
from chatd.store.schema import DatabaseLock, create_or_migrate, load_migrations
from chatd.store.search_index import prepare_search_connection
from chatd.store.sqlite import SQLITE
from chatd.store.store import Durability

T = TypeVar("T")

BUSY_TIMEOUT_SECONDS: Final = 1.0
"""The time in seconds to wait for a lock that another program holds on the database.

It must be shorter than `chatd.daemon.lifecycle.DRAIN_TIMEOUT_SECONDS`.
"""

_MIGRATIONS: Final = load_migrations()  # read now: a user that the daemon becomes may not be able to

_SYNCHRONOUS: Final = {"full": "FULL", "process": "NORMAL"}


class SqliteStore:
    """A store in one SQLite file, locked by this process. A missing file or folder is created.

    An older database is migrated after a copy of it was made. If ``durability`` is ``full``, a commit
    survives a power failure; if it is ``process``, only the end of the process. ``pool`` makes a pool of
    connections from the arguments of adbapi's ``ConnectionPool``. Raises `StoreError` if the file can't be
    used; then it is not locked.
    """

    def __init__(
        self,
        path: Path,
        durability: Durability,
        reactor: Any,
        pool: Callable[..., ConnectionPool] = ConnectionPool,
    ) -> None:
        path = self.path = path.absolute()
        try:
            make_private_folder(path.parent)
        except OSError as error:
            raise StoreError(f"can't use the database {path}: {error.strerror} ({error.filename})") from None
        self._lock = DatabaseLock(path)
        try:
            create_or_migrate(path, _MIGRATIONS)
        except BaseException:
            self._lock.release()
            raise
        self.name = str(path)
        self._uri = path.as_uri()
        self.durability = durability
        self._upkeep: ConnectionPool | None = None
        self._stopping = False
        self._pool = pool
        self._reactor = reactor

    def read_snapshot(self) -> Snapshot:
        """Return a copy of all data that the daemon keeps in memory, read from the database.

        Raises `StoreError`.

        The call blocks, so use it only when the daemon starts.
        """
        try:
            with closing(sqlite3.connect(f"{self._uri}?mode=ro", uri=True)) as connection:
                return load_snapshot(connection.cursor(), SQLITE)
        except sqlite3.Error as error:
            raise StoreError(f"can't read the database {self.path}: {error}") from None

    def open_journal(
        self,
        clock: Clock,
        snapshot: Snapshot,
        on_failure: Callable[[], None],
        on_committed: Callable[[], None],
    ) -> Journal:
        """Return the journal, which continues after the last entry of ``snapshot``.

        Call this method only once.

        ``on_failure`` and ``on_committed`` are as in `Journal`.
        """
        return Journal(self.open_writer_pool(), SQLITE, clock, snapshot, on_failure, on_committed)

    def open_writer_pool(self) -> ConnectionPool:
        """Return a new pool with one connection that writes to the database, in a thread of its own.

        Call this method only once, because the journal must be the only writer.
        """

        def prepare_writer(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self.durability]}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")  # the text of a deleted message is overwritten

        return self._connections("rw", 1, prepare_writer)

    def open_archive(self) -> Archive:
        """Return the archive, which reads pages of the log on connections that can't write."""
        return Archive(
            self._connections("ro", 2), self._connections("ro", 1, prepare_search_connection), SQLITE
        )

    def check_access(self) -> None:
        """Raise `StoreError` if the user of this process may not write to the database file or its folder."""
        for path, needed in ((self.path, os.R_OK | os.W_OK), (self.path.parent, os.W_OK | os.X_OK)):
            if not os.access(path, needed, effective_ids=True):
                raise StoreError(f"can't use the database {self.path}: {os.strerror(EACCES)} ({path})")

    def disk_bytes(self) -> Deferred[int]:
        """Return a Deferred of the sizes in bytes of the database file, with its free pages, and of its
        write-ahead log.

        The limit ``database_size`` applies to `measure_database_bytes`, which leaves the free pages out.
        """
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return succeed(sum(file.stat().st_size for file in files if file.exists()))

    def back_up(self, target: Path) -> Deferred[BackupResult]:
        """Copy the database to the new file ``target`` and check the copy, while the journal goes on writing.

        Return a Deferred of a `BackupResult`. It fails with `StoreError` if no sound copy could be made, and
        with `MaintenanceInProgress` while another backup or check is under way.
        """
        return self._in_own_thread(lambda connection: back_up(connection, target, self._is_stopping))

    def check(self) -> Deferred[list[str]]:
        """Return a Deferred of the problems that `chatd.store.check.find_problems` finds in the database.

        The Deferred fails with `StoreError` if the check can't be made, and with `MaintenanceInProgress`
        while another check or backup is under way.
        """

        def check(connection: sqlite3.Connection) -> list[str]:
            interrupt_statements_when(connection, self._is_stopping)
            try:
                return find_problems(connection)
            except sqlite3.OperationalError as error:
                raise StoreError(f"the database was not checked: {error}") from None
            except sqlite3.DatabaseError as error:
                return [f"SQLite: {error}"]

        return self._in_own_thread(check)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _in_own_thread(self, work: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """Call ``work`` in a thread, with a connection of its own that can't write. Return its result."""
        if self._upkeep is not None:
            return fail(MaintenanceInProgress("a backup or a check is under way"))
        pool = self._upkeep = self._connections("ro", 1)

        def run(transaction: Transaction) -> T:
            return work(transaction.connection)

        def close(result: object) -> object:
            self._upkeep = None
            pool.close()
            return result

        running: Deferred[T] = pool.runInteraction(run)
        return running.addBoth(close)

    def cancel_backups_and_checks(self) -> None:
        """Make the running backup or check, if any, fail soon with `StoreError`, and every later one as well.

        A check so short that it is not interrupted may still succeed.
        """
        self._stopping = True

    def unlock(self) -> None:
        """Release the lock on the database. Call this when the journal and the archive are closed."""
        self._lock.release()

    def _connections(
        self, mode: str, most: int, opened: Callable[[sqlite3.Connection], None] | None = None
    ) -> ConnectionPool:
        return self._pool(
            "sqlite3",
            f"{self._uri}?mode={mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_SECONDS,
            cp_min=1,
            cp_max=most,
            cp_openfun=opened,
            cp_noisy=False,
            cp_reactor=self._reactor,
        )
