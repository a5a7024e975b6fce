"""IRC's queries about users: WHO with WHOX, WHOIS, WHOWAS, ISON and USERHOST.

Only members see who is in a group, and nobody sees an address. A user has the username and the realname that
the client has given, or the nick on other wires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chatd.core.answers import Channel, Profile, UserDescription, UserDescriptions
from chatd.core.channel_commands import FindUsers, ShowChannel, ShowUsers
from chatd.core.channels import MAX_SHOWN_USERS
from chatd.core.commands import Command
from chatd.core.events import User
from chatd.core.masks import WILDCARDS
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_client import (
    USER_SOURCE_HOST,
    IrcClientState,
    as_middle_param,
    channel_name,
    group_name,
)
from chatd.dialects.irc_lines import MAX_LINE_BYTES, IrcLine
from chatd.dialects.irc_user_modes import BOT_MODE

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MAX_USERHOST_NICKS: Final = 5
"""The maximum number of nicks in one ``USERHOST``; the rest is ignored."""

WHOX_FIELDS: Final = "tcuihsnfdlaor"
"""The letters of WHOX's fields, in the order in which an answer has them."""

PLACEHOLDER_IP_ADDRESS: Final = "255.255.255.255"
"""The address that WHOX has for a user whose address is not shown."""


class QueryRequest(Request, frozen=True, eq=False):
    """The request of a line that asks about users.

    ``params`` are its parameters, some of which the answer repeats.
    """

    params: tuple[str, ...] = ()


