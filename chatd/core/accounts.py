"""Accounts: passwords, the credentials of registered users, and the settings in ``[accounts]``.

A user with a credential is registered; a closed account keeps a credential with `CLOSED_ACCOUNT_HASH`.
`chatd.core.account_rules` decides the commands on accounts.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import msgspec
from precis_i18n import get_profile

from chatd.core.events import User

_OPAQUE_STRING: Final = get_profile("OpaqueString")


class Secret(str):
    """A text that must not appear in a log or a traceback: a password, a token, a link, or a hash of one of
    them.

    Its ``repr`` hides the text; ``str`` returns it.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the password or link in ``text``, normalized by RFC 8265 (OpaqueString).

        Blanks at both ends are removed. Different Unicode encodings of the same characters give the same
        secret. Return None if ``text`` is blank, or contains control characters or others that OpaqueString
        disallows.
        """
        try:
            return cls(_OPAQUE_STRING.enforce(text.strip()))
        except UnicodeEncodeError:
            return None

    def __repr__(self) -> str:
        return "Secret(…)"


CLOSED_ACCOUNT_HASH: Final = Secret("")
"""The value that a closed account has instead of a password hash. No password matches it."""


class Credential(msgspec.Struct, frozen=True, eq=False):
    """The password hash of a registered user.

    ``hash`` is the encoded argon2id string, or `CLOSED_ACCOUNT_HASH` if nobody can log in to the account.
    ``registered_at`` is the time of the registration, in milliseconds since 1970, or None if that is not
    known.
    """

    user: User
    hash: Secret
    registered_at: int | None = None


def same_password_hash(one: Credential | None, other: Credential | None) -> bool:
    """Return whether two credentials have the same password hash, or are both None.

    Each hash has its own random salt. The result is therefore False after any password change, even to the
    same password.
    """
    return (one and one.hash) == (other and other.hash)


class UserRenamed(msgspec.Struct, frozen=True, eq=False):
    """A record that gives a user a new nick after the account was closed. Clients are not told.

    ``user`` is the renamed user: with the same id, the new nick, and the normalized form of that nick
    (``key``).
    """

    user: User


class AccountPolicy(msgspec.Struct, forbid_unknown_fields=True):
    """The settings in the ``[accounts]`` section of chatd.toml; each attribute is a key of the section.

    A daemon has one `AccountPolicy`, which all its parts share. They read it at each use, because reloading
    chatd.toml changes the object in place.
    """

    names: Literal["open", "registered"] = "open"
    """Who may write: everyone (``open``), or ``registered`` users only; the others may read and register."""
    operators: tuple[str, ...] = ()
    """Nicks of the server operators; a nick has the operator's rights only while it is registered."""
    password_min: Annotated[int, msgspec.Meta(ge=1)] = 8
    """Characters that a new password must have."""
    argon2_memory: Annotated[int, msgspec.Meta(ge=8)] = 19 * 1024
    """Memory that it takes to hash a password, in KiB; applies to new passwords."""
    argon2_time: Annotated[int, msgspec.Meta(ge=1)] = 2
    """Passes over that memory; applies to new passwords."""
