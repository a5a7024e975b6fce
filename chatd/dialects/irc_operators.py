"""IRC's verbs for operators of the server: OPER, KILL and WALLOPS.

Who has logged in as an operator is one on every wire. Others act as one after ``OPER``, in that session,
until ``MODE nick -o``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatd.core.answers import OperatorRights
from chatd.core.channel_commands import BecomeOperator
from chatd.core.commands import COMMANDS_BY_CLASS
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClient
from chatd.dialects.irc_lines import IrcLine, without_formatting
from chatd.dialects.irc_user_modes import user_mode_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect


def oper(dialect: IrcDialect, line: IrcLine) -> Request:
    """``OPER judge secret``: act as the operator with this nick and this password in this session."""
    account, password = line.params[:2]
    values = {"account": account, "password": password}
    return Request(COMMANDS_BY_CLASS[BecomeOperator].build(values, dialect.limits), line.verb)


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


def rights_lines(dialect: IrcDialect, request: Request, answer: OperatorRights) -> list[bytes]:
    """Return the lines that tell a client that it acts as an operator now, or no longer."""
    client = dialect.client
    if not answer.has_rights:
        return [user_mode_line(client, "-o")]
    return [client.numeric("you_are_operator"), user_mode_line(client, "+o")]


ANSWERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    OperatorRights: rights_lines
}
"""What encodes the answers of this subject."""


def no_operator_lines(client: IrcClient, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses ``OPER``: the same for a wrong password as for who is no operator."""
    return [client.numeric("no_operator")]


def token_lines(client: IrcClient, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses ``OPER`` to a client that has logged in with a token."""
    return [client.numeric("no_operator_by_token")]


def no_privileges_lines(client: IrcClient, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses a verb for operators to others."""
    return [client.numeric("no_privileges")]


REFUSALS: Final[dict[tuple[str, str], Callable[[IrcClient, Request, Refusal], list[bytes]]]] = {
    **{("OPER", code): no_operator_lines for code in ("wrong_password", "too_long", "bad_request")},
    ("OPER", "out_of_scope"): token_lines,
    ("KILL", "not_server_operator"): no_privileges_lines,
    ("WALLOPS", "not_server_operator"): no_privileges_lines,
}
"""What encodes the refusals of this subject."""
