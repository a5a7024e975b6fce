"""The modes of a user on IRC: ``B`` marks a bot, ``-o`` gives up what ``OPER`` gave. Of ``i`` and ``w`` the
daemon only keeps that they are set.

Source: the IRCv3 specification bot-mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatd.core.answers import ProfileChanged
from chatd.core.channel_commands import ResignOperator, SetProfile
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClientState, source_of
from chatd.dialects.irc_lines import format_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

BOT_MODE: Final = "B"
"""The mode of bots. The token BOT of 005 and the flags of ``WHO`` have this letter, too."""

MODES_WITHOUT_EFFECT: Final = frozenset("iw")
"""The modes that change nothing: nobody is shown more of a user, and announcements are for everyone."""

OPERATOR_MODE: Final = "o"
"""The mode of who acts as an operator of the server. A client can only unset it. It is not among the modes
that ``MODE bob`` shows: the rights may have ended, which ``WHO`` and ``WHOIS`` know.
"""

USER_MODES: Final = "".join(sorted({BOT_MODE, OPERATOR_MODE} | MODES_WITHOUT_EFFECT))
"""The modes of users, as the numeric 004 lists them."""


def decode_user_mode(dialect: IrcDialect, target: str, params: list[str]) -> Request:
    """Decode ``MODE bob``, which shows the modes of the client, or ``MODE bob +B``, which sets them."""
    client = dialect.client
    if target.casefold() != client.nick.casefold():
        return dialect.reply_request(client.numeric_line("users_dont_match"))
    if not params:
        return dialect.reply_request(
            client.numeric_line("user_modes", f"+{''.join(sorted(client.user_modes))}")
        )
    changes = _changes(params[0])
    added = {letter for letter, is_set in changes.items() if is_set}
    kept = (client.user_modes | (added & MODES_WITHOUT_EFFECT)) - (
        MODES_WITHOUT_EFFECT & (changes.keys() - added)
    )
    is_known = changes.keys() <= set(USER_MODES)
    requests: list[Request] = []
    if not is_known or kept != client.user_modes:
        lines = () if is_known else (client.numeric_line("unknown_user_mode"),)
        requests.append(dialect.reply_request(*lines, dialect=dialect.with_client_changes(user_modes=kept)))
    is_bot = changes.get(BOT_MODE)
    if is_bot is not None and is_bot is not (BOT_MODE in client.user_modes):
        modes = kept | {BOT_MODE} if is_bot else kept - {BOT_MODE}
        marking = SetProfile(is_bot="yes" if is_bot else "no")
        marked = dialect.with_client_changes(user_modes=modes)
        requests.append(Request(marking, "MODE", dialect_on_success=marked))
    if changes.get(OPERATOR_MODE) is False:
        requests.append(Request(ResignOperator(), "MODE"))
    first, *further = requests or [dialect.reply_request()]
    return replace(first, further_requests=tuple(further))


def _changes(modes: str) -> dict[str, bool]:
    """Return pairs of a letter in ``modes``, such as ``+B-i``, and whether it is set."""
    changes: dict[str, bool] = {}
    is_set = True
    for letter in modes:
        if letter in "+-":
            is_set = letter == "+"
        else:
            changes[letter] = is_set
    return changes


def bot_mode_lines(client: IrcClientState, answer: ProfileChanged) -> list[bytes]:
    """Return the line that tells a client that it now is, or no longer is, marked as a bot."""
    return [user_mode_line(client, ("+" if answer.profile.is_bot else "-") + BOT_MODE)]


def user_mode_line(client: IrcClientState, change: str) -> bytes:
    """Return the line that tells a client of ``change``, a change of its user modes such as ``+B``."""
    return format_line("MODE", client.nick, change, source=source_of(client.nick))
