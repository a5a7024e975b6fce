"""Tokens: secrets that a registered user gives to programs, which log in with them instead of the password.

`chatd.core.token_rules` decides the commands on tokens, and what a session with a token may do.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, Literal

import msgspec

from chatd.core.accounts import Secret
from chatd.core.events import Conversation, User

TokenAccess = Literal["read", "write"]
"""What a token allows: to read, or to read and to write messages."""

TOKEN_SECRET_BYTES: Final = 20
"""The number of random bytes in the secret of a token: 160 bits, which nobody guesses."""

_SECRET: Final = re.compile(rf"chatd_[0-9a-f]{{{2 * TOKEN_SECRET_BYTES}}}")


def make_token_secret(random_bytes: bytes) -> Secret:
    """Return the secret of a token, made of `TOKEN_SECRET_BYTES` random bytes: ``chatd_`` and hexadecimal
    digits.

    The prefix lets people and secret scanners recognize a leaked token.
    """
    return Secret(f"chatd_{random_bytes.hex()}")


def is_token_secret(password: str) -> bool:
    """Return whether ``password`` has the form of a token's secret. No password of a user has that form."""
    return _SECRET.fullmatch(password) is not None


def token_digest(secret: Secret) -> Secret:
    """Return the SHA-256 digest of the ``secret`` of a token, in hexadecimal. Only the digest is stored.

    A slow hash would gain nothing: unlike a password, the secret has too many bits to be guessed.
    """
    return Secret(sha256(secret.encode()).hexdigest())


class Token(msgspec.Struct, frozen=True, eq=False):
    """A token, by which a program logs in as ``user`` without a password.

    ``digest``, the digest of its secret, identifies it, and ``name`` identifies it among the user's tokens.
    ``access`` and ``conversation_ids`` are its scope. ``access`` says whether the token can only read.
    ``conversation_ids`` are the ids of the conversations in which it can be used, or None for all in which
    the user takes part. ``made_at`` and ``expires_at`` are times in milliseconds since 1970; a token without
    ``expires_at`` is valid until it is revoked.
    """

    user: User
    name: str
    digest: Secret
    access: TokenAccess
    conversation_ids: frozenset[int] | None
    made_at: int
    expires_at: int | None = None

    @property
    def is_limited_to_conversations(self) -> bool:
        """Whether the token can be used for some conversations only."""
        return self.conversation_ids is not None

    def covers(self, conversation: int) -> bool:
        """Return whether the token can be used in the conversation with the id ``conversation``."""
        return self.conversation_ids is None or conversation in self.conversation_ids

    def has_expired(self, now: int) -> bool:
        """Return whether the token has expired at the time ``now``, in milliseconds since 1970."""
        return self.expires_at is not None and self.expires_at <= now


class TokenDeleted(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes ``token``. A new `Credential` of the token's user deletes it as well."""

    token: Token


def token_covers(token: Token | None, conversation: Conversation) -> bool:
    """Return whether ``token`` can be used in ``conversation``. The result is True if ``token`` is None."""
    return token is None or token.covers(conversation.id)


def same_token(one: Token | None, other: Token | None) -> bool:
    """Return whether ``one`` and ``other`` are the same token, or are both None (a session without a
    token).
    """
    return (one and one.digest) == (other and other.digest)
