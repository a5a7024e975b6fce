"""Whose the file is, which version it has, and how it gets to ours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatd.store.errors import StoreError
from chatd.store.schema import SQLITE_APPLICATION_ID, DatabaseLock, create_or_migrate, load_migrations

INSERT = "INSERT INTO log (id, conversation, seq, at, kind, actor, subject, body, ref)"
"""The beginning of a statement that writes a log entry."""

NEXT = """
    ALTER TABLE users ADD COLUMN shoe_size INTEGER;
    UPDATE users SET shoe_size = 42
"""


def ask(database: Path, query: str) -> list[tuple[Any, ...]]:
    """What a database answers."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def tell(database: Path, script: str) -> None:
    """Run a script on a database."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(script)


class FileTestCase(SynchronousTestCase):
    """A test with a folder of its own, and a path in it."""

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.database = self.folder / "chat.db"

    def refused(self, database: Path, scripts: list[str] | None = None) -> str:
        """Why a database can't be used."""
        error = self.assertRaises(
            StoreError, create_or_migrate, database, load_migrations() if scripts is None else scripts
        )
        return str(error)

    def files(self) -> list[str]:
        """What is in the folder."""
        return sorted(path.name for path in self.folder.iterdir())


class NewFile(FileTestCase):
    def test_it_is_marked_as_ours_and_has_the_lobby(self) -> None:
        create_or_migrate(self.database, load_migrations())
        self.assertEqual(ask(self.database, "PRAGMA application_id"), [(SQLITE_APPLICATION_ID,)])
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(len(load_migrations()),)])
        self.assertEqual(ask(self.database, "PRAGMA journal_mode"), [("wal",)])
        self.assertEqual(ask(self.database, "SELECT * FROM conversations"), [(1, "lobby", "", None, None)])
        self.assertEqual(self.files(), ["chat.db"])

    def test_an_empty_file_is_a_new_one(self) -> None:
        self.database.touch()
        create_or_migrate(self.database, load_migrations())
        self.assertEqual(ask(self.database, "SELECT count(*) FROM log"), [(0,)])

    def test_it_is_left_alone_the_second_time(self) -> None:
        create_or_migrate(self.database, load_migrations())
        tell(self.database, "INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
        create_or_migrate(self.database, load_migrations())
        self.assertEqual(ask(self.database, "SELECT nick FROM users WHERE id > 0"), [("alice",)])
        self.assertEqual(self.files(), ["chat.db"])

    def test_every_version_has_its_script(self) -> None:
        self.assertTrue(load_migrations())
        for script in load_migrations():
            self.assertNotIn("BEGIN", script)
            self.assertNotIn("COMMIT", script)


class WrongFile(FileTestCase):
    def test_no_database(self) -> None:
        self.database.write_bytes(b"Dear diary, " * 100)
        self.assertEqual(
            self.refused(self.database), f"can't use the database {self.database}: file is not a database"
        )
        self.assertEqual(self.database.read_bytes(), b"Dear diary, " * 100)

    def test_somebody_elses_database(self) -> None:
        not_ours = f"the database {self.database} is not chatd's: name another file"
        for script in (
            "CREATE TABLE recipes (title)",
            "PRAGMA application_id = 4711",
            "PRAGMA user_version = 1",
            "CREATE TABLE users (id); PRAGMA user_version = 1",
        ):
            tell(self.database, script)
            before = self.database.read_bytes()
            self.assertEqual(self.refused(self.database), not_ours, script)
            self.assertEqual(self.database.read_bytes(), before)
            self.database.unlink()

    def test_one_of_a_newer_chatd(self) -> None:
        create_or_migrate(self.database, [*load_migrations(), NEXT])
        newer, ours = len(load_migrations()) + 1, len(load_migrations())
        self.assertEqual(
            self.refused(self.database),
            f"the database {self.database} is of a newer chatd"
            f" (version {newer}, this one knows {ours}): update chatd",
        )
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(newer,)])

    def test_a_folder(self) -> None:
        self.assertEqual(self.refused(self.folder), f"can't use the database {self.folder}: Is a directory")

    def test_a_folder_that_is_missing(self) -> None:
        database = self.folder / "nowhere" / "chat.db"
        self.assertEqual(
            self.refused(database), f"can't use the database {database}: No such file or directory"
        )

    def test_a_folder_that_takes_no_files(self) -> None:
        """/proc takes none, not even from root."""
        self.assertEqual(
            self.refused(Path("/proc/chat.db")),
            "can't use the database /proc/chat.db: No such file or directory",
        )


