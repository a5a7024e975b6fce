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
from chatd.store.search_index import forget_messages, index_messages, search_step
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
    """What the journal and the archive do on SQLite only. It implements `chatd.store.database.Database`."""

    error_type: type[Exception] = sqlite3.Error
    renewal_seconds: float | None = None

    def begin(self, cursor: Transaction) -> None:
        """Begin a transaction that writes."""
        cursor.execute("BEGIN IMMEDIATE")

    def end(self, cursor: Transaction, result: object) -> None:
        """Do nothing: the caller commits."""

    def find_outcome(self, cursor: Transaction) -> bool:
        """Raise `NotImplementedError`: a commit of SQLite succeeds or fails."""
        raise NotImplementedError

    def release(self, cursor: Transaction) -> None:
        """Do nothing: the file is locked by `chatd.store.schema.DatabaseLock`."""

    def insert_entries(self, cursor: Transaction, rows: Sequence[EntryValues]) -> None:
        """Add ``rows`` to the log table."""
        start = 0
        for count in ROWS_PER_INSERT:
            while start + count <= len(rows):
                cursor.execute(_INSERTS[count], tuple(chain.from_iterable(rows[start : start + count])))
                start += count

    def messages_by_ref(
        self, cursor: Transaction, refs: Sequence[tuple[int, str]]
    ) -> Mapping[tuple[int, str], StoredMessage]:
        """Return the messages that are stored under ``refs``."""
        # Looked up once: an adbapi cursor finds each method by a call.
        execute, fetchone = cursor.execute, cursor.fetchone
        found: dict[tuple[int, str], StoredMessage] = {}
        for ref in refs:
            execute(_BY_REF, ref)
            row = fetchone()
            if row is not None:
                found[ref] = row
        return found

    def write_nothing_new(self, cursor: Transaction) -> None:
        """Write the version of the database once more."""
        cursor.execute("PRAGMA user_version")
        ((version,),) = cursor.fetchall()
        cursor.execute(f"PRAGMA user_version = {version}")

    def measure_bytes(self, cursor: SqlCursor) -> int:
        """Return the size of the database in bytes (see `measure_database_bytes`)."""
        return measure_database_bytes(cursor)

    def remove_copies_of_keys(self, cursor: Transaction) -> None:
        """Write the indexes of users anew: a page that was split keeps copies of keys that have moved."""
        cursor.execute("REINDEX users")

    def erase_deleted_texts(self, cursor: Transaction) -> int | None:
        """Move the write-ahead log into the database and empty it.

        Return the size of the database, or None if a reader prevents it.
        """
        ((timeout,),) = cursor.execute("PRAGMA busy_timeout").fetchall()
        cursor.execute("PRAGMA busy_timeout = 0")  # commits must not wait for the reader
        ((busy, _, _),) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        cursor.execute(f"PRAGMA busy_timeout = {timeout}")
        return None if busy else measure_database_bytes(cursor)

    def index_messages(self, cursor: Transaction) -> bool:
        """Index some messages. Return whether there are more."""
        return index_messages(cursor)

    def forget_messages(self, cursor: Transaction, ids: Iterable[int]) -> None:
        """Remove the words of the messages with ``ids`` from the index."""
        forget_messages(cursor, ids)

    def has_lost_connection(self, error: BaseException | None) -> bool:
        """Return False: there is only a file."""
        return False

    def begin_reading(self, cursor: SqlCursor) -> None:
        """Begin a transaction in which all queries see the same state of the database."""
        cursor.execute("BEGIN")

    def merge_selects(
        self, selects: Sequence[str], values: Sequence[object], order: str, limit: int, offset: int = 0
    ) -> tuple[str, Sequence[object]]:
        """Return the SQL of one compound query, whose parts SQLite merges."""
        union = f"{' UNION ALL '.join(selects)} {order} LIMIT ?"
        return (f"{union} OFFSET ?", (*values, limit, offset)) if offset else (union, (*values, limit))

    def search_step(
        self,
        cursor: Transaction,
        query: SearchQuery,
        hidden_up_to: Mapping[int, int],
        start: int,
        end: int,
        limit: int,
    ) -> SearchStep:
        """Search a part of the log for ``query``."""
        return search_step(cursor, query, hidden_up_to, start, end, limit)


SQLITE: Final[Database] = SqliteDatabase()
