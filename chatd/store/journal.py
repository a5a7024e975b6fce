"""The journal: it writes log entries in one order, and completes each task after the task's commit.

One transaction at a time runs in the writer's thread. The tasks that arrive meanwhile form the next
transaction. The journal alone assigns ids and seqs (the numbers of entries within a conversation), inside the
transaction. So a message that a client sends twice under one ``ref`` (the client's own id of the message) is
found before it gets numbers, and a failed transaction leaves no gap in them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatd.boundaries import Clock, JournalTask
from chatd.core.counters import Histogram
from chatd.core.events import ChatEvent, Conversation, LogEntry, User
from chatd.core.read_marks import NO_READ_MARK, ReadMarkPosition, ReadMarksDeleted
from chatd.core.records import EntryDraft, JournalRecord, Snapshot
from chatd.pauses import pause
from chatd.store.database import Database, EntryValues, StoredMessage
from chatd.store.errors import NotStored, NotTheWriter, OutcomeUnknown, StateOutdated, StoreError
from chatd.store.indexer import SearchIndexer
from chatd.store.record_writer import upsert_statement, write_record

MAX_COMMIT_CHARACTERS: Final = 128 * 1024
"""Maximum number of characters in one transaction; a single task may have more.

Clients need time to read the entries of a transaction before those of the next one.
"""

RECORD_OVERHEAD_CHARACTERS: Final = 128
"""Number of characters that each record counts for in a transaction, in addition to those of an
entry's body.
"""

CHARACTERS_BETWEEN_SIZE_MEASUREMENTS: Final = 16 * 1024
"""Number of characters written after which the size of the database is measured again.

`RECORD_OVERHEAD_CHARACTERS` are included. To measure takes as long as to store a short message.
"""

WAIT_FOR_MORE_TASKS_SECONDS: Final = 0.0005
"""The time in seconds that a transaction of several clients waits for further tasks if it would have fewer
than the last one. A reactor whose poll counts in milliseconds makes up to one of it.

The clients of the last transaction have just been answered, and may write again. Without the wait, half of
them would be in every second transaction: twice as many commits, and twice as many writes to each listener.
"""

READ_MARK_WRITE_DELAY_SECONDS: Final = 5.0
"""The maximum delay in seconds before changed last seen ids and read marks are written.

If another transaction starts earlier, it writes them too. So a login needs no commit of its own. The journal
also retries at this interval after a failed transaction.
"""

COMMIT_DURATION_BUCKET_BOUNDS_SECONDS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
)
"""The upper bounds of the buckets that the durations of transactions are counted in, in seconds."""

COMMIT_SIZE_BUCKET_BOUNDS_TASKS: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""The upper bounds of the buckets that the numbers of tasks in transactions are counted in."""


OUTCOME_RETRY_SECONDS: Final = 0.2
"""Pause in seconds between attempts to find out whether a transaction is stored whose connection broke."""

WAL_TRUNCATE_RETRY_SECONDS: Final = 0.1
"""Pause in seconds between attempts to empty the write-ahead log, which a reader prevents while it reads."""

WAL_TRUNCATE_ATTEMPTS: Final = 50
"""Number of attempts to empty the write-ahead log (WAL) after a message was deleted."""


# A text that was deleted meanwhile does not come back.
_EDIT: Final = "UPDATE log SET body = ?, kind = ?, edited = ? WHERE id = ? AND body <> ''"
# Nor does a message get a reaction that was deleted or trimmed in the same transaction.
_REACT: Final = (
    'INSERT INTO reactions (message, reaction, "user", entry)'
    " SELECT id, ?, ?, ? FROM log WHERE id = ? AND body <> '' ON CONFLICT DO NOTHING"
)
_UNREACT: Final = 'DELETE FROM reactions WHERE message = ? AND reaction = ? AND "user" = ?'
_MOVE_READ_MARK: Final = upsert_statement("read_marks", ('"user"', "conversation"), "last", "at")
_ANSWER: Final = "UPDATE log SET answered = ?, answered_author = ? WHERE id = ?"


