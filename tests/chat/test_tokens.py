"""Tokens on every wire: what programs do with them, and what nobody can do with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from chatd.chat.token_expiry import TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS
from chatd.core.commands import COMMANDS
from chatd.core.limits import Limits
from chatd.core.state import State
from chatd.core.tokens import is_token_secret
from chatd.store.archive import load_snapshot
from chatd.store.sqlite import SQLITE
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, StageTestCase

SECRET = "correct horse battery"
OTHER = "staple of nine"
UNKNOWN = f"chatd_{'0' * 40}"


class TokenCase(StageTestCase):
    """Alice is registered. Her groups wob and ops are private, fans is public; bob is in all of them."""

    limits = Limits(
        requests_per_second=10**6,
        bytes_per_second=10**9,
        reads_per_second=10**6,
        tokens_per_user=4,
        sessions_per_user=2,
    )

    def setUp(self) -> None:
        """Have both there."""
        super().setUp()
        self.bob = self.stage.json("bob")
        self.alice = self.stage.json("alice").asks(action="register", password=SECRET)
        for group, visibility in (("wob", "private"), ("ops", "private"), ("fans", "public")):
            self.alice.asks(action="cgroupe", group=group, visibility=visibility)
            self.alice.asks(action="invite", group=group, dest="bob")
            self.bob.asks(action="join", group=group)
        self.forget()

    def forget(self) -> None:
        """Forget what both have heard."""
        self.alice.hears(), self.bob.hears()

    def make(self, name: str = "deploy", scope: str = "write", **more: Any) -> str:
        """Have alice make a token; its secret."""
        self.alice.hears()
        said = self.alice.asks(action="maketoken", token=name, scope=scope, **more).objects()
        secret: str = said[-1]["secret"]
        return secret

    def bot(self, scope: str = "write", name: str = "bot", **more: Any) -> Peer:
        """A program of alice's that has logged in with a new token."""
        bot = self.stage.json("alice", password=self.make(name, scope, **more))
        self.forget()
        return bot

    def code(self, peer: Peer, **request: Any) -> str:
        """The code of the refusal of a request, or the action of its answer."""
        peer.hears()
        said = peer.asks(**request).objects()
        return str(said[-1].get("code") or said[-1]["action"])

    def tokens_on_disk(self) -> list[tuple[Any, ...]]:
        """Names and scopes of the stored tokens."""
        return self.stage.rows("SELECT name, access, conversations FROM tokens ORDER BY id")


