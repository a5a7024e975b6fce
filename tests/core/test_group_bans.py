"""To which addresses a ban from a group applies, and who may not join because of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.accounts import Credential, Secret
from chatd.core.group_bans import check_not_banned_by_network, with_banned_networks
from chatd.core.moderation import BannedNetworks
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from tests.support.rules_case import Chat


class BannedNetworksOfGroups(SynchronousTestCase):
    """Alice owns wob; bob and carol are strangers to it."""

    def setUp(self) -> None:
        self.chat = Chat("alice", "bob", "carol")
        self.chat.does("alice", c.CreateGroup("wob"))
        self.state = self.chat.state
        self.bob = self.chat.user("bob")

    def bans(self, command: c.Command, *networks: str) -> BannedNetworks:
        """Decide and apply a ban of somebody who is connected from ``networks``; return its record."""
        decision = with_banned_networks(
            self.state, decide(self.state, self.chat.user("alice"), command), lambda user: networks
        )
        (record,) = decision.records
        assert isinstance(record, BannedNetworks)
        self.state.apply(record)
        for event in decision.events:
            self.state.apply(event)
        return record

    def joins(self, nick: str) -> Decision:
        """The decision on a join."""
        return decide(self.state, self.chat.user(nick), c.Join("wob"))

    def refused(self, nick: str, client_network: str | None) -> bool:
        """Whether a join from ``client_network`` is refused."""
        try:
            check_not_banned_by_network(self.state, self.joins(nick), client_network)
        except Refusal as refusal:
            self.assertEqual(refusal.code, "banned")
            return True
        return False

    def test_of_an_unregistered_user(self) -> None:
        record = self.bans(c.Ban("wob", "bob"), "192.0.2.7", "2001:db8::/64")
        self.assertEqual((record.user, record.networks), (self.bob, ("192.0.2.7", "2001:db8::/64")))
        self.assertTrue(self.refused("carol", "192.0.2.7"))
        self.assertTrue(self.refused("carol", "2001:db8::/64"))
        self.assertFalse(self.refused("carol", "192.0.2.8"))
        self.assertFalse(self.refused("carol", None))

    def test_of_a_registered_user(self) -> None:
        self.state.apply(Credential(self.bob, Secret("x")))
        self.assertEqual(self.bans(c.Ban("wob", "bob"), "192.0.2.7").networks, ())
        self.assertFalse(self.refused("carol", "192.0.2.7"))

    def test_a_registered_user_may_join_from_there(self) -> None:
        self.bans(c.Ban("wob", "bob"), "192.0.2.7")
        self.state.apply(Credential(self.chat.user("carol"), Secret("x")))
        self.assertFalse(self.refused("carol", "192.0.2.7"))

    def test_a_lifted_ban_keeps_no_address(self) -> None:
        self.bans(c.Ban("wob", "bob"), "192.0.2.7")
        self.assertEqual(self.bans(c.Unban("wob", "bob"), "192.0.2.7").networks, ())
        self.assertFalse(self.refused("carol", "192.0.2.7"))

    def test_other_decisions_stay_as_they_are(self) -> None:
        decision = self.joins("carol")
        self.assertIs(with_banned_networks(self.state, decision, lambda user: ("192.0.2.7",)), decision)
