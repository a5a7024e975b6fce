"""Limits logins, and new nicks, by the address that they come from."""

from __future__ import annotations

from typing import Final

from chatd.boundaries import Clock
from chatd.chat.token_buckets import TokenBuckets
from chatd.core.limits import Limits
from chatd.core.refusals import rate_limited_refusal, translatable_reason

LOGIN_TOKEN_REFILL_SECONDS: Final = 0.1
"""Seconds until an address may log in once more, when it has used up ``logins_per_address``."""

NEW_NICK_TOKEN_REFILL_SECONDS: Final = 10.0
"""Seconds until an address may take a further new nick, when it has used up ``new_nicks_per_address``."""


class LoginGuard:
    """Limits the number of logins and of new nicks from each address.

    The daemon's own machine is not limited.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._logins = TokenBuckets(clock, lambda: limits.logins_per_address, LOGIN_TOKEN_REFILL_SECONDS)
        self._new_nicks = TokenBuckets(
            clock, lambda: limits.new_nicks_per_address, NEW_NICK_TOKEN_REFILL_SECONDS
        )

    def check_login(self, client_network: str | None, is_new: bool) -> None:
        """Count a login from ``client_network``. ``is_new`` says whether the nick was unknown before.

        Raises `Refusal` ``rate_limited`` if there were too many logins, or too many with new nicks. If
        ``client_network`` is None, the client is on the daemon's own machine, and nothing is counted, because
        a proxy there brings the clients of many addresses.
        """
        if client_network is None:
            return
        if (wait := self._logins.seconds_until_token(client_network)) > 0:
            raise rate_limited_refusal(translatable_reason("many_logins"), wait)
        if is_new and (wait := self._new_nicks.seconds_until_token(client_network)) > 0:
            raise rate_limited_refusal(translatable_reason("many_new_nicks"), wait)
        self._logins.take_token(client_network)
        if is_new:
            self._new_nicks.take_token(client_network)
