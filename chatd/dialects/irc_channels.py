"""IRC's verbs on channels, and what is shown of a channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatd.core.answers import Channel, ChannelMember, Groups
from chatd.core.events import User
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_client import (
    LOBBY_CHANNEL,
    SERVER_NAME,
    IrcClient,
    channel_name,
    group_name,
    source_of,
)
from chatd.dialects.irc_lines import MAX_LINE_BYTES, IrcLine, format_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MAX_TARGETS: Final = 10
"""The maximum number of channels or nicks in one line; the rest is ignored. 005 tells clients of it."""


def join(dialect: IrcDialect, line: IrcLine) -> Request:
    """``JOIN #wob,#ada``: join the groups, or create them."""
    return _for_each(line, _join_one, dialect)


def _join_one(dialect: IrcDialect, channel: str, line: IrcLine) -> Request:
    group = group_name(channel)
    if not group:
        return dialect.reply()  # everyone is in the lobby
    return dialect.request(line, "enter", group=group, missing="create")


def part(dialect: IrcDialect, line: IrcLine) -> Request:
    """``PART #wob``: leave the groups for good."""
    return _for_each(line, _part_one, dialect)


def _part_one(dialect: IrcDialect, channel: str, line: IrcLine) -> Request:
    group = group_name(channel)
    if not group:
        return dialect.fail("PART", "EVERYONE_IS_HERE", "everyone is in the lobby: it can't be left", channel)
    return dialect.request(line, "leave", group=group)


def names(dialect: IrcDialect, line: IrcLine) -> Request:
    """``NAMES #wob``: the members who are online."""
    if not line.params or not line.params[0]:
        return dialect.reply(dialect.client.numeric("end_of_names", "*"))
    channel = line.params[0].split(",")[0]
    if not channel.startswith("#"):
        return dialect.reply(dialect.client.numeric("end_of_names", channel))
    return dialect.show_channel(line, channel)


def topic(dialect: IrcDialect, line: IrcLine) -> Request:
    """``TOPIC #wob``: show the topic. ``TOPIC #wob :text``: set it."""
    if len(line.params) == 1:
        return dialect.show_channel(line, line.params[0])
    group = group_name(line.params[0])
    if not group:
        raise Refusal("not_operator", group="lobby")
    return dialect.request(line, "topic", group=group, topic=line.params[1])


def kick(dialect: IrcDialect, line: IrcLine) -> Request:
    """``KICK #wob bob,carol :reason``: put members out."""
    channel, nicks, *reason = line.params
    group = group_name(channel)
    if not group:
        raise Refusal("not_operator", group="lobby")
    note = reason[0] if reason else ""
    return chained(
        dialect.request(line, "kick", group=group, dest=nick, reason=note)
        for nick in nicks.split(",")[:MAX_TARGETS]
    )


def invite(dialect: IrcDialect, line: IrcLine) -> Request:
    """``INVITE bob #wob``: invite a user."""
    nick, channel = line.params[:2]
    group = group_name(channel)
    if not group:
        raise Refusal("already_member", nick=nick, group="lobby")
    return dialect.request(line, "invite", group=group, dest=nick)


def channel_list(dialect: IrcDialect, line: IrcLine) -> Request:
    """``LIST``: the channels that the user may see."""
    return dialect.request(line, "groups")


def mode(dialect: IrcDialect, line: IrcLine) -> Request:
    """``MODE``: show and change the modes of a channel; a client has none of its own."""
    target, *params = line.params
    client = dialect.client
    if not target.startswith("#"):
        return _user_mode(client, dialect, target, params)
    if not params or (params[0].lstrip("+") == "b" and len(params) == 1):
        return dialect.show_channel(line, target)
    group = group_name(target)
    if not group:
        raise Refusal("not_operator", group="lobby")
    return chained(_mode_requests(dialect, line, group, params))


def _user_mode(client: IrcClient, dialect: IrcDialect, target: str, params: list[str]) -> Request:
    if target.casefold() != client.nick.casefold():
        return dialect.reply(client.numeric("users_dont_match"))
    if params:
        return dialect.reply(client.numeric("unknown_user_mode"))
    return dialect.reply(client.numeric("user_modes", "+"))


def _mode_requests(dialect: IrcDialect, line: IrcLine, group: str, params: list[str]) -> Iterator[Request]:
    """Yield a request for each mode in ``params``, such as ``+o bob``; at most `MAX_TARGETS`."""
    client, (modes, *arguments) = dialect.client, params
    sign = "+"
    for letter in modes[: 2 * MAX_TARGETS]:
        if letter in "+-":
            sign = letter
        elif letter in "ob" and not arguments:
            if letter == "b":
                yield dialect.show_channel(line, channel_name(group))
            else:
                yield dialect.reply(client.numeric("need_more_params", "MODE"))
        elif letter == "o":
            name = "promote" if sign == "+" else "demote"
            yield dialect.request(line, name, group=group, dest=arguments.pop(0))
        elif letter == "b":
            yield _ban(dialect, line, group, sign, arguments.pop(0))
        elif letter in "isp":
            visibility = "private" if sign == "+" else "public"
            yield dialect.request(line, "visibility", group=group, visibility=visibility)
        elif letter in "nt" and sign == "+":
            yield dialect.reply()  # it is so in every group
        else:
            yield dialect.reply(client.numeric("unknown_mode", letter))


