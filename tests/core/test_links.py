"""Invitation links: their form, their digests, and what they show of themselves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.answers import InvitationLinkListItem, InvitationLinkMade
from chatd.core.events import Conversation
from chatd.core.limits import Limits
from chatd.core.links import (
    INVITATION_LINK_SECRET_BYTES,
    InvitationLink,
    invitation_link_digest,
    make_invitation_link_secret,
)
from chatd.core.tokens import is_token_secret

LINK = make_invitation_link_secret(bytes(range(INVITATION_LINK_SECRET_BYTES)))


class Links(SynchronousTestCase):
    def test_its_form(self) -> None:
        """No token has it."""
        self.assertEqual(str(LINK), "invite_000102030405060708090a0b0c0d0e0f10111213")
        self.assertFalse(is_token_secret(LINK))

    def test_its_digest(self) -> None:
        digest = invitation_link_digest(LINK)
        self.assertEqual(str(digest), "97be2c8a4da1242b57321deeedd9552f6fc6e0752a15779e57bf04254d6efb96")

    def test_no_repr_has_it(self) -> None:
        digest = invitation_link_digest(LINK)
        link = InvitationLink(digest, Conversation(2, "group", "wob"), 1, 1, 0, 60_000)
        made = InvitationLinkMade(InvitationLinkListItem("wob", 1, "alice", 0, 60_000, 0), LINK)
        used = c.COMMANDS["uselink"].build({"link": str(LINK)}, Limits())
        for shown in map(repr, (link, made, used, LINK, digest)):
            self.assertNotIn(str(LINK)[7:], shown)
            self.assertNotIn(str(digest), shown)

    def test_when_it_has_expired(self) -> None:
        link = InvitationLink(invitation_link_digest(LINK), Conversation(2, "group", "wob"), 1, 1, 0, 60_000)
        self.assertEqual([link.has_expired(now) for now in (59_999, 60_000)], [False, True])
