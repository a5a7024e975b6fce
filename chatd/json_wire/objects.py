"""The objects that the daemon sends on the JSON wire. The daemon encodes them, the client decodes them.

Keys stand in the order of the fields. A field is left out if its value is its default, the very same object.

Source: SPEC.md, chapter "The JSON wire".
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec

T = TypeVar("T")

# ``#rrggbb`` or empty. The client puts it into escape sequences, so nothing else may pass.
Colour = Annotated[str, msgspec.Meta(pattern=r"^(#[0-9a-fA-F]{6})?\Z")]

Ref = str | int | None
"""What a request is known by; its answer repeats it."""


class Timestamp(str):
    """A time as RFC 3339; the daemon writes UTC and milliseconds: ``2026-11-21T10:00:00.000Z``."""

    __slots__ = ()

    @property
    def as_datetime(self) -> datetime:
        """The same as a `datetime`."""
        return datetime.fromisoformat(self)


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that has just been sent: to a ``group``, to one user (``to``), or to everyone.

    ``kind`` is message or image.
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


class HistoryMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message in a page."""

    id: int
    seq: int
    ts: Timestamp
    nick: str = msgspec.field(name="from")
    msg: str
    kind: str
    colour: Colour = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of a group. In a page it has neither ``action`` nor ``group``.

    ``event`` is the kind of its log entry. It says which of the last four fields are there.
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


class Presence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user logged in (``event`` is arrived) or is gone (left)."""

    action: str = ""
    actor: str
    ts: Timestamp
    event: str
    returning: bool | None = None
    colour: Colour = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer to the request that had this ``ref``."""

    action: str = ""
    ref: Ref = None


class User(msgspec.Struct, frozen=True):
    """The user who logged in."""

    id: int
    nick: str
    colour: Colour


class WelcomeLimits(msgspec.Struct, frozen=True):
    """The daemon's limits: bytes of a request, bytes of a message, messages of a page."""

    json: int
    message: int
    page: int


class BasicWelcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The welcome of a course-work client."""

    sender: str = msgspec.field(name="from")
    action: str
    msg: str


class Welcome(BasicWelcome, frozen=True, kw_only=True):
    """The welcome of any other client. ``cursor`` is the last id of the log, ``seen`` the read marker."""

    user: User
    cursor: int
    seen: int
    returning: bool
    limits: WelcomeLimits | None = None
    version: str = ""
    ref: Ref = None


class Ack(Reply, frozen=True, kw_only=True):
    """The request is on disk as entry ``id``. ``request`` is its action."""

    request: str = ""
    group: str = ""
    to: str = ""
    id: int
    seq: int = 0
    ts: Timestamp


class Clients(Reply, frozen=True, kw_only=True):
    """The nicks of the connected users. Course-work clients look under one of four keys."""

    clients: list[str]
    msg: list[str] | None = None
    data: list[str] | None = None
    list_: list[str] | None = msgspec.field(default=None, name="list")
    more: bool = False


class Member(msgspec.Struct, frozen=True):
    """A member of a group: ``role`` is owner, operator or member."""

    name: str
    role: str
    online: bool


class Members(Reply, frozen=True, kw_only=True):
    """The members of a group, longest-standing first."""

    group: str
    members: list[Member]
    more: bool = False


class Group(msgspec.Struct, frozen=True):
    """A group that the reader can see. ``role`` is the reader's own, empty outside.

    A course-work server says neither ``role`` nor the number of ``members``.
    """

    group: str
    visibility: str
    topic: str = ""
    members: int | None = None
    role: str | None = None


class Groups(Reply, frozen=True, kw_only=True):
    """The groups that the reader can see."""

    groups: list[Group]
    more: bool = False


class Page(Reply, frozen=True, kw_only=True):
    """Messages of a ``group``, of the direct conversation with a ``friend``, or of the lobby; oldest first.

    ``more`` says whether there are further messages in the direction of reading. ``seen`` is the read marker
    if the page belongs to a welcome: messages behind it were missed.
    """

    group: str = ""
    friend: str = msgspec.field(default="", name="with")
    seen: int | None = None
    messages: list[HistoryMessage]
    more: bool = False


class EventPage(Reply, frozen=True, kw_only=True):
    """Events of a group, oldest first."""

    group: str
    events: list[Event]
    more: bool = False


class ConversationSummary(msgspec.Struct, frozen=True):
    """A conversation in a list. ``last`` is the id of its last entry; ``unread`` counts missed messages."""

    kind: str
    name: str = ""
    last: int = 0
    unread: int = 0


class Conversations(Reply, frozen=True, kw_only=True):
    """Conversations that the reader takes part in, the most recent first."""

    conversations: list[ConversationSummary]
    more: bool = False


class CommandHelp(msgspec.Struct, frozen=True):
    """A command: its action, the names of its fields, and a sentence."""

    action: str
    fields: list[str]
    help: str


class Help(Reply, frozen=True, kw_only=True):
    """The daemon's commands."""

    commands: list[CommandHelp]
    more: bool = False


class Goodbye(Reply, frozen=True, kw_only=True):
    """The daemon closes the connection, as asked."""

    msg: str = ""


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal: of the ``request`` with this action and ``ref``, or else of the connection.

    The same request may succeed after ``retry_after`` seconds, if that is given.
    """

    action: str = ""
    code: str
    msg: str
    request: str = ""
    ref: Ref = None
    retry_after: float | None = None


Answer = Reply | Welcome | Error
"""What answers a request."""


ServerObject = Message | Event | Presence | Answer
"""What the client receives."""

OBJECT_TYPES: Final[dict[str, type[ServerObject]]] = {
    "server-broadcast": Message,
    "server-gbroadcast": Message,
    "server-send": Message,
    "server-hello": Welcome,
    "server-ack": Ack,
    "server-list-clients": Clients,
    "server-members": Members,
    "server-groups": Groups,
    "server-history": Page,
    "server-msgs": Page,
    "server-states": EventPage,
    "server-conversations": Conversations,
    "server-help": Help,
    "server-quit": Goodbye,
    "server-error": Error,
}
"""Action -> type; ``server-event`` is an `Event` if it has an ``id``, else a `Presence`."""


def _write_timestamp(value: object) -> str:
    if not isinstance(value, Timestamp):
        raise TypeError(f"no part of an object: {value!r}")
    return str(value)


def _read_timestamp(kind: type, value: object) -> Timestamp:
    if not isinstance(value, str):
        raise TypeError("a time is a string")
    datetime.fromisoformat(value)  # or it is none
    return Timestamp(value)


class _Head(msgspec.Struct):
    """What decides the type of an object."""

    action: str
    id: int = 0


encode: Final = msgspec.json.Encoder(enc_hook=_write_timestamp).encode
"""The bytes of an object, of a part of one, or of anything else that JSON has."""

_head: Final = msgspec.json.Decoder(_Head).decode
_decoders: Final = {
    kind: msgspec.json.Decoder(kind, dec_hook=_read_timestamp).decode
    for kind in (*OBJECT_TYPES.values(), Event, Presence)
}


def decode(value: bytes) -> ServerObject | None:
    """The object in a JSON ``value``; None for an unknown action. Raises `msgspec.MsgspecError`."""
    head = _head(value)
    kind = (
        (Event if head.id else Presence) if head.action == "server-event" else OBJECT_TYPES.get(head.action)
    )
    return None if kind is None else _decoders[kind](value)


def object_from_fields(fields: dict[str, Any], kind: type[T]) -> T:
    """An object of these ``fields``. Raises `msgspec.ValidationError`."""
    return msgspec.convert(fields, kind, dec_hook=_read_timestamp)
