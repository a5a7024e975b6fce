"""Quotas: at the limit and one over it, and what makes room again."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.limits import Limits
from chatd.core.quotas import check_storage
from chatd.core.refusals import Refusal
from chatd.core.rules import decide
from tests.support.effort import effort
from tests.support.rules_case import Chat, command

LIMITS = Limits(groups_per_user=2, members_per_group=3, invitations=2)
NICKS = ("alice", "bob", "carol", "dave")


class QuotaTestCase(SynchronousTestCase):
    """Four users, and limits of two or three."""

    def setUp(self) -> None:
        """Nothing has happened."""
        self.chat = Chat(*NICKS, limits=LIMITS)

    def play(self, *lines: str) -> list[str]:
        """The code of each line's refusal, or ok."""
        codes = []
        for line in lines:
            nick, _, typed = line.partition(": ")
            try:
                self.chat.does(nick, command(typed))
                codes.append("ok")
            except Refusal as refusal:
                codes.append(refusal.code)
        return codes


class Groups(QuotaTestCase):
    """Groups that one user owns."""

    def test_one_over_the_limit(self) -> None:
        """For this user alone, and whatever command would create it."""
        self.assertEqual(
            self.play("alice: cg;one", "alice: cg;two;private", "alice: cg;three", "bob: cg;three"),
            ["ok", "ok", "too_many_groups", "ok"],
        )
        with self.assertRaises(Refusal) as refused:
            self.chat.does("alice", command("enter;four").__class__(group="four", missing="create"))
        self.assertEqual(
            refused.exception.text, "you own 2 groups, the most that one user may own: use one of them"
        )

    def test_who_hands_one_over_may_create_another(self) -> None:
        """But an inheritance is not refused."""
        self.play("alice: cg;one", "alice: cg;two", "bob: cg;three", "bob: cg;four", "bob: j;one")
        self.assertEqual(self.play("alice: leave;one", "alice: cg;five"), ["ok", "ok"])
        self.assertEqual(self.play("bob: cg;six", "alice: cg;six"), ["too_many_groups", "too_many_groups"])

    def test_an_empty_group_counts(self) -> None:
        """Else there would be no limit to groups that are created and left."""
        self.play("alice: cg;one", "alice: leave;one", "alice: cg;two", "alice: leave;two")
        self.assertEqual(self.play("alice: cg;three"), ["too_many_groups"])

    def test_whoever_joins_an_empty_group_owns_it(self) -> None:
        self.play("alice: cg;one", "alice: cg;two", "alice: leave;one")
        self.assertEqual(self.play("bob: j;one", "alice: cg;three"), ["ok", "ok"])


class Members(QuotaTestCase):
    """Members of one group."""

    def test_one_over_the_limit(self) -> None:
        self.assertEqual(
            self.play("alice: cg;wob", "bob: j;wob", "carol: j;wob", "dave: j;wob"),
            ["ok", "ok", "ok", "group_full"],
        )

    def test_whoever_leaves_makes_room(self) -> None:
        self.play("alice: cg;wob", "bob: j;wob", "carol: j;wob", "bob: leave;wob")
        self.assertEqual(self.play("dave: j;wob", "bob: j;wob"), ["ok", "group_full"])

    def test_an_invitation_makes_no_room_and_waits_for_it(self) -> None:
        self.play("alice: cg;wob;private", *(f"alice: invite;wob;{nick}" for nick in NICKS[1:]))
        self.assertEqual(
            self.play("bob: j;wob", "carol: j;wob", "dave: j;wob", "bob: leave;wob", "dave: j;wob"),
            ["ok", "ok", "group_full", "ok", "ok"],
        )


