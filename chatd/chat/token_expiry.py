"""Ends the sessions of tokens that have expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from chatd.boundaries import Client, Clock
from chatd.chat.authority import Authority
from chatd.core.refusals import Refusal
from chatd.core.token_rules import session_end_reason

TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS: Final = 30.0
"""Seconds between two looks at the sessions that have logged in with tokens."""


class TokenExpiry:
    """Ends sessions whose token has expired or was revoked, even if they send no requests.

    It checks all sessions every `TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS`, as long as any session has logged in
    with a token that expires. ``end(client, refusal)`` is called for each session whose token is no longer
    valid. If a session with such a token sends a request, it is ended at once, without this class.
    """

    def __init__(self, clock: Clock, authority: Authority, end: Callable[[Client, Refusal], None]) -> None:
        self._clock = clock
        self._authority = authority
        self._end = end
        self._next: IDelayedCall | None = None

    def watch(self) -> None:
        """Start the regular check, because a session has logged in with a token that expires."""
        if self._next is None:
            self._next = self._clock.callLater(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS, self._check)

    def stop(self) -> None:
        """Stop the regular check."""
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _check(self) -> None:
        self._next = None
        state, now = self._authority.state, self._authority.now()
        for client in self._authority.all_sessions():
            token = client.token
            if token is None or token.expires_at is None:
                continue
            refusal = None if self._authority.recovering else session_end_reason(state, token, now)
            if refusal is None:
                self.watch()
            elif not client.is_closing:
                self._end(client, refusal)
