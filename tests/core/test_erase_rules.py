"""The decision to erase a user: what groups are told, and what becomes of the moderation log."""

from __future__ import annotations

from chatd.core import commands as c
from chatd.core.accounts import AccountPolicy, Credential, Secret
from chatd.core.erase_rules import check_may_erase, decide_erasure
from chatd.core.events import CONSOLE, User
from chatd.core.moderation import ModerationKind, UserErased
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from tests.support.rules_case import Chat, RulesTestCase, happening

NOW = 1_000


class EraseRules(RulesTestCase):
    def setUp(self) -> None:
        self.chat = Chat("alice", "bob", "carol")
        self.state = self.chat.state
        self.alice, self.bob, self.carol = (self.chat.user(nick) for nick in ("alice", "bob", "carol"))

    def acts(self, operator: User, kind: ModerationKind, target: str, reason: str = "why") -> None:
        """Add an entry to the moderation log."""
        self.state.apply(self.state.build_moderation_entry(operator, kind, target, NOW, None, reason))

    def erased(self, user: User) -> Decision:
        """Decide and apply the erasure."""
        decision = decide_erasure(self.state, user, NOW)
        for change in (*decision.records, *decision.events):
            self.state.apply(change)
        return decision

    def test_groups_are_left_to_their_heirs(self) -> None:
        self.chat.does("alice", c.CreateGroup("wob"))
        self.chat.does("bob", c.Join("wob"))
        self.chat.does("alice", c.SetTopic("wob", "rain"))
        self.chat.does("carol", c.CreateGroup("den", "private"))
        self.chat.does("carol", c.SetTopic("den", "snow"))
        self.chat.does("carol", c.Invite("den", "alice"))
        decision = self.erased(self.alice)
        self.assertEqual(
            [happening(event) for event in decision.events],
            [
                "alice declined den",
                "@console topic wob",
                "alice left wob",
                "alice promoted wob bob: owner",
            ],
        )
        wob, den = self.state.find_group("wob"), self.state.find_group("den")
        assert wob is not None
        assert den is not None
        self.assertEqual((wob.topic, den.topic, wob.role(self.bob)), ("", "snow", "owner"))
        self.assertEqual(self.state.count_invitations_to(self.alice), 0)

    def test_the_name_is_free_and_nobody_logs_in_under_the_neutral_one(self) -> None:
        self.state.apply(Credential(self.alice, Secret("x")))
        erased = self.erased(self.alice).records[0]
        assert isinstance(erased, UserErased)
        self.assertEqual((erased.user.id, erased.user.nick), (self.alice.id, "erased~1"))
        self.assertEqual(self.state.credentials[self.alice.id].hash, "")
        self.assertRaises(Refusal, self.state.require_user, "alice")
        self.erased(self.bob)
        self.assertEqual([user.nick for user in self.state.users.values()], ["erased~1", "erased~2", "carol"])

    def test_the_moderation_log_keeps_the_acts_and_loses_the_nick(self) -> None:
        self.acts(CONSOLE, "appoint", "Alice")
        self.acts(self.bob, "mute", "alice")
        self.acts(self.bob, "block", "ALICE")
        self.acts(self.bob, "block", "192.0.2.0/24", "it was alice, again")
        self.acts(self.bob, "give", "wob alice")
        self.acts(self.bob, "give", "alice bob")
        self.acts(CONSOLE, "export", "user alice", "")
        self.acts(CONSOLE, "export", "group alice", "")
        self.acts(self.alice, "mute", "carol")
        self.acts(self.bob, "mute", "alicette", "like alicette")
        self.acts(self.bob, "announce", "", "Alice, come home")
        self.erased(self.alice)
        self.assertEqual(
            [(act.operator.nick, act.kind, act.target, act.reason) for act in self.state.moderations],
            [
                ("@console", "appoint", "erased~1", ""),
                ("bob", "mute", "erased~1", ""),
                ("bob", "block", "erased~1", ""),
                ("bob", "block", "192.0.2.0/24", ""),
                ("bob", "give", "wob erased~1", ""),
                ("bob", "give", "alice bob", "why"),
                ("@console", "export", "user erased~1", ""),
                ("@console", "export", "group alice", ""),
                ("erased~1", "mute", "carol", ""),
                ("bob", "mute", "alicette", "like alicette"),
                ("bob", "announce", "", ""),
                ("@console", "erase", "", ""),
                ("@console", "dismiss", "erased~1", ""),
            ],
        )

    def test_sanctions_of_the_nick_end_and_those_of_addresses_stay(self) -> None:
        self.acts(self.bob, "mute", "alice")
        self.acts(self.bob, "block", "alice")
        self.acts(self.bob, "block", "192.0.2.0/24")
        self.acts(CONSOLE, "appoint", "alice")
        self.erased(self.alice)
        self.assertIsNone(self.state.latest_mute_or_block("mute", "alice"))
        self.assertIsNone(self.state.latest_mute_or_block("block", "alice"))
        self.assertEqual(list(self.state.blocked_networks), ["192.0.2.0/24"])
        self.assertEqual(self.state.appointed_operator_nicks, {})

    def test_an_operator_of_the_configuration_is_not_erased(self) -> None:
        """Whoever takes the nick would be an operator."""
        policy = AccountPolicy(operators=("ALICE",))
        refused = self.assertRaises(Refusal, check_may_erase, self.alice, policy)
        self.assertEqual(refused.code, "configured_operator")
        check_may_erase(self.bob, policy)
