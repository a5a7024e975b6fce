"""The text dialect: the WHO/IAM line protocol for telnet, and ``;`` commands such as ``kick;group;nick``.

Source: seed who-iam-text-protocol. The habits of the reference client (``LST``, ``ARV``) are described in
SPEC.md, chapter Text. Sent lines end with LF alone, because CRLF would confuse the reference client.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, Final

from chatd.boundaries import DeliveryEncoder, Payloads
from chatd.core.answers import (
    AccountChanged,
    Ack,
    Answer,
    Clients,
    Conversations,
    Goodbye,
    Groups,
    Help,
    HistoryHint,
    IgnoredUsers,
    InvitationLinkList,
    InvitationLinkListItem,
    InvitationLinkMade,
    Members,
    Moderated,
    ModerationLog,
    Page,
    ReadMark,
    SearchResult,
    TokenList,
    TokenListItem,
    TokenMade,
    Welcome,
)
from chatd.core.commands import ListClients
from chatd.core.events import (
    MESSAGE_CHANGE_KINDS,
    REACTION_KINDS,
    ChatEvent,
    Conversation,
    Delivery,
    LogEntry,
    OperatorAnnouncement,
    ReadMarkMoved,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.language import N_
from chatd.core.limits import Limits
from chatd.core.moderation import ModerationEntry
from chatd.core.refusals import Refusal, TranslatableText
from chatd.core.requests import Request
from chatd.core.terminal import LINE_END_PATTERN, replace_controls
from chatd.core.typed_commands import (
    COMMANDS_BY_SEMICOLON_WORD,
    COMMANDS_BY_TEXT_VERB,
    parse_semicolon_command,
    parse_text_verb_fields,
)
from chatd.core.wires import Wire
from chatd.dialects.timestamps import format_rfc3339

REFERENCE_CLIENT_SECONDS_BETWEEN_LINES: Final = 0.04
"""Seconds between two lines sent to the reference client, which takes one read for one line."""

MAX_LIST_BYTES: Final = 256 * 1024
"""The maximum size of a list in an answer, in bytes. A list of this size never fills an outbox."""

MAX_SENT_LINES_PER_MESSAGE: Final = 128
"""The maximum number of lines that one message makes. Each line repeats the author and the conversation, so a
message of nothing but line ends would otherwise fill the outbox of every text client.
"""

_LINE: Final = re.compile(r"([A-Za-z]+)(?:([ ;])(.*))?", re.DOTALL)

_REFERENCE_WORDS: Final = {b"ARR ": b"ARV ", b"ANN ": b"MSG "}
_UNKNOWN_TO_REFERENCE: Final = (b"BCK ", b"INF ", b"DEL ", b"EDT ", b"RPL ", b"RCT ", b"URC ")


class TextDialect:
    """The text dialect, which implements the WHO/IAM protocol. It has two variants.

    One variant is for clients of the protocol as specified. The other is for the reference client, which is
    recognised by the command ``LST``.

    On the wire ``web`` each payload is a WebSocket message. The reference client does not speak WebSocket, so
    the command ``LST`` is answered there but does not select the reference variant.
    """

    shows_groups_as_channels = False
    enters_lobby = True
    receives_watched_user_changes = False
    shows_own_messages = True
    greeting: Final = (b"WHO",)
    requires_login = True
    login_history_scope: Final = "none"
    max_list_bytes = MAX_LIST_BYTES

    def __init__(self, limits: Limits, is_reference: bool = False, wire: str = "text") -> None:
        self.wire = wire
        self.seconds_between_writes = REFERENCE_CLIENT_SECONDS_BETWEEN_LINES if is_reference else 0.0
        self._limits = limits
        self._is_reference = is_reference
        self._arrival = "ARV" if is_reference else "ARR"
        self._reference: TextDialect | None = self if is_reference else None
        if wire == "text" and not is_reference:
            self._reference = TextDialect(limits, is_reference=True)

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The encoder of the deliveries to clients of this dialect: the dialect itself."""
        return self

    # Decoding of requests.

    def decode(self, frame: bytes) -> Request:
        """Return the request in one line, with or without its line end.

        For a malformed line or an unknown command, return a request whose command is a refusal.
        """
        try:
            line = frame.decode()
        except UnicodeDecodeError:
            return Request(Refusal("bad_utf8"))
        if line.endswith("\n"):
            line = line[:-1].removesuffix("\r")
        if "\n" in line:
            return Request(
                Refusal("bad_request", why=TranslatableText(N_("send each line as a message of its own")))
            )
        found = _LINE.fullmatch(line)
        verb, separator, rest = found.groups(default="") if found else ("", "", "")
        if separator != ";" and verb.upper() == "LST":
            return Request(
                ListClients(),
                "LST",
                detected_dialect=self._reference,
                convert_buffered_frame=_as_to_reference,
            )
        try:
            row = COMMANDS_BY_TEXT_VERB.get(verb.upper())
            if row is not None and separator != ";":
                verb = row.text_verb
                command = row.build(parse_text_verb_fields(row, rest), self._limits)
                # The next line shows whether this is the reference client.
                may_be_reference = row.name == "hello" and self._reference not in (None, self)
                return Request(
                    command,
                    verb,
                    seconds_between_lines=REFERENCE_CLIENT_SECONDS_BETWEEN_LINES if may_be_reference else 0.0,
                )
            # A command without fields may leave out its semicolon.
            typed = parse_semicolon_command(f"{verb};{rest}") if separator != " " else None
            if typed is None:
                raise Refusal("unknown_action", name=verb or repr(line[:16]))
            row, values = typed
            return Request(row.build(values, self._limits), verb.lower())
        except Refusal as refusal:
            return Request(refusal, verb)

    # Encoding of answers and deliveries.

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return the lines of ``answer``.

        There are none if the WHO/IAM protocol has no answer, as for ``MSG``.
        """
        return _ANSWERS[type(answer)](self, request, answer)

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return ``refusal`` as the line ``ERR code sentence``, or as the line that the protocol has for it.

        An example of the second is ``TKN nick``. A client that is not logged in is sent ``WHO`` again.
        """
        if refusal.code == "not_identified":
            return self.greeting
        verb = request.command_word if request is not None else ""
        word = _SEED_REFUSALS.get((verb, refusal.code))
        if word is not None:
            return _lines(word, refusal.mentioned_name)
        return _lines("ERR", refusal.code, text=refusal.text)

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """Return the lines of ``delivery``: a log entry, a login, a logout or an announcement.

        There are none for a message whose text was deleted, and for a read mark. The reference variant has
        none for a change of a message, and leaves out which message another one answers.
        """
        if isinstance(delivery, ReadMarkMoved):
            return ()
        if isinstance(delivery, LogEntry):
            return self._logged(delivery.event)
        if isinstance(delivery, OperatorAnnouncement):
            # The reference client shows only what it knows.
            return _lines("MSG" if self._is_reference else "ANN", delivery.user.nick, text=delivery.text)
        if isinstance(delivery, UserArrived):
            return self._arrived(delivery.user.nick, delivery.is_returning_user)
        return _lines("LFT", delivery.user.nick) if isinstance(delivery, UserDeparted) else ()

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """Return the lines of an event for the user whom it is about, such as the kicked user.

        They are the same lines that all clients get, because a text client is sent the events of all its
        groups.
        """
        return self.encode_delivery(delivery)

    def _logged(self, event: ChatEvent) -> Payloads:
        if event.is_tombstone:
            return ()
        if event.is_message:
            return _message(event) if self._is_reference else (*_answered(event), *_message(event))
        if event.kind in MESSAGE_CHANGE_KINDS:
            return () if self._is_reference else _changed(event)
        return _event(event)

    def _arrived(self, nick: str, returning: bool) -> Payloads:
        arrival = _lines(self._arrival, nick)
        # The reference client does not know ``BCK``.
        return arrival + _lines("BCK", nick) if returning and not self._is_reference else arrival

    def _welcome(self, request: Request, answer: Welcome) -> Payloads:
        return self._arrived(answer.user.nick, answer.is_returning_user)

    def _ack(self, request: Request, answer: Ack) -> Payloads:
        event = answer.entry.event
        if request.command_word in COMMANDS_BY_SEMICOLON_WORD:
            where = event.conversation.name or (event.subject or event.actor).nick
            return _lines("ACK", request.command_word, where, str(answer.entry.id), str(answer.entry.seq))
        # The seed's verbs have no answer; but the reference client shows a message that it sent only when it
        # gets the message back.
        return _message(event) if self._is_reference and request.command_word == "MSG" else ()

    def _account(self, request: Request, answer: AccountChanged) -> Payloads:
        return _lines("ACC", answer.nick, "registered" if answer.is_registered else "unregistered")

    def _token_made(self, request: Request, answer: TokenMade) -> Payloads:
        return _token(answer.token, str(answer.secret))

    def _tokens(self, request: Request, answer: TokenList) -> Payloads:
        return _list(request, map(_token, answer.tokens))

    def _link_made(self, request: Request, answer: InvitationLinkMade) -> Payloads:
        return _link(answer.link, str(answer.secret))

    def _links(self, request: Request, answer: InvitationLinkList) -> Payloads:
        return _list(request, map(_link, answer.links))

    def _moderated(self, request: Request, answer: Moderated) -> Payloads:
        return tuple(chain.from_iterable(map(_moderation, answer.entries)))

    def _moderation_log(self, request: Request, answer: ModerationLog) -> Payloads:
        return _list(request, map(_moderation, answer.entries))

    def _ignored(self, request: Request, answer: IgnoredUsers) -> Payloads:
        return _list(request, (_lines("IGN", nick) for nick in answer.nicks))

    def _clients(self, request: Request, answer: Clients) -> Payloads:
        if request.command_word == "LST":
            nicks, _ = _fitting((nick.encode(),) for nick in answer.nicks)
            return (b"LST " + b"".join(nick + b" " for nick in chain.from_iterable(nicks)),)
        return _list(request, (_lines("WHO", nick) for nick in answer.nicks))

    def _members(self, request: Request, answer: Members) -> Payloads:
        return _list(
            request,
            (
                _lines(
                    "MBR",
                    answer.group,
                    member.nick,
                    member.role,
                    "online" if member.is_online else "away",
                    "registered" if member.is_registered else "unregistered",
                )
                for member in answer.members
            ),
        )

    def _groups(self, request: Request, answer: Groups) -> Payloads:
        return _list(
            request,
            (
                _lines(
                    "GRP",
                    line.group,
                    line.visibility,
                    str(line.member_count),
                    line.role or "-",
                    text=line.topic,
                )
                for line in answer.items
            ),
        )

    def _page(self, request: Request, answer: Page) -> Payloads:
        where = _place(answer.conversation, answer.reader)
        ordered = answer.entries if answer.reads_forward else reversed(answer.entries)
        items = (
            _event_item(where, entry)
            if answer.is_event_page
            else (*_message_item(where, entry), *_reaction_lines(entry, answer))
            for entry in ordered
        )
        lines = _list(request, items, answer.has_more, answer.reads_forward)
        if answer.is_event_page or answer.has_more or answer.reads_forward or not answer.trimmed_up_to_id:
            return lines
        return (*_lines("INF", text=f"older messages were deleted, up to {answer.trimmed_up_to_id}"), *lines)

    def _search_result(self, request: Request, answer: SearchResult) -> Payloads:
        shown, is_cut = _fitting(_found_item(answer.reader, entry) for entry in answer.entries)
        bound = answer.entries[len(shown) - 1].id if is_cut and shown else answer.resume_id
        more = () if bound is None else ("more", str(bound))
        return (*chain.from_iterable(shown), *_lines("END", request.command_word, str(len(shown)), *more))

    def _conversations(self, request: Request, answer: Conversations) -> Payloads:
        lines = (
            _lines("CNV", one.kind, one.name, str(one.last_id), str(one.unread_count)) for one in answer.items
        )
        return _list(request, lines, answer.has_more)

    def _read_mark(self, request: Request, answer: ReadMark) -> Payloads:
        return _lines("RDM", _place(answer.conversation, answer.reader), str(answer.entry_id))

    def _hint(self, request: Request, answer: HistoryHint) -> Payloads:
        return _lines("INF", text=_HINT)

    def _help(self, request: Request, answer: Help) -> Payloads:
        lines = [
            _lines("HLP", text=f"{usage:<34} {row.help}")
            for row in answer.commands
            for usage in dict.fromkeys(
                (row.text_verb_usage, row.preferred_usage if row.semicolon_word else "")
            )
            if usage
        ]
        return _list(request, lines)

    def _goodbye(self, request: Request, answer: Goodbye) -> Payloads:
        return _lines("LFT", answer.user.nick) if answer.user is not None else ()


