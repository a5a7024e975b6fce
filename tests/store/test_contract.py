"""The behaviour of the store on PostgreSQL: the tests that are written for SQLite, on the other database.

Left out are those of what only SQLite has: files, plans of queries, statements, blocks of FTS5; and those
that count transactions over seconds, among which are the renewals of a lease.
"""

from __future__ import annotations

from typing import Final

from tests.store import test_archive, test_journal, test_search_index
from tests.support.journal_case import JournalTestCase
from tests.support.postgresql_case import PostgresqlTestCase

CASES: Final[tuple[type[JournalTestCase], ...]] = (
    test_archive.Pages,
    test_archive.Coming,
    test_archive.Loading,
    test_archive.Steps,
    test_journal.MessageChanges,
    test_journal.GroupCommit,
    test_journal.Turns,
    test_journal.Refs,
    test_journal.FailingCommit,
    test_journal.Mistakes,
    test_journal.Seen,
    test_journal.ReadMarks,
    test_journal.Ending,
    test_journal.Health,
    test_search_index.Indexing,
    test_search_index.Limits,
)
"""The test cases whose tests PostgreSQL has to pass, too."""


def _add(case: type[JournalTestCase]) -> None:
    name = f"{case.__module__.rpartition('_')[2].title()}{case.__name__}"
    globals()[name] = type(name, (PostgresqlTestCase, case), {"__module__": __name__})


for _case in CASES:
    _add(_case)
