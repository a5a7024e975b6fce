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
from chatd.dialects.irc_client import IrcClientState
from chatd.dialects.irc_lines import IrcLine, without_formatting
from chatd.dialects.irc_user_modes import user_mode_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect


def decode_oper(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``OPER judge secret``, which gives this session the rights of the server operator ``judge``."""
    account, password = line.params[:2]
    values = {"account": account, "password": password}
    return Request(COMMANDS_BY_CLASS[BecomeOperator].build(values, dialect.limits), line.verb)


def decode_kill(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``KILL bob :calm down``, which ends all sessions of a user. The user may log in again."""
    nick, *reason = line.params
    note = without_formatting(reason[0]) if reason else ""
    return dialect.command_request(line, "disconnect", dest=nick, reason=note)


def decode_wallops(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``WALLOPS :hi``, which sends an announcement to every connected user, on every wire."""
    return dialect.command_request(line, "announce", msg=without_formatting(line.params[0]))


VERB_DECODERS: Final[dict[str, tuple[Callable[[IrcDialect, IrcLine], Request], int]]] = {
    "OPER": (decode_oper, 2),
    "KILL": (decode_kill, 1),
    "WALLOPS": (decode_wallops, 1),
}
"""The verbs of this subject: the function that decodes a line, and the number of parameters that it needs."""


def operator_rights_lines(dialect: IrcDialect, request: Request, answer: OperatorRights) -> list[bytes]:
    """Return the lines that tell a client that it now has, or no longer has, the rights of a server
    operator.
    """
    client = dialect.client
    if not answer.has_rights:
        return [user_mode_line(client, "-o")]
    return [client.numeric_line("you_are_operator"), user_mode_line(client, "+o")]


ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    OperatorRights: operator_rights_lines
}
"""The functions that encode the answers of this subject."""


_NUMERICS_BY_VERB_AND_REFUSAL: Final = {
    # All alike, so that the answer does not tell who is an operator.
    ("OPER", "wrong_password"): "no_operator",
    ("OPER", "too_long"): "no_operator",
    ("OPER", "bad_request"): "no_operator",
    ("OPER", "out_of_scope"): "no_operator_by_token",
    ("KILL", "not_server_operator"): "no_privileges",
    ("WALLOPS", "not_server_operator"): "no_privileges",
}


def _refused_with(numeric: str) -> Callable[[IrcClientState, Request, Refusal], list[bytes]]:
    """Return a function that encodes a refusal as ``numeric``, with the numeric's own text."""
    return lambda client, request, refusal: [client.numeric_line(numeric)]


REFUSAL_ENCODERS: Final[dict[tuple[str, str], Callable[[IrcClientState, Request, Refusal], list[bytes]]]] = {
    key: _refused_with(numeric) for key, numeric in _NUMERICS_BY_VERB_AND_REFUSAL.items()
}
"""The functions that encode the refusals of this subject."""