_ANSWERS: Final[dict[type, Callable[[TextDialect, Request, Any], Payloads]]] = {
    Welcome: TextDialect._welcome,
    Ack: TextDialect._ack,
    AccountChanged: TextDialect._account,
    TokenMade: TextDialect._token_made,
    TokenList: TextDialect._tokens,
    InvitationLinkMade: TextDialect._link_made,
    InvitationLinkList: TextDialect._links,
    Moderated: TextDialect._moderated,
    ModerationLog: TextDialect._moderation_log,
    IgnoredUsers: TextDialect._ignored,
    Clients: TextDialect._clients,
    Members: TextDialect._members,
    Groups: TextDialect._groups,
    Page: TextDialect._page,
    SearchResult: TextDialect._search_result,
    Conversations: TextDialect._conversations,
    ReadMark: TextDialect._read_mark,
    HistoryHint: TextDialect._hint,
    Help: TextDialect._help,
    Goodbye: TextDialect._goodbye,
}

_HINT: Final = (
    "to read the rest: conversations; lists your conversations, history; is the lobby,"
    " history;NICK and messages;GROUP the others"
)

_SEED_REFUSALS: Final = {
    ("IAM", "bad_nick"): "ERR",
    ("IAM", "nick_taken"): "TKN",
    ("PRV", "no_such_user"): "ERR",
}
"""(verb, refusal code) -> the word that the WHO/IAM protocol defines for this refusal. The refused name
follows the word.
"""


