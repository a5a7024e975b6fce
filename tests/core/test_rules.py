"""Who may do what, which events follow, and who receives them."""

from __future__ import annotations

from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from chatd.core import commands as c
from chatd.core.commands import COMMANDS, COMMANDS_BY_CLASS, Command
from chatd.core.declarations import CommandDeclaration
from chatd.core.events import ChatEvent
from chatd.core.limits import Limits
from chatd.core.names import confusable_skeleton, parse_group
from chatd.core.refusals import Refusal
from chatd.core.rules import decide, require_group_member
from chatd.core.state import Group, State
from tests.support.effort import effort
from tests.support.rules_case import HISTORIES, NICKS, Chat, RulesTestCase

ON_GROUPS = tuple(
    row
    for row in COMMANDS.values()
    if "group" in row.required_fields and row.required_role != "server_operators"
)
OF_ROLE = {"not_member", "not_operator", "not_owner"}


class Lobby(RulesTestCase):
    def test_everyone_receives_a_broadcast(self) -> None:
        self.play("""
            alice: broadcast;hello; all
                alice message lobby: hello; all
                told: everyone
        """)


class Direct(RulesTestCase):
    def test_two_users_have_one_conversation_in_either_direction(self) -> None:
        self.play("""
            bob: s;alice;hello
                bob message direct alice: hello
                told: alice bob
            alice: s;BOB;good morning
                alice message direct bob: good morning
                told: alice bob
        """)
        first, second = self.chat.decisions
        self.assertIs(first.events[0].conversation, second.events[0].conversation)
        self.assertEqual(first.records, (first.events[0].conversation,))
        self.assertEqual(second.records, ())

    def test_other_pairs_have_others(self) -> None:
        self.play("""
            alice: s;bob;hello
                alice message direct bob: hello
                told: alice bob
            alice: s;carol;hello
                alice message direct carol: hello
                told: alice carol
        """)
        first, second = self.chat.decisions
        self.assertIsNot(first.events[0].conversation, second.events[0].conversation)

    def test_notes_to_oneself(self) -> None:
        self.play("""
            alice: s;alice;buy milk
                alice message direct alice: buy milk
                told: alice
            alice: s;alice;and bread
                alice message direct alice: and bread
                told: alice
        """)
        self.assertEqual(self.chat.decisions[1].records, ())

    def test_an_unknown_user_is_refused(self) -> None:
        self.play("""
            alice: s;mallory;hello
                no_such_user: unknown user: mallory
            alice: s;no body;hello
                no_such_user: unknown user: no body
        """)


class Creating(RulesTestCase):
    def test_a_name_that_looks_like_another_is_refused(self) -> None:
        """The refusal does not reveal the name of a private group to non-members."""
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: cg;w0b
                bad_group: w0b is not a valid group name: it looks like wob: choose another name
            alice: cg;lair;private
                alice created lair: private
                told: alice
            bob: cg;la1r
                bad_group: la1r is not a valid group name: a name in use looks the same: choose another name
            alice: cg;la1r
                bad_group: la1r is not a valid group name: it looks like lair: choose another name
        """)

    @settings(max_examples=effort(200), deadline=None)
    @given(st.lists(st.text("aаAɑlLI1iıоo0OrnmMкkКeе", min_size=1, max_size=3), max_size=30))
    def test_groups_side_by_side_never_have_the_same_skeleton(self, names: list[str]) -> None:
        chat = Chat("alice")
        for name in names:
            chat.outcome(f"alice: cg;{name}")
        shown = [place.name for place in chat.state.conversations.values() if place.kind == "group"]
        self.assertEqual(len({confusable_skeleton(name) for name in shown}), len(shown))
        keys = [parse_group(name).normalized for name in shown]
        self.assertEqual(len({confusable_skeleton(key) for key in keys}), len(keys))

    def test_a_reserved_name_is_refused(self) -> None:
        self.play("""
            alice: cg;Lobby
                bad_group: Lobby is not a valid group name: "lobby" is reserved: choose another name
            alice: cg;r00t
                bad_group: r00t is not a valid group name: it looks like root: choose another name
            alice: cg;/etc
                bad_group: /etc is not a valid group name: a name must not start with "/"
        """)

    def test_the_creator_owns_it(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            wob?
                public: alice (owner)
            alice: cg;den;private
                alice created den: private
                told: alice
            den?
                private: alice (owner)
        """)

    def test_a_name_is_taken_in_any_case_and_even_by_a_private_group(self) -> None:
        """The refusal does not reveal how a private group spells its name."""
        self.play("""
            alice: cg;Wob;private
                alice created Wob: private
                told: alice
            bob: cg;wOB
                group_exists: group already exists: wOB; join it, or choose another name
        """)

    def test_bad_names(self) -> None:
        self.play("""
            alice: cg;#wob
                bad_group: #wob is not a valid group name: a name must not start with "#"
            alice: cg;w b
                bad_group: w b is not a valid group name: a name must not contain spaces: remove U+0020
        """)


