"""Invitation links: secrets by which whoever holds one joins a group.

`chatd.core.link_rules` decides the commands on links.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from chatd.core.accounts import Secret
from chatd.core.events import Conversation

INVITATION_LINK_SECRET_BYTES: Final = 20
"""The number of random bytes in a link: 160 bits, which nobody guesses."""


def make_invitation_link_secret(random_bytes: bytes) -> Secret:
    """Return an invitation link made of `INVITATION_LINK_SECRET_BYTES` random bytes: ``invite_`` and
    hexadecimal digits.
    """
    return Secret(f"invite_{random_bytes.hex()}")


def invitation_link_digest(secret: Secret) -> Secret:
    """Return the SHA-256 digest of the ``secret`` of an invitation link, in hexadecimal.

    Only the digest is stored.

    For why a fast hash suffices, see `chatd.core.tokens.token_digest`.
    """
    return Secret(sha256(secret.encode()).hexdigest())


class InvitationLink(msgspec.Struct, frozen=True, eq=False):
    """An invitation link to the group of ``conversation``.

    ``digest``, the digest of its secret, identifies it.

    ``number`` identifies the link among those of the group. ``maker_id`` is the id of the user who has made
    the link. The maker is a member, because the link is deleted when the maker leaves. ``made_at`` and
    ``expires_at`` are times in milliseconds since 1970. ``use_count`` is the number of users who have joined
    by the link.
    """

    digest: Secret
    conversation: Conversation
    number: int
    maker_id: int
    made_at: int
    expires_at: int
    use_count: int = 0

    def has_expired(self, now: int) -> bool:
        """Return whether the link has expired at the time ``now``, in milliseconds since 1970."""
        return self.expires_at <= now


class InvitationLinkDeleted(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes the invitation link ``link``."""

    link: InvitationLink