class Making(TokenCase):
    """A token is made, listed and revoked by whoever has logged in with the password."""

    def test_json(self) -> None:
        asked = {"action": "maketoken", "token": "deploy", "scope": "write", "groups": ["wob", "Lobby"]}
        (said,) = self.alice.asks(**asked, duration="1h", ref=1).objects()
        self.assertTrue(is_token_secret(said["secret"]))
        token = said["token"]
        self.assertEqual((said["action"], said["ref"]), ("server-token", 1))
        self.assertEqual({**token, "made": 0, "expires": 0}, {**token, "made": 0, "expires": 0})
        self.assertEqual(
            (token["token"], token["scope"], token["groups"]), ("deploy", "write", ["lobby", "wob"])
        )
        self.assertLess(token["made"], token["expires"])
        (listed,) = self.alice.asks(action="tokens", ref=2).objects()
        self.assertEqual(listed, {"action": "server-tokens", "ref": 2, "nick": "alice", "tokens": [token]})
        self.restart()
        alice = self.stage.json("alice", password=SECRET)
        self.assertEqual(alice.asks(action="tokens").objects()[0]["tokens"], [token])
        (left,) = alice.asks(action="revoketoken", token="DEPLOY").objects()
        self.assertEqual(left["tokens"], [])
        self.assertEqual(self.tokens_on_disk(), [])

    def test_text(self) -> None:
        alice = self.stage.connect("text").says(f"PWD {SECRET}").says("IAM alice")
        self.stage.wait(1)
        alice.hears()
        (made,) = alice.says("maketoken;deploy;read;wob;90d").lines()
        tok, name, scope, groups, _made, expires, secret = made.split(" ")
        self.assertEqual((tok, name, scope, groups), ("TOK", "deploy", "read", "wob"))
        self.assertNotEqual(expires, "-")
        self.assertTrue(is_token_secret(secret))
        alice.says("maketoken;all;write").hears()
        first, second, end = alice.says("tokens;").lines()
        self.assertEqual(first, made.removesuffix(f" {secret}"))
        self.assertRegex(second, r"^TOK all write \* \S+ -$")
        self.assertEqual(end, "END tokens 2")
        self.assertEqual(alice.says("revoketoken;deploy").lines(), [second, "END revoketoken 1"])

    def test_the_chat_room(self) -> None:
        alice = self.stage.connect("tp6").says(f"/login alice {SECRET}")
        self.stage.wait(1)
        alice.hears()
        for said, expected in (
            (
                "/maketoken deploy read wob,lobby 90d",
                r"^C'est fait : deploy \(lecture, lobby, wob, depuis le \S+, jusqu'au \S+\)\n  chatd_\w+\n$",
            ),
            (
                "/maketoken all write",
                r"^C'est fait : all \(lecture et écriture, partout, depuis le \S+\)\n  chatd",
            ),
            ("/revoketoken deploy", r"^Jetons de alice : 1\n  all "),
            ("/tokens", r"^Jetons de alice : 1\n  all "),
            ("/revoketoken deploy", r"^Erreur \[no_such_token\] : aucun jeton"),
        ):
            alice.says(said)
            self.stage.wait(0.5)
            self.assertRegex(alice.hears().decode(), expected)

    def test_what_is_refused(self) -> None:
        self.make("deploy")
        self.stage.json("carol").asks(action="cgroupe", group="hidden", visibility="private")
        self.stage.json("carla").asks(action="cgroupe", group="other")
        for asked, code in (
            ({"token": "Deploy", "scope": "read"}, "token_exists"),
            ({"token": "a b", "scope": "read"}, "bad_request"),
            ({"token": "", "scope": "read"}, "bad_request"),
            ({"token": "x" * 65, "scope": "read"}, "bad_request"),
            ({"token": 7, "scope": "read"}, "bad_request"),
            ({"scope": "read"}, "bad_request"),
            ({"token": "x"}, "bad_request"),
            ({"token": "x", "scope": "admin"}, "bad_request"),
            ({"token": "x", "scope": "read", "groups": "hidden"}, "no_such_group"),
            ({"token": "x", "scope": "read", "groups": "nowhere"}, "no_such_group"),
            ({"token": "x", "scope": "read", "groups": "wob,other"}, "not_member"),
            ({"token": "x", "scope": "read", "groups": "wob,*"}, "no_such_group"),
            ({"token": "x", "scope": "read", "groups": [1]}, "bad_request"),
            ({"token": "x", "scope": "read", "groups": "g" * 513}, "too_long"),
            ({"token": "x", "scope": "read", "duration": "0"}, "bad_request"),
            ({"token": "x", "scope": "read", "duration": "eleven"}, "bad_request"),
        ):
            with self.subTest(asked):
                self.assertEqual(self.code(self.alice, action="maketoken", **asked), code)
        self.assertEqual(self.code(self.alice, action="revoketoken", token="a b"), "no_such_token")
        self.assertEqual(self.code(self.bob, action="maketoken", token="x", scope="read"), "not_registered")
        self.assertEqual(self.code(self.bob, action="revoketoken", token="deploy"), "no_such_token")
        self.assertEqual(self.bob.asks(action="tokens").objects()[0]["tokens"], [])
        self.assertEqual(self.tokens_on_disk(), [("deploy", "write", None)])

    def test_everywhere(self) -> None:
        for number, groups in enumerate(("*", "", " ")):
            self.make(f"t{number}", groups=groups)
        self.assertEqual({row[2] for row in self.tokens_on_disk()}, {None})

    def test_an_empty_list_of_groups_is_none_for_everywhere(self) -> None:
        for groups, code in (([], "bad_request"), (",", "no_such_group"), ("wob,", "no_such_group")):
            refused = self.code(self.alice, action="maketoken", token="x", scope="read", groups=groups)
            self.assertEqual(refused, code, groups)
        self.assertEqual(self.tokens_on_disk(), [])

    def test_there_are_not_too_many(self) -> None:
        for number in range(4):
            self.make(f"t{number}", duration=60)
        self.assertEqual(
            self.code(self.alice, action="maketoken", token="x", scope="read"), "too_many_tokens"
        )
        self.alice.asks(action="revoketoken", token="t0")
        self.make("x")
        self.assertEqual(
            self.code(self.alice, action="maketoken", token="y", scope="read"), "too_many_tokens"
        )

    def test_those_that_have_expired_make_room(self) -> None:
        """And their names are free."""
        self.make("x")
        for number in range(3):
            self.make(f"t{number}", duration=60)
        self.stage.wait(60)
        self.assertEqual(len(self.alice.asks(action="tokens").objects()[-1]["tokens"]), 4)
        self.make("t1")
        self.assertEqual([row[0] for row in self.tokens_on_disk()], ["x", "t1"])
        self.assertEqual(
            [token["token"] for token in self.alice.asks(action="tokens").objects()[-1]["tokens"]],
            ["x", "t1"],
        )

    def test_the_disk_fails(self) -> None:
        """No token is made or revoked then, and no secret is shown."""
        secret = self.make("kept")
        bot = self.stage.json("alice", password=secret)
        for asked in (
            {"action": "maketoken", "token": "lost", "scope": "read"},
            {"action": "revoketoken", "token": "kept"},
        ):
            self.alice.hears()
            self.stage.writer.error = sqlite3.OperationalError("disk full")
            (refused,) = self.alice.asks(**asked).objects()
            self.assertEqual((refused["code"], "secret" in refused), ("storage_failed", False))
            self.stage.writer.error = None
            self.stage.wait(2)
            (listed,) = self.alice.asks(action="tokens").objects()
            self.assertEqual([token["token"] for token in listed["tokens"]], ["kept"])
        self.assertEqual(self.tokens_on_disk(), [("kept", "write", None)])
        self.assertEqual(self.code(bot, action="broadcast", msg="still here"), "server-ack")
        self.flushLoggedErrors()

    def test_two_of_one_name_at_once(self) -> None:
        """The second is refused, though the first is not on the disk yet."""
        other = self.stage.json("alice", password=SECRET)
        self.alice.hears(), other.hears()
        self.stage.writer.held = True
        for peer in (self.alice, other):
            peer.asks(action="maketoken", token="x", scope="read")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(self.alice.objects()[0]["action"], "server-token")
        self.assertEqual(other.objects()[0]["code"], "token_exists")
        self.assertEqual(self.tokens_on_disk(), [("x", "read", None)])

    def test_no_secret_is_stored_logged_or_shown_again(self) -> None:
        logged: list[str] = []

        @implementer(ILogObserver)
        def watch(event: LogEvent) -> None:
            logged.append(repr(event))

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        secret = self.make()
        bot = self.stage.json("alice", password=secret)
        wrong = self.stage.connect("text").says(f"PWD {secret}").says("IAM bobby").says(secret)
        wrong.says(f"identify;bob;{secret}").says(f"passwd;{secret};{OTHER}").says("WHO")
        self.stage.wait(1)
        self.alice.asks(action="tokens").asks(action="help").asks(action="register", password=secret)
        self.alice.asks(action="passwd", password=secret, new=OTHER).asks(action="revoketoken", token="x")
        heard = self.alice.hears() + bot.hears() + wrong.hears() + self.bob.hears()
        self.assertNotIn(secret[6:].encode(), heard)
        self.assertNotIn(secret[6:], "".join(logged))
        state = self.stage.chat._authority.state
        digest = self.stage.rows("SELECT digest FROM tokens")[0][0]
        for shown in (repr(state.tokens.values()), repr(bot.protocol.session.token), "".join(logged)):  # type: ignore[attr-defined]
            self.assertNotIn(secret[6:], shown)
            self.assertNotIn(digest, shown)
        self.stage.rows("PRAGMA wal_checkpoint")
        self.assertNotIn(secret[6:].encode(), self.stage.database.read_bytes())
        self.assertIn(digest.encode(), self.stage.database.read_bytes())