class Joining(RulesTestCase):
    def test_a_public_group_takes_anyone_once(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;WOB
                bob joined wob
                told: alice bob
            bob: j;wob
                already_member: bob is already a member of wob
            bob: j;bow
                no_such_group: unknown group: bow
            wob?
                public: alice (owner), bob (member)
        """)

    def test_a_private_group_takes_the_invited_and_uses_the_invitation_up(self) -> None:
        self.play("""
            alice: cg;wob;private
                alice created wob: private
                told: alice
            bob: j;wob
                not_invited: wob is private: ask a member to invite you
            alice: invite;wob;bob
                alice invited wob bob
                told: alice bob
            wob?
                private: alice (owner); invited [2]
            bob: j;wob
                bob joined wob
                told: alice bob
            wob?
                private: alice (owner), bob (member)
            bob: leave;wob
                bob left wob
                told: alice bob
            bob: j;wob
                not_invited: wob is private: ask a member to invite you
        """)

    def test_the_banned_stay_out(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            alice: ban;wob;bob;spam
                alice banned wob bob: spam
                told: alice bob
            bob: j;wob
                banned: bob is banned from wob: ask an operator to lift the ban
        """)


class Entering(RulesTestCase):
    def test_joins_unless_the_user_is_a_member(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: enter;WOB
                bob joined wob
                told: alice bob
            bob: enter;wob
                told: nobody
            alice: ban;wob;bob
                alice banned wob bob
                told: alice bob
            bob: enter;wob
                banned: bob is banned from wob: ask an operator to lift the ban
            alice: visibility;wob;private
                alice visibility wob: private
                told: alice
            carol: enter;wob
                not_invited: wob is private: ask a member to invite you
            carol: enter;den
                no_such_group: unknown group: den
        """)

    def test_creates_only_on_request(self) -> None:
        created = self.chat.does("alice", c.EnterGroup("den", "create"))
        self.assertEqual([event.kind for event in created.events], ["created"])
        joined = self.chat.does("bob", c.EnterGroup("Den", "create"))
        self.assertEqual([event.kind for event in joined.events], ["joined"])
        lobby = self.chat.does("bob", c.EnterGroup(""))
        self.assertEqual((lobby.events, lobby.already_joined_group_name), ((), ""))
        bad = self.assertRaises(Refusal, self.chat.does, "bob", c.EnterGroup("#den", "create"))
        self.assertEqual(bad.code, "bad_group")


class Images(RulesTestCase):
    def test_they_are_said_like_messages(self) -> None:
        self.chat.outcome("alice: cg;wob")
        for asked, where, audience in (
            (c.SendToLobby("##", "image"), "lobby", None),
            (c.SendToGroup("wob", "##", "image"), "group", (1,)),
            (c.SendToUser("alice", "##", "image"), "direct", (1,)),
        ):
            decision = self.chat.does("alice", asked)
            (event,) = decision.events
            self.assertEqual((event.kind, event.is_message, event.body), ("image", True, "##"))
            self.assertEqual((event.conversation.kind, self.chat.audiences[-1]), (where, [audience]))


class Actions(RulesTestCase):
    def kinds(self, text: str, kind: Literal["message", "image", "notice"] = "message") -> set[str]:
        """The kinds of what is stored of a text, in the lobby, in a group and between two users."""
        asked = (
            c.SendToLobby(text, kind),
            c.SendToGroup("wob", text, kind),
            c.SendToUser("alice", text, kind),
        )
        events = [event for command in asked for event in self.chat.does("alice", command).events]
        self.assertEqual({event.body for event in events}, {text})
        self.assertTrue(all(event.is_message for event in events))
        return {event.kind for event in events}

    def test_a_message_that_begins_with_me(self) -> None:
        """And says something behind it."""
        self.chat.outcome("alice: cg;wob")
        for text in ("/me waves", "/me  waves\nand goes", "/me /me", "/me \n."):
            self.assertEqual(self.kinds(text), {"action"}, text)
        for text in (
            "/me",
            "/me ",
            "/me \n\t ",
            "/ME waves",
            " /me waves",
            "/mewaves",
            "/me\twaves",
            "hello /me x",
        ):
            self.assertEqual(self.kinds(text), {"message"}, text)

    def test_no_other_kind_becomes_one(self) -> None:
        self.chat.outcome("alice: cg;wob")
        self.assertEqual(self.kinds("/me waves", "image"), {"image"})
        self.assertEqual(self.kinds("/me waves", "notice"), {"notice"})
        self.assertEqual(self.kinds("hello", "notice"), {"notice"})


class Speaking(RulesTestCase):
    def test_members_speak_to_members(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            bob: bg;wob;hello; you
                bob message wob: hello; you
                told: alice bob
            carol: bg;wob;hello
                not_member: you are not a member of wob: join it first
        """)


