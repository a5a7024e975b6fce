"""What the IRC dialect knows of one client, and how it names users, groups and the daemon."""

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
    NUMERICS,
    NUMERICS_BY_REFUSAL,
    NUMERICS_BY_VERB_AND_REFUSAL,
    REFUSALS_WITH_NICK,
)
from chatd.dialects.timestamps import format_rfc3339

DAEMON_NICK: Final = "chatd"
"""The nick to which commands are typed. Nobody can have it."""

USER_HOST: Final = "chatd"
"""The host of all users: nobody is shown an address."""

MAX_USER_BYTES: Final = 32
"""The maximum number of bytes between ``!`` and ``@`` in the source of a line."""

MIN_TEXT_BYTES: Final = 64
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

READ_MARKER: Final = "draft/read-marker"
"""The capability of clients that show read marks."""


class OpenBatch(msgspec.Struct, frozen=True):
    """A message of several lines that a client has begun to send: a batch that it has not ended yet.

    ``reference`` is the client's name for the batch. ``target`` is the channel or the nick that the message
    is for, ``label`` the label of its answer, ``tags`` the tags of the message. So far, ``line_count`` lines
    with the verb ``verb`` and the text ``text`` have come. The text of a batch that ``is_refused`` is not
    kept.
    """

    reference: str
    target: str = ""
    label: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    verb: str = ""
    text: str = ""
    line_count: int = 0
    is_refused: bool = False


