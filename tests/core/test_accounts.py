"""Passwords as values: how they are spelt, and that they hide; and the rules of accounts on a state."""

from __future__ import annotations

import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core import account_rules as rules
from chatd.core import commands as c
from chatd.core.accounts import (
    CLOSED_ACCOUNT_HASH,
    AccountPolicy,
    Credential,
    Secret,
    UserRenamed,
    same_password_hash,
)
from chatd.core.events import ChatEvent, Conversation, User
from chatd.core.names import MAX_NICK_CODE_POINTS, parse_nick
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.state import State
from tests.support.rules_case import Chat

HASH = Secret("1$drowssap")


class Secrets(SynchronousTestCase):
    @given(st.text())
    def test_a_password_is_stable(self, text: str) -> None:
        """What was parsed is parsed to itself, and so is the text in another normal form."""
        secret = Secret.parse(text)
        if secret is None:
            return
        self.assertEqual(Secret.parse(secret), secret)
        self.assertEqual(Secret.parse(unicodedata.normalize("NFD", text)), secret)

    def test_what_is_no_password(self) -> None:
        for text in ("", " ", "\u3000", "a\x00b", "a\nb", "a\u200bb", "\ud800", "\ue000"):
            self.assertIsNone(Secret.parse(text), repr(text))

    def test_it_hides(self) -> None:
        """In every value that has one, and in what is raised around it."""
        secret = Secret("correct horse")
        user = User(1, "alice", "alice", "#000000")
        for value in (
            secret,
            c.Register(secret),
            c.Hello("alice", password=secret),
            Credential(user, secret),
        ):
            self.assertNotIn("horse", repr(value))
            self.assertNotIn("horse", f"{[value]!r}")

    def test_every_password_of_a_command_is_a_secret(self) -> None:
        for row in c.COMMANDS.values():
            for name, field in row.fields.items():
                if "password" in f"{name} {field.description}":
                    self.assertEqual(field.value_kind, "secret", (row.name, name))


