"""Rate limits for wrong passwords: per address, per nick and address, and per nick.

Each limit is a token bucket, and a wrong password takes a token from all three buckets. If the bucket of the
address, or of the nick and address, is empty, no password is verified. If the bucket of the nick is empty,
passwords are verified after a delay. A right password takes no token, so that a class of users behind one
address is not slowed down.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from chatd.boundaries import Clock
from chatd.core.limits import Limits
from chatd.core.refusals import rate_limited, reason

ORIGIN_SECONDS: Final = 3.0
"""The seconds after which an address gets a further attempt, once ``wrong_passwords`` are used up."""

NICK_SECONDS: Final = 10.0
"""The seconds after which an address gets a further attempt for one nick, once its attempts are used up."""

DELAY_SECONDS: Final = 1.0
"""The seconds by which each password for a nick is delayed, after many wrong ones from all addresses.

The delay is short, so that an attacker can't lock out the user of the nick.
"""

BUCKETS_MAX: Final = 10_000
"""The number of buckets in memory above which full buckets are removed."""


class TokenBuckets:
    """Token buckets, one per key. A bucket has ``size`` tokens and regains one every ``seconds`` seconds."""

    def __init__(self, clock: Clock, size: int, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._full_after = size * seconds
        # When each bucket is full again; a bucket that is full has no entry.
        self._full_at: dict[Hashable, float] = {}

    def wait(self, key: Hashable) -> float:
        """Return the seconds until the bucket of ``key`` has a token, or 0 if it has a token now."""
        now = self._clock.seconds()
        return max(0.0, self._full_at.get(key, now) - now + self._seconds - self._full_after)

    def take(self, key: Hashable) -> None:
        """Take a token from the bucket of ``key``, unless the bucket is empty."""
        now = self._clock.seconds()
        if len(self._full_at) >= BUCKETS_MAX:
            self._full_at = {other: full for other, full in self._full_at.items() if full > now}
        full_at = max(now, self._full_at.get(key, now)) + self._seconds
        self._full_at[key] = min(full_at, now + self._full_after)

    def give_back(self, key: Hashable) -> None:
        """Return a token to the bucket of ``key``."""
        if key in self._full_at:
            self._full_at[key] -= self._seconds


class PasswordGuard:
    """The rate limits for passwords: they decide whether and when a password may be verified."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._by_origin = TokenBuckets(clock, limits.wrong_passwords, ORIGIN_SECONDS)
        self._by_nick_and_origin = TokenBuckets(clock, limits.wrong_passwords_per_nick, NICK_SECONDS)
        self._by_nick = TokenBuckets(clock, limits.wrong_passwords_per_nick, NICK_SECONDS)

    def begin(self, nick: str, origin: str) -> float:
        """Count an attempt for ``nick`` as a wrong password. Return the seconds to wait before verifying it.

        ``origin`` is the IPv4 address or IPv6 network of the client. Raises `Refusal` ``rate_limited`` if too
        many wrong passwords came from there.
        """
        wait = max(self._by_origin.wait(origin), self._by_nick_and_origin.wait((nick, origin)))
        if wait > 0:
            raise rate_limited(reason("many_wrong_passwords"), wait)
        delay = DELAY_SECONDS if self._by_nick.wait(nick) > 0 else 0.0
        self._by_origin.take(origin)
        self._by_nick_and_origin.take((nick, origin))
        self._by_nick.take(nick)
        return delay

    def succeed(self, nick: str, origin: str) -> None:
        """Uncount the attempt that `begin` has counted, because its password was right."""
        self._by_origin.give_back(origin)
        self._by_nick_and_origin.give_back((nick, origin))
        self._by_nick.give_back(nick)
