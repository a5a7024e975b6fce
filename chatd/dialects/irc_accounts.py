"""Accounts on IRC: SASL, and the registration of a nick with a password.

Sources: the IRCv3 specifications of SASL 3.1 and 3.2 and of account-registration, and RFC 4616 (PLAIN). The
account name of a user is the nick. So a client that has authenticated itself has the account's nick.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatd.core.accounts import Secret
from chatd.core.answers import AccountChanged, Authenticated
from chatd.core.channel_commands import Authenticate, RegisterBeforeLogin
from chatd.core.commands import COMMANDS_BY_CLASS, Command, Register
from chatd.core.limits import Limits
from chatd.core.names import MAX_NICK_CODE_POINTS, BadName, parse_nick
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClientState, as_middle_param, source_of
from chatd.dialects.irc_lines import IrcLine, format_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

SASL_CHUNK_BYTES: Final = 400
"""The size of a chunk of a SASL response. A shorter one is the last."""

MAX_NICK_BYTES: Final = 4 * MAX_NICK_CODE_POINTS
"""The most bytes that a nick can have, whatever its characters."""

SASL_AFTER_LOGIN_TEXT: Final = (
    "the nick says who you are here: to log in with a password, quit and connect again"
)
"""What a client that is logged in is told when it begins to authenticate itself."""

REGISTER_FAIL_CODES_BY_REFUSAL_CODE: Final[dict[str, str]] = {
    "already_registered": "ALREADY_AUTHENTICATED",
    "nick_taken": "ACCOUNT_EXISTS",
    "password_required": "ACCOUNT_EXISTS",
    "bad_nick": "BAD_ACCOUNT_NAME",
    "weak_password": "WEAK_PASSWORD",
    "too_long": "UNACCEPTABLE_PASSWORD",
    "bad_request": "UNACCEPTABLE_PASSWORD",
}
"""The code with which ``REGISTER`` fails for each refusal; for others it is ``TEMPORARILY_UNAVAILABLE``."""


def decode_authenticate(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``AUTHENTICATE``: begin, continue or abort a SASL login."""
    client, chunk = dialect.client, line.params[0]
    if client.nick:
        failed = client.numeric_line("sasl_failed", text=SASL_AFTER_LOGIN_TEXT)
        already = client.numeric_line("sasl_already")
        return dialect.reply_request(
            client.numeric_line("already_registered"), already if client.account else failed
        )
    ended = dialect.with_client_changes(mechanism="", sasl_response=Secret(""))
    if chunk == "*":
        return dialect.reply_request(client.numeric_line("sasl_aborted"), dialect=ended)
    if not client.mechanism:
        return _begin(dialect, chunk.upper())
    if len(chunk) > SASL_CHUNK_BYTES:
        return dialect.reply_request(client.numeric_line("sasl_too_long"), dialect=ended)
    response = Secret(client.sasl_response + (chunk if chunk != "+" else ""))
    if len(response) > _max_response_characters(dialect.limits):
        return _failed(ended, "the response is too long")
    if len(chunk) == SASL_CHUNK_BYTES:
        return dialect.client_change_request(sasl_response=response)
    try:
        text = b64decode(response, validate=True).decode()
    except ValueError:
        return _failed(ended, "the response is not UTF-8 text in base64")
    return SASL_MECHANISM_DECODERS[client.mechanism](ended, text)


def _begin(dialect: IrcDialect, mechanism: str) -> Request:
    client = dialect.client
    if mechanism in SASL_MECHANISM_DECODERS:
        challenge = format_line("AUTHENTICATE", "+")
        return dialect.reply_request(challenge, dialect=dialect.with_client_changes(mechanism=mechanism))
    return dialect.reply_request(
        client.numeric_line("sasl_mechanisms", ",".join(SASL_MECHANISM_DECODERS)),
        client.numeric_line("sasl_failed", text="this mechanism is not known here"),
    )


