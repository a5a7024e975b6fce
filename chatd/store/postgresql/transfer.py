"""A PostgreSQL database to copy from or to (see `chatd.store.transfer`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from chatd.store.errors import StoreError
from chatd.store.postgresql.store import PostgresqlStore
from chatd.store.transfer import TABLES, quote_identifier, select_statement

ROWS_PER_FETCH: Final = 2000
"""The number of rows that are read from the server at once."""


class TransferDatabase:
    """A PostgreSQL database that rows are copied from or to, in one transaction."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def read(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the table ``table``."""
        self._cursor.execute(f"DECLARE rows NO SCROLL CURSOR FOR {select_statement(table)}")
        while True:
            self._cursor.execute(f"FETCH {ROWS_PER_FETCH} FROM rows")
            rows = self._cursor.fetchall()
            if not rows:
                break
            yield from rows
        self._cursor.execute("CLOSE rows")

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert ``rows`` into the table ``table``."""
        columns = TABLES[table].columns
        with self._cursor.copy(f"COPY {table} ({quote_identifier(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        if table == "tokens":
            self._cursor.execute(
                "SELECT setval(pg_get_serial_sequence('tokens', 'id'), coalesce(max(id), 0) + 1, false)"
                " FROM tokens"
            )

    def is_empty(self) -> bool:
        """Return whether the database has no data except the lobby and the console, and delete these two."""
        self._cursor.execute(
            "SELECT NOT EXISTS (SELECT 1 FROM log) AND NOT EXISTS (SELECT 1 FROM users WHERE id > 0)"
        )
        if not self._cursor.fetchone()[0]:
            return False
        self._cursor.execute("DELETE FROM conversations")
        self._cursor.execute("DELETE FROM users")
        return True


@contextmanager
def open_transfer(url: str) -> Iterator[TransferDatabase]:
    """Return a context manager that opens the PostgreSQL database with the URL ``url``, in a transaction.

    The transaction is committed at the end of the block. Raises `StoreError` if the database can't be used,
    if a daemon uses it, or if it is not sound after the block.
    """
    store = PostgresqlStore(url, "full", None)
    with store.writing() as cursor:
        yield TransferDatabase(cursor)
    problems = store.find_problems()
    if problems:
        raise StoreError(f"the database {store.name} is not sound: {problems[0]}")
