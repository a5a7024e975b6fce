"""A journal and an archive on a database of their own, with a pool that has no threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.events import LOBBY, ChatEvent, Conversation, EventKind, LogEntry, User
from chatd.core.names import parse_nick
from chatd.core.records import EntryDraft, JournalRecord
from chatd.core.state import State
from chatd.store.sqlite_store import SqliteStore
from chatd.store.store import Store
from tests.support.in_memory_daemon import ThreadlessPool


class Note:
    """A task that writes down what becomes of it: ``outcome`` is empty until it had its turn."""

    client: object = None

    def __init__(
        self,
        fixture: StoreFixture,
        name: str,
        records: Sequence[JournalRecord],
        then: Callable[[], object] | None,
    ) -> None:
        self.name = name
        self.records = records
        self.outcome = ""
        self.places: list[tuple[int, int, int]] = []
        self._desk = fixture
        self._then = then

    def on_commit(self, logged: Sequence[LogEntry], is_newly_stored: bool) -> None:
        """Write down where."""
        self.places = [(entry.id, entry.seq, entry.at) for entry in logged]
        self._take_turn("committed" if is_newly_stored else "committed before")

    def on_rollback(self) -> None:
        """Write that down."""
        self._take_turn("failed")

    def on_bug(self) -> None:
        """Write that down too."""
        self.outcome = "crashed"
        self._desk.turns.append(f"{self.name} crashed")

    def _take_turn(self, outcome: str) -> None:
        self.outcome = outcome
        places = "".join(f" {id}/{seq}" for id, seq, _ in self.places)
        self._desk.turns.append(f"{self.name} {outcome}{places}")
        if self._then is not None:
            self._then()


class StoreFixture:
    """What the chat has of the store, without the chat. ``turns`` tells what became of the tasks.

    ``full_disk`` is the error that the database raises on a full disk. `rows` is given the same query on
    each kind of database, with ``?`` for values.
    """

    full_disk: Exception = sqlite3.OperationalError("database or disk is full")

    def __init__(self, place: Path | str, pool: Callable[..., ThreadlessPool] = ThreadlessPool) -> None:
        self.clock = MemoryReactorClock()
        self.place = place
        self.store: Store = self.open_store(pool)
        snapshot = self.store.read_snapshot()
        self.state: State = snapshot.state
        self.archive = self.store.open_archive()
        self.turns: list[str] = []
        self.journal = self.store.open_journal(self.clock, snapshot, self.recover, lambda: None)
        assert isinstance(self.journal._pool, ThreadlessPool)
        self.writer = self.journal._pool
        self.at = 1_000

    def open_store(self, pool: Callable[..., ThreadlessPool]) -> Store:
        """The store at ``self.place``, whose connections are in a ``pool``."""
        return SqliteStore(self.database, "process", self.clock, pool)

    @property
    def database(self) -> Path:
        """The path of the database file, if there is one."""
        assert isinstance(self.place, Path)
        return self.place

    def recover(self) -> None:
        """A commit failed: go on from what is on disk, as the chat does."""
        self.turns.append("recover")
        snapshot = self.store.read_snapshot()
        self.state = snapshot.state
        self.journal.resume_from(snapshot)

    def turn(self) -> None:
        """Let a turn of the reactor end."""
        self.clock.advance(0)

    def submit(self, name: str, *records: JournalRecord, then: Callable[[], object] | None = None) -> Note:
        """Submit a task; ``then`` is called in its turn."""
        note = Note(self, name, records, then)
        self.journal.submit(note)
        return note

    def user(self, nick: str) -> User:
        """Somebody, on disk with the next commit if new."""
        known = self.state.find_user(parse_nick(nick))
        if known is not None:
            return known
        user = self.state.build_user(parse_nick(nick))
        self.state.apply(user)
        self.submit(nick, user)
        return user

    def direct(self, one: User, other: User) -> Conversation:
        """A conversation of two, on disk with the next commit if new."""
        found = self.state.direct_conversation(one, other)
        if found is None:
            found = self.state.build_conversation("direct", pair=(one, other))
            self.state.apply(found)
            self.submit("direct", found)
        return found

    def group(self, name: str, owner: User) -> Conversation:
        """A new public group, on disk with the next commit."""
        conversation = self.state.build_conversation("group", name)
        self.state.apply(conversation)
        created = self.draft(owner, "public", conversation, "created")
        self.state.apply(created.event)
        self.submit(name, conversation, created)
        return conversation

    def draft(
        self,
        actor: User,
        body: str,
        conversation: Conversation = LOBBY,
        kind: EventKind = "message",
        subject: User | None = None,
        ref: str | None = None,
    ) -> EntryDraft:
        """Something to log, a millisecond later than the last."""
        self.at += 1
        return EntryDraft(ChatEvent(kind, conversation, actor, subject, body), self.at, ref)

    def says(
        self, actor: User, body: str, conversation: Conversation = LOBBY, ref: str | None = None
    ) -> Note:
        """Submit a message, which is also what its task is called."""
        return self.submit(body, self.draft(actor, body, conversation, ref=ref))

    def sees(self, user: User) -> None:
        """Note that all that was told went to ``user``."""
        self.journal.move_last_seen_id(user, self.journal.last_delivered_id)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query, values).fetchall()

    def index_messages(self) -> Deferred[bool]:
        """Have some messages indexed for search. The result is whether there are more."""
        return self.writer.runInteraction(self.journal._database.index_messages)

    def logged(self) -> list[tuple[Any, ...]]:
        """The log on disk: id, conversation, seq, body."""
        return self.rows("SELECT id, conversation, seq, body FROM log ORDER BY id")

    def close(self) -> None:
        """Stop in the order of the daemon."""
        self.archive.close()
        self.journal.close()
        self.store.unlock()


class JournalTestCase(SynchronousTestCase):
    """A test at a fixture of its own: ``self.fixture``."""

    fixture_class: type[StoreFixture] = StoreFixture

    def setUp(self) -> None:
        """Set it up, with alice and bob on disk."""
        self.fixture = self.fixture_class(self.new_place())
        self.alice, self.bob = self.fixture.user("alice"), self.fixture.user("bob")
        self.fixture.turn()
        self.fixture.turns.clear()
        self.addCleanup(lambda: self.fixture.close())

    def new_place(self) -> Path | str:
        """Where a new database is to be: a path, or a URL."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        return folder / "chat.db"

    def restart(self) -> None:
        """Close everything and open it again."""
        self.fixture.close()
        self.fixture = self.fixture_class(self.fixture.place)
        self.alice, self.bob = self.fixture.user("alice"), self.fixture.user("bob")
