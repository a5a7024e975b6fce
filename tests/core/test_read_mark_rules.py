"""The rules of read marks: who may mark what as read, and when marks end."""

from __future__ import annotations

from chatd.core.account_rules import decide_unregistration
from chatd.core.accounts import Credential, Secret
from chatd.core.erase_rules import decide_erasure
from chatd.core.events import LOBBY, ChatEvent
from chatd.core.read_mark_rules import check_may_mark_as_read, read_mark_deletions_after
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from tests.support.rules_case import RulesTestCase


class ReadMarkRules(RulesTestCase):
    """Alice owns wob, of which bob is a member."""

    def setUp(self) -> None:
        super().setUp()
        self.play("""
            alice: cg;wob
                alice created wob: public
                told: alice
            bob: j;wob
                bob joined wob
                told: alice bob
        """)
        self.wob = self.chat.state.require_visible_group("wob", self.chat.user("alice")).conversation

    def deleted(self, decision: Decision) -> list[tuple[str, str]]:
        """The user and the conversation of each deletion that ``decision`` leads to, ``*`` for all."""
        return [
            (
                "*" if record.user is None else record.user.nick,
                "*" if record.conversation is None else record.conversation.name,
            )
            for record in read_mark_deletions_after(decision)
        ]

    def test_a_mark_ends_with_the_membership(self) -> None:
        wob, alice, bob = self.wob, self.chat.user("alice"), self.chat.user("bob")
        for kind, event, ended in (
            ("left", ChatEvent("left", wob, bob), [("bob", "wob")]),
            ("kicked", ChatEvent("kicked", wob, alice, bob, "loud"), [("bob", "wob")]),
            ("banned", ChatEvent("banned", wob, alice, bob), [("bob", "wob")]),
            ("closed", ChatEvent("closed", wob, alice), [("*", "wob")]),
            ("invited", ChatEvent("invited", wob, alice, bob), []),
            ("message", ChatEvent("message", wob, bob, None, "hi"), []),
        ):
            with self.subTest(kind):
                self.assertEqual(self.deleted(Decision((event,))), ended)

    def test_all_marks_end_with_the_account(self) -> None:
        state, bob = self.chat.state, self.chat.user("bob")
        credential = Credential(bob, Secret("hash"), 0)
        state.apply(credential)
        self.assertEqual(
            self.deleted(decide_unregistration(state, credential, 0)), [("bob~1", "*"), ("bob", "wob")]
        )
        self.assertEqual(self.deleted(decide_erasure(state, bob, 0)), [("erased~1", "*"), ("bob", "wob")])

    def test_who_may_mark(self) -> None:
        state, bob, carol = self.chat.state, self.chat.user("bob"), self.chat.user("carol")
        check_may_mark_as_read(state, carol, LOBBY)
        check_may_mark_as_read(state, bob, self.wob)
        with self.assertRaises(Refusal) as caught:
            check_may_mark_as_read(state, carol, self.wob)
        self.assertEqual(caught.exception.code, "not_member")
        credential = Credential(bob, Secret("hash"), 0)
        state.apply(credential)
        for record in decide_unregistration(state, credential, 0).records:
            state.apply(record)
        with self.assertRaises(Refusal) as caught:
            check_may_mark_as_read(state, bob, LOBBY)
        self.assertEqual(caught.exception.code, "account_closed")