class Leaving(RulesTestCase):
    def test_a_member_leaves(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            bob: leave;wob
                bob left wob
                told: alice bob
            bob: leave;wob
                not_member: you are not a member of wob: join it first
            wob?
                public: alice (owner)
        """)

    def test_the_longest_standing_operator_inherits(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            carol: j;wob
                carol joined wob
                told: alice bob carol
            dave: j;wob
                dave joined wob
                told: alice bob carol dave
            alice: promote;wob;dave
                alice promoted wob dave
                told: alice bob carol dave
            alice: promote;wob;carol
                alice promoted wob carol
                told: alice bob carol dave
            alice: leave;wob
                alice left wob
                alice promoted wob carol: owner
                told: alice bob carol dave
            wob?
                public: bob (member), carol (owner), dave (operator)
        """)

    def test_else_the_longest_standing_member_inherits(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            carol: j;wob
                carol joined wob
                told: alice bob carol
            bob: leave;wob
                bob left wob
                told: alice bob carol
            bob: j;wob
                bob joined wob
                told: alice bob carol
            alice: leave;wob
                alice left wob
                alice promoted wob carol: owner
                told: alice bob carol
            wob?
                public: carol (owner), bob (member)
        """)

    def test_an_operator_who_leaves_is_a_plain_member_when_back(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob
            bob: leave;wob
                bob left wob
                told: alice bob
            bob: j;wob
                bob joined wob
                told: alice bob
            wob?
                public: alice (owner), bob (member)
        """)

    def test_the_last_owner_walks_back_into_a_private_group(self) -> None:
        self.play("""
            alice: cg;wob;private
                alice created wob: private
                told: alice
            alice: leave;wob
                alice left wob
                told: alice
            bob: j;wob
                not_invited: wob is private: ask a member to invite you
            alice: bg;wob;echo
                no_such_group: unknown group: wob
            alice: j;wob
                alice joined wob
                alice promoted wob alice: owner
                told: alice
            wob?
                private: alice (owner)
        """)

    def test_no_other_user_walks_back_into_it(self) -> None:
        self.play("""
            alice: cg;wob;private
                alice created wob: private
                told: alice
            alice: invite;wob;bob
                alice invited wob bob
                told: alice bob
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: leave;wob
                alice left wob
                alice promoted wob bob: owner
                told: alice bob
            bob: leave;wob
                bob left wob
                told: bob
            alice: j;wob
                not_invited: wob is private: ask a member to invite you
        """)

    def test_a_stranger_who_joins_an_empty_public_group_owns_it(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            alice: leave;wob
                alice left wob
                told: alice
            wob?
                public: empty
            bob: j;wob
                bob joined wob
                bob promoted wob bob: owner
                told: bob
            alice: j;wob
                alice joined wob
                told: alice bob
            wob?
                public: bob (owner), alice (member)
        """)


class Inviting(RulesTestCase):
    def test_any_member_invites_anyone_known_once(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            bob: invite;wob;carol
                bob invited wob carol
                told: alice bob carol
            alice: invite;wob;Carol
                already_invited: carol is already invited to wob
            alice: invite;wob;bob
                already_member: bob is already a member of wob
            alice: invite;wob;alice
                already_member: alice is already a member of wob
            alice: invite;wob;mallory
                no_such_user: unknown user: mallory
            carol: invite;wob;dave
                not_member: you are not a member of wob: join it first
        """)

    def test_the_banned_can_not_be_invited(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            alice: ban;wob;bob
                alice banned wob bob
                told: alice bob
            alice: invite;wob;bob
                banned: bob is banned from wob: ask an operator to lift the ban
        """)

    def test_an_invitation_outlives_the_change_of_visibility(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            alice: invite;wob;bob
                alice invited wob bob
                told: alice bob
            alice: visibility;wob;private
                alice visibility wob: private
                told: alice
            bob: bg;wob;hello
                not_member: you are not a member of wob: join it first
            bob: j;wob
                bob joined wob
                told: alice bob
        """)