def decode_who(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``WHO #wob``, ``WHO bob`` or ``WHO b*``, which shows users who are online.

    In a second parameter, ``%`` asks for the fields of WHOX, and ``o`` for server operators only.
    """
    mask = line.params[0] if line.params and line.params[0] else "*"
    params = (mask, *line.params[1:2])
    command: Command
    if mask.startswith("#"):
        try:
            command = ShowChannel(group_name(mask))
        except Refusal:
            return dialect.reply_request(dialect.client.numeric_line("end_of_who", mask))
    elif mask == "0" or not WILDCARDS.isdisjoint(mask):
        command = FindUsers("*" if mask == "0" else mask.partition("!")[0])
    else:
        command = ShowUsers(mask, "presence")
    return QueryRequest(command, line.verb, params=params)


def decode_whois(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``WHOIS bob``, which describes a user who is online. ``WHOIS chatd bob`` asks the same."""
    nick = line.params[-1 if len(line.params) < 2 else 1].split(",")[0] if line.params else ""
    if not nick:
        return dialect.reply_request(dialect.client.numeric_line("no_nick"))
    return QueryRequest(ShowUsers(nick), line.verb, params=(nick,))


def decode_whowas(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``WHOWAS bob``, which describes a user who may be offline.

    ``WHOWAS bob 2`` asks for the user's two latest sessions.
    """
    nick = line.params[0].split(",")[0] if line.params else ""
    if not nick:
        return dialect.reply_request(dialect.client.numeric_line("no_nick"))
    return QueryRequest(ShowUsers(nick), line.verb, params=(nick, *line.params[1:2]))


def decode_ison(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``ISON bob carol``, which shows which of these users are online."""
    nicks = " ".join(line.params).split()[:MAX_SHOWN_USERS]
    return Request(ShowUsers(" ".join(nicks), "presence"), line.verb)


def decode_userhost(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``USERHOST bob carol``, which shows the usernames of users who are online, and who of them is
    away.
    """
    nicks = " ".join(line.params).split()[:MAX_USERHOST_NICKS]
    return Request(ShowUsers(" ".join(nicks), "presence"), line.verb)


VERB_DECODERS: Final = {
    "WHO": (decode_who, 0),
    "WHOIS": (decode_whois, 0),
    "WHOWAS": (decode_whowas, 0),
    "ISON": (decode_ison, 1),
    "USERHOST": (decode_userhost, 1),
}
"""The verbs of this subject: the function that decodes a line, and the number of parameters that it needs."""


# What is shown of users.


class _Shown(NamedTuple):
    """What an answer to ``WHO`` shows of one user: ``channel`` is ``*`` without one."""

    user: User
    profile: Profile
    is_registered: bool
    channel: str
    is_operator: bool
    is_server_operator: bool

    @property
    def flags(self) -> str:
        return (
            ("G" if self.profile.away else "H")
            + ("*" if self.is_server_operator else "")
            + ("@" if self.is_operator else "")
            + (BOT_MODE if self.profile.is_bot else "")
        )


def who_lines_of_channel(dialect: IrcDialect, request: Request, channel: Channel) -> list[bytes]:
    """Return the answer to ``WHO`` of a channel: its members who are online."""
    name = channel_name(channel.group)
    return _who_lines(
        dialect,
        request,
        (
            _Shown(one.user, one.profile, one.is_registered, name, one.is_operator, one.is_server_operator)
            for one in channel.members
        ),
    )


def user_query_answer_lines(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    """Return the lines that answer ``request``: ``WHO``, ``WHOIS``, ``WHOWAS``, ``ISON`` or ``USERHOST``."""
    return _ANSWERS_BY_VERB[request.command_word](dialect, request, answer)


def empty_who_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the answer to ``WHO`` of a channel that does not exist or that the user may not see: an empty
    list.
    """
    return [client.numeric_line("end_of_who", _params(request)[0])]


def _who(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    return _who_lines(
        dialect,
        request,
        (
            _Shown(one.user, one.profile, one.is_registered, "*", False, one.is_server_operator)
            for one in answer.users
            if one.profile is not None
        ),
    )


def _who_lines(dialect: IrcDialect, request: Request, users: Iterable[_Shown]) -> list[bytes]:
    """Return a line for each of ``users`` and the end of the list, which is cut at the size of a list."""
    client = dialect.client
    mask, options = (*_params(request), "", "")[:2]
    filters, percent, wanted = options.partition("%")
    letters, _, token = wanted.partition(",")
    only_operators = "o" in filters
    fields = [letter for letter in WHOX_FIELDS if letter in letters]
    lines: list[bytes] = []
    room = dialect.max_list_bytes
    for shown in users:
        if only_operators and not shown.is_server_operator:
            continue
        if percent and fields:
            line = _whox_line(client, shown, fields, as_middle_param(token[:3]) if token else "0")
        else:
            line = _who_line(client, shown)
        room -= len(line)
        if room < 0:
            lines.append(client.numeric_line("too_many_matches", "WHO", as_middle_param(mask)))
            break
        lines.append(line)
    lines.append(client.numeric_line("end_of_who", mask))
    return lines


# format_line takes several times as long, and there may be thousands of these lines.


def _who_line(client: IrcClientState, shown: _Shown) -> bytes:
    user, profile = shown.user, shown.profile
    return _cut(
        f":{client.server} 352 {client.nick} {shown.channel} "
        f"{as_middle_param(profile.username)} {USER_SOURCE_HOST} *"
        f" {user.nick} {shown.flags} :0 {profile.realname}"
    )


def _whox_line(client: IrcClientState, shown: _Shown, fields: list[str], token: str) -> bytes:
    values = [token if field == "t" else _WHOX_VALUES[field](shown) for field in fields]
    if fields[-1] == "r":
        values[-1] = f":{values[-1]}"
    return _cut(f":{client.server} 354 {client.nick} {' '.join(values)}")


def _cut(line: str) -> bytes:
    """Return ``line``, cut between two characters if it is longer than a line may be."""
    encoded = line.encode()
    if len(encoded) <= MAX_LINE_BYTES:
        return encoded
    return encoded[:MAX_LINE_BYTES].decode(errors="ignore").encode()


_WHOX_VALUES: Final[dict[str, Callable[[_Shown], str]]] = {
    "c": lambda shown: shown.channel,
    "u": lambda shown: as_middle_param(shown.profile.username),
    "i": lambda shown: PLACEHOLDER_IP_ADDRESS,
    "h": lambda shown: USER_SOURCE_HOST,
    "s": lambda shown: "*",
    "n": lambda shown: shown.user.nick,
    "f": lambda shown: shown.flags,
    "d": lambda shown: "0",  # hops
    "l": lambda shown: "0",  # idle seconds, which nobody is told
    "a": lambda shown: shown.user.nick if shown.is_registered else "0",
    "o": lambda shown: "n/a",  # the level of an operator
    "r": lambda shown: shown.profile.realname,
}
"""The value of each field of WHOX but the token."""


def _whois(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    client, asked = dialect.client, _params(request)[0]
    end = client.numeric_line("end_of_whois", asked)
    if not answer.users:
        return [client.numeric_line("no_such_nick", asked), end]
    one = answer.users[0]  # of nicks with blanks between them, which are none, the first
    nick, profile = one.user.nick, one.profile
    if profile is None:
        return [client.numeric_line("not_connected", nick), end]
    lines = [_user_line(client, "whois_user", nick, profile)]
    lines.append(client.numeric_line("whois_server", nick, client.server))
    lines += _channel_lines(client, one)
    if one.is_registered:
        lines.append(client.numeric_line("whois_account", nick, nick))
    if one.is_server_operator:
        lines.append(client.numeric_line("whois_operator", nick))
    if profile.is_bot:
        lines.append(client.numeric_line("whois_bot", nick))
    if profile.away:
        lines.append(client.numeric_line("away", nick, text=profile.away))
    return [*lines, end]


def _channel_lines(client: IrcClientState, one: UserDescription) -> Iterator[bytes]:
    """Yield the lines that name the channels of a user."""
    names = [
        f"{'@' if is_operator else ''}{channel_name(name)}"
        for name, is_operator in one.group_names_with_operator_flag
    ]
    yield from packed_numeric_lines(client, "whois_channels", names, one.user.nick)


def _whowas(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    client, (asked, *counts) = dialect.client, _params(request)
    count = int(counts[0]) if counts and counts[0].isdecimal() and len(counts[0]) < 5 else 0
    lines: list[bytes] = []
    for one in answer.users:
        nick = one.user.nick
        profiles = one.earlier_profiles
        if not profiles and one.profile is None:
            profiles = (Profile(nick, nick),)
        lines += (_user_line(client, "whowas_user", nick, profile) for profile in profiles[: count or None])
    return [
        *(lines or [client.numeric_line("was_no_such_nick", asked)]),
        client.numeric_line("end_of_whowas", asked),
    ]


def _user_line(client: IrcClientState, numeric: str, nick: str, profile: Profile) -> bytes:
    return client.numeric_line(numeric, nick, profile.username, USER_SOURCE_HOST, "*", text=profile.realname)


def _ison(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    nicks = [one.user.nick for one in answer.users if one.profile is not None]
    return list(packed_numeric_lines(dialect.client, "ison", nicks or [""]))


def _userhost(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    shown = [
        f"{one.user.nick}={'-' if one.profile.away else '+'}"
        f"{as_middle_param(one.profile.username)}@{USER_SOURCE_HOST}"
        for one in answer.users
        if one.profile is not None
    ]
    return list(packed_numeric_lines(dialect.client, "userhost", shown)) or [
        dialect.client.numeric_line("userhost", text="")
    ]


_ANSWERS_BY_VERB: Final[dict[str, Callable[[IrcDialect, Request, UserDescriptions], list[bytes]]]] = {
    "WHO": _who,
    "WHOIS": _whois,
    "WHOWAS": _whowas,
    "ISON": _ison,
    "USERHOST": _userhost,
}
"""The functions that encode the users in answer to each verb."""


def packed_numeric_lines(
    client: IrcClientState, numeric: str, items: Iterable[str], *params: str, separator: str = " "
) -> Iterator[bytes]:
    """Yield lines of the numeric ``numeric`` that list ``items``, behind the parameters ``params``.

    Each line has as many items as fit, separated by ``separator``. There are no lines if there are no items.
    """
    room = MAX_LINE_BYTES - len(client.numeric_line(numeric, *params, text="x ")) + len("x ")
    held: list[str] = []
    size = 0
    for item in items:
        length = len(item.encode()) + 1
        if held and size + length > room:
            yield client.numeric_line(numeric, *params, text=separator.join(held))
            held, size = [], 0
        held.append(item)
        size += length
    if held:
        yield client.numeric_line(numeric, *params, text=separator.join(held))


def _params(request: Request) -> tuple[str, ...]:
    assert isinstance(request, QueryRequest)
    return request.params


ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    UserDescriptions: user_query_answer_lines
}
"""The functions that encode the answers of this subject."""
