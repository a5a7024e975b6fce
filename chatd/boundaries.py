"""The boundaries between the rooms, as Protocols: what each side may rely on. No logic lives here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from chatd.core.answers import Answer
from chatd.core.events import Conversation, Delivery, Entry, User
from chatd.core.limits import Limits
from chatd.core.records import Record, Slice, Snapshot
from chatd.core.refusals import Refusal
from chatd.core.requests import Request


class Clock(Protocol):
    """A monotonic clock with timers: a reactor, or Twisted's ``Clock`` in tests."""

    def seconds(self) -> float:
        """Seconds since some fixed moment."""

    def callLater(
        self, delay: float, call: Callable[..., object], /, *args: Any, **kwargs: Any
    ) -> IDelayedCall:
        """Call ``call`` after ``delay`` seconds; 0 means in the next iteration of the reactor."""


class Task(Protocol):
    """Something that takes a turn in the journal. The journal calls exactly one of its first two methods."""

    @property
    def records(self) -> Sequence[Record]:
        """What to write: users and conversations before the drafts that mention them. Empty: only wait."""

    def committed(self, entries: Sequence[Entry], is_new: bool) -> None:
        """The records are on disk; ``entries`` are the drafts with their places in the log.

        ``is_new`` is false when the ref of the draft was stored before. ``entries`` is empty when it was
        stored for another message.
        """

    def aborted(self) -> None:
        """The transaction was rolled back: neither this task nor anything decided after it is on disk."""

    def crashed(self) -> None:
        """A method above raised, which is a bug; called while the exception is handled."""


class Journal(Protocol):
    """The writing side of the store: one order of turns, and the only place that gives out ids and seqs."""

    last_delivered_id: int
    """The id of the last entry whose task has had its turn."""

    def __len__(self) -> int:
        """How many tasks wait for the next transaction."""

    def submit(self, task: Task) -> None:
        """Queue ``task``."""

    def turn(self, *records: Record) -> Deferred[None]:
        """Fires at its place in the order of turns, with ``records`` on disk. Fails with `NotStored`."""

    def note_seen(self, user: User, last: int) -> None:
        """Move the read marker of ``user`` to the entry ``last``; it is written within seconds."""

    def seen(self, user: User) -> int:
        """The read marker of ``user``: the last id known to have gone to them."""

    def last_in(self, conversation: Conversation) -> int:
        """The id of the last stored entry of ``conversation``, 0 if it has none."""

    def resume(self, snapshot: Snapshot) -> None:
        """Go on from ``snapshot`` after a failed transaction."""

    def drained(self) -> Deferred[None]:
        """Fires when no task waits and no transaction is under way."""

    def close(self) -> Deferred[None]:
        """Write what is left to write, and close; fires after that."""


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
    ) -> Deferred[Slice]:
        """Messages (or else events) with ``after`` < id < ``before`` and id <= ``max_id``, oldest first.

        The first ones when ``after`` alone is given, else the last ones: at most ``limit`` entries, and
        ``size`` bytes of bodies unless one entry alone is larger.
        """

    def following(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        size: int,
        max_id: int,
    ) -> Deferred[Slice]:
        """The first entries with ``after`` < id <= ``max_id``: in ``conversations``, or about ``user``."""

    def unread(
        self, conversations: Iterable[Conversation], user: User, after: int, max_id: int
    ) -> Deferred[list[int]]:
        """For each conversation, how many messages of others have ``after`` < id <= ``max_id``."""

    def close(self) -> None:
        """Close the connections."""


class Dialect(Protocol):
    """One way of speaking, without any state of its own: sessions share it, and so what it has encoded."""

    @property
    def greeting(self) -> bytes:
        """What a new client is sent, before it says anything."""

    @property
    def requires_login(self) -> bool:
        """Whether a client without a name is asked for it whatever else it sends."""

    @property
    def pages(self) -> Literal["none", "directs", "all"]:
        """What a returning user gets a page of: all conversations, or the direct ones where something was
        missed. With none, the private messages missed come as if told now, and a `HistoryHint`.
        """

    @property
    def list_size(self) -> int:
        """The largest answer that lists entries of the log, in bytes. A page is read no further."""

    @property
    def pace(self) -> float:
        """Seconds between two writes; 0 for clients that can tell where a frame ends."""

    @property
    def portion(self) -> int:
        """Bytes in one write at most, where there is a pace; 0 for one line, or one frame without any."""

    def decode(self, frame: bytes) -> Request | None:
        """What the client asks; None for what has no answer. Never raises: what can't be understood is a
        request with a refusal.
        """

    def encode_answer(self, request: Request, answer: Answer) -> bytes:
        """The frame that answers ``request``; empty when this wire has no such answer."""

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> bytes:
        """The frame that refuses ``request``, or that says why the connection closes when there is none."""

    def encode(self, delivery: Delivery) -> bytes:
        """The frame for an event, the same for all who speak this dialect; empty if they don't hear it."""

    def encode_for_subject(self, delivery: Delivery) -> bytes:
        """The frame for the user whom an event is about (who was invited, kicked), wherever that user is."""


Wires = Mapping[str, Mapping[str, Callable[[Limits], Dialect]]]
"""What each module of this package brings as its ``WIRES``: the name that a listener has a wire by -> the
carriers that its frames may travel by, each with what makes its dialect. Of several the first bytes of a
client decide, and the first is for whoever begins in no other way.
"""


class Client(Protocol):
    """A session, as the chat sees it."""

    user: User | None
    """Who the client is; None before its login."""

    updates_read_marker: bool
    """Whether what the client gets counts as seen by its user."""

    missed: tuple[int, int | None]
    """The user has missed the entries with ``missed[0]`` < id <= ``missed[1]``; up to now if that is None."""

    max_id: int | None
    """The id of the last entry that could reach the client, once it has departed."""

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""

    @property
    def dialect(self) -> Dialect:
        """What the client is spoken to in."""

    @property
    def leaving(self) -> bool:
        """Whether nothing that the client sends counts any more."""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""

    @property
    def seen(self) -> int | None:
        """The last id that the client, which is gone, can be taken to have got; None if that is not known."""

    def answer(self, request: Request, answer: Answer) -> None:
        """Answer ``request``."""

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Refuse ``request``; None when the connection closes for another reason."""

    def internal_error(self, request: Request | None) -> None:
        """Log the exception that is being handled, and refuse ``request``."""

    def deliver(self, frame: bytes) -> None:
        """Send an entry of the log; it is held back while the client catches up."""

    def send(self, frame: bytes) -> None:
        """Send what has no place in the log, or a page that was read from it."""

    def resend(self, frame: bytes) -> None:
        """Send an entry that the client has missed."""

    def hold(self) -> None:
        """Hold back live deliveries from now on."""

    def release(self) -> bool:
        """Send what was held back. False when it was too much: then holding back begins anew."""

    def room(self) -> Deferred[None] | None:
        """None while more may be sent; else a Deferred that fires when it may."""

    def paused(self) -> AbstractContextManager[None]:
        """While the block runs, no further command of the client is decided."""

    def ask_later(self, request: Request) -> None:
        """Decide ``request`` when nothing pauses the client any more, before its next command."""

    def leave(self) -> None:
        """Count nothing that the client still sends."""

    def close(self) -> None:
        """Write what waits, then close the connection."""
