"""Accounts: passwords and credentials as values, and the policy for them.

A user with a credential is registered. The rules are in `chatd.core.account_rules`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import msgspec
from precis_i18n import get_profile

from chatd.core.events import User

_OPAQUE_STRING: Final = get_profile("OpaqueString")


class Secret(str):
    """A password, or the hash of one. ``repr`` hides it, so that no log and no traceback shows it."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the password that ``text`` spells, or None if it is blank or has control characters.

        Blanks around it do not count, and two spellings of the same characters are one password.
        Source: RFC 8265, OpaqueString.
        """
        try:
            return cls(_OPAQUE_STRING.enforce(text.strip()))
        except UnicodeEncodeError:
            return None

    def __repr__(self) -> str:
        return "Secret(…)"


CLOSED: Final = Secret("")
"""The hash of a closed account, to which no password belongs."""


class Credential(msgspec.Struct, frozen=True, eq=False):
    """The password of a registered user.

    ``hash`` is the encoded argon2id string, or `CLOSED` for an account that nobody can log in to.
    """

    user: User
    hash: Secret


def same_password(one: Credential | None, other: Credential | None) -> bool:
    """Return whether both are the same password of the same user, or both are missing.

    Every hash has a salt of its own, so a password that was set again is another one.
    """
    return (one and one.hash) == (other and other.hash)


class Renamed(msgspec.Struct, frozen=True, eq=False):
    """``user``, a new value with the same id, is known under the nick and the key in it from now on."""

    user: User


class AccountPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values of ``[accounts]`` in chatd.toml; the attributes are its keys."""

    names: Literal["open", "registered"] = "open"
    """Who may write: everyone (``open``), or ``registered`` users only; the others may read and register."""
    password_min: Annotated[int, msgspec.Meta(ge=1)] = 8
    """Characters that a new password must have."""
    argon2_memory: Annotated[int, msgspec.Meta(ge=8)] = 19 * 1024
    """Memory that it takes to hash a password, in KiB; applies to new passwords."""
    argon2_time: Annotated[int, msgspec.Meta(ge=1)] = 2
    """Passes over that memory; applies to new passwords."""
