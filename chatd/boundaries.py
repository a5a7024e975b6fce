"""The boundaries between the rooms, as Protocols: what each side may rely on. No logic lives here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from chatd.core.accounts import Secret
from chatd.core.answers import Answer
from chatd.core.events import Conversation, Delivery, Entry, User
from chatd.core.records import EntrySlice, Record, Snapshot
from chatd.core.refusals import Refusal
from chatd.core.requests import Request


class Passwords(Protocol):
    """Hashes and verifies passwords, in a thread.

    ``origin`` is the IPv4 address or IPv6 network that a password comes from; origins take turns. Every
    Deferred fails with `Refusal` ``rate_limited`` if too many passwords wait.
    """

    def hash(self, password: Secret, origin: str) -> Deferred[Secret]:
        """Return the argon2id string of ``password``."""

    def verify(self, hashed: Secret | None, password: Secret, origin: str) -> Deferred[bool]:
        """Return whether ``hashed`` is the hash of ``password``.

        Without a hash the answer is False, and takes as long as for a wrong password.
        """


class Clock(Protocol):
    """A monotonic clock with timers: a reactor, or Twisted's ``Clock`` in tests."""

    def seconds(self) -> float:
        """Seconds since some fixed moment."""

    def callLater(
        self, delay: float, call: Callable[..., object], /, *args: Any, **kwargs: Any
    ) -> IDelayedCall:
        """Call ``call`` after ``delay`` seconds; 0 means in the next iteration of the reactor."""


class Task(Protocol):
    """A unit of work in the journal's queue. Its turn comes when all tasks before it are done.

    The journal then calls exactly one of its first two methods.
    """

    @property
    def records(self) -> Sequence[Record]:
        """What to write, users and conversations before the drafts that mention them; it may be nothing."""

    def committed(self, entries: Sequence[Entry], is_new: bool) -> None:
        """The records are on disk; ``entries`` are the log entries made of the drafts among them.

        ``is_new`` is false if the client's ref was stored before; ``entries`` is empty if that was for some
        other message.
        """

    def aborted(self) -> None:
        """The transaction was rolled back: neither this task nor anything decided after it is on disk."""

    def on_bug(self) -> None:
        """One of the other methods raised, which is a bug. Called while that exception is handled."""


class Journal(Protocol):
    """The writing side of the store: one queue of tasks. It alone gives out ids and seqs."""

    last_delivered_id: int
    """The id of the last entry whose task has had its turn."""

    def __len__(self) -> int:
        """How many tasks wait for the next transaction."""

    def submit(self, task: Task) -> None:
        """Queue ``task``."""

    def store_in_order(self, *records: Record) -> Deferred[Sequence[Entry]]:
        """Fires when all tasks before are done and ``records`` are on disk. Fails with `NotStored`.

        The result is the log entries made of the drafts among ``records``.
        """

    def move_read_marker(self, user: User, last: int) -> None:
        """Move the read marker of ``user`` to the entry id ``last``; the disk follows within seconds."""

    def read_marker(self, user: User) -> int:
        """The read marker of ``user``: the last id known to have been sent to them."""

    def last_id_in(self, conversation: Conversation) -> int:
        """The id of the last stored entry of ``conversation``, 0 if it has none."""

    def resume(self, snapshot: Snapshot) -> None:
        """Continue from ``snapshot`` after a failed transaction."""

    def drained(self) -> Deferred[None]:
        """A Deferred that fires when no task waits and no transaction is under way."""

    def close(self) -> Deferred[None]:
        """Write what is left, and close; the Deferred fires after that."""


class Archive(Protocol):
    """The reading side of the store. Every Deferred fails with `ReadFailed`."""

    def load(self) -> Deferred[Snapshot]:
        """Everything that the daemon keeps in memory."""

    def page(
        self,
        conversation: Conversation,
        events: bool,
        before: int | None,
        after: int | None,
        limit: int,
        size: int,
        max_id: int,
    ) -> Deferred[EntrySlice]:
        """Messages, or with ``events`` events, that have ``after`` < id < ``before`` and id <= ``max_id``.

        If only ``after`` is given, they are the first ones, else the last ones; always oldest first. At most
        ``limit`` entries and ``size`` bytes of bodies, but at least one entry.
        """

    def entries_after(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        size: int,
        max_id: int,
    ) -> Deferred[EntrySlice]:
        """The first entries with ``after`` < id <= ``max_id``: in ``conversations``, or about ``user``."""

    def unread_counts(
        self, conversations: Iterable[Conversation], user: User, after: int, max_id: int
    ) -> Deferred[list[int]]:
        """For each conversation, how many messages of others have ``after`` < id <= ``max_id``."""

    def close(self) -> None:
        """Close the connections."""


Payloads = tuple[bytes, ...]
"""Encoded messages without framing; an empty tuple if this wire has no form for it."""

Framer = Callable[[bytes], bytes]
"""Puts a payload into a frame. Pure, and the same function for all clients that can share frames."""