def _place(conversation: Conversation, reader: User) -> str:
    """Return the name of ``conversation`` as ``reader`` sees it: a group, a nick, or ``*`` for the lobby."""
    return conversation.name or (conversation.other_user(reader).nick if conversation.pair else "*")


def _lines(*fields: str, text: str | None = None) -> Payloads:
    """Return ``fields`` as one line that ends in ``text``. A text of several lines makes as many lines, each
    with all fields.
    """
    head = " ".join(fields)
    if not text:
        return (replace_controls(head).encode(),)
    return tuple(
        replace_controls(f"{head} {line}").encode()
        for line in LINE_END_PATTERN.split(text, MAX_SENT_LINES_PER_MESSAGE - 1)
    )


def _list(
    request: Request, entries: Iterable[Payloads], more: bool = False, forward: bool = True
) -> Payloads:
    """Return the lines of a list and its ``END`` line. ``entries`` come in the direction of reading; unless
    ``forward``, their order is reversed.
    """
    shown, cut = _fitting(entries)
    end = _lines("END", request.command_word, str(len(shown)), *(("more",) if more or cut else ()))
    return (*chain.from_iterable(shown if forward else reversed(shown)), *end)


def _fitting(entries: Iterable[Payloads]) -> tuple[list[Payloads], bool]:
    """Return the ``entries`` that fit into `MAX_LIST_BYTES`, and whether any were left out. Entries that do
    not fit are not formatted.
    """
    shown: list[Payloads] = []
    room = MAX_LIST_BYTES
    for entry in entries:
        room -= sum(map(len, entry)) + len(entry)
        if room < 0:
            return shown, True
        shown.append(entry)
    return shown, False


