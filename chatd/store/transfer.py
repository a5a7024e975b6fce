"""Copies all that a database has into an empty one of the other kind, and compares the two."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from chatd.store.backup import new_file_beside
from chatd.store.check import NEWEST_SCHEMA_VERSION, find_file_problems, open_read_only
from chatd.store.errors import StoreError
from chatd.store.schema import DatabaseLock, create_or_migrate, load_migrations
from chatd.store.store import is_postgresql_url


class Table(NamedTuple):
    """A table of the database: its columns, and the positions of the columns by which its rows are sorted."""

    columns: tuple[str, ...]
    key: tuple[str, ...]


TABLES: Final[dict[str, Table]] = {
    "users": Table(("id", "nick", "key", "colour", "seen"), ("id",)),
    "conversations": Table(("id", "kind", "name", "low", "high"), ("id",)),
    "log": Table(
        (
            *("id", "conversation", "seq", "at", "kind", "actor", "subject", "body", "ref"),
            *("answered", "answered_author", "edited"),
        ),
        ("id",),
    ),
    "credentials": Table(("user", "hash", "since"), ("user",)),
    "moderation": Table(("id", "at", "operator", "kind", "target", "until", "reason"), ("id",)),
    "ban_origins": Table(("conversation", "user", "origins"), ("conversation", "user")),
    "ignores": Table(("user", "other", "ignored"), ("user", "other")),
    "trimmed": Table(("conversation", "last"), ("conversation",)),
    "tokens": Table(("id", "digest", "user", "name", "access", "conversations", "made", "expires"), ("id",)),
    "erasures": Table(("user", "last"), ("user",)),
    "links": Table(
        ("digest", "conversation", "number", "maker", "made", "expires", "uses"), ("conversation", "number")
    ),
    "read_marks": Table(("user", "conversation", "last", "at"), ("user", "conversation")),
    "reactions": Table(("message", "reaction", "user", "entry"), ("message", "user", "entry")),
}
"""The tables that are copied, in an order in which what a row refers to comes first.

The search index is not: the daemon makes it anew.
"""


class TableDigest(NamedTuple):
    """The number of rows of a table, and the SHA-256 digest of all its rows."""

    rows: int
    digest: str


class _Database(Protocol):
    """A database to copy from or to."""

    def read(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of ``table``, sorted by its key."""

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add ``rows`` to ``table``."""

    def is_empty(self) -> bool:
        """Return whether there is nothing but what every new database has, and remove that."""


def transfer(source: str, target: str) -> dict[str, TableDigest]:
    """Copy the database ``source`` to ``target``. Return the number of rows and the digest of each table.

    Both are the path of an SQLite file or a ``postgresql://`` URL. No daemon may use them. ``target`` is a
    file that does not exist, or a PostgreSQL database that is empty. All rows are read again from the target,
    and their numbers and digests are compared. Raises `StoreError`; then ``target`` is as before, except that
    it may have empty tables.
    """
    opened = _open_postgresql if is_postgresql_url(source) else _open_sqlite
    made = _open_postgresql if is_postgresql_url(target) else _make_sqlite
    with opened(source) as old, made(target) as new:
        if not new.is_empty():
            raise StoreError("the target has users or messages already: name a database that is empty")
        copied = {}
        for table in TABLES:
            counted = _Counted(old.read(table))
            new.write(table, counted)
            copied[table] = counted.digest()
        for table, digest in copied.items():
            found = _Counted(new.read(table))
            for _ in found:
                pass
            if found.digest() != digest:
                raise StoreError(f"the table {table} was not copied as it is: the target was not changed")
    return copied


class _Counted:
    """Passes rows on, and makes a `TableDigest` of them. Booleans count as numbers, as SQLite has them."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._count = 0
        self._hash = hashlib.sha256()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows:
            self._count += 1
            values = tuple(int(value) if isinstance(value, bool) else value for value in row)
            self._hash.update(repr(values).encode("utf-8", "surrogatepass"))
            yield row

    def digest(self) -> TableDigest:
        """Return the digest of the rows that were passed on."""
        return TableDigest(self._count, self._hash.hexdigest())


def select_statement(table: str) -> str:
    """Return the SQL that reads all rows of the table ``table``, sorted by its key."""
    columns, key = TABLES[table]
    return f"SELECT {quote_identifier(columns)} FROM {table} ORDER BY {quote_identifier(key)}"


def quote_identifier(columns: Iterable[str]) -> str:
    """Return the names ``columns`` as quoted SQL identifiers, because ``user`` is a keyword of PostgreSQL."""
    return ", ".join(f'"{column}"' for column in columns)


class _SqliteDatabase:
    """An SQLite database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of ``table``."""
        yield from self._connection.execute(select_statement(table))

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add ``rows`` to ``table``."""
        columns = TABLES[table].columns
        values = ", ".join("?" * len(columns))
        self._connection.executemany(
            f"INSERT INTO {table} ({quote_identifier(columns)}) VALUES ({values})", rows
        )

    def is_empty(self) -> bool:
        """Remove the lobby and the console from the new file."""
        self._connection.execute("DELETE FROM conversations")
        self._connection.execute("DELETE FROM users")
        return True


@contextmanager
def _open_sqlite(database: str) -> Iterator[_Database]:
    path = Path(database).absolute()
    if not path.is_file():
        raise StoreError(f"can't read the database {path}: there is no such file")
    lock = DatabaseLock(path)
    try:
        with closing(open_read_only(path)) as connection:
            connection.execute("BEGIN")
            ((version,),) = connection.execute("PRAGMA user_version").fetchall()
            if version != NEWEST_SCHEMA_VERSION:
                raise StoreError(
                    f"the version of the database {path} is {version}, and not {NEWEST_SCHEMA_VERSION}:"
                    " start chatd once, which upgrades it"
                )
            yield _SqliteDatabase(connection)
    except sqlite3.Error as error:
        raise StoreError(f"can't copy the database {path}: {error}") from None
    finally:
        lock.release()


@contextmanager
def _make_sqlite(database: str) -> Iterator[_Database]:
    path = Path(database).absolute()
    if path.exists():
        raise StoreError(f"there is a file {path} already: name another one")
    try:
        with new_file_beside(path) as made:
            create_or_migrate(made, load_migrations())
            with closing(sqlite3.connect(made, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield _SqliteDatabase(connection)
                connection.execute("COMMIT")
            problems = find_file_problems(made)
            if problems:
                raise StoreError(f"the copy is not sound: {problems[0]}")
            os.rename(made, path)
    except sqlite3.Error as error:
        raise StoreError(f"can't make the database {path}: {error}") from None
    except OSError as error:
        raise StoreError(f"can't make the database {path}: {error.strerror}") from None


@contextmanager
def _open_postgresql(database: str) -> Iterator[_Database]:
    # Imported here, because only those who use it have psycopg.
    from chatd.store.postgresql import open_transfer

    with open_transfer(database) as opened:
        yield opened
