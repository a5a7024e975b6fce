"""What happened: the frozen values that travel from the core to the store and to the dialects."""

from __future__ import annotations

from functools import cached_property
from typing import Final, Literal

import msgspec

Kind = Literal[
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
"""Kinds of log entries: those of `SAID`, and a group's events (`states`)."""

SAID: Final = frozenset(("message", "image"))
"""The kinds of what somebody said; the store's queries and its index name them too."""


class User(msgspec.Struct, frozen=True, eq=False):
    """Somebody who was here once. ``key`` identifies, ``nick`` is shown, ``colour`` is ``#rrggbb``."""

    id: int
    nick: str
    key: str
    colour: str


class Conversation(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A sequence of log entries with its own gapless ``seq``.

    ``name`` is the group's name as shown (empty otherwise); ``pair`` holds the two of a direct
    conversation, lower id first (the same user twice for notes to oneself).
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
"""The conversation of everyone who is connected; its id is fixed by the first migration."""


class Event(msgspec.Struct, frozen=True, eq=False):
    """One decided entry of the log, not yet placed in it.

    ``body`` is the text of a message, the lines of an image, the reason of a kick or ban, the new topic or
    visibility, or ``"owner"`` when a promotion hands the group over.
    """

    kind: Kind
    conversation: Conversation
    actor: User
    subject: User | None = None
    body: str = ""

    @property
    def said(self) -> bool:
        """Whether this is what somebody said, and no event."""
        return self.kind in SAID


class Entry(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """An `Event` with its place in the log: ``id`` overall, ``seq`` in its conversation.

    ``at`` is when it was decided, in ms since 1970.
    """

    id: int
    seq: int
    at: int
    event: Event


class Arrived(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """Presence, told but not stored: ``user`` has come, ``returning`` if known before. ``at`` in ms."""

    user: User
    returning: bool
    at: int


class Departed(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """Presence, told but not stored: ``user`` has gone. ``at`` in ms."""

    user: User
    at: int


Delivery = Entry | Arrived | Departed
"""What an audience can be told."""
