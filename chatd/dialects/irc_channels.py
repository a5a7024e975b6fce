"""IRC's verbs on channels: JOIN, PART, NAMES, TOPIC, KICK, INVITE, LIST and MODE."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from chatd.core.answers import ChannelClosed, Groups, LobbyEntered, LobbyLeft
from chatd.core.channel_commands import BanAccount, EnterLobby, LeaveLobby
from chatd.core.commands import Ban
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_channel_lines import BAN_LIST_CONTEXT, MEMBER_LIST_CONTEXT, channel_joined_lines
from chatd.dialects.irc_client import (
    LOBBY_CHANNEL,
    IrcClientState,
    channel_name,
    group_name,
    nick_and_channel_of_refusal,
    source_of,
)
from chatd.dialects.irc_lines import IrcLine, format_line, without_formatting
from chatd.dialects.irc_list import (
    ListFilter,
    ListRequest,
    filtered_channel_list_lines,
    invitation_list_lines,
)
from chatd.dialects.irc_numerics import NUMERICS_BY_NAME
from chatd.dialects.irc_user_modes import decode_user_mode

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MAX_TARGETS_PER_LINE: Final = 10
"""The maximum number of channels, nicks or modes in one line; the rest is refused. 005 tells clients so."""

MAX_QUIT_OR_PART_MESSAGE_CHARACTERS: Final = 200
"""The number of characters after which what a user says when quitting or leaving a channel is cut."""

# The modes of a private group. Each letter stands for all of them: invite-only, secret and private.
_VISIBILITY_MODES: Final = "isp"

# A registered user is banned by either mask, which is the same ban.
_ACCOUNT_BAN: Final = re.compile("~(?:a|account):(.*)", re.DOTALL)


def decode_join(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``JOIN #wob,#ada``, which joins the groups, or creates them if they don't exist."""
    return request_for_each_target(
        dialect, line, _join_one, [(channel,) for channel in line.params[0].split(",")]
    )


def _join_one(dialect: IrcDialect, line: IrcLine, channel: str) -> Request:
    group = group_name(channel)
    if not group:
        return Request(EnterLobby(), line.verb)
    # "JOIN 0", which leaves all channels, would leave all groups for good: it is an unknown channel.
    return dialect.command_request(line, "enter", group=group, missing="create")


