"""The dialect of the TP6 chat room: French lines, for clients that print every line that they receive.

Source: seed tp6-chat-room. The habits of real clients are described in SPEC.md, chapter TP6. Lines that this
source does not define are written in its style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from typing import Any, Final, Literal, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from msgspec.structs import replace

from chatd.boundaries import DeliveryEncoder, Payloads
from chatd.core.answers import (
    AccountChanged,
    Ack,
    AlreadyInGroup,
    Answer,
    Clients,
    Conversations,
    Goodbye,
    Groups,
    Help,
    HistoryHint,
    IgnoredUsers,
    InvitationLinkList,
    InvitationLinkMade,
    Members,
    Moderated,
    ModerationLog,
    Page,
    ReadMark,
    SearchResult,
    TokenList,
    TokenMade,
    Welcome,
)
from chatd.core.commands import (
    COMMANDS,
    Command,
    CreateGroup,
    EnterGroup,
    Hello,
    Identify,
    Leave,
    ListGroups,
    ReadHistory,
    UseInvitationLink,
)
from chatd.core.events import (
    ACTION_PREFIX,
    DELIVERY_TYPES_FOR_CHANNEL_CLIENTS,
    Delivery,
    LogEntry,
    ReadMarkMoved,
)
from chatd.core.limits import Limits
from chatd.core.names import BadName, Name, parse_group
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.requests import Request
from chatd.core.typed_commands import (
    SlashLine,
    is_command_with_secret,
    parse_slash_line,
    unescape_leading_slash,
)
from chatd.core.wires import OpeningBytes, Wire
from chatd.dialects.json import JsonDialect
from chatd.dialects.timestamps import local_hour_and_minute_of
from chatd.dialects.tp6_phrases import (
    CONTINUATION_INDENT,
    HISTORY_HINT,
    MAX_LIST_BYTES,
    ROOM_QUESTION,
    arrival_sentence,
    conversation_lines,
    delivery_sentence,
    entries_that_fit,
    event_sentence,
    group_lines,
    help_lines,
    history_lines,
    history_title,
    invitation_link_lines,
    list_with_title,
    member_lines,
    message_sentence,
    moderation_lines,
    read_mark_sentence,
    refusal_text,
    resolve_typed_command,
    rgb_bytes,
    search_continuation_sentence,
    search_result_lines,
    to_ascii_json,
    token_lines,
)
from chatd.locales import to_french

SECONDS_BETWEEN_WRITES: Final = 0.04
"""Seconds between two writes to a client that takes one read for one message."""

ClientLocation = Literal["door", "question", "no room", "lobby", "room"]
"""Where a chat room client is: not logged in yet ("door"), asked which room to join ("question"), in no room,
in the lobby, or in a room.
"""

_MOVES: Final = (EnterGroup, CreateGroup)
"""The commands that always take the client to another place. `Leave` does so only for the room that the
client is in.
"""


class Tp6Dialect:
    """The dialect of clients in one `ClientLocation` of the TP6 chat room, such as a room or the lobby.

    A room is a group. The clients call the lobby the chatroom. All clients in the same location share one
    dialect object, which is dropped when the last of them has left. ``bonus`` is for clients with TP6's bonus
    features: they are offered a list of rooms after the hello, receive history as JSON, and see the time and
    the author's colour of each message.
    """

    shows_groups_as_channels = False
    enters_lobby = True
    receives_watched_user_changes = False
    shows_own_messages = True
    greeting: Final = ()
    requires_login = True
    seconds_between_writes = SECONDS_BETWEEN_WRITES
    max_list_bytes = MAX_LIST_BYTES

    def __init__(self, limits: Limits, bonus: bool = False) -> None:
        self.wire = "tp6-bonus" if bonus else "tp6"
        self.login_history_scope: Final = "directs" if bonus else "none"
        self.bonus = bonus
        self.location: ClientLocation = "door"
        self.room: str | None = None
        self._limits = limits
        self._json = JsonDialect(limits) if bonus else None
        # The room's name in the form that identifies it.
        self._key = ""
        self._places: WeakValueDictionary[tuple[ClientLocation, str], Self] = WeakValueDictionary()
        # Encoded deliveries, shared by all places.
        self._frames: WeakKeyDictionary[Delivery, Payloads] = WeakKeyDictionary()

    def variant_in_room(self, room: str | None) -> Self:
        """Return the dialect for clients in ``room``, or in the lobby if ``room`` is None.

        It is the same object as long as any client uses it. Raises `BadName` if ``room`` can't be the name of
        a group.
        """
        return self._shared("lobby") if room is None else self._shared("room", parse_group(room))

    @property
    def variant_in_no_room(self) -> Self:
        """The dialect for clients that are in no room. Every message that such a client sends is refused."""
        return self._shared("no room")

    @property
    def variant_awaiting_room(self) -> Self:
        """The dialect for clients that were asked which room to join.

        Their next message is the name of the room.
        """
        return self._shared("question")

    def _shared(self, place: ClientLocation, name: Name | None = None) -> Self:
        key = "" if name is None else name.normalized
        found = self._places.get((place, key))
        if found is None:
            found = self._places[place, key] = copy(self)
            found.location = place
            found.room = None if name is None else name.original
            found._key = key
        return found

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The encoder of the deliveries to clients of this dialect: the dialect itself."""
        return self

    # Decoding of requests.

    def decode(self, frame: bytes) -> Request:
        """Return the request in one chunk of text from the client.

        The text is a command, or a message to the room or lobby that the client is in. Before the login it is
        the hello, and at the location "question" it is the name of the room to enter. For an invalid text,
        return a request whose command is a refusal.
        """
        return self._understood(frame, "message")

    def _understood(self, said: bytes, kind: str) -> Request:
        try:
            text = said.decode()
        except UnicodeDecodeError:
            return self._refused(Refusal("bad_utf8"))
        if self.location == "door":
            return self._hello(text.strip()) if kind == "message" else Request(Refusal("not_identified"))
        action = None
        if kind == "message":
            typed = parse_slash_line(text)
            try:
                action = typed.action_message(to_french) if typed is not None else None
            except Refusal as refusal:
                return self._refused(refusal, ACTION_PREFIX.strip())
            if typed is not None and action is None:
                return self._command(typed)
            if is_command_with_secret(text):
                return self._refused(Refusal("bad_request", why=translatable_reason("password_in_message")))
            text = action or unescape_leading_slash(text)
        is_room_name = self.location == "question" and kind == "message" and action is None
        if self.location == "no room" or (self.location == "question" and not is_room_name):
            return self._refused(Refusal("no_room"))
        if self.location == "question":
            room = text.strip()
            return self._entering(EnterGroup(room, "create"), "") if room else self._refused(Refusal("empty"))
        row = COMMANDS["gbroadcast" if self.room else "broadcast"]
        try:
            return Request(row.build({"group": self.room, "msg": text, "kind": kind}, self._limits))
        except Refusal as refusal:
            return Request(refusal)

    def _hello(self, text: str) -> Request:
        typed = parse_slash_line(text)
        if typed is not None and typed.declaration is not None and typed.declaration.command is Identify:
            try:
                row, values = resolve_typed_command(typed.declaration, typed.rest, None)
                return self._logging_in(row.build(values, self._limits), f"/{typed.word}")
            except Refusal as refusal:
                return Request(refusal, f"/{typed.word}")
        word, _, rest = text.partition("|")
        if word != "Hello":
            return Request(Refusal("not_identified"))
        nick, _, room = (part.strip() for part in rest.partition("|"))
        return self._logging_in(Hello(nick), word, room)

    def _logging_in(self, command: Command, word: str, room: str = "") -> Request:
        """Return a request that logs the client in with ``command``.

        After the login the client enters ``room``. Without ``room`` it gets the question for a room if
        ``bonus`` is set, otherwise it enters the lobby.
        """
        if room:
            entering = self._entering(EnterGroup(room, "create"), word)
            return Request(
                command, word, dialect_on_success=self.variant_in_no_room, request_on_success=entering
            )
        if self.bonus:
            question = Request(
                ListGroups(),
                "Hello",
                detected_dialect=self.variant_in_no_room,
                dialect_on_success=self.variant_awaiting_room,
            )
            return Request(
                command, word, dialect_on_success=self.variant_in_no_room, request_on_success=question
            )
        return Request(command, word, dialect_on_success=self.variant_in_room(None))

    def _entering(self, command: EnterGroup | CreateGroup, name: str) -> Request:
        try:
            place = self.variant_in_room(command.group)
        except BadName:
            place = self.variant_in_no_room  # the chat will refuse the invalid name
        return self._moving(command, name, place, self.variant_in_no_room)

    def _moving(self, command: Command, name: str, place: Self, otherwise: Self) -> Request:
        """Return a request that takes the client to ``place`` if it succeeds, and to ``otherwise`` if not.
        With ``bonus``, the last page of the log of ``place`` follows.
        """
        page = None if self._json is None else Request(ReadHistory(group=place.room), "history")
        return Request(
            command, name, detected_dialect=otherwise, dialect_on_success=place, request_on_success=page
        )

    def _refused(self, refusal: Refusal, name: str = "", moves: bool = False) -> Request:
        """Return a request that is refused. If the client wanted to move to a room, or was asked for a room,
        it is in no room afterwards.

        ``dialect_on_success`` is set so that the session decodes nothing further before the refusal is sent.
        """
        if moves or self.location == "question":
            return Request(
                refusal,
                name,
                detected_dialect=self.variant_in_no_room,
                dialect_on_success=self.variant_in_no_room,
            )
        return Request(refusal, name)

    def _command(self, typed: SlashLine) -> Request:
        name, row = f"/{typed.word[:64]}", typed.declaration
        if row is None:
            return self._refused(Refusal("unknown_action", name=name), name)
        lobby = self.variant_in_room(None)
        if row.command is Leave and not typed.rest and self.room is None:
            return self._moving(EnterGroup(""), name, lobby, lobby)
        try:
            row, values = resolve_typed_command(row, typed.rest, self.room)
            command = row.build(values, self._limits)
        except Refusal as refusal:
            return self._refused(refusal, name, moves=row.command in _MOVES)
        if isinstance(command, EnterGroup | CreateGroup):
            return self._entering(command, name)
        if isinstance(command, Leave) and self._is_here(command.group):
            # The client leaves the room even if it was kicked before, so that the command is refused.
            return self._moving(command, name, lobby, lobby)
        if self.location == "question":
            # After a refusal the next message must not be taken for the name of a room.
            return Request(command, name, detected_dialect=self.variant_in_no_room, dialect_on_success=self)
        return Request(command, name)

    def _is_here(self, group: str) -> bool:
        try:
            return self.location == "room" and parse_group(group).normalized == self._key
        except BadName:
            return False

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return ``answer`` as French text.

        With ``bonus``, the history that is sent after entering a room is JSON.

        The ack of a message has no payload, because the client has shown the message already.
        """
        return _ANSWERS[type(answer)](self, request, answer)

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return ``refusal`` as French text.

        If the refused request was to enter a room, the text says where the client is now.
        """
        moved = request is not None and request.detected_dialect is not None
        is_message = request is not None and not request.command_word
        return self._notice(refusal_text(refusal, self.location if moved else "", is_message))

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return the French line of a message, an event or a notice.

        There is no payload if it belongs to a room or lobby that the client is not in, if it is a message
        whose text was deleted, or if it is a read mark.
        """
        return self._telling(delivery) if self._hears(delivery) else ()

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Return the French line of an event for the user whom it is about, whatever room that user is in."""
        return self._telling(delivery)

    def _hears(self, delivery: Delivery) -> bool:
        """Return whether clients in this place get ``delivery``. Arrivals, departures and private messages
        are heard in every place.
        """
        if not isinstance(delivery, LogEntry):
            return True
        where = delivery.event.conversation
        if where.kind == "lobby":
            return self.location == "lobby"
        return where.kind == "direct" or self._is_here(where.name)

    def _telling(self, delivery: Delivery) -> Payloads:
        """Return the encoded ``delivery``: the same object for all places, so that it is encoded once."""
        frame = self._frames.get(delivery)
        if frame is None:
            frame = self._frames[delivery] = self._tell(delivery)
        return frame

    def _tell(self, delivery: Delivery) -> Payloads:
        if isinstance(delivery, (*DELIVERY_TYPES_FOR_CHANNEL_CLIENTS, ReadMarkMoved)):
            return ()
        if isinstance(delivery, LogEntry) and delivery.event.is_tombstone:
            return ()
        if isinstance(delivery, LogEntry) and delivery.event.is_message:
            return self._said(delivery)
        return self._notice(delivery_sentence(delivery), delivery.at)

    def _welcome(self, request: Request, answer: Welcome) -> Payloads:
        nick = answer.user.nick
        return self._notice(f"Welcome back {nick} !" if answer.is_returning_user else arrival_sentence(nick))

    def _ack(self, request: Request, answer: Ack) -> Payloads:
        event = answer.entry.event
        if event.is_message:
            return ()  # the client has shown its own message already
        if request.dialect_on_success is self and self.location in ("lobby", "room"):
            return self._arrival(event.conversation.name if self.room else "")
        if isinstance(request.command, UseInvitationLink) and event.subject is not None:
            # The first entry says who has let the user in.
            event = replace(event, kind="joined", actor=event.subject, subject=None)
        return self._notice(f"C'est fait : {event_sentence(event)}")

    def _unchanged(self, request: Request, answer: AlreadyInGroup) -> Payloads:
        return self._arrival(answer.group)

    def _arrival(self, room: str) -> Payloads:
        return self._notice(f"Vous êtes dans {room or 'la chatroom'}")

    def _account(self, request: Request, answer: AccountChanged) -> Payloads:
        state = "a un mot de passe" if answer.is_registered else "n'a plus de mot de passe"
        return self._notice(f"C'est fait : {answer.nick} {state}")

    def _token_made(self, request: Request, answer: TokenMade) -> Payloads:
        (line,) = token_lines((answer.token,))
        return self._notice(f"C'est fait : {line}\n{CONTINUATION_INDENT}{answer.secret}")

    def _tokens(self, request: Request, answer: TokenList) -> Payloads:
        return self._list(f"Jetons de {answer.nick}", token_lines(answer.tokens))

    def _link_made(self, request: Request, answer: InvitationLinkMade) -> Payloads:
        (line,) = invitation_link_lines((answer.link,))
        return self._notice(f"C'est fait : {line}\n{CONTINUATION_INDENT}{answer.secret}")

    def _links(self, request: Request, answer: InvitationLinkList) -> Payloads:
        return self._list(f"Liens de {answer.group}", invitation_link_lines(answer.links))

    def _moderated(self, request: Request, answer: Moderated) -> Payloads:
        return self._notice("\n".join(f"C'est fait : {line}" for line in moderation_lines(answer.entries)))

    def _moderation_log(self, request: Request, answer: ModerationLog) -> Payloads:
        return self._list("Modération", moderation_lines(answer.entries))

    def _ignored(self, request: Request, answer: IgnoredUsers) -> Payloads:
        return self._list("Ignorés", answer.nicks)

    def _clients(self, request: Request, answer: Clients) -> Payloads:
        return self._list("Dans la chatroom", answer.nicks)

    def _members(self, request: Request, answer: Members) -> Payloads:
        return self._list(f"Dans {answer.group}", member_lines(answer))

    def _groups(self, request: Request, answer: Groups) -> Payloads:
        rooms = self._list("Salons", group_lines(answer))
        return rooms if request.command_word.startswith("/") else rooms + self._notice(ROOM_QUESTION)

    def _page(self, request: Request, answer: Page) -> Payloads:
        if self._json is not None and request.command_word == "history":
            return self._as_json(self._json, request, answer)
        return self._list(history_title(answer), history_lines(answer), answer.has_more, answer.reads_forward)

    def _as_json(self, dialect: JsonDialect, request: Request, answer: Page | Conversations) -> Payloads:
        (payload,) = dialect.encode_answer(request, answer)
        return self._notice(to_ascii_json(payload))

    def _conversations(self, request: Request, answer: Conversations) -> Payloads:
        if self._json is not None and request.command_word == "history":
            return self._as_json(self._json, request, answer)
        return self._list("Conversations", conversation_lines(answer), answer.has_more)

    def _search_result(self, request: Request, answer: SearchResult) -> Payloads:
        shown, is_cut = entries_that_fit(search_result_lines(answer))
        bound = answer.entries[len(shown) - 1].id if is_cut else answer.resume_id
        found = self._list("Messages trouvés", shown, bound is not None)
        return (
            found
            if bound is None
            else found + self._notice(search_continuation_sentence(answer.searches_forward, bound))
        )

    def _read_mark(self, request: Request, answer: ReadMark) -> Payloads:
        return self._notice(f"C'est fait : {read_mark_sentence(answer)}")

    def _hint(self, request: Request, answer: HistoryHint) -> Payloads:
        return self._notice(HISTORY_HINT)

    def _help(self, request: Request, answer: Help) -> Payloads:
        return self._list("Commandes", help_lines(answer))

    def _goodbye(self, request: Request, answer: Goodbye) -> Payloads:
        return self._notice(f"Au revoir {answer.user.nick}") if answer.user is not None else ()

    def _list(self, title: str, entries: Iterable[str], more: bool = False, forward: bool = True) -> Payloads:
        return self._notice(list_with_title(title, entries, more, forward))

    def _said(self, logged: LogEntry) -> Payloads:
        """Return the line of a private message or of a message in the client's own room."""
        event = logged.event
        nick, time = event.actor.nick, ""
        if self.bonus:
            hour, minute = local_hour_and_minute_of(logged.at)
            red, green, blue = rgb_bytes(event.actor.colour)
            nick = f"\x1b[38;2;{red};{green};{blue}m{nick}\x1b[0m"
            time = f"[{hour:02}:{minute:02}] "
        return self._notice(time + message_sentence(nick, event, to_reader=bool(event.conversation.pair)))

    def _notice(self, text: str, at: int | None = None) -> Payloads:
        """Return ``text``, a message of the daemon in one or several lines, as payloads. ``at`` is the time
        of what it tells, in ms since 1970, if known.
        """
        return (text.encode(),)


