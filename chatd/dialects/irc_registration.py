"""The registration of IRC clients: capabilities, nick, password, and the welcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatd import __version__
from chatd.core.accounts import Secret
from chatd.core.answers import PreparedAnswer, Welcome
from chatd.core.channels import MAX_WATCHED_USERS
from chatd.core.commands import COMMANDS
from chatd.core.names import MAX_GROUP_NAME_CODE_POINTS, MAX_NICK_CODE_POINTS
from chatd.core.profiles import MAX_AWAY_BYTES, MAX_REALNAME_BYTES, MAX_USERNAME_BYTES
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_accounts import logged_in_line
from chatd.dialects.irc_channel_lines import channel_joined_lines
from chatd.dialects.irc_channels import MAX_TARGETS_PER_LINE
from chatd.dialects.irc_client import IrcClientState, as_middle_param
from chatd.dialects.irc_lines import IrcLine, format_line
from chatd.dialects.irc_messages import MAX_MESSAGE_TARGETS
from chatd.dialects.irc_numerics import NUMERICS_BY_REFUSAL_CODE
from chatd.dialects.irc_presence import displayed_profile_text
from chatd.dialects.irc_transient import OPERATORS_PREFIX
from chatd.dialects.irc_user_modes import BOT_MODE, USER_MODES

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

_OTHER_TARGETS: Final = "TAGMSG:1,WHOIS:1," + ",".join(
    f"{verb}:{MAX_TARGETS_PER_LINE}" for verb in ("JOIN", "PART", "NAMES", "KICK")
)

ISUPPORT_TOKENS: Final = (
    "CASEMAPPING=ascii",
    "CHANTYPES=#",
    "CHANMODES=b,,,ist",
    "PREFIX=(o)@",
    f"STATUSMSG={OPERATORS_PREFIX}",
    f"NICKLEN={MAX_NICK_CODE_POINTS}",
    f"CHANNELLEN={1 + MAX_GROUP_NAME_CODE_POINTS}",
    "TOPICLEN=390",
    "KICKLEN=390",
    f"AWAYLEN={MAX_AWAY_BYTES}",
    f"NAMELEN={MAX_REALNAME_BYTES}",
    f"USERLEN={MAX_USERNAME_BYTES}",
    f"MONITOR={MAX_WATCHED_USERS}",
    "WHOX",
    f"BOT={BOT_MODE}",
    "UTF8ONLY",
    "SAFELIST",
    "EXTBAN=~,a",
    "ACCOUNTEXTBAN=a,account",
    "ELIST=CMNTU",
    "MODES=1",
    "MAXLIST=b:1000",
    f"TARGMAX=PRIVMSG:{MAX_MESSAGE_TARGETS},NOTICE:{MAX_MESSAGE_TARGETS},{_OTHER_TARGETS}",
    "CHATHISTORY={page}",
    "draft/CHATHISTORY={page}",
    "MSGREFTYPES=msgid,timestamp",
)
"""What the daemon supports, as the numeric 005 says it. ``{page}`` is the most messages in a page."""

ISUPPORT_TOKENS_PER_LINE: Final = 12
"""The number of tokens in one line of the numeric 005, which may have 13 besides the nick and the text."""

MOTD_LINES: Final = (
    "#lobby is where everyone is. The groups of chatd are the other channels.",
    "PART leaves a group for good. QUIT keeps you in it: you will be back in",
    "your channels when you come back, and messages to you are kept for you.",
)
"""The message of the day."""

LOGIN_REFUSAL_CODES: Final = ("password_required", "wrong_password", "token_expired", "blocked")
"""The codes of the refusals of a login that have lines of their own."""

MAX_CAP_LINE_BYTES: Final = 400
"""The maximum number of bytes of capabilities in one line."""


def decode_nick(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``NICK``, which stores the nick for the login. After the login, another nick is refused."""
    if not line.params or not line.params[0]:
        return dialect.reply_request(dialect.client.numeric_line("no_nick"))
    client = dialect.client
    if client.nick:
        if line.params[0] == client.nick:
            return dialect.reply_request()
        return dialect.reply_request(client.numeric_line("nick_is_fixed"))
    return _log_in(dialect, wanted_nick=line.params[0])