class PendingMarks(msgspec.Struct, frozen=True, eq=False):
    """Last seen ids and read marks that have moved since they were last written to the database.

    ``last_seen_ids`` maps user ids to entry ids. ``read_marks`` maps pairs of a user id and a conversation id
    to read marks.
    """

    last_seen_ids: dict[int, int] = {}
    read_marks: dict[tuple[int, int], ReadMarkPosition] = {}

    def __bool__(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self.last_seen_ids or self.read_marks)


class CommitResult(msgspec.Struct, frozen=True, eq=False):
    """The result of a committed transaction.

    ``task_results`` has for each task its log entries, and whether all of them are new. A message is not new
    if its author has used the same ``ref`` before: if the stored message is the same, its entry is in the
    result, otherwise there is no entry. ``last_id`` is the last id in the log. ``last_seqs`` and ``last_ids``
    have the last seq and the last id of each conversation that got an entry, by conversation id.
    ``database_bytes`` is the size of the database, or None if it was not measured.
    """

    task_results: list[tuple[list[LogEntry], bool]]
    last_id: int
    last_seqs: dict[int, int]
    last_ids: dict[int, int]
    database_bytes: int | None


class _Erasure:
    """One who waits until the write-ahead log is empty: ``done`` fires then, or after the last attempt."""

    __slots__ = ("attempts", "done")

    def __init__(self) -> None:
        self.attempts = 0
        self.done: Deferred[bool] = Deferred()


