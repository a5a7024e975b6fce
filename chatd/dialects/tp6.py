"""The dialects of the TP6 chat room: French lines for clients that print what they read, and frames.

Source: seed tp6-chat-room; the habits of real clients are described in SPEC.md, chapter TP6. Where the seed
says nothing, the lines are in its manner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import partial
from typing import Any, Final, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from chatd.core.answers import (
    Ack,
    Answer,
    Clients,
    Conversations,
    Goodbye,
    Groups,
    Help,
    HistoryHint,
    Members,
    Page,
    Unchanged,
    Welcome,
)
from chatd.core.commands import COMMANDS, CreateGroup, Declaration, Enter, Hello, History, Leave
from chatd.core.events import Arrived, Event, Logged, Told
from chatd.core.limits import Limits
from chatd.core.names import BadName, parse_group
from chatd.core.refusals import Refusal, reason
from chatd.dialects.json import JsonDialect
from chatd.dialects.plain import LINE_END, clean
from chatd.dialects.stamp import rfc3339
from chatd.dialects.wire import Request, Wires

PACE: Final = 0.04
"""Seconds between two writes to a client that takes one read for one message."""

PORTION: Final = 1000
"""Bytes in one such write: most clients read 1,024 at a time, and decode each read by itself."""

LIST_SIZE: Final = 60_000
"""Bytes in a list, about: at their pace, lines take long enough."""

INDENT: Final = "  "
"""Before every line but the first of what one person says, and of a list: no other line begins so."""

TEXT: Final = 1
IMAGE: Final = 3
"""The first byte of a frame; the other types are the carrier's business."""

SLASHES: Final[dict[str, Declaration]] = {row.slash: row for row in COMMANDS.values() if row.slash}
"""What is typed behind a slash."""

_OUTSIDE: Final = ("not_member", "no_such_group")
"""How somebody is refused who was put out of the room."""

_ROLES: Final = {"owner": "propriétaire", "operator": "opérateur", "invited": "invitation"}
_KINDS: Final = {"group": "room", "direct": "privé"}
_HINT: Final = (
    "Annonce : /conversations donne vos conversations, /history NICK et /messages ROOM les relisent"
)
_VISIBILITIES: Final = {"public": "public", "private": "privé"}


