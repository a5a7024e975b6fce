"""The JSON dialect: the course-work "tchat" in all its generations, and its newline-delimited kind.

Sources: seeds td2, td4 and project-part2; the base actions and the habits of real clients are
described in SPEC.md, chapter JSON.
"""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any, Final, TypeGuard

import msgspec

from chatd import __version__
from chatd.boundaries import Dialect, Payloads
from chatd.core.answers import (
    Ack,
    Answer,
    Clients,
    Conversations,
    Goodbye,
    Groups,
    Help,
    Members,
    Page,
    Welcome,
)
from chatd.core.commands import ACTIONS, COMMANDS, SENDER_NAMES, Command
from chatd.core.declarations import Declaration
from chatd.core.events import Conversation, Delivery, Departed, Entry, Event
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.wires import Opening, Wire
from chatd.dialects.timestamps import rfc3339

COURSEWORK_FRAME_SIZE: Final = 60_000
"""The largest object for a course-work client, in bytes: it takes one read of 64 KiB for one object."""

LINES_FRAME_SIZE: Final = 256 * 1024
"""The largest object for other clients, in bytes: a page never fills an outbox."""

COURSEWORK_PACE_SECONDS: Final = 0.04
"""Seconds between two objects to a course-work client: it takes one read for one object."""

LIST_HEAD: Final = 4096
"""Bytes that an entry of a list leaves for the keys around the list."""

REF_LENGTH: Final = 128
"""The maximum number of characters in a ref."""

NAME_LENGTH: Final = 64
"""The maximum number of characters of an unknown action that its refusal repeats."""

ACK_PREFIX: Final = "ack-"
"""Prefix of the actions with which some course-work clients acknowledge a relayed message. They expect no
answer, and some disconnect on a refusal.
"""

CLIENT_LIST_KEYS: Final = ("clients", "msg", "data", "list")
"""The keys under which course-work clients look for the list of clients; some crash if theirs is missing."""

_RELAYED: Final = {
    "server-send": "client-send",
    "server-broadcast": "client-broadcast",
    "server-quit": "server-go",
}
"""Action names for clients that give their ``name`` in their hello."""

# The key of an event's body, by the kind of the event; other bodies are not shown.
_BODY: Final = {
    "created": "visibility",
    "visibility": "visibility",
    "topic": "topic",
    "kicked": "reason",
    "banned": "reason",
}

_PAGES: Final = {"messages": "server-msgs", "states": "server-states"}

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_TEMPLATE: Final = re.compile(rb"[${}]")

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode

Object = dict[str, Any]