class Journal:
    """The writer of the log on disk, with a queue of tasks.

    A task is completed when its records are committed and its ``on_commit`` was called. Tasks are completed
    one by one, in the order of `submit`. If a transaction fails, its tasks and all waiting ones are given up:
    ``on_failure`` is called once, then the ``on_rollback`` of each task. If there are no such tasks,
    ``on_failure`` is not called. ``on_committed`` is called when all tasks of a commit are completed.

    - ``last_delivered_id`` is the id of the last entry whose task was completed or is being completed.
    - ``commits`` is the number of commits since the start, and ``failed_commits`` the number of transactions
      that failed.
    - ``database_bytes`` is the size of the database when it was last measured: by the first transaction after
      `CHARACTERS_BETWEEN_SIZE_MEASUREMENTS` were written, or when the write-ahead log was emptied.
    - ``is_failing`` is true from a failed transaction until one succeeds. If no task comes, the journal tries
      again by itself.
    - ``commit_duration_histogram`` and ``commit_size_histogram`` are histograms of the duration in seconds
      and the number of tasks of the successful transactions.
    """

    _log = Logger()

    def __init__(
        self,
        pool: ConnectionPool,
        database: Database,
        clock: Clock,
        snapshot: Snapshot,
        on_failure: Callable[[], None],
        on_committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.last_delivered_id = snapshot.last_id
        self.database_bytes = snapshot.database_bytes
        self.is_failing = False
        self.commits = 0
        self.failed_commits = 0
        self.commit_duration_histogram = Histogram(COMMIT_DURATION_BUCKET_BOUNDS_SECONDS)
        self.commit_size_histogram = Histogram(COMMIT_SIZE_BUCKET_BOUNDS_TASKS)
        self._last_id = snapshot.last_id
        self._seqs = snapshot.last_seqs
        self._lasts = snapshot.last_ids
        self._pool = pool
        self._database = database
        self._clock = clock
        self._on_failure = on_failure
        self._on_committed = on_committed
        self._queue: deque[JournalTask] = deque()
        # The last seen ids of all users by user id; their read marks by user id and conversation id; and what
        # of both is not written yet.
        self._seen = snapshot.last_seen_ids
        self._read_marks = snapshot.read_marks
        self._pending = PendingMarks()
        self._has_outdated_marks = False
        self._busy = False
        self._begun_at = 0.0
        self._unmeasured = 0
        self._start: IDelayedCall | None = None
        # The number of tasks that the next transaction waits for, and whether it does now.
        self._expected_tasks = 0
        self._waits = False
        self._late: IDelayedCall | None = None
        self._idle: deque[Deferred[None]] = deque()
        self._erasures: list[_Erasure] = []
        self._empties_log = False
        self._indexer = SearchIndexer(pool, database, clock, self.when_drained, lambda: self.is_failing)
        self._renewal: IDelayedCall | None = None
        self._renew_later()

    def __len__(self) -> int:
        """Return the number of tasks that wait for the next transaction."""
        return len(self._queue)

    @property
    def current_transaction_seconds(self) -> float:
        """The time in seconds since the current transaction began, or 0 if none is under way."""
        return self._clock.seconds() - self._begun_at if self._busy else 0.0

    def submit(self, task: JournalTask) -> None:
        """Append ``task`` to the queue of tasks.

        A task without records is completed before this call returns, if no other task waits and no
        transaction is under way.
        """
        self._queue.append(task)
        if self._waits and len(self._queue) >= self._expected_tasks:
            self._begin_soon()
        if self._busy or self._start is not None:
            return
        if task.records:
            self._begin_soon()
        else:
            self._go_on()

    def submit_records(self, *records: JournalRecord) -> Deferred[Sequence[LogEntry]]:
        """Append a task that writes ``records`` to the queue.

        Return a Deferred that fires when all earlier tasks are completed and ``records`` are on disk. Its
        result is the log entries that were made from the drafts among ``records``. The Deferred fails with
        `NotStored` if the transaction of the records, or one before it in the queue, was rolled back.
        """
        turn = _Turn(records)
        self.submit(turn)
        return turn.done

    def move_last_seen_id(self, user: User, last_id: int) -> None:
        """Move the last seen id of ``user`` forward to the entry id ``last_id``. It never moves back.

        The last seen id is the id of the last entry that the user is assumed to have received. It is written
        to the database within seconds. If the daemon crashes before that, the move is lost.
        """
        self._seen[user.id] = self._pending.last_seen_ids[user.id] = max(last_id, self.get_last_seen_id(user))
        self._write_pending_later()

    def get_last_seen_id(self, user: User) -> int:
        """Return the last seen id of ``user``: the id of the last entry that the user is assumed to have
        received.
        """
        return self._seen.get(user.id, 0)

    def move_read_mark(self, user: User, conversation: Conversation, last_id: int, at: int = 0) -> bool:
        """Move the read mark of ``user`` in ``conversation`` forward to the entry id ``last_id``.

        Return whether the mark has moved. The mark never moves back (see `ReadMarkPosition.moved_to`), and is
        written to the database within seconds. If the daemon crashes before that, the move is lost. ``at`` is
        the time that a client has given instead of the id, in milliseconds since 1970, or 0.

        ``conversation`` must be on disk. Call this method only when all tasks that were submitted before are
        completed, because one of them may delete the mark.
        """
        before = self.get_read_mark(user, conversation)
        mark = before.moved_to(last_id, at)
        if mark is before:
            return False
        self._read_marks.setdefault(user.id, {})[conversation.id] = mark
        self._pending.read_marks[user.id, conversation.id] = mark
        self._write_pending_later()
        return True

    def get_read_mark(self, user: User, conversation: Conversation) -> ReadMarkPosition:
        """Return the read mark of ``user`` in ``conversation``: `NO_READ_MARK` if the user has set none."""
        return self._read_marks.get(user.id, {}).get(conversation.id, NO_READ_MARK)

    def last_id_in(self, conversation: Conversation) -> int:
        """Return the id of the last entry of ``conversation`` that is on disk, or 0 if the conversation has
        none.
        """
        return self._lasts.get(conversation.id, 0)

    def last_seq_in(self, conversation: Conversation) -> int:
        """Return the seq of the last entry of ``conversation`` that is on disk, or 0 if the conversation has
        none.

        This is the number of all entries that were ever stored in the conversation, including those that have
        been deleted.
        """
        return self._seqs.get(conversation.id, 0)

    def resume_from(self, snapshot: Snapshot) -> None:
        """Continue with the last ids and seqs and the database size of ``snapshot``, after a failed
        transaction.

        ``snapshot`` must have been read from disk after the failure. Last seen ids and read marks stay as
        they are, unless the state in memory was outdated.
        """
        self.last_delivered_id = self._last_id = snapshot.last_id
        self.database_bytes = snapshot.database_bytes
        self._seqs = snapshot.last_seqs
        self._lasts = snapshot.last_ids
        if self._has_outdated_marks:
            self._has_outdated_marks = False
            self._seen = snapshot.last_seen_ids
            self._read_marks = snapshot.read_marks

    def start_indexing(self) -> None:
        """Start to index the messages that an earlier process has not indexed for search.

        New messages are indexed without this call.
        """
        self._indexer.wake()

    def erase_deleted_texts(self) -> Deferred[bool]:
        """Empty the write-ahead log, so that no text of a deleted message remains on the disk.

        Return a Deferred that fires with True after that. A commit overwrites what it deletes in the database
        file (see `SqliteStore.open_writer_pool`), but the write-ahead log keeps older pages until it is
        emptied. If a reader prevents this for all `WAL_TRUNCATE_ATTEMPTS`, or SQLite fails, a warning is
        logged, and the Deferred fires with False. All callers that wait share the attempts, so that many
        deletions cost no more than one.
        """
        self._indexer.wake()  # for the messages beside those that were deleted
        erasure = _Erasure()
        self._erasures.append(erasure)
        if not self._empties_log:
            self._empties_log = True
            Deferred.fromCoroutine(self._empty_write_ahead_log())
        return erasure.done

    async def _empty_write_ahead_log(self) -> None:
        """Serve all erasures, including those that are added meanwhile. One attempt serves all that wait
        then.
        """
        while self._erasures:
            waiting = list(self._erasures)
            try:
                size = await self._pool.runInteraction(self._database.erase_deleted_texts)
            except self._database.driver_error_type:
                self._end_erasures(waiting, False)
                continue
            except Exception:
                self._end_erasures(waiting, Failure())
                continue
            if size is not None:
                self.database_bytes = size
                self._end_erasures(waiting, True)
                continue
            for erasure in waiting:
                erasure.attempts += 1
            self._end_erasures([one for one in waiting if one.attempts >= WAL_TRUNCATE_ATTEMPTS], False)
            if self._erasures:
                await pause(self._clock, WAL_TRUNCATE_RETRY_SECONDS)
        self._empties_log = False

    def _end_erasures(self, ended: list[_Erasure], result: bool | Failure) -> None:
        if ended and result is not True:
            self._log.warn("a deleted text may remain in the database's write-ahead log until chatd stops")
        self._erasures = [one for one in self._erasures if one not in ended]
        for erasure in ended:
            erasure.done.callback(result)  # a Failure is an error then

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires when no task waits and no transaction is under way."""
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        self._rest()
        return done

    def close(self) -> Deferred[None]:
        """Wait until all tasks are completed, write the pending last seen ids and read marks, and close the
        connection.

        Return a Deferred that fires when this is done. If the ids and marks can't be written, they are lost,
        and a warning is logged; the Deferred does not fail. No task may be submitted once it has fired.
        """

        self._indexer.stop()

        def write_seen(_: None) -> Deferred[None]:
            for call in (self._late, self._renewal):
                if call is not None and call.active():
                    call.cancel()
            writing: Deferred[None] = self._pool.runInteraction(self._write_last)
            return writing

        def close(result: object) -> None:
            self._pool.close()
            if isinstance(result, Failure):
                self._log.warn("what users had seen was not written: {why}", why=result.getErrorMessage())

        return self.when_drained().addCallback(write_seen).addBoth(close)

    def _write_last(self, cursor: Transaction) -> None:
        # One transaction, so that all of them cost one wait for the disk.
        self._database.begin_transaction(cursor)
        _write_last_seen_ids(cursor, self._pending.last_seen_ids)
        _write_read_marks(cursor, self._pending.read_marks)
        self._database.finish_transaction(cursor, None)
        self._database.release(cursor)

    def _go_on(self) -> None:
        """Complete the tasks at the front of the queue that have no records, then begin a transaction, or
        wait for more tasks.
        """
        self._start = None
        self._busy = True
        while self._queue and not self._queue[0].records:
            self._commit(self._queue.popleft(), (), True)
        self._busy = False
        if not self._queue:
            self._rest()
        elif self._should_wait():
            self._waits = True
            self._start = self._clock.callLater(WAIT_FOR_MORE_TASKS_SECONDS, self._begin_next)
        else:
            self._begin_next()

    def _should_wait(self) -> bool:
        """Return whether the next transaction should wait for further tasks. A client that is alone never
        waits.
        """
        queue = self._queue
        return (
            1 < len(queue) < self._expected_tasks
            and _has_several_clients(queue)
            and sum(map(_size, queue)) < MAX_COMMIT_CHARACTERS
        )

    def _begin_soon(self) -> None:
        """Begin a transaction at the end of this iteration of the reactor, so that it holds a whole read."""
        self._waits = False
        if self._start is not None:
            self._start.cancel()
        self._start = self._clock.callLater(0, self._go_on)

    def _begin_next(self) -> None:
        self._start = None
        self._waits = False
        self._busy = True
        batch = self._next_batch()
        self._expected_tasks = len(batch) if _has_several_clients(batch) else 0
        self._begin(batch)

    def _next_batch(self) -> list[JournalTask]:
        """Take the tasks of the next transaction from the queue: all tasks, up to `MAX_COMMIT_CHARACTERS`."""
        batch: list[JournalTask] = []
        characters = 0
        while self._queue:
            size = _size(self._queue[0])
            if batch and characters + size > MAX_COMMIT_CHARACTERS:
                break
            batch.append(self._queue.popleft())
            characters += size
        self._unmeasured += characters
        return batch

    def _renew_later(self) -> None:
        if self._database.lease_renewal_seconds is not None:
            self._renewal = self._clock.callLater(self._database.lease_renewal_seconds, self._renew)

    def _renew(self) -> None:
        """Write something, if nothing is to be written anyway, so that this process remains the writer."""
        self._renew_later()
        if not self._busy and self._start is None:
            self._busy = True
            self._begin([])

    def _write_pending_later(self) -> None:
        if self._late is None:
            self._late = self._clock.callLater(READ_MARK_WRITE_DELAY_SECONDS, self._write_pending)

    def _write_pending(self) -> None:
        self._late = None
        if self._busy or self._start is not None:
            self._write_pending_later()
        elif self._pending or self.is_failing:
            self._busy = True
            self._begin([])

    def _begin(self, batch: list[JournalTask]) -> None:
        pending, self._pending = self._pending, PendingMarks()
        self._begun_at = self._clock.seconds()
        measures = self._unmeasured >= CHARACTERS_BETWEEN_SIZE_MEASUREMENTS
        if measures:
            self._unmeasured = 0
        writing = self._pool.runInteraction(self._write, batch, pending, measures)
        writing.addCallbacks(self._written, self._lost, callbackArgs=(batch,), errbackArgs=(batch, pending))
        writing.addErrback(lambda failure: self._log.failure("the journal crashed", failure))

    def _write(
        self, cursor: Transaction, batch: list[JournalTask], pending: PendingMarks, measures: bool
    ) -> CommitResult:
        """Run the transaction of ``batch`` in the writer's thread, and return its result.

        The reactor's thread does not change the values that the transaction reads. ``measures`` says whether
        to measure the size of the database.
        """
        database = self._database
        database.begin_transaction(cursor)
        # The batch may delete some of the read marks, and make the users that last seen ids are for.
        _write_read_marks(cursor, pending.read_marks)
        placer = _Placer(cursor, database, self._last_id, self._seqs)
        placer.find_refs(batch)
        places = [placer.place(task.records) for task in batch]
        placer.write()
        _write_last_seen_ids(cursor, pending.last_seen_ids)
        if not batch and not pending:
            database.write_unchanged_value(cursor)
        size = database.measure_database_bytes(cursor) if measures else None
        result = CommitResult(places, placer.last_id, placer.seqs, placer.last_ids, size)
        database.finish_transaction(cursor, result)
        return result

    def _written(self, placing: CommitResult, batch: list[JournalTask]) -> None:
        self.commits += 1
        self.commit_duration_histogram.observe(self._clock.seconds() - self._begun_at)
        self.commit_size_histogram.observe(len(batch))
        if self.is_failing:
            self.is_failing = False
            self._log.info("the database can be written again")
        self._last_id = placing.last_id
        self._seqs.update(placing.last_seqs)
        self._lasts.update(placing.last_ids)
        if placing.database_bytes is not None:
            self.database_bytes = placing.database_bytes
        for task, (entries, is_newly_stored) in zip(batch, placing.task_results, strict=True):
            self._commit(task, entries, is_newly_stored)
        if placing.last_ids:
            self._indexer.wake()
        try:
            self._on_committed()
        except Exception:
            self._log.failure("bug after a commit")
        self._go_on()

    def _commit(self, task: JournalTask, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        if entries and is_newly_stored:
            self.last_delivered_id = entries[-1].id
        for record in task.records:
            if isinstance(record, ReadMarksDeleted):
                self._forget_read_marks(record)
        try:
            task.on_commit(entries, is_newly_stored)
        except Exception:
            self._crash(task)

    def _forget_read_marks(self, deleted: ReadMarksDeleted) -> None:
        """Drop the read marks that ``deleted``, which is on disk, has deleted."""
        users = list(self._read_marks) if deleted.user is None else [deleted.user.id]
        for user in users:
            marks = self._read_marks.get(user, {})
            places = list(marks) if deleted.conversation is None else [deleted.conversation.id]
            for place in places:
                marks.pop(place, None)
                self._pending.read_marks.pop((user, place), None)
            if not marks:
                self._read_marks.pop(user, None)

    def _lost(self, failure: Failure, batch: list[JournalTask], pending: PendingMarks) -> None:
        if failure.check(OutcomeUnknown):
            finding = Deferred.fromCoroutine(self._find_outcome(failure, batch, pending))
            finding.addErrback(lambda failure: self._log.failure("the journal crashed", failure))
            return
        if failure.check(StateOutdated):
            self._log.warn("{why}", why=failure.getErrorMessage())
        elif failure.check(self._database.driver_error_type, StoreError) is None:
            self._log.failure("the journal could not write", failure)
        # Else the journal has tried again, in vain; or each command fails because another process writes.
        elif not self.is_failing or (batch and not failure.check(NotTheWriter)):
            why = " ".join(failure.getErrorMessage().split())
            self._log.error("nothing can be written to the database: {why}", why=why)
        self.failed_commits += 1
        self._pending = PendingMarks(
            {**pending.last_seen_ids, **self._pending.last_seen_ids},
            {**pending.read_marks, **self._pending.read_marks},
        )
        self.is_failing = True
        self._write_pending_later()
        # Everything decided since rests on the lost transaction.
        batch += self._queue
        self._queue.clear()
        if failure.check(StateOutdated):
            # Another process has moved them since, or they are about what is lost.
            self._pending = PendingMarks()
            self._has_outdated_marks = True
        if batch or failure.check(StateOutdated):
            self._on_failure()
        for task in batch:
            try:
                task.on_rollback()
            except Exception:
                self._crash(task)
        self._go_on()

    async def _find_outcome(self, failure: Failure, batch: list[JournalTask], pending: PendingMarks) -> None:
        """Ask the database whether the transaction of ``batch`` is stored, until it answers. Then complete
        the tasks, or give them up.

        Meanwhile nobody is answered: the answers that wait would overtake those to ``batch``.
        """
        unknown = failure.value
        assert isinstance(unknown, OutcomeUnknown)
        self._log.warn("{why}: asking whether it is stored", why=str(unknown))
        while True:
            try:
                is_stored = await self._pool.runInteraction(self._database.find_transaction_outcome)
                break
            except (self._database.driver_error_type, StoreError):
                await pause(self._clock, OUTCOME_RETRY_SECONDS)
        self._log.info("the commit is stored" if is_stored else "the commit is not stored")
        if is_stored:
            self._written(unknown.result, batch)
        else:
            self._lost(Failure(NotStored("the connection to the database broke")), batch, pending)

    def _crash(self, task: JournalTask) -> None:
        # A bug in one task must not stop the other tasks or the next commit.
        try:
            task.on_bug()
        except Exception:
            self._log.failure("bug while answering for a bug")

    def _rest(self) -> None:
        while self._idle and not self._busy and not self._queue:
            self._idle.popleft().callback(None)


class _Turn:
    """A task that fires the Deferred ``done`` when it is completed."""

    __slots__ = ("done", "records")

    client = None

    def __init__(self, records: Sequence[JournalRecord]) -> None:
        self.records = records
        self.done: Deferred[Sequence[LogEntry]] = Deferred()

    def on_commit(self, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        self.done.callback(entries)

    def on_rollback(self) -> None:
        self.done.errback(NotStored("the transaction was rolled back"))

    def on_bug(self) -> None:
        """Do nothing. The journal never calls this: a Deferred keeps the exceptions of its callbacks."""


class _Placer:
    """Assigns ids and seqs to the drafts of one transaction, counting on from the last transaction."""

    def __init__(
        self, cursor: Transaction, database: Database, last_id: int, seqs: Mapping[int, int]
    ) -> None:
        self.last_id = last_id
        self.seqs: dict[int, int] = {}
        self.last_ids: dict[int, int] = {}
        self._cursor = cursor
        self._database = database
        self._seqs_before = seqs
        self._rows: list[EntryValues] = []
        # What few entries need, by SQL statement.
        self._updates: list[tuple[str, tuple[object, ...]]] = []
        self._edited: list[int] = []
        self._by_ref: dict[tuple[int, str], LogEntry] = {}
        self._stored_by_ref: Mapping[tuple[int, str], StoredMessage] = {}

    def find_refs(self, batch: Sequence[JournalTask]) -> None:
        """Read what is stored already under the refs in ``batch``."""
        refs = [
            (record.event.actor.id, record.ref)
            for task in batch
            for record in task.records
            if isinstance(record, EntryDraft) and record.ref is not None
        ]
        if refs:
            self._stored_by_ref = self._database.stored_messages_by_ref(self._cursor, refs)

    def place(self, records: Sequence[JournalRecord]) -> tuple[list[LogEntry], bool]:
        """Return the log entries of the drafts in ``records``, and whether all of them are new.

        Records that are no drafts are written immediately; the entries are written by `write`.
        """
        entries: list[LogEntry] = []
        is_newly_stored = True
        for record in records:
            if not isinstance(record, EntryDraft):
                write_record(self._cursor, self._database, record)
                continue
            earlier = self._earlier(record)
            is_newly_stored = is_newly_stored and earlier is None
            entries += [self._add(record)] if earlier is None else earlier
        return entries, is_newly_stored

    def write(self) -> None:
        """Write the placed entries to the log table."""
        self._database.insert_entries(self._cursor, self._rows)
        for statement, values in self._updates:
            self._cursor.execute(statement, values)
        if self._edited:
            self._database.remove_messages_from_index(self._cursor, self._edited)

    def _earlier(self, draft: EntryDraft) -> list[LogEntry] | None:
        """Return the entry that is already stored for the author and the ref of ``draft``, in a list of one
        item.

        Return None if there is no entry, and an empty list if the ref was used for a different message. The
        ref is the author's own id of the message.
        """
        event, ref = draft.event, draft.ref
        if ref is None:
            return None
        placed = self._by_ref.get((event.actor.id, ref))
        if placed is not None:
            return [placed] if _message(placed.event) == _message(event) else []
        stored = self._stored_by_ref.get((event.actor.id, ref))
        if stored is None:
            return None
        id, seq, at, *message = stored
        return [LogEntry(id, seq, at, event)] if tuple(message) == _message(event) else []

    def _add(self, draft: EntryDraft) -> LogEntry:
        event = draft.event
        conversation, actor, subject = event.conversation.id, event.actor.id, event.subject
        self.last_id += 1
        seq = self.seqs.get(conversation, self._seqs_before.get(conversation, 0)) + 1
        self.seqs[conversation] = seq
        self.last_ids[conversation] = self.last_id
        entry = LogEntry(self.last_id, seq, draft.at, event)
        if draft.ref is not None:
            self._by_ref[actor, draft.ref] = entry
        about = subject.id if subject is not None else None
        body = event.body
        if event.kind == "edited":
            message_id = event.changed_message_id
            body = str(message_id)
            kind, text = event.edited_kind_and_text
            self._updates.append((_EDIT, (text, kind, entry.id, message_id)))
            self._edited.append(message_id)
        elif event.answered_message is not None:
            message_id = event.answered_message.message_id
            self._updates.append((_ANSWER, (message_id, event.answered_message.author.id, entry.id)))
            if event.kind == "reacted":
                self._updates.append((_REACT, (body, actor, entry.id, message_id)))
            elif event.kind == "unreacted":
                self._updates.append((_UNREACT, (message_id, body, actor)))
        self._rows.append((entry.id, conversation, seq, draft.at, event.kind, actor, about, body, draft.ref))
        return entry


def _has_several_clients(tasks: Iterable[JournalTask]) -> bool:
    """Return whether ``tasks`` carry out commands of more than one client."""
    return len({task.client for task in tasks} - {None}) > 1


def _size(task: JournalTask) -> int:
    """Return the number of characters that ``task`` counts for in a transaction."""
    size = RECORD_OVERHEAD_CHARACTERS * len(task.records)
    for record in task.records:
        if isinstance(record, EntryDraft):
            size += len(record.event.body)
    return size


def _message(event: ChatEvent) -> tuple[int, str, str]:
    """Return the conversation id, kind and body of ``event``. Drafts of one message agree in these.

    An action counts as a message: its body says what it is, and it may have been stored as a message before
    there were actions.
    """
    return event.conversation.id, "message" if event.kind == "action" else event.kind, event.body


def _write_last_seen_ids(cursor: Transaction, markers: dict[int, int]) -> None:
    if markers:  # SQLite would prepare the statement for nothing
        cursor.executemany(
            "UPDATE users SET seen = ? WHERE id = ?", [(last, user) for user, last in markers.items()]
        )


def _write_read_marks(cursor: Transaction, marks: dict[tuple[int, int], ReadMarkPosition]) -> None:
    if marks:
        cursor.executemany(
            _MOVE_READ_MARK,
            [(*place, *mark) for place, mark in marks.items()],
        )
