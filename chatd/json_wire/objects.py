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
    """A message as clients receive it when it is sent.

    It is sent to a ``group``, to one user (``to``), or to the lobby. ``kind`` is "message", "image", "action"
    or "notice". ``deleted`` says that the text was deleted, and ``edited`` that it was changed. If the
    message answers another one, ``reply_to`` is the id of that message and ``reply_from`` is its author.
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
    """A ``reaction`` to a message, such as an emoji, and the ``nicks`` of the users who reacted with it."""

    reaction: str
    nicks: list[str]


class HistoryMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as it is in a page of the log.

    If ``deleted`` is true, the message has no text. ``edited``, ``reply_to`` and ``reply_from`` are as in
    `Message`. ``reactions`` has all reactions to the message.
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
    decides which of the attributes from ``subject`` on are given:

    - ``deleted`` is the id of the message whose text was deleted.
    - ``edited`` is the id of the edited message, whose new text is ``msg`` and whose new kind is ``kind``. If
      the message was edited again since, these two are missing.
    - ``reaction`` is a reaction to the message with the id ``message``.
    - ``keep`` is the age in seconds at which messages are deleted, or 0 for never.
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
    """A login of a user (``event`` is "arrived"), a logout ("left"), or an announcement ("announced").

    ``msg`` is the text of an announcement of a server operator.
    """

    action: str = ""
    actor: str
    ts: Timestamp
    event: str
    returning: bool | None = None
    colour: Colour = ""
    msg: str = ""


class AnswerBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base class of answers. ``ref`` is the id that the client gave to the answered request."""

    action: str = ""
    ref: RequestRef = None


class User(msgspec.Struct, frozen=True):
    """The logged-in user, as a part of the welcome."""

    id: int
    nick: str
    colour: Colour


class WelcomeLimits(msgspec.Struct, frozen=True):
    """The daemon's limits, as a part of the welcome.

    ``json`` is the maximum size of a request in bytes, ``message`` that of a message in bytes, and ``page``
    is the maximum number of messages in a page.
    """

    json: int
    message: int
    page: int


class BasicWelcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to the hello (login) of a course-work client."""

    sender: str = msgspec.field(name="from")
    action: str
    msg: str


class Welcome(BasicWelcome, frozen=True, kw_only=True):
    """The answer to the hello (login) of a newline-delimited client.

    ``cursor`` is the id of the last log entry, and ``seen`` is the user's last seen id.
    """

    user: User
    cursor: int
    seen: int
    returning: bool
    limits: WelcomeLimits | None = None
    version: str = ""
    ref: RequestRef = None


class Ack(AnswerBase, frozen=True, kw_only=True):
    """The ack that a request was stored on disk as the log entry ``id``.

    ``request`` is the action of the request.
    """

    request: str = ""
    group: str = ""
    to: str = ""
    id: int
    seq: int = 0
    ts: Timestamp


class AccountChanged(AnswerBase, frozen=True, kw_only=True):
    """The answer to a successful command on an account.

    ``registered`` says whether ``nick`` now has a password.
    """

    nick: str
    registered: bool


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token, with which a program logs in.

    ``scope`` is "read" or "write". ``groups`` are the groups in which the token can be used, where "lobby"
    stands for the lobby; "*" alone means all conversations. A token without ``expires`` is valid until it is
    revoked.
    """

    token: str
    scope: str
    groups: list[str]
    made: Timestamp
    expires: Timestamp | None = None


class TokenMade(AnswerBase, frozen=True, kw_only=True):
    """The answer to the command that makes a token. No later answer contains the ``secret`` of the token."""

    token: Token
    secret: str


class TokenList(AnswerBase, frozen=True, kw_only=True):
    """The answer to the command that lists tokens: those of the user ``nick``, the oldest first."""

    nick: str
    tokens: list[Token]
    more: bool = False


class InvitationLink(msgspec.Struct, frozen=True):
    """An invitation link, made by the user ``maker``.

    ``uses`` is the number of users who have joined by it.
    """

    number: int
    maker: str
    made: Timestamp
    expires: Timestamp
    uses: int


class InvitationLinkMade(AnswerBase, frozen=True, kw_only=True):
    """The answer to the command that makes an invitation link to ``group``.

    No later answer contains the ``link``.
    """

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
    """An entry of the moderation log. A mute or block ends at ``until``, or never if ``until`` is None."""

    id: int
    ts: Timestamp
    operator: str
    act: str
    target: str
    until: Timestamp | None = None
    reason: str = ""


class Moderated(AnswerBase, frozen=True, kw_only=True):
    """The answer to a successful command of a server operator.

    ``acts`` are the new entries of the moderation log.
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
    because different clients read different keys.
    """

    clients: list[str]
    msg: list[str] | None = None
    data: list[str] | None = None
    list_: list[str] | None = msgspec.field(default=None, name="list")
    more: bool = False


