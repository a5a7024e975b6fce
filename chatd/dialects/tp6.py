"""The dialect of the TP6 chat room: French lines, for clients that print what they read.

Source: seed tp6-chat-room; the habits of real clients are described in SPEC.md, chapter TP6. Where the seed
says nothing, the lines are in its manner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from chatd.core.events import Delivery, Entry
from chatd.core.limits import Limits
from chatd.core.names import BadName, Name, parse_group
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.typed import SlashLine, parse_slash, unescaped
from chatd.core.wires import Opening, Wire
from chatd.dialects.json import JsonDialect
from chatd.dialects.timestamps import hour_and_minute
from chatd.dialects.tp6_phrases import (
    HISTORY_HINT,
    MAX_LIST_BYTES,
    ROOM_QUESTION,
    addressee_phrase,
    announcement,
    arrival_sentence,
    ascii_json,
    conversation_lines,
    event_sentence,
    group_lines,
    help_lines,
    list_text,
    member_lines,
    message_sentence,
    page_lines,
    page_title,
    refusal_text,
    resolve_command,
    rgb_bytes,
)

PACE_SECONDS: Final = 0.04
"""Seconds between two writes to a client that takes one read for one message."""

Place = Literal["door", "question", "no room", "lobby", "room"]
"""Where a client is: before its hello; asked for a room; in no room; in the lobby; in a room."""

_MOVES: Final = (Enter, CreateGroup)
"""The commands that go to another place; `Leave` does so from the room that it names."""


class Tp6Dialect:
    """Lines, as they look from one `Place`. The seed calls the lobby the chatroom; a room is a group.

    The sessions in one place share one dialect, which goes with the last of them. With ``bonus`` the rooms
    are offered after the hello, history comes as JSON, and what people say has its time and their colour.
    """

    greeting: Final = ()
    requires_login = True
    pace = PACE_SECONDS
    list_size = MAX_LIST_BYTES

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
        # Encoded deliveries, shared by all places.
        self._frames: WeakKeyDictionary[Delivery, Payloads] = WeakKeyDictionary()

    def in_room(self, room: str | None) -> Self:
        """The dialect of ``room``, or of the lobby for None; always the same object. Raises `BadName`."""
        return self._shared("lobby") if room is None else self._shared("room", parse_group(room))

    @property
    def in_no_room(self) -> Self:
        """The dialect for clients in no room, where every message that they send is refused."""
        return self._shared("no room")

    @property
    def awaiting_room(self) -> Self:
        """The dialect of clients that are asked for a room."""
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
            question = Request(ListGroups(), word, becomes=self.in_no_room, granted=self.awaiting_room)
            return Request(Hello(nick), word, granted=self.in_no_room, then=question)
        return Request(Hello(nick), word, granted=self.in_room(None))

    def _entering(self, command: Enter | CreateGroup, name: str) -> Request:
        try:
            place = self.in_room(command.group)
        except BadName:
            place = self.in_no_room  # it will be refused
        return self._moving(command, name, place, self.in_no_room)

    def _moving(self, command: Command, name: str, place: Self, otherwise: Self) -> Request:
        """A request that leads to ``place`` if it is granted; with ``bonus`` it shows the last page there."""
        page = None if self._json is None else Request(History(group=place.room), "history")
        return Request(command, name, becomes=otherwise, granted=place, then=page)

    def _refused(self, refusal: Refusal, name: str = "", moves: bool = False) -> Request:
        """A refused request. A client that wanted to move, or was asked for a room, is in no room then.

        ``granted`` is for the session, which reads nothing further before this is answered.
        """
        if moves or self.place == "question":
            return Request(refusal, name, becomes=self.in_no_room, granted=self.in_no_room)
        return Request(refusal, name)

    def _command(self, typed: SlashLine) -> Request:
        name, row = f"/{typed.word[:64]}", typed.row
        if row is None:
            return self._refused(Refusal("unknown_action", name=name), name)
        lobby = self.in_room(None)
        if row.command is Leave and not typed.rest and self.room is None:
            return self._moving(Enter(""), name, lobby, lobby)
        try:
            row, values = resolve_command(row, typed.rest, self.room)
            command = row.build(values, self._limits)
        except Refusal as refusal:
            return self._refused(refusal, name, moves=row.command in _MOVES)
        if isinstance(command, Enter | CreateGroup):
            return self._entering(command, name)
        if isinstance(command, Leave) and self._is_here(command.group):
            # Out of the room in any case, even if the client was kicked from it before and is refused.
            return self._moving(command, name, lobby, lobby)
        if self.place == "question":
            # After a refusal the next message must not be taken for the name of a room.
            return Request(command, name, becomes=self.in_no_room, granted=self)
        return Request(command, name)

    def _is_here(self, group: str) -> bool:
        try:
            return self.place == "room" and parse_group(group).key == self._key
        except BadName:
            return False

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """The answer, in French."""
        return _ANSWERS[type(answer)](self, request, answer)

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """The refusal, in French; after a refused move it says where the client is now."""
        moved = request is not None and request.becomes is not None
        is_spoken = request is not None and not request.name
        return self._notice(refusal_text(refusal, self.place if moved else "", is_spoken))

    def encode(self, delivery: Delivery) -> Payloads:
        """The notice of a delivery; none for what happens in another place."""
        return self._telling(delivery) if self._hears(delivery) else ()

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """The notice of a delivery, wherever the client is."""
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
        """The encoded delivery, the same object for all places."""
        frame = self._frames.get(delivery)
        if frame is None:
            frame = self._frames[delivery] = self._tell(delivery)
        return frame

    def _tell(self, delivery: Delivery) -> Payloads:
        if isinstance(delivery, Entry) and delivery.event.said:
            return self._said(delivery)
        return self._notice(announcement(delivery), delivery.at)

    def _welcome(self, request: Request, answer: Welcome) -> Payloads:
        nick = answer.user.nick
        return self._notice(f"Welcome back {nick} !" if answer.returning else arrival_sentence(nick))

    def _ack(self, request: Request, answer: Ack) -> Payloads:
        event = answer.logged.event
        if event.said:
            return ()  # the client has shown it
        if request.granted is self and self.place in ("lobby", "room"):
            return self._arrival(event.conversation.name if self.room else "")
        return self._notice(f"C'est fait : {event_sentence(event)}")

    def _unchanged(self, request: Request, answer: Unchanged) -> Payloads:
        return self._arrival(answer.group)

    def _arrival(self, room: str) -> Payloads:
        return self._notice(f"Vous êtes dans {room or 'la chatroom'}")

    def _clients(self, request: Request, answer: Clients) -> Payloads:
        return self._list("Dans la chatroom", answer.nicks)

    def _members(self, request: Request, answer: Members) -> Payloads:
        return self._list(f"Dans {answer.group}", member_lines(answer))

    def _groups(self, request: Request, answer: Groups) -> Payloads:
        rooms = self._list("Salons", group_lines(answer))
        return rooms if request.name.startswith("/") else rooms + self._notice(ROOM_QUESTION)

    def _page(self, request: Request, answer: Page) -> Payloads:
        if self._json is not None and request.name == "history":
            return self._as_json(self._json, request, answer)
        return self._list(page_title(answer), page_lines(answer), answer.more, answer.forward)

    def _as_json(self, dialect: JsonDialect, request: Request, answer: Page | Conversations) -> Payloads:
        (payload,) = dialect.encode_answer(request, answer)
        return self._notice(ascii_json(payload))

    def _conversations(self, request: Request, answer: Conversations) -> Payloads:
        if self._json is not None and request.name == "history":
            return self._as_json(self._json, request, answer)
        return self._list("Conversations", conversation_lines(answer), answer.more)

    def _hint(self, request: Request, answer: HistoryHint) -> Payloads:
        return self._notice(HISTORY_HINT)

    def _help(self, request: Request, answer: Help) -> Payloads:
        return self._list("Commandes", help_lines(answer))

    def _goodbye(self, request: Request, answer: Goodbye) -> Payloads:
        return self._notice(f"Au revoir {answer.user.nick}") if answer.user is not None else ()

    def _list(self, title: str, entries: Iterable[str], more: bool = False, forward: bool = True) -> Payloads:
        return self._notice(list_text(title, entries, more, forward))

    def _said(self, logged: Entry) -> Payloads:
        """A message in the place where the client is, or a private one."""
        event = logged.event
        nick = event.actor.nick
        if self.bonus:
            hour, minute = hour_and_minute(logged.at)
            red, green, blue = rgb_bytes(event.actor.colour)
            nick = f"[{hour:02}:{minute:02}] \x1b[38;2;{red};{green};{blue}m{nick}\x1b[0m"
        return self._notice(message_sentence(f"{nick} {addressee_phrase(event)}", event))

    def _notice(self, text: str, at: int | None = None) -> Payloads:
        """A notice of the daemon, in one or several lines; ``at`` is its time in ms since 1970, if any."""
        return (text.encode(),)


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

_OPENINGS: Final = tuple(Opening(b"Hello" + end) for end in (b"|", b" ", b"\t", b"\r", b"\n"))

WIRES: Final = (
    Wire("tp6", "chunks", Tp6Dialect, _OPENINGS),
    Wire("tp6-bonus", "chunks", partial(Tp6Dialect, bonus=True)),
)