def decode_user(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``USER``, which stores the username and the realname for the login."""
    client = dialect.client
    if client.nick or client.username:
        return dialect.reply_request(client.numeric_line("already_registered"))
    if not line.params[3] or not line.params[0]:
        return dialect.reply_request(client.numeric_line("need_more_params", "USER"))
    username = displayed_profile_text(dialect, as_middle_param(line.params[0]), MAX_USERNAME_BYTES - 1)
    realname = displayed_profile_text(dialect, line.params[3], MAX_REALNAME_BYTES)
    return _log_in(dialect, username=f"~{username}", realname=realname)


def decode_pass(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``PASS``, which stores the password of the nick, or the secret of a token, for the login."""
    if dialect.client.nick:
        return dialect.reply_request(dialect.client.numeric_line("already_registered"))
    secret = Secret.parse(line.params[0])
    if secret is None or len(secret.encode()) > dialect.limits.password:
        return dialect.reply_request(dialect.client.numeric_line("bad_password"))
    return dialect.client_change_request(password=secret)


def decode_cap(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``CAP``, which lists and requests capabilities, and ends the negotiation."""
    client, (subcommand, *params) = dialect.client, line.params
    change = _CAP_SUBCOMMANDS.get(subcommand.upper())
    if change is None:
        return dialect.reply_request(client.numeric_line("bad_cap", subcommand))
    return change(dialect, params)


def _cap_ls(dialect: IrcDialect, params: list[str]) -> Request:
    client = dialect.client
    version = max(client.cap_version, int(params[0]) if params and params[0].isdecimal() else 301)
    implied = frozenset(("cap-notify",)) if version >= 302 else frozenset[str]()
    changed = dialect.with_client_changes(
        cap_version=version,
        is_negotiating=client.is_negotiating or not client.nick,
        capabilities=client.capabilities | implied,
    )
    names = [
        f"{name}={value}" if value and version >= 302 else name
        for name, value in dialect.offered_capabilities.items()
    ]
    return dialect.reply_request(*_cap_lines(client, "LS", names, version), dialect=changed)


def _cap_list(dialect: IrcDialect, params: list[str]) -> Request:
    client = dialect.client
    return dialect.reply_request(*_cap_lines(client, "LIST", sorted(client.capabilities), client.cap_version))


def _cap_req(dialect: IrcDialect, params: list[str]) -> Request:
    client = dialect.client
    wanted = params[0].split() if params else []
    added = frozenset(name for name in wanted if name[0] != "-")
    removed = frozenset(name[1:] for name in wanted if name[0] == "-")
    is_known = added | removed <= dialect.offered_capabilities.keys() and not (
        "cap-notify" in removed and client.cap_version >= 302
    )
    if is_known:
        # Without repetitions, they are never cut.
        answer = _cap_line(client, "ACK", " ".join(dict.fromkeys(wanted)))
    else:
        answer = _cap_line(client, "NAK", " ".join(wanted))
    changes: dict[str, object] = {"is_negotiating": client.is_negotiating or not client.nick}
    if is_known:
        changes["capabilities"] = (client.capabilities | added) - removed
    return dialect.reply_request(answer, dialect=dialect.with_client_changes(**changes))


def _cap_end(dialect: IrcDialect, params: list[str]) -> Request:
    client = dialect.client
    if client.nick:
        return dialect.reply_request()
    logging_in = _log_in(dialect, is_negotiating=False, mechanism="", sasl_response=Secret(""))
    if not client.mechanism:
        return logging_in
    return Request(PreparedAnswer((client.numeric_line("sasl_aborted"),)), further_requests=(logging_in,))


_CAP_SUBCOMMANDS: Final = {"LS": _cap_ls, "LIST": _cap_list, "REQ": _cap_req, "END": _cap_end}


def _cap_line(client: IrcClientState, subcommand: str, *params: str) -> bytes:
    return format_line("CAP", client.nick or "*", subcommand, *params, source=client.server, trailing=True)


def _cap_lines(client: IrcClientState, subcommand: str, names: list[str], version: int) -> list[bytes]:
    """Return the lines of a list of capabilities.

    A client of version 302 gets as many lines as needed. Other clients understand only one line, and get the
    capabilities that fit into it.
    """
    lines: list[str] = [""]
    for name in names:
        if len(lines[-1]) + len(name) >= MAX_CAP_LINE_BYTES:
            if version < 302:
                break
            lines.append("")
        lines[-1] = f"{lines[-1]} {name}".lstrip()
    *begun, last = lines
    return [
        *(_cap_line(client, subcommand, "*", one) for one in begun),
        _cap_line(client, subcommand, last),
    ]


def _log_in(dialect: IrcDialect, **changes: object) -> Request:
    """Keep ``changes``, and log in if nick and user are known and no negotiation holds the login up."""
    changed = dialect.with_client_changes(**changes)
    client = changed.client
    if not (client.wanted_nick and client.username) or client.is_negotiating:
        return dialect.reply_request(dialect=changed)
    hello = COMMANDS["hello"].build(
        {
            "nick": client.verified_nick or client.wanted_nick,
            "password": None if client.verified_nick or not client.password else str(client.password),
            "username": client.username,
            "realname": client.realname,
        },
        dialect.limits,
    )
    return Request(
        hello,
        "NICK",
        detected_dialect=changed,
        dialect_after_login=lambda answer: changed.with_client_changes(
            nick=answer.user.nick,
            password=None,
            account=answer.user.nick if isinstance(answer, Welcome) and answer.is_registered else "",
        ),
    )


def welcome_lines(client: IrcClientState, answer: Welcome, max_page_entries: int) -> list[bytes]:
    """Return the lines that greet a client that has logged in, with the channels of its user.

    A page of history has at most ``max_page_entries`` messages.
    """
    lines = [
        client.numeric_line("welcome", nick=client.nick),
        client.numeric_line("your_host", version=__version__),
        client.numeric_line("created"),
        client.numeric_line("my_info", client.server, f"chatd-{__version__}", USER_MODES, "bios", "bo"),
    ]
    tokens = [
        token.format(page=max_page_entries)
        for token in (*ISUPPORT_TOKENS, f"NETWORK={client.policy.network}")
    ]
    lines += (
        client.numeric_line("isupport", *tokens[start : start + ISUPPORT_TOKENS_PER_LINE])
        for start in range(0, len(tokens), ISUPPORT_TOKENS_PER_LINE)
    )
    lines += motd_lines(client)
    if client.account and not client.verified_nick:
        lines.append(logged_in_line(client, client.account))
    for channel in answer.channels:
        lines += channel_joined_lines(client, channel, answer.user)
    return lines


def login_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the lines that refuse a login for one of the reasons in `LOGIN_REFUSAL_CODES`.

    If a registered nick was given without a password, the numeric 433 is sent, of which most clients show
    only that the nick is in use. Therefore a line before it says that the nick is registered: a ``NOTE`` if
    the client has ``standard-replies``, else a ``NOTICE``.
    """
    if refusal.code != "password_required":
        return [client.numeric_by_code(NUMERICS_BY_REFUSAL_CODE[refusal.code], refusal.text)]
    nick = as_middle_param(str(refusal.details["nick"]))
    text = f"{nick} is registered: log in with its password by SASL PLAIN, or send PASS before NICK"
    if "standard-replies" in client.capabilities:
        note = format_line(
            "NOTE", "NICK", "PASSWORD_REQUIRED", nick, text, source=client.server, trailing=True
        )
    else:
        note = client.notice(text)
    return [note, client.numeric_by_code("433", nick, text)]


def motd_lines(client: IrcClientState) -> list[bytes]:
    """Return the lines with the message of the day."""
    return [
        client.numeric_line("motd_start"),
        *(client.numeric_line("motd", text=f"- {one}") for one in MOTD_LINES),
        client.numeric_line("end_of_motd"),
    ]