class IrcClient(msgspec.Struct, frozen=True):
    """What one client has said so far, and the ``policy`` of the daemon.

    - ``nick`` is its nick. It is empty until the client is logged in.
    - ``wanted_nick``, ``username``, ``realname`` and ``password`` are for its login.
    - ``verified_nick`` is the nick of the registered user that it has proved to be by SASL. During SASL,
      ``mechanism`` is the mechanism, and ``sasl_response`` the part of the response that has come, in base64.
    - ``account`` is its nick, if that is registered. It is empty until the client is logged in.
    - ``capabilities`` are those that it has asked for and got. With ``cap_version`` 302 or more, it is told
      the values of the offered ones.
    - ``user_modes`` are the letters of the modes that it has set.
    - ``is_negotiating`` says that a ``CAP END`` is missing, which the login waits for.
    - ``batch`` is the message of several lines that it is sending, None if it is sending none.
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
        """The name of the server, which is the source of what the daemon says."""
        return self.policy.server

    def numeric(self, name: str, *params: str, text: str | None = None, **details: object) -> bytes:
        """Return the numeric ``name`` of `NUMERICS` with ``params``, then ``text`` or else the table's text,
        filled with ``details``. If ``text`` is None and the table has none, ``params`` are all.
        """
        code, template = NUMERICS[name]
        if text is None and template:
            text = template.format(**details)
        return self.numeric_line(code, *params, *(() if text is None else (text,)))

    def numeric_line(self, code: str, *params: str) -> bytes:
        """Return the numeric ``code`` with ``params``, which are made fit for a line.

        A line that is as long as a line can be has ``*`` in place of the nick: other names may need the room.
        """
        *middle, last = params
        words = [*map(word, middle), replace_controls(last)]
        line = format_line(code, self.nick or "*", *words, source=self.server)
        if len(line) <= MAX_LINE_BYTES - MAX_CHARACTER_BYTES:
            return line
        return format_line(code, "*", *words, source=self.server)

    def fail_line(self, verb: str, code: str, text: str, *context: str) -> bytes:
        """Return a standard reply, or a notice to a client that does not know these."""
        if "standard-replies" not in self.capabilities:
            return self.notice(text)
        return self.standard_reply(verb, code, text, *context)

    def standard_reply(self, verb: str, code: str, text: str, *context: str) -> bytes:
        """Return the standard reply ``FAIL`` with what it is about."""
        words = map(word, context)
        return format_line("FAIL", word(verb), code, *words, text, source=self.server, trailing=True)

    def refusal_line(self, request: Request, refusal: Refusal) -> bytes:
        """Return ``refusal`` of ``request`` as the numeric that IRC has for it, else as a standard reply."""
        verb = request.command_word
        code = NUMERICS_BY_VERB_AND_REFUSAL.get((verb, refusal.code)) or NUMERICS_BY_REFUSAL.get(refusal.code)
        context = refusal_context(request, refusal)
        if code is None:
            return self.fail_line(verb, refusal.code.upper(), refusal.text, *context)
        if not context and code == "263":
            context = [verb]
        return self.numeric_line(code, *context, refusal.text)

    def notice(self, text: str, target: str = "") -> bytes:
        """Return a notice of the daemon to the client, or to the channel ``target``."""
        shown = replace_controls(text)
        return format_line("NOTICE", target or self.nick or "*", shown, source=DAEMON_NICK, trailing=True)


def word(text: str) -> str:
    """Return ``text`` as a parameter that is not the last: without blanks, not empty, no colon in front."""
    text = "_".join(text.split()) or "*"
    return f"_{text}" if text[0] == ":" else text


@lru_cache(1024)
def source_of(nick: str) -> str:
    """Return the source of lines from the user ``nick``: ``nick!nick@chatd``.

    Of a long nick, the second one is cut: a ``JOIN`` must have room for the longest channel.
    """
    user = nick.encode()[:MAX_USER_BYTES].decode(errors="ignore")
    return f"{nick}!{user}@{USER_HOST}"


def fitting_source(nick: str, rest: str, min_text_bytes: int = 0) -> str:
    """Return the source of a line of the user ``nick`` that goes on with ``rest`` and then may have a text.

    It is `source_of`. Where that leaves less than ``min_text_bytes`` for the text, it is the nick alone, and
    where ``rest`` leaves no room for that either, the daemon's nick: the names in ``rest`` are never cut.
    """
    room = MAX_LINE_BYTES - len(f": {rest}".encode())
    if len(source_of(nick).encode()) <= room - min_text_bytes:
        return source_of(nick)
    return nick if len(nick.encode()) <= room else DAEMON_NICK


def channel_name(group: str) -> str:
    """Return the channel of ``group``: ``#wob`` for ``wob``, the lobby's if ``group`` is empty.

    A group called lobby, which is older than the reservation of that name, is ``##lobby``.
    """
    if not group:
        return LOBBY_CHANNEL
    return f"##{group}" if group.casefold() == "lobby" else f"#{group}"


def listed_name(kind: str, name: str) -> str:
    """Return the channel or the nick of a conversation in a list, whose ``kind`` and ``name`` are there."""
    return name if kind == "direct" else channel_name(name if kind == "group" else "")


def channel_of(conversation: Conversation) -> str:
    """Return the channel of ``conversation``, which is the lobby or a group's."""
    return channel_name(conversation.name)


def name_for(reader: User, conversation: Conversation) -> str:
    """Return the channel of ``conversation``, or the nick of the user with whom ``reader`` has it."""
    return conversation.other_user(reader).nick if conversation.pair else channel_of(conversation)


def read_mark_line(target: str, at: int | None, source: str) -> bytes:
    """Return the line of the daemon, called ``source``, that says that ``target`` was read up to the time
    ``at``; None for no mark.
    """
    time = "*" if at is None else f"timestamp={format_rfc3339(at)}"
    return format_line("MARKREAD", word(target), time, source=source)


def group_name(channel: str) -> str:
    """Return the group of ``channel``, empty for the lobby. Raises `Refusal` ``no_such_group`` for what is no
    channel.
    """
    if channel.casefold() == LOBBY_CHANNEL:
        return ""
    if not channel.startswith("#") or channel == "#":
        raise Refusal("no_such_group", group=channel or "*")
    name = channel[1:]
    return "lobby" if name.casefold() == "#lobby" else name


def refusal_context(request: Request, refusal: Refusal) -> list[str]:
    """Return the nick and the channel that ``refusal`` of ``request`` is about, as a client writes them."""
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
    elif refusal.code not in REFUSALS_WITH_NICK and channel:
        nick = ""
    return [one for one in (nick, channel) if one]
