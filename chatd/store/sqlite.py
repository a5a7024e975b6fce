"""SQLite, as the journal and the archive use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from twisted.enterprise.adbapi import Transaction

from chatd.core.records import SearchQuery, SearchStep
from chatd.store.database import (
    LOG_COLUMNS,
    STORED_MESSAGE_COLUMNS,
    Database,
    EntryValues,
    SqlCursor,
    StoredMessage,
)
from chatd.store.search_index import index_messages, remove_messages_from_index, run_search_step
from chatd.store.size import measure_database_bytes

ROWS_PER_INSERT: Final = (64, 8, 1)
"""The numbers of entries that one SQL statement writes, the largest first.

For each statement the writer's thread gives up Python's lock and waits for it again, which takes most of the
time while the reactor's thread is busy.
"""

_INSERTS: Final = {
    count: f"INSERT INTO log ({LOG_COLUMNS}) VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * count)
    for count in ROWS_PER_INSERT
}

_BY_REF: Final = f"SELECT {STORED_MESSAGE_COLUMNS} FROM log WHERE actor = ? AND ref = ?"


class SqliteDatabase:
    """The operations of the journal and the archive that differ on SQLite.

    It implements `chatd.store.database.Database`.
    """

    driver_error_type: type[Exception] = sqlite3.Error
    lease_renewal_seconds: float | None = None

    def begin_transaction(self, cursor: Transaction) -> None:
        """Begin a transaction that writes."""
        cursor.execute("BEGIN IMMEDIATE")

    def finish_transaction(self, cursor: Transaction, result: object) -> None:
        """Do nothing, because the caller commits the transaction."""

    def find_transaction_outcome(self, cursor: Transaction) -> bool:
        """Raise `NotImplementedError`, because a commit of SQLite either succeeds or fails."""
        raise NotImplementedError

    def release(self, cursor: Transaction) -> None:
        """Do nothing, because the file is locked by `chatd.store.schema.DatabaseLock`."""

    def insert_entries(self, cursor: Transaction, rows: Sequence[EntryValues]) -> None:
        """Add ``rows`` to the log table."""
        start = 0
        for count in ROWS_PER_INSERT:
            while start + count <= len(rows):
                cursor.execute(_INSERTS[count], tuple(chain.from_iterable(rows[start : start + count])))
                start += count

    def stored_messages_by_ref(
        self, cursor: Transaction, refs: Sequence[tuple[int, str]]
    ) -> Mapping[tuple[int, str], StoredMessage]:
        """Return the stored messages with the given ``refs``, each a pair of the author's id and the ref."""
        # Looked up once: an adbapi cursor finds each method by a call.
        execute, fetchone = cursor.execute, cursor.fetchone
        found: dict[tuple[int, str], StoredMessage] = {}
        for ref in refs:
            execute(_BY_REF, ref)
            row = fetchone()
            if row is not None:
                found[ref] = row
        return found

    def write_unchanged_value(self, cursor: Transaction) -> None:
        """Write the version number of the database again, to find out whether it can be written."""
        cursor.execute("PRAGMA user_version")
        ((version,),) = cursor.fetchall()
        cursor.execute(f"PRAGMA user_version = {version}")

    def measure_database_bytes(self, cursor: SqlCursor) -> int:
        """Return the size of the database in bytes (see `measure_database_bytes`)."""
        return measure_database_bytes(cursor)

    def remove_copies_of_keys(self, cursor: Transaction) -> None:
        """Rebuild the indexes of the table ``users``, because a page that was split keeps copies of moved
        keys.
        """
        cursor.execute("REINDEX users")

    def erase_deleted_texts(self, cursor: Transaction) -> int | None:
        """Move the write-ahead log into the database file, and empty it.

        Return the size of the database in bytes, or None if a reader prevents this.
        """
        ((timeout,),) = cursor.execute("PRAGMA busy_timeout").fetchall()
        cursor.execute("PRAGMA busy_timeout = 0")  # commits must not wait for the reader
        ((busy, _, _),) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        cursor.execute(f"PRAGMA busy_timeout = {timeout}")
        return None if busy else measure_database_bytes(cursor)

    def index_messages(self, cursor: Transaction) -> bool:
        """Add some messages that are not indexed yet to the search index. Return whether there are more."""
        return index_messages(cursor)

    def remove_messages_from_index(self, cursor: Transaction, ids: Iterable[int]) -> None:
        """Remove the words of the messages with the log ids ``ids`` from the search index."""
        remove_messages_from_index(cursor, ids)

    def has_lost_connection(self, error: BaseException | None) -> bool:
        """Return False, because SQLite has no connection that can break."""
        return False

    def begin_read_transaction(self, cursor: SqlCursor) -> None:
        """Begin a transaction in which all queries see the same state of the database."""
        cursor.execute("BEGIN")

    def merge_selects(
        self, selects: Sequence[str], values: Sequence[object], order: str, limit: int, offset: int = 0
    ) -> tuple[str, Sequence[object]]:
        """Return one compound SQL query, whose parts SQLite merges, and its values."""
        union = f"{' UNION ALL '.join(selects)} {order} LIMIT ?"
        return (f"{union} OFFSET ?", (*values, limit, offset)) if offset else (union, (*values, limit))

    def run_search_step(
        self,
        cursor: Transaction,
        query: SearchQuery,
        hidden_up_to: Mapping[int, int],
        start: int,
        end: int,
        limit: int,
    ) -> SearchStep:
        """Search a part of the log for ``query`` (see `chatd.store.database.Database.run_search_step`)."""
        return run_search_step(cursor, query, hidden_up_to, start, end, limit)


SQLITE: Final[Database] = SqliteDatabase()
