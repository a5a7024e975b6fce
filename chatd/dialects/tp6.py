"""The dialects of the TP6 chat room: French lines for clients that print what they read, and frames.

Source: seed tp6-chat-room; the habits of real clients are described in SPEC.md, chapter TP6. Where the seed
says nothing, the lines are in its manner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import partial
from typing import Any, Final, Literal, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from chatd.boundaries import Payloads
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
from chatd.core.commands import (
    COMMANDS,
    Command,
    CreateGroup,
    Enter,
    Hello,
    History,
    Leave,
    ListGroups,
)
from chatd.core.declarations import Declaration
from chatd.core.events import Arrived, Delivery, Entry, Event
from chatd.core.limits import Limits
from chatd.core.names import BadName, Name, parse_group
from chatd.core.refusals import SENTENCES, Refusal, reason
from chatd.core.requests import Request
from chatd.core.terminal import LINE_END, clean
from chatd.core.typed import SlashLine, parse_slash, slash_values, unescaped
from chatd.core.wires import Opening, Wire
from chatd.dialects.json import JsonDialect
from chatd.dialects.timestamps import hour_and_minute, rfc3339
from chatd.locales import french

PACE_SECONDS: Final = 0.04
"""Seconds between two writes to a client that takes one read for one message."""

LIST_SIZE: Final = 60_000
"""Bytes in a list, about: at their pace, lines take long enough."""

INDENT: Final = "  "
"""Before every line but the first of what one person says, and of a list: no other line begins so."""

TEXT: Final = 1
IMAGE: Final = 3
"""The first byte of a frame; the other types are the carrier's business."""

QUESTION: Final = (
    "Quel salon ? Envoyez le nom d'un salon pour le rejoindre, un nouveau nom pour en créer un, public,"
    " ou /leave pour la chatroom"
)
"""What is asked after the list of rooms."""

NO_TIME: Final = b"\xff\xff"
"""Stands for the hour and minute in a frame of the bonuses that answers or refuses."""

Place = Literal["door", "question", "no room", "lobby", "room"]
"""Where a client is: not identified yet; asked which room it wants; in none; in the lobby; in a room."""

_MOVES: Final = (Enter, CreateGroup)
"""The commands that go to another place; `Leave` does so where one is in the group that it names."""

_OUTSIDE: Final = ("not_member", "no_such_group")
"""The codes that refuse what is said in a room that its author was put out of."""

_ROLES: Final = {"owner": "propriétaire", "operator": "opérateur", "invited": "invitation"}
_KINDS: Final = {"group": "salon", "direct": "privé"}
_HINT: Final = "/conversations liste vos conversations ; /history pseudo et /messages salon les relisent"
_VISIBILITIES: Final = {"public": "public", "private": "privé"}
_TYPED_VISIBILITIES: Final = {"privé": "private", "prive": "private"}