def _message_item(where: str, entry: LogEntry) -> Payloads:
    event, id = entry.event, str(entry.id)
    message = _lines("HIS", where, id, format_rfc3339(entry.at), event.actor.nick, text=event.body)
    if event.is_edited and not event.is_tombstone:
        message = (*message, *_lines("EDT", id, event.actor.nick))
    return (*_answered(event), *message)


def _reaction_lines(entry: LogEntry, page: Page) -> Payloads:
    """Return the lines behind a message in ``page``, one for each reaction: ``RCT id nick reaction``."""
    return tuple(
        line
        for reaction, nicks in page.reactions.get(entry.id, ())
        for nick in nicks
        for line in _lines("RCT", str(entry.id), nick, reaction)
    )


def _found_item(reader: User, entry: LogEntry) -> Payloads:
    event = entry.event
    place, place_in_log = _place(event.conversation, reader), (str(entry.id), str(entry.seq))
    return _lines("FND", place, *place_in_log, format_rfc3339(entry.at), event.actor.nick, text=event.body)


def _event_item(where: str, entry: LogEntry) -> Payloads:
    event = entry.event
    return _lines("STA", where, str(entry.id), format_rfc3339(entry.at), *_happened(event), text=_body(event))


def _as_to_reference(frame: bytes) -> bytes:
    """Convert a frame that was made for any text client to the words that the reference client knows: ``ARV``
    for ``ARR``, ``MSG`` for ``ANN``, and nothing for ``BCK``, ``INF`` and what is about other messages.
    """
    if frame.startswith(_UNKNOWN_TO_REFERENCE):
        return b""
    return _REFERENCE_WORDS.get(frame[:4], frame[:4]) + frame[4:]


