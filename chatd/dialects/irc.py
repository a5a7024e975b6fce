"""The IRC dialect.

Sources: modern.ircdocs.horse, RFC 1459 and 2812, and the IRCv3 specifications. What a client has said so far,
its nick and its capabilities, decides how its next line is meant; so each client has a dialect object of its
own, and gets another one when it says more. What is delivered depends on the capabilities alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from msgspec.structs import replace

from chatd.boundaries import DeliveryEncoder, Payloads
from chatd.core.answers import (
    AccountChanged,
    Ack,
    Answer,
    Authenticated,
    Channel,
    Goodbye,
    Groups,
    Page,
    PreparedAnswer,
    Welcome,
)
from chatd.core.channel_commands import ShowChannel
from chatd.core.commands import COMMANDS, Register
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.wires import OpeningBytes, Wire
from chatd.dialects import irc_accounts as accounts
from chatd.dialects import irc_channels as channels
from chatd.dialects import irc_messages as messages
from chatd.dialects import irc_registration as registration
from chatd.dialects.irc_client import (
    CAPABILITIES,
    SERVER_NAME,
    IrcClient,
    channel_name,
    group_name,
    word,
)
from chatd.dialects.irc_deliveries import IrcDeliveryEncoder, event_lines
from chatd.dialects.irc_lines import (
    MAX_LINE_BYTES,
    BadLine,
    IrcLine,
    format_line,
    parse_line,
    split_text,
    with_tags,
)
from chatd.dialects.irc_numerics import NUMERICS_BY_REFUSAL, NUMERICS_BY_VERB_AND_REFUSAL
from chatd.dialects.irc_typed import encode_typed, is_typed
from chatd.dialects.text import TextDialect

MAX_LIST_BYTES: Final = 256 * 1024
"""The maximum size of a list in an answer, in bytes. A list of this size never fills an outbox."""

MAX_NOTICE_LINES: Final = 32
"""The maximum number of notices for one line of the text wire: one of 8 KiB makes 18."""

Encoders = dict[frozenset[str], IrcDeliveryEncoder]
"""The encoders of deliveries, by capabilities."""


class IrcDialect:
    """The IRC dialect for one client, with what that client has said so far.

    ``encoders`` and ``text``, the dialect of the answers to typed commands, are shared by all IRC clients;
    only `with_client` passes them. ``wire`` is the name of the wire.
    """

    has_channels = True
    greeting: Final = ()
    requires_login = True
    max_list_bytes = MAX_LIST_BYTES
    pace_seconds = 0.0
    offered = CAPABILITIES

    def __init__(
        self,
        limits: Limits,
        client: IrcClient | None = None,
        encoders: Encoders | None = None,
        wire: str = "irc",
        text: TextDialect | None = None,
    ) -> None:
        self.limits = limits
        self.client = client or IrcClient()
        self.wire = wire
        self._encoders: Encoders = {} if encoders is None else encoders
        self._text = text or TextDialect(limits)

    def with_client(self, **changes: Any) -> IrcDialect:
        """Return the dialect for the client after ``changes`` of its `IrcClient`."""
        return IrcDialect(self.limits, replace(self.client, **changes), self._encoders, self.wire, self._text)

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The encoder for the client's capabilities: the same object for all clients that have these."""
        capabilities = self.client.capabilities
        found = self._encoders.get(capabilities)
        if found is None:
            found = self._encoders[capabilities] = IrcDeliveryEncoder(capabilities)
        return found

    @property
    def shows_own_messages(self) -> bool:
        """Whether the client knows what to do with messages of its own user."""
        return "echo-message" in self.client.capabilities

    @property
    def login_history_scope(self) -> Literal["nothing", "missed"]:
        """Nothing for clients that ask for history, else the messages that were missed."""
        return "nothing" if "draft/chathistory" in self.client.capabilities else "missed"

    # Decoding of requests.

    def decode(self, payload: bytes) -> Request | None:
        """Return the request in one line. A line that is not understood is answered with a numeric."""
        client = self.client
        try:
            line = parse_line(payload)
        except BadLine as bad:
            if bad.reason == "bad_utf8" and bad.verb == "USER" and not client.nick:
                # The realname of an old client must not keep it out.
                return self.decode(payload.decode("utf-8", "replace").encode().translate(None, b"\r\0"))
            return self._bad_line(bad)
        verb = VERBS.get(line.verb)
        if not client.nick and (verb is None or not verb.before_login):
            return self.reply(client.numeric("not_registered"))
        if verb is None:
            return self._labelled(line, self.reply(client.numeric("unknown_command", line.verb)))
        if len(line.params) < verb.min_params:
            return self._labelled(line, self.reply(client.numeric("need_more_params", line.verb)))
        try:
            request = verb.decode(self, line)
        except Refusal as refusal:
            request = Request(refusal, line.verb)
        return None if request is None else self._labelled(line, request)

    def _labelled(self, line: IrcLine, request: Request) -> Request:
        label = line.tags.get("label", "")
        has_labels = "labeled-response" in self.client.capabilities
        return replace(request, label=label) if label and has_labels else request

    def _bad_line(self, bad: BadLine) -> Request | None:
        if bad.reason == "empty":
            return None
        if bad.reason == "too_long":
            return self.reply(self.client.numeric("line_too_long"))
        return self.fail(bad.verb or "*", "INVALID_UTF8", "send text in UTF-8")

    def reply(self, *lines: bytes, dialect: IrcDialect | None = None) -> Request:
        """Return a request that is answered with ``lines``. Then the client speaks ``dialect``, if given."""
        if dialect is None:
            return Request(PreparedAnswer(lines))
        if self.client.nick:
            return Request(PreparedAnswer(lines), dialect_on_success=dialect)
        return Request(PreparedAnswer(lines), detected_dialect=dialect)

    def changed(self, **changes: Any) -> Request:
        """Return a request without an answer, after which the client is changed."""
        return self.reply(dialect=self.with_client(**changes))

    def request(self, line: IrcLine, name: str, **values: object) -> Request:
        """Return the request for the command called ``name`` with ``values``, which ``line`` asks for. If the
        values are refused, it is a request with the refusal.
        """
        try:
            return Request(COMMANDS[name].build(values, self.limits), line.verb)
        except Refusal as refusal:
            return Request(refusal, line.verb)

    def show_channel(self, line: IrcLine, channel: str) -> Request:
        """Return the request to show ``channel`` in answer to ``line``. Raises `Refusal`."""
        return Request(ShowChannel(group_name(channel)), line.verb)

    def fail(self, verb: str, code: str, text: str, *context: str) -> Request:
        """Return a request that is answered with a standard reply."""
        return self.reply(self._fail_line(verb, code, text, *context))

    def _fail_line(self, verb: str, code: str, text: str, *context: str) -> bytes:
        if "standard-replies" not in self.client.capabilities:
            return self.client.notice(text)
        words = map(word, context)
        return format_line("FAIL", word(verb), code, *words, text, source=SERVER_NAME, trailing=True)

    # Encoding of answers.

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return the lines of ``answer``, none where IRC has no answer.

        A typed command is answered with notices of the daemon. What it has changed is told in IRC's words
        first.
        """
        encode = _ANSWERS.get(type(answer))
        if not is_typed(request):
            return self._with_label(request, [] if encode is None else encode(self, request, answer))
        changes = self._ack(request, answer) if isinstance(answer, Ack) else []
        if isinstance(request.command, Register):
            changes = [accounts.logged_in_line(self.client, self.client.account)]
        return self._with_label(request, [*changes, *self._notices(request, answer)])

    def _notices(self, request: Request, result: Answer | Refusal) -> list[bytes]:
        client = self.client
        room = MAX_LINE_BYTES - len(client.notice(""))
        lines = (line.decode() for line in encode_typed(request, result, self._text))
        return [client.notice(piece) for line in lines for piece in split_text(line, room, MAX_NOTICE_LINES)]

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return ``refusal`` as a numeric if IRC has one, else as a standard reply or a notice. What ends the
        connection is an ``ERROR``. A ``NOTICE`` is never answered.
        """
        if request is None:
            return (format_line("ERROR", refusal.text, trailing=True),)
        verb = request.command_word
        if is_typed(request):
            return self._with_label(request, self._notices(request, refusal))
        if verb == "NOTICE" or (verb == "JOIN" and refusal.code == "already_member"):
            return self._with_label(request, [])
        encode = _REFUSALS.get((verb, refusal.code)) or _REFUSALS.get((verb, ""))
        if encode is not None:
            return self._with_label(request, encode(self.client, request, refusal))
        return self._with_label(request, [self._refusal_line(request, verb, refusal)])

    def _refusal_line(self, request: Request, verb: str, refusal: Refusal) -> bytes:
        code = NUMERICS_BY_VERB_AND_REFUSAL.get((verb, refusal.code)) or NUMERICS_BY_REFUSAL.get(refusal.code)
        context = _context(request, refusal)
        if code is None:
            return self._fail_line(verb, refusal.code.upper(), refusal.text, *context)
        if not context and code == "263":
            context = [verb]
        return self.client.numeric_line(code, *context, refusal.text)

    def _with_label(self, request: Request, lines: Sequence[bytes]) -> Payloads:
        """Return ``lines`` as the answer to ``request``, with its label: on the one line, or on the batch
        that holds them, or on an ``ACK`` if there are none.
        """
        if not request.label:
            return tuple(lines)
        if not lines:
            return (format_line("ACK", source=SERVER_NAME, tags={"label": request.label}),)
        if len(lines) == 1:
            return (with_tags(lines[0], {"label": request.label}),)
        start = format_line("BATCH", "+label", "labeled-response", source=SERVER_NAME)
        return (
            with_tags(start, {"label": request.label}),
            *(with_tags(line, {"batch": "label"}) for line in lines),
            format_line("BATCH", "-label", source=SERVER_NAME),
        )

    def _prepared(self, request: Request, answer: PreparedAnswer) -> Sequence[bytes]:
        return answer.payloads

    def _welcome(self, request: Request, answer: Welcome) -> list[bytes]:
        return registration.welcome_lines(self.client, answer)

    def _ack(self, request: Request, answer: Ack) -> list[bytes]:
        entry, capabilities = answer.entry, self.client.capabilities
        if entry.event.is_message:
            lines = messages.message_lines(capabilities, entry)
            # What users send to themselves is delivered, too.
            copies = ("echo-message" in capabilities) + (entry.event.subject is entry.event.actor)
            return lines * copies
        if answer.channel is not None:
            return channels.entering_lines(self.client, answer.channel, entry.event.actor)
        if entry.event.kind == "invited" and entry.event.subject is not None:
            channel = channel_name(entry.event.conversation.name)
            return [self.client.numeric("inviting", entry.event.subject.nick, text=channel)]
        return event_lines(capabilities, entry)

    def _channel(self, request: Request, answer: Channel) -> list[bytes]:
        client = self.client
        if request.command_word == "TOPIC":
            return channels.topic_lines(client, answer)
        if request.command_word == "NAMES":
            return channels.names_lines(client, answer)
        if request.command_word == "MODE":
            return channels.mode_lines(client, answer)
        lines = channels.topic_lines(client, answer) if answer.topic else []
        return lines + channels.names_lines(client, answer)

    def _groups(self, request: Request, answer: Groups) -> list[bytes]:
        return channels.list_lines(self.client, answer)

    def _page(self, request: Request, answer: Page) -> list[bytes]:
        capabilities = self.client.capabilities
        lines: list[bytes] = []
        for entry in answer.entries:
            is_missed = answer.read_marker is None or entry.id > answer.read_marker
            if entry.event.is_message and is_missed:
                lines += messages.message_lines(capabilities, entry, shows_time=True)
        return lines

    def _goodbye(self, request: Request, answer: Goodbye) -> list[bytes]:
        return [format_line("ERROR", "Closing link: you have quit", trailing=True)]


_ANSWERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    PreparedAnswer: IrcDialect._prepared,
    Welcome: IrcDialect._welcome,
    Ack: IrcDialect._ack,
    Channel: IrcDialect._channel,
    Groups: IrcDialect._groups,
    Page: IrcDialect._page,
    Authenticated: accounts.authenticated_lines,
    AccountChanged: accounts.registered_lines,
    Goodbye: IrcDialect._goodbye,
}

_REFUSALS: Final[dict[tuple[str, str], Callable[[IrcClient, Request, Refusal], list[bytes]]]] = {
    ("AUTHENTICATE", ""): accounts.authenticate_refusal_lines,
    ("REGISTER", ""): accounts.register_refusal_lines,
    ("NICK", "password_required"): registration.password_required_lines,
}
"""What encodes the refusals, by their codes, of the verbs that have lines of their own for them. The code is
empty for all others of a verb.
"""


def _context(request: Request, refusal: Refusal) -> list[str]:
    """Return the nick and the channel that ``refusal`` of ``request`` is about."""
    nick = getattr(request.command, "dest", "") or ""
    group = getattr(request.command, "group", "") or ""
    if isinstance(request.command, Refusal):
        nick, group = str(refusal.details.get("nick", "")), str(refusal.details.get("group", ""))
    elif not (nick or group):
        nick = refusal.mentioned_name
    if refusal.code not in ("no_such_member", "already_member", "already_invited") and group:
        nick = ""
    channel = channel_name(group) if group and not group.startswith("#") else group
    return [one for one in (nick, channel) if one]