class Rules(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Chat("alice", "bob", "carol").state
        self.alice, self.bob, self.carol = self.state.users.values()

    def does(self, user: User, *commands: c.Command) -> None:
        """Decide and apply commands."""
        for command in commands:
            self.apply(decide(self.state, user, command))

    def apply(self, decision: Decision) -> None:
        """Apply a decision."""
        for change in (*decision.records, *decision.events):
            self.state.apply(change)

    def refusal(self, rule: object, *arguments: object) -> str:
        """The code that a rule refuses with."""
        refusal: Refusal = self.assertRaises(Refusal, rule, *arguments)
        return refusal.code

    def registered(self, user: User) -> Credential:
        """Register ``user``."""
        self.apply(rules.decide_registration(self.state, user, HASH, 0))
        return self.state.credentials[user.id]

    def test_nothing_changes_before_a_decision_is_applied(self) -> None:
        credential = self.registered(self.alice)
        before = dict(self.state.credentials), dict(self.state.users)
        rules.change_password(self.state, credential, Secret("2$x"))
        rules.decide_unregistration(self.state, credential, 0)
        self.assertEqual((self.state.credentials, self.state.users), before)

    def test_registering_twice(self) -> None:
        self.registered(self.alice)
        self.assertEqual(
            self.refusal(rules.decide_registration, self.state, self.alice, HASH, 0), "already_registered"
        )

    def test_a_stale_credential(self) -> None:
        """Whoever verified an older password has proved nothing."""
        old = self.registered(self.alice)
        self.apply(rules.change_password(self.state, old, Secret("2$x")))
        self.assertEqual(self.refusal(rules.change_password, self.state, old, HASH), "wrong_password")
        self.assertEqual(self.refusal(rules.decide_unregistration, self.state, old, 0), "wrong_password")
        self.assertTrue(same_password_hash(None, None))
        self.assertFalse(same_password_hash(old, None))

    def test_passwords_by_length(self) -> None:
        """At the limit and one under it."""
        policy = AccountPolicy(password_min=4)
        rules.check_new_password(Secret("abcd"), policy)
        self.assertEqual(self.refusal(rules.check_new_password, Secret("abc"), policy), "weak_password")

    def test_who_may_write(self) -> None:
        closed, opened = AccountPolicy(names="registered"), AccountPolicy()
        rules.check_may_write(self.state, self.alice, opened)
        self.assertEqual(
            self.refusal(rules.check_may_write, self.state, self.alice, closed), "registered_only"
        )
        self.registered(self.alice)
        rules.check_may_write(self.state, self.alice, closed)

    def test_a_nick_that_is_given_up(self) -> None:
        """Groups pass to their heirs, conversations stay with the account, and the nick is free."""
        self.does(self.alice, c.CreateGroup("wob"), c.CreateGroup("alone"), c.SendToUser("bob", "psst"))
        self.does(self.alice, c.SendToUser("alice", "note to self"), c.Invite("wob", "bob"))
        self.does(self.bob, c.Join("wob"), c.CreateGroup("own"), c.Invite("own", "alice"))
        self.does(self.carol, c.Join("wob"), c.SendToUser("alice", "hello"))
        self.does(self.bob, c.Ban("own", "carol"))
        direct = self.state.direct_conversation(self.alice, self.bob)
        assert direct is not None
        self.apply(rules.decide_unregistration(self.state, self.registered(self.alice), 0))
        former = self.state.users[self.alice.id]
        self.assertEqual((former.nick, former.colour), ("alice~1", self.alice.colour))
        self.assertIsNone(self.state.find_user(parse_nick("alice")))
        self.assertIsNone(self.state.find_similar_user(parse_nick("A1ice")))
        self.assertIs(self.state.find_user(parse_nick("ALICE~1")), former)
        moved = self.state.direct_conversation(former, self.bob)
        assert moved is not None
        self.assertEqual((moved.id, moved.pair_ids), (direct.id, direct.pair_ids))
        self.assertEqual(moved.other_user(self.bob).nick, "alice~1")
        self.assertIn(moved, self.state.direct_and_group_conversations_of(self.bob))
        self.assertNotIn(direct, self.state.direct_and_group_conversations_of(self.bob))
        wob = self.state.find_group("wob")
        assert wob is not None
        self.assertEqual((getattr(wob.owner, "nick", None), wob.role(former)), ("bob", ""))
        for rule in (c.SendToUser("alice~1", "x"), c.Invite("wob", "alice~1")):
            self.assertEqual(self.refusal(decide, self.state, self.bob, rule), "no_such_user")

    def test_the_state_from_the_disk_is_the_same(self) -> None:
        """Renaming the user and then applying the log gives what the log and then the renaming gave."""
        self.does(
            self.alice, c.CreateGroup("wob"), c.SendToUser("bob", "psst"), c.SendToUser("alice", "note")
        )
        self.apply(rules.decide_unregistration(self.state, self.registered(self.alice), 0))
        loaded = State()
        for user in self.state.users.values():
            loaded.apply(user)
        for conversation in list(self.state.conversations.values())[1:]:
            pair = tuple(loaded.users[user.id] for user in conversation.pair)
            loaded.apply(Conversation(conversation.id, conversation.kind, conversation.name, pair))
        former = loaded.users[self.alice.id]
        (wob,) = [one for one in loaded.conversations.values() if one.name == "wob"]
        loaded.apply(ChatEvent("created", wob, former, None, "public"))
        loaded.apply(ChatEvent("left", wob, former))
        loaded.apply(Credential(former, CLOSED_ACCOUNT_HASH))
        for state in (self.state, loaded):
            self.assertEqual(
                [
                    (one.id, one.kind, [user.nick for user in one.pair])
                    for one in state.conversations.values()
                ],
                [
                    (1, "lobby", []),
                    (2, "group", []),
                    (3, "direct", ["alice~1", "bob"]),
                    (4, "direct", ["alice~1", "alice~1"]),
                ],
            )
            self.assertEqual(len(state.direct_and_group_conversations_of(state.users[self.bob.id])), 1)
            self.assertEqual(len(state.direct_and_group_conversations_of(state.users[self.alice.id])), 2)
            group = state.find_group("wob")
            assert group is not None
            self.assertEqual((getattr(group.owner, "nick", None), dict(group.members)), ("alice~1", {}))

    def test_the_name_of_a_former_user(self) -> None:
        """It fits, and is the first that is free."""
        long = Chat("x" * MAX_NICK_CODE_POINTS, "x" * (MAX_NICK_CODE_POINTS - 2) + "~1")
        user = long.state.users[1]
        long.state.apply(Credential(user, HASH))
        renamed, closed = rules.decide_unregistration(long.state, long.state.credentials[1], 0).records
        assert isinstance(renamed, UserRenamed)
        assert isinstance(closed, Credential)
        self.assertEqual(renamed.user.nick, "x" * (MAX_NICK_CODE_POINTS - 2) + "~2")
        self.assertEqual(parse_nick(renamed.user.nick).normalized, renamed.user.normalized_nick)
        self.assertEqual((closed.user.id, closed.hash), (user.id, CLOSED_ACCOUNT_HASH))
        self.assertEqual(
            msgspec.structs.replace(
                renamed.user, nick=user.nick, normalized_nick=user.normalized_nick
            ).colour,
            user.colour,
        )