class JsonDialect:
    """One of four variants: for ``lines`` or for course work, with ``relay`` action names or without."""

    greeting: Final = ()
    requires_login = False
    pages: Final = "all"

    def __init__(
        self, limits: Limits, lines: bool = False, relay: bool = False, family: Family | None = None
    ) -> None:
        self.lines = lines
        self.relay = relay
        self.pace = 0.0 if lines else COURSEWORK_PACE_SECONDS
        self.list_size = LINES_FRAME_SIZE if lines else COURSEWORK_FRAME_SIZE
        self._limits = limits
        self._family: Family = {} if family is None else family
        self._family[lines, relay] = self

    def variant(self, lines: bool, relay: bool) -> JsonDialect:
        """The dialect of this family with these properties; always the same object."""
        found = self._family.get((lines, relay))
        return found or JsonDialect(self._limits, lines, relay, self._family)

    @property
    def in_lines(self) -> JsonDialect:
        """The variant for clients that end their lines."""
        return self.variant(True, self.relay)

    # What the client says.

    def decode(self, frame: bytes) -> Request | None:
        """The request in one JSON object, with a refusal if it is invalid; None for an acknowledgement."""
        try:
            asked = _parse(frame)
        except Refusal as refusal:
            return Request(refusal)
        inner = asked.get("messageFormat")
        if isinstance(inner, dict):
            asked = inner
        name = asked.get("action")
        if isinstance(name, str) and name.startswith(ACK_PREFIX) and self._wants_no_answer(asked):
            return None
        ref = None if asked.get("ref") == "" else asked.get("ref")
        sender = next((asked[key] for key in SENDER_NAMES if asked.get(key) is not None), "")
        try:
            command: Command | Refusal = self._command(asked, name, ref, sender)
        except Refusal as refusal:
            command = refusal
        return Request(
            command,
            name[:NAME_LENGTH] if isinstance(name, str) else "",
            sender if isinstance(sender, str) else "",
            ref if _is_ref(ref) else None,
            self._shown(asked, name),
        )

    def _command(self, asked: Object, name: object, ref: object, sender: object) -> Command:
        if not _is_ref(ref):
            raise Refusal(
                "bad_request",
                why=f"ref must be a string or a whole number of at most {REF_LENGTH} characters",
            )
        if not isinstance(name, str):
            raise Refusal("bad_request", why="action must be a string")
        row = ACTIONS.get(name)
        if row is None:
            raise Refusal("unknown_action", name=name[:NAME_LENGTH])
        if not isinstance(sender, str):
            raise Refusal("bad_request", why="the sender must be a string")
        return row.build(_values(row, name, asked, sender), self._limits)

    def _shown(self, asked: Object, name: object) -> Dialect | None:
        lines = self._in_lines(asked)
        names_itself = "name" in asked and not {"from", "sender"} & asked.keys()
        relay = self.relay or (names_itself and name in COMMANDS["hello"].actions)
        return self.variant(lines, relay) if (lines, relay) != (self.lines, self.relay) else None

    def _wants_no_answer(self, asked: Object) -> bool:
        """False for a client in lines that gives its acknowledgement a ref: it waits for an answer."""
        return asked.get("ref") is None or not self._in_lines(asked)

    def _in_lines(self, asked: Object) -> bool:
        return self.lines or asked.get("framing") == "lines"

    # What the client is told.

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """The answer as one object."""
        return _ANSWERS[type(answer)](self, request, answer)

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """The refusal as a ``server-error``."""
        said: Object = {"action": "server-error", "code": refusal.code, "msg": refusal.text}
        if request is not None and request.name:
            said["request"] = request.name
        if request is not None and request.ref is not None:
            said["ref"] = request.ref
        if refusal.retry_after is not None:
            said["retry_after"] = refusal.retry_after
        return self._object(said)

    def encode(self, delivery: Delivery) -> Payloads:
        """A delivery as one object."""
        if isinstance(delivery, Entry):
            return self._message_object(delivery) if delivery.event.said else self._object(_event(delivery))
        said: Object = {"action": "server-event", "actor": delivery.user.nick, "ts": rfc3339(delivery.at)}
        if isinstance(delivery, Departed):
            return self._object({**said, "event": "left"})
        return self._object(
            {**said, "event": "arrived", "returning": delivery.returning, "colour": delivery.user.colour}
        )

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """The same object: a JSON client hears the events of all its groups."""
        return self.encode(delivery)

    def _welcome(self, request: Request, answer: Welcome) -> Payloads:
        user = answer.user
        msg = f"Welcome back {user.nick} !" if answer.returning else f"Hello {user.nick}"
        said: Object = {"from": "server", "action": "server-hello", "msg": msg}
        if self.lines:
            limits = self._limits
            said["user"] = {"id": user.id, "nick": user.nick, "colour": user.colour}
            said["cursor"] = answer.cursor
            said["seen"] = answer.seen
            said["returning"] = answer.returning
            said["limits"] = {"json": limits.json, "message": limits.message, "page": limits.page_max}
            said["version"] = __version__
            if request.ref is not None:
                said["ref"] = request.ref
        return self._object(said)

    def _ack(self, request: Request, answer: Ack) -> Payloads:
        logged = answer.logged
        said = self._answered(request, "server-ack")
        said["request"] = request.name
        said.update(_where(logged.event.conversation))
        if logged.event.subject is not None:
            said["to"] = logged.event.subject.nick
        said.update(id=logged.id, seq=logged.seq, ts=rfc3339(logged.at))
        return self._object(said)

    def _clients(self, request: Request, answer: Clients) -> Payloads:
        said, nicks = self._answered(request, "server-list-clients"), list(answer.nicks)
        if self.lines:
            return self._list(said, "clients", nicks)
        room = COURSEWORK_FRAME_SIZE - len(
            self._encoded({**said, **{key: [] for key in CLIENT_LIST_KEYS}, "more": True})
        )
        sizes = accumulate(len(CLIENT_LIST_KEYS) * (len(self._encoded(nick)) + 1) for nick in nicks)
        shown = nicks[: bisect_right(list(sizes), room)]
        said.update(dict.fromkeys(CLIENT_LIST_KEYS, shown))
        if len(shown) < len(nicks):
            said["more"] = True
        return self._object(said)

    def _members(self, request: Request, answer: Members) -> Payloads:
        members = [{"name": m.nick, "role": m.role, "online": m.online} for m in answer.members]
        return self._list(
            {**self._answered(request, "server-members"), "group": answer.group}, "members", members
        )

    def _groups(self, request: Request, answer: Groups) -> Payloads:
        groups = [msgspec.to_builtins(line) for line in answer.groups]
        return self._list(self._answered(request, "server-groups"), "groups", groups)

    def _page(self, request: Request, answer: Page) -> Payloads:
        conversation = answer.conversation
        row = ACTIONS.get(request.name)
        action = _PAGES.get(row.answer if row is not None else "history", "server-history")
        said = {**self._answered(request, action), **_where(conversation)}
        if conversation.kind == "direct":
            said["with"] = conversation.other(answer.reader).nick
        if answer.seen is not None:
            said["seen"] = answer.seen
        key = "events" if answer.events else "messages"
        item = _event_item if answer.events else self._message_item
        ordered = answer.entries if answer.forward else reversed(answer.entries)
        return self._list(said, key, map(item, ordered), answer.more, answer.forward)

    def _conversations(self, request: Request, answer: Conversations) -> Payloads:
        said = self._answered(request, "server-conversations")
        lines = map(msgspec.to_builtins, answer.conversations)
        return self._list(said, "conversations", lines, answer.more)

    def _message_item(self, logged: Entry) -> Object:
        item = _message_item(logged)
        if logged.event.kind == "image" and len(self._encoded(item)) > self.list_size - LIST_HEAD:
            item["msg"] = _too_large(logged.event)
        if self.lines:
            item["colour"] = logged.event.actor.colour
        return item

    def _help(self, request: Request, answer: Help) -> Payloads:
        commands = [
            {"action": row.actions[0], "fields": list(row.fields), "help": row.help}
            for row in answer.commands
            if row.actions
        ]
        return self._list(self._answered(request, "server-help"), "commands", commands)

    def _goodbye(self, request: Request, answer: Goodbye) -> Payloads:
        said = self._answered(request, "server-quit")
        if answer.user is not None:
            said["msg"] = f"Goodbye {answer.user.nick}"
        return self._object(said)

    def _answered(self, request: Request, action: str) -> Object:
        return {"action": action} if request.ref is None else {"action": action, "ref": request.ref}

    def _list(
        self, said: Object, key: str, items: Iterable[Any], more: bool = False, forward: bool = True
    ) -> Payloads:
        """An object with as many ``items`` as fit; they come from the end that the reader began at."""
        room = self.list_size - len(self._encoded({**said, key: [], "more": True}))
        kept: list[Any] = []
        for item in items:
            room -= len(self._encoded(item)) + 1
            if room < 0:
                more = True
                break
            kept.append(item)
        said[key] = kept if forward else kept[::-1]
        if more:
            said["more"] = True
        return self._object(said)

    def _message_object(self, logged: Entry) -> Payloads:
        said = _message(logged)
        payloads = self._object(said)
        if self.lines or len(payloads[0]) <= COURSEWORK_FRAME_SIZE:
            return payloads
        return self._object({**said, "msg": _too_large(logged.event)})

    def _object(self, said: Object) -> Payloads:
        if self.relay:
            said["action"] = _RELAYED.get(said["action"], said["action"])
        return (self._encoded(said),)

    def _encoded(self, said: object) -> bytes:
        return _encode(said) if self.lines else _STRING.sub(_escape, _encode(said))


