"""Rate limits for wrong passwords: per address, per nick and address, and per nick.

A wrong invitation link counts as a wrong password for the nick of the user who sends it.

Each limit is a token bucket, and a wrong password takes a token from all three buckets. If the bucket of the
address, or of the nick and address, is empty, no password is verified. If the bucket of the nick is empty,
passwords are verified after a delay. A right password takes no token, so that a class of users behind one
address is not slowed down. The bucket of the address counts neither for the daemon's own machine nor for a
nick that has sent a right password from there before.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from chatd.boundaries import Clock
from chatd.chat.token_buckets import TokenBuckets
from chatd.core.limits import Limits
from chatd.core.refusals import rate_limited_refusal, translatable_reason

NETWORK_TOKEN_REFILL_SECONDS: Final = 3.0
"""The seconds after which an address gets a further attempt, once ``wrong_passwords`` are used up."""

NICK_TOKEN_REFILL_SECONDS: Final = 10.0
"""Seconds in which the bucket of a nick, or of a nick and an address, regains one attempt."""

PASSWORD_DELAY_OF_ATTACKED_NICK_SECONDS: Final = 1.0
"""The seconds by which each password for a nick is delayed, after many wrong ones from all addresses.

The delay is short, so that an attacker can't lock out the user of the nick.
"""


MAX_REMEMBERED_SUCCESSES: Final = 10_000
"""The number of pairs of nick and address that are remembered after a right password."""


class PasswordGuard:
    """The rate limits for passwords. They decide whether and when a password may be verified."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._by_network = TokenBuckets(clock, lambda: limits.wrong_passwords, NETWORK_TOKEN_REFILL_SECONDS)

        def attempts_per_nick() -> int:
            return limits.wrong_passwords_per_nick

        self._by_nick_and_network = TokenBuckets(clock, attempts_per_nick, NICK_TOKEN_REFILL_SECONDS)
        self._by_nick = TokenBuckets(clock, attempts_per_nick, NICK_TOKEN_REFILL_SECONDS)
        # Pairs of nick and network with a right password, the latest last.
        self._trusted: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    def check_attempt(self, nick: str, client_network: str | None) -> float:
        """Check that a password for ``nick`` may be verified.

        Return the number of seconds to wait before that.

        Three token buckets count wrong passwords:

        - for ``nick``, from all networks: if it is empty, the attempt is delayed.
        - for ``nick`` from ``client_network``: if it is empty, the attempt is refused.
        - from ``client_network``, for all nicks: if it is empty, the attempt is refused. This bucket does not
          apply to the daemon's own machine, where proxies run, nor to a nick that has logged in from this
          network before.

        ``client_network`` is the IPv4 address or IPv6 network of the client, or None for the daemon's own
        machine. Raises `Refusal` ``rate_limited``.
        """
        wait = self._by_nick_and_network.seconds_until_token((nick, client_network))
        if client_network is not None and (nick, client_network) not in self._trusted:
            wait = max(wait, self._by_network.seconds_until_token(client_network))
        if wait > 0:
            raise rate_limited_refusal(translatable_reason("many_wrong_passwords"), wait)
        return PASSWORD_DELAY_OF_ATTACKED_NICK_SECONDS if self._by_nick.seconds_until_token(nick) > 0 else 0.0

    def count_failure(self, nick: str, client_network: str | None) -> None:
        """Count a wrong password for ``nick`` from ``client_network``."""
        self._by_network.take_token(client_network)
        self._by_nick_and_network.take_token((nick, client_network))
        self._by_nick.take_token(nick)

    def remember_success(self, nick: str, client_network: str | None) -> None:
        """Remember that the user ``nick`` has sent the right password from ``client_network``.

        As long as this is remembered, wrong passwords for other nicks from that network do not lock this user
        out: `check_attempt` does not use the bucket of the network alone. The last `MAX_REMEMBERED_SUCCESSES`
        pairs of nick and network are remembered.
        """
        self._trusted[nick, client_network] = None
        self._trusted.move_to_end((nick, client_network))
        if len(self._trusted) > MAX_REMEMBERED_SUCCESSES:
            self._trusted.popitem(last=False)
