"""Rate limits for wrong passwords: per address, per nick and address, and per nick.

A wrong invitation link counts as a wrong password for the nick of the user who sends it.

Each limit is a token bucket, and a wrong password takes a token from all three buckets. If the bucket of the
address, or of the nick and address, is empty, no password is verified. If the bucket of the nick is empty,
passwords are verified after a delay. A right password takes no token, so that a class of users behind one
address is not slowed down.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from chatd.boundaries import Clock
from chatd.chat.token_buckets import TokenBuckets
from chatd.core.limits import Limits
from chatd.core.refusals import rate_limited, reason

ADDRESS_REFILL_SECONDS: Final = 3.0
"""The seconds after which an address gets a further attempt, once ``wrong_passwords`` are used up."""

NICK_REFILL_SECONDS: Final = 10.0
"""The seconds after which an address gets a further attempt for one nick, once its attempts are used up."""

GUESSED_NICK_DELAY_SECONDS: Final = 1.0
"""The seconds by which each password for a nick is delayed, after many wrong ones from all addresses.

The delay is short, so that an attacker can't lock out the user of the nick.
"""


MAX_REMEMBERED_SUCCESSES: Final = 10_000
"""The number of pairs of nick and address that are remembered after a right password."""


class PasswordGuard:
    """The rate limits for passwords: they decide whether and when a password may be verified."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._by_origin = TokenBuckets(clock, lambda: limits.wrong_passwords, ADDRESS_REFILL_SECONDS)

        def attempts_per_nick() -> int:
            return limits.wrong_passwords_per_nick

        self._by_nick_and_origin = TokenBuckets(clock, attempts_per_nick, NICK_REFILL_SECONDS)
        self._by_nick = TokenBuckets(clock, attempts_per_nick, NICK_REFILL_SECONDS)
        # Pairs of nick and origin with a right password, the latest last.
        self._trusted: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    def check_attempt(self, nick: str, origin: str | None) -> float:
        """Check that a password for ``nick`` may be verified. Return the seconds to wait before that.

        ``origin`` is the IPv4 address or IPv6 network of the client. For the daemon's own machine, where
        proxies run, it is None, and only the attempts for one nick are limited. The same holds for a user who
        has logged in from there before. Raises `Refusal` ``rate_limited`` if too many wrong passwords came
        from there.
        """
        wait = self._by_nick_and_origin.seconds_until_token((nick, origin))
        if origin is not None and (nick, origin) not in self._trusted:
            wait = max(wait, self._by_origin.seconds_until_token(origin))
        if wait > 0:
            raise rate_limited(reason("many_wrong_passwords"), wait)
        return GUESSED_NICK_DELAY_SECONDS if self._by_nick.seconds_until_token(nick) > 0 else 0.0

    def count_failure(self, nick: str, origin: str | None) -> None:
        """Count a wrong password for ``nick`` from ``origin``."""
        self._by_origin.take_token(origin)
        self._by_nick_and_origin.take_token((nick, origin))
        self._by_nick.take_token(nick)

    def remember_success(self, nick: str, origin: str | None) -> None:
        """Remember that the user ``nick`` has sent a right password from ``origin``."""
        self._trusted[nick, origin] = None
        self._trusted.move_to_end((nick, origin))
        if len(self._trusted) > MAX_REMEMBERED_SUCCESSES:
            self._trusted.popitem(last=False)
