"""The IRC dialect.

Sources: modern.ircdocs.horse, RFC 1459 and 2812, and the IRCv3 specifications. What a client has said so far,
its nick and its capabilities, decides how its next line is meant; so each client has a dialect object of its
own, and gets another one when it says more. What is delivered depends on the capabilities alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal
from weakref import WeakValueDictionary

from msgspec.structs import replace

from chatd.boundaries import DeliveryEncoder, Payloads
from chatd.core.answers import (
    AccountChanged,
    Ack,
    Answer,
    Authenticated,
    Channel,
    Goodbye,
    MissedEvent,
    PreparedAnswer,
    Welcome,
)
from chatd.core.channel_commands import ShowChannel
from chatd.core.commands import COMMANDS, Register
from chatd.core.events import REACTION_KINDS
from chatd.core.irc_policy import DEFAULT_IRC_POLICY, IrcPolicy
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.wires import OpeningBytes, Wire
from chatd.dialects import irc_accounts as accounts
from chatd.dialects import irc_channels as channels
from chatd.dialects import irc_history as history
from chatd.dialects import irc_information as information
from chatd.dialects import irc_messages as messages
from chatd.dialects import irc_multiline as multiline
from chatd.dialects import irc_operators as operators
from chatd.dialects import irc_presence as presence
from chatd.dialects import irc_queries as queries
from chatd.dialects import irc_read_marks as read_marks
from chatd.dialects import irc_redaction as redaction
from chatd.dialects import irc_registration as registration
from chatd.dialects import irc_search as search
from chatd.dialects import irc_transient as transient
from chatd.dialects.irc_channel_lines import channel_joined_lines, channel_lines
from chatd.dialects.irc_client import (
    CAPABILITIES,
    IrcClientState,
    channel_name,
    group_name,
)
from chatd.dialects.irc_deliveries import (
    IrcDeliveryEncoder,
    event_lines,
    missed_event_notice_lines,
    visibility_line,
)
from chatd.dialects.irc_labels import MAX_LABEL_BYTES, label_lines, with_request_label
from chatd.dialects.irc_lines import (
    MAX_LINE_BYTES,
    BadLine,
    IrcLine,
    format_line,
    parse_line,
    split_text,
)
from chatd.dialects.irc_typed_commands import encode_typed_command_result, is_typed_command
from chatd.dialects.irc_verbs import VERBS
from chatd.dialects.text import TextDialect

MAX_LIST_BYTES: Final = 256 * 1024
"""The maximum size of a list in an answer, in bytes. A list of this size never fills an outbox."""

MAX_NOTICE_LINES: Final = 32
"""The maximum number of notices for one line of the text wire: one of 8 KiB makes 18."""

EncodersByCapabilities = WeakValueDictionary[frozenset[str], IrcDeliveryEncoder]
"""The encoders of deliveries in use, by capabilities. The sessions keep them."""


class IrcDialect:
    """The IRC dialect for one client.

    ``client`` is the state that results from the client's earlier lines.

    ``encoders``, and ``text``, which is the dialect of the answers to typed commands, are shared by all IRC
    clients; only `with_client_changes` passes them. ``wire`` is the name of the wire (protocol), ``irc`` are
    the daemon's settings for IRC.
    """

    shows_groups_as_channels = True
    greeting: Final = ()
    requires_login = True
    max_list_bytes = MAX_LIST_BYTES
    seconds_between_writes = 0.0

    def __init__(
        self,
        limits: Limits,
        client: IrcClientState | None = None,
        encoders: EncodersByCapabilities | None = None,
        wire: str = "irc",
        text: TextDialect | None = None,
        irc: IrcPolicy = DEFAULT_IRC_POLICY,
    ) -> None:
        self.limits = limits
        self.client: IrcClientState = client or IrcClientState(irc)
        self.wire = wire
        self._encoders: EncodersByCapabilities = WeakValueDictionary() if encoders is None else encoders
        self._text = text or TextDialect(limits)

    def with_client_changes(self, **changes: Any) -> IrcDialect:
        """Return a copy of this dialect with other values for the attributes ``changes`` of its
        `IrcClientState`.
        """
        return IrcDialect(self.limits, replace(self.client, **changes), self._encoders, self.wire, self._text)

    @property
    def offered_capabilities(self) -> dict[str, str]:
        """The IRCv3 capabilities that the client is offered, with their values."""
        registration = "before-connect" if self.client.policy.register_before_login else ""
        values = {"message": self.limits.message, "registration": registration}
        return {name: value.format(**values) for name, value in CAPABILITIES.items()}

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The encoder for the client's capabilities: the same object for all clients with these capabilities.

        It exists as long as any session uses it.
        """
        capabilities = self.client.capabilities
        found = self._encoders.get(capabilities)
        if found is None:
            found = self._encoders[capabilities] = IrcDeliveryEncoder(capabilities)
        return found

    @property
    def enters_lobby(self) -> bool:
        """Whether the client is in ``#lobby`` from the login on: true if ``lobby`` in ``[irc]`` is ``join``.

        If ``lobby`` is ``ask``, the client is in ``#lobby`` only after it has sent ``JOIN #lobby``.
        """
        return self.client.policy.lobby == "join"

    @property
    def receives_watched_user_changes(self) -> bool:
        """Whether the client is sent profile changes of watched users with whom it shares no channel.

        This is true if the client has the capability ``extended-monitor``.
        """
        return "extended-monitor" in self.client.capabilities

    @property
    def shows_own_messages(self) -> bool:
        """Whether the messages that a user sends in another session are sent to this client.

        This is true if the client has the capability ``echo-message``. Other clients may not expect messages
        of their own user.
        """
        return "echo-message" in self.client.capabilities

    @property
    def login_history_scope(self) -> Literal["nothing", "missed"]:
        """The kind of messages that a returning user is sent after the login: ``nothing`` or ``missed``.

        It is ``nothing`` for a client that reads the history itself with ``CHATHISTORY``.
        """
        return "nothing" if "draft/chathistory" in self.client.capabilities else "missed"

    # Decoding of requests.

    def decode(self, payload: bytes) -> Request | None:
        """Return the request in ``payload``, one line, or None for an empty line.

        For a malformed line or an unknown verb, return a request that is answered with an error.
        """
        client = self.client
        try:
            # On a WebSocket there is no line end, but some clients send one.
            line = parse_line(payload.removesuffix(b"\n").removesuffix(b"\r"))
        except BadLine as bad:
            if bad.reason in ("bad_utf8", "bad_character") and bad.verb == "USER" and not client.nick:
                # The realname of an old client must not keep it out.
                return self.decode(payload.decode("utf-8", "replace").encode().translate(None, b"\r\n\0"))
            return self._bad_line(bad)
        verb = VERBS.get(line.verb)
        if not client.nick and (verb is None or not verb.before_login):
            return self.reply_request(client.numeric_line("not_registered"))
        if verb is None:
            return self._labelled(line, self.reply_request(client.numeric_line("unknown_command", line.verb)))
        if "batch" in line.tags and line.verb != "BATCH":
            return multiline.decode_line_of_batch(self, line)
        if len(line.params) < verb.min_params:
            return self._labelled(
                line, self.reply_request(client.numeric_line("need_more_params", line.verb))
            )
        try:
            request = verb.decode(self, line)
        except Refusal as refusal:
            request = Request(refusal, line.verb)
        return None if request is None else self._labelled(line, request)

    def label_of(self, line: IrcLine) -> str:
        """Return the label of ``line`` that the answer must repeat, or an empty text."""
        return line.tags.get("label", "") if "labeled-response" in self.client.capabilities else ""

    def _labelled(self, line: IrcLine, request: Request) -> Request:
        label = self.label_of(line)
        # The label of a batch is for the answer to what it contains.
        if not label or line.verb == "BATCH":
            return request
        if len(label.encode()) > MAX_LABEL_BYTES:
            text = f"a label has at most {MAX_LABEL_BYTES} bytes"
            return self.fail_request(line.verb, "INVALID_LABEL", text)
        return with_request_label(request, label)

    def _bad_line(self, bad: BadLine) -> Request | None:
        if bad.reason == "empty":
            return None
        if bad.reason == "too_long":
            return self.reply_request(self.client.numeric_line("line_too_long"))
        if bad.reason == "bad_character":
            return self.fail_request(
                bad.verb or "*", "INVALID_LINE", "send one line, without CR, LF and NUL in it"
            )
        # The token UTF8ONLY announces this answer, to clients without the capability as well.
        return self.reply_request(
            self.client.standard_reply(bad.verb or "*", "INVALID_UTF8", "send text in UTF-8")
        )

    def reply_request(self, *lines: bytes, dialect: IrcDialect | None = None) -> Request:
        """Return a request that is answered with ``lines``.

        If ``dialect`` is given, the session uses it afterwards.
        """
        if dialect is None:
            return Request(PreparedAnswer(lines))
        if self.client.nick:
            return Request(PreparedAnswer(lines), dialect_on_success=dialect)
        return Request(PreparedAnswer(lines), detected_dialect=dialect)

    def client_change_request(self, **changes: Any) -> Request:
        """Return a request without an answer that changes the state of the client in the dialect.

        ``changes`` are the new values of attributes of `IrcClientState`.
        """
        return self.reply_request(dialect=self.with_client_changes(**changes))

    def command_request(self, line: IrcLine, name: str, **values: object) -> Request:
        """Return the request for the command called ``name`` with the field ``values``, in answer to
        ``line``.

        If the values are refused, the command of the request is the refusal.
        """
        try:
            return Request(COMMANDS[name].build(values, self.limits), line.verb)
        except Refusal as refusal:
            return Request(refusal, line.verb)

    def show_channel_request(self, line: IrcLine, channel: str, *context: str) -> Request:
        """Return the request to show ``channel`` in answer to ``line``. Raises `Refusal`.

        ``context``, if given, says that only the members or only the bans are shown. Otherwise the verb of
        ``line`` decides what is shown.
        """
        return Request(ShowChannel(group_name(channel)), line.verb, encoder_context=context)

    def fail_request(self, verb: str, code: str, text: str, *context: str) -> Request:
        """Return a request that is answered with an error line, which `IrcClientState.fail_line`
        describes.
        """
        return self.reply_request(self.client.fail_line(verb, code, text, *context))

    # Encoding of answers.

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """Return the lines of ``answer``. There are none if IRC has no such answer.

        A command that the user typed to the daemon is answered with notices. If the command has changed
        something for which IRC has a line, such as a ``JOIN``, this line comes first.
        """
        encode = _ANSWER_ENCODERS.get(type(answer))
        if is_typed_command(request):
            changes = self._ack(request, answer) if isinstance(answer, Ack) else []
            if isinstance(request.command, Register):
                changes = [accounts.logged_in_line(self.client, self.client.account)]
            return label_lines(self.client, request, [*changes, *self._notices(request, answer)])
        lines = label_lines(self.client, request, [] if encode is None else encode(self, request, answer))
        if isinstance(answer, Ack) and messages.is_to_oneself(answer.entry.event):
            # Besides the echo, which has the label, the message is delivered.
            lines += tuple(messages.message_lines(self.client.capabilities, answer.entry))
        return lines

    def _notices(self, request: Request, result: Answer | Refusal) -> list[bytes]:
        client = self.client
        room = MAX_LINE_BYTES - len(client.notice(""))
        lines = (line.decode() for line in encode_typed_command_result(request, result, self._text))
        return [client.notice(piece) for line in lines for piece in split_text(line, room, MAX_NOTICE_LINES)]

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """Return ``refusal`` as a numeric if IRC has one for it, else as a standard reply or a notice.

        A refusal that ends the connection is an ``ERROR``. The refusal of a ``NOTICE`` has no lines, because
        a notice is never answered.
        """
        if request is None:
            return (format_line("ERROR", refusal.text, trailing=True),)
        verb = request.command_word
        if is_typed_command(request):
            return label_lines(self.client, request, self._notices(request, refusal))
        if verb == "NOTICE" or (verb == "JOIN" and refusal.code == "already_member"):
            return label_lines(self.client, request, [])
        encode = _REFUSAL_ENCODERS.get((verb, refusal.code)) or _REFUSAL_ENCODERS.get((verb, ""))
        if encode is not None:
            return label_lines(self.client, request, encode(self.client, request, refusal))
        return label_lines(self.client, request, [self.client.refusal_line(request, refusal)])

    def _prepared(self, request: Request, answer: PreparedAnswer) -> Sequence[bytes]:
        return answer.payloads

    def _welcome(self, request: Request, answer: Welcome) -> list[bytes]:
        return registration.welcome_lines(self.client, answer, history.max_page_entries(self.limits))

    def _ack(self, request: Request, answer: Ack) -> list[bytes]:
        entry, capabilities = answer.entry, self.client.capabilities
        if entry.event.is_message:
            lines = messages.message_lines(capabilities, entry) if "echo-message" in capabilities else []
            return lines + presence.away_reply_lines(self.client, request, answer)
        if answer.channel is not None:
            return channel_joined_lines(self.client, answer.channel, entry.event.actor)
        if entry.event.kind == "invited" and entry.event.subject is not None:
            channel = channel_name(entry.event.conversation.name)
            return [self.client.numeric_line("inviting", entry.event.subject.nick, text=channel)]
        if entry.event.kind == "visibility" and request.encoder_context:
            return [visibility_line(capabilities, entry, *request.encoder_context)]
        if entry.event.kind in REACTION_KINDS and "echo-message" not in capabilities:
            return []
        return event_lines(capabilities, entry)

    def _channel(self, request: Request, answer: Channel) -> list[bytes]:
        if request.command_word == "WHO":
            return queries.who_lines_of_channel(self, request, answer)
        return channel_lines(self.client, request, answer)

    def _missed_event(self, request: Request, answer: MissedEvent) -> list[bytes]:
        return missed_event_notice_lines(self.client.capabilities, answer.entry)

    def _goodbye(self, request: Request, answer: Goodbye) -> list[bytes]:
        return [format_line("ERROR", "Closing link: you have quit", trailing=True)]


_ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    PreparedAnswer: IrcDialect._prepared,
    MissedEvent: IrcDialect._missed_event,
    Welcome: IrcDialect._welcome,
    Ack: IrcDialect._ack,
    Channel: IrcDialect._channel,
    Authenticated: accounts.authenticated_lines,
    AccountChanged: accounts.registered_lines,
    Goodbye: IrcDialect._goodbye,
    **channels.ANSWER_ENCODERS,
    **transient.ANSWER_ENCODERS,
    **queries.ANSWER_ENCODERS,
    **operators.ANSWER_ENCODERS,
    **presence.ANSWER_ENCODERS,
    **information.ANSWER_ENCODERS,
    **history.ANSWER_ENCODERS,
    **read_marks.ANSWER_ENCODERS,
    **search.ANSWER_ENCODERS,
}

_REFUSAL_ENCODERS: Final[dict[tuple[str, str], Callable[[IrcClientState, Request, Refusal], list[bytes]]]] = {
    ("AUTHENTICATE", ""): accounts.authenticate_refusal_lines,
    ("CHATHISTORY", ""): history.chathistory_refusal_lines,
    ("MARKREAD", ""): read_marks.markread_refusal_lines,
    ("SEARCH", ""): search.search_refusal_lines,
    ("REGISTER", ""): accounts.register_refusal_lines,
    **dict.fromkeys(
        (("NICK", code) for code in registration.LOGIN_REFUSAL_CODES), registration.login_refusal_lines
    ),
    ("WHO", "no_such_group"): queries.empty_who_lines,
    **channels.REFUSAL_ENCODERS,
    **redaction.REFUSAL_ENCODERS,
    **operators.REFUSAL_ENCODERS,
}
"""The functions that encode refusals for which a verb has lines of its own, by verb and code.

An empty code stands for all other refusals of the verb.
"""


WIRES: Final = (
    Wire(
        "irc",
        "crlf_lines",
        IrcDialect,
        tuple(OpeningBytes(start) for start in (b"CAP ", b"NICK ", b"USER ", b"PASS ")),
        config_sections=("irc",),
    ),
    *(
        Wire(
            "web", carrier, partial(IrcDialect, wire="web"), subprotocol=subprotocol, config_sections=("irc",)
        )
        for carrier, subprotocol in (
            ("lenient_websocket", "text.ircv3.net"),
            ("binary_websocket", "binary.ircv3.net"),
        )
    ),
)
