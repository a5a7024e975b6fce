"""URLs without their passwords, texts with a NUL, connections that the server has closed, and no server."""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.events import LOBBY
from chatd.core.records import PageIdWindow
from chatd.store.errors import ReadFailed, StoreError
from chatd.store.postgresql.connections import DatabaseUrl, translate_sql
from chatd.store.store import open_store
from tests.support.effort import effort
from tests.support.postgresql_case import PostgresqlTestCase
from tests.support.postgresql_server import new_chat_database, shared_server

CUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'chatd'"


class Urls(SynchronousTestCase):
    def test_names_have_no_password(self) -> None:
        for url, name in {
            "postgresql://chat:s%40cret@db.example:5433/chat?sslmode=require": (
                "postgresql://chat@db.example:5433/chat"
            ),
            "postgresql://chat@/chat?host=/run/pg&password=secret": "postgresql://chat@%2Frun%2Fpg/chat",
            "postgres://a,b/chat": "postgresql://a,b/chat",
        }.items():
            self.assertEqual(DatabaseUrl(url).name, name)
            self.assertNotIn("cret", repr(DatabaseUrl(url)))

    def test_one_that_is_none_is_one_sentence_without_it(self) -> None:
        for url in (
            "postgresql://chat:xyz/zy@db/chat",
            "postgresql://chat:12/zy@db/chat",
            "postgresql://chat:zy@h/d?no=such",
            "postgresql://chat:12@zy@db/chat",
            "postgresql://[",
        ):
            error = self.assertRaises(StoreError, DatabaseUrl, url)
            self.assertIn("the URL of the database is not valid", str(error))
            self.assertNotIn("zy", str(error))

    def test_no_server_is_one_sentence(self) -> None:
        url = "postgresql://chat:secret@127.0.0.1:1/chat"
        error = self.assertRaises(StoreError, open_store, url, "full", MemoryReactorClock())
        self.assertRegex(
            str(error), r"^can't use the database postgresql://chat@127.0.0.1:1/chat: .*refused.*$"
        )
        self.assertNotIn("secret", str(error))
        self.assertNotIn("\n", str(error))

    def test_without_psycopg(self) -> None:
        with patch.dict(sys.modules, {"psycopg": None}):
            error = self.assertRaises(
                StoreError, open_store, "postgresql://a/b", "full", MemoryReactorClock()
            )
        self.assertIn("pip install 'chatd[postgresql]'", str(error))


class Databases(SynchronousTestCase):
    def error(self, url: str) -> str:
        """Why it can't be used."""
        return str(self.assertRaises(StoreError, open_store, url, "full", MemoryReactorClock()))

    def test_one_that_is_not_chatds(self) -> None:
        url = shared_server().new_database()
        name = url.partition("/chat_")[2].partition("?")[0]
        shared_server().execute("CREATE TABLE users (id integer)", f"chat_{name}")
        self.assertIn("is not chatd's: name one that is empty", self.error(url))

    def test_one_of_a_newer_chatd(self) -> None:
        url = new_chat_database()
        name = url.partition("@/")[2].partition("?")[0]
        shared_server().execute("UPDATE chatd_version SET version = 99", name)
        self.addCleanup(shared_server().execute, "UPDATE chatd_version SET version = 1", name)
        self.assertIn("is of a newer chatd (version 99, this one knows 1): update chatd", self.error(url))

    def test_one_that_does_not_exist(self) -> None:
        self.assertIn('database "nowhere" does not exist', self.error(shared_server().url("nowhere")))


class Texts(PostgresqlTestCase):
    @settings(max_examples=effort(200), deadline=None)
    @given(st.lists(st.text(st.sampled_from("\0\ue0000a🤔\\\t\n"), max_size=8), min_size=1, max_size=8))
    def test_any_is_the_same_again(self, bodies: list[str]) -> None:
        first = self.fixture.journal.last_delivered_id
        for body in bodies:
            self.fixture.says(self.alice, body)
        self.fixture.turn()
        window = PageIdWindow(100, after=first)
        page = self.successResultOf(self.fixture.archive.page(LOBBY, window, 10**6, 10**9))
        self.assertEqual([row[-1] for row in page.rows], bodies)

    def test_sql_for_sqlite(self) -> None:
        self.assertEqual(translate_sql("SELECT instr(a, ?) FROM log"), "SELECT strpos(a, %s) FROM log")


class Reading(PostgresqlTestCase):
    def page(self) -> Any:
        """A page of the lobby."""
        return self.fixture.archive.page(LOBBY, PageIdWindow(10), 1000, 10**9)

    def test_a_connection_that_the_server_has_closed_is_replaced(self) -> None:
        for _ in range(2):
            self.successResultOf(self.page())
            shared_server().execute(CUT)
            self.fixture.says(self.alice, "hello")
            self.fixture.turn()
        self.assertEqual(self.fixture.turns, ["hello committed 1/1", "hello committed 2/2"])

    def test_a_query_whose_connection_breaks_is_tried_once_more(self) -> None:
        tries: list[None] = []

        def cut(times: int) -> Any:
            def query(cursor: Any, *arguments: object) -> str:
                tries.append(None)
                if len(tries) <= times:
                    shared_server().execute(CUT)
                cursor.execute("SELECT 1")
                return "read"

            return query

        for times, outcome in ((1, "read"), (2, None)):
            tries.clear()
            reading = self.fixture.archive._read(cut(times))
            if outcome is None:
                self.failureResultOf(reading, ReadFailed)
            else:
                self.assertEqual(self.successResultOf(reading), outcome)
            self.assertEqual(len(tries), 2)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_it_can_not_write(self) -> None:
        failure = self.failureResultOf(self.fixture.archive._pool.runQuery("DELETE FROM log"))
        self.assertIn("read-only transaction", failure.getErrorMessage())