class Upgrade(FileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.old = load_migrations()
        create_or_migrate(self.database, self.old)
        tell(self.database, "INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
        self.copy = self.folder / f"chat.db.v{len(self.old)}"

    def test_the_old_version_is_kept_beside_it(self) -> None:
        create_or_migrate(self.database, [*self.old, NEXT])
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(len(self.old) + 1,)])
        self.assertEqual(
            ask(self.database, "SELECT nick, shoe_size FROM users WHERE id > 0"), [("alice", 42)]
        )
        self.assertEqual(self.files(), ["chat.db", self.copy.name])
        self.assertEqual(ask(self.copy, "PRAGMA user_version"), [(len(self.old),)])
        self.assertEqual(
            ask(self.copy, "SELECT * FROM users WHERE id > 0"), [(1, "alice", "alice", "#123456", 0)]
        )

    def test_the_copy_is_its_owners_alone_whatever_the_umask(self) -> None:
        for umask in (0o000, 0o077):
            self.copy.unlink(missing_ok=True)
            tell(self.database, f"PRAGMA user_version = {len(self.old)}")
            before = os.umask(umask)
            try:
                create_or_migrate(self.database, [*self.old, f"CREATE TABLE t{umask} (x);"])
            finally:
                os.umask(before)
            self.assertEqual(self.copy.stat().st_mode & 0o777, 0o600)

    def test_an_older_chatd_goes_on_with_the_copy(self) -> None:
        create_or_migrate(self.database, [*self.old, NEXT])
        create_or_migrate(self.copy, self.old)
        self.assertEqual(ask(self.copy, "PRAGMA integrity_check"), [("ok",)])

    def test_what_only_the_write_ahead_log_holds_is_in_the_copy(self) -> None:
        with closing(sqlite3.connect(self.database)) as open_elsewhere:
            open_elsewhere.execute("INSERT INTO users VALUES (2, 'bob', 'bob', '#123456', 0)")
            open_elsewhere.commit()
            create_or_migrate(self.database, [*self.old, NEXT])
            self.assertEqual(ask(self.copy, "SELECT nick FROM users WHERE id > 0"), [("alice",), ("bob",)])

    def test_images_are_no_events(self) -> None:
        """Version 2 has other indexes than version 1, on the same log."""
        database = self.folder / "old.db"
        create_or_migrate(database, load_migrations()[:1])
        tell(database, "INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
        tell(database, "INSERT INTO log VALUES (1, 1, 1, 0, 'message', 1, NULL, 'hello', NULL)")
        create_or_migrate(database, load_migrations())
        tell(database, f"{INSERT} VALUES (2, 1, 2, 0, 'image', 1, NULL, '##', NULL)")
        events = "conversation = 1 AND kind NOT IN ('message', 'image', 'action', 'notice')"
        self.assertEqual(ask(database, f"SELECT id FROM log INDEXED BY log_events WHERE {events}"), [])
        self.assertEqual(ask(database, "SELECT id, kind FROM log"), [(1, "message"), (2, "image")])

    def test_actions_and_notices_are_no_events(self) -> None:
        """Version 13 has the indexes of version 12 anew; a text that was a message stays one."""
        database = self.folder / "old.db"
        create_or_migrate(database, load_migrations()[:12])
        tell(database, "INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
        tell(database, "INSERT INTO log VALUES (1, 1, 1, 0, 'message', 1, NULL, '/me waves', NULL)")
        create_or_migrate(database, load_migrations())
        tell(
            database,
            f"{INSERT} VALUES (2, 1, 2, 0, 'action', 1, NULL, '/me waves', NULL)",
        )
        tell(database, f"{INSERT} VALUES (3, 1, 3, 0, 'notice', 1, NULL, 'done', NULL)")
        tell(database, f"{INSERT} VALUES (4, 1, 4, 0, 'topic', 1, 1, 'tea', NULL)")
        kinds = ", ".join(f"'{kind}'" for kind in ("message", "image", "action", "notice"))
        for index, column, condition, ids in (
            ("log_messages", "conversation", "IN", [1, 2, 3]),
            ("log_events", "conversation", "NOT IN", [4]),
            ("log_about", "subject", "NOT IN", [4]),
        ):
            query = f"SELECT id FROM log INDEXED BY {index} WHERE {column} = 1 AND kind {condition} ({kinds})"
            self.assertEqual([id for (id,) in ask(database, query)], ids)

    def test_messages_have_changed_nothing_yet(self) -> None:
        """Version 15 has columns and a table for edits, answers and reactions; the log stays as it is."""
        database = self.folder / "old.db"
        create_or_migrate(database, load_migrations()[:15])
        tell(database, "INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
        tell(database, f"{INSERT} VALUES (1, 1, 1, 0, 'message', 1, NULL, 'hello', 'r')")
        create_or_migrate(database, load_migrations())
        self.assertEqual(
            ask(database, "SELECT id, body, ref, answered, answered_author, edited FROM log"),
            [(1, "hello", "r", None, None, None)],
        )
        self.assertEqual(ask(database, "SELECT * FROM reactions"), [])

    def test_several_versions_leave_one_copy(self) -> None:
        create_or_migrate(
            self.database, [*self.old, NEXT, "CREATE TABLE hats (id INTEGER PRIMARY KEY) STRICT;"]
        )
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(len(self.old) + 2,)])
        self.assertEqual(self.files(), ["chat.db", self.copy.name])

    def test_one_that_fails_leaves_the_old_version(self) -> None:
        broken = "ALTER TABLE users ADD COLUMN shoe_size INTEGER; INSERT INTO nowhere VALUES (1);"
        self.assertEqual(
            self.refused(self.database, [*self.old, broken]),
            f"can't use the database {self.database}: no such table: nowhere",
        )
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(len(self.old),)])
        self.assertEqual(
            ask(self.database, "SELECT * FROM users WHERE id > 0"), [(1, "alice", "alice", "#123456", 0)]
        )
        create_or_migrate(self.database, [*self.old, NEXT])
        self.assertEqual(
            ask(self.database, "SELECT nick, shoe_size FROM users WHERE id > 0"), [("alice", 42)]
        )

    def test_one_that_fails_later_keeps_the_versions_before(self) -> None:
        self.refused(self.database, [*self.old, NEXT, "nonsense"])
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(len(self.old) + 1,)])

    def test_without_room_for_the_copy_nothing_is_touched(self) -> None:
        self.copy.mkdir()
        self.assertEqual(
            self.refused(self.database, [*self.old, NEXT]),
            f"can't keep a copy of the database before its upgrade, at {self.copy}:"
            " unable to open database file",
        )
        self.assertEqual(ask(self.database, "PRAGMA user_version"), [(len(self.old),)])


class Locks(FileTestCase):
    def test_a_second_chatd_stays_out(self) -> None:
        lock = DatabaseLock(self.database)
        error = self.assertRaises(StoreError, DatabaseLock, self.database)
        self.assertEqual(str(error), f"the database {self.database} is in use by another chatd")
        lock.release()
        DatabaseLock(self.database).release()

    def test_another_database_is_another_matter(self) -> None:
        lock = DatabaseLock(self.database)
        DatabaseLock(self.folder / "other.db").release()
        lock.release()

    def test_reading_the_database_does_not_loosen_it(self) -> None:
        lock = DatabaseLock(self.database)
        create_or_migrate(self.database, load_migrations())
        ask(self.database, "SELECT * FROM users WHERE id > 0")
        self.assertRaises(StoreError, DatabaseLock, self.database)
        lock.release()

    def test_where_no_file_can_be_it_says_so(self) -> None:
        for database, why in (
            (self.folder / "nowhere" / "chat.db", "No such file or directory"),
            (Path("/proc/chat.db"), "No such file or directory"),
        ):
            error = self.assertRaises(StoreError, DatabaseLock, database)
            self.assertEqual(str(error), f"can't use the database {database}: {why} ({database}.lock)")
