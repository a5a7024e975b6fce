"""Backups under load, and restoring them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

from twisted.trial.unittest import SynchronousTestCase

from chatd.store import backup as backups
from chatd.store.backup import back_up, restore_backup
from chatd.store.check import find_file_problems, open_read_only
from chatd.store.errors import StoreError
from chatd.store.schema import DatabaseLock, create_or_migrate, load_migrations
from tests.support.daemon_process import PATIENCE

INSERT = "INSERT INTO log (id, conversation, seq, at, kind, actor, subject, body, ref)"
"""The beginning of a statement that writes a log entry."""


def never() -> bool:
    """Nobody cancels."""
    return False


class BackupCase(SynchronousTestCase):
    """A database of some megabytes."""

    def setUp(self) -> None:
        """Fill it."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.database = self.folder / "chat.db"
        self.copy = self.folder / "copy.db"
        self.fill(self.database, 300)

    def fill(self, path: Path, messages: int, version: int | None = None) -> None:
        """Make a database of ``messages`` messages of 8 KiB."""
        create_or_migrate(path, load_migrations()[:version])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO users VALUES (1, 'alice', 'alice', '#123456', 0)")
            connection.executemany(
                f"{INSERT} VALUES (?, 1, ?, 0, 'message', 1, NULL, ?, NULL)",
                [(number, number, "x" * 8192) for number in range(1, messages + 1)],
            )
            connection.commit()

    def last_id(self, path: Path) -> int:
        """The last id in a database."""
        with closing(open_read_only(path)) as connection:
            return int(connection.execute("SELECT max(id) FROM log").fetchone()[0])

    def names(self) -> list[str]:
        """The files in the folder."""
        return sorted(path.name for path in self.folder.iterdir())