class Tp6Dialect:
    """Lines, as they look from one place: before the door, where only a hello is understood; in the lobby,
    which the seed calls the chatroom; or in a room, which is a group.

    The sessions in one place share one dialect, which goes with the last of them. With ``history``, pages
    come as JSON on arrival.
    """

    greeting = b""
    insists = True
    pace = PACE
    portion = PORTION
    list_size = LIST_SIZE

    def __init__(self, limits: Limits, history: bool = False) -> None:
        self.pages: Final = "directs" if history else "none"
        self.room: str | None = None
        self._limits = limits
        self._json = JsonDialect(limits) if history else None
        # What tells places apart: the key of a room's name, empty for the lobby, None before the door.
        self._key: str | None = None
        self._places: WeakValueDictionary[str, Self] = WeakValueDictionary()
        # What was told, as it is said where it happened and elsewhere: every place shares these two.
        self._frames: WeakKeyDictionary[Told, dict[bool, bytes]] = WeakKeyDictionary()

    def at(self, room: str | None) -> Self:
        """The one dialect of this wire in ``room``, or else in the lobby. Raises `BadName`."""
        name = None if room is None else parse_group(room)
        key = "" if name is None else name.key
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = copy(self)
            place._key = key
            place.room = None if name is None else name.shown
        return place

    # What the client says.

    def decode(self, frame: bytes) -> Request:
        """See `Dialect.decode`."""
        return self._understood(frame, "message")

    def _understood(self, said: bytes, kind: str) -> Request:
        try:
            text = said.decode()
        except UnicodeDecodeError:
            return Request(Refusal("bad_utf8"))
        if self._key is None:
            return self._hello(text.strip()) if kind == "message" else Request(Refusal("not_identified"))
        if kind == "message" and text.startswith("/"):
            if text[1:2].isalpha():
                return self._command(text)
            text = text[1:] if text.startswith("//") else text
        row = COMMANDS["gbroadcast" if self.room else "broadcast"]
        try:
            return Request(row.build({"group": self.room, "msg": text, "kind": kind}, self._limits))
        except Refusal as refusal:
            return Request(refusal)

    def _hello(self, text: str) -> Request:
        word, _, rest = text.partition("|")
        if word != "Hello":
            return Request(Refusal("not_identified"))
        nick, _, room = (part.strip() for part in rest.partition("|"))
        then = self._entering(Enter(room, "create"), word) if room else self._last_page(History())
        return Request(Hello(nick), word, granted=self.at(None), then=then)

    def _entering(self, command: Enter | CreateGroup, name: str) -> Request:
        try:
            place = self.at(command.group)
        except BadName:
            place = None  # it will be refused
        return Request(command, name, granted=place, then=self._last_page(History(group=command.group)))

    def _last_page(self, command: History) -> Request | None:
        """What asks in the client's place, on the wire where everyone gets one."""
        return None if self._json is None else Request(command, "history")

    def _command(self, text: str) -> Request:
        word, *rest = text[1:].split(None, 1)
        name = f"/{word[:64]}"
        try:
            row, values = self._meant(word.lower(), "".join(rest))
            command = row.build(values, self._limits)
        except Refusal as refusal:
            return Request(refusal, name)
        if isinstance(command, Enter | CreateGroup):
            return self._entering(command, name)
        if isinstance(command, Leave) and self._is_here(command.group):
            # Out of the room in any case: whoever was put out of it before is refused, and wants to be out.
            lobby = self.at(None)
            return Request(command, name, becomes=lobby, granted=lobby)
        return Request(command, name)

    def _meant(self, word: str, rest: str) -> tuple[Declaration, Mapping[str, object]]:
        """The row of a command and what its fields get, in this place. Raises `Refusal`."""
        row = SLASHES.get(word)
        if row is None:
            raise Refusal("unknown_action", name=f"/{word[:64]}")
        if row.name == "clients" and self.room is not None:
            return COMMANDS["members"], {"group": self.room, **slash_fields(row, rest)}
        values = slash_fields(row, rest)
        if row.here and self.room is not None:
            values = {"group": self.room, **values}
        if not row.required <= values.keys():
            raise Refusal("bad_request", why=reason("usage", usage=row.slash_usage))
        return row, values

    def _is_here(self, group: str) -> bool:
        try:
            return parse_group(group).key == self._key
        except BadName:
            return False

    # What the client is told.

    def answer(self, request: Request, answer: Answer) -> bytes:
        """See `Dialect.answer`."""
        return _ANSWERS[type(answer)](self, request, answer)

    def refusal(self, request: Request | None, refusal: Refusal) -> bytes:
        """See `Dialect.refusal`."""
        text = refusal.text
        if refusal.code == "not_identified":
            text += ": send Hello|<nick>"
        elif request is not None and request.becomes is not None:
            text += "; you are back in the lobby"
        elif refusal.code in _OUTSIDE and request is not None and not request.name:
            text += "; /leave brings you back to the lobby"
        return self._notice(f"Erreur [{refusal.code}] : {_indented(text)}")

    def told(self, told: Told) -> bytes:
        """See `Dialect.told`."""
        here = isinstance(told, Logged) and told.event.said and self._is_said_here(told.event)
        frames = self._frames.setdefault(told, {})
        if here not in frames:
            frames[here] = self._tell(told, here)
        return frames[here]

    def _is_said_here(self, event: Event) -> bool:
        place = event.conversation
        if place.kind == "direct":
            return False
        return self._is_here(place.name) if place.name else self.room is None

    def _tell(self, told: Told, here: bool) -> bytes:
        if isinstance(told, Logged):
            event = told.event
            return self._message(event, here) if event.said else self._notice(f"Annonce : {_happened(event)}")
        if isinstance(told, Arrived):
            return self._notice(
                f"{told.user.nick} est de retour !" if told.returning else _joined(told.user.nick)
            )
        return self._notice(f"Annonce : {told.user.nick} a quitté la chatroom")

    def _message(self, event: Event, here: bool) -> bytes:
        nick, place = event.actor.nick, event.conversation
        if place.kind == "direct":
            return self._notice(_sentence(f"{nick} vous", event), event.kind)
        if here:
            return self._spoken(nick, event)
        return self._notice(_sentence(f"[{place.name or 'la chatroom'}] {nick} a", event), event.kind)

    def _welcome(self, request: Request, answer: Welcome) -> bytes:
        nick = answer.user.nick
        return self._notice(f"Welcome back {nick} !" if answer.returning else _joined(nick))

    def _ack(self, request: Request, answer: Ack) -> bytes:
        event = answer.logged.event
        if event.said:
            return b""  # the client has shown it
        if request.granted is None:
            return self._notice(f"C'est fait : {_happened(event)}")
        return self._notice(f"Vous êtes dans {event.conversation.name if self.room else 'la chatroom'}")

    def _unchanged(self, request: Request, answer: Unchanged) -> bytes:
        return self._notice(f"Vous êtes dans {answer.group}")

    def _clients(self, request: Request, answer: Clients) -> bytes:
        return self._list("Dans la chatroom", answer.nicks)

    def _members(self, request: Request, answer: Members) -> bytes:
        return self._list(
            f"Dans {answer.group}",
            (
                _with_remarks(member.nick, _ROLES.get(member.role), None if member.online else "absent")
                for member in answer.members
            ),
        )

    def _groups(self, request: Request, answer: Groups) -> bytes:
        return self._list(
            "Rooms",
            (
                _with_remarks(
                    line.group,
                    _VISIBILITIES[line.visibility],
                    f"{line.members} membre{'s' if line.members > 1 else ''}",
                    _ROLES.get(line.role),
                )
                + (f" : {_indented(line.topic)}" if line.topic else "")
                for line in answer.groups
            ),
        )

    def _page(self, request: Request, answer: Page) -> bytes:
        if self._json is not None and request.name == "history":
            page = json.loads(self._json.answer(request, answer))
            # In ASCII, which steers no terminal and can be cut anywhere.
            return self._notice(json.dumps(page, separators=(",", ":")).replace("\x7f", "\\u007f"))
        conversation = answer.conversation
        other = conversation.other(answer.reader).nick if conversation.pair else ""
        entries = [f"{rfc3339(entry.at)} {_remembered(entry.event)}" for entry in answer.entries]
        return self._list(
            f"Historique de {conversation.name or other or 'la chatroom'}",
            entries,
            answer.more,
            answer.forward,
        )

    def _conversations(self, request: Request, answer: Conversations) -> bytes:
        lines = (
            _with_remarks(
                "la chatroom" if one.kind == "lobby" else one.name,
                _KINDS.get(one.kind),
                f"{one.unread} non lu{'s' if one.unread > 1 else ''}" if one.unread else None,
            )
            for one in answer.conversations
        )
        return self._list("Conversations", lines, answer.more)

    def _hint(self, request: Request, answer: HistoryHint) -> bytes:
        return self._notice(_HINT)

    def _help(self, request: Request, answer: Help) -> bytes:
        rows = (f"{row.slash_usage:<34} {row.help}" for row in answer.commands if row.slash)
        return self._list("Commandes", rows)

    def _goodbye(self, request: Request, answer: Goodbye) -> bytes:
        return self._notice(f"Au revoir {answer.user.nick}") if answer.user is not None else b""

    def _list(self, title: str, entries: Iterable[str], more: bool = False, forward: bool = True) -> bytes:
        """A list, a line for each entry, as far as a list may go from the end that the reader began at."""
        shown: list[str] = []
        room = LIST_SIZE
        ordered = list(entries) if forward else list(entries)[::-1]
        for entry in ordered:
            room -= len(entry.encode())
            if room < 0 and shown:
                break
            shown.append(entry)
        if not forward:
            shown.reverse()
        count = f"{len(shown)}{' (et plus)' if more or len(shown) < len(ordered) else ''}"
        return self._notice(_indented("\n".join((f"{title} : {count}", *shown))))

    # How it is written.

    def _spoken(self, nick: str, event: Event) -> bytes:
        """What somebody says here."""
        return self._notice(_sentence(f"{nick} a", event), event.kind)

    def _notice(self, text: str, kind: str = "message") -> bytes:
        """What the daemon says, in one or several lines."""
        return f"{text}\n".encode()


