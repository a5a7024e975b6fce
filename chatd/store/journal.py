"""The journal: it stores entries in one order, and gives every task its turn after the commit.

One transaction is under way in the writer's thread; the tasks that arrive meanwhile are the next one. The
journal alone gives out ids and seqs, inside the transaction: so a message sent twice under one ``ref`` is
found before it takes a place, and a failed transaction leaves no gap.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatd.boundaries import Clock, Task
from chatd.core.events import Conversation, Entry, Event, User
from chatd.core.records import Draft, Record, Snapshot
from chatd.store.errors import NotStored

MAX_COMMIT_CHARACTERS: Final = 128 * 1024
"""Characters in one transaction: its listeners need time to read before the next one."""

ENTRY_OVERHEAD_CHARACTERS: Final = 128
"""Characters that an entry counts for besides its body."""

READ_MARKER_DELAY_SECONDS: Final = 5.0
"""Delay until read markers are written when no commit takes them along, so that a login costs no commit."""


class CommitResult(msgspec.Struct, frozen=True, eq=False):
    """The result of a transaction: the entries of each task with whether they are new, and the counters."""

    places: list[tuple[list[Entry], bool]]
    last_id: int
    seqs: dict[int, int]
    lasts: dict[int, int]


class Journal:
    """The queue in front of the writer.

    ``on_committed`` is called after the tasks of a commit, ``on_failure`` before the tasks of a failed one.
    Tasks take their turns one by one, in the order of `submit`; a task submitted during a turn waits for its
    end.
    ``last_delivered_id`` is the id of the last entry whose task has had its turn, ``commits`` the number of
    transactions since the start.
    """

    _log = Logger()

    def __init__(
        self,
        pool: ConnectionPool,
        clock: Clock,
        snapshot: Snapshot,
        on_failure: Callable[[], None],
        on_committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.last_delivered_id = snapshot.last_id
        self.commits = 0
        self._last_id = snapshot.last_id
        self._seqs = snapshot.seqs
        self._lasts = snapshot.lasts
        self._pool = pool
        self._clock = clock
        self._on_failure = on_failure
        self._on_committed = on_committed
        self._queue: deque[Task] = deque()
        # What users have seen, as of now; and as much of it as the disk doesn't know.
        self._seen = snapshot.seen
        self._noted: dict[int, int] = {}
        self._busy = False
        self._start: IDelayedCall | None = None
        self._late: IDelayedCall | None = None
        self._idle: deque[Deferred[None]] = deque()

    def __len__(self) -> int:
        """How many tasks wait for the next transaction."""
        return len(self._queue)

    def submit(self, task: Task) -> None:
        """Queue ``task``. A task without records has its turn at once if nothing is before it."""
        self._queue.append(task)
        if self._busy or self._start is not None:
            return
        if task.records:
            # At the end of this turn of the reactor, so that all of one read shares a transaction.
            self._start = self._clock.callLater(0, self._go_on)
        else:
            self._go_on()

    def turn(self, *records: Record) -> Deferred[None]:
        """A Deferred that fires when all tasks submitted before are done and ``records`` are on disk.

        Fails with `NotStored` when its transaction, or one that it rests on, was rolled back.
        """
        turn = _Turn(records)
        self.submit(turn)
        return turn.done

    def note_seen(self, user: User, last: int) -> None:
        """Move the read marker of ``user`` to ``last``; a crash within seconds loses the move."""
        self._seen[user.id] = self._noted[user.id] = max(last, self.seen(user))
        if self._late is None:
            self._late = self._clock.callLater(READ_MARKER_DELAY_SECONDS, self._write_noted)

    def seen(self, user: User) -> int:
        """The read marker of ``user``: the last id known to have gone to them."""
        return self._seen.get(user.id, 0)

    def last_in(self, conversation: Conversation) -> int:
        """The id of the last entry of ``conversation`` that is on disk, 0 if it has none."""
        return self._lasts.get(conversation.id, 0)

    def resume(self, snapshot: Snapshot) -> None:
        """Go on from ``snapshot`` after a failed transaction."""
        self.last_delivered_id = self._last_id = snapshot.last_id
        self._seqs = snapshot.seqs
        self._lasts = snapshot.lasts

    def drained(self) -> Deferred[None]:
        """Fires when no task waits and no transaction is under way."""
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        self._rest()
        return done

    def close(self) -> Deferred[None]:
        """Write the remaining read markers and close the connection; fires after that.

        Nothing may be submitted any more once it fires.
        """

        def write_seen(_: None) -> Deferred[None]:
            if self._late is not None:
                self._late.cancel()
            writing: Deferred[None] = self._pool.runInteraction(_write_last, self._noted)
            return writing

        def close(result: object) -> None:
            self._pool.close()
            if isinstance(result, Failure):
                self._log.warn("what users had seen was not written: {why}", why=result.getErrorMessage())

        return self.drained().addCallback(write_seen).addBoth(close)

    def _go_on(self) -> None:
        """Give tasks their turns up to the first one with records, then begin a transaction."""
        self._start = None
        self._busy = True
        while self._queue:
            if self._queue[0].records:
                self._begin(self._next_batch())
                return
            self._commit(self._queue.popleft(), (), True)
        self._busy = False
        self._rest()

    def _next_batch(self) -> list[Task]:
        """The tasks of the next transaction: all that wait, up to `MAX_COMMIT_CHARACTERS`."""
        batch: list[Task] = []
        room = MAX_COMMIT_CHARACTERS
        while self._queue:
            room -= _size(self._queue[0])
            if batch and room < 0:
                break
            batch.append(self._queue.popleft())
        return batch

    def _write_noted(self) -> None:
        self._late = None
        if self._busy or self._start is not None:
            self._late = self._clock.callLater(READ_MARKER_DELAY_SECONDS, self._write_noted)
        elif self._noted:
            self._busy = True
            self._begin([])

    def _begin(self, batch: list[Task]) -> None:
        noted, self._noted = self._noted, {}
        writing = self._pool.runInteraction(self._write, batch, noted)
        writing.addCallbacks(self._written, self._lost, callbackArgs=(batch,), errbackArgs=(batch, noted))
        writing.addErrback(lambda failure: self._log.failure("the journal crashed", failure))

    def _write(self, cursor: Transaction, batch: list[Task], noted: dict[int, int]) -> CommitResult:
        """The transaction. It runs in the writer's thread, on values that the other thread leaves alone."""
        cursor.execute("BEGIN IMMEDIATE")
        placer = _Placer(cursor, self._last_id, self._seqs)
        places = [placer.place(task.records) for task in batch]
        placer.write()
        _write_seen(cursor, noted)
        return CommitResult(places, placer.last_id, placer.seqs, placer.lasts)

    def _written(self, placing: CommitResult, batch: list[Task]) -> None:
        self.commits += 1
        self._last_id = placing.last_id
        self._seqs.update(placing.seqs)
        self._lasts.update(placing.lasts)
        for task, (entries, is_new) in zip(batch, placing.places, strict=True):
            self._commit(task, entries, is_new)
        try:
            self._on_committed()
        except Exception:
            self._log.failure("bug after a commit")
        self._go_on()

    def _commit(self, task: Task, entries: Sequence[Entry], is_new: bool) -> None:
        if entries and is_new:
            self.last_delivered_id = entries[-1].id
        try:
            task.committed(entries, is_new)
        except Exception:
            self._crash(task)

    def _lost(self, failure: Failure, batch: list[Task], noted: dict[int, int]) -> None:
        if failure.check(sqlite3.Error) is None:
            self._log.failure("the journal could not write", failure)
        else:
            self._log.error("nothing can be written to the database: {why}", why=failure.getErrorMessage())
        self._noted = {**noted, **self._noted}
        # Everything decided since rests on the lost transaction.
        batch += self._queue
        self._queue.clear()
        self._on_failure()
        for task in batch:
            try:
                task.aborted()
            except Exception:
                self._crash(task)
        self._go_on()

    def _crash(self, task: Task) -> None:
        # A bug in one task must not keep the others from their turns, nor the journal from its next commit.
        try:
            task.crashed()
        except Exception:
            self._log.failure("bug while answering for a bug")

    def _rest(self) -> None:
        while self._idle and not self._busy and not self._queue:
            self._idle.popleft().callback(None)


