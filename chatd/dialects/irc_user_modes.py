"""The modes of a user on IRC: ``B`` marks a bot. Of ``i`` and ``w`` the daemon only keeps that they are set.

Source: the IRCv3 specification bot-mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatd.core.answers import ProfileChanged
from chatd.core.channel_commands import SetProfile
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClient, source_of
from chatd.dialects.irc_lines import format_line

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

BOT_MODE: Final = "B"
"""The mode of bots. The token BOT of 005 and the flags of ``WHO`` have this letter, too."""

KEPT_MODES: Final = frozenset("iw")
"""The modes that change nothing: nobody is shown more of a user, and announcements are for everyone."""

IGNORED_MODES: Final = frozenset("o")
"""The modes that a client can't set: an operator of the server is one by the account."""

USER_MODES: Final = "".join(sorted({BOT_MODE} | KEPT_MODES | IGNORED_MODES))
"""The modes of users, as the numeric 004 lists them."""


def user_mode(dialect: IrcDialect, target: str, params: list[str]) -> Request:
    """``MODE bob``: show the modes of the client. ``MODE bob +B``: set them."""
    client = dialect.client
    if target.casefold() != client.nick.casefold():
        return dialect.reply(client.numeric("users_dont_match"))
    if not params:
        return dialect.reply(client.numeric("user_modes", f"+{''.join(sorted(client.user_modes))}"))
    changes = _changes(params[0])
    added = {letter for letter, is_set in changes.items() if is_set}
    kept = (client.user_modes | (added & KEPT_MODES)) - (KEPT_MODES & (changes.keys() - added))
    is_known = changes.keys() <= set(USER_MODES)
    lines = () if is_known else (client.numeric("unknown_user_mode"),)
    request = dialect.reply(*lines, dialect=dialect.with_client(user_modes=kept))
    is_bot = changes.get(BOT_MODE)
    if is_bot is None or is_bot is (BOT_MODE in client.user_modes):
        return request
    all_modes = kept | {BOT_MODE} if is_bot else kept - {BOT_MODE}
    marking = Request(
        SetProfile(is_bot="yes" if is_bot else "no"),
        "MODE",
        dialect_on_success=dialect.with_client(user_modes=all_modes),
    )
    if is_known and kept == client.user_modes:
        return marking
    return replace(request, further_requests=(marking,))


def _changes(modes: str) -> dict[str, bool]:
    """Return the letters in ``modes``, such as ``+B-i``, each with whether it is set."""
    changes: dict[str, bool] = {}
    is_set = True
    for letter in modes:
        if letter in "+-":
            is_set = letter == "+"
        else:
            changes[letter] = is_set
    return changes


def bot_mode_lines(client: IrcClient, answer: ProfileChanged) -> list[bytes]:
    """Return the line that tells a client that it is marked as a bot, or no longer."""
    return [user_mode_line(client, ("+" if answer.profile.is_bot else "-") + BOT_MODE)]


def user_mode_line(client: IrcClient, change: str) -> bytes:
    """Return the line that tells a client of a ``change`` of its modes, such as ``+B``."""
    return format_line("MODE", client.nick, change, source=source_of(client.nick))
