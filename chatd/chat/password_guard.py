"""Slows down whoever guesses passwords: by address, by nick and address, and by nick.

A wrong password takes a token of its address, and one of its nick at that address. Without a token no
password is verified. One that is right costs nothing, so that a class behind one address is not slowed down.
"""

from __future__ import annotations

from typing import Final

from chatd.boundaries import Clock
from chatd.chat.token_buckets import TokenBuckets
from chatd.core.limits import Limits
from chatd.core.refusals import rate_limited, reason

ORIGIN_SECONDS: Final = 3.0
"""Seconds until an address may send a further wrong password, once it has used up ``wrong_passwords``."""

NICK_SECONDS: Final = 10.0
"""Seconds until an address may send a further wrong password for one nick."""

DELAY_SECONDS: Final = 1.0
"""Seconds that every password for a nick waits, once many addresses together have guessed at that nick.

It is short: whoever guesses must not lock the user of the nick out.
"""


class PasswordGuard:
    """Says whether and when a password may be verified."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._by_origin = TokenBuckets(clock, limits.wrong_passwords, ORIGIN_SECONDS)
        self._by_nick_and_origin = TokenBuckets(clock, limits.wrong_passwords_per_nick, NICK_SECONDS)
        self._by_nick = TokenBuckets(clock, limits.wrong_passwords_per_nick, NICK_SECONDS)

    def begin(self, nick: str, origin: str | None) -> float:
        """Count an attempt for ``nick`` as wrong, and return the seconds to wait before it is verified.

        ``origin`` is the address of the client. It is None for the daemon's own machine, where proxies come
        from: there only the attempts for one nick are limited. Raises `Refusal` ``rate_limited``.
        """
        wait = self._by_nick_and_origin.wait((nick, origin))
        if origin is not None:
            wait = max(wait, self._by_origin.wait(origin))
        if wait > 0:
            raise rate_limited(reason("many_wrong_passwords"), wait)
        delay = DELAY_SECONDS if self._by_nick.wait(nick) > 0 else 0.0
        self._by_origin.take(origin)
        self._by_nick_and_origin.take((nick, origin))
        self._by_nick.take(nick)
        return delay

    def succeed(self, nick: str, origin: str | None) -> None:
        """Undo what `begin` has counted, because the password was right."""
        self._by_origin.give_back(origin)
        self._by_nick_and_origin.give_back((nick, origin))
        self._by_nick.give_back(nick)
