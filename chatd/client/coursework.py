"""A course-work server from the client's side: commands to its requests, and what it says to values.

Source: the JSON seeds td2, td4 and project-part2, and the base actions of the course (``client-hello``,
``client-send`` …). Such a server numbers, confirms and keeps nothing, and the seeds leave its answers open:
what is known of other course work is read under all its names, and anything else is shown as it came.
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
from chatd.core.commands import ACTIONS, COMMANDS, DECLARED, Command
from chatd.core.declarations import Declaration
from chatd.core.language import N_
from chatd.json_wire import objects

REMARK: Final = N_(
    "this server is no chatd: it confirms nothing, so what is written counts as sent, and what is said while"
    " there is no connection is missed"
)
"""What a user has to know of such a server."""

ECHOES: Final = 256
"""Messages of one's own that are remembered, because some servers send them back to whoever said them."""

LONGEST_NOTICE: Final = 2_000
"""Characters of a notice at most."""

# What a request says besides its action: who asks, under which keys, and the command's fields under theirs.
_BY_FROM: Final = ("from",)
_BY_SENDER: Final = ("sender",)
_REQUESTS: Final[dict[type[Command], tuple[tuple[str, ...], dict[str, str]]]] = {
    c.Quit: (_BY_FROM, {}),
    c.ListClients: (_BY_FROM, {}),
    c.Broadcast: (_BY_FROM, {"msg": "msg"}),
    c.Send: (_BY_FROM, {"dest": "to", "msg": "msg"}),
    c.CreateGroup: (_BY_SENDER, {"group": "group"}),
    c.Join: (_BY_SENDER, {"group": "group"}),
    c.GroupBroadcast: (_BY_SENDER, {"group": "group", "msg": "msg"}),
    c.ListMembers: (_BY_SENDER, {"group": "group"}),
    c.ListMessages: (_BY_SENDER, {"group": "group"}),
    c.ListGroups: (("sender", "name"), {}),  # the seeds say name here alone
    c.Leave: (_BY_SENDER, {"group": "group"}),
    c.Invite: (_BY_SENDER, {"group": "group", "dest": "dest"}),
    c.Kick: (_BY_SENDER, {"group": "group", "dest": "dest", "reason": "reason"}),
    c.Ban: (_BY_SENDER, {"group": "group", "dest": "dest", "reason": "reason"}),
    c.Unban: (_BY_SENDER, {"group": "group", "dest": "dest"}),
    c.ListStates: (_BY_SENDER, {"group": "group"}),
}

_FROM: Final = ("from", "sender", "name")
_TO: Final = ("to", "dest")
_GROUP: Final = ("group", "groupe")
_TEXT: Final = ("msg", "message", "data", "error", "reason")
_LISTED: Final = ("msg", "message", "data", "list")

# Action -> row of the table. What a server says has the name of the request, or ``server-`` in front of it.
_ROWS: Final[dict[str, Declaration]] = {
    **{f"server-{action.removeprefix('client-')}": row for action, row in ACTIONS.items()},
    "server-go": COMMANDS["quit"],
    **ACTIONS,
}

Object = dict[str, Any]


def parsed(value: bytes) -> Object | None:
    """The JSON object in ``value``, without the wrapper of some servers; None if it is none, or empty."""
    try:
        said = msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    inner = said.get("messageFormat")
    return (inner if isinstance(inner, dict) else said) or None


def hello_reply(said: Object, nick: str) -> codec.CourseWelcome | objects.Error | None:
    """The welcome or the error in ``said``, for the hello of ``nick``; None if it is no answer to a hello."""
    if _is_error(said):
        return _error(said)
    return welcome_of(nick, _text(said)) if _action(said) == "server-hello" else None


def welcome_of(nick: str, msg: str = "") -> codec.CourseWelcome:
    """A welcome that says ``msg``, with what such a server leaves out."""
    user = objects.User(id=0, nick=nick, colour="")
    return codec.CourseWelcome(sender="", action="", msg=msg, user=user, cursor=0, seen=0, returning=False)