class Kicking(RulesTestCase):
    def test_a_kicked_user_is_told_and_may_come_back(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: kick;wob;bob;too loud; really
                alice kicked wob bob: too loud; really
                told: alice bob
            alice: kick;wob;bob
                no_such_member: bob is not a member of wob
            alice: kick;wob;mallory
                no_such_user: unknown user: mallory
            bob: j;wob
                bob joined wob
                told: alice bob
        """)

    def test_a_private_group_needs_a_new_invitation(self) -> None:
        self.play("""
            alice: cg;wob;private
                alice created wob: private
                told: alice
            alice: invite;wob;bob
                alice invited wob bob
                told: alice bob
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: kick;wob;bob
                alice kicked wob bob
                told: alice bob
            bob: bg;wob;hey
                no_such_group: unknown group: wob
            bob: j;wob
                not_invited: wob is private: ask a member to invite you
            alice: invite;wob;bob
                alice invited wob bob
                told: alice bob
            bob: j;wob
                bob joined wob
                told: alice bob
        """)

    def test_operators_kick_anyone_but_the_owner(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            carol: j;wob
                carol joined wob
                told: alice bob carol
            bob: kick;wob;carol
                not_operator: only the owner and the operators of wob may do this
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob carol
            alice: promote;wob;carol
                alice promoted wob carol
                told: alice bob carol
            bob: kick;wob;alice
                is_owner: alice owns wob: this can't be done to the owner
            alice: kick;wob;alice
                is_owner: alice owns wob: this can't be done to the owner
            bob: kick;wob;carol
                bob kicked wob carol
                told: alice bob carol
            carol: j;wob
                carol joined wob
                told: alice bob carol
            wob?
                public: alice (owner), bob (operator), carol (member)
        """)


