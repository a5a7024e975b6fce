"""Accounts on every wire: what a password protects, and what becomes of a name that is given up."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from chatd.core.accounts import AccountPolicy
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

SECRET = "correct horse battery"
OTHER = "staple of nine"


class AccountCase(StageTestCase):
    """Alice is registered, and away."""

    def setUp(self) -> None:
        """Register her."""
        super().setUp()
        self.stage.json("alice").asks(action="register", password=SECRET).hangs_up()

    def chat_room(self, *frames: str, wire: str = "tp6") -> Peer:
        """Somebody in the chat room who has sent ``frames``."""
        peer = self.stage.connect(wire)
        for frame in frames:
            peer.says(frame)
            self.stage.wait(0.5)
        return peer


class Login(AccountCase):
    """A registered nick needs its password on every wire."""

    def test_text(self) -> None:
        """By ``PWD`` before ``IAM``, or in one line; nobody else gets the nick, in no spelling."""
        mallory = self.stage.connect("text")
        for nick in ("alice", "ALICE", "alicｅ"):
            mallory.hears()
            self.assertIn("ERR password_required", mallory.says(f"IAM {nick}").lines()[0])
        self.assertIn("ERR wrong_password", mallory.says("identify;alice;battery horse").lines()[0])
        for lines in ((f"PWD {SECRET}", "IAM alice"), (f"identify;Alice; {SECRET} ",)):
            alice = self.stage.connect("text")
            alice.hears()
            for line in lines:
                alice.says(line)
            self.stage.wait(1)
            self.assertEqual(alice.lines()[:2], ["ARR alice", "BCK alice"])
            self.assertEqual(alice.says("WHO").lines(), ["WHO alice", "END WHO 1"])
            alice.hangs_up()

    def test_a_given_password_is_used_once(self) -> None:
        peer = self.stage.connect("text").says("PWD wrong horse").says("IAM alice")
        self.assertIn("ERR wrong_password", peer.hears().decode())
        self.assertIn("ERR password_required", peer.says("IAM alice").hears().decode())
        self.assertEqual(peer.says("IAM bob").lines()[0], "ARR bob")
        self.assertIn("ERR already_identified", peer.says(f"PWD {SECRET}").hears().decode())

    def test_json(self) -> None:
        """In the hello of both framings; a request that names a sender has no password."""
        for end in ("\n", ""):
            for asked, code in (
                ('"action":"client-hello"', "password_required"),
                ('"action":"client-broadcast","msg":"hi"', "password_required"),
                ('"action":"client-hello","password":"wrong horse"', "wrong_password"),
                ('"action":"client-hello","password":7', "bad_request"),
                ('"action":"client-hello","password":""', "password_required"),
                ('"action":"client-hello","pwd":"wrong horse"', "wrong_password"),
            ):
                with self.subTest(asked, end=end):
                    peer = self.stage.connect("json").says(f'{{"from":"alice",{asked}}}{end}'.encode())
                    self.stage.wait(1)
                    self.assertEqual([said["code"] for said in peer.objects()], [code])
            hello = f'{{"from":"alice","action":"client-hello","password":"{SECRET}"}}{end}'
            alice = self.stage.connect("json").says(hello.encode())
            self.stage.wait(1)
            self.assertEqual(alice.objects()[0]["msg"], "Welcome back alice !")
            alice.hangs_up()

    def test_the_chat_room(self) -> None:
        """By ``/login``, where others say hello; also with frames, and on the port for every wire."""
        for wire in ("tp6", "tp6-bonus", "auto"):
            with self.subTest(wire):
                mallory = self.chat_room("Hello|alice", wire=wire)
                self.assertIn("[password_required]", mallory.hears().decode())
                mallory.says("/login alice wrong horse")
                self.stage.wait(0.5)
                self.assertIn("[wrong_password]", mallory.hears().decode())
                mallory.hangs_up()
                alice = self.chat_room(f"/login alice {SECRET}", wire=wire)
                self.assertIn("Welcome back alice !", alice.hears().decode())
                alice.hangs_up()
        frame = f"/login alice {SECRET}".encode()
        framed = self.stage.connect("tp6").says(b"\x01" + len(frame).to_bytes(2, "big") + frame)
        self.stage.wait(0.5)
        self.assertIn(b"Welcome back alice !", framed.hears())

    def test_a_free_nick_has_no_password(self) -> None:
        """Whoever identifies is refused as with a wrong password, and the nick is not taken."""
        for nick in ("nobody", "a b", ""):
            peer = self.stage.connect("json").asks(action="identify", from_=nick, password=SECRET)
            self.assertEqual(peer.objects()[0]["code"], "wrong_password")
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE id > 0"), [("alice",)])

    def test_a_hello_with_a_password_for_a_free_nick(self) -> None:
        """Some course-work clients send one with every hello: the nick is on its honour all the same."""
        peer = self.stage.connect("json").says(b'{"from":"bob","pwd":"1234","action":"client-hello"}')
        self.stage.wait(1)
        self.assertEqual(peer.objects()[0]["msg"], "Hello bob")
        carol = self.stage.connect("text").says("PWD 1234").says("IAM carol")
        self.assertEqual(carol.lines()[1], "ARR carol")
        self.assertEqual(self.stage.passwords.networks, [None])  # that of alice's registration

    def test_a_second_hello_with_a_password_verifies_it(self) -> None:
        alice = self.stage.json("alice", password=SECRET)
        for password, expected in ((SECRET, "server-hello"), ("wrong horse", "server-error")):
            alice.hears()
            asked = alice.asks(action="identify", from_="alice", password=password)
            self.assertEqual([said["action"] for said in asked.objects()], [expected])
        self.assertEqual(
            alice.asks(action="identify", from_="bob", password=SECRET).objects()[0]["code"], "not_you"
        )

    def test_it_survives_a_restart(self) -> None:
        self.restart()
        self.assertIn("password_required", self.stage.connect("text").says("IAM alice").hears().decode())
        alice = self.stage.connect("json").asks(action="client-hello", from_="alice", password=SECRET)
        self.assertEqual(alice.objects()[0]["action"], "server-hello")

    def test_a_message_waits_for_her_alone(self) -> None:
        """The mail of the absent: nobody reads it by taking the name."""
        self.stage.json("bob").asks(action="client-send", to="alice", msg="for your eyes")
        mallory = self.stage.connect("json")
        for action in ("history", "conversations", "client-hello", "client-list-clients"):
            mallory.asks(action=action, from_="alice", **({"with": "bob"} if action == "history" else {}))
        self.assertNotIn(b"eyes", mallory.hears())
        alice = self.stage.connect("json").asks(action="client-hello", from_="alice", password=SECRET)
        self.assertIn(b"for your eyes", alice.hears())


class Register(AccountCase):
    """Whoever has a name may register it."""

    def test_text(self) -> None:
        bob = self.stage.text("bob")
        self.assertEqual(bob.says(f"register;{OTHER}").lines(), ["ACC bob registered"])
        self.assertIn("ERR already_registered", bob.says(f"register;{OTHER}").hears().decode())
        bob.hangs_up()
        self.assertIn("ERR password_required", self.stage.connect("text").says("IAM bob").hears().decode())

    def test_the_chat_room(self) -> None:
        bob = self.chat_room("Hello|bob")
        bob.hears()
        bob.says(f"/register {OTHER}")
        self.stage.wait(0.5)
        self.assertEqual(bob.lines(), ["C'est fait : bob a un mot de passe"])

    def test_what_was_sent_before_belongs_to_the_account(self) -> None:
        """The session that registers had the name, and takes along what the name has."""
        carol, bob = self.stage.json("carol"), self.stage.json("bob")
        bob.asks(action="cgroupe", group="wob").asks(action="client-send", to="carol", msg="psst")
        bob.asks(action="register", password=OTHER).hangs_up()
        bob = self.stage.connect("json").asks(action="client-hello", from_="bob", password=OTHER)
        self.assertIn(b"psst", bob.hears())
        self.assertEqual(bob.asks(action="groups").objects()[0]["groups"][0]["role"], "owner")
        self.assertFalse(carol.closed)

    def test_passwords_that_are_none(self) -> None:
        bob = self.stage.json("bob")
        for password, code in (
            ("short", "weak_password"),
            ("x" * 513, "too_long"),
            ("a\x07bcdefghi", "bad_request"),
            ("   \t  ", "bad_request"),
            (12345678, "bad_request"),
        ):
            with self.subTest(password):
                (refused,) = bob.asks(action="register", password=password).objects()
                self.assertEqual(refused["code"], code)
        self.assertEqual(bob.asks(action="register").objects()[0]["code"], "bad_request")

    def test_a_guest_has_no_name_to_register(self) -> None:
        guest = self.stage.json("")
        self.assertEqual(guest.asks(action="register", password=OTHER).objects()[0]["code"], "bad_nick")

    def test_one_password_in_every_spelling(self) -> None:
        """The same letters composed otherwise, with other blanks, or with blanks around them."""
        self.stage.json("bob").asks(action="register", password="mot de passe é").hangs_up()
        for spelling in ("mot de passe e\u0301", "mot\u00a0de passe é", "  mot de passe é "):
            bob = self.stage.connect("json").asks(action="client-hello", from_="bob", password=spelling)
            self.assertEqual(bob.objects()[0]["action"], "server-hello", spelling)
            bob.hangs_up()

    def test_the_disk_fails(self) -> None:
        """Then the nick is as free as before."""
        bob = self.stage.json("bob")
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(bob.asks(action="register", password=OTHER).objects()[0]["code"], "storage_failed")
        self.stage.writer.error = None
        bob.hangs_up()
        self.assertEqual(self.stage.connect("text").says("IAM bob").lines()[1], "ARR bob")
        self.flushLoggedErrors()

    def test_no_password_is_stored_or_shown(self) -> None:
        alice = self.stage.json("alice", password=SECRET)
        alice.asks(action="help").asks(action="register", password=SECRET)
        self.assertNotIn(SECRET.encode(), alice.hears())
        self.stage.rows("PRAGMA wal_checkpoint")
        self.assertNotIn(SECRET.encode(), self.stage.database.read_bytes())
        self.assertNotIn(SECRET, repr(self.stage.chat._authority.state.credentials))


class ChangePassword(AccountCase):
    """A new password ends the other sessions, and the old one is worth nothing."""

    def test_it_is_changed(self) -> None:
        alice, other = self.stage.json("alice", password=SECRET), self.stage.json("alice", password=SECRET)
        alice.hears()
        (done,) = alice.asks(action="passwd", password=SECRET, new=OTHER, ref=4).objects()
        self.assertEqual(done, {"action": "server-account", "ref": 4, "nick": "alice", "registered": True})
        self.assertEqual((other.objects()[-1]["code"], other.closed), ("password_changed", True))
        for password, expected in ((SECRET, "server-error"), (OTHER, "server-hello")):
            peer = self.stage.connect("json").asks(action="client-hello", from_="alice", password=password)
            self.assertEqual(peer.objects()[0]["action"], expected)

    def test_it_is_refused(self) -> None:
        alice, bob = self.stage.json("alice", password=SECRET), self.stage.json("bob")
        alice.hears()
        for peer, old, new, code in (
            (alice, OTHER, SECRET, "wrong_password"),
            (alice, SECRET, "short", "weak_password"),
            (bob, SECRET, OTHER, "not_registered"),
        ):
            (refused,) = peer.asks(action="passwd", password=old, new=new).objects()
            self.assertEqual(refused["code"], code)


class Unregister(AccountCase):
    """A name that is given up is free, and nobody inherits what was written under it."""

    def setUp(self) -> None:
        """Have alice own a group, and talk with bob; then she goes for good."""
        super().setUp()
        self.bob = self.stage.json("bob")
        alice = self.stage.json("alice", password=SECRET)
        alice.asks(action="cgroupe", group="wob", visibility="private")
        alice.asks(action="invite", group="wob", dest="bob")
        self.bob.asks(action="join", group="wob")
        alice.asks(action="cgroupe", group="alone")
        alice.asks(action="client-send", to="bob", msg="our secret")
        self.bob.hears(), alice.hears()
        alice.asks(action="unregister", password=SECRET)
        self.said = alice.objects()
        self.assertTrue(alice.closed)

    def test_it_is_answered_and_the_others_are_told(self) -> None:
        self.assertEqual(
            [(said["action"], said.get("code")) for said in self.said if said["action"] != "server-event"],
            [("server-account", None), ("server-error", "account_closed")],
        )
        events = [(said["event"], said["actor"]) for said in self.bob.objects()]
        self.assertEqual(events, [("left", "alice"), ("promoted", "alice"), ("left", "alice")])

    def test_whoever_takes_the_name_inherits_nothing(self) -> None:
        for restarted in (False, True):
            with self.subTest(restarted=restarted):
                if restarted:
                    self.restart()
                alice = self.stage.connect("json").asks(action="client-hello", from_="alice")
                self.assertEqual(alice.objects()[0]["returning"], restarted)
                (alone,) = alice.asks(action="groups").objects()[0]["groups"]
                self.assertEqual((alone["group"], alone["role"], alone["owner"]), ("alone", "", "alice~1"))
                alice.asks(action="history", **{"with": "bob"}).asks(action="conversations")
                alice.asks(action="client-hello", from_="alice", since=0)
                heard = alice.hears()
                self.assertNotIn(b"our secret", heard)
                self.assertEqual(alice.asks(action="msgs", group="wob").objects()[0]["code"], "no_such_group")
                alice.hangs_up()

    def test_the_others_keep_what_was_said(self) -> None:
        """Under a name that tells the former user from the next one, and that nobody can use or write to."""
        self.stage.json("alice").asks(action="client-send", to="bob", msg="I am new")
        self.bob.hears()
        (page,) = self.bob.asks(action="history", **{"with": "alice~1"}).objects()
        self.assertEqual(
            [(item["from"], item["msg"]) for item in page["messages"]], [("alice~1", "our secret")]
        )
        (page,) = self.bob.asks(action="history", **{"with": "alice"}).objects()
        self.assertEqual([(item["from"], item["msg"]) for item in page["messages"]], [("alice", "I am new")])
        (listed,) = self.bob.asks(action="conversations").objects()
        names = {line["name"] for line in listed["conversations"]}
        self.assertEqual(names, {"alice", "alice~1", "wob", "lobby"})
        (refused,) = self.bob.asks(action="client-send", to="alice~1", msg="hello?").objects()
        self.assertEqual(refused["code"], "no_such_user")
        for password in ("", SECRET):
            more = {"password": password} if password else {}
            peer = self.stage.connect("json").asks(action="client-hello", from_="alice~1", **more)
            self.assertIn(peer.objects()[0]["code"], ("password_required", "wrong_password"))

    def test_the_next_one_may_go_as_well(self) -> None:
        alice = self.stage.json("alice").asks(action="register", password=OTHER)
        alice.hears()
        alice.asks(action="unregister", password=OTHER)
        self.assertEqual(alice.objects()[0]["registered"], False)
        nicks = [nick for (nick,) in self.stage.rows("SELECT nick FROM users WHERE id > 0 ORDER BY id")]
        self.assertEqual(nicks, ["alice~1", "bob", "alice~2"])

    def test_it_needs_the_password(self) -> None:
        (refused,) = self.bob.asks(action="unregister", password=SECRET).objects()[-1:]
        self.assertEqual(refused["code"], "not_registered")
        self.bob.asks(action="register", password=OTHER).hears()
        (refused,) = self.bob.asks(action="unregister", password=SECRET).objects()
        self.assertEqual((refused["code"], self.bob.closed), ("wrong_password", False))


class Races(AccountCase):
    """What two sessions do at the same time, while a password is hashed or the disk is slow."""

    def test_a_user_whose_login_was_rolled_back_registers_nobody_else(self) -> None:
        """The id of the lost user may be another's by the time the password is hashed."""
        self.stage.passwords.held = True
        mallory = self.stage.connect("json").says(b'{"action":"client-hello","from":"mallory"}\n')
        mallory.hears()
        self.stage.writer.held = True
        eve = self.stage.connect("text").says("IAM eve").says("register;eve's own secret")
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.stage.writer.run_next()
        self.stage.writer.error, self.stage.writer.held = None, False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
        self.stage.wait(2)
        bob = self.stage.json("bob")
        while self.stage.passwords.waiting:
            self.stage.passwords.run_next()
        self.stage.settle()
        self.assertNotIn("ACC eve registered", eve.hears().decode())
        self.assertEqual(self.stage.rows("SELECT count(*) FROM credentials"), [(1,)])
        bob.hangs_up()
        self.assertIn("ARR bob", self.stage.connect("text").says("IAM bob").hears().decode())
        self.flushLoggedErrors()

    def test_a_user_who_was_put_out_registers_the_nick_for_nobody_else(self) -> None:
        """The connection is open for as long as the client does not read, and the nick is free."""
        eve, carol = self.stage.json("bob"), self.stage.json("carol")
        eve.wire.stuck = True
        for _ in range(2):
            carol.asks(action="client-broadcast", msg="is not read")
        self.stage.passwords.held = True
        eve.asks(action="register", password="eve's own secret")
        eve.protocol.session.refuse_and_close(Refusal("disconnected", why="loud"))  # type: ignore[attr-defined]
        self.stage.settle()
        bob = self.stage.json("bob")
        self.assertEqual((eve.closed, bob.closed), (False, False))
        self.stage.passwords.run_next()
        self.stage.settle()
        self.assertEqual(self.stage.rows("SELECT count(*) FROM credentials"), [(1,)])

    def test_a_class_comes_back_at_once(self) -> None:
        """Right passwords that are verified at the same time are not counted as wrong ones."""
        self.stage.passwords.held = True
        peers = [
            self.stage.connect("json", "192.0.2.1").asks(
                action="client-hello", from_="alice", password=SECRET, history="none"
            )
            for _ in range(16)
        ]
        while self.stage.passwords.waiting:
            self.stage.passwords.run_next()
        self.stage.settle()
        self.assertEqual({peer.objects()[0]["action"] for peer in peers}, {"server-hello"})

    def test_sessions_that_come_during_a_slow_commit_are_not_too_many(self) -> None:
        self.stage.writer.held = True
        self.stage.json("bob").asks(action="client-broadcast", msg="slow")
        peers = [self.stage.json("alice", password=SECRET) for _ in range(40)]
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
        self.stage.wait(1)
        self.assertEqual(sum(not peer.closed for peer in peers), self.stage.limits.sessions_per_user)

    def test_a_closed_account_writes_nothing_more(self) -> None:
        """Another session of it, before the closing is on disk."""
        alice, other = (self.stage.json("alice", password=SECRET) for _ in range(2))
        self.stage.writer.held = True
        alice.asks(action="unregister", password=SECRET)
        other.hears()
        for action in ("cgroupe", "client-broadcast"):
            other.asks(action=action, group="wob", msg="still here")
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        codes = [said["code"] for said in other.objects() if said["action"] == "server-error"]
        self.assertEqual(codes, ["account_closed"] * 3)
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log"), [(0,)])

    def test_the_next_user_of_the_nick_stays(self) -> None:
        """Who takes the nick while the closing is not on disk yet, because its user has hung up."""
        alice = self.stage.json("alice", password=SECRET)
        self.stage.writer.held = True
        alice.asks(action="unregister", password=SECRET).hangs_up()
        following = self.stage.connect("json").asks(action="client-hello", from_="alice", ref=1)
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        self.assertEqual((following.objects()[0]["action"], following.closed), ("server-hello", False))

    def test_a_nick_that_can_not_be_cut_anywhere(self) -> None:
        """Some characters are allowed beside others only (RFC 5892, appendix A)."""
        nick = "a" * 28 + "l\u00b7lb"
        peer = self.stage.json(nick).asks(action="register", password=SECRET)
        peer.hears()
        peer.asks(action="unregister", password=SECRET)
        self.assertEqual(peer.objects()[0]["registered"], False)
        former = self.stage.rows("SELECT nick FROM users WHERE nick LIKE '%~1'")
        self.assertEqual(former, [("a" * 28 + "l~1",)])


