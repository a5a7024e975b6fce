"""The check of a PostgreSQL database: chatd's rules for what the tables hold."""

from __future__ import annotations

from typing import Any, Final

from chatd.store.archive import load_snapshot
from chatd.store.check import MAX_REPORTED_PROBLEMS, SELECT_GAPS_IN_SEQS
from chatd.store.postgresql.database import PostgresqlDatabase
from chatd.store.postgresql.search import find_index_problems

_REFERENCES: Final = (
    ("log", "conversation", "conversations"),
    ("log", "actor", "users"),
    ("log", "subject", "users"),
    ("log", "answered_author", "users"),
)
"""The references that no foreign key checks: table, column, and the table that it refers to."""


def find_problems(connection: Any, database: PostgresqlDatabase) -> list[str]:
    """Return the problems of the PostgreSQL database of ``connection``, as sentences.

    A sound database has none.

    The check sees one state of the database, and does not delay other transactions. It checks what no
    constraint of the database ensures: that all references are valid, that the seqs of each conversation run
    from 1 without a gap, unless old messages were deleted, that the search index has exactly the messages
    that it should have, and that the daemon can load its state. Only PostgreSQL's own tools (``pg_amcheck``,
    ``pg_checksums``) check the server's files. Raises `psycopg.Error`.
    """
    with connection.cursor() as cursor:
        database.begin_read_transaction(cursor)
        try:
            return _find_problems(cursor, database)
        finally:
            connection.rollback()


def _find_problems(cursor: Any, database: PostgresqlDatabase) -> list[str]:
    problems = []
    for table, column, parent in _REFERENCES:
        cursor.execute(
            f"SELECT id FROM {table} WHERE {column} IS NOT NULL AND NOT EXISTS"
            f" (SELECT 1 FROM {parent} WHERE {parent}.id = {table}.{column}) ORDER BY id"
            f" LIMIT {MAX_REPORTED_PROBLEMS}"
        )
        problems += [f"row {id} of {table} refers to a row of {parent} that is missing" for (id,) in cursor]
    cursor.execute(SELECT_GAPS_IN_SEQS)
    problems += [
        f"conversation {conversation} has {count} entries, but their seqs run from {first} to {last}"
        for conversation, count, first, last in cursor.fetchmany(MAX_REPORTED_PROBLEMS)
    ]
    problems += find_index_problems(cursor)
    if not problems:
        try:
            load_snapshot(cursor, database)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            problems.append(f"the state can't be loaded: {error!r}")
    return problems