def _moderation(act: ModerationEntry) -> Payloads:
    """Return the line of an entry of the moderation log; ``-`` stands for no target and no end."""
    until = "-" if act.until is None else format_rfc3339(act.until)
    target = act.target.replace(" ", "/") or "-"
    return _lines(
        "OPR",
        str(act.id),
        format_rfc3339(act.at),
        act.operator.nick,
        act.kind,
        target,
        until,
        text=act.reason,
    )


def _token(token: TokenListItem, secret: str = "") -> Payloads:
    """Return the line of a token; ``-`` stands for no end. The ``secret`` is known when the token is made."""
    expires = "-" if token.expires_at is None else format_rfc3339(token.expires_at)
    head = (
        "TOK",
        token.name,
        token.scope,
        ",".join(token.conversation_names),
        format_rfc3339(token.made_at),
        expires,
    )
    return _lines(*head, *filter(None, (secret,)))


def _link(link: InvitationLinkListItem, secret: str = "") -> Payloads:
    """Return the line of an invitation link. The ``secret`` is known when the link is made."""
    head = (
        "LNK",
        link.group,
        str(link.number),
        link.maker_nick,
        format_rfc3339(link.made_at),
        format_rfc3339(link.expires_at),
    )
    return _lines(*head, str(link.use_count), *filter(None, (secret,)))


def _message(event: ChatEvent) -> Payloads:
    nick = event.actor.nick
    if event.conversation.kind == "group":
        return _lines("GMS", event.conversation.name, nick, text=event.body)
    return _lines("MSG" if event.conversation.kind == "lobby" else "PRV", nick, text=event.body)


def _answered(event: ChatEvent) -> Payloads:
    """Return the line in front of a message that answers another one: ``RPL id nick``."""
    answered = event.answered_message
    return () if answered is None else _lines("RPL", str(answered.message_id), answered.author.nick)


def _changed(event: ChatEvent) -> Payloads:
    """Return the lines of an event that has changed a message."""
    id, nick = str(event.changed_message_id), event.actor.nick
    if event.kind == "deleted":
        return _lines("DEL", id, nick, text=event.reason)
    if event.kind == "edited":
        return _lines("EDT", id, nick, text=event.edited_kind_and_text[1])
    return _lines("RCT" if event.kind == "reacted" else "URC", id, nick, text=event.body)


def _event(event: ChatEvent) -> Payloads:
    return _lines("GEV", event.conversation.name, *_happened(event), text=_body(event))


def _happened(event: ChatEvent) -> tuple[str, ...]:
    subject = (event.subject.nick,) if event.subject is not None else ()
    return (event.kind, event.actor.nick, *subject)


def _body(event: ChatEvent) -> str:
    if event.kind == "edited":
        return f"{event.changed_message_id} {event.edited_kind_and_text[1]}".rstrip()
    if event.kind in REACTION_KINDS:
        return f"{event.changed_message_id} {event.body}".rstrip()
    return "operator" if event.kind in ("promoted", "demoted") and not event.body else event.body


WIRES: Final = (
    Wire("text", "lines", TextDialect),
    Wire("web", "websocket", partial(TextDialect, wire="web"), subprotocol="chatd.text"),
)
