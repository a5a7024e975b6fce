"""The objects that the daemon sends on the JSON wire. The daemon encodes them, the terminal client decodes
them.

The JSON keys have the order of the fields. The encoder leaves a field out if its value is the default object
itself (same identity); an equal value that is another object is encoded.

Source: SPEC.md, chapter "The JSON wire".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec

T = TypeVar("T")

# ``#rrggbb`` or empty. The client puts it into escape sequences, so nothing else may pass.
Colour = Annotated[str, msgspec.Meta(pattern=r"^(#[0-9a-fA-F]{6})?\Z")]

RequestRef = str | int | None
"""The id that a client gives to a request; the answer repeats it."""


class Timestamp(str):
    """A time in RFC 3339 format. The daemon writes UTC with milliseconds: ``2026-11-21T10:00:00.000Z``."""

    __slots__ = ()

    @property
    def as_datetime(self) -> datetime:
        """This time as a `datetime`."""
        return datetime.fromisoformat(self)


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message in the form that clients get when it is sent: to a ``group``, to one user (``to``), or to the
    lobby.

    ``kind`` is "message", "image", "action" or "notice". If ``deleted`` is true, the text was deleted, if
    ``edited`` is true, it was changed. A message that answers another one has the id of that in ``reply_to``,
    and its author in ``reply_from``.
    """

    action: str = ""
    nick: str = msgspec.field(name="from")
    group: str = ""
    to: str = ""
    msg: str
    kind: str = "message"
    id: int
    seq: int = 0
    ts: Timestamp
    colour: Colour = ""
    deleted: bool = False
    edited: bool = False
    reply_to: int | None = None
    reply_from: str = ""


class Reaction(msgspec.Struct, frozen=True):
    """A ``reaction`` to a message, such as an emoji, with the ``nicks`` of those who reacted so."""

    reaction: str
    nicks: list[str]


class HistoryMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message in the form that it has in a page of the log. If ``deleted`` is true, it has no text;
    ``edited`` and the fields of an answer are as in `Message`. ``reactions`` has all reactions to it.
    """

    id: int
    seq: int
    ts: Timestamp
    nick: str = msgspec.field(name="from")
    msg: str
    kind: str
    colour: Colour = ""
    deleted: bool = False
    edited: bool = False
    reply_to: int | None = None
    reply_from: str = ""
    reactions: list[Reaction] | None = None


class GroupEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of a group, such as a kick, or a change of a message.

    In a page of the log it has neither ``action`` nor ``group``. ``event`` is the kind of the event, which
    says which of the attributes from ``subject`` on are given:

    - ``deleted`` is the id of the message whose text was deleted.
    - ``edited`` is the id of the message whose text is ``msg`` now, and whose kind is ``kind``. If it was
      edited again since, these two are missing.
    - ``reaction`` is a reaction to the message with the id ``message``.
    - ``keep`` is the age in seconds at which messages are deleted, 0 for never.
    """

    action: str = ""
    group: str = ""
    id: int
    seq: int = 0
    ts: Timestamp
    event: str
    actor: str
    subject: str = ""
    visibility: str | None = None
    reason: str | None = None
    topic: str | None = None
    role: str = ""
    deleted: int | None = None
    history: str | None = None
    keep: int | None = None
    edited: int | None = None
    kind: str | None = None
    msg: str | None = None
    message: int | None = None
    reaction: str | None = None


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The arrival of a user (``event`` is "arrived"), the user's departure ("left"), or an announcement of a
    server operator ("announced"), whose text is ``msg``.
    """

    action: str = ""
    actor: str
    ts: Timestamp
    event: str
    returning: bool | None = None
    colour: Colour = ""
    msg: str = ""


class AnswerBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base class of answers: ``ref`` is the id that the client gave to the answered request."""

    action: str = ""
    ref: RequestRef = None


class User(msgspec.Struct, frozen=True):
    """The logged-in user, in the welcome."""

    id: int
    nick: str
    colour: Colour


class WelcomeLimits(msgspec.Struct, frozen=True):
    """The daemon's limits, in the welcome: ``json`` is the maximum size of a request in bytes, ``message``
    that of a message in bytes, ``page`` the maximum number of messages in a page.
    """

    json: int
    message: int
    page: int


class BasicWelcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to the hello of a course-work client."""

    sender: str = msgspec.field(name="from")
    action: str
    msg: str


class Welcome(BasicWelcome, frozen=True, kw_only=True):
    """The answer to the hello of a newline-delimited client. ``cursor`` is the id of the last log entry,
    ``seen`` the user's last seen id.
    """

    user: User
    cursor: int
    seen: int
    returning: bool
    limits: WelcomeLimits | None = None
    version: str = ""
    ref: RequestRef = None


class Ack(AnswerBase, frozen=True, kw_only=True):
    """The acknowledgement that a request is stored on disk, as log entry ``id``. ``request`` is the action of
    the request.
    """

    request: str = ""
    group: str = ""
    to: str = ""
    id: int
    seq: int = 0
    ts: Timestamp


class AccountChanged(AnswerBase, frozen=True, kw_only=True):
    """A command on an account was carried out; ``registered`` says whether ``nick`` has a password now."""

    nick: str
    registered: bool


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token. ``scope`` is "read" or "write". ``groups`` are the groups in which it can be used, "lobby" for
    the lobby; "*" alone means all conversations. A token without ``expires`` holds until it is revoked.
    """

    token: str
    scope: str
    groups: list[str]
    made: Timestamp
    expires: Timestamp | None = None


class TokenMade(AnswerBase, frozen=True, kw_only=True):
    """A token was made. Only this object contains its ``secret``, with which a program logs in."""

    token: Token
    secret: str


class TokenList(AnswerBase, frozen=True, kw_only=True):
    """The tokens of the user ``nick``, the oldest first."""

    nick: str
    tokens: list[Token]
    more: bool = False


class InvitationLink(msgspec.Struct, frozen=True):
    """An invitation link, made by ``maker``. ``uses`` is the number of users who have joined by it."""

    number: int
    maker: str
    made: Timestamp
    expires: Timestamp
    uses: int


class InvitationLinkMade(AnswerBase, frozen=True, kw_only=True):
    """An invitation link to ``group`` was made. Only this object contains the ``link``."""

    group: str
    number: int
    link: str
    expires: Timestamp


class InvitationLinkList(AnswerBase, frozen=True, kw_only=True):
    """The invitation links of ``group`` that the requesting user may see, the oldest first."""

    group: str
    links: list[InvitationLink]
    more: bool = False


class ModerationEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of the moderation log. A mute or block ends at ``until``, or has no end if that is None."""

    id: int
    ts: Timestamp
    operator: str
    act: str
    target: str
    until: Timestamp | None = None
    reason: str = ""


class Moderated(AnswerBase, frozen=True, kw_only=True):
    """The command of a server operator was carried out. ``acts`` are the entries of the moderation log that
    record it.
    """

    acts: list[ModerationEntry]


class ModerationLog(AnswerBase, frozen=True, kw_only=True):
    """The moderation log, the latest entry first."""

    acts: list[ModerationEntry]
    more: bool = False


class IgnoredUsers(AnswerBase, frozen=True, kw_only=True):
    """The nicks that the requesting user ignores."""

    ignored: list[str]
    more: bool = False


class Clients(AnswerBase, frozen=True, kw_only=True):
    """The nicks of the connected users.

    For course-work clients, the list is repeated under four keys (``clients``, ``msg``, ``data``, ``list``),
    because each of them reads one of these.
    """

    clients: list[str]
    msg: list[str] | None = None
    data: list[str] | None = None
    list_: list[str] | None = msgspec.field(default=None, name="list")
    more: bool = False


class Member(msgspec.Struct, frozen=True):
    """A member of a group. ``role`` is owner, operator or member. ``registered`` says whether the nick has a
    password; it is None in a list of a course-work server, which does not tell.
    """

    name: str
    role: str
    online: bool
    registered: bool | None = None


class Members(AnswerBase, frozen=True, kw_only=True):
    """The members of a group, in the order in which they joined."""

    group: str
    members: list[Member]
    more: bool = False


class Group(msgspec.Struct, frozen=True):
    """A group that is visible to the requesting user. ``role`` is that user's role, empty if the user is not
    a member. ``owner`` is the nick of the owner, empty if there is none; ``registered`` says whether that
    nick has a password. ``history`` is "all" or "since_joining": what members can read.

    A course-work server sends only ``group``, ``visibility`` and ``topic``.
    """

    group: str
    visibility: str
    topic: str = ""
    members: int | None = None
    role: str | None = None
    owner: str | None = None
    registered: bool | None = None
    history: str | None = None


class Groups(AnswerBase, frozen=True, kw_only=True):
    """The groups that are visible to the requesting user."""

    groups: list[Group]
    more: bool = False


class Page(AnswerBase, frozen=True, kw_only=True):
    """A page of messages of a ``group``, of the direct conversation with the user ``friend``, or of the
    lobby; oldest first.

    ``more`` says whether there are further messages in the direction of reading. ``seen`` is the user's last
    seen id if the page belongs to a welcome: the user missed the messages with larger ids. Old messages with
    ids up to ``trimmed`` were deleted, if it is given. ``events`` are the events between the messages, if the
    request asked for them, oldest first.
    """

    group: str = ""
    friend: str = msgspec.field(default="", name="with")
    seen: int | None = None
    messages: list[HistoryMessage]
    events: list[GroupEvent] | None = None
    more: bool = False
    trimmed: int | None = None


class EventPage(AnswerBase, frozen=True, kw_only=True):
    """A page of events of a group, oldest first."""

    group: str
    events: list[GroupEvent]
    more: bool = False


class ConversationSummary(msgspec.Struct, frozen=True):
    """One conversation in a list of conversations. ``last`` is the id of its last entry, ``unread`` the
    number of unread messages, ``read`` the user's read mark, 0 for none. ``marked`` is true if the user has
    set the mark 0, and has read nothing.
    """

    kind: str
    name: str = ""
    last: int = 0
    unread: int = 0
    read: int = 0
    marked: bool | msgspec.UnsetType = msgspec.UNSET


class Conversations(AnswerBase, frozen=True, kw_only=True):
    """The conversations that the requesting user takes part in, the most recent first."""

    conversations: list[ConversationSummary]
    more: bool = False


class ReadMark(AnswerBase, frozen=True, kw_only=True):
    """The requesting user's read mark in a ``group``, in the direct conversation with the user ``friend``, or
    in the lobby: the entry ``id``. The user's other sessions get it too, when it moves.
    """

    group: str = ""
    friend: str = msgspec.field(default="", name="with")
    id: int


class Typing(AnswerBase, frozen=True, kw_only=True):
    """Whether the user ``nick`` types: in a ``group``, to one user (``to``), or in the lobby. ``state`` is
    "active", "paused" or "done". The answer to the user who tells it is the same.
    """

    nick: str = msgspec.field(name="from")
    group: str = ""
    to: str = ""
    state: str


class ActiveConversation(msgspec.Struct, frozen=True):
    """One conversation in a list by time. ``last`` and ``ts`` are the id and the time of its last message."""

    kind: str
    name: str
    last: int
    ts: Timestamp


class ActiveConversations(AnswerBase, frozen=True, kw_only=True):
    """The conversations whose last messages were sent between two times, the oldest first."""

    conversations: list[ActiveConversation]
    more: bool = False


class ConversationName(msgspec.Struct, frozen=True):
    """The conversation of an entry in an export, named as in a list of conversations."""

    kind: str
    name: str


class ExportedMessage(HistoryMessage, frozen=True, kw_only=True):
    """A message in an export."""

    conversation: ConversationName


class ExportedEvent(GroupEvent, frozen=True, kw_only=True):
    """An event in an export."""

    conversation: ConversationName


class FoundMessage(HistoryMessage, frozen=True, kw_only=True):
    """A message that a search has found, with its conversation, named as in a list of conversations."""

    conversation: ConversationName


class SearchResult(AnswerBase, frozen=True, kw_only=True):
    """The messages that a search has found, the newest first, or the oldest if it has only lower bounds.

    If there may be more, one of ``before`` and ``after`` is the bound with which the search goes on.
    """

    messages: list[FoundMessage]
    more: bool = False
    before: int | None = None
    after: int | None = None


class CommandHelp(msgspec.Struct, frozen=True):
    """The description of one command: its action, the names of its fields, and a sentence."""

    action: str
    fields: list[str]
    help: str


class Help(AnswerBase, frozen=True, kw_only=True):
    """The list of the daemon's commands."""

    commands: list[CommandHelp]
    more: bool = False