class CourseWork:
    """Speaks with one server, for one run of the client, in which ``nick`` numbers what is said from 1."""

    def __init__(self, nick: str) -> None:
        self._nick = nick
        self._ids = count(1)
        self._sent: deque[tuple[str, str]] = deque(maxlen=ECHOES)
        self._groups: dict[str, str] = {}

    def request(self, command: Command) -> bytes | None:
        """``command`` with the fields of the seeds and no other; None if they have no such action."""
        if type(command) not in _REQUESTS:
            return None
        row = DECLARED[type(command)]
        keys, fields = _REQUESTS[type(command)]
        asked: Object = dict.fromkeys(keys, self._nick)
        asked.update((key, getattr(command, field)) for field, key in fields.items())
        if isinstance(command, c.CreateGroup) and command.visibility == "private":
            asked["type"] = "private"
        asked["action"] = row.actions[0]
        if "group" in fields:
            self._groups[row.name] = asked["group"]
        return msgspec.json.encode(asked)

    def substitute_ack(self, command: c.Broadcast | c.Send | c.GroupBroadcast) -> objects.Ack:
        """The acknowledgement to assume for ``command``, because a course-work server sends none."""
        self._sent.append((DECLARED[type(command)].name, command.msg))
        group = command.group if isinstance(command, c.GroupBroadcast) else ""
        to = command.dest if isinstance(command, c.Send) else ""
        return objects.Ack(id=next(self._ids), ts=_now(), group=group, to=to)

    def understand(self, said: Object) -> tuple[str, codec.News | objects.Answer] | None:
        """The row of the table that ``said`` belongs to, if any, and what it is; None for one's own echo."""
        if _is_error(said):
            return "", _error(said)
        row = _ROWS.get(_action(said))
        if row is None:
            return "", self._notice(said)
        sender, text = _first(said, _FROM), _text(said)
        if sender == self._nick and (row.name, text) in self._sent:
            self._sent.remove((row.name, text))
            return None
        read = _READ.get(row.name, CourseWork._event)
        return row.name, read(self, said, row.name) or self._notice(said)

    def _broadcast(self, said: Object, row: str) -> codec.News | None:
        return self._said(said)

    def _send(self, said: Object, row: str) -> codec.News | None:
        return self._said(said, to=_first(said, _TO) or self._nick)

    def _gbroadcast(self, said: Object, row: str) -> codec.News | None:
        group = _first(said, _GROUP)
        return self._said(said, group=group) if group else None

    def _said(self, said: Object, **where: str) -> objects.Message | None:
        sender, text = _first(said, _FROM), _text(said)
        if not sender or not text:
            return None
        return _filled({"id": next(self._ids), "from": sender, "msg": text, **where}, said, objects.Message)

    def _clients(self, said: Object, row: str) -> objects.Answer | None:
        names = _names(_list(said, "clients"))
        return None if names is None else objects.Clients(clients=names)

    def _members(self, said: Object, row: str) -> objects.Answer | None:
        names = _names(_list(said, "members"))
        if names is None:
            return None
        members = [objects.Member(name, role="", online=True) for name in names]
        return objects.Members(group=self._group(said, row), members=members)

    def _group_list(self, said: Object, row: str) -> objects.Answer | None:
        listed = _list(said, "groups")
        names = _names(listed)
        if names is None or listed is None:
            return None
        described = [one if isinstance(one, dict) else {} for one in listed]
        groups = [
            objects.Group(name, _visibility(about)) for name, about in zip(names, described, strict=True)
        ]
        return objects.Groups(groups=groups)

    def _messages(self, said: Object, row: str) -> objects.Answer | None:
        listed = _list(said, "messages", "msgs", "history")
        if listed is None:
            return None
        items = [_item(one, number) for number, one in enumerate(listed, 1)]
        found = [item for item in items if item is not None]
        return (
            objects.Page(messages=found, group=self._group(said, row)) if len(found) == len(items) else None
        )

    def _event(self, said: Object, row: str) -> codec.News | None:
        """What somebody did in a group, unless the server says it in its own words."""
        event = codec.EVENTS.get(COMMANDS[row].command)
        group, actor = _first(said, _GROUP), _first(said, _FROM)
        if event is None or not group or not actor or any(key in said for key in ("msg", "message")):
            return None
        return objects.Event(
            id=0, event=event, actor=actor, ts=_now(), group=group, subject=_first(said, _TO),
            reason=_first(said, ("reason",)), visibility=_visibility(said) if event == "created" else "",
        )  # fmt: skip

    def _notice(self, said: Object) -> codec.Notice:
        """``said`` as it came: its text, behind the name of an action that is none of the course's."""
        keys = ("events", "states", "messages", "msgs", *_LISTED)
        listed = next((said[key] for key in keys if isinstance(said.get(key), list)), None)
        text = "\n".join(map(_shown, listed)) if listed else _text(said)
        action = _action(said)
        if not text:
            text = _shown(said)
        elif action and action not in _ROWS:
            text = f"{action}: {text}"
        return codec.Notice(text=text[:LONGEST_NOTICE], ts=datetime.now(UTC))

    def _group(self, said: Object, row: str) -> str:
        """The group that ``said`` is about: some servers name only what is in it."""
        return _first(said, _GROUP) or self._groups.get(row, "")