class Login(TokenCase):
    """A token stands for the password, on every wire."""

    def test_on_every_wire(self) -> None:
        secret = self.make()
        hashed = len(self.stage.passwords.networks)
        for wire, *said in (
            ("json", f'{{"action":"client-hello","from":"alice","password":"{secret}"}}\n'),
            ("json", f'{{"action":"client-hello","from":"ALICE","pwd":"{secret}"}}'),
            ("json", f'{{"action":"identify","from":"alice","password":"{secret}"}}\n'),
            ("text", f"PWD {secret}\n", "IAM alice\n"),
            ("text", f"identify;alice; {secret}\n"),
            ("tp6", f"/login alice {secret}"),
            ("tp6-bonus", f"/login alice {secret}"),
            ("auto", f"/login alice {secret}"),
        ):
            with self.subTest(wire, said=said):
                bot = self.stage.connect(wire)
                for line in said:
                    bot.says(line.encode())
                    self.stage.wait(0.6)
                self.assertRegex(bot.hears(), b"Welcome back alice !|BCK alice")
                bot.hangs_up()
        self.assertEqual(len(self.stage.passwords.networks), hashed)  # none of it was hashed as a password

    def test_a_wrong_one(self) -> None:
        """An unknown one, one of another user, and one for a nick that has none."""
        secret = self.make()
        self.bob.asks(action="register", password=OTHER)
        hashed = len(self.stage.passwords.networks)
        for nick, password in (
            ("alice", UNKNOWN),
            ("bob", secret),
            ("nobody", secret),
            ("nobody", UNKNOWN),
        ):
            for action in ("client-hello", "identify"):
                peer = self.stage.connect("json").asks(action=action, from_=nick, password=password)
                self.assertEqual(peer.objects()[0]["code"], "wrong_password", (nick, password))
        text = self.stage.connect("text").says(f"PWD {UNKNOWN}").says("IAM alice")
        self.assertIn("ERR wrong_password", text.hears().decode())
        self.assertEqual(len(self.stage.passwords.networks), hashed)
        self.assertEqual(
            self.stage.rows("SELECT nick FROM users WHERE id > 0 ORDER BY id"), [("bob",), ("alice",)]
        )

    def test_wrong_ones_are_counted(self) -> None:
        for _ in range(self.limits.wrong_passwords_per_nick):
            self.stage.connect("json", "192.0.2.1").asks(
                action="client-hello", from_="alice", password=UNKNOWN
            )
        for password in (UNKNOWN, SECRET, self.make()):
            peer = self.stage.connect("json", "192.0.2.1")
            peer.asks(action="client-hello", from_="alice", password=password)
            self.assertEqual(peer.objects()[0]["code"], "rate_limited")
        # From elsewhere it is slower, not refused.
        peer = self.stage.connect("json", "192.0.2.2")
        peer.asks(action="client-hello", from_="alice", password=self.make("other"))
        self.assertEqual(peer.hears(), b"")
        self.stage.wait(1)
        self.assertEqual(peer.objects()[0]["action"], "server-hello")

    def test_it_is_no_password(self) -> None:
        """Neither the old one nor a new one; and what only looks like one may be a password."""
        secret = self.make()
        for asked in (
            {"action": "passwd", "password": secret, "new": OTHER},
            {"action": "unregister", "password": secret},
        ):
            self.assertEqual(self.code(self.alice, **asked), "wrong_password")
        self.assertEqual(self.code(self.alice, action="passwd", password=SECRET, new=UNKNOWN), "bad_request")
        self.assertEqual(self.code(self.bob, action="register", password=UNKNOWN), "bad_request")
        self.assertEqual(
            self.code(self.bob, action="register", password="chatd_is my chat"), "server-account"
        )
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", password="chatd_is my chat")
        self.assertEqual(bob.objects()[0]["action"], "server-hello")

    def test_an_expired_one(self) -> None:
        """Whoever has the secret is told, and nobody else."""
        secret = self.make(duration=60)
        self.stage.wait(60)
        for nick, code in (("alice", "token_expired"), ("bob", "wrong_password")):
            peer = self.stage.connect("json").asks(action="client-hello", from_=nick, password=secret)
            self.assertEqual(peer.objects()[0]["code"], code)
        self.restart()
        self.stage.wait(120)  # the clock of the new stage begins anew
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.assertEqual(peer.objects()[0]["code"], "token_expired")

    def test_a_revoked_one(self) -> None:
        secret = self.make()
        self.alice.asks(action="revoketoken", token="deploy")
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.assertEqual(peer.objects()[0]["code"], "wrong_password")

    def test_one_that_is_revoked_while_the_login_waits(self) -> None:
        """The login was slowed down because somebody guesses."""
        secret = self.make()
        for _ in range(10):
            self.stage.connect("json", "192.0.2.1").asks(
                action="client-hello", from_="alice", password=UNKNOWN
            )
        bot = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.alice.asks(action="revoketoken", token="deploy")
        self.stage.wait(1)
        self.assertEqual(bot.objects()[0]["code"], "wrong_password")

    def test_a_second_hello_changes_nothing(self) -> None:
        """Neither the password nor a wider token makes more of a session; a wrong one is refused."""
        wide = self.make("wide")
        bot = self.bot("read", groups="wob")
        for password, expected in (
            (SECRET, "server-hello"),
            (wide, "server-hello"),
            (UNKNOWN, "wrong_password"),
        ):
            self.assertEqual(self.code(bot, action="identify", from_="alice", password=password), expected)
            self.assertEqual(self.code(bot, action="gbroadcast", group="wob", msg="hi"), "out_of_scope")
            self.assertEqual(self.code(bot, action="tokens"), "out_of_scope")

    def test_sessions_are_counted_apart(self) -> None:
        """A program can't end the sessions of its user, nor those of another program."""
        first, second = self.make("first"), self.make("second")
        human = self.stage.json("alice", password=SECRET)
        other = self.stage.json("alice", password=second)
        bots = [self.stage.json("alice", password=first) for _ in range(5)]
        self.assertEqual([bot.closed for bot in bots], [True, True, True, False, False])
        self.assertEqual((self.alice.closed, human.closed, other.closed), (False, False, False))
        third = self.stage.json("alice", password=SECRET)
        self.assertEqual((self.alice.closed, human.closed, third.closed), (True, False, False))
        self.assertEqual([bot.closed for bot in (*bots[3:], other)], [False] * 3)

    def test_the_user_is_there(self) -> None:
        secret = self.make()
        self.alice.hangs_up()
        self.bob.hears()
        bot = self.stage.json("alice", password=secret)
        bot.hangs_up()
        self.assertEqual([said["event"] for said in self.bob.objects()], ["arrived", "left"])

    def test_what_it_reads_is_not_read_by_its_user(self) -> None:
        """A program has no part in the last seen id, and gets no pages at its login."""
        secret = self.make()
        self.alice.hangs_up()
        self.bob.asks(action="client-send", to="alice", msg="for you")
        bot = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        (welcome,) = bot.objects()
        self.assertEqual(welcome["seen"], welcome["cursor"])
        self.bob.asks(action="client-send", to="alice", msg="you too")
        self.stage.wait(10)
        bot.asks(action="client-list-clients").hangs_up()
        alice = self.stage.connect("json").asks(action="client-hello", from_="alice", password=SECRET)
        said = alice.objects()
        self.assertLess(said[0]["seen"], welcome["cursor"])
        self.assertIn("for you", str(said[1:]))

    def test_a_login_that_is_not_stored(self) -> None:
        """Nothing remains of the token in the session, which may log in as somebody else."""
        bot = self.stage.connect("json")
        secret = self.make()
        self.stage.writer.held = True
        self.bob.asks(action="client-broadcast", msg="x")
        bot.asks(action="client-hello", from_="alice", password=secret)
        self.stage.writer.held, self.stage.writer.error = False, sqlite3.OperationalError("disk full")
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(bot.objects()[0]["code"], "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        session = bot.protocol.session  # type: ignore[attr-defined]
        self.assertEqual((session.user, session.token), (None, None))
        bot.asks(action="client-hello", from_="carol")
        self.assertEqual(self.code(bot, action="cgroupe", group="mine"), "server-ack")
        self.flushLoggedErrors()


class Scope(TokenCase):
    """What a session with a token may do."""

    SAMPLES = {
        "nick": "alice",
        "group": "wob",
        "dest": "bob",
        "msg": "hi",
        "reaction": "+1",
        "password": SECRET,
        "new": OTHER,
        "visibility": "public",
        "mode": "all",
        "topic": "x",
        "target": "bob",
        "id": 1,
        "token": "bot",
        "scope": "write",
        "link": "invite_0",
        "number": 1,
        "words": "hi",
    }

    def outcomes(self, bot: Peer) -> dict[str, str]:
        """What becomes of each command of the JSON wire, but those that end or begin a session."""
        found = {}
        for row in COMMANDS.values():
            if row.json_actions and row.name not in ("hello", "identify", "quit"):
                values = {name: self.SAMPLES[name] for name in row.fields if name in self.SAMPLES}
                found[row.name] = self.code(bot, action=row.json_actions[0], **values)
        return found

    def test_every_command_with_every_access(self) -> None:
        """By the table: what needs the password is refused, whoever the user is."""
        self.stage.policy.operators = ("alice",)
        for scope in ("read", "write"):
            bot = self.bot(scope, name=scope)
            for name, outcome in self.outcomes(bot).items():
                needed = COMMANDS[name].required_access
                allowed = needed == "read" or (needed == "write" and scope == "write")
                with self.subTest(name, scope=scope):
                    self.assertEqual(outcome == "out_of_scope", not allowed, outcome)
        self.assertEqual(
            {row.name for row in COMMANDS.values() if row.required_access == "write"},
            {
                "broadcast",
                "send",
                "join",
                "gbroadcast",
                "delete",
                "edit",
                "reply",
                "react",
                "unreact",
                "typing",
            },
        )
        self.assertFalse(
            {
                row.name
                for row in COMMANDS.values()
                if row.required_role in ("operators", "owner", "server_operators")
            }
            & {row.name for row in COMMANDS.values() if row.required_access != "password"}
        )
        self.assertEqual(self.stage.rows("SELECT * FROM moderation"), [])

    def test_every_command_out_of_the_groups(self) -> None:
        """A private group does not exist; a public one, the lobby and other users are out of the scope."""
        bot = self.bot(groups="ops")
        free = {"groups", "conversations", "help"}
        for name, outcome in self.outcomes(bot).items():
            row = COMMANDS[name]
            with self.subTest(name):
                if row.required_access == "password":
                    self.assertEqual(outcome, "out_of_scope")
                elif name in free:
                    self.assertNotIn(outcome, ("out_of_scope", "no_such_group"))
                elif name == "history":
                    self.assertEqual(outcome, "no_such_group")
                elif name in ("delete", "edit", "reply", "react", "unreact"):
                    self.assertEqual(outcome, "no_such_message")
                else:
                    self.assertEqual(outcome, "no_such_group" if "group" in row.fields else "out_of_scope")
        self.assertEqual(self.bob.hears(), b"")

    def test_the_groups_of_a_token(self) -> None:
        bot = self.bot(groups="wob")
        for asked, outcome in (
            ({"action": "gbroadcast", "group": "WOB", "msg": "hi"}, "server-ack"),
            ({"action": "members", "group": "wob"}, "server-members"),
            ({"action": "msgs", "group": "wob"}, "server-msgs"),
            ({"action": "states", "group": "wob"}, "server-states"),
            ({"action": "history", "group": "wob"}, "server-history"),
            ({"action": "join", "group": "wob"}, "already_member"),
            ({"action": "gbroadcast", "group": "ops", "msg": "hi"}, "no_such_group"),
            ({"action": "gbroadcast", "group": "fans", "msg": "hi"}, "out_of_scope"),
            ({"action": "gbroadcast", "group": "nowhere", "msg": "hi"}, "no_such_group"),
            ({"action": "gbroadcast", "group": "a b", "msg": "hi"}, "no_such_group"),
            ({"action": "gbroadcast", "group": "", "msg": "hi"}, "out_of_scope"),
            ({"action": "join", "group": "fans"}, "out_of_scope"),
            ({"action": "members", "group": "fans"}, "out_of_scope"),
            ({"action": "msgs", "group": "ops"}, "no_such_group"),
            ({"action": "states", "group": "ops"}, "no_such_group"),
            ({"action": "history", "group": "ops"}, "no_such_group"),
            ({"action": "history"}, "out_of_scope"),
            ({"action": "history", "with": "bob"}, "out_of_scope"),
            ({"action": "history", "with": "nobody"}, "out_of_scope"),
            ({"action": "client-send", "to": "bob", "msg": "hi"}, "out_of_scope"),
            ({"action": "client-send", "to": "nobody", "msg": "hi"}, "out_of_scope"),
            ({"action": "client-broadcast", "msg": "hi"}, "out_of_scope"),
            ({"action": "client-list-clients"}, "out_of_scope"),
        ):
            with self.subTest(asked):
                self.assertEqual(self.code(bot, **asked), outcome)

    def test_the_lobby_of_a_token(self) -> None:
        bot = self.bot(groups="lobby")
        for asked, outcome in (
            ({"action": "client-broadcast", "msg": "hi"}, "server-ack"),
            ({"action": "client-list-clients"}, "server-list-clients"),
            ({"action": "history"}, "server-history"),
            ({"action": "history", "with": "bob"}, "out_of_scope"),
            ({"action": "history", "group": "wob"}, "no_such_group"),
            ({"action": "client-send", "to": "bob", "msg": "hi"}, "out_of_scope"),
            ({"action": "gbroadcast", "group": "fans", "msg": "hi"}, "out_of_scope"),
        ):
            with self.subTest(asked):
                self.assertEqual(self.code(bot, **asked), outcome)

    def test_lists_are_limited(self) -> None:
        self.bob.asks(action="client-send", to="alice", msg="psst")
        for groups, listed, conversations in (
            ("wob", ["wob"], ["wob"]),
            ("lobby,fans", ["fans"], ["fans", "lobby"]),
            ("*", ["fans", "ops", "wob"], ["bob", "fans", "lobby", "ops", "wob"]),
        ):
            bot = self.bot("read", groups.replace(",", "+").replace("*", "all"), groups=groups)
            found = bot.asks(action="groups").objects()[0]["groups"]
            self.assertEqual([group["group"] for group in found], listed)
            self.assertEqual(bot.asks(action="groups", skip=1).objects()[0]["groups"], found[1:])
            found = bot.asks(action="conversations").objects()[0]["conversations"]
            self.assertEqual(sorted(one["name"] for one in found), conversations)

    def test_a_group_that_the_user_has_left(self) -> None:
        """The scope of a token is no membership."""
        bot = self.bot(groups="ops")
        self.alice.asks(action="leave", group="ops")
        self.bob.asks(action="gbroadcast", group="ops", msg="she is gone")
        self.assertNotIn(b"she is gone", bot.hears())
        for action in ("msgs", "states", "members", "history"):
            self.assertEqual(self.code(bot, action=action, group="ops"), "no_such_group")
        self.assertEqual(self.code(bot, action="join", group="ops"), "not_invited")

    def test_a_program_joins(self) -> None:
        self.stage.json("carol").asks(action="cgroupe", group="open")
        read, write = self.bot("read", "r"), self.bot("write", "w")
        self.assertEqual(self.code(read, action="join", group="open"), "out_of_scope")
        self.assertEqual(self.code(write, action="join", group="open"), "server-ack")

    def test_rooms(self) -> None:
        """To enter one is to join it, or to create it, or only to be there."""
        self.stage.json("carol").asks(action="cgroupe", group="open")
        read, write = self.make("r", "read"), self.make("w", "write")
        for secret, said, expected in (
            (read, "/join wob", "Vous êtes dans wob"),
            (read, "/join open", "[out_of_scope]"),
            (write, "/join new", "[no_such_group]"),
            (write, "/create new", "[out_of_scope]"),
            (write, "/join open", "Vous êtes dans open"),
            (write, "/leave", "Vous êtes dans la chatroom"),
        ):
            with self.subTest(said):
                bot = self.stage.connect("tp6").says(f"/login alice {secret}")
                self.stage.wait(0.5)
                bot.hears()
                bot.says(said)
                self.stage.wait(0.5)
                self.assertIn(expected, bot.hears().decode())
                bot.hangs_up()
        # The bonus wire creates the room that is named in answer to its question.
        bot = self.stage.connect("tp6-bonus").says(f"/login alice {write}")
        self.stage.wait(0.5)
        bot.says("brandnew")
        self.stage.wait(0.5)
        self.assertIn("[out_of_scope]", bot.hears().decode())
        self.assertEqual(self.stage.rows("SELECT * FROM conversations WHERE name = 'brandnew'"), [])

    def test_operators(self) -> None:
        """An operator's program is none."""
        self.stage.policy.operators = ("alice",)
        self.assertEqual(self.code(self.alice, action="modlog"), "server-modlog")
        bot = self.bot()
        for action in ("modlog", "announce", "usertokens"):
            self.assertEqual(self.code(bot, action=action, msg="x", dest="bob"), "out_of_scope")

    def test_muted(self) -> None:
        bot = self.bot()
        self.stage.policy.operators = ("bob",)
        self.bob.asks(action="register", password=OTHER).asks(action="mute", dest="alice")
        self.assertEqual(self.code(bot, action="client-broadcast", msg="x"), "muted")


class Deliveries(TokenCase):
    """What a session with a token gets without asking."""

    def everything(self) -> None:
        """Have something happen everywhere."""
        carol = self.stage.json("carol")
        self.bob.asks(action="client-broadcast", msg="in the lobby")
        self.bob.asks(action="client-send", to="alice", msg="in private")
        for group in ("wob", "ops", "fans"):
            self.bob.asks(action="gbroadcast", group=group, msg=f"in {group}")
            self.alice.asks(action="topic", group=group, topic=f"about {group}")
            self.alice.asks(action="promote", group=group, dest="bob")
            self.bob.asks(action="kick", group=group, dest="alice")  # refused
        carol.asks(action="cgroupe", group="carols", visibility="private")
        carol.asks(action="invite", group="carols", dest="alice")
        carol.hangs_up()

    def places(self, said: list[dict[str, Any]]) -> set[str]:
        """The groups, or else what else it is, of what was delivered."""
        return {one.get("group") or ("private" if "to" in one else "lobby") for one in said}

    def test_live(self) -> None:
        whole = self.bot("read", "whole")
        wob, lobby = self.bot("read", "w", groups="wob"), self.bot("read", "l", groups="lobby,fans")
        self.everything()
        self.assertEqual(self.places(wob.objects()), {"wob"})
        self.assertEqual(self.places(lobby.objects()), {"lobby", "fans"})
        self.assertEqual(self.places(whole.objects()), {"lobby", "private", "wob", "ops", "fans", "carols"})

    def test_replayed(self) -> None:
        """Exactly what came live, the arrivals apart."""
        bots = {
            secret: self.stage.json("alice", password=secret)
            for secret in (self.make("a"), self.make("b", groups="wob"), self.make("c", groups="lobby,fans"))
        }
        cursor = bots[next(iter(bots))].asks(action="client-hello", from_="alice").objects()[-1]["cursor"]
        for bot in bots.values():
            bot.hears()
        self.everything()
        for secret, bot in bots.items():
            live = [one for one in bot.objects() if "id" in one]
            again = self.stage.connect("json").asks(
                action="client-hello", from_="alice", password=secret, since=cursor
            )
            self.assertEqual(again.objects()[1:], live)

    def test_replayed_while_more_comes_than_is_held_back(self) -> None:
        """What is read from the log instead is limited too."""
        secret = self.make(groups="wob")
        self.stage.readers.held = True
        bot = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret, since=0)
        for number in range(80):
            for group in ("wob", "ops"):
                self.bob.asks(action="gbroadcast", group=group, msg=f"{number} {group} " + "x" * 8000)
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        self.stage.wait(1)
        heard = [one["msg"].split(" ")[:2] for one in bot.objects() if one.get("msg") and "group" in one]
        self.assertEqual(heard, [[str(number), "wob"] for number in range(80)])

    def test_what_concerns_the_user_is_told_in_every_room(self) -> None:
        """In the chat room, wherever the program is, if the group is in the scope of its token."""
        self.bob.asks(action="register", password=OTHER).hears()
        rooms = {}
        for group in ("wob", "ops"):
            self.bob.hears()
            made = self.bob.asks(action="maketoken", token=group, scope="read", groups=group).objects()
            rooms[group] = self.stage.connect("tp6").says(f"/login bob {made[0]['secret']}")
            self.stage.wait(0.5)
            rooms[group].hears()
        self.alice.asks(action="kick", group="wob", dest="bob")
        self.stage.wait(0.5)
        self.assertEqual(rooms["wob"].lines(), ["Annonce : alice a exclu bob de wob"])
        self.assertEqual(rooms["ops"].hears(), b"")

    def test_an_announcement_is_for_everyone(self) -> None:
        bot = self.bot("read", groups="wob")
        self.stage.policy.operators = ("alice",)
        self.stage.json("dave")
        self.alice.asks(action="announce", msg="it ends at noon")
        self.stage.json("erin")
        self.assertEqual([one["event"] for one in bot.objects()], ["announced"])

    def test_an_invitation_is_out_of_the_scope(self) -> None:
        """Even one to a group that the token is for, if the user was put out: it is in that group."""
        bot = self.bot("read", groups="wob")
        carol = self.stage.json("carol").asks(action="cgroupe", group="carols", visibility="private")
        carol.asks(action="invite", group="carols", dest="alice")
        self.assertEqual(bot.hears(), b"")

    def test_its_own_messages(self) -> None:
        """Its session gets the ack, the user's other sessions the message if they may."""
        one, two = self.bot(groups="wob", name="one"), self.bot("read", groups="ops", name="two")
        self.forget()
        self.assertEqual(self.code(one, action="gbroadcast", group="wob", msg="deployed"), "server-ack")
        self.assertEqual([said["msg"] for said in self.alice.objects()], ["deployed"])
        self.assertEqual([said["msg"] for said in self.bob.objects()], ["deployed"])
        self.assertEqual(two.hears(), b"")

    def test_on_the_other_wires(self) -> None:
        secret = self.make(groups="wob")
        text = self.stage.connect("text").says(f"PWD {secret}").says("IAM alice")
        room = self.stage.connect("tp6").says(f"/login alice {secret}")
        self.stage.wait(1)
        text.hears(), room.hears()
        self.everything()
        self.stage.wait(3)
        self.assertEqual({line.split(" ")[1] for line in text.lines()}, {"wob"})
        heard = room.hears().decode()
        for other in ("lobby", "private", "ops", "fans", "carol"):
            self.assertNotIn(other, heard)
        room.says("/join wob")
        self.stage.wait(0.5)
        room.hears()
        self.bob.asks(action="gbroadcast", group="wob", msg="hello").asks(action="client-broadcast", msg="no")
        self.stage.wait(0.5)
        self.assertEqual(room.lines(), ["bob a dit : hello"])


