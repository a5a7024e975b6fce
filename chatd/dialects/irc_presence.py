"""IRC's verbs on presence: AWAY and SETNAME change that of the user, MONITOR watches that of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatd.core.answers import Ack, ProfileChanged, WatchedUsers
from chatd.core.channel_commands import SetProfile, WatchUsers
from chatd.core.commands import COMMANDS_BY_CLASS
from chatd.core.profiles import MAX_AWAY_BYTES, MAX_REALNAME_BYTES, clean_profile_text
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClientState, as_middle_param, source_of
from chatd.dialects.irc_lines import IrcLine, format_line, without_formatting
from chatd.dialects.irc_queries import packed_numeric_lines
from chatd.dialects.irc_user_modes import bot_mode_lines

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

_CHANGES: Final = {"+": "add", "-": "remove", "C": "clear", "L": "list", "S": "status"}
"""The change of the watch list that each subcommand of ``MONITOR`` makes."""


def decode_away(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``AWAY :having lunch``, which marks the user as away, or ``AWAY``, which ends this."""
    text = line.params[0] if line.params else ""
    return _profile_request(dialect, line, away=displayed_profile_text(dialect, text, MAX_AWAY_BYTES))


def decode_setname(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``SETNAME :Bob Example``, which changes the realname."""
    realname = clean_profile_text(without_formatting(line.params[0]), 2 * MAX_REALNAME_BYTES)
    limit = min(MAX_REALNAME_BYTES, dialect.limits.note)
    if not realname:
        return dialect.fail_request("SETNAME", "INVALID_REALNAME", "a realname can't be empty")
    if len(realname.encode()) > limit:
        return dialect.fail_request("SETNAME", "INVALID_REALNAME", f"a realname has at most {limit} bytes")
    return _profile_request(dialect, line, realname=realname)


def decode_monitor(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``MONITOR + bob,carol``, which asks for notices when these users log in or out.

    The other subcommands ``-``, ``C``, ``L`` and ``S`` are those of IRCv3.
    """
    subcommand, *nicks = line.params
    change = _CHANGES.get(subcommand.upper())
    if change is None:
        return dialect.fail_request("MONITOR", "INVALID_PARAMS", "the subcommands are + - C L S", subcommand)
    if change in ("add", "remove") and not nicks:
        return dialect.reply_request(dialect.client.numeric_line("need_more_params", "MONITOR"))
    values = {"change": change, "nicks": nicks[0] if nicks else ""}
    return Request(COMMANDS_BY_CLASS[WatchUsers].command(**values), line.verb)


VERB_DECODERS: Final = {
    "AWAY": (decode_away, 0),
    "SETNAME": (decode_setname, 1),
    "MONITOR": (decode_monitor, 1),
}
"""The verbs of this subject: the function that decodes a line, and the number of parameters that it needs."""


def displayed_profile_text(dialect: IrcDialect, text: str, max_bytes: int) -> str:
    """Return ``text`` as other users are shown it: without formatting, and cleaned and cut by
    `clean_profile_text`.

    ``max_bytes`` is the maximum size of the result in UTF-8.
    """
    return clean_profile_text(without_formatting(text), min(max_bytes, dialect.limits.note))


def _profile_request(dialect: IrcDialect, line: IrcLine, **values: str) -> Request:
    return Request(COMMANDS_BY_CLASS[SetProfile].build(values, dialect.limits), line.verb)


def profile_changed_lines(dialect: IrcDialect, request: Request, answer: ProfileChanged) -> list[bytes]:
    """Return the answer to a change of the profile."""
    client = dialect.client
    if request.command_word == "AWAY":
        return [client.numeric_line("now_away" if answer.profile.away else "unaway")]
    if request.command_word == "MODE":
        return bot_mode_lines(client, answer)
    if "setname" not in client.capabilities:
        return []
    source = source_of(answer.user.nick)
    return [format_line("SETNAME", answer.profile.realname, source=source, trailing=True)]


def monitor_lines(dialect: IrcDialect, request: Request, answer: WatchedUsers) -> list[bytes]:
    """Return the answer to ``MONITOR``, or the notice that a watched user has logged in or out."""
    client = dialect.client
    lines = _targets(client, "watched_online", [source_of(one.nick) for one in answer.online_users])
    lines += _targets(client, "watched_offline", answer.offline_nicks)
    if answer.refused_nicks:
        limit, refused = str(answer.max_nicks), ",".join(map(as_middle_param, answer.refused_nicks))
        lines.append(client.numeric_line("watch_list_full", limit, refused))
    if isinstance(request.command, WatchUsers) and request.command.change == "list":
        lines += _targets(client, "watched", answer.listed_nicks)
        lines.append(client.numeric_line("end_of_watched"))
    return lines


def _targets(client: IrcClientState, numeric: str, targets: list[str] | tuple[str, ...]) -> list[bytes]:
    return list(packed_numeric_lines(client, numeric, targets, separator=","))


def away_reply_lines(client: IrcClientState, request: Request, answer: Ack) -> list[bytes]:
    """Return the line that tells the author of a message that its receiver is away.

    There is none after a ``NOTICE``, which is never answered.
    """
    receiver = answer.receiver
    if receiver is None or request.command_word != "PRIVMSG":
        return []
    if receiver.profile is None:
        return [client.numeric_line("away", receiver.user.nick, text="Not connected: gets this on return")]
    if receiver.profile.away:
        return [client.numeric_line("away", receiver.user.nick, text=receiver.profile.away)]
    return []


ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    ProfileChanged: profile_changed_lines,
    WatchedUsers: monitor_lines,
}
"""The functions that encode the answers of this subject."""
