"""The check of a database: SQLite's own checks, and chatd's rules for what the tables hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from chatd.store.archive import load_snapshot
from chatd.store.errors import StoreError
from chatd.store.schema import SQLITE_APPLICATION_ID, load_migrations
from chatd.store.search_index import find_index_problems
from chatd.store.sqlite import SQLITE

MAX_REPORTED_PROBLEMS: Final = 20
"""The maximum number of problems that one kind of check reports."""

NEWEST_SCHEMA_VERSION: Final = len(load_migrations())
"""The schema version (``PRAGMA user_version``) to which this chatd migrates a database."""

PROGRESS_HANDLER_INSTRUCTIONS: Final = 20_000
"""The number of SQLite virtual machine instructions between two calls of the progress handler.

The handler tests whether the operation was cancelled.
"""


FIRST_SCHEMA_VERSION_WITH_TRIMMING: Final = 7
"""The version of the database from which on old messages can be deleted."""

FIRST_SCHEMA_VERSION_WITH_SEARCH: Final = 15
"""The version of the database from which on it has a search index."""

_GAPS_BEFORE: Final = (
    "SELECT conversation, count(*), min(seq), max(seq) FROM log GROUP BY conversation"
    " HAVING min(seq) <> 1 OR max(seq) <> count(*)"
)

# Only the entries behind the last deleted message have to be without gaps.
SELECT_GAPS_IN_SEQS: Final = (
    "SELECT log.conversation, count(*), min(seq), max(seq) FROM log"
    " LEFT JOIN trimmed ON trimmed.conversation = log.conversation"
    " WHERE log.id > coalesce(trimmed.last, 0) GROUP BY log.conversation"
    " HAVING max(seq) - min(seq) + 1 <> count(*) OR (min(seq) <> 1 AND max(trimmed.last) IS NULL)"
)


def find_problems(connection: sqlite3.Connection) -> list[str]:
    """Return the problems of the database of ``connection``, as sentences. A sound database has none.

    The check reads every page, in one read transaction. It asks SQLite whether the file is consistent and
    whether all foreign keys are valid, and checks that the database is chatd's, that its version is known,
    that the seqs of each conversation run from 1 without a gap, unless old messages were deleted, that the
    search index has exactly the messages that it should have, and that the daemon can load its state. Raises
    `sqlite3.Error` if the file can't be read at all.
    """
    # Without a transaction each query would see another state of a database that is in use.
    connection.execute("BEGIN")
    try:
        return _find_problems(connection)
    finally:
        connection.rollback()


def _find_problems(connection: sqlite3.Connection) -> list[str]:
    application, version = _value(connection, "application_id"), _value(connection, "user_version")
    if application != SQLITE_APPLICATION_ID:
        return ["this is not a database of chatd"]
    if not 0 < version <= NEWEST_SCHEMA_VERSION:
        return [f"the version of the database is {version}, this chatd knows 1 to {NEWEST_SCHEMA_VERSION}"]
    problems = [
        f"SQLite: {line}"
        for (line,) in connection.execute(f"PRAGMA integrity_check({MAX_REPORTED_PROBLEMS})")
        if line != "ok"
    ]
    if problems:
        return problems  # the tables of a damaged file say nothing
    broken = connection.execute("PRAGMA foreign_key_check").fetchmany(MAX_REPORTED_PROBLEMS)
    problems += [
        f"row {row} of {table} refers to a row of {parent} that is missing"
        for table, row, parent, _ in broken
    ]
    gaps = connection.execute(
        SELECT_GAPS_IN_SEQS if version >= FIRST_SCHEMA_VERSION_WITH_TRIMMING else _GAPS_BEFORE
    ).fetchmany(MAX_REPORTED_PROBLEMS)
    problems += [
        f"conversation {conversation} has {count} entries, but their seqs run from {first} to {last}"
        for conversation, count, first, last in gaps
    ]
    if version >= FIRST_SCHEMA_VERSION_WITH_SEARCH:
        problems += find_index_problems(connection)[:MAX_REPORTED_PROBLEMS]
    if not problems and version == NEWEST_SCHEMA_VERSION:
        try:
            load_snapshot(connection.cursor(), SQLITE)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            problems.append(f"the state can't be loaded: {error!r}")
    return problems


def find_file_problems(path: Path) -> list[str]:
    """Return the problems of the database file at ``path``, as `find_problems` does.

    The database is not changed. If there is no write-ahead log beside it, no file is created, so the database
    may be on a medium that can't be written. Otherwise the database is read with the write-ahead log, and
    SQLite may create its ``-shm`` file. Raises `StoreError` if there is no such file, or if it can't be read.
    """
    try:
        with closing(open_read_only(path)) as connection:
            return find_problems(connection)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"can't read the database {path}: {error}") from None
        return [f"SQLite: {error}"]


def open_read_only(path: Path) -> sqlite3.Connection:
    """Return an SQLite connection that only reads the database file at ``path``, in autocommit mode.

    Raises `StoreError` if there is no such file, and `sqlite3.OperationalError` if SQLite can't open it.
    """
    path = path.absolute()
    if not path.is_file():
        raise StoreError(f"can't read the database {path}: there is no such file")
    # Without a write-ahead log, nobody writes to the file. Else SQLite would create files beside it.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None)


def interrupt_statements_when(connection: sqlite3.Connection, is_cancelled: Callable[[], bool]) -> None:
    """Make statements on ``connection`` fail soon after ``is_cancelled()`` has become true.

    Such a statement raises `sqlite3.OperationalError`. A short statement may end before it is interrupted.
    """
    connection.set_progress_handler(is_cancelled, PROGRESS_HANDLER_INSTRUCTIONS)


def _value(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