class Mistakes(AccountCase):
    """A command with a password that is meant as one, and is none, is not said to everybody."""

    def test_in_the_chat_room(self) -> None:
        bob, room = self.stage.text("bob"), self.chat_room("Hello|carol")
        bob.hears()
        for line in (f" /register {OTHER}", f"register;{OTHER}", f"PWD {OTHER}", f"  identify;carol;{OTHER}"):
            room.hears()
            room.says(line)
            self.stage.wait(0.5)
            self.assertIn("[bad_request]", room.hears().decode(), line)
        self.assertEqual(bob.lines(), [])
        for line in (f"my password is not {OTHER}", "register", "//register x"):
            room.says(line)
            self.stage.wait(0.5)
        self.assertEqual(len(bob.lines()), 3)

    def test_wrong_passwords_are_in_the_log(self) -> None:
        """With the address, for whoever looks for guesses; without the password."""
        logged: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            logged.append(str(event.get("code")))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.stage.connect("text").says("identify;alice;wrong horse")
        self.assertIn("wrong_password", logged)


class RegisteredOnly(AccountCase):
    """``names = "registered"``: the others may read, and register."""

    def setUp(self) -> None:
        """Have the daemon run so."""
        super().setUp()
        self.stage.close()
        self.stage = Stage(self.stage.database, policy=AccountPolicy(names="registered"))

    def test_text(self) -> None:
        bob = self.stage.text("bob")
        for line in ("MSG hi", "PRV alice hi", "cg;wob"):
            self.assertIn("ERR registered_only", bob.says(line).lines()[0], line)
        self.assertEqual(bob.says("history;").lines(), ["END history 0"])
        self.assertEqual(bob.says(f"register;{OTHER}").lines(), ["ACC bob registered"])
        self.assertEqual(bob.says("s;alice;hi").lines(), ["ACK s alice 1 1"])

    def test_json_and_the_chat_room(self) -> None:
        bob = self.stage.json("bob").asks(action="client-broadcast", msg="hi")
        self.assertEqual(bob.objects()[0]["code"], "registered_only")
        carol = self.chat_room("Hello|carol", "hi")
        self.assertIn("[registered_only]", carol.hears().decode())


