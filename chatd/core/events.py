"""Users, conversations, events and entries: frozen values that the core, the store and the dialects share."""

from __future__ import annotations

from functools import cached_property
from typing import Final, Literal

import msgspec

EventKind = Literal[
    "message",
    "image",
    "created",
    "joined",
    "left",
    "invited",
    "kicked",
    "banned",
    "unbanned",
    "promoted",
    "demoted",
    "visibility",
    "topic",
]
"""The kinds of log entries: messages (`MESSAGE_KINDS`) and the events of groups (``states``)."""

MESSAGE_KINDS: Final = frozenset(("message", "image"))
"""The kinds that are messages; the queries and an index of the store name them as well."""


class User(msgspec.Struct, frozen=True, eq=False):
    """A user, connected or not. ``nick`` is shown, ``key`` identifies, ``colour`` is ``#rrggbb``."""

    id: int
    nick: str
    key: str
    colour: str


class Conversation(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A sequence of log entries with its own gapless ``seq``.

    ``name`` is the shown name of a group, else empty. ``pair`` has the two users of a direct conversation,
    the lower id first; it has the same user twice for notes to oneself.
    """

    id: int
    kind: Literal["lobby", "group", "direct"]
    name: str = ""
    pair: tuple[User, ...] = ()

    @cached_property
    def participants(self) -> tuple[int, ...]:
        """The ids of ``pair``, ascending, one id for notes to oneself: the same tuple every time."""
        return tuple(sorted({user.id for user in self.pair}))

    def other(self, user: User) -> User:
        """The other user of this direct conversation; ``user`` itself for notes to oneself."""
        low, high = self.pair
        return high if low.id == user.id else low


LOBBY = Conversation(1, "lobby")
"""The conversation of everyone connected. The first migration of the store fixes its id."""


class Event(msgspec.Struct, frozen=True, eq=False):
    """A decided event, message or not, that has no place in the log yet.

    ``actor`` is the author. ``subject`` is the user whom the event is about, or the other user of a direct
    conversation. ``body`` is the text of a message, the lines of an image, the reason of a kick or ban, the
    new topic or visibility, or ``"owner"`` if a promotion hands the group over.
    """

    kind: EventKind
    conversation: Conversation
    actor: User
    subject: User | None = None
    body: str = ""

    @property
    def is_message(self) -> bool:
        """Whether this is a message or an image, rather than an event of a group."""
        return self.kind in MESSAGE_KINDS


class Entry(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """An `Event` with its place in the log: ``id`` among all entries, ``seq`` in its conversation.

    ``at`` is the time of the decision, in ms since 1970.
    """

    id: int
    seq: int
    at: int
    event: Event


class Arrived(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """Presence, delivered but not stored: ``user`` logged in, ``returning`` if known before. ``at`` in ms."""

    user: User
    returning: bool
    at: int


class Departed(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """Presence, delivered but not stored: ``user`` is gone. ``at`` in ms."""

    user: User
    at: int


Delivery = Entry | Arrived | Departed
"""What a session can be sent besides answers."""