class Member(msgspec.Struct, frozen=True):
    """A member of a group.

    ``role`` is owner, operator or member. ``registered`` says whether the nick has a password; it is None in
    the list of a course-work server, which does not say so.
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
    """A group that the requesting user may see.

    ``role`` is the user's role in the group, or empty if the user is not a member. ``owner`` is the nick of
    the owner, or empty if there is none; ``registered`` says whether that nick has a password. ``history``
    says which part of the log members can read: "all" or "since_joining".

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
    """The groups that the requesting user may see."""

    groups: list[Group]
    more: bool = False


class Page(AnswerBase, frozen=True, kw_only=True):
    """A page of messages of one conversation, the oldest first.

    The conversation is a ``group``, the direct conversation with the user ``friend``, or the lobby. ``more``
    says whether there are further messages in the direction of reading. ``seen`` is the user's last seen id
    if the page was sent at a login: the user missed the messages with larger ids. If ``trimmed`` is given,
    old messages with ids up to ``trimmed`` were deleted. ``events`` are the events between the messages, if
    the request asked for them, the oldest first.
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
    """One conversation in a list of conversations.

    ``last`` is the id of its last entry, ``unread`` is the number of unread messages, and ``read`` is the
    user's read mark, or 0 for none. ``marked`` is true if the user has set a read mark at 0, so that nothing
    counts as read.
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
    """The read mark of the requesting user in one conversation: the log id ``id`` of the last read entry.

    The conversation is a ``group``, the direct conversation with the user ``friend``, or the lobby. When the
    mark moves, the user's other sessions are sent this object, too.
    """

    group: str = ""
    friend: str = msgspec.field(default="", name="with")
    id: int


class Typing(AnswerBase, frozen=True, kw_only=True):
    """A notice that the user ``nick`` is typing or has stopped typing.

    The user types in a ``group``, to one user (``to``), or in the lobby. ``state`` is "active", "paused" or
    "done". The answer to the user's own notice has the same form.
    """

    nick: str = msgspec.field(name="from")
    group: str = ""
    to: str = ""
    state: str


class ActiveConversation(msgspec.Struct, frozen=True):
    """One conversation in a list by time. ``last`` is the id of its last message, and ``ts`` is the time."""

    kind: str
    name: str
    last: int
    ts: Timestamp


class ActiveConversations(AnswerBase, frozen=True, kw_only=True):
    """The conversations whose last messages were sent between two times, the oldest first."""

    conversations: list[ActiveConversation]
    more: bool = False


class ConversationName(msgspec.Struct, frozen=True):
    """The conversation of an exported entry: its kind and its name, as in a list of conversations."""

    kind: str
    name: str


class ExportedMessage(HistoryMessage, frozen=True, kw_only=True):
    """A message in the export of a user's or a group's data."""

    conversation: ConversationName


class ExportedEvent(GroupEvent, frozen=True, kw_only=True):
    """An event in the export of a user's or a group's data."""

    conversation: ConversationName


class FoundMessage(HistoryMessage, frozen=True, kw_only=True):
    """A message that a search has found, with its conversation."""

    conversation: ConversationName


class SearchResult(AnswerBase, frozen=True, kw_only=True):
    """The messages that a search has found.

    The newest comes first, or the oldest if the search has only lower bounds. If there may be more messages,
    either ``before`` or ``after`` is given: the bound with which the client can continue the search.
    """

    messages: list[FoundMessage]
    more: bool = False
    before: int | None = None
    after: int | None = None


class CommandHelp(msgspec.Struct, frozen=True):
    """The description of one command in the list of commands: its action, the names of its fields, and a
    sentence.
    """

    action: str
    fields: list[str]
    help: str


class Help(AnswerBase, frozen=True, kw_only=True):
    """The answer to the help command: the list of the daemon's commands."""

    commands: list[CommandHelp]
    more: bool = False


class Goodbye(AnswerBase, frozen=True, kw_only=True):
    """The last object that the daemon sends before it closes a connection at the client's request."""

    msg: str = ""


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The refusal of a request, which had the action ``request`` and the client's id ``ref``.

    If the two fields are empty, the daemon refuses the connection itself, or a frame that it can't decode. If
    ``retry_after`` is given, the request may succeed if it is repeated after that many seconds.
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
    """Return the object in the JSON text ``value``, or None if its action is unknown.

    Raises `msgspec.MsgspecError` if ``value`` is not JSON or does not fit the action.
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

    Raises `msgspec.ValidationError` if a key is missing or a value has the wrong type.
    """
    return msgspec.convert(fields, kind, dec_hook=_read_timestamp)