class Guessing(AccountCase):
    """Wrong passwords are slowed down, and nobody else is."""

    limits = Limits(wrong_passwords=5, wrong_passwords_per_nick=3)

    def guess(self, nick: str, host: str = "192.0.2.1", password: str = "wrong horse") -> tuple[str, float]:
        """The outcome of a password: the code or the action of the answer, and its ``retry_after``."""
        peer = self.stage.connect("json", host).asks(action="identify", from_=nick, password=password)
        said = peer.objects()[0]
        peer.hangs_up()
        return str(said.get("code", said["action"])), float(said.get("retry_after", 0))

    def test_by_nick_and_address(self) -> None:
        guesses = [self.guess("alice") for _ in range(4)]
        self.assertEqual(guesses, [("wrong_password", 0)] * 3 + [("rate_limited", 10)])
        self.assertEqual(self.guess("alice", password=SECRET)[0], "rate_limited")
        self.stage.wait(10)
        self.assertEqual(self.guess("alice", password=SECRET)[0], "server-hello")

    def test_by_address(self) -> None:
        """One limit for all nicks of an address, and a neighbour in the same IPv6 network is the same."""
        hosts = [f"2001:db8::{number}" for number in range(6)]
        guesses = [self.guess(f"nick{number}", host) for number, host in enumerate(hosts)]
        self.assertEqual(guesses, [("wrong_password", 0)] * 5 + [("rate_limited", 3)])
        self.assertEqual(self.guess("alice", "2001:db8:0:1::1", SECRET)[0], "server-hello")

    def test_right_passwords_are_not_counted(self) -> None:
        for _ in range(20):
            self.assertEqual(self.guess("alice", password=SECRET)[0], "server-hello")

    def test_by_nick_from_many_addresses(self) -> None:
        """Every password for the nick waits a second, the right one too; other nicks don't."""
        for number in range(3):
            self.guess("alice", f"192.0.2.{number}")
        alice = self.stage.connect("json", "198.51.100.1")
        alice.asks(action="client-hello", from_="alice", password=SECRET)
        self.assertEqual(alice.objects(), [])
        self.assertEqual(self.guess("bob", "198.51.100.2")[0], "wrong_password")
        self.stage.wait(1)
        self.assertEqual(alice.objects()[0]["action"], "server-hello")

    def test_a_client_guesses_five_times(self) -> None:
        peer = self.stage.connect("text")
        for number in range(5):
            peer.says(f"identify;nick{number};wrong horse")
        self.assertIn("ERR too_many_refusals", peer.hears().decode())

    def test_a_free_nick_is_slowed_down_alike(self) -> None:
        """The answers do not tell whether a nick is registered."""
        for host, nick in (("192.0.2.1", "alice"), ("192.0.2.2", "nobody")):
            guesses = [self.guess(nick, host) for _ in range(4)]
            self.assertEqual(guesses, [("wrong_password", 0)] * 3 + [("rate_limited", 10)])


