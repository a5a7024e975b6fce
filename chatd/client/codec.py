"""Encodes the client's commands as JSON requests, and decodes the JSON objects that the server sends.

Source: SPEC.md, chapter "The JSON wire". The client and the daemon use the same table of commands.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from chatd.core import commands as c
from chatd.core.accounts import Secret
from chatd.core.commands import COMMANDS_BY_CLASS, Command, Hello
from chatd.core.events import is_action
from chatd.core.names import BadName, parse_group, parse_nick
from chatd.json_wire import objects
from chatd.json_wire.objects import (
    Ack,
    AnswerBase,
    Clients,
    Conversations,
    ConversationSummary,
    FoundMessage,
    GroupEvent,
    Groups,
    HistoryMessage,
    Members,
    Message,
    Page,
    ServerEvent,
    Welcome,
)

ConversationKind = Literal["lobby", "group", "direct"]


class ConversationRef(msgspec.Struct, frozen=True, order=True):
    """A conversation as one user names it: the lobby, a group or a direct conversation.

    ``name`` is the name of the group or the nick of the other user; it is empty for the lobby.
    """

    kind: ConversationKind
    name: str = ""

    @property
    def key(self) -> tuple[ConversationKind, str]:
        """The kind of the conversation and its normalised name.

        All spellings of one name have the same key.
        """
        parse = parse_group if self.kind == "group" else parse_nick
        try:
            return self.kind, parse(self.name).normalized if self.name else ""
        except BadName:  # the daemon refuses such a name, and tells the user why
            return self.kind, self.name


LOBBY: Final = ConversationRef("lobby")

SEND_COMMANDS: Final = (c.SendToLobby, c.SendToUser, c.SendToGroup)
"""The commands that send a message to the lobby, to a user, or to a group."""

MESSAGE_COMMANDS: Final = (*SEND_COMMANDS, c.ReplyToMessage)
"""The commands that send a message, as an answer to another one too. It is stored once for each ref."""


MESSAGE_CHANGE_COMMANDS: Final = (c.EditMessage, c.DeleteMessage, c.ReactToMessage, c.TakeReactionBack)
"""The commands that change a message. The client keeps them until the answer, as it keeps messages."""

COMMANDS_KEPT_ON_DISK: Final = (*MESSAGE_COMMANDS, *MESSAGE_CHANGE_COMMANDS)
"""The commands that the client keeps, on disk as well, until the daemon has answered them."""


class ServerNotice(AnswerBase, frozen=True, kw_only=True):
    """A text of a course-work server (a student's simple JSON chat server), or of the client about that
    server.

    The client shows ``text``, which may have several lines, to the user. chatd itself sends no notices.
    """

    text: str
    ts: datetime


class CourseworkWelcome(Welcome, frozen=True, kw_only=True):
    """The welcome of a course-work server (a student's simple JSON chat server) in the form of chatd's
    welcome.

    The client makes this object from the answer of the course-work server; chatd never sends one. The type
    tells other parts of the client that the server has no entry ids and no acks. See
    `chatd.client.coursework`.
    """


News = Message | GroupEvent | ServerEvent | ServerNotice
"""What the observer gets while the client is logged in: a message, a group event, a presence event (arrival
or departure), an announcement of a server operator, or a notice.

The server sends it without a request; the user's own messages and group events are made from their acks.
"""

LoginBacklog = Page | Conversations
"""What chatd sends after the welcome of a returning user: pages of messages, a list of conversations."""


def encode_request(command: Command, ref: str | None = None) -> bytes:
    """Return ``command`` as a line of JSON, with the key ``ref`` if a ref is given.

    Fields that have their default values are left out, because a course-work server may not know them.
    """
    fields_sent: dict[str, Any] = {"action": COMMANDS_BY_CLASS[type(command)].json_actions[0]}
    for field in msgspec.structs.fields(command):
        value = getattr(command, field.name)
        if value != field.default:
            name = "from" if isinstance(command, Hello | c.Identify) and field.name == "nick" else field.name
            fields_sent[name] = str(value) if isinstance(value, Secret) else value
    if ref is not None:
        fields_sent["ref"] = ref
    return msgspec.json.encode(fields_sent) + b"\n"


def encode_repeated_hello(ref: str, shows_typing: bool) -> bytes:
    """Return, as a line of JSON, a second hello of a client that is already logged in.

    If ``shows_typing`` is true, the client asks the daemon for notices of users who are typing.
    """
    hello = {"action": COMMANDS_BY_CLASS[Hello].json_actions[0], "ref": ref}
    return msgspec.json.encode({**hello, "typing": "show"} if shows_typing else hello) + b"\n"


def conversation_of_typing(typing: objects.Typing) -> ConversationRef:
    """Return the conversation in which another user is typing, as seen by the user of this client."""
    if typing.group:
        return ConversationRef("group", typing.group)
    return ConversationRef("direct", typing.nick) if typing.to else LOBBY


def entry_from_ack(command: Command, ack: Ack, nick: str) -> Message | GroupEvent | None:
    """Return the log entry that the daemon stored for ``command`` of the user ``nick``, or None for none.

    The daemon sends the stored entry to other users, but only ``ack`` to ``nick``. The client rebuilds its
    own entry from both.
    """
    if isinstance(command, c.ReplyToMessage):
        kind = "action" if is_action(command.msg) else "message"
        return Message(
            id=ack.id, ts=ack.ts, nick=nick, msg=command.msg, kind=kind, group=ack.group, to=ack.to,
            reply_to=command.id,
        )  # fmt: skip
    if isinstance(command, SEND_COMMANDS):
        return Message(
            id=ack.id, ts=ack.ts, nick=nick, msg=command.msg, kind=c.message_event_kind(command),
            group=ack.group, to=ack.to,
        )  # fmt: skip
    if type(command) not in EVENT_KIND_BY_COMMAND:
        return None
    fields = msgspec.structs.asdict(command)
    fields["subject"] = fields.pop("dest", "")
    fields["group"] = ack.group
    if isinstance(command, c.SetHistoryVisibility):
        fields["history"] = fields.pop("mode")
    elif isinstance(command, c.SetRetention):
        fields["keep"] = fields.pop("age") or 0
    elif isinstance(command, c.DeleteMessage):
        fields["subject"], fields["deleted"] = ack.to, fields.pop("id")
    elif isinstance(command, c.EditMessage):
        fields["edited"] = fields.pop("id")
        fields["kind"] = "action" if is_action(command.msg) else "message"
    elif isinstance(command, c.ReactToMessage | c.TakeReactionBack):
        fields["message"] = fields.pop("id")
    return GroupEvent(event=EVENT_KIND_BY_COMMAND[type(command)], actor=nick, id=ack.id, ts=ack.ts, **fields)


EVENT_KIND_BY_COMMAND: Final[dict[type[Command], str]] = {
    c.CreateGroup: "created",
    c.Join: "joined",
    c.Leave: "left",
    c.Invite: "invited",
    c.Uninvite: "uninvited",
    c.Decline: "declined",
    c.Kick: "kicked",
    c.Ban: "banned",
    c.Unban: "unbanned",
    c.Promote: "promoted",
    c.Demote: "demoted",
    c.SetVisibility: "visibility",
    c.SetTopic: "topic",
    c.SetHistoryVisibility: "history",
    c.SetRetention: "keep",
    c.DeleteMessage: "deleted",
    c.EditMessage: "edited",
    c.ReactToMessage: "reacted",
    c.TakeReactionBack: "unreacted",
}
"""For each command that is acknowledged and no message: the kind of the event that it writes to the log."""


def decode_object(value: bytes) -> objects.ServerObject | None:
    """Decode a JSON value from the server. Return None if the value is no object of chatd's JSON wire."""
    try:
        return objects.decode_if_known(value)
    except msgspec.MsgspecError:
        return None


def conversation_of_message(message: Message, reader: str) -> ConversationRef:
    """Return the conversation that ``message`` belongs to, as seen by the user ``reader``."""
    if message.group:
        return ConversationRef("group", message.group)
    if message.to:
        return ConversationRef("direct", message.to if message.nick == reader else message.nick)
    return LOBBY


def conversation_of_page(page: Page) -> ConversationRef:
    """Return the conversation to which the messages of ``page`` belong."""
    if page.group:
        return ConversationRef("group", page.group)
    return ConversationRef("direct", page.friend) if page.friend else LOBBY


def conversation_of_summary(summary: ConversationSummary) -> ConversationRef:
    """Return the conversation that ``summary`` describes.

    A summary is an item of the daemon's list of conversations.
    """
    if summary.kind == "lobby":
        return LOBBY
    return ConversationRef("group" if summary.kind == "group" else "direct", summary.name)


def conversation_of_found_message(message: FoundMessage) -> ConversationRef:
    """Return the conversation of ``message``, a result of a search on the daemon."""
    place = message.conversation
    return conversation_of_summary(ConversationSummary(place.kind, place.name))


def was_missed(item: HistoryMessage, page: Page) -> bool:
    """Return whether the user had not yet received ``item`` when the daemon sent ``page`` after a login.

    Messages behind the page's last seen id ``seen`` were missed. A page without ``seen`` holds only missed
    messages if it is of a group or a direct conversation, and no missed messages if it is of the lobby.
    """
    return conversation_of_page(page) != LOBBY if page.seen is None else item.id > page.seen


def count_unread(page: Page, reader: str) -> int:
    """Return the number of messages on ``page`` that the user ``reader`` missed and did not write."""
    return sum(was_missed(item, page) and item.nick != reader for item in page.messages)


def list_items(answer: Clients | Members | Groups | Conversations) -> list[Any]:
    """Return the list of clients, members, groups or conversations in ``answer``."""
    if isinstance(answer, Clients):
        return answer.clients
    if isinstance(answer, Members):
        return answer.members
    return answer.groups if isinstance(answer, Groups) else answer.conversations
