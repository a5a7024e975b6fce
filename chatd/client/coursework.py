"""Translates between the client's commands and the JSON of course-work servers.

A course-work server is a student's simple chat server. It sends no entry ids and no acks, and it replays
nothing. The specification of the course does not say what its answers look like. The client therefore accepts
all field names that are known from course work, and shows any other object to the user as text.

Source: the JSON seeds td2, td4 and project-part2, and the base actions of the course (``client-hello``,
``client-send`` …).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, TypeVar

import msgspec

from chatd.client import codec
from chatd.core import commands as c
from chatd.core.commands import COMMANDS, COMMANDS_BY_CLASS, COMMANDS_BY_JSON_ACTION, Command
from chatd.core.declarations import CommandDeclaration
from chatd.core.events import is_action
from chatd.core.language import N_
from chatd.json_wire import objects

COURSEWORK_LIMITATIONS_WARNING: Final = N_(
    "this server is no chatd: it confirms nothing, so what is written counts as sent, and what is said while"
    " there is no connection is missed"
)
"""The warning that the user gets once about a course-work server."""

MAX_REMEMBERED_ECHOES: Final = 256
"""The maximum number of sent messages that the client remembers, the latest ones.

Some course-work servers send a message back to its author, and the client must not show it twice.
"""

MAX_NOTICE_CHARACTERS: Final = 2_000
"""The greatest length of a notice from the server, in characters."""

# For each command, a request's fields besides its action: the keys that hold the user's nick, and the key of
# each field of the command.
_BY_FROM: Final = ("from",)
_BY_SENDER: Final = ("sender",)
_REQUESTS: Final[dict[type[Command], tuple[tuple[str, ...], dict[str, str]]]] = {
    c.Quit: (_BY_FROM, {}),
    c.ListClients: (_BY_FROM, {}),
    c.SendToLobby: (_BY_FROM, {"msg": "msg"}),
    c.SendToUser: (_BY_FROM, {"dest": "to", "msg": "msg"}),
    c.CreateGroup: (_BY_SENDER, {"group": "group"}),
    c.Join: (_BY_SENDER, {"group": "group"}),
    c.SendToGroup: (_BY_SENDER, {"group": "group", "msg": "msg"}),
    c.ListMembers: (_BY_SENDER, {"group": "group"}),
    c.ListGroupMessages: (_BY_SENDER, {"group": "group"}),
    c.ListGroups: (("sender", "name"), {}),  # the seeds have the key name in this request only
    c.Leave: (_BY_SENDER, {"group": "group"}),
    c.Invite: (_BY_SENDER, {"group": "group", "dest": "dest"}),
    c.Kick: (_BY_SENDER, {"group": "group", "dest": "dest", "reason": "reason"}),
    c.Ban: (_BY_SENDER, {"group": "group", "dest": "dest", "reason": "reason"}),
    c.Unban: (_BY_SENDER, {"group": "group", "dest": "dest"}),
    c.ListGroupEvents: (_BY_SENDER, {"group": "group"}),
}

_FROM: Final = ("from", "sender", "name")
_TO: Final = ("to", "dest")
_GROUP: Final = ("group", "groupe")
_TEXT: Final = ("msg", "message", "data", "error", "reason")
_LISTED: Final = ("msg", "message", "data", "list")

# The action of a server's object -> the declaration of its command. The action is the request's, or the
# request's behind ``server-``.
_ROW_BY_ACTION: Final[dict[str, CommandDeclaration]] = {
    **{f"server-{action.removeprefix('client-')}": row for action, row in COMMANDS_BY_JSON_ACTION.items()},
    "server-go": COMMANDS["quit"],
    **COMMANDS_BY_JSON_ACTION,
}

JsonObject = dict[str, Any]


def parse_object(value: bytes) -> JsonObject | None:
    """Decode the JSON object in ``value``. Return None if ``value`` holds no object or an empty object.

    Some servers wrap each object in another one under ``messageFormat``; the wrapper is removed.
    """
    try:
        received = msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(received, dict):
        return None
    inner = received.get("messageFormat")
    return (inner if isinstance(inner, dict) else received) or None


def parse_hello_reply(received: JsonObject, nick: str) -> codec.CourseworkWelcome | objects.Error | None:
    """Return a course-work server's answer to the client's hello: a welcome or an error.

    ``received`` is the server's JSON object. The welcome names ``nick`` as the user. Return None if that
    object is no answer to a hello.
    """
    if _is_error(received):
        return _error(received)
    return placeholder_welcome(nick, _text(received)) if _action(received) == "server-hello" else None


def placeholder_welcome(nick: str, msg: str = "") -> codec.CourseworkWelcome:
    """Return a welcome like that of chatd, for a course-work server, which sends none.

    The welcome has the text ``msg`` and the user ``nick``. Its other fields have neutral values.
    """
    user = objects.User(id=0, nick=nick, colour="")
    return codec.CourseworkWelcome(
        sender="", action="", msg=msg, user=user, cursor=0, seen=0, returning=False
    )


class CourseworkCodec:
    """Translates between chatd's JSON objects and the JSON of one course-work server, for the user ``nick``.

    A course-work server gives its messages no ids, so the codec numbers them from 1. The numbering continues
    when the client reconnects.
    """

    def __init__(self, nick: str) -> None:
        self._nick = nick
        self._ids = count(1)
        self._sent: deque[tuple[str, str]] = deque(maxlen=MAX_REMEMBERED_ECHOES)
        self._groups: dict[str, str] = {}

    def encode_request(self, command: Command) -> bytes | None:
        """Return the JSON request for ``command``, without a newline.

        Return None if the course-work protocol has no such request. The request has only the fields that the
        specification of the course names.
        """
        if type(command) not in _REQUESTS:
            return None
        row = COMMANDS_BY_CLASS[type(command)]
        keys, fields = _REQUESTS[type(command)]
        fields_sent: JsonObject = dict.fromkeys(keys, self._nick)
        fields_sent.update((key, getattr(command, field)) for field, key in fields.items())
        if isinstance(command, c.CreateGroup) and command.visibility == "private":
            fields_sent["type"] = "private"
        fields_sent["action"] = row.json_actions[0]
        if "group" in fields:
            self._groups[row.name] = fields_sent["group"]
        return msgspec.json.encode(fields_sent)

    def substitute_ack(self, command: c.SendToLobby | c.SendToUser | c.SendToGroup) -> objects.Ack:
        """Return an ack for the written message ``command``, because a course-work server sends none.

        The ack has the next free id. The message is remembered, so that `decode` drops its echo. Call this
        once for each message.
        """
        self._sent.append((COMMANDS_BY_CLASS[type(command)].name, command.msg))
        group = command.group if isinstance(command, c.SendToGroup) else ""
        to = command.dest if isinstance(command, c.SendToUser) else ""
        return objects.Ack(id=next(self._ids), ts=_now(), group=group, to=to)

    def decode(self, received: JsonObject) -> tuple[str, codec.News | objects.AnswerObject] | None:
        """Decode a JSON object from the server.

        Return the name of the command it answers, and chatd's object for it.

        The name is empty for an error, and for an object that answers no known command. Return None for the
        server's echo of the user's own message.
        """
        if _is_error(received):
            return "", _error(received)
        row = _ROW_BY_ACTION.get(_action(received))
        if row is None:
            return "", self._notice(received)
        sender, text = _first_text(received, _FROM), _text(received)
        if sender == self._nick and (row.name, text) in self._sent:
            self._sent.remove((row.name, text))
            return None
        read = _READERS.get(row.name, CourseworkCodec._event)
        return row.name, read(self, received, row.name) or self._notice(received)

    def _broadcast(self, received: JsonObject, row: str) -> codec.News | None:
        return self._message(received)

    def _send(self, received: JsonObject, row: str) -> codec.News | None:
        return self._message(received, to=_first_text(received, _TO) or self._nick)

    def _gbroadcast(self, received: JsonObject, row: str) -> codec.News | None:
        group = _first_text(received, _GROUP)
        return self._message(received, group=group) if group else None

    def _message(self, received: JsonObject, **where: str) -> objects.Message | None:
        sender, text = _first_text(received, _FROM), _text(received)
        if not sender or not text:
            return None
        return _build_message(
            {"id": next(self._ids), "from": sender, "msg": text, **where}, received, objects.Message
        )

    def _clients(self, received: JsonObject, row: str) -> objects.AnswerObject | None:
        names = _names(_list(received, "clients"))
        return None if names is None else objects.Clients(clients=names)

    def _members(self, received: JsonObject, row: str) -> objects.AnswerObject | None:
        names = _names(_list(received, "members"))
        if names is None:
            return None
        members = [objects.Member(name, role="", online=True) for name in names]
        return objects.Members(group=self._group(received, row), members=members)

    def _group_list(self, received: JsonObject, row: str) -> objects.AnswerObject | None:
        listed = _list(received, "groups")
        names = _names(listed)
        if names is None or listed is None:
            return None
        described = [one if isinstance(one, dict) else {} for one in listed]
        groups = [
            objects.Group(name, _visibility(about)) for name, about in zip(names, described, strict=True)
        ]
        return objects.Groups(groups=groups)

    def _messages(self, received: JsonObject, row: str) -> objects.AnswerObject | None:
        listed = _list(received, "messages", "msgs", "history")
        if listed is None:
            return None
        items = [_item(one, number) for number, one in enumerate(listed, 1)]
        found = [item for item in items if item is not None]
        return (
            objects.Page(messages=found, group=self._group(received, row))
            if len(found) == len(items)
            else None
        )

    def _event(self, received: JsonObject, row: str) -> codec.News | None:
        """Return the group event that a server's JSON object reports.

        Return None if the object is incomplete, or if the server describes the event in a text of its own.
        """
        event = codec.EVENT_KIND_BY_COMMAND.get(COMMANDS[row].command)
        group, actor = _first_text(received, _GROUP), _first_text(received, _FROM)
        if event is None or not group or not actor or any(key in received for key in ("msg", "message")):
            return None
        visibility = _visibility(received) if event == "created" else ""
        return objects.GroupEvent(
            id=0, event=event, actor=actor, ts=_now(), group=group, subject=_first_text(received, _TO),
            reason=_first_text(received, ("reason",)), visibility=visibility,
        )  # fmt: skip

    def _notice(self, received: JsonObject) -> codec.ServerNotice:
        """Return a notice with the text of a server's JSON object.

        The object's action stands before the text if the course-work protocol lacks the action.
        """
        keys = ("events", "states", "messages", "msgs", *_LISTED)
        listed = next((received[key] for key in keys if isinstance(received.get(key), list)), None)
        text = "\n".join(map(_as_line, listed)) if listed else _text(received)
        action = _action(received)
        if not text:
            text = _as_line(received)
        elif action and action not in _ROW_BY_ACTION:
            text = f"{action}: {text}"
        return codec.ServerNotice(text=text[:MAX_NOTICE_CHARACTERS], ts=datetime.now(UTC))

    def _group(self, received: JsonObject, row: str) -> str:
        """Return the name of the group that a server's JSON object is about.

        If the object does not name it, this is the group of the last request with the same command ``row``.
        """
        return _first_text(received, _GROUP) or self._groups.get(row, "")


_READERS: Final[
    dict[str, Callable[[CourseworkCodec, JsonObject, str], codec.News | objects.AnswerObject | None]]
] = {
    "broadcast": CourseworkCodec._broadcast,
    "send": CourseworkCodec._send,
    "gbroadcast": CourseworkCodec._gbroadcast,
    "clients": CourseworkCodec._clients,
    "members": CourseworkCodec._members,
    "groups": CourseworkCodec._group_list,
    "msgs": CourseworkCodec._messages,
}


def _action(received: JsonObject) -> str:
    action = received.get("action")
    return action if isinstance(action, str) else ""


def _is_error(received: JsonObject) -> bool:
    return _action(received).endswith("error")


def _error(received: JsonObject) -> objects.Error:
    code = received.get("code")
    return objects.Error(
        code=_first_text(received, ("code",)) or (str(code) if isinstance(code, int) else "error"),
        msg=_text(received) or _as_line(received),
    )


def _first_text(received: JsonObject, keys: Iterable[str]) -> str:
    """Return the first non-empty string of a JSON object under one of ``keys``, or an empty string."""
    return next((received[key] for key in keys if isinstance(received.get(key), str) and received[key]), "")


def _text(received: JsonObject) -> str:
    return _first_text(received, _TEXT)


def _list(received: JsonObject, *own: str) -> list[Any] | None:
    """Return the list in the object ``received``, or None if the object has no list.

    The list is under one of the keys ``own``, or under a key that a list of any kind may have. An
    object in its place counts as the list of its keys.
    """
    for key in (*own, *_LISTED):
        found = received.get(key)
        if isinstance(found, list | dict):
            return list(found)
    return None


def _names(listed: list[Any] | None) -> list[str] | None:
    """Return the names in a list of names, or in a list of objects that have a name each.

    Return None if there is no list or if an item has no name.
    """
    if listed is None:
        return None
    keys = (*_FROM, *_GROUP, "nick", "username", "pseudo")
    names = [_first_text(one, keys) if isinstance(one, dict) else one for one in listed]
    return names if all(isinstance(name, str) and name for name in names) else None


def _visibility(received: JsonObject) -> str:
    """Return ``private`` if any field of the object ``received`` has this value, else ``public``."""
    return "private" if "private" in received.values() else "public"


def _item(received: Any, number: int) -> objects.HistoryMessage | None:
    if not isinstance(received, dict):
        return None
    sender, text = _first_text(received, _FROM), _text(received)
    if not sender or not text:
        return None
    return _build_message(
        {"id": number, "seq": number, "from": sender, "msg": text}, received, objects.HistoryMessage
    )


def _now() -> objects.Timestamp:
    return objects.Timestamp(datetime.now(UTC).isoformat())


T = TypeVar("T")


def _build_message(fields: JsonObject, received: JsonObject, kind: type[T]) -> T:
    """Return a message object of the type ``kind`` with these ``fields``.

    The time, kind and colour are those of the server's JSON object ``received`` if they are valid. Without a
    valid time, the message gets the current time; without a kind, the text says whether it is an action.
    """
    fields = {"ts": _now(), "kind": "action" if is_action(fields["msg"]) else "message", **fields}
    given = {key: received[key] for key in ("ts", "kind", "colour") if isinstance(received.get(key), str)}
    try:
        return objects.object_from_fields({**fields, **given}, kind)
    except msgspec.ValidationError:
        return objects.object_from_fields(fields, kind)


def _as_line(received: Any) -> str:
    """Return a JSON value as text: a string as it is, an object without its action."""
    if isinstance(received, str):
        return received
    if isinstance(received, dict) and len(received) > 1:
        received = {key: value for key, value in received.items() if key != "action"}
    return msgspec.json.encode(received).decode()
