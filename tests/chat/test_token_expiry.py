"""When sessions of expired tokens are found, of which no request tells."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatd.chat.token_expiry import TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS, TokenExpiry
from chatd.core.accounts import Secret
from chatd.core.events import User
from chatd.core.state import State
from chatd.core.tokens import Token

ALICE = User(1, "alice", "alice", "#000000")


class Session:
    """The part of a session that matters here."""

    is_closing = False

    def __init__(self, token: Token | None) -> None:
        self.token = token


class FakeAuthority:
    """The sessions, the state and the time; ``recovering`` while the state is read again."""

    recovering = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.state = State()
        self.sessions: list[Session] = []

    def now(self) -> int:
        """The time in milliseconds."""
        return int(self.clock.seconds() * 1000)

    def all_sessions(self) -> list[Session]:
        """Those that are logged in."""
        return self.sessions


class Expiry(SynchronousTestCase):
    def setUp(self) -> None:
        """Have a session without a token, one without end, and one that ends after a second."""
        self.clock = Clock()
        self.authority = FakeAuthority(self.clock)
        self.ended: list[tuple[Any, str]] = []
        self.expiry = TokenExpiry(
            self.clock, cast(Any, self.authority), lambda client, why: self.ended.append((client, why.code))
        )
        tokens = [Token(ALICE, "t", Secret(f"{end}"), "read", None, 0, end) for end in (None, 1000)]
        for token in tokens:
            self.authority.state.apply(token)
        self.short = Session(tokens[1])
        self.authority.sessions = [Session(None), Session(tokens[0]), self.short]

    def test_it_is_found_once_and_then_nothing_is_looked_for(self) -> None:
        self.expiry.watch()
        self.expiry.watch()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.assertEqual(self.ended, [(self.short, "token_expired")])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_leaves_already_is_left_alone(self) -> None:
        self.short.is_closing = True
        self.expiry.watch()
        self.clock.advance(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.assertEqual(self.ended, [])

    def test_while_the_state_is_read_again(self) -> None:
        """Then it is looked at later."""
        self.authority.recovering = True
        self.expiry.watch()
        self.clock.advance(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.assertEqual(self.ended, [])
        self.authority.recovering = False
        self.clock.advance(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.assertEqual(self.ended, [(self.short, "token_expired")])

    def test_it_stops(self) -> None:
        self.expiry.stop()
        self.expiry.watch()
        self.expiry.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
