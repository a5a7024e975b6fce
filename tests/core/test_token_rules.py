"""The rules of tokens, on the core alone."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from chatd.core import commands as c
from chatd.core.accounts import CLOSED_ACCOUNT_HASH, Credential, Secret
from chatd.core.events import LOBBY, MESSAGE_KINDS, ChatEvent
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.token_rules import (
    check_command_scope,
    check_decision_scope,
    list_tokens,
    make_token,
    revoke_token,
    session_end_reason,
)
from chatd.core.tokens import Token, TokenDeleted, token_digest
from tests.support.rules_case import A_COMMAND, OPENING, Chat, RulesTestCase

LIMITS = Limits(tokens_per_user=2)


class TokenRules(RulesTestCase):
    """Alice is registered, and owns the private group wob."""

    def setUp(self) -> None:
        """Let her."""
        super().setUp()
        self.state = self.chat.state
        self.alice, self.bob = self.chat.user("alice"), self.chat.user("bob")
        self.state.apply(Credential(self.alice, Secret("hash")))
        self.chat.does("alice", c.CreateGroup("wob", "private"))

    def makes(self, name: str, now: int = 0, **more: object) -> Token:
        """Have alice make a token."""
        command = c.MakeToken(name, "write", **more)  # type: ignore[arg-type]
        decision = make_token(self.state, self.alice, command, token_digest(Secret(name)), LIMITS, now)
        for record in decision.records:
            self.state.apply(record)
        made = decision.records[-1]
        assert isinstance(made, Token)
        return made

    def refused(self, code: str, name: str, **more: object) -> None:
        """Check that she can't."""
        self.assertEqual(self.assertRaises(Refusal, self.makes, name, **more).code, code)

    def names(self) -> list[str]:
        """What is listed."""
        return [line.name for line in list_tokens(self.state, self.alice).tokens]

    def test_they_are_made_and_listed_in_order(self) -> None:
        made = self.makes("b", groups="wob, LOBBY", duration=60)
        self.makes("a", 5)
        self.assertEqual(self.names(), ["b", "a"])
        self.assertEqual((made.conversation_ids, made.expires_at), (frozenset((LOBBY.id, 2)), 60_000))
        first, second = list_tokens(self.state, self.alice).tokens
        self.assertEqual((first.conversation_names, second.conversation_names), (("lobby", "wob"), ("*",)))

    def test_names_and_quota(self) -> None:
        self.makes("a")
        self.refused("token_exists", "Ａ")
        self.refused("bad_request", "a;b")
        self.makes("b", duration=1)
        self.refused("too_many_tokens", "c")
        self.makes("b", 1000)
        self.assertEqual(self.names(), ["a", "b"])

    def test_who_has_no_password(self) -> None:
        command = c.MakeToken("x", "read")
        for state in (None, CLOSED_ACCOUNT_HASH):
            if state is not None:
                self.state.apply(Credential(self.bob, state))
            refusal = self.assertRaises(
                Refusal, make_token, self.state, self.bob, command, Secret("d"), LIMITS, 0
            )
            self.assertEqual(refusal.code, "not_registered" if state is None else "account_closed")

    def test_they_are_revoked(self) -> None:
        made = self.makes("a")
        (record,) = revoke_token(self.state, self.alice, "A").records
        assert isinstance(record, TokenDeleted)
        self.assertIs(record.token, made)
        for user, name in ((self.alice, "b"), (self.alice, "a b"), (self.bob, "a")):
            self.assertEqual(
                self.assertRaises(Refusal, revoke_token, self.state, user, name).code, "no_such_token"
            )
        self.assertIsNone(session_end_reason(self.state, made, 0))
        self.state.apply(record)
        ended = session_end_reason(self.state, made, 0)
        self.assertEqual(ended and ended.code, "token_revoked")

    def test_one_that_has_expired_and_was_deleted_since(self) -> None:
        """Its sessions are told the same as if it were still listed."""
        made = self.makes("a", duration=1)
        self.makes("b", 1000)
        self.assertEqual(self.names(), ["b"])
        ended = session_end_reason(self.state, made, 1000)
        self.assertEqual(ended and ended.code, "token_expired")

    def test_a_new_credential_ends_those_of_its_user_alone(self) -> None:
        self.state.apply(Credential(self.bob, Secret("hash")))
        command = c.MakeToken("bobs", "read")
        (bobs,) = make_token(self.state, self.bob, command, Secret("d"), LIMITS, 0).records
        self.state.apply(bobs)
        self.makes("a")
        self.state.apply(Credential(self.alice, Secret("other")))
        self.assertEqual((self.names(), list(self.state.tokens.values())), ([], [bobs]))

    def test_what_a_decision_may_do(self) -> None:
        """Whatever a command of a later version leads to: messages, and to be in a group."""
        write = self.makes("w")
        read = self.makes("r", groups="wob")
        read = Token(read.user, "r", read.digest, "read", None, 0)
        wob = self.state.conversations[2]
        for kind in (*MESSAGE_KINDS, "joined"):
            check_decision_scope(write, Decision((ChatEvent(kind, wob, self.alice),)))
            refusal = self.assertRaises(
                Refusal, check_decision_scope, read, Decision((ChatEvent(kind, wob, self.alice),))
            )
            self.assertEqual(refusal.code, "out_of_scope")
        for other in ("created", "left", "promoted", "kicked", "invited"):
            decision = Decision((ChatEvent(other, wob, self.alice),))
            self.assertEqual(
                self.assertRaises(Refusal, check_decision_scope, write, decision).code, "out_of_scope"
            )
        check_decision_scope(read, Decision())


class Scope(RulesTestCase):
    """What passes both checks stays in the scope."""

    @given(A_COMMAND, st.sampled_from(("read", "write")), st.sets(st.sampled_from((1, 2, 3))))
    def test_every_effect_is_in_the_scope(
        self, command: c.Command, access: Literal["read", "write"], places: set[int]
    ) -> None:
        chat = Chat("ann", "Bob", "cid", "dan", "eve")
        for nick, opening in OPENING:
            chat.does(nick, opening)
        chat.does("ann", c.CreateGroup("den", "private"))
        bob = chat.user("Bob")
        token = Token(bob, "t", Secret("d"), access, frozenset(places), 0)
        try:
            check_command_scope(chat.state, token, command)
            decision = decide(chat.state, bob, command)
            check_decision_scope(token, decision)
        except Refusal as refusal:
            # A private group out of the scope is refused like one that does not exist.
            named = str(getattr(command, "group", ""))
            group = chat.state.find_group(named) if named else None
            if group is not None and not group.is_public and group.conversation.id not in places:
                self.assertIn(refusal.code, ("no_such_group", "out_of_scope"))
                needed = c.COMMANDS_BY_CLASS[type(command)].required_access
                is_refused_everywhere = needed == "password" or (needed, access) == ("write", "read")
                self.assertEqual(refusal.code == "out_of_scope", is_refused_everywhere)
            return
        for event in decision.events:
            self.assertEqual(access, "write")
            self.assertIn(event.conversation.id, places)
            self.assertIn(event.kind, (*MESSAGE_KINDS, "joined"))
