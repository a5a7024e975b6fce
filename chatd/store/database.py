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
    """What the journal and the archive do in another way on each kind of database.

    All methods are called in the thread of a connection, with a cursor of it. They raise errors of the type
    ``error_type``, and `StoreError`. ``renewal_seconds`` is the interval at which a journal that has nothing
    to do has to write something, so that this process remains the writer of the database; None if there is
    no such need.
    """

    @property
    def error_type(self) -> type[Exception]:
        """The type of the errors that the database raises."""

    @property
    def renewal_seconds(self) -> float | None:
        """The maximum interval between two transactions, or None."""

    # For the journal.

    def begin(self, cursor: Transaction) -> None:
        """Begin a transaction that writes.

        Raises `NotTheWriter` and `StateOutdated`.
        """

    def end(self, cursor: Transaction, result: object) -> None:
        """Do what must be last in a transaction that writes. The caller commits after that.

        Raises `OutcomeUnknown` with ``result`` if this has committed the transaction, and the answer to the
        commit did not come.
        """

    def find_outcome(self, cursor: Transaction) -> bool:
        """Return whether the transaction for which `end` has raised `OutcomeUnknown` is stored."""

    def release(self, cursor: Transaction) -> None:
        """Let another process write to the database from now on."""

    def insert_entries(self, cursor: Transaction, rows: Sequence[EntryValues]) -> None:
        """Add ``rows`` to the log table."""

    def messages_by_ref(
        self, cursor: Transaction, refs: Sequence[tuple[int, str]]
    ) -> Mapping[tuple[int, str], StoredMessage]:
        """Return the messages that are stored under ``refs``, which are pairs of the author's id and the
        ref.
        """

    def write_nothing_new(self, cursor: Transaction) -> None:
        """Write a value that is in the database already, to find out whether the database can be written."""

    def measure_bytes(self, cursor: SqlCursor) -> int:
        """Return the size of the database on the disk in bytes."""

    def remove_copies_of_keys(self, cursor: Transaction) -> None:
        """Remove the copies of names that the indexes of users may have kept, in the transaction in which a
        user is erased.
        """

    def erase_deleted_texts(self, cursor: Transaction) -> int | None:
        """Remove what deleted texts have left behind on the disk, in no transaction.

        Return the size of the database, or None if it is not possible now.
        """

    # The search index.

    def index_messages(self, cursor: Transaction) -> bool:
        """Index some messages that are not indexed yet, in a transaction of its own. Return whether there are
        more.
        """

    def forget_messages(self, cursor: Transaction, ids: Iterable[int]) -> None:
        """Remove the words of the messages with ``ids`` from the index, in the transaction in which their
        texts were deleted or changed.
        """

    # For the archive.

    def has_lost_connection(self, error: BaseException | None) -> bool:
        """Return whether ``error`` is that the connection broke: a query may succeed on another one."""

    def begin_reading(self, cursor: SqlCursor) -> None:
        """Begin a transaction in which all queries see the same state of the database."""

    def merge_selects(
        self, selects: Sequence[str], values: Sequence[object], order: str, limit: int, offset: int = 0
    ) -> tuple[str, Sequence[object]]:
        """Return the SQL, and the values in it, of the rows of all ``selects`` in the ``order``.

        ``values`` are those in ``selects``. The first ``offset`` rows are left out, and there are at most
        ``limit``. An index has the rows of each of ``selects`` in this order, and no more are to be read than
        are needed.
        """

    def search_step(
        self,
        cursor: Transaction,
        query: SearchQuery,
        hidden_up_to: Mapping[int, int],
        start: int,
        end: int,
        limit: int,
    ) -> SearchStep:
        """Search a part of the log for ``query``, in a transaction that `begin_reading` has begun.

        The search goes from the id ``start`` to the id ``end``, both included, down if ``end`` is smaller.
        ``hidden_up_to`` has, for each conversation of which the reader does not see all, the last id that is
        hidden. At most ``limit`` messages are found.
        """