class Verb(NamedTuple):
    """What is done with a verb: the function that decodes its line, the number of parameters that it needs,
    and whether it is heard before the login.
    """

    decode: Callable[[IrcDialect, IrcLine], Request | None]
    min_params: int = 0
    before_login: bool = False


def _ping(dialect: IrcDialect, line: IrcLine) -> Request:
    return dialect.reply(format_line("PONG", SERVER_NAME, line.params[0], source=SERVER_NAME, trailing=True))


def _pong(dialect: IrcDialect, line: IrcLine) -> None:
    return None


def _quit(dialect: IrcDialect, line: IrcLine) -> Request:
    return dialect.request(line, "quit")


def _motd(dialect: IrcDialect, line: IrcLine) -> Request:
    return dialect.reply(*registration.motd_lines(dialect.client))


VERBS: Final = {
    "CAP": Verb(registration.cap, 1, True),
    "NICK": Verb(registration.nick, 0, True),
    "USER": Verb(registration.user, 4, True),
    "PASS": Verb(registration.password, 1, True),
    "AUTHENTICATE": Verb(accounts.authenticate, 1, True),
    "REGISTER": Verb(accounts.register, 3, True),
    "VERIFY": Verb(accounts.verify, 2, True),
    "PING": Verb(_ping, 1, True),
    "PONG": Verb(_pong, 0, True),
    "QUIT": Verb(_quit, 0, True),
    "MOTD": Verb(_motd),
    "JOIN": Verb(channels.join, 1),
    "PART": Verb(channels.part, 1),
    "NAMES": Verb(channels.names),
    "TOPIC": Verb(channels.topic, 1),
    "KICK": Verb(channels.kick, 2),
    "INVITE": Verb(channels.invite, 2),
    "LIST": Verb(channels.channel_list),
    "MODE": Verb(channels.mode, 1),
    "PRIVMSG": Verb(messages.privmsg),
    "NOTICE": Verb(messages.privmsg),
}
"""The verbs that the dialect knows."""

WIRES: Final = (
    Wire(
        "irc",
        "crlf_lines",
        IrcDialect,
        tuple(OpeningBytes(start) for start in (b"CAP ", b"NICK ", b"USER ", b"PASS ")),
    ),
)
