"""The check of a database: what is wrong is found and named, and nothing is changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.store.check import find_file_problems, find_problems, interrupt_statements_when
from chatd.store.errors import StoreError
from chatd.store.schema import create_or_migrate, load_migrations

INSERT = "INSERT INTO log (id, conversation, seq, at, kind, actor, subject, body, ref)"
"""The beginning of a statement that writes a log entry."""

GROUP = "INSERT INTO conversations VALUES (2, 'group', 'wob', NULL, NULL);"


class Checks(SynchronousTestCase):
    def setUp(self) -> None:
        """A sound database with a user and a message."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.path = folder / "chat.db"
        create_or_migrate(self.path, load_migrations())
        self.tell(
            "INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0);"
            f"{INSERT} VALUES (1, 1, 1, 0, 'message', 1, NULL, 'hi', NULL);"
        )

    def tell(self, script: str) -> None:
        """Run ``script`` on the database."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(script)

    def finds(self, script: str) -> list[str]:
        """What is wrong after ``script``."""
        self.tell(script)
        return find_file_problems(self.path)

    def test_a_sound_one(self) -> None:
        before = sorted(path.name for path in self.path.parent.iterdir()), self.path.read_bytes()
        self.assertEqual(find_file_problems(self.path), [])
        self.assertEqual(
            (sorted(path.name for path in self.path.parent.iterdir()), self.path.read_bytes()), before
        )

    def test_a_gap(self) -> None:
        self.assertEqual(
            self.finds(f"{INSERT} VALUES (2, 1, 3, 0, 'message', 1, NULL, 'hi', NULL)"),
            ["conversation 1 has 2 entries, but their seqs run from 1 to 3"],
        )

    def test_a_beginning_that_is_gone(self) -> None:
        self.assertEqual(
            self.finds("UPDATE log SET seq = 2"),
            ["conversation 1 has 1 entries, but their seqs run from 2 to 2"],
        )

    def test_a_row_that_refers_to_nothing(self) -> None:
        self.assertEqual(
            self.finds("DELETE FROM users WHERE id = 1"),
            ["row 1 of log refers to a row of users that is missing"],
        )

    def test_a_state_that_can_not_be_loaded(self) -> None:
        """A group is invited to before it is created."""
        (problem,) = self.finds(GROUP + f"{INSERT} VALUES (2, 2, 1, 0, 'invited', 1, 1, '', NULL)")
        self.assertTrue(problem.startswith("the state can't be loaded: KeyError"), problem)

    def test_a_page_that_is_damaged(self) -> None:
        data = bytearray(self.path.read_bytes())
        data[8 * 4096 - 200 : 8 * 4096] = b"\xff" * 200
        data[3 * 4096 : 3 * 4096 + 50] = b"\x07" * 50
        self.path.write_bytes(data)
        problems = find_file_problems(self.path)
        self.assertTrue(problems)
        self.assertTrue(problems[0].startswith("SQLite: "), problems)

    def test_files_that_are_none(self) -> None:
        other = self.path.with_name("other.db")
        other.write_bytes(b"Dear diary, " * 100)
        self.assertEqual(find_file_problems(other), ["SQLite: file is not a database"])
        other.write_bytes(b"")
        self.assertEqual(find_file_problems(other), ["this is not a database of chatd"])
        for missing in (self.path.with_name("missing.db"), self.path.parent):
            self.assertRaises(StoreError, find_file_problems, missing)

    def test_versions(self) -> None:
        """An older one is sound; a newer one is not known."""
        newest = len(load_migrations())
        old = self.path.with_name("old.db")
        create_or_migrate(old, load_migrations()[:1])
        self.assertEqual(find_file_problems(old), [])
        self.assertEqual(
            self.finds(f"PRAGMA user_version = {newest + 1}"),
            [f"the version of the database is {newest + 1}, this chatd knows 1 to {newest}"],
        )

    def test_what_only_the_write_ahead_log_holds(self) -> None:
        with closing(sqlite3.connect(self.path)) as writer:
            writer.execute(f"{INSERT} VALUES (2, 1, 3, 0, 'message', 1, NULL, 'hi', NULL)")
            writer.commit()
            self.assertEqual(len(find_file_problems(self.path)), 1)

    def test_it_can_be_stopped(self) -> None:
        self.tell(
            "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            f" {INSERT} SELECT i, 1, i, 0, 'message', 1, NULL, 'hi', NULL FROM n"
        )
        with closing(sqlite3.connect(self.path)) as connection:
            interrupt_statements_when(connection, lambda: True)
            self.assertRaises(sqlite3.OperationalError, find_problems, connection)

    def test_what_is_written_meanwhile_is_not_seen_in_part(self) -> None:
        """A writer goes on while the daemon checks its own database."""
        self.tell("PRAGMA journal_mode = wal")
        written: list[int] = []

        def write() -> int:
            if not written:
                written.append(1)  # first: the other connection has a handler of its own
                self.tell(f"{INSERT} VALUES (2, 1, 3, 0, 'message', 1, NULL, 'hi', NULL)")
            return 0

        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.set_progress_handler(write, 100)
            self.assertEqual(find_problems(connection), [])
            self.assertEqual(written, [1])
            self.assertEqual(len(find_problems(connection)), 1)
