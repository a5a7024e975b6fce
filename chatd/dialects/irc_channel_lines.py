"""The lines that show a channel to an IRC client: who enters it, its topic, members, modes and bans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatd.core.answers import Channel, ChannelMember
from chatd.core.events import User
from chatd.core.requests import Request
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_client import (
    DAEMON_NICK,
    READ_MARKER_CAPABILITY,
    IrcClientState,
    channel_name,
    read_mark_line,
    shortened_source,
    source_of,
)
from chatd.dialects.irc_lines import MAX_LINE_BYTES, format_line

MAX_NAMES_LIST_BYTES: Final = 192 * 1024
"""The maximum size of the members of one channel that are shown, in bytes."""


def channel_joined_lines(client: IrcClientState, channel: Channel, user: User) -> list[bytes]:
    """Return the lines that show a client that its user ``user`` has joined ``channel``.

    They are the ``JOIN``, the topic and the members.
    """
    own = next((one for one in channel.members if one.user.id == user.id), None)
    realname = user.nick if own is None else own.profile.realname
    is_registered = own is not None and own.is_registered
    lines = [join_line(client.capabilities, channel_name(channel.group), user, is_registered, realname)]
    if channel.topic:
        lines += topic_lines(client, channel)
    lines += channel_read_mark_lines(client, channel)
    if "no-implicit-names" not in client.capabilities:
        lines += names_lines(client, channel)
    return lines


def channel_read_mark_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the line ``MARKREAD`` with the user's read mark in ``channel``.

    There is no line for a client without the capability.
    """
    if READ_MARKER_CAPABILITY not in client.capabilities:
        return []
    return [read_mark_line(channel_name(channel.group), channel.read_mark_time, client.server)]


def join_line(
    capabilities: frozenset[str], channel: str, user: User, is_registered: bool, realname: str
) -> bytes:
    """Return the line ``JOIN``, which says that ``user`` has joined ``channel``."""
    if "extended-join" not in capabilities:
        return format_line("JOIN", channel, source=source_of(user.nick))
    account = user.nick if is_registered else "*"
    source = shortened_source(user.nick, f"JOIN {channel} {account} :")
    if source == DAEMON_NICK:  # the nick and the channel matter more than the account
        source, account = user.nick, "*"
    shown = replace_controls(realname)
    return format_line("JOIN", channel, account, shown, source=source, trailing=True)


def topic_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the lines with the topic of ``channel``, its author and its time, or the line that no topic is
    set.
    """
    name = channel_name(channel.group)
    if not channel.topic:
        return [client.numeric_line("no_topic", name)]
    author = source_of(channel.topic_author) if channel.topic_author else client.server
    return [
        client.numeric_line("topic", name, text=channel.topic),
        client.numeric_line("topic_author", name, author, text=str(channel.topic_at // 1000)),
    ]


def names_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the answer to ``NAMES``: the members of ``channel`` who are online, and the end of the list."""
    return [*member_lines(client, channel), client.numeric_line("end_of_names", channel_name(channel.group))]


def member_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the lines with the members of ``channel`` who are online, without the end of the list."""
    name = channel_name(channel.group)
    head = client.numeric_line("names", "@" if channel.is_private else "=", name, text="x")
    room = MAX_LINE_BYTES - len(head) - 1
    lines: list[bytes] = []
    held: list[str] = []
    size = total = 0
    for member in channel.members:
        shown = _shown_member(client, member)
        length = len(shown.encode()) + 1
        if held and size + length > room:
            lines.append(_names_line(client, channel, name, held))
            total += size
            held, size = [], 0
            if total > MAX_NAMES_LIST_BYTES:
                break
        held.append(shown)
        size += length
    if held:
        lines.append(_names_line(client, channel, name, held))
    return lines


def _names_line(client: IrcClientState, channel: Channel, name: str, names: list[str]) -> bytes:
    return client.numeric_line("names", "@" if channel.is_private else "=", name, text=" ".join(names))


def _shown_member(client: IrcClientState, member: ChannelMember) -> str:
    nick = source_of(member.user.nick) if "userhost-in-names" in client.capabilities else member.user.nick
    return f"@{nick}" if member.is_operator else nick


def mode_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the lines with the modes of ``channel`` and the time of its creation."""
    name = channel_name(channel.group)
    modes = "+inst" if channel.is_private else "+nt"
    lines = [client.numeric_line("channel_modes", name, text=modes)]
    if channel.created_at:
        lines.append(client.numeric_line("creation_time", name, text=str(channel.created_at // 1000)))
    return lines


def ban_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the lines that list the bans of ``channel``."""
    name = channel_name(channel.group)
    if not channel.reader_is_member:
        return [client.numeric_line("not_on_channel", name)]
    bans = [client.numeric_line("ban", name, text=f"{nick}!*@*") for nick in channel.banned_nicks]
    return [*bans, client.numeric_line("end_of_bans", name)]


def topic_and_names_lines(client: IrcClientState, channel: Channel) -> list[bytes]:
    """Return the lines with the topic of ``channel``, if it has one, the read mark, and the online
    members.
    """
    lines = topic_lines(client, channel) if channel.topic else []
    return lines + channel_read_mark_lines(client, channel) + names_lines(client, channel)


BAN_LIST_CONTEXT: Final = "bans"
"""The context of a request for the bans of a channel."""

MEMBER_LIST_CONTEXT: Final = "members"
"""The context of a request for the members of one of several channels."""

_SHOWN: Final[dict[str, Callable[[IrcClientState, Channel], list[bytes]]]] = {
    "TOPIC": topic_lines,
    "NAMES": names_lines,
    "MODE": mode_lines,
    BAN_LIST_CONTEXT: ban_lines,
    MEMBER_LIST_CONTEXT: member_lines,
}
"""The functions that make the lines of a channel, by the context of the request, or if it has none, by its
command word. For all others it is `topic_and_names_lines`.
"""


def channel_lines(client: IrcClientState, request: Request, channel: Channel) -> list[bytes]:
    """Return the lines that show ``channel``, in answer to ``request``."""
    what = request.encoder_context[0] if request.encoder_context else request.command_word
    return _SHOWN.get(what, topic_and_names_lines)(client, channel)