class Ending(TokenCase):
    """A token that is revoked or expires takes its sessions along."""

    def ended(self, bot: Peer, code: str) -> None:
        """Check that the session is over, and why."""
        self.assertEqual((bot.objects()[-1].get("code"), bot.closed), (code, True))

    def test_revoked(self) -> None:
        bot, second, other = self.bot(), self.stage.json("alice", password=SECRET), self.bot(name="other")
        self.alice.asks(action="revoketoken", token="bot")
        self.ended(bot, "token_revoked")
        self.assertEqual((self.alice.closed, second.closed, other.closed), (False, False, False))

    def test_nothing_is_delivered_after_the_answer(self) -> None:
        """What others say while the revocation is stored may come; nothing that they say when it is."""
        bot = self.bot()
        self.stage.writer.held = True
        self.alice.asks(action="revoketoken", token="bot")
        self.bob.asks(action="client-broadcast", msg="meanwhile")
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.stage.writer.held = False
        self.bob.asks(action="client-broadcast", msg="afterwards")
        said = bot.objects()
        self.assertEqual(said[-1]["code"], "token_revoked")
        self.assertNotIn("afterwards", str(said))

    def test_a_request_while_the_revocation_is_stored(self) -> None:
        """It comes too late, and so do those behind it."""
        bot = self.bot()
        self.stage.writer.held = True
        self.alice.asks(action="revoketoken", token="bot")
        bot.asks(action="client-broadcast", msg="one").asks(action="client-broadcast", msg="two")
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.ended(bot, "token_revoked")
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE kind = 'message'"), [(0,)])

    def test_a_page_that_is_read_meanwhile(self) -> None:
        self.bob.asks(action="gbroadcast", group="wob", msg="our secret")
        bot = self.bot()
        self.stage.readers.held = True
        bot.asks(action="msgs", group="wob")
        self.alice.asks(action="revoketoken", token="bot")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertNotIn(b"our secret", bot.hears())

    def test_a_replay_is_cut(self) -> None:
        self.bob.asks(action="gbroadcast", group="wob", msg="our secret")
        secret = self.make()
        self.stage.readers.held = True
        bot = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret, since=0)
        self.alice.asks(action="revoketoken", token="deploy")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertNotIn(b"our secret", bot.hears())
        self.assertTrue(bot.closed)

    def test_expired_at_the_next_request(self) -> None:
        bot = self.bot(duration=10)
        self.stage.wait(9)
        self.assertEqual(self.code(bot, action="client-broadcast", msg="in time"), "server-ack")
        self.stage.wait(1)
        bot.asks(action="client-broadcast", msg="late", ref=7)
        refused = bot.objects()[-1]
        self.assertEqual((refused["code"], refused["ref"], bot.closed), ("token_expired", 7, True))

    def test_expired_in_a_pipeline(self) -> None:
        """What was decided before is answered; nothing after it is done."""
        bot = self.bot(duration=10)
        self.stage.wait(9)
        self.stage.writer.held = True
        bot.asks(action="client-broadcast", msg="one", ref=1)
        self.stage.wait(2)
        late = '{"action":"client-broadcast","msg":"%s","ref":%d}\n'
        bot.says((late % ("two", 2) + late % ("three", 3)).encode())
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual(
            [(one.get("ref"), one.get("code")) for one in bot.objects()], [(1, None), (2, "token_expired")]
        )
        self.assertTrue(bot.closed)
        self.assertEqual(self.stage.rows("SELECT body FROM log WHERE kind = 'message'"), [("one",)])

    def test_expired_while_it_asks_for_nothing(self) -> None:
        bot, other = self.bot(duration=10), self.bot(name="other")
        self.stage.wait(10 + TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.ended(bot, "token_expired")
        self.assertFalse(other.closed)

    def test_a_new_password(self) -> None:
        """It ends all tokens: who has stolen the password may have made one."""
        secret, bot = self.make(), self.bot()
        self.alice.asks(action="passwd", password=SECRET, new=OTHER)
        self.assertTrue(bot.closed)
        self.assertEqual(self.tokens_on_disk(), [])
        self.assertEqual(self.alice.asks(action="tokens").objects()[-1]["tokens"], [])
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.assertEqual(peer.objects()[0]["code"], "wrong_password")

    def test_a_new_password_that_is_not_stored(self) -> None:
        secret = self.make()
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.alice.asks(action="passwd", password=SECRET, new=OTHER)
        self.stage.writer.error = None
        self.stage.wait(2)
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.assertEqual(peer.objects()[0]["action"], "server-hello")
        self.flushLoggedErrors()

    def test_the_account_is_closed(self) -> None:
        secret, bot = self.make(), self.bot()
        self.alice.asks(action="unregister", password=SECRET)
        self.assertTrue(bot.closed)
        self.assertEqual(self.tokens_on_disk(), [])
        for nick in ("alice", "alice~1"):
            peer = self.stage.connect("json").asks(action="client-hello", from_=nick, password=secret)
            self.assertEqual(peer.objects()[0]["code"], "wrong_password")

    def test_regain(self) -> None:
        bot = self.bot()
        self.alice.asks(action="regain")
        self.ended(bot, "session_replaced")

    def checks(self) -> int:
        """How many looks at the sessions are to come."""
        return sum("TokenExpiry" in str(call) for call in self.stage.reactor.getDelayedCalls())

    def test_no_timer_is_left(self) -> None:
        """Neither for sessions that are gone nor when the daemon stops."""
        self.bot(duration=10).hangs_up()
        self.bot("read", "long", duration=600)
        self.assertEqual(self.checks(), 1)
        self.stage.wait(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.assertEqual(self.checks(), 1)
        self.alice.asks(action="revoketoken", token="long")
        self.stage.wait(TOKEN_EXPIRY_CHECK_INTERVAL_SECONDS)
        self.assertEqual(self.checks(), 0)
        self.bot("read", "other", duration=600)
        self.stage.chat.refuse_new_and_drain()
        self.assertEqual(self.checks(), 0)


A_NAME = st.sampled_from(("a", "b", "c", "d", "e"))
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("make"), A_NAME, st.sampled_from(("", "wob", "lobby,ops")), st.sampled_from((0, 60))
        ),
        st.tuples(st.sampled_from(("revoke", "log in")), A_NAME),
        st.tuples(st.sampled_from(("fail", "wait", "passwd", "restart"))),
    ),
    max_size=12,
)


