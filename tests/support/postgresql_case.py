"""The fixture of `tests.support.journal_case` on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from twisted.enterprise.adbapi import Transaction

from chatd.store.postgresql.connections import translate_sql
from chatd.store.postgresql.store import PostgresqlStore
from chatd.store.store import Store
from tests.support.in_memory_daemon import ThreadlessPool
from tests.support.journal_case import JournalTestCase, StoreFixture
from tests.support.postgresql_server import new_chat_database, rows


class PostgresqlPool(ThreadlessPool):
    """A `ThreadlessPool` whose ``error`` is raised in the place of a commit."""

    def _failing(self, interaction: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            self.runs += 1
            return interaction(*args, **named)

        return run


class _Cursor(Transaction):
    def execute(self, query: str, values: Sequence[object] | None = None) -> Any:
        pool = self._pool
        if query.endswith("COMMIT") and isinstance(pool, PostgresqlPool) and pool.error is not None:
            raise pool.error
        return self.__getattr__("execute")(query, values)


class PostgresqlFixture(StoreFixture):
    """What the chat has of the store on PostgreSQL."""

    full_disk = psycopg.errors.DiskFull("could not extend file: No space left on device")

    def __init__(self, place: Path | str, pool: Callable[..., ThreadlessPool] = PostgresqlPool) -> None:
        super().__init__(place, pool)
        self.writer.transactionFactory = _Cursor

    def open_store(self, pool: Callable[..., ThreadlessPool]) -> Store:
        return PostgresqlStore(str(self.place), "process", self.clock, pool)

    def close(self) -> None:
        """Stop, also if the test has held back the transactions for which the journal waits."""
        super().close()
        self.writer.close()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return rows(str(self.place), translate_sql(query), values)


class PostgresqlTestCase(JournalTestCase):
    """A test at such a fixture, with a database of its own."""

    fixture_class = PostgresqlFixture

    def new_place(self) -> Path | str:
        return new_chat_database()