class Backups(BackupCase):
    def backs_up(self, path: Path | None = None) -> backups.BackupResult:
        """Make a backup on a connection of its own."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as source:
            return back_up(source, path or self.copy, never)

    def refuses(self, path: Path) -> str:
        """The sentence that refuses a backup; no file is left behind."""
        before = self.names()
        why = str(self.assertRaises(StoreError, self.backs_up, path))
        self.assertEqual(self.names(), before)
        return why

    def test_it_is_private_and_sound_and_alone(self) -> None:
        umask = os.umask(0)
        try:
            made = self.backs_up()
        finally:
            os.umask(umask)
        self.assertEqual(
            (made.file, made.last_id, made.bytes), (str(self.copy), 300, self.copy.stat().st_size)
        )
        self.assertEqual(self.copy.stat().st_mode & 0o777, 0o600)
        self.assertEqual(find_file_problems(self.copy), [])
        self.assertEqual(self.names(), ["chat.db", "copy.db"])

    def test_what_is_there_stays(self) -> None:
        self.copy.write_text("precious")
        self.assertIn("File exists", self.refuses(self.copy))
        self.assertEqual(self.copy.read_text(), "precious")
        self.copy.unlink()
        self.copy.symlink_to(self.folder / "missing")
        self.assertIn("File exists", self.refuses(self.copy))
        self.assertIn("File exists", self.refuses(self.database))

    def test_where_no_file_can_be(self) -> None:
        self.assertIn("No such file or directory", self.refuses(self.folder / "nowhere" / "copy.db"))
        self.assertIn("Not a directory", self.refuses(self.database / "copy.db"))
        self.assertIn("File name too long", self.refuses(self.folder / ("x" * 300)))

    def test_a_copy_that_is_not_sound_is_none(self) -> None:
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("DELETE FROM log WHERE id = 7")
            connection.commit()
        self.assertIn("the copy is not sound: conversation 1 has 299 entries", self.refuses(self.copy))

    def test_it_is_cancelled(self) -> None:
        asked = []

        def after_a_step() -> bool:
            asked.append(True)
            return len(asked) > 1

        with closing(sqlite3.connect(self.database, isolation_level=None)) as source:
            why = self.assertRaises(StoreError, back_up, source, self.copy, after_a_step)
        self.assertIn("cancelled", str(why))
        self.assertEqual(self.names(), ["chat.db"])

    def test_commits_go_on_and_what_was_acked_before_is_in_it(self) -> None:
        """A writer commits between the steps and during them; the copy is of the moment at which it began."""
        acked: list[int] = [300]
        stop, committed = Event(), Event()

        def write() -> None:
            with closing(sqlite3.connect(self.database, isolation_level=None, timeout=PATIENCE)) as writer:
                while not stop.is_set():
                    number = acked[-1] + 1
                    writer.execute(
                        f"{INSERT} VALUES (?, 1, ?, 0, 'message', 1, NULL, ?, NULL)",
                        (number, number, "y" * 100),
                    )
                    acked.append(number)
                    committed.set()
                    # Only the first may wait, for whoever else opens the database at the same time.
                    writer.execute("PRAGMA busy_timeout = 0")

        def after_a_step() -> bool:
            """Go on, the first time after another commit."""
            if not during:
                committed.clear()
                during.append(committed.wait(PATIENCE))
            return False

        thread = Thread(target=write)
        thread.start()
        try:
            self.assertTrue(committed.wait(PATIENCE))
            for number in range(3):
                before = acked[-1]
                during: list[bool] = []
                with closing(sqlite3.connect(self.database, isolation_level=None)) as source:
                    made = back_up(source, self.folder / f"copy{number}.db", after_a_step)
                self.assertEqual(during, [True])
                self.assertGreaterEqual(made.last_id, before)
                self.assertEqual(find_file_problems(Path(made.file)), [])
                with closing(open_read_only(Path(made.file))) as copy:
                    ids = [id for (id,) in copy.execute("SELECT id FROM log ORDER BY id")]
                self.assertEqual(ids, list(range(1, made.last_id + 1)))
                self.assertGreater(acked[-1], made.last_id)
        finally:
            stop.set()
            thread.join()


class Restoring(BackupCase):
    def setUp(self) -> None:
        """A backup with fewer messages than the database."""
        super().setUp()
        self.fill(self.copy, 20)

    def test_the_old_one_is_kept(self) -> None:
        restored = restore_backup(self.copy, self.database)
        self.assertEqual((restored.database, restored.last_id), (str(self.database), 20))
        self.assertEqual(self.last_id(self.database), 20)
        assert restored.former_database is not None
        self.assertEqual(self.last_id(Path(restored.former_database)), 300)
        for path in (self.database, Path(restored.former_database)):
            self.assertEqual((find_file_problems(path), path.stat().st_mode & 0o777), ([], 0o600))
        again = restore_backup(Path(restored.former_database), self.database)
        self.assertNotEqual(again.former_database, restored.former_database)
        self.assertEqual(self.last_id(self.database), 300)

    def test_what_only_the_write_ahead_log_holds_is_kept_too(self) -> None:
        """As after a crash: the log of the old one must not be applied to the new one."""
        crashed = self.folder / "crashed.db"
        with closing(sqlite3.connect(self.database)) as writer:
            writer.execute(f"{INSERT} VALUES (301, 1, 301, 0, 'message', 1, NULL, 'hi', NULL)")
            writer.commit()
            for suffix in ("", "-wal"):
                crashed.with_name(f"crashed.db{suffix}").write_bytes(
                    self.database.with_name(f"chat.db{suffix}").read_bytes()
                )
        restored = restore_backup(self.copy, crashed)
        self.assertEqual(self.last_id(crashed), 20)
        assert restored.former_database is not None
        self.assertEqual(self.last_id(Path(restored.former_database)), 301)

    def test_a_damaged_one_is_kept_as_it_is(self) -> None:
        self.database.write_bytes(b"no database")
        self.database.with_name("chat.db-wal").write_bytes(b"its log")
        restored = restore_backup(self.copy, self.database)
        assert restored.former_database is not None
        self.assertEqual(Path(restored.former_database).read_bytes(), b"no database")
        self.assertEqual(Path(f"{restored.former_database}-wal").read_bytes(), b"its log")
        self.assertEqual(find_file_problems(self.database), [])

    def test_where_there_was_none(self) -> None:
        place = self.folder / "new" / "chat.db"
        self.assertIsNone(restore_backup(self.copy, place).former_database)
        self.assertEqual(self.last_id(place), 20)

    def test_not_while_a_daemon_runs(self) -> None:
        lock = DatabaseLock(self.database)
        error = self.assertRaises(StoreError, restore_backup, self.copy, self.database)
        lock.release()
        self.assertIn("in use by another chatd", str(error))
        self.assertEqual(self.last_id(self.database), 300)

    def test_what_is_no_backup_changes_nothing(self) -> None:
        broken = self.folder / "broken.db"
        broken.write_bytes(self.copy.read_bytes()[:9000])
        other = self.folder / "other.db"
        with closing(sqlite3.connect(other)) as connection:
            connection.execute("CREATE TABLE recipes (title)")
        before, names = self.database.read_bytes(), {*self.names(), "chat.db.lock"}
        for file in (broken, other, self.folder / "missing.db", self.folder):
            self.assertRaises(StoreError, restore_backup, file, self.database)
        self.assertEqual((self.database.read_bytes(), set(self.names())), (before, names))

    def test_one_of_an_older_version_is_upgraded_at_the_next_start(self) -> None:
        old = self.folder / "old.db"
        self.fill(old, 5, version=2)
        restore_backup(old, self.database)
        create_or_migrate(self.database, load_migrations())
        self.assertEqual(self.last_id(self.database), 5)
        self.assertEqual(find_file_problems(self.database), [])
