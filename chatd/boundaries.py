"""The interfaces between chatd's packages, as Protocols: journal, archive, dialect, session and others.

This module contains no logic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from chatd.core.accounts import Credential, Secret
from chatd.core.answers import Answer, Profile
from chatd.core.counters import Histogram
from chatd.core.events import Conversation, Delivery, LogEntry, User
from chatd.core.read_marks import ReadMarkPosition
from chatd.core.records import (
    NO_FILTER,
    EntryRow,
    EntrySlice,
    JournalRecord,
    LogFilter,
    PageIdWindow,
    SearchQuery,
    SearchStep,
    Snapshot,
    UnreadRange,
)
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.tokens import Token


class PasswordHasher(Protocol):
    """The interface of an object that hashes and verifies passwords in a thread.

    ``client_network`` is the IPv4 address or IPv6 network of the client that sent the password, or None if
    the client is on the daemon's own machine. The networks take turns, so that many passwords from one
    network do not delay those from others. Every Deferred fails with `Refusal` ``rate_limited`` if too many
    passwords wait.
    """

    def hash(self, password: Secret, client_network: str | None) -> Deferred[Secret]:
        """Return a Deferred of the argon2id string of ``password``."""

    def verify(self, hashed: Secret | None, password: Secret, client_network: str | None) -> Deferred[bool]:
        """Return a Deferred of whether ``hashed`` is the hash of ``password``.

        If ``hashed`` is None, the result is False and takes as long as for a wrong password.
        """


class Clock(Protocol):
    """The interface of a monotonic clock with timers: a Twisted reactor, or ``Clock`` in tests."""

    def seconds(self) -> float:
        """Return the time in seconds since a fixed but arbitrary moment."""

    def callLater(
        self, delay: float, call: Callable[..., object], /, *args: Any, **kwargs: Any
    ) -> IDelayedCall:
        """Call ``call`` after ``delay`` seconds. A delay of 0 means the next iteration of the reactor."""


class JournalTask(Protocol):
    """The interface of a task in the journal's queue: records to write, and methods to call afterwards.

    The journal completes the tasks in the order of the queue. It calls `on_commit` when the records of this
    task are on disk and all earlier tasks are completed. It calls `on_rollback` if the transaction fails.
    """

    @property
    def records(self) -> Sequence[JournalRecord]:
        """The records to write; may be empty. A user or conversation record precedes the entry drafts that
        refer to it.
        """

    @property
    def client(self) -> object:
        """The session whose command the task carries out, or None."""

    def on_commit(self, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        """Handle that the task's records are on disk.

        ``entries`` are the log entries made from the task's entry drafts. ``is_newly_stored`` is false if the
        database already had an entry with the client's ref (the client's own id of the message). In that case
        ``entries`` holds the stored entry, or is empty if the stored message differs.
        """

    def on_rollback(self) -> None:
        """Handle that this task is given up: its transaction, or an earlier one, was rolled back.

        Neither this task nor any later task in the queue is on disk.
        """

    def on_bug(self) -> None:
        """Report that another method of this task has raised an exception, which is a bug.

        The journal calls this method in the ``except`` block, so that the exception can be logged.
        """


class Journal(Protocol):
    """The interface of the writer of the log.

    Tasks wait in one queue and are written in its order. The journal gives each log entry its id, which
    numbers all entries, and its seq, which numbers the entries of one conversation.
    """

    last_delivered_id: int
    """The id of the last log entry whose task was completed."""

    database_bytes: int
    """The size of the database on the disk in bytes, when it was last measured."""

    is_failing: bool
    """Whether the last transaction failed."""

    failed_commits: int
    """The number of transactions that failed since the start."""

    commit_duration_histogram: Histogram
    """The durations of the transactions that succeeded, in seconds."""

    commit_size_histogram: Histogram
    """The numbers of tasks in the transactions that succeeded."""

    @property
    def current_transaction_seconds(self) -> float:
        """The seconds for which the present transaction has been under way, or 0 if there is none."""

    def __len__(self) -> int:
        """Return the number of tasks that wait for the next transaction."""

    def submit(self, task: JournalTask) -> None:
        """Append ``task`` to the queue."""

    def submit_records(self, *records: JournalRecord) -> Deferred[Sequence[LogEntry]]:
        """Append ``records`` to the queue as one task.

        Return a Deferred that fires when all earlier tasks are completed and ``records`` are on disk. Its
        result is the log entries that were made of the drafts among ``records``. It fails with `NotStored` if
        a transaction was rolled back.
        """

    def move_last_seen_id(self, user: User, last_id: int) -> None:
        """Move the last seen id of ``user`` forward to the entry id ``last_id``. It never moves back.

        The last seen id is written to disk within seconds.
        """

    def get_last_seen_id(self, user: User) -> int:
        """Return the last seen id of ``user``: the id of the last entry that the user is assumed to have
        received.
        """

    def move_read_mark(self, user: User, conversation: Conversation, last_id: int, at: int = 0) -> bool:
        """Move the read mark of ``user`` in ``conversation`` forward to the entry id ``last_id``.

        ``at`` is the time that a client has given instead of the id, in milliseconds since 1970, or 0. The
        mark never moves back (see `ReadMarkPosition.moved_to`). Return whether it has moved. It is written to
        disk within seconds.

        ``conversation`` must be on disk. Call this method only when all tasks that were submitted before are
        completed: one of them may delete the mark.
        """

    def get_read_mark(self, user: User, conversation: Conversation) -> ReadMarkPosition:
        """Return the read mark of ``user`` in ``conversation``: `NO_READ_MARK` if the user has set none."""

    def last_id_in(self, conversation: Conversation) -> int:
        """Return the id of the last entry of ``conversation`` that is on disk, or 0 if it has none."""

    def last_seq_in(self, conversation: Conversation) -> int:
        """Return the seq of the last entry of ``conversation`` that is on disk, or 0 if it has none.

        This is the number of all entries that were ever stored in the conversation, including those deleted
        since.
        """

    def resume_from(self, snapshot: Snapshot) -> None:
        """Take the last ids and seqs from ``snapshot``, which was read after a failed transaction."""

    def start_indexing(self) -> None:
        """Index for search what an earlier process has left. New entries are indexed without this call."""

    def erase_deleted_texts(self) -> Deferred[bool]:
        """Empty the write-ahead log, whose older pages may contain texts that were deleted since.

        Return a Deferred that fires afterwards. Its result is False if the write-ahead log can't be emptied
        now. In that case call again later.
        """

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires when no task waits and no transaction is under way."""

    def close(self) -> Deferred[None]:
        """Write the pending last seen ids and read marks, and close the database.

        Return a Deferred that fires after that.
        """