class _Turn:
    """A task that fires a Deferred."""

    __slots__ = ("done", "records")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.done: Deferred[None] = Deferred()

    def committed(self, entries: Sequence[Entry], is_new: bool) -> None:
        self.done.callback(None)

    def aborted(self) -> None:
        self.done.errback(NotStored("the transaction was rolled back"))

    def crashed(self) -> None:
        """Never called: a Deferred keeps what its callbacks raise."""


class _Placer:
    """Gives the drafts of one transaction their ids and seqs, counting on from the last transaction."""

    def __init__(self, cursor: Transaction, last_id: int, seqs: Mapping[int, int]) -> None:
        self.last_id = last_id
        self.seqs: dict[int, int] = {}
        self.lasts: dict[int, int] = {}
        self._cursor = cursor
        self._seqs_before = seqs
        self._rows: list[tuple[object, ...]] = []
        self._by_ref: dict[tuple[int, str], Entry] = {}

    def place(self, records: Sequence[Record]) -> tuple[list[Entry], bool]:
        """The entries of one task's drafts, and whether they are new. Other records are written at once."""
        entries: list[Entry] = []
        is_new = True
        for record in records:
            if not isinstance(record, Draft):
                _write_record(self._cursor, record)
                continue
            earlier = self._earlier(record)
            is_new = is_new and earlier is None
            entries += [self._add(record)] if earlier is None else earlier
        return entries, is_new

    def write(self) -> None:
        """Write the entries."""
        self._cursor.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows)

    def _earlier(self, draft: Draft) -> list[Entry] | None:
        """The entry stored for this author and ref, in this transaction or on disk; None if there is none.

        Empty when it is another message.
        """
        event, ref = draft.event, draft.ref
        if ref is None:
            return None
        placed = self._by_ref.get((event.actor.id, ref))
        if placed is not None:
            return [placed] if _message(placed.event) == _message(event) else []
        self._cursor.execute(
            "SELECT id, seq, at, conversation, kind, body FROM log WHERE actor = ? AND ref = ?",
            (event.actor.id, ref),
        )
        for id, seq, at, *message in self._cursor.fetchall():
            return [Entry(id, seq, at, event)] if tuple(message) == _message(event) else []
        return None

    def _add(self, draft: Draft) -> Entry:
        event = draft.event
        conversation, actor, subject = event.conversation.id, event.actor.id, event.subject
        self.last_id += 1
        seq = self.seqs.get(conversation, self._seqs_before.get(conversation, 0)) + 1
        self.seqs[conversation] = seq
        self.lasts[conversation] = self.last_id
        entry = Entry(self.last_id, seq, draft.at, event)
        if draft.ref is not None:
            self._by_ref[actor, draft.ref] = entry
        about = subject.id if subject is not None else None
        self._rows.append(
            (entry.id, conversation, seq, draft.at, event.kind, actor, about, event.body, draft.ref)
        )
        return entry


