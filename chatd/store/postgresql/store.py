"""The store on PostgreSQL: one database, which no other process writes to while this one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from chatd.boundaries import Clock
from chatd.core.records import Snapshot
from chatd.store.archive import Archive, load_snapshot
from chatd.store.backup import BackupResult
from chatd.store.errors import MaintenanceInProgress, NotSupported, StoreError
from chatd.store.journal import Journal
from chatd.store.postgresql.check import find_problems
from chatd.store.postgresql.connections import (
    READER_SETTINGS,
    SEARCH_SETTINGS,
    DatabaseUrl,
    writer_settings,
)
from chatd.store.postgresql.database import PostgresqlDatabase
from chatd.store.postgresql.lease import WriteLease
from chatd.store.postgresql.schema import (
    as_store_error,
    create_tables,
    load_migrations,
    migrate,
    read_version,
)
from chatd.store.store import Durability

_MIGRATIONS: Final = load_migrations()  # read now: a user that the daemon becomes may not be able to

PG_DUMP_SENTENCE: Final = (
    "chatd makes no backup of a PostgreSQL database: pg_dump does, while the daemon runs (docs/OPERATING.md)"
)
"""What a backup is refused with."""


class PostgresqlStore:
    """A store in the PostgreSQL database with the URL ``url``.

    The tables are created if the database is empty; an older database is migrated. This process claims the
    database (see `WriteLease`). If ``durability`` is ``full``, a commit survives a power failure of the
    server; if it is ``process``, only the end of chatd. ``pool`` makes a pool of connections from the
    arguments of adbapi's ``ConnectionPool``. Raises `StoreError` if the database can't be used, or another
    process uses it.
    """

    def __init__(
        self,
        url: str,
        durability: Durability,
        reactor: Any,
        pool: Callable[..., ConnectionPool] = ConnectionPool,
    ) -> None:
        self._url = DatabaseUrl(url)
        self.name = self._url.name
        self.durability = durability
        self._pool = pool
        self._reactor = reactor
        self._lease = WriteLease()
        self._upkeep: ConnectionPool | None = None
        self._checked: psycopg.Connection[Any] | None = None
        self._stopping = False
        with self._url.connect() as connection, _store_errors(self.name):
            create_tables(connection, self.name, _MIGRATIONS)
            self._lease.claim_at_start(connection, self.name)
            migrate(connection, self.name, _MIGRATIONS)

    def read_snapshot(self) -> Snapshot:
        """Return a copy of all data that the daemon keeps in memory, read from the database.

        Raises `StoreError`.

        The call blocks, so use it only when the daemon starts.
        """
        database = PostgresqlDatabase(self._lease)
        with self._url.connect() as connection, _store_errors(self.name), connection.cursor() as cursor:
            database.begin_read_transaction(cursor)
            return load_snapshot(cursor, database)

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
        database = PostgresqlDatabase(self._lease)
        return Journal(self.open_writer_pool(), database, clock, snapshot, on_failure, on_committed)

    def open_writer_pool(self) -> ConnectionPool:
        """Return a new pool with one connection that writes to the database, in a thread of its own.

        Call this method only once, because the journal must be the only writer.
        """
        settings = writer_settings(self.durability == "full")
        return self._url.pool(self._pool, settings, 1, self._reactor)

    def open_archive(self) -> Archive:
        """Return the archive, which reads pages of the log on connections that can't write."""
        search_pool = self._url.pool(self._pool, SEARCH_SETTINGS, 1, self._reactor)
        return Archive(self._readers(2), search_pool, PostgresqlDatabase(self._lease))

    def check_access(self) -> None:
        """Do nothing, because access to the server does not depend on the user of this process."""

    def disk_bytes(self) -> Deferred[int]:
        """Return a Deferred of the size in bytes of the tables and their indexes."""
        database = PostgresqlDatabase(self._lease)
        pool = self._readers(1)
        measuring: Deferred[int] = pool.runInteraction(database.measure_database_bytes)

        def close(result: int | Failure) -> int | Failure:
            pool.close()
            return result

        return measuring.addBoth(close).addErrback(self._as_store_error)

    def back_up(self, target: Path) -> Deferred[BackupResult]:
        """Return a Deferred that fails with `StoreError`, whose text says how to back up a PostgreSQL
        database.
        """
        return fail(NotSupported(PG_DUMP_SENTENCE))

    def check(self) -> Deferred[list[str]]:
        """Return a Deferred of the problems that `chatd.store.postgresql.check.find_problems` finds.

        The Deferred fails with `StoreError` if the check can't be made, and with `MaintenanceInProgress`
        while another check is under way.
        """
        if self._upkeep is not None:
            return fail(MaintenanceInProgress("a check is under way"))
        pool = self._upkeep = self._readers(1)

        def check(transaction: Transaction) -> list[str]:
            self._checked = transaction.connection
            if self._stopping:
                raise StoreError("the database was not checked, because the daemon stops")
            return find_problems(transaction.connection, PostgresqlDatabase(self._lease))

        def close(result: list[str] | Failure) -> list[str] | Failure:
            self._upkeep = self._checked = None
            pool.close()
            return result

        checking: Deferred[list[str]] = pool.runInteraction(check)
        return checking.addBoth(close).addErrback(self._as_store_error)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Return a context manager with a cursor, in a transaction that writes.

        At the end of the block, the transaction is committed, and the database is released. This is for a
        process that is not a daemon. Raises `StoreError`; then nothing is changed.
        """
        with self._url.connect() as connection, _store_errors(self.name), connection.cursor() as cursor:
            connection.execute(writer_settings(synchronous_commit=True).encode())
            connection.execute(b"SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            transaction = cast(Transaction, cursor)
            try:
                self._lease.begin_transaction(transaction)
                yield cursor
                self._lease.finish_transaction(transaction, None)
            finally:
                connection.rollback()
                self._lease.release(transaction)

    def find_problems(self) -> list[str]:
        """Return the problems of the database, as sentences. The call blocks. Raises `StoreError`."""
        with self._url.connect() as connection, _store_errors(self.name):
            return find_problems(connection, PostgresqlDatabase(self._lease))

    def cancel_backups_and_checks(self) -> None:
        """Make the running check, if any, fail soon with `StoreError`, and every later one as well."""
        self._stopping = True
        if self._checked is not None:
            self._checked.cancel_safe(timeout=1.0)

    def unlock(self) -> None:
        """Do nothing, because the journal has released the lease when it was closed."""

    def _readers(self, most: int) -> ConnectionPool:
        return self._url.pool(self._pool, READER_SETTINGS, most, self._reactor)

    def _as_store_error(self, failure: Failure) -> Any:
        failure.trap(psycopg.Error)
        raise StoreError(f"can't read the database {self.name}: {failure.getErrorMessage()}") from None


def find_database_problems(url: str) -> list[str]:
    """Return the problems of the database with the URL ``url``, as sentences. The call blocks.

    A daemon may use the database meanwhile. Raises `StoreError` if the database can't be read, or is not
    chatd's.
    """
    database = DatabaseUrl(url)
    with database.connect() as connection, _store_errors(database.name):
        connection.execute(READER_SETTINGS.encode())
        version = read_version(connection, database.name)
        if version != len(_MIGRATIONS):
            return [f"the version of the database is {version}, this chatd has {len(_MIGRATIONS)}"]
        return find_problems(connection, PostgresqlDatabase(WriteLease()))


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    """Raise `StoreError` for an error of the connection to the database ``name``."""
    try:
        yield
    except psycopg.Error as error:
        raise as_store_error(error, name) from None