Family = dict[tuple[bool, bool], JsonDialect]

_ANSWERS: Final[dict[type, Callable[[JsonDialect, Request, Any], Payloads]]] = {
    Welcome: JsonDialect._welcome,
    Ack: JsonDialect._ack,
    Clients: JsonDialect._clients,
    Members: JsonDialect._members,
    Groups: JsonDialect._groups,
    Page: JsonDialect._page,
    Conversations: JsonDialect._conversations,
    Help: JsonDialect._help,
    Goodbye: JsonDialect._goodbye,
}


def _parse(frame: bytes) -> Object:
    """The object that ``frame`` is. Raises `Refusal` ``bad_json`` or ``bad_utf8``."""
    try:
        said = _decode(frame)
        # Every key has its colon, so as many colons as keys prove that none stands twice; a colon more,
        # in a text or in a nested object, takes the slow way.
        if isinstance(said, dict) and frame.count(b":") != len(said):
            json.loads(frame, object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise Refusal("bad_utf8") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal("bad_json", why=str(error)) from None
    if not isinstance(said, dict):
        raise Refusal("bad_json", why="a request must be an object")
    return said


def _unique(pairs: list[tuple[str, object]]) -> Object:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise Refusal("bad_json", why="a key occurs twice")
    return unique


def _is_ref(ref: object) -> TypeGuard[str | int | None]:
    if isinstance(ref, bool):
        return False
    return ref is None or (isinstance(ref, str | int) and len(str(ref)) <= REF_LENGTH)


def _values(row: Declaration, action: str, asked: Mapping[str, object], sender: str) -> Mapping[str, object]:
    """The values by chatd's own field names, from the names and spellings that clients use."""
    values: Object = {}
    for name, field in row.fields.items():
        key, value = name, asked.get(name)
        if value is None:
            for key in field.aliases:
                value = asked.get(key)
                if value is not None:
                    break
        if field.is_sender:
            value = sender
        elif value is not None and field.spelling is not None:
            value = field.spelling(key, value)
        values[name] = value
    if action in row.presets:
        values.update(row.presets[action])
    return values


def _escape(string: re.Match[bytes]) -> bytes:
    """Escape ``$``, ``{`` and ``}``: one client runs its input through a template."""
    return _TEMPLATE.sub(lambda found: b"\\u%04x" % found[0][0], string[0])


def _where(conversation: Conversation) -> Object:
    return {"group": conversation.name} if conversation.kind == "group" else {}


def _message(logged: Entry) -> Object:
    event = logged.event
    said: Object = {"action": "server-broadcast", "from": event.actor.nick}
    if event.conversation.kind == "group":
        said["action"] = "server-gbroadcast"
        said["group"] = event.conversation.name
    elif event.subject is not None:
        said["action"] = "server-send"
        said["to"] = event.subject.nick
    said["msg"] = event.body
    if event.kind == "image":
        said["kind"] = "image"
    said["id"] = logged.id
    said["seq"] = logged.seq
    said["ts"] = rfc3339(logged.at)
    said["colour"] = event.actor.colour
    return said


def _too_large(event: Event) -> str:
    """The text that replaces an image too large for one object."""
    return f"(an image of {len(event.body.encode())} bytes, too large for this client)"


def _event(logged: Entry) -> Object:
    return {"action": "server-event", "group": logged.event.conversation.name, **_event_item(logged)}


def _event_item(logged: Entry) -> Object:
    event = logged.event
    said: Object = {
        "id": logged.id,
        "seq": logged.seq,
        "ts": rfc3339(logged.at),
        "event": event.kind,
        "actor": event.actor.nick,
    }
    if event.subject is not None:
        said["subject"] = event.subject.nick
    if event.kind in _BODY:
        said[_BODY[event.kind]] = event.body
    if event.kind == "promoted":
        said["role"] = event.body or "operator"
    return said


def _message_item(logged: Entry) -> Object:
    return {
        "id": logged.id,
        "seq": logged.seq,
        "ts": rfc3339(logged.at),
        "from": logged.event.actor.nick,
        "msg": logged.event.body,
        "kind": logged.event.kind,
    }


WIRES: Final = (
    Wire(
        "json",
        "json",
        JsonDialect,
        (Opening(b"{", after_blanks=True), Opening(b"[", after_blanks=True), Opening(codecs.BOM_UTF8)),
    ),
)