class Goodbye(AnswerBase, frozen=True, kw_only=True):
    """The last object of a connection that the daemon closes at the client's request."""

    msg: str = ""


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The refusal of a request, which had the action ``request`` and the id ``ref``.

    If the two fields are empty, the daemon refuses the connection itself, or a frame that it cannot decode.
    The request may succeed if it is repeated after ``retry_after`` seconds, if that field is given.
    """

    action: str = ""
    code: str
    msg: str
    request: str = ""
    ref: RequestRef = None
    retry_after: float | None = None


AnswerObject = AnswerBase | Welcome | Error
"""The objects that answer a request."""


ServerObject = Message | GroupEvent | ServerEvent | AnswerObject
"""The objects that a newline-delimited client receives. A course-work client receives `BasicWelcome` in the
place of `Welcome`.
"""

OBJECT_TYPES_BY_ACTION: Final[dict[str, type[ServerObject]]] = {
    "server-broadcast": Message,
    "server-gbroadcast": Message,
    "server-send": Message,
    "server-hello": Welcome,
    "server-ack": Ack,
    "server-account": AccountChanged,
    "server-token": TokenMade,
    "server-tokens": TokenList,
    "server-invitelink": InvitationLinkMade,
    "server-links": InvitationLinkList,
    "server-moderation": Moderated,
    "server-modlog": ModerationLog,
    "server-ignored": IgnoredUsers,
    "server-list-clients": Clients,
    "server-members": Members,
    "server-groups": Groups,
    "server-history": Page,
    "server-msgs": Page,
    "server-states": EventPage,
    "server-conversations": Conversations,
    "server-read": ReadMark,
    "server-search": SearchResult,
    "server-typing": Typing,
    "server-active": ActiveConversations,
    "server-help": Help,
    "server-quit": Goodbye,
    "server-error": Error,
}
"""Action -> type of the object.

A ``server-event`` is a `GroupEvent` if it has an ``id``, else a `ServerEvent`.
"""


def _write_timestamp(value: object) -> str:
    if not isinstance(value, Timestamp):
        raise TypeError(f"no part of an object: {value!r}")
    return str(value)


def _read_timestamp(kind: type, value: object) -> Timestamp:
    if not isinstance(value, str):
        raise TypeError("a time is a string")
    datetime.fromisoformat(value)  # raises if the string is no time
    return Timestamp(value)


class _Head(msgspec.Struct):
    """The fields that determine the type of a received object."""

    action: str
    id: int = 0


encode: Final = msgspec.json.Encoder(enc_hook=_write_timestamp).encode
"""Return the JSON bytes of an object, of a part of an object, or of any other value that JSON can express."""

_head: Final = msgspec.json.Decoder(_Head).decode
_decoders: Final = {
    kind: msgspec.json.Decoder(kind, dec_hook=_read_timestamp).decode
    for kind in (*OBJECT_TYPES_BY_ACTION.values(), GroupEvent, ServerEvent)
}


def decode_if_known(value: bytes) -> ServerObject | None:
    """Return the object in the JSON text ``value``, or None if its action is unknown. Raises
    `msgspec.MsgspecError`.
    """
    head = _head(value)
    kind = (
        (GroupEvent if head.id else ServerEvent)
        if head.action == "server-event"
        else OBJECT_TYPES_BY_ACTION.get(head.action)
    )
    return None if kind is None else _decoders[kind](value)


def object_from_fields(fields: dict[str, Any], kind: type[T]) -> T:
    """Return an object of the type ``kind``. ``fields`` are its values by JSON key, as parsed from JSON.

    Raises `msgspec.ValidationError` if a key is missing or a value does not fit.
    """
    return msgspec.convert(fields, kind, dec_hook=_read_timestamp)
