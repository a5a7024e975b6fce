"""Which name a hello gets, and which it is refused."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.accounts import CLOSED_ACCOUNT_HASH, Credential, Secret
from chatd.core.commands import COMMANDS_BY_CLASS, Hello
from chatd.core.events import User
from chatd.core.login import Login, check_claimed_sender, decide_login
from chatd.core.names import Name
from chatd.core.refusals import Refusal
from chatd.core.tokens import Token, TokenDeleted
from tests.support.rules_case import Chat


class Logins(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Chat("Alice", "bob").state
        self.alice, self.bob = self.state.users.values()

    def log_in(self, nick: str, *in_use: str) -> Login:
        """Decide a hello while the names with the keys ``in_use`` are in use."""
        return decide_login(self.state, in_use, Hello(nick))

    def refusal(self, nick: str, *in_use: str) -> Refusal:
        """How a hello is refused."""
        refusal: Refusal = self.assertRaises(Refusal, self.log_in, nick, *in_use)
        self.assertIn(refusal.code, COMMANDS_BY_CLASS[Hello].refusal_codes)
        return refusal

    def test_a_new_user_is_a_record(self) -> None:
        login = self.log_in("Carol")
        self.assertEqual((login.user.id, login.user.nick, login.user.normalized_nick), (3, "Carol", "carol"))
        self.assertFalse(login.is_returning_user)
        self.assertEqual((login.decision.records, login.decision.events), ((login.user,), ()))

    def test_nothing_changes_before_the_record_is_applied(self) -> None:
        first, second = self.log_in("carol"), self.log_in("dave")
        self.assertEqual((first.user.id, second.user.id, len(self.state.users)), (3, 3, 2))
        self.state.apply(first.user)
        again = self.log_in("CAROL")
        self.assertIs(again.user, first.user)
        self.assertTrue(again.is_returning_user)

    def test_a_token_is_for_its_user_and_until_it_is_deleted(self) -> None:
        self.state.apply(Credential(self.alice, Secret("hash")))
        token = Token(self.alice, "deploy", Secret("digest"), "read", None, 0)
        self.state.apply(token)
        login = decide_login(self.state, ("alice",), Hello("alice"), token)
        self.assertEqual((login.user, login.has_other_session), (self.alice, True))
        for nick in ("bob", "carol"):
            refusal = self.assertRaises(Refusal, decide_login, self.state, (), Hello(nick), token)
            self.assertEqual(refusal.code, "wrong_password")
        self.state.apply(TokenDeleted(token))
        refusal = self.assertRaises(Refusal, decide_login, self.state, (), Hello("alice"), token)
        self.assertEqual(refusal.code, "wrong_password")

    def test_a_known_user_returns_in_any_spelling_and_writes_nothing(self) -> None:
        login = self.log_in("ALICE")
        self.assertIs(login.user, self.alice)
        self.assertTrue(login.is_returning_user)
        self.assertEqual((login.decision.records, login.decision.events), ((), ()))

    def test_a_name_in_use_is_refused_in_any_spelling(self) -> None:
        self.assertEqual(
            (self.refusal("ALICE", "bob", "alice").code, self.refusal("Carol", "carol").code),
            ("nick_taken", "nick_taken"),
        )
        self.assertEqual(self.refusal("ALICE", "alice").mentioned_name, "ALICE")
        self.assertIs(self.log_in("alice", "bob").user, self.alice)

    def test_a_certificate_is_as_good_as_the_password(self) -> None:
        """If it has the nick of a registered user, as that was registered; beside a session as well."""
        self.state.apply(Credential(self.alice, Secret("hash")))
        for nick in ("Alice", "ALICE", "ａlice"):
            login = decide_login(self.state, ("alice",), Hello(nick), None, "Alice")
            self.assertEqual(
                (login.user, login.is_returning_user, login.has_other_session), (self.alice, True, True)
            )
        for name in ("", "alice", "ALICE", "ａlice", "Alice ", "Alice\0", "bob"):
            refusal = self.assertRaises(Refusal, decide_login, self.state, (), Hello("Alice"), None, name)
            self.assertEqual(refusal.code, "password_required")

    def test_a_certificate_gives_no_nick_that_is_not_registered(self) -> None:
        """Nor one of a closed account; nor does it mend a password that was changed meanwhile."""
        refusal = self.assertRaises(Refusal, decide_login, self.state, ("bob",), Hello("bob"), None, "bob")
        self.assertEqual(refusal.code, "nick_taken")
        self.state.apply(Credential(self.bob, CLOSED_ACCOUNT_HASH))
        refusal = self.assertRaises(Refusal, decide_login, self.state, (), Hello("bob"), None, "bob")
        self.assertEqual(refusal.code, "password_required")
        self.state.apply(Credential(self.alice, Secret("new")))
        old = Credential(self.alice, Secret("old"))
        refusal = self.assertRaises(Refusal, decide_login, self.state, (), Hello("Alice"), old, "Alice")
        self.assertEqual(refusal.code, "wrong_password")

    def test_names_that_nobody_can_take(self) -> None:
        for nick in (
            "server",
            "ROOT",
            "guest",
            "guest7",
            "#carol",
            "/carol",
            "a b",
            "x" * 33,
            "a1ice",
            "r00t",
        ):
            self.assertEqual((self.refusal(nick).code, self.refusal(nick).mentioned_name), ("bad_nick", nick))

    def test_a_reserved_name_is_refused_to_those_who_had_it(self) -> None:
        self.state.apply(User(3, "ping", "ping", "#000000"))
        self.assertEqual(self.refusal("ping").code, "bad_nick")

    def test_a_known_user_keeps_a_name_that_can_be_taken_no_more(self) -> None:
        for number, nick in ((3, "/dave"), (4, "a1ice")):
            self.state.apply(User(number, nick, nick, "#000000"))
            self.assertEqual(self.log_in(nick).user.id, number)

    def test_a_hello_without_a_nick_gets_a_guest_name_that_nobody_had(self) -> None:
        self.assertEqual(self.log_in("").user.nick, "guest3")
        for nick in ("guest3", "guest4"):
            self.state.apply(self.state.build_user(Name(nick, nick)))
        login = self.log_in("", "guest3")
        self.assertEqual((login.user.nick, login.is_returning_user), ("guest5", False))
        self.assertEqual(login.decision.records, (login.user,))


class Senders(SynchronousTestCase):
    def test_every_spelling_of_the_own_name_is_accepted(self) -> None:
        user = Chat("Straße").user("strasse")
        for sender in ("Straße", "STRASSE", "strasse", "ｓｔｒａｓｓｅ"):
            check_claimed_sender(user, sender)

    def test_another_name_is_refused(self) -> None:
        user = Chat("alice").user("alice")
        for sender in ("bob", "a1ice", "#", "", "no body"):
            refusal = self.assertRaises(Refusal, check_claimed_sender, user, sender)
            self.assertEqual((refusal.code, refusal.mentioned_name), ("not_you", "alice"))
