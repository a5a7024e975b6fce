"""The lists, and which conversation a command reads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core import commands as c
from chatd.core.answers import Answer, Clients, GroupListItem, Groups, Help, Member, Members
from chatd.core.commands import COMMANDS, Command
from chatd.core.events import LOBBY
from chatd.core.queries import LIST_QUERIES, answer_list_command, conversation_of_command, page_request_of
from chatd.core.refusals import Refusal
from tests.support.rules_case import Chat

NOW = 1_700_000_000_000


class Lists(SynchronousTestCase):
    def setUp(self) -> None:
        self.chat = Chat("alice", "Bob", "carol", "dave")
        for line in (
            "Bob: cg;wob",
            "alice: j;wob",
            "carol: j;wob",
            "Bob: promote;wob;carol",
            "Bob: topic;wob;the weather",
            "carol: cg;den;private",
            "carol: invite;den;alice",
        ):
            self.chat.outcome(line)
        # In the order of arrival, which is not that of the users' ids.
        self.presence = {user.normalized_nick: user for user in map(self.chat.user, ("dave", "Bob", "alice"))}

    def listed(self, nick: str, command: Command) -> Answer:
        """The answer to ``nick``."""
        return answer_list_command(self.chat.state, self.presence, self.chat.user(nick), command, NOW)

    def refusal(self, nick: str, command: Command) -> str:
        """The code with which a list is refused."""
        refusal: Refusal = self.assertRaises(Refusal, self.listed, nick, command)
        return refusal.code

    def test_clients_are_in_the_order_of_arrival(self) -> None:
        for skip, nicks in ((0, ("dave", "Bob", "alice")), (2, ("alice",)), (3, ()), (9, ())):
            answer = self.listed("alice", c.ListClients(skip))
            assert isinstance(answer, Clients)
            self.assertEqual(answer.nicks, nicks)

    def test_members_are_longest_standing_first_with_role_and_presence(self) -> None:
        def members(skip: int) -> list[tuple[str, str, bool]]:
            answer = self.listed("alice", c.ListMembers("WOB", skip))
            assert isinstance(answer, Members)
            self.assertEqual(answer.group, "wob")
            self.assertTrue(all(isinstance(member, Member) for member in answer.members))
            return [(member.nick, member.role, member.is_online) for member in answer.members]

        everyone = [("Bob", "owner", True), ("alice", "member", True), ("carol", "operator", False)]
        self.assertEqual([members(skip) for skip in (0, 1, 3)], [everyone, everyone[1:], []])

    def test_members_are_for_members(self) -> None:
        self.assertEqual(self.refusal("dave", c.ListMembers("wob")), "not_member")
        self.assertEqual(self.refusal("dave", c.ListMembers("den")), "no_such_group")
        self.assertEqual(self.refusal("alice", c.ListMembers("den")), "not_member")

    def test_groups_are_those_that_the_reader_sees(self) -> None:
        def groups(nick: str, skip: int = 0) -> list[tuple[str, str, str, int, str]]:
            answer = self.listed(nick, c.ListGroups(skip))
            assert isinstance(answer, Groups)
            self.assertTrue(all(isinstance(line, GroupListItem) for line in answer.items))
            return [
                (line.group, line.visibility, line.topic, line.member_count, line.role)
                for line in answer.items
            ]

        den = ("den", "private", "", 1)
        wob = ("wob", "public", "the weather", 3)
        self.assertEqual(groups("alice"), [(*den, "invited"), (*wob, "member")])
        self.assertEqual(groups("carol", 1), [(*wob, "operator")])
        self.assertEqual(groups("dave"), [(*wob, "")])

    def test_help_is_for_those_without_a_name_as_well(self) -> None:
        answer = answer_list_command(self.chat.state, {}, None, c.ListCommands(), NOW)
        assert isinstance(answer, Help)
        self.assertEqual(answer.commands, tuple(COMMANDS.values()))
        anonymous = {row.command for row in COMMANDS.values() if row.required_role == "anyone"}
        self.assertEqual(anonymous & LIST_QUERIES.keys(), {c.ListCommands})


class Reading(SynchronousTestCase):
    def setUp(self) -> None:
        self.chat = Chat("alice", "bob", "carol")
        for line in ("alice: cg;wob", "bob: s;alice;hello"):
            self.chat.outcome(line)
        self.state = self.chat.state
        self.alice, self.bob, self.carol = self.state.users.values()

    def test_a_group_is_for_its_members(self) -> None:
        wob = self.state.require_visible_group("wob", self.alice).conversation
        for command in (c.ListGroupMessages("wob"), c.ListGroupEvents("WOB"), c.ReadHistory(group="wob")):
            self.assertIs(conversation_of_command(self.state, self.alice, command), wob)
            refusal: Refusal = self.assertRaises(
                Refusal, conversation_of_command, self.state, self.bob, command
            )
            self.assertEqual(refusal.code, "not_member")

    def test_a_direct_conversation_is_the_same_from_both_ends(self) -> None:
        direct = self.state.direct_conversation(self.alice, self.bob)
        self.assertIs(conversation_of_command(self.state, self.alice, c.ReadHistory("bob")), direct)
        self.assertIs(conversation_of_command(self.state, self.bob, c.ReadHistory("ALICE")), direct)

    def test_two_who_never_talked_have_an_empty_one(self) -> None:
        for reader, friend, pair in (
            (self.carol, "alice", (self.alice, self.carol)),
            (self.alice, "carol", (self.alice, self.carol)),
            (self.carol, "carol", (self.carol, self.carol)),
        ):
            empty = conversation_of_command(self.state, reader, c.ReadHistory(friend))
            self.assertEqual((empty.id, empty.kind, empty.pair), (0, "direct", pair))
            self.assertNotIn(empty.id, self.state.conversations)

    def test_nobody_named_is_the_lobby(self) -> None:
        self.assertIs(conversation_of_command(self.state, self.carol, c.ReadHistory()), LOBBY)

    def test_a_user_who_never_was_is_refused(self) -> None:
        refusal: Refusal = self.assertRaises(
            Refusal, conversation_of_command, self.state, self.alice, c.ReadHistory("mallory")
        )
        self.assertEqual(refusal.code, "no_such_user")


class Pages(SynchronousTestCase):
    """Which part of the log a command reads."""

    def test_the_old_commands(self) -> None:
        for command, contents in (
            (c.ListGroupMessages, "messages"),
            (c.ListGroupEvents, "events"),
        ):
            for before, after, forward in (
                (None, None, False),
                (9, None, False),
                (None, 3, True),
                (9, 3, False),
            ):
                asked = page_request_of(command("wob", 5, before, after))
                self.assertEqual((asked.limit, asked.before, asked.after), (5, before, after))
                self.assertEqual((asked.contents, asked.reads_forward), (contents, forward))
                self.assertEqual((asked.around, asked.whole_milliseconds), (None, False))

    def test_history(self) -> None:
        """Without an order, it is read forward if there are only lower bounds."""
        for command, forward in (
            (c.ReadHistory(), False),
            (c.ReadHistory(after=0), True),
            (c.ReadHistory(after_time=0), True),
            (c.ReadHistory(after_time=0, after=0), True),
            (c.ReadHistory(after=0, before=1), False),
            (c.ReadHistory(after=0, before_time=1), False),
            (c.ReadHistory(before_time=1), False),
            (c.ReadHistory(after=0, order="newest"), False),
            (c.ReadHistory(before=1, order="oldest"), True),
            (c.ReadHistory(around=1), False),
        ):
            self.assertIs(page_request_of(command).reads_forward, forward, command)
        asked = page_request_of(
            c.ReadHistory(limit=2, before_time=9, after_time=7, events="all", whole_milliseconds="yes")
        )
        self.assertEqual((asked.limit, asked.before_time, asked.after_time), (2, 9, 7))
        self.assertEqual((asked.contents, asked.whole_milliseconds), ("all", True))
        self.assertEqual(page_request_of(c.ReadHistory(around_time=0)).around_time, 0)

    def test_a_centre_goes_with_no_other_bound(self) -> None:
        for command in (
            c.ReadHistory(around=0, before=0),
            c.ReadHistory(around=0, after_time=0),
            c.ReadHistory(around_time=0, after=0),
            c.ReadHistory(around_time=0, around=0),
        ):
            refusal: Refusal = self.assertRaises(Refusal, page_request_of, command)
            self.assertEqual(refusal.code, "bad_request")