class Banning(RulesTestCase):
    def test_a_ban_puts_out_and_keeps_out_until_it_is_lifted(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob
            alice: ban;wob;bob;spam
                alice banned wob bob: spam
                told: alice bob
            wob?
                public: alice (owner); banned [2]
            alice: ban;wob;bob
                already_banned: bob is already banned from wob
            bob: bg;wob;hey
                not_member: you are not a member of wob: join it first
            alice: unban;wob;bob
                alice unbanned wob bob
                told: alice bob
            alice: unban;wob;bob
                not_banned: bob is not banned from wob
            wob?
                public: alice (owner)
            bob: j;wob
                bob joined wob
                told: alice bob
            wob?
                public: alice (owner), bob (member)
        """)

    def test_a_ban_of_one_who_is_no_member_takes_the_invitation_away(self) -> None:
        self.play("""
            alice: cg;wob;private
                alice created wob: private
                told: alice
            alice: invite;wob;bob
                alice invited wob bob
                told: alice bob
            alice: ban;wob;bob
                alice banned wob bob
                told: alice bob
            bob: j;wob
                banned: bob is banned from wob: ask an operator to lift the ban
            alice: unban;wob;bob
                alice unbanned wob bob
                told: alice bob
            bob: j;wob
                not_invited: wob is private: ask a member to invite you
        """)

    def test_operators_ban_anyone_but_the_owner(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            bob: ban;wob;carol
                not_operator: only the owner and the operators of wob may do this
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob
            bob: ban;wob;alice
                is_owner: alice owns wob: this can't be done to the owner
            bob: ban;wob;mallory
                no_such_user: unknown user: mallory
            bob: ban;wob;carol
                bob banned wob carol
                told: alice bob carol
            alice: demote;wob;bob
                alice demoted wob bob
                told: alice bob
            bob: unban;wob;carol
                not_operator: only the owner and the operators of wob may do this
            alice: unban;wob;mallory
                no_such_user: unknown user: mallory
        """)


class Operators(RulesTestCase):
    def test_the_owner_makes_and_unmakes_operators(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob
            alice: promote;wob;bob
                already_operator: bob is already an operator of wob
            alice: promote;wob;alice
                is_owner: alice owns wob: this can't be done to the owner
            alice: promote;wob;carol
                no_such_member: carol is not a member of wob
            alice: promote;wob;mallory
                no_such_user: unknown user: mallory
            bob: demote;wob;bob
                not_owner: only the owner of wob may do this
            alice: demote;wob;bob
                alice demoted wob bob
                told: alice bob
            alice: demote;wob;bob
                no_such_operator: bob is not an operator of wob
            alice: demote;wob;alice
                is_owner: alice owns wob: this can't be done to the owner
            alice: demote;wob;mallory
                no_such_user: unknown user: mallory
            bob: promote;wob;bob
                not_owner: only the owner of wob may do this
        """)


class Settings(RulesTestCase):
    def test_the_owner_shows_and_hides_the_group(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob
            bob: visibility;wob;private
                not_owner: only the owner of wob may do this
            alice: visibility;wob;private
                alice visibility wob: private
                told: alice bob
            carol: bg;wob;hello
                no_such_group: unknown group: wob
            alice: visibility;wob;public
                alice visibility wob: public
                told: alice bob
            carol: j;wob
                carol joined wob
                told: alice bob carol
        """)

    def test_owner_and_operators_set_the_topic(self) -> None:
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
            bob: topic;wob;me
                not_operator: only the owner and the operators of wob may do this
            alice: promote;wob;bob
                alice promoted wob bob
                told: alice bob
            bob: topic;wob;the weather; mostly
                bob topic wob: the weather; mostly
                told: alice bob
            wob?
                public: alice (owner), bob (operator); about the weather; mostly
            alice: topic;wob
                alice topic wob
                told: alice bob
            wob?
                public: alice (owner), bob (operator)
        """)


class WhoMay(RulesTestCase):
    """The table's ``who``, held against the rules."""

    def setUp(self) -> None:
        super().setUp()
        for line in ("alice: cg;wob", "bob: j;wob", "carol: j;wob", "alice: promote;wob;bob"):
            self.chat.outcome(line)

    def refusal(self, nick: str, row: CommandDeclaration, dest: str = "carol") -> Refusal | None:
        """How a command of ``nick`` on wob is refused, or None; the state does not change."""
        values = {"group": "wob", "dest": dest, "msg": "hello", "visibility": "private", "mode": "all"}
        values["number"] = "1"
        asked = row.build({name: values[name] for name in row.required_fields}, Limits())
        actor = self.chat.user(nick)
        try:
            if row.answer == "ack":
                decide(self.chat.state, actor, asked)
            else:
                require_group_member(self.chat.state, actor, "wob")
        except Refusal as refusal:
            return refusal
        return None

    def test_which_role_is_refused_which_command(self) -> None:
        refused_to = {
            "identified": {},
            "members": {"dave": "not_member"},
            "operators": {"dave": "not_member", "carol": "not_operator"},
            "owner": {"dave": "not_member", "carol": "not_owner", "bob": "not_owner"},
        }
        for row in ON_GROUPS:
            refusals = {nick: self.refusal(nick, row) for nick in ("alice", "bob", "carol", "dave")}
            codes = {nick: refusal.code for nick, refusal in refusals.items() if refusal is not None}
            of_role = {nick: code for nick, code in codes.items() if code in OF_ROLE}
            self.assertEqual(of_role, refused_to[row.required_role], row.name)

    def test_a_private_group_does_not_exist_for_strangers(self) -> None:
        self.chat.outcome("alice: visibility;wob;private")
        for row in ON_GROUPS:
            if row.command in (c.CreateGroup, c.Join, c.EnterGroup):
                continue
            for dest in ("alice", "carol", "dave", "mallory"):
                hidden = self.refusal("dave", row, dest)
                assert hidden is not None, row.name
                self.assertEqual(hidden.code, "no_such_group", row.name)
                self.assertEqual(hidden.text, "unknown group: wob")