class FramedDialect(Tp6Dialect):
    """The same in frames: who says it, and what. A frame from the carrier begins with its type.

    What is said in the place where the client is comes with its author's name; all else, which takes a
    sentence to be understood, is that sentence, without a name.
    """

    pace = 0.0
    portion = 0

    def decode(self, frame: bytes) -> Request:
        """See `Dialect.decode`."""
        return self._understood(frame[1:], "image" if frame[:1] == bytes((IMAGE,)) else "message")

    def _spoken(self, nick: str, event: Event) -> bytes:
        text = _art(event.body) if event.kind == "image" else _indented(event.body)
        return _frame(event.kind, nick, text)

    def _notice(self, text: str, kind: str = "message") -> bytes:
        return _frame(kind, "", text)


def _frame(kind: str, name: str, text: str) -> bytes:
    """``01`` or ``03``, the length of the name in a byte, the name, how many bytes hold the length of the
    text, that length, and the text.
    """
    who, what = name.encode(), text.encode()
    digits = max(1, (len(what).bit_length() + 7) // 8)
    return (
        bytes((IMAGE if kind == "image" else TEXT, len(who)))
        + who
        + bytes((digits,))
        + len(what).to_bytes(digits)
        + what
    )


def slash_fields(row: Declaration, rest: str) -> dict[str, object]:
    """The fields of ``/kick wob bob too loud``: the last one takes the rest."""
    parts = rest.split(None, max(0, len(row.typed) - 1))
    return {
        name: part if field.kind == "text" else part.strip()
        for (name, field), part in zip(row.typed.items(), parts, strict=False)
    }


def _indented(text: str) -> str:
    """``text`` with every line but the first indented, so that none can pass for a line of somebody else."""
    lines = LINE_END.split(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return f"\n{INDENT}".join(map(clean, lines))


def _art(text: str) -> str:
    """``text`` with every line indented, so that what stands above each other still does."""
    return INDENT + _indented(text)


def _sentence(head: str, event: Event) -> str:
    """``alice a dit : salut``, or a line that says that an image follows, and the image."""
    if event.kind == "image":
        return f"{head} dit en image :\n{_art(event.body)}"
    return f"{head} dit : {_indented(event.body)}"


def _joined(nick: str) -> str:
    return f"Annonce : {nick} a rejoint la chatroom"


def _happened(event: Event) -> str:
    """What happened in a group, in a sentence."""
    kind = "inherited" if event.kind == "promoted" and event.body else event.kind
    sentence = _EVENTS[kind].format(
        actor=event.actor.nick,
        subject=(event.subject or event.actor).nick,
        group=event.conversation.name,
        visibility=_VISIBILITIES.get(event.body),
    )
    reason = event.body if event.kind in ("kicked", "banned", "topic") else ""
    return f"{sentence} : {_indented(reason)}" if reason else sentence


_EVENTS: Final = {
    "created": "{actor} a créé {group} ({visibility})",
    "joined": "{actor} a rejoint {group}",
    "left": "{actor} a quitté {group}",
    "invited": "{actor} a invité {subject} dans {group}",
    "kicked": "{actor} a exclu {subject} de {group}",
    "banned": "{actor} a banni {subject} de {group}",
    "unbanned": "{actor} a levé le ban de {subject} dans {group}",
    "promoted": "{actor} a nommé {subject} opérateur de {group}",
    "inherited": "{subject} est maintenant propriétaire de {group}",
    "demoted": "{actor} a retiré à {subject} le rôle d'opérateur de {group}",
    "visibility": "{actor} a rendu {group} {visibility}",
    "topic": "{actor} a changé le sujet de {group}",
}
"""Each kind of event; a promotion that hands the group over reads otherwise."""


def _remembered(event: Event) -> str:
    return _sentence(f"{event.actor.nick} a", event) if event.said else _happened(event)


def _with_remarks(name: str, *remarks: str | None) -> str:
    """``bob (opérateur, absent)``"""
    told = ", ".join(filter(None, remarks))
    return f"{name} ({told})" if told else name


_ANSWERS: Final[dict[type, Callable[[Tp6Dialect, Request, Any], bytes]]] = {
    Welcome: Tp6Dialect._welcome,
    Ack: Tp6Dialect._ack,
    Unchanged: Tp6Dialect._unchanged,
    Clients: Tp6Dialect._clients,
    Members: Tp6Dialect._members,
    Groups: Tp6Dialect._groups,
    Page: Tp6Dialect._page,
    Conversations: Tp6Dialect._conversations,
    HistoryHint: Tp6Dialect._hint,
    Help: Tp6Dialect._help,
    Goodbye: Tp6Dialect._goodbye,
}

WIRES: Final[Wires] = {
    "tp6": {"chunks": Tp6Dialect, "frames": FramedDialect},
    "tp6-history": {
        "chunks": partial(Tp6Dialect, history=True),
        "frames": partial(FramedDialect, history=True),
    },
}