_READ: Final[dict[str, Callable[[CourseWork, Object, str], codec.News | objects.Answer | None]]] = {
    "broadcast": CourseWork._broadcast,
    "send": CourseWork._send,
    "gbroadcast": CourseWork._gbroadcast,
    "clients": CourseWork._clients,
    "members": CourseWork._members,
    "groups": CourseWork._group_list,
    "msgs": CourseWork._messages,
}


def _action(said: Object) -> str:
    action = said.get("action")
    return action if isinstance(action, str) else ""


def _is_error(said: Object) -> bool:
    return _action(said).endswith("error")


def _error(said: Object) -> objects.Error:
    code = said.get("code")
    return objects.Error(
        code=_first(said, ("code",)) or (str(code) if isinstance(code, int) else "error"),
        msg=_text(said) or _shown(said),
    )


def _first(said: Object, keys: Iterable[str]) -> str:
    """The first string under one of ``keys``."""
    return next((said[key] for key in keys if isinstance(said.get(key), str) and said[key]), "")


def _text(said: Object) -> str:
    return _first(said, _TEXT)


def _list(said: Object, *own: str) -> list[Any] | None:
    """The list in ``said``, under one of its ``own`` names or of those that all lists may have."""
    for key in (*own, *_LISTED):
        found = said.get(key)
        if isinstance(found, list | dict):
            return list(found)
    return None


def _names(listed: list[Any] | None) -> list[str] | None:
    """The names in a list of them, or of objects that have one."""
    if listed is None:
        return None
    keys = (*_FROM, *_GROUP, "nick", "username", "pseudo")
    names = [_first(one, keys) if isinstance(one, dict) else one for one in listed]
    return names if all(isinstance(name, str) and name for name in names) else None


def _visibility(said: Object) -> str:
    """What ``said`` calls a group, under whatever key: public, unless it says otherwise."""
    return "private" if "private" in said.values() else "public"


def _item(said: Any, number: int) -> objects.HistoryMessage | None:
    if not isinstance(said, dict):
        return None
    sender, text = _first(said, _FROM), _text(said)
    if not sender or not text:
        return None
    return _filled({"id": number, "seq": number, "from": sender, "msg": text}, said, objects.HistoryMessage)


def _now() -> objects.Timestamp:
    return objects.Timestamp(datetime.now(UTC).isoformat())


T = TypeVar("T")


def _filled(fields: Object, said: Object, kind: type[T]) -> T:
    """A message of ``fields``, with the time, kind and colour of ``said`` if they are valid, else now."""
    fields = {"ts": _now(), "kind": "message", **fields}
    given = {key: said[key] for key in ("ts", "kind", "colour") if isinstance(said.get(key), str)}
    try:
        return objects.object_from_fields({**fields, **given}, kind)
    except msgspec.ValidationError:
        return objects.object_from_fields(fields, kind)


def _shown(said: Any) -> str:
    """A value as a line: a string as it is, an object without its action."""
    if isinstance(said, str):
        return said
    if isinstance(said, dict) and len(said) > 1:
        said = {key: value for key, value in said.items() if key != "action"}
    return msgspec.json.encode(said).decode()