class Invitations(QuotaTestCase):
    """Invitations that wait for one user."""

    def setUp(self) -> None:
        """Alice and bob have two groups each."""
        super().setUp()
        self.play("alice: cg;a1", "alice: cg;a2", "bob: cg;b1", "bob: cg;b2")

    def test_one_over_the_limit(self) -> None:
        """From whomever they come; others may still be invited."""
        self.assertEqual(
            self.play("alice: invite;a1;dave", "alice: invite;a2;dave", "bob: invite;b1;dave"),
            ["ok", "ok", "too_many_invitations"],
        )
        self.assertEqual(self.play("bob: invite;b1;carol"), ["ok"])

    def test_an_accepted_one_makes_room_and_so_does_a_ban(self) -> None:
        self.play("alice: invite;a1;dave", "alice: invite;a2;dave")
        self.assertEqual(self.play("dave: j;a1", "bob: invite;b1;dave"), ["ok", "ok"])
        self.assertEqual(self.play("alice: ban;a2;dave", "bob: invite;b2;dave"), ["ok", "ok"])
        self.assertEqual(self.chat.state.count_invitations_to(self.chat.user("dave")), 2)


class Counters(SynchronousTestCase):
    """The state counts as it goes; the truth is in the groups."""

    @settings(max_examples=effort(100), deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(NICKS),
                st.sampled_from(
                    (
                        "cg;{g}",
                        "j;{g}",
                        "leave;{g}",
                        "invite;{g};{n}",
                        "kick;{g};{n}",
                        "ban;{g};{n}",
                        "promote;{g};{n}",
                    )
                ),
                st.sampled_from(("g1", "g2", "g3")),
                st.sampled_from(NICKS),
            ),
            max_size=40,
        )
    )
    def test_any_history(self, done: list[tuple[str, str, str, str]]) -> None:
        """Whatever happened, refused or not."""
        chat = Chat(*NICKS, limits=LIMITS)
        for nick, typed, group, other in done:
            with contextlib.suppress(Refusal):
                chat.does(nick, command(typed.format(g=group, n=other)))
        groups = [found for name in ("g1", "g2", "g3") if (found := chat.state.find_group(name))]
        for nick in NICKS:
            user = chat.user(nick)
            self.assertCountEqual(chat.state.groups_owned_by(user), [g for g in groups if g.is_owner(user)])
            operated = [g for g in groups if user.id in g.operator_ids]
            self.assertCountEqual(chat.state.groups_operated_by(user), operated)
            self.assertEqual(
                chat.state.count_invitations_to(user), sum(user.id in g.invitations for g in groups)
            )
            self.assertLessEqual(chat.state.count_invitations_to(user), LIMITS.invitations)
        self.assertTrue(all(len(group.members) <= LIMITS.members_per_group for group in groups))


class Storage(SynchronousTestCase):
    """The size of the database."""

    def setUp(self) -> None:
        """A group of alice's, with bob in it and carol invited."""
        self.chat = Chat(*NICKS)
        for nick, typed in (("alice", "cg;wob"), ("bob", "j;wob"), ("alice", "invite;wob;carol")):
            self.chat.does(nick, command(typed))

    def outcome(self, nick: str, typed: str, size: int) -> str:
        """The code of the refusal of a command in a database of ``size`` bytes that may have 100, or ok."""
        decision = decide(self.chat.state, self.chat.user(nick), command(typed))
        try:
            check_storage(decision, size, Limits(database_size=100))
        except Refusal as refusal:
            return refusal.code
        return "ok"

    def test_at_the_limit_everything_is_stored_and_one_over_it_no_message_is(self) -> None:
        for nick, typed in (
            ("alice", "s;bob;hello"),
            ("alice", "bg;wob;hello"),
            ("alice", "cg;den"),
            ("carol", "j;wob"),
            ("alice", "invite;wob;dave"),
            ("alice", "topic;wob;weather"),
        ):
            self.assertEqual(
                (self.outcome(nick, typed, 100), self.outcome(nick, typed, 101)),
                ("ok", "storage_full"),
                typed,
            )

    def test_who_leaves_and_who_keeps_order_is_not_refused(self) -> None:
        for nick, typed in (
            ("bob", "leave;wob"),
            ("alice", "leave;wob"),
            ("alice", "kick;wob;bob"),
            ("alice", "ban;wob;bob"),
            ("alice", "promote;wob;bob"),
            ("alice", "visibility;wob;private"),
        ):
            self.assertEqual(self.outcome(nick, typed, 10**12), "ok", typed)

    def test_what_changes_nothing_is_not_refused(self) -> None:
        self.assertEqual(self.outcome("bob", "enter;wob", 101), "ok")
