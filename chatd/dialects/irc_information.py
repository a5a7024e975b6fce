"""IRC's queries about the daemon: LUSERS, VERSION, TIME, INFO, ADMIN, LINKS and HELP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatd import __version__
from chatd.core.answers import Statistics
from chatd.core.channel_commands import ShowStatistics
from chatd.core.masks import compile_mask
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClientState
from chatd.dialects.irc_lines import IrcLine
from chatd.dialects.irc_queries import packed_numeric_lines
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

INFO_LINES: Final = (
    f"chatd {__version__}, a chat daemon in Python on Twisted.",
    "Users of other clients and protocols are in the same channels.",
    "Messages are on disk before anybody is told of them.",
)
"""The lines of the answer to ``INFO``."""

HELP_TEXT_BY_VERB: Final = {
    "AWAY": "AWAY [:text]: say why you are away, or that you are back",
    "BATCH": "BATCH +id draft/multiline #channel|nick, BATCH -id: send a message of several lines",
    "CAP": "CAP LS|LIST|REQ|END: what your client can do",
    "CHATHISTORY": "CHATHISTORY LATEST|BEFORE|AFTER|AROUND|BETWEEN #channel|nick …, or TARGETS: read history",
    "HELP": "HELP [verb]: this help",
    "HELPOP": "HELPOP [verb]: this help",
    "INFO": "INFO: what this server is",
    "INVITE": "INVITE nick #channel: invite a user",
    "AUTHENTICATE": "AUTHENTICATE PLAIN: log in with your password, after CAP REQ :sasl",
    "REGISTER": "REGISTER * * password: give your nick a password",
    "VERIFY": "VERIFY: nothing, as a registration needs no more",
    "ADMIN": "ADMIN: nothing, as this server does not tell who runs it",
    "ISON": "ISON nick nick: who of these users is online",
    "JOIN": "JOIN #channel: become a member of a channel, or create it",
    "KILL": "KILL nick [:reason]: end the sessions of a user; for operators of the server",
    "KICK": "KICK #channel nick [:reason]: put a member out",
    "LINKS": "LINKS: nothing, as there is one server",
    "LIST": "LIST: the channels that you may see",
    "LUSERS": "LUSERS: how many users and channels there are",
    "MARKREAD": "MARKREAD #channel|nick [timestamp=time]: show or move the time up to which you have read",
    "MODE": "MODE #channel [+o|-o nick] [+b|-b nick!*@*] [+i|-i]: operators, bans, private channels;"
    " MODE nick [+B|-B]: you are a bot",
    "MONITOR": "MONITOR +|- nick,nick, MONITOR C|L|S: be told when users come and go",
    "MOTD": "MOTD: the message of the day",
    "NAMES": "NAMES #channel: the members who are online",
    "NICK": "NICK nick: your name, before you are logged in",
    "NOTICE": "NOTICE #channel|nick :text: send a message that no program answers",
    "OPER": "OPER nick password: act as this operator of the server, until MODE yournick -o",
    "PART": "PART #channel: leave a channel for good; QUIT keeps you in it",
    "PASS": "PASS password: the password of your nick, before NICK and USER",
    "PING": "PING text: have the text sent back",
    "PONG": "PONG text: the answer to a PING",
    "PRIVMSG": "PRIVMSG #channel|nick :text: send a message; who is away gets it later",
    "QUIT": "QUIT [:reason]: close the connection",
    "REDACT": "REDACT #channel|nick msgid [:reason]: delete the text of a message",
    "SEARCH": "SEARCH text=words;in=#channel|nick;from=nick;before=time;after=time;limit=n: search messages",
    "SETNAME": "SETNAME :name: change your realname",
    "TAGMSG": "TAGMSG #channel|nick: pass on +typing, +draft/react and +draft/reply; nothing is stored",
    "TIME": "TIME: the time of this server",
    "TOPIC": "TOPIC #channel [:text]: show or set the topic",
    "USER": "USER name 0 * :realname: who you are, before you are logged in",
    "USERHOST": "USERHOST nick nick: whether users are away",
    "VERSION": "VERSION: the version of this server",
    "WALLOPS": "WALLOPS :text: announce something to everyone; for operators of the server",
    "WHO": "WHO #channel|nick|mask: who is online",
    "WHOIS": "WHOIS nick: what is known of a user",
    "WHOWAS": "WHOWAS nick [count]: what is known of a user who has left",
}
"""The help on each verb."""


def decode_statistics(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``LUSERS``, which counts users and channels, or ``TIME``, which shows the time."""
    return _elsewhere(dialect, line) or Request(ShowStatistics(), line.verb)