def _max_response_characters(limits: Limits) -> int:
    """Return the most characters of a response that may be right: two nicks and a password in base64."""
    return 4 * ((2 * MAX_NICK_BYTES + 2 + limits.password + 2) // 3)


def _plain(dialect: IrcDialect, response: str) -> Request:
    authorized, *rest = response.split("\0")
    if len(rest) != 2 or not all(rest):
        return _failed(dialect, "the response must have a nick and its password")
    nick, password = rest
    if authorized and not is_same_nick(authorized, nick):
        return _failed(dialect, "nobody can log in for another user")
    return _prove(dialect, nick, password)


def _external(dialect: IrcDialect, response: str) -> Request:
    return _prove(dialect, response, None)


SASL_MECHANISM_DECODERS: Final[dict[str, Callable[[IrcDialect, str], Request]]] = {
    "PLAIN": _plain,
    "EXTERNAL": _external,
}
"""The functions that decode the response of each SASL mechanism. They are given the dialect that is used
afterwards.
"""


def _prove(dialect: IrcDialect, nick: str, password: str | None) -> Request:
    """Return the request to verify who the client is. ``dialect`` is spoken afterwards."""
    try:
        values = {"nick": nick, "password": password}
        command = COMMANDS_BY_CLASS[Authenticate].build(values, dialect.limits)
    except Refusal as refusal:
        return _failed(dialect, refusal.text)
    return _proof(dialect, command, "AUTHENTICATE")


def _proof(dialect: IrcDialect, command: Command, verb: str) -> Request:
    """Return the request for ``command``, which proves who the client is. ``dialect`` is spoken then."""
    return Request(
        command,
        verb,
        detected_dialect=dialect,
        dialect_after_login=lambda answer: dialect.with_client_changes(verified_nick=answer.user.nick),
    )


def _failed(dialect: IrcDialect, text: str) -> Request:
    """Return the answer to a SASL response that is refused for the reason ``text``. ``dialect`` is spoken
    afterwards.
    """
    return dialect.reply_request(dialect.client.numeric_line("sasl_failed", text=text), dialect=dialect)


def is_same_nick(one: str, other: str) -> bool:
    """Return whether ``one`` and ``other`` are spellings of one nick."""
    try:
        return one == other or parse_nick(one).normalized == parse_nick(other).normalized
    except BadName:
        return False


def authenticated_lines(dialect: IrcDialect, request: Request, answer: Authenticated) -> list[bytes]:
    """Return the lines that tell a client that it has proved to be the user of ``answer``.

    The proof was ``AUTHENTICATE``, or ``REGISTER`` before the login.
    """
    if request.command_word == "REGISTER":
        return _success_lines(dialect.client, answer.user.nick)
    return [logged_in_line(dialect.client, answer.user.nick), dialect.client.numeric_line("sasl_success")]


def logged_in_line(client: IrcClientState, account: str) -> bytes:
    """Return the line that tells a client that it is logged in to the account ``account``."""
    mask = source_of(client.nick or account)
    return client.numeric_line("logged_in", mask, account, account=account)


def authenticate_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the lines that refuse ``AUTHENTICATE``."""
    command = request.command
    if isinstance(command, Authenticate) and command.password is None and refusal.code == "wrong_password":
        return [client.numeric_line("sasl_failed", text="no certificate of a registered nick was shown")]
    return [client.numeric_line("sasl_failed", text=refusal.text)]


def decode_register(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``REGISTER``, which registers the client's nick with a password.

    An e-mail address in the line is ignored.
    """
    client = dialect.client
    account, _, password = line.params[:3]

    def fail(code: str, text: str) -> Request:
        return dialect.reply_request(client.standard_reply("REGISTER", code, text, account))

    if not (client.nick or client.policy.register_before_login):
        text = "send NICK and USER, and register the nick once you are welcomed"
        return fail("COMPLETE_CONNECTION_REQUIRED", text)
    if known := client.account or client.verified_nick:
        return fail("ALREADY_AUTHENTICATED", f"you are logged in as {known}")
    nick = client.nick or client.wanted_nick
    if not nick:
        return fail("NEED_NICK", "send NICK with the nick that you want to register")
    if account != "*" and not is_same_nick(account, nick):
        return fail(
            "ACCOUNT_NAME_MUST_BE_NICK",
            f"you can register your own nick only, which is {as_middle_param(nick)}",
        )
    if client.nick:
        return with_account_after_registration(
            dialect, dialect.command_request(line, "register", password=password)
        )
    command = COMMANDS_BY_CLASS[RegisterBeforeLogin].build(
        {"nick": nick, "password": password}, dialect.limits
    )
    return _proof(dialect, command, line.verb)


def with_account_after_registration(dialect: IrcDialect, request: Request) -> Request:
    """Return ``request``, with the change of the dialect that is needed after a successful registration.

    The changed dialect knows that the client has an account. A request that registers no nick is returned
    unchanged.
    """
    if not isinstance(request.command, Register):
        return request
    return replace(request, dialect_on_success=dialect.with_client_changes(account=dialect.client.nick))


def decode_verify(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``VERIFY``, which is always refused, because a registration needs no verification."""
    account = line.params[0]
    text = "nothing is to be verified here: REGISTER is enough"
    return dialect.reply_request(dialect.client.standard_reply("VERIFY", "INVALID_CODE", text, account))


def registered_lines(dialect: IrcDialect, request: Request, answer: AccountChanged) -> list[bytes]:
    """Return the lines that tell a client that its nick is registered."""
    return _success_lines(dialect.client, answer.nick)


def _success_lines(client: IrcClientState, account: str) -> list[bytes]:
    text = f"{account} is registered; addresses are not kept, so do not lose the password"
    success = format_line(
        "REGISTER", "SUCCESS", as_middle_param(account), text, source=client.server, trailing=True
    )
    return [success, logged_in_line(client, account)]


def register_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the lines that refuse ``REGISTER``."""
    code = REGISTER_FAIL_CODES_BY_REFUSAL_CODE.get(refusal.code, "TEMPORARILY_UNAVAILABLE")
    nick = client.nick or as_middle_param(client.wanted_nick)
    return [client.standard_reply("REGISTER", code, refusal.text, nick)]