def _size(task: Task) -> int:
    """The characters that a task counts for in a transaction."""
    return sum(
        ENTRY_OVERHEAD_CHARACTERS + (len(record.event.body) if isinstance(record, Draft) else 0)
        for record in task.records
    )


def _message(event: Event) -> tuple[int, str, str]:
    """The parts that two drafts of one message have in common."""
    return event.conversation.id, event.kind, event.body


def _write_record(cursor: Transaction, record: User | Conversation) -> None:
    if isinstance(record, User):
        cursor.execute(
            "INSERT INTO users (id, nick, key, colour) VALUES (?, ?, ?, ?)",
            (record.id, record.nick, record.key, record.colour),
        )
    else:
        low, high = record.pair or (None, None)
        cursor.execute(
            "INSERT INTO conversations (id, kind, name, low, high) VALUES (?, ?, ?, ?, ?)",
            (record.id, record.kind, record.name, low and low.id, high and high.id),
        )


def _write_seen(cursor: Transaction, seen: dict[int, int]) -> None:
    cursor.executemany(
        "UPDATE users SET seen = ? WHERE id = ?", [(last, user) for user, last in seen.items()]
    )


def _write_last(cursor: Transaction, seen: dict[int, int]) -> None:
    # One transaction, so that all read markers cost one wait for the disk.
    cursor.execute("BEGIN IMMEDIATE")
    _write_seen(cursor, seen)