class Tp6Dialect:
    """Lines, as they look from one `Place`. The seed calls the lobby the chatroom; a room is a group.

    The sessions in one place share one dialect, which goes with the last of them. With ``bonus`` the rooms
    are offered after the hello, history comes as JSON, and what people say has its time and their colour.
    """

    greeting: Final = ()
    requires_login = True
    pace = PACE_SECONDS
    list_size = LIST_SIZE

    def __init__(self, limits: Limits, bonus: bool = False) -> None:
        self.pages: Final = "directs" if bonus else "none"
        self.bonus = bonus
        self.place: Place = "door"
        self.room: str | None = None
        self._limits = limits
        self._json = JsonDialect(limits) if bonus else None
        # The key of the room's name.
        self._key = ""
        self._places: WeakValueDictionary[tuple[Place, str], Self] = WeakValueDictionary()
        # What was told: every place shares it.
        self._frames: WeakKeyDictionary[Delivery, Payloads] = WeakKeyDictionary()

    def at(self, room: str | None) -> Self:
        """The one dialect of this wire in ``room``, or else in the lobby. Raises `BadName`."""
        return self._shared("lobby") if room is None else self._shared("room", parse_group(room))

    @property
    def in_no_room(self) -> Self:
        """The one dialect of this wire for those who are nowhere: what they say is refused."""
        return self._shared("no room")

    @property
    def asked(self) -> Self:
        """The one dialect of this wire for those who are asked which room they want."""
        return self._shared("question")

    def _shared(self, place: Place, name: Name | None = None) -> Self:
        key = "" if name is None else name.key
        found = self._places.get((place, key))
        if found is None:
            found = self._places[place, key] = copy(self)
            found.place = place
            found.room = None if name is None else name.shown
            found._key = key
        return found

    # What the client says.

    def decode(self, frame: bytes) -> Request:
        """The request in one chunk, which is text: a command or a message where the client is."""
        return self._understood(frame, "message")

    def _understood(self, said: bytes, kind: str) -> Request:
        try:
            text = said.decode()
        except UnicodeDecodeError:
            return self._refused(Refusal("bad_utf8"))
        if self.place == "door":
            return self._hello(text.strip()) if kind == "message" else Request(Refusal("not_identified"))
        if kind == "message":
            typed = parse_slash(text)
            if typed is not None:
                return self._command(typed)
            text = unescaped(text)
        if self.place == "no room" or (self.place == "question" and kind != "message"):
            return self._refused(Refusal("no_room"))
        if self.place == "question":
            room = text.strip()
            return self._entering(Enter(room, "create"), "") if room else self._refused(Refusal("empty"))
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
        if room:
            return Request(
                Hello(nick), word, granted=self.in_no_room, then=self._entering(Enter(room, "create"), word)
            )
        if self.bonus:
            question = Request(ListGroups(), word, becomes=self.in_no_room, granted=self.asked)
            return Request(Hello(nick), word, granted=self.in_no_room, then=question)
        return Request(Hello(nick), word, granted=self.at(None))

    def _entering(self, command: Enter | CreateGroup, name: str) -> Request:
        try:
            place = self.at(command.group)
        except BadName:
            place = self.in_no_room  # it will be refused
        return self._moving(command, name, place, self.in_no_room)

    def _moving(self, command: Command, name: str, place: Self, otherwise: Self) -> Request:
        """What leads to ``place`` if it is granted, and there, with ``bonus``, shows its last page."""
        page = None if self._json is None else Request(History(group=place.room), "history")
        return Request(command, name, becomes=otherwise, granted=place, then=page)

    def _refused(self, refusal: Refusal, name: str = "", moves: bool = False) -> Request:
        """What is refused here. Who wanted to move, or was asked where to, is in no room from then on.

        ``granted`` is for the session, which reads nothing further before this is answered.
        """
        if moves or self.place == "question":
            return Request(refusal, name, becomes=self.in_no_room, granted=self.in_no_room)
        return Request(refusal, name)

    def _command(self, typed: SlashLine) -> Request:
        name, row = f"/{typed.word[:64]}", typed.row
        if row is None:
            return self._refused(Refusal("unknown_action", name=name), name)
        lobby = self.at(None)
        if row.command is Leave and not typed.rest and self.room is None:
            return self._moving(Enter(""), name, lobby, lobby)
        try:
            row, values = self._meant(row, typed.rest)
            command = row.build(values, self._limits)
        except Refusal as refusal:
            return self._refused(refusal, name, moves=row.command in _MOVES)
        if isinstance(command, Enter | CreateGroup):
            return self._entering(command, name)
        if isinstance(command, Leave) and self._is_here(command.group):
            # Out of the room in any case: whoever was put out of it before is refused, and wants to be out.
            return self._moving(command, name, lobby, lobby)
        if self.place == "question":
            # If it is refused, what follows must not be taken for the name of a room.
            return Request(command, name, becomes=self.in_no_room, granted=self)
        return Request(command, name)

    def _meant(self, row: Declaration, rest: str) -> tuple[Declaration, Mapping[str, object]]:
        """The row of a command and what its fields get, in this place. Raises `Refusal`."""
        if row.name == "clients" and self.room is not None:
            return COMMANDS["members"], {"group": self.room, **slash_values(row, rest)}
        values = slash_values(row, rest)
        if row.here and self.room is not None:
            values = {"group": self.room, **values}
        if "visibility" in values:
            typed = str(values["visibility"])
            values = {**values, "visibility": _TYPED_VISIBILITIES.get(typed, typed)}
        if not row.required <= values.keys():
            raise Refusal("bad_request", why=reason("usage", usage=row.slash_usage_in(french)))
        return row, values

    def _is_here(self, group: str) -> bool:
        try:
            return self.place == "room" and parse_group(group).key == self._key
        except BadName:
            return False

    # What the client is told.

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """See `Dialect.encode_answer`."""
        return _ANSWERS[type(answer)](self, request, answer)

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """See `Dialect.encode_refusal`. After a refused move it says where the client is now."""
        text = refusal.translated(french)
        if refusal.code == "not_identified":
            text += " : envoyez Hello|<pseudo>"
        elif request is not None and request.becomes is not None:
            if self.place == "lobby":
                text += " ; vous êtes dans la chatroom"
            elif refusal.code != "no_room":
                text += f" ; {french(SENTENCES['no_room'])}"
        elif refusal.code in _OUTSIDE and request is not None and not request.name:
            text += " ; /leave ramène à la chatroom"
        return self._notice(f"Erreur [{refusal.code}] : {_indented(text)}")

    def encode(self, delivery: Delivery) -> Payloads:
        """See `Dialect.encode`. Empty for what happens in another place."""
        return self._telling(delivery) if self._hears(delivery) else ()

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """See `Dialect.encode_for_subject`."""
        return self._telling(delivery)

    def _hears(self, delivery: Delivery) -> bool:
        """Arrivals and departures, and private messages, are heard everywhere."""
        if not isinstance(delivery, Entry):
            return True
        where = delivery.event.conversation
        if where.kind == "lobby":
            return self.place == "lobby"
        return where.kind == "direct" or self._is_here(where.name)

    def _telling(self, delivery: Delivery) -> Payloads:
        """What tells it, written once for all places."""
        frame = self._frames.get(delivery)
        if frame is None:
            frame = self._frames[delivery] = self._tell(delivery)
        return frame

    def _tell(self, delivery: Delivery) -> Payloads:
        if isinstance(delivery, Entry):
            if delivery.event.said:
                return self._said(delivery)
            return self._notice(f"Annonce : {_happened(delivery.event)}", delivery.at)
        if isinstance(delivery, Arrived):
            nick = delivery.user.nick
            return self._notice(
                f"{nick} est de retour !" if delivery.returning else _joined(nick), delivery.at
            )
        return self._notice(f"Annonce : {delivery.user.nick} a quitté la chatroom", delivery.at)

    def _welcome(self, request: Request, answer: Welcome) -> Payloads:
        nick = answer.user.nick
        return self._notice(f"Welcome back {nick} !" if answer.returning else _joined(nick))

    def _ack(self, request: Request, answer: Ack) -> Payloads:
        event = answer.logged.event
        if event.said:
            return ()  # the client has shown it
        if request.granted is self and self.place in ("lobby", "room"):
            return self._arrival(event.conversation.name if self.room else "")
        return self._notice(f"C'est fait : {_happened(event)}")

    def _unchanged(self, request: Request, answer: Unchanged) -> Payloads:
        return self._arrival(answer.group)

    def _arrival(self, room: str) -> Payloads:
        return self._notice(f"Vous êtes dans {room or 'la chatroom'}")

    def _clients(self, request: Request, answer: Clients) -> Payloads:
        return self._list("Dans la chatroom", answer.nicks)

    def _members(self, request: Request, answer: Members) -> Payloads:
        return self._list(
            f"Dans {answer.group}",
            (
                _with_remarks(member.nick, _ROLES.get(member.role), None if member.online else "absent")
                for member in answer.members
            ),
        )

    def _groups(self, request: Request, answer: Groups) -> Payloads:
        rooms = self._list(
            "Salons",
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
        return rooms if request.name.startswith("/") else rooms + self._notice(QUESTION)

    def _page(self, request: Request, answer: Page) -> Payloads:
        if self._json is not None and request.name == "history":
            return self._as_json(self._json, request, answer)
        conversation = answer.conversation
        if conversation.pair:
            title = f"Historique avec {conversation.other(answer.reader).nick}"
        else:
            title = f"Historique de {conversation.name or 'la chatroom'}"
        return self._list(
            title,
            (
                f"{rfc3339(entry.at)} {_remembered(entry.event)}"
                for entry in (answer.entries if answer.forward else reversed(answer.entries))
            ),
            answer.more,
            answer.forward,
        )

    def _as_json(self, dialect: JsonDialect, request: Request, answer: Page | Conversations) -> Payloads:
        (payload,) = dialect.encode_answer(request, answer)
        found = json.loads(payload)
        # In ASCII, which steers no terminal and can be cut anywhere.
        return self._notice(json.dumps(found, separators=(",", ":")).replace("\x7f", "\\u007f"))

    def _conversations(self, request: Request, answer: Conversations) -> Payloads:
        if self._json is not None and request.name == "history":
            return self._as_json(self._json, request, answer)
        lines = (
            _with_remarks(
                "la chatroom" if one.kind == "lobby" else one.name,
                _KINDS.get(one.kind),
                f"n° {one.last}",
                f"{one.unread} non lu{'s' if one.unread > 1 else ''}",
            )
            for one in answer.conversations
        )
        return self._list("Conversations", lines, answer.more)

    def _hint(self, request: Request, answer: HistoryHint) -> Payloads:
        return self._notice(_HINT)

    def _help(self, request: Request, answer: Help) -> Payloads:
        rows = (
            f"{row.slash_usage_in(french):<34} {french(row.help)}" for row in answer.commands if row.slash
        )
        return self._list("Commandes", rows)

    def _goodbye(self, request: Request, answer: Goodbye) -> Payloads:
        return self._notice(f"Au revoir {answer.user.nick}") if answer.user is not None else ()

    def _list(self, title: str, entries: Iterable[str], more: bool = False, forward: bool = True) -> Payloads:
        """A list, a line for each entry, as far as a list may go; further entries are never made.

        ``entries`` come in the order of reading, which is from the last one back unless ``forward``.
        """
        shown: list[str] = []
        left = LIST_SIZE
        for entry in entries:
            left -= len(entry.encode())
            if left < 0 and shown:
                more = True
                break
            shown.append(entry)
        if not forward:
            shown.reverse()
        count = f"{len(shown)}{' (et plus)' if more else ''}"
        return self._notice(_indented("\n".join((f"{title} : {count}", *shown))))

    # How it is written.

    def _said(self, logged: Entry) -> Payloads:
        """What somebody says, in the place where the client is or to it alone."""
        event = logged.event
        nick = event.actor.nick
        if self.bonus:
            hour, minute = hour_and_minute(logged.at)
            red, green, blue = _rgb(event.actor.colour)
            nick = f"[{hour:02}:{minute:02}] \x1b[38;2;{red};{green};{blue}m{nick}\x1b[0m"
        return self._notice(_sentence(f"{nick} {_to(event)}", event))

    def _notice(self, text: str, at: int | None = None) -> Payloads:
        """What the daemon says, in one or several lines; ``at`` is when it happened, in ms since 1970."""
        return (text.encode(),)


class FramedDialect(Tp6Dialect):
    """The same in frames: who says it, and what. A frame from the carrier begins with its type.

    What is said in the place where the client is comes with its author's name; all else, which takes a
    sentence to be understood, is that sentence, without a name. With ``bonus`` the colour of who speaks, in
    three bytes, and the hour and the minute follow on the name.
    """

    pace = 0.0

    def decode(self, frame: bytes) -> Request:
        """The request in one frame, whose first byte is its type: a text or an image."""
        return self._understood(frame[1:], "image" if frame[:1] == bytes((IMAGE,)) else "message")

    def _said(self, logged: Entry) -> Payloads:
        event = logged.event
        nick, mark = event.actor.nick, self._mark(event.actor.colour, logged.at)
        if event.conversation.pair:
            return _payload(event.kind, "", mark, _sentence(f"{nick} {_to(event)}", event))
        return _payload(event.kind, nick, mark, (_art if event.kind == "image" else _indented)(event.body))

    def _notice(self, text: str, at: int | None = None) -> Payloads:
        return _payload("message", "", self._mark("#000000", at), text)

    def _mark(self, colour: str, at: int | None) -> bytes:
        """The colour of who speaks and the time, which clients of the plain wire don't expect."""
        if not self.bonus:
            return b""
        return _rgb(colour) + (NO_TIME if at is None else bytes(hour_and_minute(at)))


def _payload(kind: str, name: str, mark: bytes, text: str) -> Payloads:
    """A type, the size of the head in a byte, the head (the size of the name in a byte, the name, the mark),
    and the text: the carrier adds the size of the text.
    """
    who = name.encode()
    head = bytes((len(who),)) + who + mark
    return (bytes((IMAGE if kind == "image" else TEXT, len(head))) + head + text.encode(),)


def _rgb(colour: str) -> bytes:
    """Red, green and blue of ``#rrggbb``."""
    return bytes.fromhex(colour[1:])


def _to(event: Event) -> str:
    """``alice a dit``, but ``alice vous dit`` to one alone."""
    return "vous" if event.conversation.pair else "a"


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


_ANSWERS: Final[dict[type, Callable[[Tp6Dialect, Request, Any], Payloads]]] = {
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

_LINES_OPENINGS: Final = tuple(Opening(b"Hello" + end) for end in (b"|", b" ", b"\t", b"\r", b"\n"))
_FRAMES_OPENINGS: Final = tuple(map(Opening, (b"\x01", b"\x02", b"\x03")))

WIRES: Final = (
    Wire("tp6", "chunks", Tp6Dialect, _LINES_OPENINGS),
    Wire("tp6", "frames", FramedDialect, _FRAMES_OPENINGS),
    Wire("tp6-bonus", "chunks", partial(Tp6Dialect, bonus=True), _LINES_OPENINGS),
    Wire("tp6-bonus", "frames", partial(FramedDialect, bonus=True), _FRAMES_OPENINGS),
)