class Migration(StageTestCase):
    """A database of the release before has no passwords."""

    def test_it_is_upgraded(self) -> None:
        self.stage.json("alice").asks(action="client-broadcast", msg="hi")
        self.stage.close()
        database: Path = self.stage.database
        with sqlite3.connect(database) as connection:
            connection.executescript(
                "DROP TABLE search_blocks; DROP TABLE reactions;"
                "DROP TABLE erasures; DROP TABLE tokens; DROP TABLE trimmed; DROP TABLE ignores;"
                "DROP TABLE read_marks; DROP TABLE links; DROP TABLE ban_origins; DROP TABLE moderation;"
                "DROP TABLE credentials; DELETE FROM users WHERE id = 0;"
                "DROP INDEX log_messages; DROP INDEX log_joins; CREATE INDEX log_pages ON log (conversation);"
                "ALTER TABLE log DROP COLUMN answered; ALTER TABLE log DROP COLUMN answered_author;"
                "ALTER TABLE log DROP COLUMN edited; PRAGMA user_version = 2;"
            )
        connection.close()
        self.stage = Stage(database)
        alice = self.stage.json("alice")
        self.assertEqual(alice.asks(action="register", password=SECRET).objects()[0]["registered"], True)
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log"), [(1,)])
        self.assertTrue(database.with_name("chat.db.v2").exists())
