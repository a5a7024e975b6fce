"""The JSON wire from the client's side: commands to requests, and what the daemon says to values.

Source: SPEC.md, chapter "The JSON wire". Commands come from the one table that the daemon has as well.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from chatd.core import commands as c
from chatd.core.commands import DECLARED, Command, Hello
from chatd.core.names import BadName, parse_group, parse_nick

Kind = Literal["lobby", "group", "direct"]

# ``#rrggbb``, or nothing: it becomes an escape sequence, so it had better be one.
Colour = Annotated[str, msgspec.Meta(pattern=r"^(#[0-9a-fA-F]{6})?\Z")]


class Place(msgspec.Struct, frozen=True, order=True):
    """A conversation as its reader sees it: the lobby, a group by its name, a friend by their nick."""

    kind: Kind
    name: str = ""

    @property
    def key(self) -> tuple[Kind, str]:
        """What two spellings of one place have in common."""
        parse = parse_group if self.kind == "group" else parse_nick
        try:
            return self.kind, parse(self.name).key if self.name else ""
        except BadName:  # which no daemon has, and whoever types it is told by the daemon
            return self.kind, self.name


LOBBY: Final = Place("lobby")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a page."""

    id: int
    seq: int
    ts: datetime
    nick: str = msgspec.field(name="from")
    msg: str
    kind: str = "message"
    colour: Colour = ""


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="action"):
    """A message that has just been said. Each of its kinds knows the place it was said in."""

    id: int
    ts: datetime
    nick: str = msgspec.field(name="from")
    msg: str
    kind: str = "message"
    colour: Colour = ""

    def place(self, reader: str) -> Place:
        """Where it was said, as ``reader`` sees it."""
        raise NotImplementedError


class Broadcast(Said, frozen=True, tag="server-broadcast"):
    """A message to everyone."""

    def place(self, reader: str) -> Place:
        """The lobby."""
        return LOBBY


class GroupBroadcast(Said, frozen=True, kw_only=True, tag="server-gbroadcast"):
    """A message to a group."""

    group: str

    def place(self, reader: str) -> Place:
        """The group."""
        return Place("group", self.group)


class Sent(Said, frozen=True, kw_only=True, tag="server-send"):
    """A message to one person."""

    to: str

    def place(self, reader: str) -> Place:
        """The direct conversation with the other user."""
        return Place("direct", self.to if self.nick == reader else self.nick)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="server-event"):
    """What happened in a group, with an ``id``; without one, an arrival or a departure."""

    event: str
    actor: str
    ts: datetime
    id: int = 0
    group: str = ""
    subject: str = ""
    reason: str = ""
    role: str = ""
    topic: str = ""
    visibility: str = ""
    returning: bool = False
    colour: Colour = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="action"):
    """What answers the request that had this ``ref``."""

    ref: str | int | None = None


class User(msgspec.Struct, frozen=True):
    """Oneself, as the daemon knows one."""

    id: int
    nick: str
    colour: Colour


class Welcome(Answer, frozen=True, kw_only=True, tag="server-hello"):
    """The answer to a hello; ``cursor`` is the id of the last entry before it, ``seen`` that of the last one
    that counts as seen.
    """

    msg: str
    user: User
    cursor: int
    seen: int
    returning: bool


class CourseWelcome(Welcome, frozen=True, kw_only=True, tag="course-work"):
    """The welcome of a course-work server, which numbers and confirms nothing: see `chatd.client.coursework`.

    No daemon sends it.
    """


class Notice(Answer, frozen=True, kw_only=True, tag="notice"):
    """What a course-work server says in words of its own, as lines of ``text``. No daemon sends it."""

    text: str
    ts: datetime
    id: int = 0


class Ack(Answer, frozen=True, kw_only=True, tag="server-ack"):
    """It is on disk, in this place of the log."""

    id: int
    ts: datetime
    group: str = ""
    to: str = ""


class Clients(Answer, frozen=True, kw_only=True, tag="server-list-clients"):
    """Who is connected."""

    clients: list[str]
    more: bool = False

    @property
    def listed(self) -> list[str]:
        """What is in the list."""
        return self.clients


class Member(msgspec.Struct, frozen=True):
    """A member of a group."""

    name: str
    role: str
    online: bool


class Members(Answer, frozen=True, kw_only=True, tag="server-members"):
    """A group's members."""

    group: str
    members: list[Member]
    more: bool = False

    @property
    def listed(self) -> list[Member]:
        """What is in the list."""
        return self.members


class Group(msgspec.Struct, frozen=True):
    """A group that one can see; ``role`` is one's own in it, empty outside. A course-work server may not say
    how many ``members`` there are.
    """

    group: str
    visibility: str
    members: int | None
    topic: str = ""
    role: str | None = None


class Groups(Answer, frozen=True, kw_only=True, tag="server-groups"):
    """The groups that one can see."""

    groups: list[Group]
    more: bool = False

    @property
    def listed(self) -> list[Group]:
        """What is in the list."""
        return self.groups