class Dialect(Protocol):
    """The encoding of messages on one wire. It has no state, so sessions share it and what it encodes."""

    @property
    def greeting(self) -> Payloads:
        """What a client is sent right after it connects."""

    @property
    def requires_login(self) -> bool:
        """Whether every other request before a login is refused with the advice to log in."""

    @property
    def pages(self) -> Literal["none", "directs", "all"]:
        """What a returning user gets a page of: all conversations, or the direct ones where something was
        missed. With none, the missed private messages come like live ones, and a `HistoryHint`.
        """

    @property
    def list_size(self) -> int:
        """The maximum size of an answer that lists log entries, in bytes."""

    @property
    def pace(self) -> float:
        """Seconds between two writes; 0 for clients that can tell where a frame ends."""

    def decode(self, payload: bytes) -> Request | None:
        """What the client asks; None for what has no answer. Never raises: a payload that can't be understood
        is a request with a refusal.
        """

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """The answer to ``request``; empty when this wire has no such answer."""

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """The refusal of ``request``; without one, why the connection closes."""

    def encode(self, delivery: Delivery) -> Payloads:
        """A delivery for all clients of this dialect; empty if they are not sent it."""

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """An event for the user it is about (the invited, the kicked), in whatever room that user is."""


class FrameFormat(NamedTuple):
    """How a client is written to: its dialect, and how its carrier frames payloads.

    ``joins`` says whether the client may be given several frames as one piece; a client that is written to
    at a pace gets them one by one.
    """

    dialect: Dialect
    wrap: Framer
    joins: bool


class Carrier(Protocol):
    """The protocol that cuts and wraps frames, as a session uses it."""

    def framer_for(self, dialect: Dialect) -> Framer:
        """How payloads of ``dialect`` are framed."""

    def next_write(self, frames: deque[bytes]) -> bytes:
        """Take what goes into the next paced write from the front of ``frames``, which is not empty."""

    def pauseProducing(self) -> None:
        """Cut no frame and read nothing until `resumeProducing`."""

    def resumeProducing(self) -> None:
        """Go on, beginning with what was read already."""


class Client(Protocol):
    """A session, as the chat sees it."""

    @property
    def user(self) -> User | None:
        """Who the client is; None before its login."""

    @property
    def updates_read_marker(self) -> bool:
        """Whether what the client gets counts as seen by its user."""

    missed: tuple[int, int | None]
    """The user has missed the entries with ``missed[0]`` < id <= ``missed[1]``; up to now if that is None."""

    max_id: int | None
    """The id of the last entry that could reach the client, once it has departed."""

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""

    @property
    def origin(self) -> str:
        """The IPv4 address or IPv6 network that the client comes from; the same for all on this machine."""

    password: Secret | None
    """The password that the client gave for its next hello; None without one."""

    @property
    def dialect(self) -> Dialect:
        """The dialect that the client is spoken to in."""

    @property
    def frame_format(self) -> FrameFormat:
        """The dialect and the framing for this client."""

    @property
    def leaving(self) -> bool:
        """Whether the session ignores everything that the client still sends."""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""

    @property
    def last_received_id(self) -> int | None:
        """The last id that the client is assumed to have received; None if unknown."""

    def answer(self, request: Request, answer: Answer) -> None:
        """Answer ``request``."""

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Refuse ``request``; None when the connection closes for another reason."""

    def internal_error(self, request: Request | None) -> None:
        """Log the exception that is being handled, and refuse ``request``."""

    def push(self, request: Request, answer: Answer) -> None:
        """Send an answer that the client did not ask for, as if it had sent ``request``."""

    def deliver(self, frame: bytes) -> None:
        """Send an entry of the log; it is held back while the client catches up."""

    def send(self, frame: bytes) -> None:
        """Send a frame that is no log entry."""

    def resend(self, delivery: Delivery, is_subject: bool) -> bool:
        """Send an entry that the client has missed; returns whether this wire has it.

        ``is_subject`` says whether it is an event about the user.
        """

    def log_in(self, user: User, updates_read_marker: bool) -> None:
        """The client is logged in as ``user``.

        ``updates_read_marker`` says whether what it receives moves the user's read marker.
        """

    def undo_login(self) -> None:
        """The login was rolled back: the client has no name."""

    def hold_deliveries(self) -> None:
        """Hold back live deliveries from now on."""

    def release_deliveries(self) -> bool:
        """Send what was held back. False if it was too much: it is dropped, and holding begins again."""

    def wait_until_writable(self) -> Deferred[None] | None:
        """None while more may be sent; else a Deferred that fires when it may."""

    def paused(self) -> AbstractContextManager[None]:
        """While the block runs, no further command of the client is decided."""

    def submit_later(self, request: Request) -> None:
        """Submit ``request`` when the client is no longer paused, before its next command."""

    def leave(self) -> None:
        """Ignore everything that the client still sends."""

    def close(self) -> None:
        """Write what waits, then close the connection."""
