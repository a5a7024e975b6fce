"""IRC's verbs for operators of the server: OPER, KILL and WALLOPS.

An operator is one by the account, on every wire: ``OPER`` tells whether the client is one, and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatd.core.answers import UserDescriptions
from chatd.core.channel_commands import ShowUsers
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClient
from chatd.dialects.irc_lines import IrcLine, without_formatting
from chatd.dialects.irc_user_modes import user_mode_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect


def oper(dialect: IrcDialect, line: IrcLine) -> Request:
    """``OPER name password``: tell whether the user of the client is an operator. Nobody looks at the
    password: the one of the nick has made the user an operator at the login.
    """
    return Request(ShowUsers(dialect.client.nick), line.verb)


def kill(dialect: IrcDialect, line: IrcLine) -> Request:
    """``KILL bob :calm down``: end all sessions of a user, who may come back."""
    nick, *reason = line.params
    note = without_formatting(reason[0]) if reason else ""
    return dialect.request(line, "disconnect", dest=nick, reason=note)


def wallops(dialect: IrcDialect, line: IrcLine) -> Request:
    """``WALLOPS :hi``: announce something to everyone who is connected, on every wire."""
    return dialect.request(line, "announce", msg=without_formatting(line.params[0]))


VERBS: Final[dict[str, tuple[Callable[[IrcDialect, IrcLine], Request], int]]] = {
    "OPER": (oper, 2),
    "KILL": (kill, 1),
    "WALLOPS": (wallops, 1),
}
"""The verbs of this subject: the function that decodes a line, and the number of parameters that it needs."""


def oper_lines(dialect: IrcDialect, request: Request, answer: UserDescriptions) -> list[bytes]:
    """Return the answer to ``OPER``."""
    client = dialect.client
    if not any(one.is_server_operator for one in answer.users):
        return [client.numeric("no_operator")]
    return [client.numeric("you_are_operator"), user_mode_line(client, "+o")]


def no_privileges_lines(client: IrcClient, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses a verb for operators to others."""
    return [client.numeric("no_privileges")]


REFUSALS: Final[dict[tuple[str, str], Callable[[IrcClient, Request, Refusal], list[bytes]]]] = {
    ("KILL", "not_server_operator"): no_privileges_lines,
    ("WALLOPS", "not_server_operator"): no_privileges_lines,
}
"""What encodes the refusals of this subject."""
