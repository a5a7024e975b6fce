"""Answers to one client: frozen values that each dialect encodes in its own way."""

from __future__ import annotations

import msgspec

from chatd.core.declarations import Declaration
from chatd.core.events import Conversation, Entry, User


class Ack(msgspec.Struct, frozen=True, eq=False):
    """The command is on disk as the entry ``logged``; for a message sent twice, as that of the first time."""

    logged: Entry


class Unchanged(msgspec.Struct, frozen=True, eq=False):
    """The command asked for what is so already, in ``group``; an empty name is the lobby."""

    group: str


class Welcome(msgspec.Struct, frozen=True, eq=False):
    """The client is logged in as ``user``, who is ``returning`` if known before.

    ``cursor`` is the last id of the log, for the ``since`` of a later hello. ``seen`` is the user's read
    marker: the entries that the user missed have larger ids.
    """

    user: User
    returning: bool
    cursor: int
    seen: int


class Account(msgspec.Struct, frozen=True, eq=False):
    """A command on an account was carried out; ``registered`` says whether ``nick`` has a password now."""

    nick: str
    registered: bool


class Clients(msgspec.Struct, frozen=True, eq=False):
    """The nicks of the users who are connected, in the order of arrival."""

    nicks: tuple[str, ...]


class Member(msgspec.Struct, frozen=True, eq=False):
    """A member of a group: ``role`` is owner, operator or member; ``online`` is whether a session is open."""

    nick: str
    role: str
    online: bool


class Members(msgspec.Struct, frozen=True, eq=False):
    """The members of ``group``, longest-standing first."""

    group: str
    members: tuple[Member, ...]


class GroupLine(msgspec.Struct, frozen=True, eq=False):
    """A group in a list.

    ``members`` is their number. ``role`` is that of the reader: owner, operator, member, invited, or empty.
    """

    group: str
    visibility: str
    topic: str
    members: int
    role: str


class Groups(msgspec.Struct, frozen=True, eq=False):
    """The groups that are visible to the reader, by name."""

    groups: tuple[GroupLine, ...]


class Page(msgspec.Struct, frozen=True, eq=False):
    """A page of one conversation for ``reader``, oldest entry first.

    ``forward`` is the direction of reading: true from an id on, false back from the end or from an id.
    ``more`` says whether there are further entries in that direction. ``events`` tells a page of a group's
    events from one of messages. ``seen`` is the read marker if the page is sent to a returning user, who
    missed the entries with larger ids.
    """

    conversation: Conversation
    entries: tuple[Entry, ...]
    more: bool
    forward: bool
    events: bool
    reader: User
    seen: int | None = None


class ConversationLine(msgspec.Struct, frozen=True, eq=False):
    """A conversation that the reader takes part in.

    ``kind`` is lobby, group or direct. ``name`` is the group's name, the other user's nick, or "lobby".
    ``last`` is the id of the last entry, 0 if there is none. ``unread`` counts the messages of other users
    behind the read marker, among the last 1,000 entries.
    """

    kind: str
    name: str
    last: int
    unread: int


class Conversations(msgspec.Struct, frozen=True, eq=False):
    """The reader's conversations, the most recent first; ``more`` if the list is cut."""

    conversations: tuple[ConversationLine, ...]
    more: bool


class HistoryHint(msgspec.Struct, frozen=True, eq=False):
    """Tells a returning client how to read what it missed, where the dialect has no pages."""


class Help(msgspec.Struct, frozen=True, eq=False):
    """The table of commands."""

    commands: tuple[Declaration, ...]


class Goodbye(msgspec.Struct, frozen=True, eq=False):
    """The last answer of a session; ``user`` is None if it never logged in."""

    user: User | None


Answer = (
    Ack
    | Unchanged
    | Welcome
    | Account
    | Clients
    | Members
    | Groups
    | Page
    | Conversations
    | HistoryHint
    | Help
    | Goodbye
)