def groups(state: State) -> list[Group]:
    """All groups."""
    found = [state.find_group(there.name) for there in state.conversations.values() if there.kind == "group"]
    return [group for group in found if group is not None]


def contents(state: State) -> object:
    """The contents of a state, for comparison."""
    held = [
        (
            group.conversation.id,
            group.name,
            group.owner and group.owner.id,
            group.visibility,
            group.topic,
            list(group.members),
            sorted(group.operator_ids),
            sorted(group.invitations),
            sorted(group.banned_user_ids),
        )
        for group in groups(state)
    ]
    return list(state.users), list(state.conversations), held


class AnyHistory(RulesTestCase):
    @settings(max_examples=effort(150), deadline=None)
    @given(HISTORIES)
    def test_leaves_a_sound_state_that_its_events_give_again(self, acts: list[tuple[str, Command]]) -> None:
        chat = Chat(*NICKS)
        for nick, asked in acts:
            before = contents(chat.state)
            try:
                chat.does(nick, asked)
            except Refusal as refusal:
                self.assertIn(refusal.code, COMMANDS_BY_CLASS[type(asked)].refusal_codes)
                self.assertTrue(refusal.text)
                self.assertEqual(contents(chat.state), before)
                continue
            self.check_groups(chat.state)
        again = State()
        for user in chat.state.users.values():
            again.apply(user)
        for decision in chat.decisions:
            for record in decision.records:
                again.apply(record)
        by_group: list[ChatEvent] = [event for decision in chat.decisions for event in decision.events]
        by_group.sort(key=lambda event: event.conversation.id)
        for event in by_group:
            again.apply(event)
        self.assertEqual(contents(again), contents(chat.state))

    def check_groups(self, state: State) -> None:
        """Check the invariants of every group."""
        for group in groups(state):
            members = set(group.members)
            self.assertIsNotNone(group.owner)
            owner = {group.owner.id} if group.owner is not None else set()
            self.assertTrue(not members or owner <= members)
            self.assertLessEqual(group.operator_ids, members - owner)
            self.assertFalse(members & group.banned_user_ids)
            self.assertFalse(members & set(group.invitations))
            self.assertFalse(set(group.invitations) & group.banned_user_ids)
            self.assertEqual(group.member_ids, tuple(sorted(group.members)))
