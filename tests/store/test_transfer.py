"""A database that is copied to PostgreSQL and back is the same, whatever is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.events import AnsweredMessage, ChatEvent
from chatd.core.moderation import IgnoreChanged
from chatd.core.records import EntryDraft
from chatd.store.check import find_file_problems
from chatd.store.errors import StoreError
from chatd.store.postgresql.store import PostgresqlStore
from chatd.store.postgresql.transfer import TransferDatabase
from chatd.store.schema import create_or_migrate, load_migrations
from chatd.store.transfer import TABLES, select_statement, transfer
from tests.support.journal_case import StoreFixture
from tests.support.postgresql_server import new_chat_database, rows

ODD = "NUL \0, \ue000 and \ue0000, a tab\t, a line\r\n, \\N \\. 🤔"


class Copies(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.file = self.folder / "chat.db"
        fixture = StoreFixture(self.file)
        alice, bob = fixture.user("alice"), fixture.user("bob")
        wob = fixture.group("wob", alice)
        fixture.direct(alice, bob)
        for number in range(20):
            fixture.says(alice, f"{number} {ODD}", wob, ref=f"r{number}\0")
        fixture.turn()
        first = AnsweredMessage(2, alice)
        events = (
            ChatEvent("message", wob, bob, None, "answer", answered_message=first),
            ChatEvent("reacted", wob, bob, None, "\0+1", answered_message=first),
            ChatEvent("edited", wob, alice, None, f"3 message {ODD}"),
        )
        drafts = [EntryDraft(event, 10_000) for event in events]
        fixture.submit("more", *drafts, IgnoreChanged(bob, alice, True))
        fixture.turn()
        fixture.journal.move_read_mark(bob, wob, 5, 77)
        fixture.close()
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.executescript("""
                INSERT INTO credentials VALUES (1, 'hash', NULL);
                INSERT INTO moderation VALUES (1, 5, 0, 'mute', 'bob', NULL, 'why');
                INSERT INTO ban_origins VALUES (2, 2, '192.0.2.1');
                INSERT INTO trimmed VALUES (1, 1);
                INSERT INTO tokens VALUES (7, 'digest', 1, 'bot', 'read', '1 2', 5, NULL);
                INSERT INTO links VALUES ('link', 2, 1, 1, 5, 6, 7);
            """)

    def content(self, file: Path) -> dict[str, list[tuple[Any, ...]]]:
        """All that is in the tables of a file."""
        with closing(sqlite3.connect(file)) as connection:
            return {table: connection.execute(select_statement(table)).fetchall() for table in TABLES}

    def test_there_and_back(self) -> None:
        url = new_chat_database()
        copied = transfer(str(self.file), url)
        counts = {table: len(found) for table, found in self.content(self.file).items()}
        self.assertEqual({table: digest.rows for table, digest in copied.items()}, counts)
        self.assertGreater(sum(count > 0 for count in counts.values()), 11)
        back = self.folder / "back.db"
        self.assertEqual(transfer(url, str(back)), copied)
        self.assertEqual(self.content(back), self.content(self.file))
        self.assertEqual(find_file_problems(back), [])
        self.assertEqual(back.stat().st_mode & 0o777, 0o600)
        names = {"back.db", "chat.db", "chat.db.lock"}
        self.assertEqual({path.name for path in self.folder.iterdir()}, names)
        # The next token gets an id of its own.
        insert = """INSERT INTO tokens (digest, "user", name, access, made) VALUES ('x', 1, 'y', 'z', 1)"""
        self.assertEqual(rows(url, f"{insert} RETURNING id"), [(8,)])

    def test_what_is_not_the_same_is_not_kept(self) -> None:
        url = new_chat_database()
        read = TransferDatabase.read

        def change(self: TransferDatabase, table: str) -> Any:
            for row in read(self, table):
                yield (*row[:-1], "changed") if table == "links" else row

        with patch.object(TransferDatabase, "read", change):
            error = self.assertRaises(StoreError, transfer, str(self.file), url)
        self.assertEqual(str(error), "the table links was not copied as it is: the target was not changed")
        self.assertEqual(rows(url, "SELECT id FROM users"), [(0,)])
        transfer(str(self.file), url)

    def test_what_can_not_be_used(self) -> None:
        url = new_chat_database()
        transfer(str(self.file), url)
        old, none = self.folder / "old.db", self.folder / "none"
        newest = len(load_migrations())
        create_or_migrate(old, load_migrations()[:-1])
        outdated = f"the version of the database {old} is {newest - 1}, and not {newest}: start chatd once, "
        for source, target, why in (
            (str(self.file), url, "the target has users or messages already: name a database that is empty"),
            (url, str(self.file), f"there is a file {self.file} already: name another one"),
            (str(none), url, f"can't read the database {none}: there is no such file"),
            (str(old), url, f"{outdated}which upgrades it"),
        ):
            self.assertEqual(str(self.assertRaises(StoreError, transfer, source, target)), why)

    def test_not_while_a_daemon_uses_it(self) -> None:
        url = new_chat_database()
        fixture = StoreFixture(self.file)
        error = self.assertRaises(StoreError, transfer, str(self.file), url)
        self.assertEqual(str(error), f"the database {self.file} is in use by another chatd")
        fixture.close()


class Columns(SynchronousTestCase):
    """Both databases have the same columns, and all of them are copied."""

    def test_they_are_the_same(self) -> None:
        wanted = {(table, column) for table, (columns, _) in TABLES.items() for column in columns}
        path = Path(self.mktemp())
        create_or_migrate(path, load_migrations())
        with closing(sqlite3.connect(path)) as connection:
            here = connection.execute(
                "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c"
                " WHERE t.type = 'table' AND t.name NOT LIKE 'search%'"
            ).fetchall()
        self.assertEqual(set(here), wanted)
        there = rows(
            new_chat_database(),
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND table_name NOT IN ('head', 'claims', 'chatd_version', 'search_words', 'search_progress')",
        )
        self.assertEqual(set(there), wanted)

    def test_a_store_opens_what_was_copied(self) -> None:
        url = new_chat_database()
        snapshot = PostgresqlStore(url, "full", MemoryReactorClock()).read_snapshot()
        self.assertEqual((snapshot.last_id, snapshot.state.users), (0, {}))
