"""What differs between the databases that the journal and the archive can use, as a Protocol.

All other SQL of the store is the same for SQLite and PostgreSQL. It is written for SQLite, with ``?`` for
values; `chatd.store.postgresql.connections` translates the few things that PostgreSQL spells differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from twisted.enterprise.adbapi import Transaction

from chatd.core.records import SearchQuery, SearchStep

SqlCursor = Any
"""A cursor of adbapi, of `sqlite3` or of psycopg."""

EntryValues = tuple[int, int, int, int, str, int, int | None, str, str | None]
"""A row to add to the log table: id, conversation, seq, at, kind, actor, subject, body, ref."""

LOG_COLUMNS = "id, conversation, seq, at, kind, actor, subject, body, ref"
"""The columns of `EntryValues`."""

StoredMessage = tuple[int, int, int, int, str, str]
"""A message that is stored: id, seq, at, conversation, kind, body. The kind of an action is ``message``."""

STORED_MESSAGE_COLUMNS = (
    "id, seq, at, conversation, CASE kind WHEN 'action' THEN 'message' ELSE kind END, body"
)
"""The columns of `StoredMessage`."""


class Database(Protocol):
    """The interface of the operations that differ between SQLite and PostgreSQL.

    All methods are called in the thread of a connection, with a cursor of that connection. They raise errors
    of the type ``driver_error_type``, and `StoreError`. ``lease_renewal_seconds`` is the interval in seconds
    at which an idle journal must write something, so that this process remains the writer of the database;
    None if that is not necessary.
    """

    @property
    def driver_error_type(self) -> type[Exception]:
        """The type of the errors that the database driver raises."""

    @property
    def lease_renewal_seconds(self) -> float | None:
        """The maximum time in seconds between two transactions of the writer, or None for no maximum."""

    # For the journal.

    def begin_transaction(self, cursor: Transaction) -> None:
        """Begin a transaction that writes.

        Raises `NotTheWriter` if another process is the writer, and `StateOutdated` if another process has
        written.
        """

    def finish_transaction(self, cursor: Transaction, result: object) -> None:
        """Run the last statements of a transaction that writes. The caller commits afterwards.

        Raises `OutcomeUnknown` with ``result`` if the method itself has committed the transaction, and the
        connection broke before the database confirmed the commit.
        """

    def find_transaction_outcome(self, cursor: Transaction) -> bool:
        """Return whether the transaction for which `finish_transaction` has raised `OutcomeUnknown` is
        stored.
        """

    def release(self, cursor: Transaction) -> None:
        """Allow another process to write to the database from now on."""

    def insert_entries(self, cursor: Transaction, rows: Sequence[EntryValues]) -> None:
        """Add ``rows`` to the log table."""

    def stored_messages_by_ref(
        self, cursor: Transaction, refs: Sequence[tuple[int, str]]
    ) -> Mapping[tuple[int, str], StoredMessage]:
        """Return the stored messages with the given ``refs``, each a pair of the author's id and the ref.

        A ref is the client's own id of a message.
        """

    def write_unchanged_value(self, cursor: Transaction) -> None:
        """Write a value that is in the database already, to find out whether the database can be written."""

    def measure_database_bytes(self, cursor: SqlCursor) -> int:
        """Return the size of the database on the disk in bytes."""

    def remove_copies_of_keys(self, cursor: Transaction) -> None:
        """Remove copies of names that the indexes of the table ``users`` may still have.

        Call this method in the transaction in which a user is erased.
        """

    def erase_deleted_texts(self, cursor: Transaction) -> int | None:
        """Remove what deleted texts have left behind on the disk, outside any transaction.

        Return the size of the database in bytes, or None if this is not possible now.
        """

    # The search index.

    def index_messages(self, cursor: Transaction) -> bool:
        """Add some messages that are not indexed yet to the search index, in a transaction of its own.

        Return whether there are more.
        """

    def remove_messages_from_index(self, cursor: Transaction, ids: Iterable[int]) -> None:
        """Remove the words of the messages with the log ids ``ids`` from the search index.

        Call this method in the transaction in which their texts are deleted or changed.
        """

    # For the archive.

    def has_lost_connection(self, error: BaseException | None) -> bool:
        """Return whether ``error`` means that the connection broke, so that another connection may
        succeed.
        """

    def begin_read_transaction(self, cursor: SqlCursor) -> None:
        """Begin a transaction in which all queries see the same state of the database."""

    def merge_selects(
        self, selects: Sequence[str], values: Sequence[object], order: str, limit: int, offset: int = 0
    ) -> tuple[str, Sequence[object]]:
        """Return an SQL query that merges the rows of all ``selects`` in the order ``order``, and its values.

        ``values`` are the values of ``selects``. The first ``offset`` rows are left out, and there are at
        most ``limit`` rows. An index has the rows of each of ``selects`` in this order; the query reads no
        more of them than needed.
        """

    def run_search_step(
        self,
        cursor: Transaction,
        query: SearchQuery,
        hidden_up_to: Mapping[int, int],
        start: int,
        end: int,
        limit: int,
    ) -> SearchStep:
        """Search a part of the log for ``query``, in a transaction that `begin_read_transaction` has begun.

        The search goes from the id ``start`` to the id ``finish_transaction``, both included, and downwards
        if ``finish_transaction`` is smaller. ``hidden_up_to`` maps each conversation that the reader may not
        read completely to the last id that is hidden. At most ``limit`` messages are found.
        """
