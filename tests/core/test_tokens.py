"""The values of tokens: their secrets, digests and scopes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.accounts import Secret
from chatd.core.events import LOBBY, Conversation, User
from chatd.core.tokens import (
    Token,
    is_token_secret,
    make_token_secret,
    same_token,
    token_covers,
    token_digest,
)

ALICE = User(1, "alice", "alice", "#000000")
WOB = Conversation(2, "group", "wob")


def token(
    secret: str = "x", conversations: frozenset[int] | None = None, expires: int | None = None
) -> Token:
    """A token of alice's."""
    return Token(ALICE, "deploy", token_digest(Secret(secret)), "read", conversations, 0, expires)


class Values(SynchronousTestCase):
    def test_the_form_of_a_secret(self) -> None:
        secret = make_token_secret(bytes(range(20)))
        self.assertEqual(str(secret), "chatd_000102030405060708090a0b0c0d0e0f10111213")
        self.assertEqual(Secret.parse(f" {secret} "), secret)
        self.assertTrue(is_token_secret(secret))
        for other in (secret[:-1], f"{secret}0", f"x{secret}", secret.upper(), f"{secret}\n", "chatd_"):
            self.assertFalse(is_token_secret(other), other)

    def test_neither_secret_nor_digest_is_shown(self) -> None:
        one = token()
        self.assertNotIn(one.digest[:8], repr(one))
        self.assertNotIn("x", repr(Secret("x")).removeprefix("Secret"))

    def test_the_same_token(self) -> None:
        """After a failed transaction it is another object; no two have the same digest."""
        self.assertTrue(same_token(token(), token()))
        self.assertTrue(same_token(None, None))
        for one, other in ((token("x"), token("y")), (token(), None), (None, token())):
            self.assertFalse(same_token(one, other))

    def test_the_end(self) -> None:
        self.assertFalse(token().has_expired(10**15))
        self.assertEqual([token(expires=5).has_expired(now) for now in (4, 5, 6)], [False, True, True])

    def test_the_scope(self) -> None:
        limited = token(conversations=frozenset((2,)))
        self.assertEqual(
            (token().is_limited_to_conversations, limited.is_limited_to_conversations), (False, True)
        )
        self.assertEqual([token_covers(limited, one) for one in (WOB, LOBBY)], [True, False])
        self.assertTrue(token_covers(token(), LOBBY) and token_covers(None, LOBBY))
        self.assertFalse(token_covers(token(conversations=frozenset()), LOBBY))
