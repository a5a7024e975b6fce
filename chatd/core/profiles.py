"""The profiles of sessions: what a client has said about its user, cleaned and cut.

IRC clients show these texts. Clients of any wire may send them, so they are cleaned here.
"""

from __future__ import annotations

from typing import Final

from chatd.core.answers import Profile
from chatd.core.channel_commands import SetProfile
from chatd.core.terminal import replace_controls

MAX_USERNAME_BYTES: Final = 20
"""The maximum size of a username in bytes of UTF-8; a longer one is cut."""

MAX_REALNAME_BYTES: Final = 128
"""The maximum size of a realname in bytes of UTF-8; a longer one is cut."""

MAX_AWAY_BYTES: Final = 390
"""The maximum size of the text that says why a user is away, in bytes of UTF-8; a longer one is cut."""


def make_profile(nick: str, username: str = "", realname: str = "") -> Profile:
    """Return the profile of the user called ``nick``, who is not away.

    An empty ``username`` or ``realname`` is replaced by the nick.
    """
    return Profile(
        clean_profile_text(username, MAX_USERNAME_BYTES) or nick,
        clean_profile_text(realname, MAX_REALNAME_BYTES) or nick,
    )


def changed_profile(profile: Profile, command: SetProfile) -> Profile:
    """Return ``profile`` with the changes of ``command``. A blank realname changes nothing."""
    realname, away = profile.realname, profile.away
    if command.realname is not None:
        realname = clean_profile_text(command.realname, MAX_REALNAME_BYTES) or realname
    if command.away is not None:
        away = clean_profile_text(command.away, MAX_AWAY_BYTES)
    is_bot = profile.is_bot if command.is_bot is None else command.is_bot == "yes"
    return Profile(profile.username, realname, away, profile.quit_message, is_bot)


def clean_profile_text(text: str, max_bytes: int) -> str:
    """Return ``text`` cleaned for a profile, and cut between two characters to at most ``max_bytes`` of
    UTF-8.

    Blanks at both ends are removed, and control characters are replaced by U+FFFD.
    """
    cleaned = replace_controls(text.strip())
    if len(cleaned) * 4 > max_bytes:
        cleaned = cleaned.encode()[:max_bytes].decode(errors="ignore")
    return cleaned