class MemoryAndDisk(TokenCase):
    """The daemon knows exactly the tokens that are on the disk, whatever has happened."""

    @settings(max_examples=effort(60), deadline=None)
    @given(STEPS)
    def test_they_agree(self, steps: list[tuple[Any, ...]]) -> None:
        password, other = SECRET, OTHER
        alice = self.stage.json("alice", password=SECRET)
        for what, *details in steps:
            if what == "make":
                name, groups, duration = details
                more = {"duration": duration} if duration else {}
                alice.asks(action="maketoken", token=name, scope="read", groups=groups, **more)
            elif what == "revoke":
                alice.asks(action="revoketoken", token=details[0])
            elif what == "log in":
                secrets = [one["secret"] for one in alice.objects() if "secret" in one]
                self.stage.json("alice", **({"password": secrets[-1]} if secrets else {}))
            elif what == "fail":
                self.stage.writer.error = sqlite3.OperationalError("disk full")
                alice.asks(action="maketoken", token="lost", scope="read")
                self.stage.writer.error = None
                self.stage.wait(2)
                self.flushLoggedErrors()
            elif what == "wait":
                self.stage.wait(40)
            elif what == "passwd":
                alice.asks(action="passwd", password=password, new=other)
                password, other = other, password
            else:
                self.restart()
                alice = self.stage.json("alice", password=password)
            self.assertEqual(self.known(self.stage.chat._authority.state), self.known(self.loaded()))
        # The next example finds the first password, and no tokens.
        alice.asks(action="passwd", password=password, new=OTHER if password == SECRET else SECRET)
        if password == SECRET:
            alice.asks(action="passwd", password=OTHER, new=SECRET)
        self.assertEqual(self.tokens_on_disk(), [])

    def loaded(self) -> State:
        """The state as a daemon that starts now would have it."""
        with closing(sqlite3.connect(self.stage.database)) as connection:
            return load_snapshot(connection.cursor(), SQLITE).state

    def known(self, state: State) -> list[dict[str, Any]]:
        """All tokens, in order, as far as their values show."""
        tokens = [token for user in state.users.values() for token in state.tokens_of(user)]
        self.assertEqual({token.digest for token in tokens}, set(state.tokens))
        return [{**structs.asdict(token), "user": token.user.id} for token in tokens]