def _ban(dialect: IrcDialect, line: IrcLine, group: str, sign: str, mask: str) -> Request:
    nick, mark, rest = mask.partition("!")
    if not nick or set(nick) & set("*?@") or (mark and rest not in ("*@*", "*")):
        return dialect.reply(dialect.client.numeric("bad_mask", mask))
    return dialect.request(line, "ban" if sign == "+" else "unban", group=group, dest=nick)


def chained(requests: Iterable[Request]) -> Request:
    """Return the first of ``requests`` with the others as its further requests. There is at least one."""
    first, *others = requests
    return replace(first, further_requests=tuple(others)) if others else first


def _for_each(
    line: IrcLine, make: Callable[[IrcDialect, str, IrcLine], Request], dialect: IrcDialect
) -> Request:
    requests: list[Request] = []
    for channel in line.params[0].split(",")[:MAX_TARGETS]:
        try:
            requests.append(make(dialect, channel, line))
        except Refusal as refusal:
            requests.append(Request(refusal, line.verb))
    return chained(requests)


# What is shown of a channel.


def entering_lines(client: IrcClient, channel: Channel, user: User) -> list[bytes]:
    """Return the lines that show ``user`` entering ``channel``, its topic and its members."""
    own = next((one for one in channel.members if one.user.id == user.id), None)
    realname = user.nick if own is None else own.profile.realname
    is_registered = own is not None and own.is_registered
    lines = [join_line(client.capabilities, channel_name(channel.group), user, is_registered, realname)]
    if channel.topic:
        lines += topic_lines(client, channel)
    if "no-implicit-names" not in client.capabilities:
        lines += names_lines(client, channel)
    return lines


def join_line(
    capabilities: frozenset[str], channel: str, user: User, is_registered: bool, realname: str
) -> bytes:
    """Return the line that tells that ``user`` has joined ``channel``."""
    source = source_of(user.nick)
    if "extended-join" not in capabilities:
        return format_line("JOIN", channel, source=source)
    account = user.nick if is_registered else "*"
    return format_line("JOIN", channel, account, realname, source=source, trailing=True)


def topic_lines(client: IrcClient, channel: Channel) -> list[bytes]:
    """Return the topic of ``channel`` with its author and time, or that there is none."""
    name = channel_name(channel.group)
    if not channel.topic:
        return [client.numeric("no_topic", name)]
    author = source_of(channel.topic_author) if channel.topic_author else SERVER_NAME
    return [
        client.numeric("topic", name, text=channel.topic),
        client.numeric("topic_author", name, author, text=str(channel.topic_at // 1000)),
    ]


def names_lines(client: IrcClient, channel: Channel) -> list[bytes]:
    """Return the names of the members of ``channel`` who are online."""
    name = channel_name(channel.group)
    head = client.numeric("names", "@" if channel.is_private else "=", name, text="x")
    room = MAX_LINE_BYTES - len(head) - 1
    lines: list[bytes] = []
    held: list[str] = []
    size = 0
    for member in channel.members:
        shown = _shown_member(client, member)
        length = len(shown.encode()) + 1
        if held and size + length > room:
            lines.append(_names_line(client, channel, name, held))
            held, size = [], 0
        held.append(shown)
        size += length
    if held:
        lines.append(_names_line(client, channel, name, held))
    lines.append(client.numeric("end_of_names", name))
    return lines


def _names_line(client: IrcClient, channel: Channel, name: str, names: list[str]) -> bytes:
    return client.numeric("names", "@" if channel.is_private else "=", name, text=" ".join(names))


def _shown_member(client: IrcClient, member: ChannelMember) -> str:
    nick = source_of(member.user.nick) if "userhost-in-names" in client.capabilities else member.user.nick
    return f"@{nick}" if member.is_operator else nick


def mode_lines(client: IrcClient, channel: Channel) -> list[bytes]:
    """Return the modes of ``channel`` and the time of its creation."""
    name = channel_name(channel.group)
    modes = "+inst" if channel.is_private else "+nt"
    lines = [client.numeric("channel_modes", name, text=modes)]
    if channel.created_at:
        lines.append(client.numeric("creation_time", name, text=str(channel.created_at // 1000)))
    return lines


def ban_lines(client: IrcClient, channel: Channel) -> list[bytes]:
    """Return the bans of ``channel``."""
    name = channel_name(channel.group)
    bans = [client.numeric("ban", name, text=f"{nick}!*@*") for nick in channel.banned]
    return [*bans, client.numeric("end_of_bans", name)]


def list_lines(client: IrcClient, answer: Groups) -> list[bytes]:
    """Return the list of channels."""
    lines = [client.numeric("list_start", "Channel")]
    lines.append(client.numeric("list", LOBBY_CHANNEL, str(answer.online_users), text="everyone is here"))
    lines += (
        client.numeric("list", channel_name(one.group), str(one.member_count), text=one.topic)
        for one in answer.groups
    )
    return [*lines, client.numeric("list_end")]
