"""PostgreSQL, as the journal and the archive use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import psycopg
from twisted.enterprise.adbapi import Transaction

from chatd.core.records import SearchQuery, SearchStep
from chatd.store.database import LOG_COLUMNS, STORED_MESSAGE_COLUMNS, EntryValues, StoredMessage
from chatd.store.postgresql.connections import is_without_answer
from chatd.store.postgresql.lease import RENEWAL_SECONDS, WriteLease
from chatd.store.postgresql.search import SearchWords

MIN_ROWS_TO_COPY: Final = 4
"""The number of entries from which on they are written by ``COPY``.

``COPY`` takes a round trip more than a statement, and a quarter of the time for each row.
"""

_COPY: Final = f"COPY log ({LOG_COLUMNS}) FROM STDIN"
_INSERT: Final = f"INSERT INTO log ({LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

_BY_REF: Final = (
    f"SELECT actor, ref, {STORED_MESSAGE_COLUMNS} FROM log WHERE (actor, ref) IN"
    " (SELECT * FROM unnest(CAST(? AS bigint[]), CAST(? AS text[])))"
)

_SIZE: Final = (
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
    " WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = CAST('log' AS regclass))"
    " AND relkind = 'r'"
)


class PostgresqlDatabase:
    """The operations of the journal and the archive that differ on PostgreSQL.

    It implements `chatd.store.database.Database`. The journal has one object, with the ``lease`` of this
    process. The archive has one for each of its threads, because the words of a search are split there.
    """

    driver_error_type: type[Exception] = psycopg.Error
    lease_renewal_seconds: float | None = RENEWAL_SECONDS

    def __init__(self, lease: WriteLease) -> None:
        self._lease = lease
        self._search_words = SearchWords()

    def begin_transaction(self, cursor: Transaction) -> None:
        """Begin a transaction that writes (see `WriteLease.begin_transaction`)."""
        self._lease.begin_transaction(cursor)

    def finish_transaction(self, cursor: Transaction, result: object) -> None:
        """Commit the transaction (see `WriteLease.finish_transaction`)."""
        self._lease.finish_transaction(cursor, result)

    def find_transaction_outcome(self, cursor: Transaction) -> bool:
        """Return whether the last transaction is stored (see `WriteLease.find_transaction_outcome`)."""
        return self._lease.find_transaction_outcome(cursor)

    def release(self, cursor: Transaction) -> None:
        """Let another process write to the database from now on."""
        self._lease.release(cursor)

    def insert_entries(self, cursor: Transaction, rows: Sequence[EntryValues]) -> None:
        """Add ``rows`` to the log table."""
        if len(rows) < MIN_ROWS_TO_COPY:
            for row in rows:
                cursor.execute(_INSERT, row)
            return
        with cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)

    def stored_messages_by_ref(
        self, cursor: Transaction, refs: Sequence[tuple[int, str]]
    ) -> Mapping[tuple[int, str], StoredMessage]:
        """Return the stored messages with the given ``refs``, each a pair of the author's id and the ref."""
        cursor.execute(_BY_REF, tuple(map(list, zip(*refs, strict=True))))
        return {(actor, ref): message for actor, ref, *message in cursor.fetchall()}

    def write_unchanged_value(self, cursor: Transaction) -> None:
        """Do nothing, because `finish_transaction` writes."""

    def measure_database_bytes(self, cursor: Any) -> int:
        """Return the size of the tables and their indexes in bytes, including the space of deleted rows."""
        cursor.execute(_SIZE)
        ((size,),) = cursor.fetchall()
        return int(size)

    def remove_copies_of_keys(self, cursor: Transaction) -> None:
        """Do nothing, because PostgreSQL's autovacuum removes what an update leaves behind."""

    def erase_deleted_texts(self, cursor: Transaction) -> int | None:
        """Return the size of the database in bytes, and do nothing else.

        PostgreSQL's autovacuum removes what is deleted. It looks at the tables with texts every minute (see
        docs/OPERATING.md).
        """
        return self.measure_database_bytes(cursor)

    def index_messages(self, cursor: Transaction) -> bool:
        """Add some messages that are not indexed yet to the search index. Return whether there are more."""
        cursor.execute("SELECT indexed < (SELECT coalesce(max(id), 0) FROM log) FROM search_progress")
        if not cursor.fetchone()[0]:
            return False
        self._lease.begin_transaction(cursor)
        more = self._search_words.index_messages(cursor)
        self._lease.finish_transaction(cursor, None)
        return more

    def remove_messages_from_index(self, cursor: Transaction, ids: Iterable[int]) -> None:
        """Remove the old words of the messages with the log ids ``ids`` from the search index, and index them
        again.
        """
        self._search_words.remove_messages_from_index(cursor, ids)

    def has_lost_connection(self, error: BaseException | None) -> bool:
        """Return whether ``error`` means that the connection broke."""
        return isinstance(error, psycopg.OperationalError) and is_without_answer(error)

    def begin_read_transaction(self, cursor: Any) -> None:
        """Begin a transaction in which all queries see the same state of the database."""
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")

    def merge_selects(
        self, selects: Sequence[str], values: Sequence[object], order: str, limit: int, offset: int = 0
    ) -> tuple[str, Sequence[object]]:
        """Return an SQL query that merges the rows of all ``selects``, and its values.

        The query limits each of ``selects``, because PostgreSQL would otherwise read and sort all rows.
        """
        if len(selects) == 1:
            merged = selects[0]
        else:
            merged = " UNION ALL ".join(f"({select} {order} LIMIT {limit + offset})" for select in selects)
        return f"{merged} {order} LIMIT {limit} OFFSET {offset}", values

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
        return self._search_words.run_search_step(cursor, query, hidden_up_to, start, end, limit)