class Operators(TokenCase):
    """Server operators see and revoke the tokens of users, and never their secrets."""

    def setUp(self) -> None:
        """Bob is one."""
        super().setUp()
        self.stage.policy.operators = ("bob",)
        self.bob.asks(action="register", password=OTHER).hears()

    def test_they_list_and_revoke(self) -> None:
        bot = self.bot("read", groups="wob")
        (listed,) = self.bob.asks(action="usertokens", dest="alice").objects()
        self.assertEqual((listed["nick"], listed["tokens"][0]["token"]), ("alice", "bot"))
        (done,) = self.bob.asks(action="revokeusertoken", dest="alice", token="BOT").objects()
        self.assertEqual(
            (done["acts"][0]["act"], done["acts"][0]["target"]), ("revokeusertoken", "alice bot")
        )
        self.assertEqual((bot.objects()[-1]["code"], bot.closed), ("token_revoked", True))
        self.assertEqual(self.tokens_on_disk(), [])
        self.restart()
        self.stage.policy.operators = ("bob",)
        bob = self.stage.json("bob", password=OTHER)
        self.assertEqual(bob.asks(action="modlog").objects()[0]["acts"][0]["act"], "revokeusertoken")

    def test_what_is_refused(self) -> None:
        for asked, code in (
            ({"action": "revokeusertoken", "dest": "alice", "token": "x"}, "no_such_token"),
            ({"action": "revokeusertoken", "dest": "nobody", "token": "x"}, "no_such_user"),
            ({"action": "revokeusertoken", "dest": "bob", "token": "x"}, "is_server_operator"),
            ({"action": "usertokens", "dest": "nobody"}, "no_such_user"),
        ):
            self.assertEqual(self.code(self.bob, **asked), code)
        for action in ("usertokens", "revokeusertoken"):
            self.assertEqual(
                self.code(self.alice, action=action, dest="bob", token="x"), "not_server_operator"
            )

    def test_a_reset_password_ends_them(self) -> None:
        secret, bot = self.make(), self.bot()
        self.bob.asks(action="resetpassword", dest="alice", new="another secret")
        self.assertTrue(bot.closed)
        self.assertEqual(self.tokens_on_disk(), [])
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.assertEqual(peer.objects()[0]["code"], "wrong_password")

    def test_a_blocked_user(self) -> None:
        secret, bot = self.make(), self.bot()
        self.bob.asks(action="block", target="alice")
        self.assertTrue(bot.closed)
        peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=secret)
        self.assertEqual(peer.objects()[0]["code"], "blocked")


class Open(StageTestCase):
    """Where only registered users may write."""

    def test_a_program_may(self) -> None:
        stage = self.stage
        stage.policy.names = "registered"
        alice = stage.json("alice").asks(action="register", password=SECRET)
        alice.hears()
        secret = alice.asks(action="maketoken", token="x", scope="write").objects()[0]["secret"]
        bot = stage.json("alice", password=secret)
        self.assertEqual(bot.asks(action="client-broadcast", msg="hi").objects()[0]["action"], "server-ack")