class Page(Answer, frozen=True, kw_only=True, tag="server-history"):
    """A page of a conversation, oldest first; ``more`` when there is more beyond it.

    A page of the welcome says which id was ``seen``: messages behind it were missed.
    """

    messages: list[Item]
    group: str = ""
    friend: str = msgspec.field(default="", name="with")
    more: bool = False
    seen: int | None = None

    @property
    def place(self) -> Place:
        """The conversation."""
        if self.group:
            return Place("group", self.group)
        return Place("direct", self.friend) if self.friend else LOBBY

    def missed(self, item: Item) -> bool:
        """Whether the user had not seen ``item`` before the welcome that this page belongs to.

        Without ``seen`` the lobby's page is its last one, seen or not, and another one is what was missed.
        """
        return self.place != LOBBY if self.seen is None else item.id > self.seen

    def unread(self, reader: str) -> int:
        """How many messages of others ``reader`` missed."""
        return sum(self.missed(item) and item.nick != reader for item in self.messages)


class GroupPage(Page, frozen=True, kw_only=True, tag="server-msgs"):
    """The same, asked for as a group's messages."""


class States(Answer, frozen=True, kw_only=True, tag="server-states"):
    """A page of a group's events."""

    group: str
    events: list[dict[str, Any]]
    more: bool = False

    @property
    def happened(self) -> list[Event]:
        """The events, as they would have been told."""
        happened = []
        for event in self.events:
            with suppress(msgspec.ValidationError):  # what this client does not know
                told = {**event, "action": "server-event", "group": self.group}
                happened.append(msgspec.convert(told, Event))
        return happened


class Summary(msgspec.Struct, frozen=True):
    """A conversation in a list; ``unread`` counts the messages of others that were missed."""

    kind: Kind
    name: str = ""
    unread: int = 0

    @property
    def place(self) -> Place:
        """The conversation."""
        return Place(self.kind, "" if self.kind == "lobby" else self.name)


class Conversations(Answer, frozen=True, kw_only=True, tag="server-conversations"):
    """Conversations that one takes part in: after the welcome, those that have no page there."""

    conversations: list[Summary]
    more: bool = False

    @property
    def listed(self) -> list[Summary]:
        """What is in the list."""
        return self.conversations


class Help(Answer, frozen=True, kw_only=True, tag="server-help"):
    """The daemon's commands; the client has the table itself."""


class Goodbye(Answer, frozen=True, kw_only=True, tag="server-quit"):
    """The connection closes, as asked."""


class Error(Answer, frozen=True, kw_only=True, tag="server-error"):
    """A refusal: without a ``ref``, of the connection."""

    code: str
    msg: str


News = Broadcast | GroupBroadcast | Sent | Event | Notice
"""What comes by itself."""

Welcoming = Page | Conversations
"""What follows the welcome of somebody who was here before."""

_DECODER: Final = msgspec.json.Decoder(
    Broadcast
    | GroupBroadcast
    | Sent
    | Event
    | Welcome
    | Ack
    | Clients
    | Members
    | Groups
    | Page
    | GroupPage
    | States
    | Conversations
    | Help
    | Goodbye
    | Error
)


def request(command: Command, ref: str | None = None) -> bytes:
    """``command`` as a line, without fields at their defaults: a course-work server may not know them."""
    asked: dict[str, Any] = {"action": DECLARED[type(command)].actions[0]}
    for field in msgspec.structs.fields(command):
        value = getattr(command, field.name)
        if value != field.default:
            name = "from" if isinstance(command, Hello) and field.name == "nick" else field.name
            asked[name] = value
    if ref is not None:
        asked["ref"] = ref
    return msgspec.json.encode(asked) + b"\n"


def done(command: Command, ack: Ack, nick: str) -> News | None:
    """The entry of the log that ``nick`` made by ``command``, which is told to all others of its audience.

    None for a command that makes none.
    """
    if isinstance(command, c.Broadcast):
        return Broadcast(id=ack.id, ts=ack.ts, nick=nick, msg=command.msg, kind=command.kind)
    if isinstance(command, c.GroupBroadcast):
        return GroupBroadcast(
            id=ack.id, ts=ack.ts, nick=nick, msg=command.msg, kind=command.kind, group=ack.group
        )
    if isinstance(command, c.Send):
        return Sent(id=ack.id, ts=ack.ts, nick=nick, msg=command.msg, kind=command.kind, to=ack.to)
    if type(command) not in EVENTS:
        return None
    fields = msgspec.structs.asdict(command)
    fields["subject"] = fields.pop("dest", "")
    fields["group"] = ack.group
    return Event(event=EVENTS[type(command)], actor=nick, id=ack.id, ts=ack.ts, **fields)


EVENTS: Final[dict[type[Command], str]] = {
    c.CreateGroup: "created",
    c.Join: "joined",
    c.Leave: "left",
    c.Invite: "invited",
    c.Kick: "kicked",
    c.Ban: "banned",
    c.Unban: "unbanned",
    c.Promote: "promoted",
    c.Demote: "demoted",
    c.SetVisibility: "visibility",
    c.SetTopic: "topic",
}
"""What a command that the log records is called there, unless it is a message."""


def understand(value: bytes) -> News | Answer | None:
    """What the daemon says in a JSON ``value``; None if this client knows no such thing."""
    try:
        said: News | Answer = _DECODER.decode(value)
    except msgspec.MsgspecError:
        return None
    return said
