"""Users, groups and conversations: how they enter the state, and how they are found."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.events import LOBBY, ChatEvent
from chatd.core.names import parse_group, parse_nick
from chatd.core.refusals import Refusal
from chatd.core.state import State
from tests.support.rules_case import Chat, command


class Users(SynchronousTestCase):
    def test_they_are_numbered_in_the_order_of_arrival(self) -> None:
        state = State()
        for nick in ("Alice", "bob"):
            state.apply(state.build_user(parse_nick(nick)))
        self.assertEqual(
            [(user.id, user.nick, user.normalized_nick, user.colour) for user in state.users.values()],
            [(1, "Alice", "alice", "#1d873c"), (2, "bob", "bob", "#9f4ed9")],
        )

    def test_a_new_user_is_unknown_until_applied(self) -> None:
        state = State()
        alice = state.build_user(parse_nick("alice"))
        self.assertIsNone(state.find_user(parse_nick("alice")))
        state.apply(alice)
        self.assertIs(state.find_user(parse_nick("ALICE")), alice)

    def test_they_are_found_in_any_case(self) -> None:
        chat = Chat("Straße")
        self.assertIs(chat.state.require_user("STRASSE"), chat.state.users[1])

    def test_an_unknown_user_is_refused(self) -> None:
        for nick in ("bob", "", "no body", "x" * 33):
            refusal = self.assertRaises(Refusal, Chat("alice").state.require_user, nick)
            self.assertEqual((refusal.code, refusal.mentioned_name), ("no_such_user", nick))


class Conversations(SynchronousTestCase):
    def setUp(self) -> None:
        self.chat = Chat("alice", "bob", "carol")
        self.state = self.chat.state
        self.alice, self.bob, self.carol = self.state.users.values()

    def says(self, *lines: str) -> None:
        """Apply lines of a script; refusals are ignored."""
        for line in lines:
            self.chat.outcome(line)

    def test_there_is_a_lobby_from_the_start(self) -> None:
        self.assertEqual(list(State().conversations.values()), [LOBBY])
        self.assertEqual(self.state.build_conversation("group", "wob").id, LOBBY.id + 1)

    def test_a_direct_one_is_the_same_from_both_ends(self) -> None:
        self.assertIsNone(self.state.direct_conversation(self.alice, self.bob))
        self.says("bob: s;alice;hello")
        direct = self.state.direct_conversation(self.alice, self.bob)
        assert direct is not None
        self.assertIs(self.state.direct_conversation(self.bob, self.alice), direct)
        self.assertEqual(direct.pair, (self.alice, self.bob))
        self.assertIs(direct.other_user(self.alice), self.bob)
        self.assertIs(direct.other_user(self.bob), self.alice)

    def test_notes_to_oneself_are_with_oneself(self) -> None:
        self.says("bob: s;bob;buy milk")
        direct = self.state.direct_conversation(self.bob, self.bob)
        assert direct is not None
        self.assertIs(direct.other_user(self.bob), self.bob)
        self.assertEqual(self.state.direct_and_group_conversations_of(self.bob), [direct])

    def test_a_user_may_read_own_direct_conversations_and_groups(self) -> None:
        self.says("alice: cg;wob", "alice: cg;den", "bob: j;den", "bob: s;carol;hi", "alice: s;bob;hi")
        self.says("alice: invite;wob;bob")

        def read_by(nick: str) -> list[str]:
            user = self.chat.user(nick)
            return [
                there.name or there.other_user(user).nick
                for there in self.state.direct_and_group_conversations_of(user)
            ]

        self.assertEqual(read_by("alice"), ["bob", "wob", "den"])
        self.assertEqual(read_by("bob"), ["carol", "alice", "den"])
        self.assertEqual(read_by("carol"), ["bob"])
        self.says("bob: leave;den")
        self.assertEqual(read_by("bob"), ["carol", "alice"])

    def test_messages_change_nothing(self) -> None:
        self.says("alice: cg;wob", "bob: j;wob")
        group = self.state.require_visible_group("wob", self.alice)
        audience = group.member_ids
        self.state.apply(ChatEvent("message", group.conversation, self.carol, None, "owner"))
        self.state.apply(ChatEvent("message", LOBBY, self.carol, None, "owner"))
        self.assertIs(group.member_ids, audience)


class Groups(SynchronousTestCase):
    def setUp(self) -> None:
        self.chat = Chat("alice", "bob", "carol", "dave")
        self.state = self.chat.state

    def seen_by(self, nick: str) -> list[str]:
        """The names of the groups that are visible to ``nick``."""
        return [group.name for group in self.state.groups_visible_to(self.chat.user(nick))]

    def test_are_listed_by_name_the_private_ones_for_members_and_guests(self) -> None:
        for line in (
            "alice: cg;wob",
            "alice: cg;Den;private",
            "alice: cg;attic;private",
            "alice: invite;attic;bob",
            "alice: invite;Den;carol",
            "carol: j;Den",
        ):
            self.chat.outcome(line)
        self.assertEqual(self.seen_by("alice"), ["attic", "Den", "wob"])
        self.assertEqual(self.seen_by("bob"), ["attic", "wob"])
        self.assertEqual(self.seen_by("carol"), ["Den", "wob"])
        self.assertEqual(self.seen_by("dave"), ["wob"])

    def test_are_found_in_any_case_by_those_who_see_them(self) -> None:
        self.chat.outcome("alice: cg;Wob;private")
        alice, bob = self.chat.user("alice"), self.chat.user("bob")
        self.assertIs(self.state.require_visible_group("wOB", alice), self.state.find_group("WOB"))
        for name in ("Wob", "nowhere", "#bad", ""):
            refusal = self.assertRaises(Refusal, self.state.require_visible_group, name, bob)
            self.assertEqual((refusal.code, refusal.mentioned_name), ("no_such_group", name))

    def test_are_private_as_long_as_they_are(self) -> None:
        for line in ("alice: cg;wob", "alice: cg;den;private", "alice: s;bob;hello"):
            self.chat.outcome(line)
        alice, bob = self.chat.user("alice"), self.chat.user("bob")
        wob, den = (self.state.require_visible_group(name, alice).conversation for name in ("wob", "den"))
        direct = self.state.direct_conversation(alice, bob)
        assert direct is not None
        self.assertEqual(
            [self.state.is_private(where) for where in (LOBBY, wob, den, direct)], [False, False, True, True]
        )
        self.chat.outcome("alice: visibility;den;public")
        self.chat.outcome("alice: visibility;wob;private")
        self.assertEqual([self.state.is_private(where) for where in (wob, den)], [True, False])

    def test_an_audience_outlives_what_changes_the_group(self) -> None:
        self.chat.outcome("alice: cg;wob")
        group = self.state.require_visible_group("wob", self.chat.user("alice"))
        alone = group.member_ids
        self.assertIs(group.member_ids, alone)
        self.chat.outcome("bob: j;wob")
        self.assertEqual((alone, group.member_ids), ((1,), (1, 2)))

    def test_roles(self) -> None:
        for line in (
            "alice: cg;wob",
            "bob: j;wob",
            "carol: j;wob",
            "alice: promote;wob;bob",
            "alice: invite;wob;dave",
        ):
            self.chat.outcome(line)
        group = self.state.require_visible_group("wob", self.chat.user("alice"))
        roles = [group.role(user) for user in self.state.users.values()]
        self.assertEqual(roles, ["owner", "operator", "member", "invited"])
        for line in ("bob: leave;wob", "carol: leave;wob", "alice: leave;wob", "bob: ban;wob;dave"):
            self.chat.outcome(line)
        roles = [group.role(user) for user in self.state.users.values()]
        self.assertEqual(roles, ["", "", "", "invited"])
        self.assertIsNone(group.next_owner())

    def test_a_closed_one_counts_for_nobody(self) -> None:
        """Neither as owned nor as an invitation, and nobody sees it until it has an owner again."""
        self.chat.does("alice", command("cg;shut"))
        self.chat.does("alice", command("invite;shut;bob"))
        state, alice, bob = self.chat.state, self.chat.user("alice"), self.chat.user("bob")
        shut = state.require_visible_group("shut", alice)
        owned, invited = state.groups_owned_by(alice), state.count_invitations_to(bob)
        state.apply(ChatEvent("closed", shut.conversation, bob))
        self.assertEqual(state.groups_owned_by(alice), [group for group in owned if group is not shut])
        self.assertEqual(state.count_invitations_to(bob), invited - 1)
        self.assertNotIn(shut.conversation, state.direct_and_group_conversations_of(alice))
        self.assertEqual(([*map(shut.is_visible_to, (alice, bob))], shut.role(alice)), ([False, False], ""))
        state.apply(ChatEvent("joined", shut.conversation, bob))
        state.apply(ChatEvent("promoted", shut.conversation, alice, bob, "owner"))
        self.assertEqual((state.groups_owned_by(bob), shut.is_visible_to(alice)), ([shut], True))


class LookAlikes(SynchronousTestCase):
    def test_users_are_found_by_their_look(self) -> None:
        chat = Chat("Alice", "bob")
        for nick in "a1ice", "ALlCE", "аӏісе", "alice":
            self.assertIs(chat.state.find_similar_user(parse_nick(nick)), chat.user("alice"))
        self.assertIsNone(chat.state.find_similar_user(parse_nick("carol")))

    def test_the_first_of_two_from_before_stands_for_both(self) -> None:
        chat = Chat("alice", "a1ice")
        self.assertIs(chat.state.find_similar_user(parse_nick("aIice")), chat.user("alice"))
        self.assertEqual([chat.user(nick).id for nick in ("alice", "a1ice")], [1, 2])

    def test_groups_are_found_by_their_look_whoever_may_see_them(self) -> None:
        chat = Chat("alice")
        chat.outcome("alice: cg;wob;private")
        self.assertIs(chat.state.find_similar_group(parse_group("w0b")), chat.state.find_group("wob"))
        self.assertIsNone(chat.state.find_similar_group(parse_group("den")))
