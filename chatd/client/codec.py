"""The JSON wire from the client's side: requests from commands, and what the received objects mean.

Source: SPEC.md, chapter "The JSON wire". Commands come from the one table that the daemon has as well.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from chatd.core import commands as c
from chatd.core.commands import DECLARED, Command, Hello
from chatd.core.names import BadName, parse_group, parse_nick
from chatd.json_wire import objects
from chatd.json_wire.objects import (
    Ack,
    Clients,
    Conversations,
    Event,
    Groups,
    Item,
    Members,
    Message,
    Page,
    Presence,
    Reply,
    Summary,
    Welcome,
)

Kind = Literal["lobby", "group", "direct"]


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

MESSAGE_COMMANDS: Final = (c.Broadcast, c.Send, c.GroupBroadcast)
"""The commands that send a message."""


class ServerNotice(Reply, frozen=True, kw_only=True):
    """What a course-work server says in words of its own, as lines of ``text``. chatd sends none."""

    text: str
    ts: datetime


class CourseworkWelcome(Welcome, frozen=True, kw_only=True):
    """The welcome of a course-work server, which numbers and confirms nothing: see `chatd.client.coursework`.

    chatd sends none.
    """


News = Message | Event | Presence | ServerNotice
"""What comes by itself."""

Welcoming = Page | Conversations
"""What follows the welcome of somebody who was here before."""


def encode_request(command: Command, ref: str | None = None) -> bytes:
    """``command`` as a line, without fields at their defaults: a course-work server may not know them."""
    fields_sent: dict[str, Any] = {"action": DECLARED[type(command)].actions[0]}
    for field in msgspec.structs.fields(command):
        value = getattr(command, field.name)
        if value != field.default:
            name = "from" if isinstance(command, Hello) and field.name == "nick" else field.name
            fields_sent[name] = value
    if ref is not None:
        fields_sent["ref"] = ref
    return msgspec.json.encode(fields_sent) + b"\n"


def entry_from_ack(command: Command, ack: Ack, nick: str) -> Message | Event | None:
    """The entry of the log that ``nick`` made by ``command``, which is told to all others of its audience.

    None for a command that makes none.
    """
    if isinstance(command, MESSAGE_COMMANDS):
        return Message(
            id=ack.id, ts=ack.ts, nick=nick, msg=command.msg, kind=command.kind, group=ack.group,
            to=ack.to,
        )  # fmt: skip
    if type(command) not in EVENT_KINDS:
        return None
    fields = msgspec.structs.asdict(command)
    fields["subject"] = fields.pop("dest", "")
    fields["group"] = ack.group
    return Event(event=EVENT_KINDS[type(command)], actor=nick, id=ack.id, ts=ack.ts, **fields)


EVENT_KINDS: Final[dict[type[Command], str]] = {
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
"""The kind of the log entry that a command makes, for all commands but messages."""


def decode_object(value: bytes) -> objects.Object | None:
    """What the daemon says in a JSON ``value``; None if this client knows no such thing."""
    try:
        return objects.decode(value)
    except msgspec.MsgspecError:
        return None


def message_place(message: Message, reader: str) -> Place:
    """The conversation of ``message``, as ``reader`` sees it."""
    if message.group:
        return Place("group", message.group)
    if message.to:
        return Place("direct", message.to if message.nick == reader else message.nick)
    return LOBBY


def page_place(page: Page) -> Place:
    """The conversation of ``page``."""
    if page.group:
        return Place("group", page.group)
    return Place("direct", page.friend) if page.friend else LOBBY


def summary_place(summary: Summary) -> Place:
    """The conversation of a line in a list."""
    if summary.kind == "lobby":
        return LOBBY
    return Place("group" if summary.kind == "group" else "direct", summary.name)


def was_missed(item: Item, page: Page) -> bool:
    """Whether the user had not seen ``item`` before the welcome that its ``page`` belongs to.

    Without ``seen`` the lobby's page is its last one, seen or not, and another one is what was missed.
    """
    return page_place(page) != LOBBY if page.seen is None else item.id > page.seen


def count_unread(page: Page, reader: str) -> int:
    """How many messages of others ``reader`` missed."""
    return sum(was_missed(item, page) and item.nick != reader for item in page.messages)


def list_items(answer: Clients | Members | Groups | Conversations) -> list[Any]:
    """The list that the answer is."""
    if isinstance(answer, Clients):
        return answer.clients
    if isinstance(answer, Members):
        return answer.members
    return answer.groups if isinstance(answer, Groups) else answer.conversations
