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
    NO_LOG_FILTER,
    EntrySlice,
    JournalRecord,
    LogFilter,
    LogTableRow,
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
        """Return a Deferred of the argon2id hash of ``password``, as an encoded string."""

    def verify(self, hashed: Secret | None, password: Secret, client_network: str | None) -> Deferred[bool]:
        """Return a Deferred that fires with True if ``hashed`` is the hash of ``password``, else with False.

        If ``hashed`` is None, the result is False, after as long a time as for a wrong password.
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
    """The interface of a task in the journal's queue: records to write to disk, and methods that are called
    later.

    The journal completes the tasks in the order of the queue. It calls `on_commit` when the records of the
    task are on disk and all earlier tasks are completed. It calls `on_rollback` if the transaction fails.
    """

    @property
    def records(self) -> Sequence[JournalRecord]:
        """The records to write; there may be none.

        A record of a new user or conversation precedes the entry drafts that refer to it.
        """

    @property
    def client(self) -> object:
        """The session whose command the task carries out, or None if the task has no session."""

    def on_commit(self, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        """Handle that the task's records are on disk.

        ``entries`` are the log entries made from the task's entry drafts. ``is_newly_stored`` is false if the
        database already had an entry with the client's ref (the client's own id of the message). In that case
        ``entries`` holds the stored entry, or is empty if the stored message differs.
        """

    def on_rollback(self) -> None:
        """Handle that the task's transaction, or an earlier one, was rolled back.

        Neither this task nor any later task in the queue is on disk.
        """

    def on_bug(self) -> None:
        """Log the exception that another method of this task has raised because of a bug.

        The journal calls this method in the ``except`` block.
        """


class Journal(Protocol):
    """The interface of the writer of the log on disk.

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
        """The time in seconds since the current transaction began, or 0 if none is under way."""

    def __len__(self) -> int:
        """Return the number of tasks that wait for the next transaction."""

    def submit(self, task: JournalTask) -> None:
        """Append ``task`` to the queue of tasks."""

    def submit_records(self, *records: JournalRecord) -> Deferred[Sequence[LogEntry]]:
        """Append a task that writes ``records`` to the queue.

        Return a Deferred that fires when all earlier tasks are completed and ``records`` are on disk. Its
        result is the log entries that were made from the drafts among ``records``. The Deferred fails with
        `NotStored` if a transaction was rolled back.
        """

    def move_last_seen_id(self, user: User, last_id: int) -> None:
        """Move the last seen id of ``user`` forward to the entry id ``last_id``. It never moves back.

        The last seen id is the id of the last entry that the user is assumed to have received. It is written
        to disk within seconds.
        """

    def get_last_seen_id(self, user: User) -> int:
        """Return the last seen id of ``user``: the id of the last entry that the user is assumed to have
        received.
        """

    def move_read_mark(self, user: User, conversation: Conversation, last_id: int, at: int = 0) -> bool:
        """Move the read mark of ``user`` in ``conversation`` forward to the entry id ``last_id``.

        Return whether the mark has moved. The mark never moves back (see `ReadMarkPosition.moved_to`), and is
        written to disk within seconds. ``at`` is the time that a client has given instead of the id, in
        milliseconds since 1970, or 0.

        ``conversation`` must be on disk. Call this method only when all tasks that were submitted before are
        completed, because one of them may delete the mark.
        """

    def get_read_mark(self, user: User, conversation: Conversation) -> ReadMarkPosition:
        """Return the read mark of ``user`` in ``conversation``: `NO_READ_MARK` if the user has set none."""

    def last_id_in(self, conversation: Conversation) -> int:
        """Return the id of the last entry of ``conversation`` that is on disk, or 0 if the conversation has
        none.
        """

    def last_seq_in(self, conversation: Conversation) -> int:
        """Return the seq of the last entry of ``conversation`` that is on disk, or 0 if the conversation has
        none.

        This is the number of all entries that were ever stored in the conversation, including those that have
        been deleted.
        """

    def resume_from(self, snapshot: Snapshot) -> None:
        """Continue with the last ids and seqs of ``snapshot``, which was read from disk after a failed
        transaction.
        """

    def start_indexing(self) -> None:
        """Start to index the messages that an earlier process has not indexed for search.

        New messages are indexed without this call.
        """

    def erase_deleted_texts(self) -> Deferred[bool]:
        """Empty the write-ahead log, whose older pages may contain texts that have been deleted.

        Return a Deferred that fires afterwards. Its result is False if the write-ahead log can't be emptied
        now. In that case call this method again later.
        """

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires when no task waits and no transaction is under way."""

    def close(self) -> Deferred[None]:
        """Write the pending last seen ids and read marks, and close the database.

        Return a Deferred that fires when this is done.
        """


class Archive(Protocol):
    """The interface of the reader of the log on disk.

    Every Deferred fails with `ReadFailed` if the database can't be read.
    """

    def load_snapshot(self) -> Deferred[Snapshot]:
        """Return a Deferred of all data that the daemon keeps in memory, as they are in the database."""

    def page(
        self,
        conversation: Conversation,
        window: PageIdWindow,
        max_body_bytes: int,
        max_id: int,
        log_filter: LogFilter = NO_LOG_FILTER,
        partial_page: EntrySlice | None = None,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of one page of ``conversation``, oldest entry first.

        The page contains the entries in ``window`` whose id is at most ``max_id``. The texts of all its
        entries have at most ``max_body_bytes`` bytes; a single entry may have more. Entries that
        ``log_filter`` hides are left out.

        If the page has a ``resume_id``, it is incomplete, because too many entries were hidden for one query.
        To continue, call this method again with the same arguments and this page as ``partial_page``.
        """

    def entries_after(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        max_body_bytes: int,
        max_id: int,
        log_filter: LogFilter = NO_LOG_FILTER,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries with ``after`` < id <= ``max_id``.

        The entries are those in ``conversations``, and events of any conversation with ``user`` as their
        subject. There are at most ``limit`` entries, whose texts have at most ``max_body_bytes`` bytes; a
        single entry may have more. Entries that ``log_filter`` hides are left out. If too many entries were
        hidden for one query, the result has a ``resume_id``; to continue, pass it as ``after``.
        """

    def conversation_entries(
        self, conversation: Conversation, after: int, limit: int, max_body_bytes: int, max_id: int
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries of ``conversation`` with ``after`` < id <= ``max_id``.

        There are at most ``limit`` entries, whose texts have at most ``max_body_bytes`` bytes; a single entry
        may have more.
        """

    def user_entries(
        self, user: User, after: int, limit: int, max_body_bytes: int, max_id: int
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries with ``user`` as actor or subject.

        Their ids are larger than ``after`` and at most ``max_id``. There are at most ``limit`` entries, whose
        texts have at most ``max_body_bytes`` bytes; a single entry may have more. The query examines the
        entries of all users in the range, so the range must be short.
        """

    def entry_ids_to_erase(self, user: User, after: int, limit: int, max_id: int) -> Deferred[list[int]]:
        """Return a Deferred of the ids of the entries whose texts must be erased together with the user
        ``user``.

        These are the entries with a text that the user wrote or that is about the user. The result has the
        first ``limit`` of them with ``after`` < id <= ``max_id``. The query examines the entries of all users
        in the range, so the range must be short.
        """

    def reactions_to(self, id: int) -> Deferred[list[tuple[str, int]]]:
        """Return a Deferred of the reactions to the message with the log id ``id``, the oldest first.

        Each is a pair of the reaction and the id of the user.
        """

    def user_ids_joined_before(self, conversation: Conversation, id: int) -> Deferred[list[int]]:
        """Return a Deferred of the ids of the users who joined a group before the log entry ``id``.

        The group is that of ``conversation``. If a user joined several times, the last time counts.
        """

    def entry(self, id: int) -> Deferred[LogTableRow | None]:
        """Return a Deferred of the log entry with the id ``id``, or of None if there is none."""

    def old_message_ids(
        self, conversation: Conversation, after: int, sent_before: int, limit: int
    ) -> Deferred[list[int]]:
        """Return a Deferred of the ids of old messages of ``conversation``, oldest first.

        Examine at most ``limit`` messages with ids larger than ``after``, in the order of ids. Return those
        before the first that was sent at ``sent_before`` (milliseconds since 1970) or later.
        """

    def unread_counts(
        self, ranges: Iterable[UnreadRange], user: User, log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[list[int]]:
        """Return a Deferred of the number of unread messages of ``user`` in each of ``ranges``.

        The numbers are a list in the order of ``ranges``. They count messages of other users in the range
        that ``log_filter`` does not hide. Only the last 1,000 messages of a range are examined.
        """

    def first_ids_since(self, times: Sequence[int], max_id: int) -> Deferred[list[int]]:
        """Return a Deferred of a list that has, for each of ``times``, the id at which later log entries
        begin.

        The times are in milliseconds since 1970. Entries with smaller ids are earlier than the time. Entries
        from this id up to ``max_id`` have that time or a later one. If all entries up to ``max_id`` are
        earlier, the id is ``max_id`` + 1. There need not be an entry with this id.

        Some old entries may not be in the order of time, because the clock was set back. In that case only
        the last entry before the id is sure to be earlier, and only the first entry from the id on is sure
        not to be.
        """

    def last_messages(
        self, conversations: Iterable[Conversation], max_id: int, log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[list[tuple[int, int] | None]]:
        """Return a Deferred of a list that has, for each of ``conversations``, the id and the time of its
        last message.

        The times are in milliseconds since 1970. Only the last 1,000 messages with id <= ``max_id`` are
        examined. Messages that ``log_filter`` hides are skipped. An item is None if no such message is found.
        """

    def entry_times(
        self, places: Iterable[tuple[Conversation, int]], log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[list[int | None]]:
        """Return a Deferred of a list that has, for each of ``places``, a time in milliseconds since 1970.

        Each of ``places`` is a pair of a conversation and an entry id. The time is that of the last entry of
        the conversation with this id or a smaller one. An item is None if there is no such entry, or if the
        entry is hidden because it was made before the reader of ``log_filter`` joined. Entries of ignored
        users are not skipped.
        """

    def search(self, query: SearchQuery, start: int, end: int, limit: int) -> Deferred[SearchStep]:
        """Return a Deferred of a search step: the ids of the first ``limit`` messages that ``query`` matches.

        The search goes from the id ``start`` to the id ``end``, both included, and downwards if ``end`` is
        smaller. If the result has a ``resume_id``, the search has not reached ``end``; to continue, call this
        method again with the ``resume_id`` as ``start``.
        """

    def found_messages(
        self, ids: Sequence[int], max_body_bytes: int, log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the messages with the log ids ``ids``, which a search has found, in that
        order.

        Messages that ``log_filter`` hides, and those whose text has been deleted meanwhile, are left out. The
        texts have at most ``max_body_bytes`` bytes; a single message may have more.
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
    """The interface of the part of a dialect that encodes deliveries: messages and events sent to clients.

    Sessions with the same encoder object share the payloads that it encodes.
    """

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return the payloads of ``delivery``, or none if it is not sent to clients of this dialect."""

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Return the payloads of an event for its subject, such as the invited or the kicked user.

        The subject is sent the event even if the client does not show the conversation, as in another room of
        the TP6 chat room. In that case `encode_delivery` returns no payloads.
        """


class Dialect(Protocol):
    """The interface of a dialect, such as JSON, text, TP6 or IRC. It decodes requests and encodes answers.

    Its `delivery_encoder` encodes deliveries. A dialect object never changes. In most dialects, all sessions
    share one object. In the others, the meaning of a request depends on what the client has sent before.
    There each session, or each group of sessions in the same state, has its own object, and a request names
    the object that replaces it.
    """

    @property
    def wire(self) -> str:
        """The name of the wire (protocol) of this dialect, such as ``irc``, as in ``listen`` of
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
        """Whether requests before the login are refused with the advice to log in."""

    @property
    def shows_groups_as_channels(self) -> bool:
        """Whether clients show the lobby and groups as channels, as in IRC, with the members who are online.

        The welcome shows such a client the channels of its user. When the user joins a group, the client is
        sent the channel of the group.
        """

    @property
    def enters_lobby(self) -> bool:
        """Whether clients are in the lobby from the login on.

        If it is false, a client must send the command to enter the lobby.
        """

    @property
    def receives_watched_user_changes(self) -> bool:
        """Whether a client is sent profile changes of watched users with whom it shares no channel."""

    @property
    def shows_own_messages(self) -> bool:
        """Whether the messages that a user sends in one session are sent to the user's other sessions."""

    @property
    def login_history_scope(self) -> Literal["nothing", "none", "directs", "missed", "all"]:
        """The kind of messages that a returning user is sent after the login, as one of these values:

        - ``all``: the last page of every conversation.
        - ``missed``: the last page of each conversation that has missed messages.
        - ``directs``: the last page of each direct conversation that has missed messages. A `HistoryHint` may
          follow.
        - ``none``: the missed direct messages, each like a new message. A `HistoryHint` may follow.
        - ``nothing``: no messages, because the client reads the log itself.
        """

    @property
    def max_list_bytes(self) -> int:
        """The maximum size in bytes of an answer that is a list, such as a page of the log."""

    @property
    def seconds_between_writes(self) -> float:
        """The pause in seconds between two writes to a client; 0 if the client can tell where each frame
        ends.
        """

    def decode(self, payload: bytes) -> Request | None:
        """Return the request in ``payload``, or None if the payload needs no answer.

        Never raise: for an invalid payload, return a request whose command is a `Refusal`.
        """

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return the payloads of the answer to ``request``, or none if the dialect has no form for the
        answer.
        """

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return the payloads of ``refusal``.

        If ``request`` is None, the refusal answers no request: it gives the reason why the connection closes,
        or reports an internal error.
        """


class FrameFormat(NamedTuple):
    """The format in which deliveries are written to a client: its dialect's encoder and its carrier's
    framing.

    ``wrap`` puts a payload into a frame. ``frames_may_be_joined`` says whether several frames may be written
    at once: it is false for clients that need a delay between two writes.
    """

    encoder: DeliveryEncoder
    wrap: FrameWrapper
    frames_may_be_joined: bool


class Carrier(Protocol):
    """The interface of a carrier, a Twisted protocol that splits a client's input into frames.

    It also puts each outgoing payload into a frame.
    """

    def wrapper_for(self, dialect: Dialect) -> FrameWrapper:
        """Return the function that puts payloads of ``dialect`` into frames."""

    def dequeue_next_write(self, frames: deque[bytes]) -> bytes:
        """Take the bytes of the next write from the front of the queue ``frames`` and return them.

        The session calls this for clients that need a delay between two writes. The queue is not empty.
        """

    def closing_frame(self, refusal: Refusal | None) -> bytes:
        """Return the frame that tells the client that the daemon closes the connection; empty if there is
        none.

        ``refusal`` is the reason for closing, or None if the client has asked for it.
        """

    def pauseProducing(self) -> None:
        """Stop reading from the socket and passing frames to the session, until `resumeProducing` is
        called.
        """

    def resumeProducing(self) -> None:
        """Pass frames to the session again, first those already read, and read from the socket again."""


class Requester(Protocol):
    """The interface of an object that makes requests and receives answers: a session or the control
    socket.
    """

    @property
    def user(self) -> User | None:
        """The user as whom the client has logged in, or None before the login."""

    @property
    def token(self) -> Token | None:
        """The token with which the client has logged in, or None if it has logged in without a token."""

    @property
    def peer(self) -> str:
        """The address of the client, as the daemon's log shows it."""

    @property
    def client_network(self) -> str | None:
        """The IPv4 address or IPv6 network of the client, or None if the client is on the daemon's own
        machine.
        """

    def answer(self, request: Request, answer: Answer) -> None:
        """Send ``answer``, the answer to ``request``, to the client."""

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Send ``refusal``, the refusal of ``request``, to the client.

        If ``request`` is None, the refusal answers no request: it gives the reason why the connection is
        about to close, or reports an internal error.
        """

    def internal_error(self, request: Request | None) -> None:
        """Log the exception that is being handled, which is a bug, and refuse ``request`` with an internal
        error.

        If ``request`` is None, the client is still told that an internal error has occurred.
        """

    def pausing_input(self) -> AbstractContextManager[None]:
        """Return a context manager. The client's next commands wait until its ``with`` block ends."""


class Client(Requester, Protocol):
    """The interface of a session, which serves one connected client, towards the chat."""

    profile: Profile
    """What the client has said about its user, for other clients to show."""

    in_lobby: bool
    """Whether the client is in the lobby: it is sent the messages there, and the arrivals and departures."""

    @property
    def updates_last_seen_id(self) -> bool:
        """Whether sending entries to the client moves the last seen id of its user."""

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
        """The common name in the client's verified TLS certificate, or empty if the client has shown none."""

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
        """Whether the session is about to end or has ended, so that it ignores what the client still
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
        """Send ``frame``, which contains log entries. While missed entries are being sent, hold it back."""

    def send_unstored(self, frame: bytes) -> None:
        """Send ``frame``, which contains no log entry."""

    def send_missed_entries(
        self, entries: Iterable[tuple[LogEntry, bool]], sent: Callable[[LogEntry], None] | None
    ) -> None:
        """Send log entries that the client has missed, in their order, each encoded like a live delivery.

        Each item is a pair of an entry and whether the entry is an event about the client's user. ``sent`` is
        called with each entry that was sent. Entries that the dialect has no form for are not sent.
        """

    def log_in(self, user: User, updates_last_seen_id: bool, token: Token | None) -> None:
        """Make ``user`` the user of this session.

        ``updates_last_seen_id`` says whether sending entries to the client moves the user's last seen id.
        ``token`` is the token with which the client has logged in, or None.
        """

    def undo_login(self) -> None:
        """Undo the login, because its transaction was rolled back. Afterwards the session has no user."""

    def hold_deliveries(self) -> None:
        """Hold back live deliveries until `release_deliveries` is called."""

    def release_deliveries(self) -> bool:
        """Send the live deliveries that were held back, stop holding back, and return True.

        If there were too many to hold back, discard them, start to hold back anew, and return False. The
        caller then sends the discarded entries from the log.
        """

    def wait_until_writable(self) -> Deferred[None] | None:
        """Return None if the client can take more data now, else a Deferred that fires when it can.

        The Deferred also fires when the connection is gone.
        """

    def submit_after_pause(self, request: Request) -> None:
        """Submit ``request`` as soon as the session is no longer paused, before the client's next command."""

    def ignore_input(self) -> None:
        """Ignore everything that the client still sends."""

    def close(self) -> None:
        """Write the queued frames, then close the connection."""