class Archive(Protocol):
    """The interface of the reader of the log.

    Every Deferred fails with `ReadFailed` if the database can't be read.
    """

    def load_snapshot(self) -> Deferred[Snapshot]:
        """Return a Deferred of all data that the daemon keeps in memory, read from the database."""

    def page(
        self,
        conversation: Conversation,
        window: PageIdWindow,
        max_body_bytes: int,
        max_id: int,
        log_filter: LogFilter = NO_FILTER,
        partial_page: EntrySlice | None = None,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of one page of ``conversation``, oldest entry first.

        The page contains entries in ``window`` with id <= ``max_id``. It has at most ``max_body_bytes`` bytes
        of bodies; a single entry may have more bytes. Entries that ``log_filter`` hides are left out.

        If the page has a ``resume_id``, it is incomplete: too many entries were hidden for one query. Call
        again with the same arguments and this page as ``partial_page`` to go on.
        """

    def entries_after(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        max_body_bytes: int,
        max_id: int,
        log_filter: LogFilter = NO_FILTER,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries with ``after`` < id <= ``max_id``.

        The entries are those in ``conversations``, and events of any conversation with ``user`` as their
        subject. There are at most ``limit`` entries with at most ``max_body_bytes`` bytes of bodies; a single
        entry may have more bytes. Entries that ``log_filter`` hides are left out. If the query has stopped
        early because too many entries were hidden, the result has a ``resume_id``: pass it as ``after`` to go
        on.
        """

    def conversation_entries(
        self, conversation: Conversation, after: int, limit: int, max_body_bytes: int, max_id: int
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries of ``conversation`` with ``after`` < id <= ``max_id``.

        There are at most ``limit`` entries with at most ``max_body_bytes`` bytes of bodies; a single entry
        may have more bytes.
        """

    def user_entries(
        self, user: User, after: int, limit: int, max_body_bytes: int, max_id: int
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries with ``user`` as actor or subject.

        Their ids are larger than ``after`` and at most ``max_id``. There are at most ``limit`` entries with
        at most ``max_body_bytes`` bytes of bodies; a single entry may have more bytes. The query examines the
        entries of all users in the range, so the range must be short.
        """

    def entry_ids_to_erase(self, user: User, after: int, limit: int, max_id: int) -> Deferred[list[int]]:
        """Return a Deferred of the ids of entries whose texts are erased with the erased user ``user``.

        Those are entries with a text by ``user`` or about ``user``. The result is the first ``limit`` of them
        with ``after`` < id <= ``max_id``. The query examines the entries of all users in the range, so the
        range must be short.
        """

    def reactions_to(self, id: int) -> Deferred[list[tuple[str, int]]]:
        """Return a Deferred of the reactions to the message ``id``, the oldest first: each with the id of the
        user.
        """

    def user_ids_joined_before(self, conversation: Conversation, id: int) -> Deferred[list[int]]:
        """Return a Deferred of the ids of the users whose last joining of the group of ``conversation`` has a
        smaller id than ``id``.
        """

    def entry(self, id: int) -> Deferred[EntryRow | None]:
        """Return a Deferred of the log entry ``id``, or of None if there is none."""

    def old_message_ids(
        self, conversation: Conversation, after: int, sent_before: int, limit: int
    ) -> Deferred[list[int]]:
        """Return a Deferred of the ids of old messages of ``conversation``, oldest first.

        Examine at most ``limit`` messages with ids larger than ``after``, in the order of ids. Return those
        before the first that was sent at ``sent_before`` (milliseconds since 1970) or later.
        """

    def unread_counts(
        self, ranges: Iterable[UnreadRange], user: User, log_filter: LogFilter = NO_FILTER
    ) -> Deferred[list[int]]:
        """Return a Deferred of a list: for each of ``ranges``, the number of messages that ``user`` has not
        read.

        These are messages of other users in the range that ``log_filter`` does not hide. Only the last 1,000
        messages of a range are examined.
        """

    def first_ids_since(self, times: Sequence[int], max_id: int) -> Deferred[list[int]]:
        """Return a Deferred of a list: for each of ``times``, an id that separates earlier entries from later
        ones.

        The times are in milliseconds since 1970. Entries with smaller ids are earlier than the time. Entries
        from this id up to ``max_id`` have that time or a later one. If all entries up to ``max_id`` are
        earlier, the id is ``max_id`` + 1. There need not be an entry with this id.

        Some old entries may be out of the order of time, because the clock was set back. In that case the
        last entry before the id is earlier, and the first entry from the id on is not.
        """

    def last_messages(
        self, conversations: Iterable[Conversation], max_id: int, log_filter: LogFilter = NO_FILTER
    ) -> Deferred[list[tuple[int, int] | None]]:
        """Return a Deferred of a list: for each of ``conversations``, the id and the time of its last
        message.

        The times are in milliseconds since 1970. Only the last 1,000 messages with id <= ``max_id`` are
        examined. Messages that ``log_filter`` hides are skipped. An item is None if no such message is found.
        """

    def entry_times(
        self, places: Iterable[tuple[Conversation, int]], log_filter: LogFilter = NO_FILTER
    ) -> Deferred[list[int | None]]:
        """Return a Deferred of a list: for each of ``places``, a time in milliseconds since 1970.

        A place is a conversation and an entry id. Its time is that of the last entry of the conversation with
        this id or a smaller one. The item is None if there is no such entry, or if the entry was made before
        the reader of ``log_filter`` has joined and is hidden for this reason. Entries of ignored users are
        not skipped.
        """

    def search(self, query: SearchQuery, start: int, end: int, limit: int) -> Deferred[SearchStep]:
        """Return a Deferred of the ids of the first ``limit`` messages that ``query`` finds.

        The search goes from the id ``start`` to the id ``end``, both included, down if ``end`` is smaller. If
        the step has a ``resume_id``, it has ended before: call again with that as ``start`` to go on.
        """

    def found_messages(
        self, ids: Sequence[int], max_body_bytes: int, log_filter: LogFilter = NO_FILTER
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the messages with ``ids``, in that order, which a search has found.

        Messages that ``log_filter`` hides, and those whose text was deleted since, are left out. There are at
        most ``max_body_bytes`` bytes of bodies; a single message may have more.
        """

    def close(self) -> None:
        """Close the connections to the database."""


Payloads = tuple[bytes, ...]
"""Encoded messages without framing, in the order in which they are sent.

The tuple is empty if the dialect has no form for the message.
"""

FrameWrapper = Callable[[bytes], bytes]
"""A pure function that puts a payload into a frame.

Fan-out compares these functions by identity: clients that receive the same bytes must share one function
object.
"""


class DeliveryEncoder(Protocol):
    """The interface of the part of a dialect that encodes deliveries.

    Sessions with the same encoder object share the payloads that it encodes.
    """

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return the payloads of ``delivery``, or no payloads if clients of this dialect are not sent it."""

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Return the payloads of an event for its subject, such as the invited or the kicked user.

        The subject is sent the event even if the client does not show the conversation, as in another room of
        the TP6 chat room. `encode_delivery` returns no payloads in that case.
        """


class Dialect(Protocol):
    """The interface of a dialect, such as JSON, text, TP6 or IRC: it decodes requests and encodes answers.

    Its `delivery_encoder` encodes deliveries. A dialect object never changes. In most dialects, sessions
    share one object. In the others, the meaning of a request depends on what the client has sent before.
    There each session, or each group of sessions in the same state, has its own object, and a request names
    the object that replaces it.
    """

    @property
    def wire(self) -> str:
        """The name of the wire on which clients speak this dialect, such as ``irc``, as in ``listen`` of
        chatd.toml.
        """

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The encoder of the deliveries to clients of this dialect. It may be the dialect itself."""

    @property
    def greeting(self) -> Payloads:
        """The payloads that are sent to a client right after it connects."""

    @property
    def requires_login(self) -> bool:
        """Whether a client must log in before other requests, which are refused with the advice to log in."""

    @property
    def has_channels(self) -> bool:
        """Whether clients show the lobby and groups as channels, as in IRC, with the members who are online.

        The welcome shows such a client the channels of its user. When the user joins a group, the client is
        shown the channel of the group.
        """

    @property
    def enters_lobby(self) -> bool:
        """Whether clients are in the lobby from the login on.

        If it is false, a client is in the lobby only after it has sent the command to enter it.
        """

    @property
    def receives_watched_user_changes(self) -> bool:
        """Whether a client is told of profile changes of the users whom it watches and shares no channel
        with.
        """

    @property
    def shows_own_messages(self) -> bool:
        """Whether a client is delivered the messages that its user has sent in other sessions."""

    @property
    def login_history_scope(self) -> Literal["nothing", "none", "directs", "missed", "all"]:
        """Which messages a returning user is sent after the login, as one of these values:

        - ``all``: the last page of every conversation.
        - ``missed``: the last page of each conversation that has missed messages.
        - ``directs``: the last page of each direct conversation that has missed messages. A `HistoryHint` may
          follow.
        - ``none``: the missed direct messages, each like a new message. A `HistoryHint` may follow.
        - ``nothing``: no messages, because the client reads the log itself.
        """

    @property
    def max_list_bytes(self) -> int:
        """The maximum size of an answer that is a list, such as a page of the log, in bytes."""

    @property
    def seconds_between_writes(self) -> float:
        """The seconds between two writes to a client; 0 if the client can tell where each frame ends."""

    def decode(self, payload: bytes) -> Request | None:
        """Return the request in ``payload``, or None if the payload needs no answer.

        Never raise: for an invalid payload, return a request whose command is a `Refusal`.
        """

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return the payloads of the answer to ``request``, or no payloads if the dialect has no such
        answer.
        """

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return the payloads that tell the client of ``refusal``.

        If ``request`` is None, the refusal answers no request: it says why the connection closes, or tells of
        an internal error.
        """


class FrameFormat(NamedTuple):
    """The format in which deliveries are written to a client: the encoder of its dialect, and the framing of
    its carrier.

    ``wrap`` puts a payload into a frame. ``frames_may_be_joined`` says whether several frames may be written
    at once: it is false for clients that need a delay between two writes.
    """

    encoder: DeliveryEncoder
    wrap: FrameWrapper
    frames_may_be_joined: bool


class Carrier(Protocol):
    """The interface of a carrier: a Twisted protocol that splits the input of a client into frames, and puts
    each outgoing payload into a frame.
    """

    def wrapper_for(self, dialect: Dialect) -> FrameWrapper:
        """Return the function that puts payloads of ``dialect`` into frames."""

    def dequeue_next_write(self, frames: deque[bytes]) -> bytes:
        """Take the bytes of the next write from the front of the queue ``frames`` and return them.

        The session calls this for clients that need a delay between two writes. The queue is not empty.
        """

    def closing_frame(self, refusal: Refusal | None) -> bytes:
        """Return the frame that tells the client that the daemon closes the connection, or no bytes.

        ``refusal`` is why the daemon closes it; None if the client has asked for it.
        """

    def pauseProducing(self) -> None:
        """Read nothing from the socket and pass no frame to the session until `resumeProducing` is called."""

    def resumeProducing(self) -> None:
        """Pass frames to the session again, first those already read, then read from the socket."""


class Requester(Protocol):
    """The interface of an object that makes requests and gets answers: a session or the control socket."""

    @property
    def user(self) -> User | None:
        """The user whom the client has logged in as; None before the login."""

    @property
    def token(self) -> Token | None:
        """The token that the client has logged in with; None if it has logged in without one."""

    @property
    def peer(self) -> str:
        """The address of the client, as the daemon's log shows it."""

    @property
    def client_network(self) -> str | None:
        """The IPv4 address or IPv6 network of the client, or None if it is on the daemon's own machine."""

    def answer(self, request: Request, answer: Answer) -> None:
        """Send ``answer`` to ``request``."""

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Send ``refusal`` of ``request``.

        ``request`` is None if the refusal answers no request: it says why the connection is about to close,
        or tells of an internal error.
        """

    def internal_error(self, request: Request | None) -> None:
        """Log the exception that is being handled, a bug, and refuse ``request`` with an internal error.

        If ``request`` is None, the client is nevertheless told that an internal error has occurred.
        """

    def pausing_input(self) -> AbstractContextManager[None]:
        """Return a context manager that makes the client's next commands wait until its block ends."""


class Client(Requester, Protocol):
    """The interface that a session, which serves one connected client, offers to the chat."""

    profile: Profile
    """What the client has said about its user, for other clients to show."""

    in_lobby: bool
    """Whether the client is in the lobby: it is sent the messages there, and the arrivals and departures."""

    @property
    def updates_last_seen_id(self) -> bool:
        """Whether the entries sent to the client move its user's last seen id."""

    missed_range: tuple[int, int | None]
    """The range of entry ids that the user has missed, as a tuple (after, last): after < id <= last.

    If ``last`` is None, the range has no upper end.
    """

    last_id_at_login: int
    """The id of the last entry that was delivered before the client was welcomed. 0 before that."""

    last_id_at_departure: int | None
    """The id of the last entry that was delivered before the client was logged out. None before that, and for
    a client that never got deliveries.
    """

    @property
    def client_certificate_name(self) -> str:
        """The common name in the client's verified TLS certificate; empty if it has shown none."""

    password: Secret | None
    """The password that the client has given for its next hello, or None."""

    verified_credential: Credential | Token | None
    """What the client has proved to have before its login: a credential or a token; None if it has proved
    nothing.

    The next login as the same user needs no password.
    """

    @property
    def dialect(self) -> Dialect:
        """The dialect (JSON, text, TP6 or IRC) in which the daemon writes to the client."""

    @property
    def frame_format(self) -> FrameFormat:
        """The encoder and the framing of what is delivered to the client."""

    @property
    def is_closing(self) -> bool:
        """Whether the session is about to end or has ended. It ignores everything that the client still
        sends.
        """

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""

    @property
    def last_received_id(self) -> int | None:
        """The id of the last entry that the client is assumed to have received.

        It is None if the id is unknown, or if the session does not move its user's last seen id.
        """

    def push_answer(self, request: Request, answer: Answer) -> None:
        """Send ``answer`` to a client that did not ask for it, such as the missed messages after a login.

        It is encoded as the answer to ``request``, which the daemon has made up for this purpose.
        """

    def send_stored(self, frame: bytes) -> None:
        """Send ``frame``, which contains log entries, or hold it back while missed entries are sent."""

    def send_unstored(self, frame: bytes) -> None:
        """Send ``frame``, which contains no log entry."""

    def send_missed_entries(
        self, entries: Iterable[tuple[LogEntry, bool]], sent: Callable[[LogEntry], None] | None
    ) -> None:
        """Send log entries that the client has missed, in their order, each encoded like a live delivery.

        Each entry is paired with whether it is an event about the client's user. ``sent`` is called with each
        entry that was sent. Entries that the dialect has no form for are not sent.
        """

    def log_in(self, user: User, updates_last_seen_id: bool, token: Token | None) -> None:
        """Make ``user`` the user of this session.

        ``updates_last_seen_id`` says whether the entries sent to the client move the user's last seen id.
        ``token`` is the token that the client has logged in with, or None.
        """

    def undo_login(self) -> None:
        """Undo the login, because its transaction was rolled back. The client has no nick afterwards."""

    def hold_deliveries(self) -> None:
        """Hold back live deliveries until `release_deliveries` is called."""

    def release_deliveries(self) -> bool:
        """Send the live deliveries that were held back, and stop holding back. Return True.

        If there were too many to hold back, discard them, begin to hold back anew, and return False. The
        caller then sends the discarded entries from the log.
        """

    def wait_until_writable(self) -> Deferred[None] | None:
        """Return None if more may be sent to the client now. Otherwise return a Deferred that fires when more
        may be sent, or when the connection is gone.
        """

    def submit_after_pause(self, request: Request) -> None:
        """Submit ``request`` once the session is no longer paused, before the client's next command."""

    def ignore_input(self) -> None:
        """Ignore everything that the client still sends."""

    def close(self) -> None:
        """Write the queued frames, then close the connection."""
