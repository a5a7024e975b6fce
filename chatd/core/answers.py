"""What one client is answered: frozen values, rendered by each dialect its own way."""

from __future__ import annotations

import msgspec

from chatd.core.declarations import Declaration
from chatd.core.events import Conversation, Entry, User


class Ack(msgspec.Struct, frozen=True, eq=False):
    """The command is on disk at this place; ``logged`` is what a message sent twice was the first time."""

    logged: Entry


class Unchanged(msgspec.Struct, frozen=True, eq=False):
    """The command is obeyed: it was so already, in ``group``, which is empty for the lobby."""

    group: str


class Welcome(msgspec.Struct, frozen=True, eq=False):
    """A hello was accepted. ``cursor`` is the log's last id: a later hello's ``since``.

    ``seen`` is the last id that counts as seen already: what was missed has a larger one.
    """

    user: User
    returning: bool
    cursor: int
    seen: int


class Clients(msgspec.Struct, frozen=True, eq=False):
    """The nicks of everyone connected, in the order of their arrival."""

    nicks: tuple[str, ...]


class Member(msgspec.Struct, frozen=True, eq=False):
    """A member as others see it: ``role`` is owner, operator or member."""

    nick: str
    role: str
    online: bool


class Members(msgspec.Struct, frozen=True, eq=False):
    """A group's members, longest-standing first."""

    group: str
    members: tuple[Member, ...]


class GroupLine(msgspec.Struct, frozen=True, eq=False):
    """A group in a list; ``role`` is the reader's own: owner, operator, member, invited or none (empty)."""

    group: str
    visibility: str
    topic: str
    members: int
    role: str


class Groups(msgspec.Struct, frozen=True, eq=False):
    """The groups that the reader can see, by name."""

    groups: tuple[GroupLine, ...]


class Page(msgspec.Struct, frozen=True, eq=False):
    """A page of one conversation, oldest first; ``more`` when there is more in the direction of reading.

    ``events`` tells a page of a group's events from one of messages. ``reader`` is who asked. A page that
    is sent to a returning user has ``seen``: entries with a larger id were missed.
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

    ``name`` is the group's name or the other user's nick, and "lobby" for the lobby. ``last`` is the id of
    its last entry, 0 if there is none. ``unread`` counts the messages of others that came while the reader
    was away, among the last 1,000 entries.
    """

    kind: str
    name: str
    last: int
    unread: int


class Conversations(msgspec.Struct, frozen=True, eq=False):
    """The conversations that the reader takes part in, the most recent first; ``more`` if there are more."""

    conversations: tuple[ConversationLine, ...]
    more: bool


class HistoryHint(msgspec.Struct, frozen=True, eq=False):
    """Follows what a returning client missed where no pages are sent: it says how to read the rest."""


class Help(msgspec.Struct, frozen=True, eq=False):
    """The commands there are."""

    commands: tuple[Declaration, ...]


class Goodbye(msgspec.Struct, frozen=True, eq=False):
    """The last answer of a session; ``user`` is None when it never said who it was."""

    user: User | None


Answer = (
    Ack
    | Unchanged
    | Welcome
    | Clients
    | Members
    | Groups
    | Page
    | Conversations
    | HistoryHint
    | Help
    | Goodbye
)