def decode_version(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``VERSION``, which shows the version of the daemon."""
    client = dialect.client
    return _elsewhere(dialect, line) or dialect.reply_request(
        client.numeric_line("version", f"chatd-{__version__}", client.server)
    )


def decode_info(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``INFO``, which shows a description of the daemon."""
    client = dialect.client
    lines = [client.numeric_line("info", text=text) for text in INFO_LINES]
    return _elsewhere(dialect, line) or dialect.reply_request(*lines, client.numeric_line("end_of_info"))


def decode_admin(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``ADMIN``. The answer says that no administrator is known."""
    return _elsewhere(dialect, line) or dialect.reply_request(
        dialect.client.numeric_line("no_admin_info", dialect.client.server)
    )


def decode_links(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``LINKS``. The list in the answer is empty, because this server is linked to no other one."""
    return dialect.reply_request(dialect.client.numeric_line("end_of_links", "*"))


def decode_help(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``HELP``, which lists the verbs, or ``HELP JOIN``, which explains a verb.

    ``HELPOP`` is the same verb.
    """
    client = dialect.client
    subject = line.params[0].upper() if line.params and line.params[0] else "*"
    if subject not in HELP_TEXT_BY_VERB and subject != "*":
        return dialect.reply_request(client.numeric_line("help_not_found", subject))
    items = (
        [HELP_TEXT_BY_VERB[subject]]
        if subject in HELP_TEXT_BY_VERB
        else ["Verbs:", *sorted(HELP_TEXT_BY_VERB)]
    )
    return dialect.reply_request(
        client.numeric_line("help_start", subject, text="Help of chatd"),
        *packed_numeric_lines(client, "help", items, subject),
        client.numeric_line("end_of_help", subject),
    )


def _elsewhere(dialect: IrcDialect, line: IrcLine) -> Request | None:
    """Return the refusal of a query to another server, or None if the query is to this one."""
    target = line.params[0] if line.params else ""
    client = dialect.client
    if not target or target == client.nick or compile_mask(target).fullmatch(client.server):
        return None
    return dialect.reply_request(client.numeric_line("no_such_server", target))


VERB_DECODERS: Final[dict[str, tuple[Callable[[IrcDialect, IrcLine], Request], int]]] = {
    "LUSERS": (decode_statistics, 0),
    "TIME": (decode_statistics, 0),
    "VERSION": (decode_version, 0),
    "INFO": (decode_info, 0),
    "ADMIN": (decode_admin, 0),
    "LINKS": (decode_links, 0),
    "HELP": (decode_help, 0),
    "HELPOP": (decode_help, 0),
}
"""The verbs of this subject: the function that decodes a line, and the number of parameters that it needs."""


def statistics_lines(dialect: IrcDialect, request: Request, answer: Statistics) -> list[bytes]:
    """Return the answer to ``LUSERS`` or ``TIME``."""
    if request.command_word == "TIME":
        return [dialect.client.numeric_line("time", dialect.client.server, text=format_rfc3339(answer.at))]
    return user_count_lines(dialect.client, answer)


def user_count_lines(client: IrcClientState, answer: Statistics) -> list[bytes]:
    """Return the lines with the numbers of users and channels. The lobby counts as a channel."""
    count, most = answer.online_user_count, answer.max_online_user_count
    counts = (str(count), str(most))
    return [
        client.numeric_line("users", count=count),
        client.numeric_line("channels", str(answer.group_count + 1)),
        client.numeric_line("clients", count=count),
        client.numeric_line("local_users", *counts, count=count, most=most),
        client.numeric_line("global_users", *counts, count=count, most=most),
    ]


ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    Statistics: statistics_lines
}
"""The functions that encode the answers of this subject."""