_ANSWERS: Final[dict[type, Callable[[Tp6Dialect, Request, Any], Payloads]]] = {
    Welcome: Tp6Dialect._welcome,
    Ack: Tp6Dialect._ack,
    AccountChanged: Tp6Dialect._account,
    TokenMade: Tp6Dialect._token_made,
    TokenList: Tp6Dialect._tokens,
    InvitationLinkMade: Tp6Dialect._link_made,
    InvitationLinkList: Tp6Dialect._links,
    Moderated: Tp6Dialect._moderated,
    ModerationLog: Tp6Dialect._moderation_log,
    IgnoredUsers: Tp6Dialect._ignored,
    AlreadyInGroup: Tp6Dialect._unchanged,
    Clients: Tp6Dialect._clients,
    Members: Tp6Dialect._members,
    Groups: Tp6Dialect._groups,
    Page: Tp6Dialect._page,
    SearchResult: Tp6Dialect._search_result,
    Conversations: Tp6Dialect._conversations,
    ReadMark: Tp6Dialect._read_mark,
    HistoryHint: Tp6Dialect._hint,
    Help: Tp6Dialect._help,
    Goodbye: Tp6Dialect._goodbye,
}

_OPENINGS: Final = (
    *(OpeningBytes(b"Hello" + end) for end in (b"|", b" ", b"\t", b"\r", b"\n")),
    OpeningBytes(b"/login "),
)

WIRES: Final = (
    Wire("tp6", "chunks", Tp6Dialect, _OPENINGS),
    Wire("tp6-bonus", "chunks", partial(Tp6Dialect, bonus=True)),
)
