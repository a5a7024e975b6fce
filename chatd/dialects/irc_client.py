"""The state of one IRC client in the dialect, and the names of users, groups and the daemon on IRC."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from chatd.core.accounts import Secret
from chatd.core.channel_commands import EnterLobby, LeaveLobby
from chatd.core.commands import SendToLobby
from chatd.core.events import Conversation, User
from chatd.core.irc_policy import DEFAULT_IRC_POLICY, IrcPolicy
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_lines import MAX_CHARACTER_BYTES, MAX_LINE_BYTES, format_line
from chatd.dialects.irc_numerics import (
    NUMERICS_BY_NAME,
    NUMERICS_BY_REFUSAL_CODE,
    NUMERICS_BY_VERB_AND_REFUSAL_CODE,
    REFUSAL_CODES_WITH_NICK,
)
from chatd.dialects.timestamps import format_rfc3339

DAEMON_NICK: Final = "chatd"
"""The nick to which commands are typed. Nobody can have it."""

USER_SOURCE_HOST: Final = "chatd"
"""The host of all users: nobody is shown an address."""

MAX_SOURCE_USERNAME_BYTES: Final = 32
"""The maximum number of bytes between ``!`` and ``@`` in the source of a line."""

MIN_MESSAGE_TEXT_BYTES_PER_LINE: Final = 64
"""The bytes that a line should have for a message, a topic or a reason; else its source is shortened."""

LOBBY_CHANNEL: Final = "#lobby"
"""The channel that is the lobby."""

CAPABILITIES: Final[dict[str, str]] = {
    "account-notify": "",
    "account-tag": "",
    "away-notify": "",
    "batch": "",
    "cap-notify": "",
    "draft/account-registration": "{registration}",
    "draft/chathistory": "",
    "draft/event-playback": "",
    "draft/message-redaction": "",
    "draft/multiline": "max-bytes={message},max-lines=128",
    "draft/read-marker": "",
    "echo-message": "",
    "extended-join": "",
    "extended-monitor": "",
    "invite-notify": "",
    "labeled-response": "",
    "message-tags": "",
    "multi-prefix": "",
    "no-implicit-names": "",
    "sasl": "PLAIN,EXTERNAL",
    "server-time": "",
    "setname": "",
    "soju.im/search": "",
    "standard-replies": "",
    "userhost-in-names": "",
}
"""The capabilities that are offered, with their values for clients of version 302; ``{message}`` is the limit
of that name.
"""

READ_MARKER_CAPABILITY: Final = "draft/read-marker"
"""The capability of clients that show read marks."""


class OpenBatch(msgspec.Struct, frozen=True):
    """A message of several lines that a client has begun to send: a batch whose end has not been received.

    ``batch_reference`` is the client's name for the batch. ``target`` is the channel or the nick that the
    message is for, ``label`` the label of its answer, ``tags`` the tags of the message. So far,
    ``line_count`` lines with the verb ``verb`` and the text ``text`` were received. If ``is_refused`` is
    true, the text is not kept.
    """

    batch_reference: str
    target: str = ""
    label: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    verb: str = ""
    text: str = ""
    line_count: int = 0
    is_refused: bool = False


class IrcClientState(msgspec.Struct, frozen=True):
    """The state of one IRC client, as its lines so far determine it, and the daemon's settings ``policy``.

    - ``nick`` is the client's nick. It is empty until the client is logged in.
    - ``wanted_nick``, ``username``, ``realname`` and ``password`` are for the login.
    - ``verified_nick`` is the nick of the registered user that the client has proved to be by SASL. During
      SASL, ``mechanism`` is the mechanism, and ``sasl_response`` is the received part of the response, in
      base64.
    - ``account`` is the client's nick if it is registered. It is empty until the client is logged in.
    - ``capabilities`` are those that the client has requested and that are enabled. With ``cap_version`` 302
      or more, the client is sent the values of the offered capabilities.
    - ``user_modes`` are the letters of the user modes that are set.
    - ``is_negotiating`` says that the login waits for ``CAP END``.
    - ``batch`` is the message of several lines that the client is sending, or None.
    """

    policy: IrcPolicy = DEFAULT_IRC_POLICY
    nick: str = ""
    wanted_nick: str = ""
    username: str = ""
    realname: str = ""
    password: Secret | None = None
    verified_nick: str = ""
    mechanism: str = ""
    sasl_response: Secret = Secret("")
    account: str = ""
    capabilities: frozenset[str] = frozenset()
    cap_version: int = 301
    user_modes: frozenset[str] = frozenset()
    is_negotiating: bool = False
    batch: OpenBatch | None = None

    @property
    def server(self) -> str:
        """The name of the server, which is the source of the lines that the daemon sends."""
        return self.policy.server

    def numeric_line(self, name: str, *params: str, text: str | None = None, **details: object) -> bytes:
        """Return the numeric that the table `NUMERICS` has under ``name``, with ``params`` and a text at the
        end.

        The text is ``text``, or if that is None, the text in the table with ``details`` filled in. If the
        table has no text either, ``params`` are the only parameters.
        """
        code, template = NUMERICS_BY_NAME[name]
        if text is None and template:
            text = template.format(**details)
        return self.numeric_by_code(code, *params, *(() if text is None else (text,)))

    def numeric_by_code(self, code: str, *params: str) -> bytes:
        """Return the numeric with the three digits ``code`` and ``params``.

        Characters that a line can't contain are replaced. The first parameter of the line is the client's
        nick. If the line would be too long, ``*`` replaces the nick, so that the other parameters are not
        cut.
        """
        *middle, last = params
        words = [*map(as_middle_param, middle), replace_controls(last)]
        line = format_line(code, self.nick or "*", *words, source=self.server)
        if len(line) <= MAX_LINE_BYTES - MAX_CHARACTER_BYTES:
            return line
        return format_line(code, "*", *words, source=self.server)

    def fail_line(self, verb: str, code: str, text: str, *context: str) -> bytes:
        """Return an error line: the standard reply ``FAIL``, or a notice if the client lacks
        ``standard-replies``.

        ``verb`` is the refused verb, ``code`` the code of the error, and ``text`` the sentence for the user.
        ``context`` are the parameters that the error is about, such as a channel.
        """
        if "standard-replies" not in self.capabilities:
            return self.notice(text)
        return self.standard_reply(verb, code, text, *context)

    def standard_reply(self, verb: str, code: str, text: str, *context: str) -> bytes:
        """Return the standard reply ``FAIL verb code context :text``, whatever the client's capabilities are.

        The parameters are those of `fail_line`.
        """
        words = map(as_middle_param, context)
        return format_line(
            "FAIL", as_middle_param(verb), code, *words, text, source=self.server, trailing=True
        )

    def refusal_line(self, request: Request, refusal: Refusal) -> bytes:
        """Return the line for ``refusal`` of ``request``: the numeric that IRC has for it, else a standard
        reply.
        """
        verb = request.command_word
        code = NUMERICS_BY_VERB_AND_REFUSAL_CODE.get((verb, refusal.code)) or NUMERICS_BY_REFUSAL_CODE.get(
            refusal.code
        )
        context = nick_and_channel_of_refusal(request, refusal)
        if code is None:
            return self.fail_line(verb, refusal.code.upper(), refusal.text, *context)
        if not context and code == "263":
            context = [verb]
        return self.numeric_by_code(code, *context, refusal.text)

    def notice(self, text: str, target: str = "") -> bytes:
        """Return a ``NOTICE`` line from the daemon to the client, or to the channel ``target`` if that is
        given.
        """
        shown = replace_controls(text)
        return format_line("NOTICE", target or self.nick or "*", shown, source=DAEMON_NICK, trailing=True)


def as_middle_param(text: str) -> str:
    """Return ``text`` in a form that is valid as a parameter other than the last one.

    The result is not empty, contains no blanks, and does not begin with a colon.
    """
    text = "_".join(text.split()) or "*"
    return f"_{text}" if text[0] == ":" else text


@lru_cache(1024)
def source_of(nick: str) -> str:
    """Return the source of lines from the user ``nick``, such as ``bob!bob@chatd``.

    If the nick is long, the username in the source is cut, so that a ``JOIN`` has room for the longest
    channel.
    """
    user = nick.encode()[:MAX_SOURCE_USERNAME_BYTES].decode(errors="ignore")
    return f"{nick}!{user}@{USER_SOURCE_HOST}"


def shortened_source(nick: str, rest: str, min_text_bytes: int = 0) -> str:
    """Return the longest source of lines from the user ``nick`` with which the rest of a line is not cut.

    ``rest`` is the part of the line behind the source. ``min_text_bytes`` is the number of bytes that a text
    behind ``rest`` needs. The result is `source_of`, or if that is too long, the nick alone, or if even then
    ``rest`` does not fit, the nick of the daemon.
    """
    room = MAX_LINE_BYTES - len(f": {rest}".encode())
    if len(source_of(nick).encode()) <= room - min_text_bytes:
        return source_of(nick)
    return nick if len(nick.encode()) <= room else DAEMON_NICK


def channel_name(group: str) -> str:
    """Return the name of the channel for ``group``: ``#wob`` for ``wob``, and ``#lobby`` for an empty
    ``group``.

    A group called lobby, which was created before that name was reserved, is ``##lobby``.
    """
    if not group:
        return LOBBY_CHANNEL
    return f"##{group}" if group.casefold() == "lobby" else f"#{group}"


def target_of_list_item(kind: str, name: str) -> str:
    """Return the IRC target, a channel or a nick, of a conversation in a list, which has ``kind`` and
    ``name``.
    """
    return name if kind == "direct" else channel_name(name if kind == "group" else "")


def channel_of_conversation(conversation: Conversation) -> str:
    """Return the name of the channel for ``conversation``, which is the lobby or that of a group."""
    return channel_name(conversation.name)


def target_for_reader(reader: User, conversation: Conversation) -> str:
    """Return the IRC target of ``conversation`` for the user ``reader``.

    This is the channel, or for a direct conversation the nick of the other user.
    """
    return (
        conversation.other_user(reader).nick if conversation.pair else channel_of_conversation(conversation)
    )


def read_mark_line(target: str, at: int | None, source: str) -> bytes:
    """Return the line ``MARKREAD``, which says that the conversation ``target`` was read up to the time
    ``at``.

    ``at`` is in milliseconds since 1970, or None if there is no read mark. ``source`` is the name of the
    server.
    """
    time = "*" if at is None else f"timestamp={format_rfc3339(at)}"
    return format_line("MARKREAD", as_middle_param(target), time, source=source)


def group_name(channel: str) -> str:
    """Return the name of the group for ``channel``, which is empty for the lobby.

    Raises `Refusal` ``no_such_group`` if ``channel`` is not the name of a channel.
    """
    if channel.casefold() == LOBBY_CHANNEL:
        return ""
    if not channel.startswith("#") or channel == "#":
        raise Refusal("no_such_group", group=channel or "*")
    name = channel[1:]
    return "lobby" if name.casefold() == "#lobby" else name


def nick_and_channel_of_refusal(request: Request, refusal: Refusal) -> list[str]:
    """Return the nick and the channel that ``refusal`` of ``request`` mentions, in the form that IRC clients
    use.
    """
    if isinstance(request.command, SendToLobby | EnterLobby | LeaveLobby):
        return [LOBBY_CHANNEL]
    nick = getattr(request.command, "dest", "") or ""
    group = getattr(request.command, "group", "") or ""
    channel = channel_name(group) if group else ""
    if isinstance(request.command, Refusal):
        nick, channel = str(refusal.details.get("nick", "")), str(refusal.details.get("group", ""))
    elif not (nick or channel):
        nick, group = str(refusal.details.get("nick", "")), str(refusal.details.get("group", ""))
        channel = channel_name("" if group == "lobby" else group) if group else ""
    if refusal.code == "no_such_user" and nick:
        channel = ""
    elif refusal.code not in REFUSAL_CODES_WITH_NICK and channel:
        nick = ""
    return [one for one in (nick, channel) if one]
