"""The store as a whole: who may open it, what its connections are like, and that real threads do as told."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chatd.core.events import LOBBY, ChatEvent, User
from chatd.core.moderation import MessageTextDeleted
from chatd.core.records import NO_LOG_FILTER, EntryDraft, JournalRecord, PageIdWindow, SearchQuery
from chatd.core.search import SearchTerm
from chatd.store import search_index
from chatd.store.errors import StoreError
from chatd.store.journal import Journal
from chatd.store.schema import load_migrations
from chatd.store.sqlite import SQLITE
from chatd.store.sqlite_store import SqliteStore
from chatd.store.store import Durability
from tests.support.in_memory_daemon import ThreadlessPool
from tests.support.journal_case import JournalTestCase

ALICE = User(1, "alice", "alice", "#123456")


class Opening(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def open(self, name: str = "chat.db", durability: Durability = "full") -> SqliteStore:
        """A store that is released after the test."""
        store = SqliteStore(self.folder / name, durability, MemoryReactorClock(), ThreadlessPool)
        self.addCleanup(store.unlock)
        return store

    def test_a_new_one_is_empty(self) -> None:
        snapshot = self.open().read_snapshot()
        self.assertEqual((snapshot.last_id, snapshot.last_seqs, snapshot.state.users), (0, {}, {}))

    def test_only_one_at_a_time(self) -> None:
        first = SqliteStore(self.folder / "chat.db", "full", MemoryReactorClock(), ThreadlessPool)
        error = self.assertRaises(StoreError, self.open)
        self.assertEqual(str(error), f"the database {self.folder / 'chat.db'} is in use by another chatd")
        first.unlock()
        self.open()

    def test_one_that_can_not_be_used_is_not_kept_from_others(self) -> None:
        database = self.folder / "chat.db"
        database.write_bytes(b"no database" * 100)
        self.assertRaises(StoreError, self.open)
        database.unlink()
        self.open()

    def test_a_damaged_one_is_one_sentence(self) -> None:
        database = self.folder / "chat.db"
        store = self.open()
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("DROP TABLE log")
        error = self.assertRaises(StoreError, store.read_snapshot)
        self.assertEqual(str(error), f"can't read the database {database}: no such table: log")

    def test_its_files_and_folders_are_its_owners_alone_whatever_the_umask(self) -> None:
        for umask in (0o000, 0o077):
            name = f"{umask:o}"
            before = os.umask(umask)
            try:
                store = self.open(f"{name}/a/chat.db")
                writer = store.open_writer_pool()
                self.successResultOf(writer.runOperation("INSERT INTO users VALUES (1, 'a', 'a', '', 0)"))
            finally:
                os.umask(before)
            folder = self.folder / name / "a"
            self.assertEqual(
                {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()},
                dict.fromkeys(("chat.db", "chat.db-shm", "chat.db-wal", "chat.db.lock"), 0o600),
            )
            for made in (folder, folder.parent):
                self.assertEqual(made.stat().st_mode & 0o777, 0o700)
            writer.close()

    def test_a_folder_that_can_not_be_made_is_one_sentence(self) -> None:
        (self.folder / "file").touch()
        error = self.assertRaises(StoreError, self.open, "file/a/chat.db")
        folder = self.folder / "file" / "a"
        self.assertEqual(
            str(error), f"can't use the database {folder / 'chat.db'}: Not a directory ({folder})"
        )

    def test_any_name_will_do(self) -> None:
        for name in ("a b.db", "50%.db", "what?.db", "a#b.db", "ça.db"):
            store = self.open(name)
            self.assertEqual(store.read_snapshot().last_id, 0)
            self.successResultOf(store.open_writer_pool().runQuery("SELECT 1"))
        self.assertEqual(
            sorted(path.name for path in self.folder.glob("*.db")),
            ["50%.db", "a b.db", "a#b.db", "what?.db", "ça.db"],
        )

    def test_a_relative_path_stays_where_it_was(self) -> None:
        """Twistd goes to another folder when it becomes a daemon."""
        relative = self.folder.relative_to(Path.cwd()) / "chat.db"
        store = SqliteStore(relative, "full", MemoryReactorClock(), ThreadlessPool)
        self.addCleanup(store.unlock)
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        with contextlib.chdir(elsewhere):
            self.assertEqual(store.read_snapshot().last_id, 0)


class Connections(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.database = folder / "chat.db"

    def pragma(self, pool: ConnectionPool, name: str) -> Any:
        """What is set on a pool's connections."""
        ((value,),) = self.successResultOf(pool.runQuery(f"PRAGMA {name}"))
        return value

    def test_the_writer(self) -> None:
        wanted: dict[Durability, int] = {"full": 2, "process": 1}
        for durability, synchronous in wanted.items():
            store = SqliteStore(self.database, durability, MemoryReactorClock(), ThreadlessPool)
            writer = store.open_writer_pool()
            self.assertEqual(self.pragma(writer, "synchronous"), synchronous)
            self.assertEqual(self.pragma(writer, "foreign_keys"), 1)
            self.assertEqual(self.pragma(writer, "journal_mode"), "wal")
            self.assertEqual(self.pragma(writer, "busy_timeout"), 1_000)
            self.assertEqual((writer.min, writer.max), (1, 1))
            writer.close()
            store.unlock()

    def test_readers_can_not_write(self) -> None:
        made: list[ThreadlessPool] = []

        def pool(*arguments: Any, **named: Any) -> ThreadlessPool:
            made.append(ThreadlessPool(*arguments, **named))
            return made[-1]

        store = SqliteStore(self.database, "full", MemoryReactorClock(), pool)
        archive = store.open_archive()
        self.assertEqual(len(made), 2)  # one for searches
        for readers in made:
            for change in ("DELETE FROM conversations", "CREATE TABLE t (x)", "PRAGMA user_version = 9"):
                failure = self.failureResultOf(readers.runQuery(change), sqlite3.OperationalError)
                self.assertEqual(failure.getErrorMessage(), "attempt to write a readonly database")
            self.assertEqual(self.pragma(readers, "busy_timeout"), 1_000)
        archive.close()
        store.unlock()


