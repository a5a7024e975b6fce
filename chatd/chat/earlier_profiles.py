"""The profiles of the last sessions of departed users, in memory only."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from chatd.core.answers import Profile
from chatd.core.events import User

MAX_REMEMBERED_USERS: Final = 2_000
"""The maximum number of users whose profiles are remembered; at most 1.5 MB."""

MAX_PROFILES_PER_USER: Final = 4
"""The maximum number of profiles that are remembered of one user."""


class EarlierProfiles:
    """Remembers the profiles of the sessions that ended last, for IRC's ``WHOWAS``.

    The reason why a user was away is not remembered.
    """

    def __init__(self) -> None:
        # By the id of the user; those whose last session ended first come first.
        self._profiles: dict[int, tuple[Profile, ...]] = {}

    def remember(self, user: User, profile: Profile) -> None:
        """Remember ``profile`` of a session of ``user`` that has ended."""
        kept = replace(profile, away="")
        others = tuple(one for one in self._profiles.pop(user.id, ()) if one != kept)
        self._profiles[user.id] = (kept, *others)[:MAX_PROFILES_PER_USER]
        if len(self._profiles) > MAX_REMEMBERED_USERS:
            del self._profiles[next(iter(self._profiles))]

    def profiles_of(self, user: User) -> tuple[Profile, ...]:
        """Return the profiles of ended sessions of ``user``, the latest first."""
        return self._profiles.get(user.id, ())

    def forget(self, user: User) -> None:
        """Forget all remembered profiles of ``user``."""
        self._profiles.pop(user.id, None)