def decode_part(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``PART #wob :bye``, which ends the membership in the group, with a part message."""
    return request_for_each_target(
        dialect, line, _part_one, [(channel,) for channel in line.params[0].split(",")]
    )


def _part_one(dialect: IrcDialect, line: IrcLine, channel: str) -> Request:
    group = group_name(channel)
    if not group:
        return Request(LeaveLobby(), line.verb)
    return replace(
        dialect.command_request(line, "leave", group=group),
        quit_or_part_message=parse_quit_or_part_message(line.params[1:]),
    )


def parse_quit_or_part_message(params: Sequence[str]) -> str:
    """Return the message in ``params``, the parameters of a ``QUIT`` or ``PART``, as it is shown to others.

    The result is empty if there are no parameters. Formatting is removed, and a long text is cut.
    """
    return without_formatting(params[0]).strip()[:MAX_QUIT_OR_PART_MESSAGE_CHARACTERS] if params else ""


def decode_names(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``NAMES #wob,#ada``, which shows the members who are online.

    The answer has one end of the list for all channels.
    """
    channels = (line.params[0] if line.params else "").split(",")
    if len(channels) == 1 and channels[0].startswith("#"):
        return dialect.show_channel_request(line, channels[0])
    known = [(channel,) for channel in channels if channel.startswith("#") and channel != "#"]
    end = dialect.reply_request(_end_of_names_line(dialect.client, channels[:MAX_TARGETS_PER_LINE]))
    if not known:
        return end
    shown = request_for_each_target(dialect, line, _names_one, known)
    return replace(shown, further_requests=(*shown.further_requests, end))


def _names_one(dialect: IrcDialect, line: IrcLine, channel: str) -> Request:
    return dialect.show_channel_request(line, channel, MEMBER_LIST_CONTEXT)


def _end_of_names_line(client: IrcClientState, channels: list[str]) -> bytes:
    """Return the line that ends the lists of ``channels``. The last of these are left out if all together are
    longer than a line.
    """
    for count in range(len(channels), 1, -1):
        line = client.numeric_line("end_of_names", ",".join(channels[:count]))
        if line.endswith(NUMERICS_BY_NAME["end_of_names"][1].encode()):
            return line
    return client.numeric_line("end_of_names", channels[0])


def decode_topic(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``TOPIC #wob``, which shows the topic, or ``TOPIC #wob :text``, which sets it."""
    if len(line.params) == 1:
        return dialect.show_channel_request(line, line.params[0])
    group = group_name(line.params[0])
    if not group:
        raise Refusal("not_operator", group=LOBBY_CHANNEL)
    return dialect.command_request(line, "topic", group=group, topic=without_formatting(line.params[1]))


def decode_kick(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``KICK #wob bob,carol :reason``, which removes members.

    The line may also have one channel for each nick.
    """
    channels, nicks = line.params[0].split(","), list(filter(None, line.params[1].split(",")))
    if len(channels) == 1:
        channels *= len(nicks)
    if not nicks or len(channels) != len(nicks):
        return dialect.reply_request(dialect.client.numeric_line("need_more_params", "KICK"))
    return request_for_each_target(dialect, line, _kick_one, list(zip(channels, nicks, strict=True)))


def _kick_one(dialect: IrcDialect, line: IrcLine, channel: str, nick: str) -> Request:
    group = group_name(channel)
    if not group:
        raise Refusal("not_operator", group=LOBBY_CHANNEL)
    reason = without_formatting(line.params[2]) if len(line.params) > 2 else ""
    return dialect.command_request(line, "kick", group=group, dest=nick, reason=reason)


def decode_invite(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``INVITE bob #wob``, which invites a user, or ``INVITE``, which lists the user's invitations."""
    if not line.params:
        return dialect.command_request(line, "groups")
    if len(line.params) == 1:
        return dialect.reply_request(dialect.client.numeric_line("need_more_params", "INVITE"))
    nick, channel = line.params[:2]
    group = group_name(channel)
    if not group:
        raise Refusal("already_member", nick=nick, group=LOBBY_CHANNEL)
    return dialect.command_request(line, "invite", group=group, dest=nick)


def decode_list(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``LIST``, which lists the channels that the user may see.

    ``LIST #w*,>3`` lists only channels that match the mask or have more than three members.
    """
    listed = dialect.command_request(line, "groups")
    list_filter = ListFilter.parse(line.params[0] if line.params else "")
    return ListRequest(listed.command, listed.command_word, list_filter=list_filter)


def decode_mode(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``MODE``, which shows or changes the modes of a channel or of the client."""
    target, *params = line.params
    if not target.startswith("#"):
        return decode_user_mode(dialect, target, params)
    if not params:
        return dialect.show_channel_request(line, target)
    if len(params) == 1 and params[0].lstrip("+-") == "b":
        return _show_bans(dialect, line, target)
    group = group_name(target)
    if not group:
        raise Refusal("not_operator", group=LOBBY_CHANNEL)
    requests = list(_mode_requests(dialect, line, group, params))
    return chain_requests(requests) if requests else dialect.reply_request()


def _show_bans(dialect: IrcDialect, line: IrcLine, channel: str) -> Request:
    return dialect.show_channel_request(line, channel, BAN_LIST_CONTEXT)


def _mode_requests(dialect: IrcDialect, line: IrcLine, group: str, params: list[str]) -> Iterator[Request]:
    """Yield a request for each mode in ``params``, such as ``+o bob``; at most `MAX_TARGETS`.

    The modes for visibility make one request together, because each of them means the same.
    """
    client, (modes, *arguments) = dialect.client, params
    sign, last_visibility = "+", max(map(modes.rfind, _VISIBILITY_MODES))
    count = 0
    for place, letter in enumerate(modes):
        if letter in "+-":
            sign = letter
            continue
        count += 1
        if count > MAX_TARGETS_PER_LINE:
            yield dialect.reply_request(client.numeric_line("too_many_targets", letter))
            return
        if letter in "ob" and not arguments:
            if letter == "b":
                yield _show_bans(dialect, line, channel_name(group))
            else:
                yield dialect.reply_request(client.numeric_line("need_more_params", "MODE"))
        elif letter == "o":
            name = "promote" if sign == "+" else "demote"
            yield dialect.command_request(line, name, group=group, dest=arguments.pop(0))
        elif letter == "b":
            yield _ban(dialect, line, group, sign, arguments.pop(0))
        elif letter in _VISIBILITY_MODES:
            if place == last_visibility:
                visibility = "private" if sign == "+" else "public"
                setting = dialect.command_request(line, "visibility", group=group, visibility=visibility)
                yield replace(setting, encoder_context=(sign + _letters_with(sign, modes),))
        elif letter in "nt":
            if sign == "-":
                yield dialect.reply_request(
                    client.numeric_line("unknown_mode", letter, text="is always set here")
                )
        else:
            yield dialect.reply_request(client.numeric_line("unknown_mode", letter))


def _letters_with(sign: str, modes: str) -> str:
    """Return the letters for visibility in ``modes`` that have ``sign``, each once."""
    found: dict[str, None] = {}
    current = "+"
    for letter in modes:
        if letter in "+-":
            current = letter
        elif letter in _VISIBILITY_MODES and current == sign:
            found[letter] = None
    return "".join(found)


def _ban(dialect: IrcDialect, line: IrcLine, group: str, sign: str, mask: str) -> Request:
    account = _ACCOUNT_BAN.fullmatch(mask)
    nick, mark, rest = (account[1] if account else mask).partition("!")
    if not nick or set(nick) & set("*?@") or (mark and (account or rest not in ("*@*", "*"))):
        return dialect.reply_request(dialect.client.numeric_line("bad_mask", mask))
    if sign == "-":
        return dialect.command_request(line, "unban", group=group, dest=nick)
    request = dialect.command_request(line, "ban", group=group, dest=nick)
    if account and isinstance(request.command, Ban):
        return replace(request, command=BanAccount(request.command.group, request.command.dest))
    return request


def chain_requests(requests: Iterable[Request]) -> Request:
    """Return the first of ``requests``, with the others as its ``further_requests``.

    There must be at least one.
    """
    first, *others = requests
    return replace(first, further_requests=tuple(others)) if others else first


def request_for_each_target(
    dialect: IrcDialect,
    line: IrcLine,
    make: Callable[..., Request],
    targets: Sequence[tuple[str, ...]],
    max_targets: int = MAX_TARGETS_PER_LINE,
) -> Request:
    """Return the first of several requests, one for each of ``targets``, with the others chained to it.

    ``make(dialect, line, *target)`` makes each request. There must be at least one target. The first target
    after ``max_targets`` is refused, and all later ones are ignored.
    """
    requests: list[Request] = []
    for target in targets[:max_targets]:
        try:
            requests.append(make(dialect, line, *target))
        except Refusal as refusal:
            requests.append(Request(refusal, line.verb))
    if len(targets) > max_targets:
        excess = targets[max_targets][0]
        text = f"Give {max_targets} at most"
        requests.append(
            dialect.reply_request(dialect.client.numeric_line("too_many_targets", excess, text=text))
        )
    return chain_requests(requests)


# Answers and refusals that are about a channel as a whole.


def empty_names_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the answer to ``NAMES`` of an unknown channel: an empty list, because IRC has no error
    for it.
    """
    if request.encoder_context:
        return []  # the line that ends the lists of several channels follows
    return [client.numeric_line("end_of_names", *nick_and_channel_of_refusal(request, refusal))]


def unregistered_account_ban_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses the ban of an account because no user has registered it."""
    nick = str(refusal.details.get("nick", ""))
    text = f"{nick} is not registered: ban {nick}!*@*"
    return [client.numeric_line("bad_mask", f"~a:{nick}", text=text)]


def channel_list_lines(dialect: IrcDialect, request: Request, answer: Groups) -> list[bytes]:
    """Return the lines that list the channels in ``answer``, or only those to which the user is invited."""
    if request.command_word == "INVITE":
        return invitation_list_lines(dialect.client, answer)
    return filtered_channel_list_lines(dialect.client, request, answer)


def entered_lobby_lines(dialect: IrcDialect, request: Request, answer: LobbyEntered) -> list[bytes]:
    """Return the lines that show the client that it has entered the lobby."""
    return channel_joined_lines(dialect.client, answer.channel, answer.user)


def left_lobby_lines(dialect: IrcDialect, request: Request, answer: LobbyLeft) -> list[bytes]:
    """Return the line that shows the client that it has left the lobby."""
    return [format_line("PART", LOBBY_CHANNEL, source=source_of(answer.user.nick))]


def channel_closed_lines(dialect: IrcDialect, request: Request, closed: ChannelClosed) -> list[bytes]:
    """Return the line ``KICK`` that tells the client that a server operator has closed a channel."""
    reason = f"closed: {replace_controls(closed.reason)}" if closed.reason else "closed"
    nick, server = dialect.client.nick, dialect.client.server
    return [format_line("KICK", channel_name(closed.group), nick, reason, source=server, trailing=True)]


ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    LobbyEntered: entered_lobby_lines,
    LobbyLeft: left_lobby_lines,
    ChannelClosed: channel_closed_lines,
    Groups: channel_list_lines,
}
"""The functions that encode each kind of answer that is about a channel as a whole."""

REFUSAL_ENCODERS: Final[dict[tuple[str, str], Callable[[IrcClientState, Request, Refusal], list[bytes]]]] = {
    ("NAMES", "no_such_group"): empty_names_lines,
    ("MODE", "not_registered"): unregistered_account_ban_lines,
}
"""The functions that encode refusals for which a numeric alone is not enough, by verb and code."""