class OneFile(JournalTestCase):
    def test_closed_in_order_the_database_is_one_file(self) -> None:
        self.fixture.says(self.alice, "hello")
        self.fixture.turn()
        self.successResultOf(self.fixture.archive.load_snapshot())
        self.fixture.close()
        names = sorted(path.name for path in self.fixture.database.parent.iterdir())
        self.assertEqual(names, ["chat.db", "chat.db.lock"])
        self.fixture = self.fixture_class(self.fixture.place)
        self.assertEqual(self.fixture.logged(), [(1, 1, 1, "hello")])


class Waiter:
    """A task that tells when it committed, by a Deferred."""

    client = None

    def __init__(self, *records: JournalRecord) -> None:
        self.records = records
        self.done: Deferred[list[int]] = Deferred()

    def on_commit(self, logged: Any, is_newly_stored: bool) -> None:
        """Tell the ids."""
        self.done.callback([entry.id for entry in logged])

    def on_rollback(self) -> None:
        """Tell that."""
        self.done.errback(sqlite3.Error())

    def on_bug(self) -> None:
        """Can't happen."""


class RealThreads(TestCase):
    """The same on the pools and the reactor that the daemon has."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.store = SqliteStore(folder / "chat.db", "full", reactor)
        snapshot = self.store.read_snapshot()
        self.archive = self.store.open_archive()
        self.writer = self.store.open_writer_pool()
        self.journal = Journal(self.writer, SQLITE, reactor, snapshot, lambda: self.fail("lost"))
        self.addCleanup(self.close)

    async def close(self) -> None:
        """Stop as the daemon does."""
        self.archive.close()
        await self.journal.close()
        self.store.unlock()

    async def test_what_landed_is_there_to_read(self) -> None:
        tasks = [Waiter(ALICE)]
        tasks += [Waiter(EntryDraft(ChatEvent("message", LOBBY, ALICE, None, f"m{n}"), n)) for n in range(64)]
        for task in tasks:
            self.journal.submit(task)
        self.assertEqual(await tasks[-1].done, [64])
        self.assertEqual(self.journal.commits, 1)
        found = await self.archive.page(LOBBY, PageIdWindow(2), 10**6, self.journal.last_delivered_id)
        self.assertEqual([row[-1] for row in found.rows], ["m62", "m63"])

    async def test_reading_does_not_wait_for_writing(self) -> None:
        user = Waiter(ALICE)
        self.journal.submit(user)
        await user.done
        written = [
            Waiter(EntryDraft(ChatEvent("message", LOBBY, ALICE, None, f"m{n}"), n)) for n in range(200)
        ]
        pages = []
        for task in written:
            self.journal.submit(task)
            pages.append(self.archive.page(LOBBY, PageIdWindow(500), 10**6, 10**6))
        for page in pages:
            ids = [row[0] for row in (await page).rows]
            self.assertEqual(ids, list(range(1, len(ids) + 1)))
        self.assertEqual(await written[-1].done, [200])
        snapshot = await self.archive.load_snapshot()
        self.assertEqual((snapshot.last_id, snapshot.last_seqs), (200, {1: 200}))

    async def test_searching_while_it_is_indexed(self) -> None:
        """Each search sees one state of the log and of its index, whatever is written meanwhile."""
        self.patch(
            search_index, "MAX_INDEX_BLOCK_CHARACTERS", 30 * search_index.INDEXED_MESSAGE_OVERHEAD_CHARACTERS
        )
        self.patch(search_index, "MAX_MESSAGES_PER_INDEX_STEP", 7)
        self.patch(search_index, "MAX_INDEX_BLOCKS_PER_SEARCH_STEP", 100)
        user = Waiter(ALICE)
        self.journal.submit(user)
        await user.done
        query = SearchQuery((SearchTerm("word"),), (LOBBY.id,), NO_LOG_FILTER)
        searches, steps = [], []
        for number in range(1, 101):
            said = ChatEvent("message", LOBBY, ALICE, None, f"word {number}")
            task = Waiter(EntryDraft(said, number))
            self.journal.submit(task)
            steps.append(self.writer.runInteraction(search_index.index_messages))
            searches.append(self.archive.search(query, 1000, 1, 1000))
            if number % 10 == 0:
                self.assertEqual(await task.done, [number])
                self.journal.submit(Waiter(MessageTextDeleted(number)))
        for search in searches:
            step = await search
            searched = range((step.resume_id or 0) + 1, max(step.message_ids, default=0) + 1)
            self.assertLessEqual({id for id in searched if id % 10}, set(step.message_ids))
        for indexing in steps:
            await indexing
        while await self.writer.runInteraction(search_index.index_messages):
            pass
        found = await self.archive.search(query, 100, 1, 1000)
        self.assertEqual(found.message_ids, [id for id in range(100, 0, -1) if id % 10])


class Migrations(SynchronousTestCase):
    def test_are_numbered_in_a_row(self) -> None:
        folder = Path(__file__).parent.parent.parent / "chatd" / "store" / "migrations"
        numbers = [int(path.name.split("_")[0]) for path in sorted(folder.glob("*.sql"))]
        self.assertEqual(numbers, list(range(1, len(load_migrations()) + 1)))
