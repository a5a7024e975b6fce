"""Accounts on IRC: SASL, ``PASS``, ``REGISTER``, and who is shown to be registered."""

from __future__ import annotations

from base64 import b64encode
from sqlite3 import OperationalError
from typing import Final

from chatd.core.irc_policy import IrcPolicy
from chatd.core.limits import Limits
from chatd.core.requests import Request
from chatd.dialects.irc import IrcDialect
from chatd.dialects.irc_accounts import SASL_CHUNK_BYTES
from tests.chat.test_accounts import OTHER, SECRET, AccountCase
from tests.support.in_memory_daemon import Peer

LIMITS: Final = Limits()
FULL: Final = OperationalError("database or disk is full")


def plain(nick: str, password: str, authorized: str = "") -> str:
    """The response of PLAIN, in base64."""
    return b64encode(f"{authorized}\0{nick}\0{password}".encode()).decode()


def chunks(response: str) -> list[str]:
    """The lines that carry ``response``."""
    pieces = [
        response[start : start + SASL_CHUNK_BYTES] for start in range(0, len(response), SASL_CHUNK_BYTES)
    ]
    if not pieces or len(pieces[-1]) == SASL_CHUNK_BYTES:
        pieces.append("+")
    return [f"AUTHENTICATE {piece}" for piece in pieces]


class IrcCase(AccountCase):
    """Alice is registered and away; others come by IRC."""

    def comes(self, *lines: str, wire: str = "irc") -> Peer:
        """A client that has sent ``lines``."""
        peer = self.stage.connect(wire)
        for line in lines:
            peer.says(line)
        return peer

    def arrives(self, nick: str, *capabilities: str, before: tuple[str, ...] = ()) -> Peer:
        """A client that has logged in as ``nick``, with everything heard so far forgotten."""
        asked = ("CAP LS 302", f"CAP REQ :{' '.join(capabilities)}", *before, "CAP END")
        peer = self.comes(*asked, f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        self.assertIn(" 001 ", peer.hears().decode())
        return peer

    def proves(self, peer: Peer, nick: str, password: str, authorized: str = "") -> list[str]:
        """The answers to a whole PLAIN."""
        peer.says("AUTHENTICATE PLAIN")
        self.assertEqual(peer.lines(), ["AUTHENTICATE +"])
        for line in chunks(plain(nick, password, authorized)):
            peer.says(line)
        return peer.lines()


class Sasl(IrcCase):
    """A password is verified before the login, and once."""

    def test_a_right_password(self) -> None:
        """The answer comes when the password is verified; the login that follows verifies nothing."""
        peer = self.comes("CAP LS 302", "CAP REQ sasl", "NICK alice", "USER alice 0 * :Alice")
        peer.hears()
        self.stage.passwords.held = True
        self.assertEqual(self.proves(peer, "alice", SECRET), [])
        peer.says("CAP END")
        self.assertEqual(peer.lines(), [])  # what follows waits
        self.stage.passwords.run_next()
        self.stage.settle()
        heard = peer.lines()
        self.assertEqual(
            heard[:3],
            [
                ":chatd 900 * alice!alice@chatd alice :You are now logged in as alice",
                ":chatd 903 * :SASL authentication successful",
                ":chatd 001 alice :Welcome to chatd, alice",
            ],
        )
        self.assertEqual(len([line for line in heard if " 900 " in line]), 1)
        self.assertEqual(len(self.stage.passwords), 0)

    def test_another_nick_becomes_that_of_the_account(self) -> None:
        peer = self.comes("CAP REQ sasl", "NICK alice_", "USER x 0 * :x")
        peer.hears()
        self.assertIn(" 903 ", self.proves(peer, "ALICE", SECRET, "alice")[1])
        self.assertTrue(peer.says("CAP END").lines()[0].startswith(":chatd 001 alice "))
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE id > 0"), [("alice",)])

    def test_wrong_ones(self) -> None:
        """A wrong password and an unknown nick are refused alike, and both are hashed."""
        asked = len(self.stage.passwords.networks)
        for nick, password, authorized in (
            ("alice", OTHER, ""),
            ("nobody", SECRET, ""),
            ("alice", SECRET, "bob"),
            ("alice", "", ""),
            ("", SECRET, ""),
            ("alice", f"{SECRET}\0", ""),
            ("alice", "x" * (LIMITS.password + 1), ""),
            ("alice", "a\7b", ""),
        ):
            with self.subTest(nick, password=password):
                peer = self.comes("CAP REQ sasl")
                peer.hears()
                (line,) = self.proves(peer, nick, password, authorized)
                self.assertTrue(line.startswith(":chatd 904 * :"), line)
                peer.says("CAP END").says("NICK alice").says("USER a 0 * :a")
                heard = peer.lines()
                self.assertTrue(heard[0].startswith(":chatd NOTICE * :alice is registered: "), heard)
                self.assertTrue(heard[1].startswith(":chatd 433 * alice :alice is registered: "), heard)
                peer.hangs_up()
        self.assertEqual(len(self.stage.passwords.networks) - asked, 2)

    def test_a_second_try(self) -> None:
        """After a wrong password, after nonsense, and after an end without a proof."""
        peer = self.comes("CAP REQ sasl")
        peer.hears()
        self.assertIn(" 904 ", self.proves(peer, "alice", OTHER)[0])
        peer.says("AUTHENTICATE PLAIN").hears()
        self.assertIn(" 904 ", peer.says("AUTHENTICATE !!!").lines()[0])
        peer.says("AUTHENTICATE PLAIN").hears()
        self.assertEqual(peer.says("AUTHENTICATE *").lines(), [":chatd 906 * :SASL authentication aborted"])
        peer.says("AUTHENTICATE PLAIN").hears()
        self.assertIn(" 905 ", peer.says("AUTHENTICATE " + "A" * 401).lines()[0])
        self.assertEqual(
            peer.says("AUTHENTICATE SCRAM-SHA-256").lines(),
            [
                ":chatd 908 * PLAIN,EXTERNAL :are available SASL mechanisms",
                ":chatd 904 * :this mechanism is not known here",
            ],
        )
        self.assertIn(" 903 ", self.proves(peer, "alice", SECRET)[1])

    def test_a_long_password(self) -> None:
        """In chunks of 400: two, exactly one with a `+`, and as many as the longest password takes."""
        for length, count in ((450, 2), (300 - len("\0nick\0"), 2), (LIMITS.password, 2)):
            nick, password = f"n{length}", "x" * length
            self.assertEqual(len(chunks(plain("nick", password))), count)
            self.stage.json(nick).asks(action="register", password=password).hangs_up()
            peer = self.comes("CAP REQ sasl")
            peer.hears()
            self.assertIn(" 903 ", self.proves(peer, nick, password, nick)[1])

    def test_the_end_of_the_negotiation_aborts_it(self) -> None:
        peer = self.comes("CAP REQ sasl", "NICK bob", "USER b 0 * :b", "AUTHENTICATE PLAIN")
        peer.hears()
        heard = peer.says("CAP END").lines()
        self.assertEqual(heard[0], ":chatd 906 * :SASL authentication aborted")
        self.assertTrue(heard[1].startswith(":chatd 001 bob "))

    def test_nick_and_user_do_not_abort_it(self) -> None:
        peer = self.comes("CAP REQ sasl", "AUTHENTICATE PLAIN", "NICK bob", "USER b 0 * :b")
        peer.hears()
        self.assertIn(" 903 ", peer.says(f"AUTHENTICATE {plain('alice', SECRET)}").lines()[1])

    def test_after_the_login(self) -> None:
        """A nick says who the client is: to be somebody else it has to come again."""
        bob = self.arrives("bob")
        first, second = bob.says("AUTHENTICATE PLAIN").lines()
        self.assertTrue(first.startswith(":chatd 462 bob "))
        self.assertTrue(second.startswith(":chatd 904 bob :the nick says who you are here"))
        bob.says(f"REGISTER * * :{OTHER}").hears()
        self.assertTrue(bob.says("AUTHENTICATE PLAIN").lines()[1].startswith(":chatd 907 bob "))

    def test_a_password_that_changes_before_the_login(self) -> None:
        """What was verified holds only as long as the password does."""
        peer = self.comes("CAP REQ sasl", "NICK alice", "USER a 0 * :a")
        peer.hears()
        self.proves(peer, "alice", SECRET)
        alice = self.stage.json("alice", password=SECRET)
        alice.asks(action="passwd", password=SECRET, new=OTHER)
        self.assertTrue(peer.says("CAP END").lines()[0].startswith(":chatd 464 * "))
        self.assertIn(" 903 ", self.proves(peer, "alice", OTHER)[1])
        self.assertTrue(peer.says("NICK alice").lines()[0].startswith(":chatd 001 alice "))

    def test_another_user_instead(self) -> None:
        """Until the login, the last proof counts."""
        self.stage.json("bob").asks(action="register", password=OTHER).hangs_up()
        peer = self.comes("CAP REQ sasl", "NICK x", "USER x 0 * :x")
        peer.hears()
        self.proves(peer, "alice", SECRET)
        self.assertIn(" 900 * bob!bob@chatd bob ", self.proves(peer, "bob", OTHER)[0])
        self.assertTrue(peer.says("CAP END").lines()[0].startswith(":chatd 001 bob "))

    def test_while_the_store_fails(self) -> None:
        """A login that was undone is made again without another proof."""
        peer = self.comes("CAP REQ sasl", "NICK alice", "USER a 0 * :a")
        peer.hears()
        self.proves(peer, "alice", SECRET)
        self.stage.writer.held = True
        self.stage.json("bob")
        peer.says("CAP END")
        self.stage.writer.error = FULL
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertNotIn(" 001 ", peer.hears().decode())
        self.stage.writer.error, self.stage.writer.held = None, False
        self.stage.wait(2)
        self.assertIn(" 001 alice ", peer.says("NICK alice").hears().decode())

    def test_what_was_verified_is_for_its_nick_alone(self) -> None:
        """An account that was closed meanwhile, and a new user of the nick: nobody gets the old rights."""
        peer = self.comes("CAP REQ sasl", "NICK alice", "USER a 0 * :a")
        peer.hears()
        self.proves(peer, "alice", SECRET)
        self.stage.json("alice", password=SECRET).asks(action="unregister", password=SECRET)
        self.stage.json("alice").asks(action="register", password=OTHER).hangs_up()
        self.assertIn(" 433 ", peer.says("CAP END").hears().decode())

    def test_a_token(self) -> None:
        alice = self.stage.json("alice", password=SECRET)
        secret = alice.asks(action="maketoken", token="bot", scope="read").objects()[0]["secret"]
        peer = self.comes("CAP REQ sasl", "NICK x", "USER a 0 * :a")
        peer.hears()
        self.assertIn(" 903 ", self.proves(peer, "alice", secret)[1])
        self.assertTrue(peer.says("CAP END").lines()[0].startswith(":chatd 001 alice "))
        self.assertIn("this token is not meant for that", peer.says("PRIVMSG #lobby :hi").hears().decode())

    def test_no_certificate(self) -> None:
        for response in ("+", b64encode(b"alice").decode()):
            peer = self.comes("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
            peer.hears()
            self.assertEqual(
                peer.says(f"AUTHENTICATE {response}").lines(),
                [":chatd 904 * :no certificate of a registered nick was shown"],
            )


class Guesses(IrcCase):
    """Who guesses is slowed down, whichever way the guesses come."""

    def test_they_count_on_every_wire(self) -> None:
        """After as many as one address has, neither SASL nor another wire verifies a password."""
        host = "198.51.100.7"
        for _ in range(LIMITS.wrong_passwords_per_nick):
            peer = self.stage.connect("irc", host).says("CAP REQ sasl")
            peer.hears()
            self.assertIn(" 904 * :wrong nick or password", self.proves(peer, "alice", OTHER)[0])
            peer.hangs_up()
        peer = self.stage.connect("irc", host).says("CAP REQ sasl")
        peer.hears()
        (line,) = self.proves(peer, "alice", SECRET)
        self.assertTrue(line.startswith(":chatd 904 * :too many wrong passwords"), line)
        text = self.stage.connect("text", host).says(f"identify;alice;{SECRET}")
        self.assertIn("ERR rate_limited", text.hears().decode())
        elsewhere = self.stage.connect("irc", "198.51.100.8").says("CAP REQ sasl")
        elsewhere.hears()
        self.assertEqual(self.proves(elsewhere, "alice", SECRET), [])  # delayed
        self.stage.wait(1)
        self.assertIn(" 903 ", elsewhere.lines()[1])

    def test_a_connection_has_five(self) -> None:
        peer = self.comes("CAP REQ sasl")
        peer.hears()
        for _ in range(5):
            last = self.proves(peer, "alice", OTHER)
        self.stage.wait(2)
        self.assertIn("ERROR :too many refusals before login", "\n".join([*last, *peer.lines()]))
        self.assertTrue(peer.closed)

    def test_a_flood_is_bounded(self) -> None:
        """A thousand chunks: the buffer never holds more than a password needs."""
        dialect = IrcDialect(LIMITS).with_client_changes(mechanism="PLAIN")
        longest = 0
        for _ in range(1000):
            request = dialect.decode(b"AUTHENTICATE " + b"A" * SASL_CHUNK_BYTES)
            assert isinstance(request, Request)
            if isinstance(request.detected_dialect, IrcDialect):
                dialect = request.detected_dialect
            longest = max(longest, len(dialect.client.sasl_response))
        self.assertTrue(SASL_CHUNK_BYTES < longest < 2 * (LIMITS.password + 300))

    def test_a_response_is_in_no_repr(self) -> None:
        request = (
            IrcDialect(LIMITS).with_client_changes(mechanism="PLAIN").decode(b"AUTHENTICATE " + b"A" * 400)
        )
        assert request is not None
        assert isinstance(request.detected_dialect, IrcDialect)
        self.assertNotIn("AAAA", repr(request.detected_dialect.client))


class Pass(IrcCase):
    """``PASS`` has the password of the nick."""

    def test_right_and_wrong(self) -> None:
        right = self.comes(f"PASS :{SECRET}", "NICK alice", "USER a 0 * :a").lines()
        self.assertTrue(right[0].startswith(":chatd 001 alice "))
        self.assertIn(":chatd 900 alice alice!alice@chatd alice :You are now logged in as alice", right)
        wrong = self.comes(f"PASS :{OTHER}", "NICK alice", "USER a 0 * :a")
        (line,) = wrong.lines()
        self.assertTrue(line.startswith(":chatd 464 * :wrong nick or password"), line)
        wrong.says(f"PASS :{SECRET}")
        self.assertTrue(wrong.says("NICK alice").lines()[0].startswith(":chatd 001 alice "))

    def test_a_free_nick(self) -> None:
        """Its password is not verified, and does not register it."""
        heard = self.comes(f"PASS :{OTHER}", "NICK bob", "USER b 0 * :b").hears().decode()
        self.assertIn(" 001 bob ", heard)
        self.assertNotIn(" 900 ", heard)

    def test_one_that_can_be_none(self) -> None:
        """It is refused at once, not taken for none."""
        for password in (" ", "a\tb"):
            with self.subTest(password):
                (line,) = self.comes(f"PASS :{password}").lines()
                self.assertTrue(line.startswith(":chatd 464 * :"), line)

    def test_none(self) -> None:
        """The client learns that the nick is registered, and can take another one."""
        peer = self.comes("CAP REQ standard-replies", "NICK alice", "USER a 0 * :a", "CAP END")
        peer.hears()
        first, second = peer.says("NICK ALICE").lines()
        self.assertTrue(
            first.startswith(":chatd NOTE NICK PASSWORD_REQUIRED ALICE :ALICE is registered"), first
        )
        self.assertTrue(second.startswith(":chatd 433 * ALICE :"))
        self.assertTrue(peer.says("NICK alice_").lines()[0].startswith(":chatd 001 alice_ "))


class Registration(IrcCase):
    """``REGISTER`` gives the client's own nick a password."""

    def test_a_nick(self) -> None:
        """Whether the account is given or not; afterwards the nick needs the password."""
        for nick, account in (("bob", "*"), ("carol", "CAROL")):
            peer = self.arrives(nick).says(f"REGISTER {account} * :{OTHER}")
            success, logged_in = peer.lines()
            self.assertTrue(success.startswith(f":chatd REGISTER SUCCESS {nick} :{nick} is registered"))
            mask = f"{nick}!{nick}@chatd"
            self.assertEqual(logged_in, f":chatd 900 {nick} {mask} {nick} :You are now logged in as {nick}")
            (line,) = peer.says(f"REGISTER * * :{OTHER}").lines()
            self.assertTrue(line.startswith(":chatd FAIL REGISTER ALREADY_AUTHENTICATED * :"))
            peer.hangs_up()
            self.assertIn(" 433 ", self.comes(f"NICK {nick}", "USER b 0 * :b").hears().decode())

    def test_what_fails(self) -> None:
        for line, begin in (
            ("REGISTER", ":chatd 461 bob REGISTER :"),
            (f"REGISTER carol * :{OTHER}", ":chatd FAIL REGISTER ACCOUNT_NAME_MUST_BE_NICK carol :"),
            (f"REGISTER :a b * {OTHER}", ":chatd 461 bob REGISTER :"),
            ("REGISTER * * short", ":chatd FAIL REGISTER WEAK_PASSWORD bob :"),
            ("REGISTER * * :", ":chatd FAIL REGISTER UNACCEPTABLE_PASSWORD bob :"),
            ("VERIFY bob 123", ":chatd FAIL VERIFY INVALID_CODE bob :"),
        ):
            with self.subTest(line):
                bob = self.arrives("bob")
                (answer,) = bob.says(line).lines()
                self.assertTrue(answer.startswith(begin), answer)
                bob.hangs_up()

    def test_while_the_store_fails(self) -> None:
        bob = self.arrives("bob")
        self.stage.writer.error = FULL
        (answer,) = bob.says(f"REGISTER * * :{OTHER}").lines()
        self.assertTrue(answer.startswith(":chatd FAIL REGISTER TEMPORARILY_UNAVAILABLE bob :"), answer)
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertIn(" REGISTER SUCCESS ", bob.says(f"REGISTER * * :{OTHER}").hears().decode())

    def test_typed(self) -> None:
        """As on other wires, in a message to the daemon."""
        bob = self.arrives("bob")
        heard = bob.says(f"PRIVMSG chatd :register;{OTHER}").hears().decode()
        self.assertIn(" 900 bob bob!bob@chatd bob :", heard)
        self.assertIn(" 907 bob ", bob.says("AUTHENTICATE PLAIN").hears().decode())

    def test_others_are_told(self) -> None:
        """Those who have asked for it, on IRC alone; also when the account ends."""
        told = self.arrives("carol", "account-notify")
        untold, text = self.arrives("dave"), self.stage.text("erin")
        bob = self.arrives("bob", "account-notify")
        for peer in (told, untold, text):
            peer.hears()
        bob.says(f"REGISTER * * :{OTHER}")
        self.assertNotIn("ACCOUNT", bob.hears().decode())
        self.assertEqual(told.lines(), [":bob!bob@chatd ACCOUNT bob"])
        self.assertEqual(untold.lines() + text.lines(), [])
        bob.says(f"PRIVMSG chatd :unregister;{OTHER}")
        self.assertEqual(told.lines(), [":bob!bob@chatd ACCOUNT *", ":bob!bob@chatd QUIT left"])


class RegistrationBeforeLogin(IrcCase):
    """``REGISTER`` before the client has logged in: it needs no password to log in then."""

    def registers(self, *lines: str) -> list[str]:
        """What a new client hears that sends ``lines``, and then registers the nick ``bob``."""
        return self.comes(*lines, f"REGISTER * * :{OTHER}").lines()

    def test_a_nick(self) -> None:
        """Whether the account is given or not, and whatever nick is sent afterwards."""
        anna = self.arrives("anna")
        for nick, account, later in (("bob", "*", "USER b 0 * :b"), ("carol", "CAROL", "NICK dora")):
            peer = self.comes("CAP REQ :sasl", f"NICK {nick}")
            peer.hears()
            success, logged_in = peer.says(f"REGISTER {account} * :{OTHER}").lines()
            self.assertTrue(success.startswith(f":chatd REGISTER SUCCESS {nick} :{nick} is registered"))
            mask = f"{nick}!{nick}@chatd"
            self.assertEqual(logged_in, f":chatd 900 * {mask} {nick} :You are now logged in as {nick}")
            (again,) = peer.says(f"REGISTER * * :{OTHER}").lines()
            self.assertTrue(again.startswith(":chatd FAIL REGISTER ALREADY_AUTHENTICATED * :"), again)
            heard = peer.says(later).says("USER b 0 * :b").says("CAP END").hears().decode()
            self.assertIn(f" 001 {nick} ", heard)
            anna.hears()
            self.assertIn(f":chatd 330 anna {nick} {nick} :", anna.says(f"WHOIS {nick}").hears().decode())
            peer.hangs_up()
            self.assertIn(" 433 ", self.comes(f"NICK {nick}", "USER b 0 * :b").hears().decode())

    def test_what_fails(self) -> None:
        self.arrives("anna")
        self.arrives("dora").says(f"REGISTER * * :{OTHER}").says("QUIT")
        for lines, answer in (
            ((), "NEED_NICK *"),
            (("NICK anna",), "ACCOUNT_EXISTS anna"),
            (("NICK dora",), "ACCOUNT_EXISTS dora"),
            (("NICK root",), "BAD_ACCOUNT_NAME root"),
        ):
            (line,) = self.registers(*lines)
            self.assertTrue(line.startswith(f":chatd FAIL REGISTER {answer} :"), line)
        (line,) = self.comes("NICK bob", f"REGISTER carol * :{OTHER}").lines()
        self.assertTrue(line.startswith(":chatd FAIL REGISTER ACCOUNT_NAME_MUST_BE_NICK carol :"), line)
        (line,) = self.comes("NICK bob", "REGISTER * * short").lines()
        self.assertTrue(line.startswith(":chatd FAIL REGISTER WEAK_PASSWORD bob :"), line)
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE nick = 'bob'"), [])

    def test_a_nick_that_somebody_takes_meanwhile(self) -> None:
        self.stage.passwords.held = True
        peer = self.comes("NICK bob", f"REGISTER * * :{OTHER}")
        self.arrives("bob")
        self.stage.passwords.run_next()
        self.stage.settle()
        (line,) = peer.lines()
        self.assertTrue(line.startswith(":chatd FAIL REGISTER ACCOUNT_EXISTS bob :"), line)

    def test_a_client_that_leaves_meanwhile(self) -> None:
        self.stage.passwords.held = True
        self.comes("NICK bob", f"REGISTER * * :{OTHER}").hangs_up()
        self.stage.passwords.run_next()
        self.stage.settle()
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE nick = 'bob'"), [])

    def test_roles_of_an_earlier_user_are_lost(self) -> None:
        """As at a login: the client may be somebody else's."""
        self.arrives("bob").says("JOIN #wob").says("QUIT")
        anna = self.arrives("anna").says("JOIN #wob")
        anna.hears()
        self.registers("NICK bob")
        self.assertIn(":bob!bob@chatd MODE #wob -o bob", anna.hears().decode())

    def test_new_nicks_are_limited(self) -> None:
        self.stage.limits.new_nicks_per_address = 2
        answers = []
        for number in range(3):
            peer = self.stage.connect("irc", "192.0.2.1").says(f"NICK bob{number}")
            answers.append(peer.says(f"REGISTER * * :{OTHER}").lines()[0].split()[2:4])
        self.assertEqual([one[0] for one in answers], ["SUCCESS", "SUCCESS", "REGISTER"])
        self.assertEqual(answers[2][1], "TEMPORARILY_UNAVAILABLE")


class NoRegistrationBeforeLogin(IrcCase):
    irc_policy = IrcPolicy(register_before_login=False)

    def test_refused(self) -> None:
        peer = self.stage.connect("irc").says("CAP LS 302")
        self.assertIn(" draft/account-registration ", peer.hears().decode())
        (line,) = peer.says("NICK bob").says(f"REGISTER * * :{OTHER}").lines()
        self.assertTrue(line.startswith(":chatd FAIL REGISTER COMPLETE_CONNECTION_REQUIRED * :"), line)


class Shown(IrcCase):
    """Who is registered is shown in tags and joins."""

    def alice(self, *capabilities: str) -> Peer:
        """Alice, logged in by SASL."""
        peer = self.comes("CAP LS 302", f"CAP REQ :sasl {' '.join(capabilities)}", "NICK alice")
        peer.says("USER a 0 * :Alice A.").hears()
        self.proves(peer, "alice", SECRET)
        self.assertIn(" 001 alice ", peer.says("CAP END").hears().decode())
        return peer

    def test_tags(self) -> None:
        """Of whatever a registered user does, and of nothing that others or the daemon do."""
        bob = self.arrives("bob", "account-tag")
        alice = self.alice("account-tag", "echo-message")
        self.assertEqual(bob.lines(), ["@account=alice :alice!alice@chatd JOIN #lobby"])
        alice.says("PRIVMSG #lobby :hi").says("PRIVMSG bob :ho")
        self.assertEqual(
            bob.lines(),
            [
                "@account=alice :alice!alice@chatd PRIVMSG #lobby :hi",
                "@account=alice :alice!alice@chatd PRIVMSG bob :ho",
            ],
        )
        self.assertEqual(alice.lines()[0], "@account=alice :alice!alice@chatd PRIVMSG #lobby :hi")
        bob.says("PRIVMSG #lobby :hey").says("JOIN #wob").hears()
        self.assertEqual(alice.lines()[0], ":bob!bob@chatd PRIVMSG #lobby :hey")
        alice.says("JOIN #wob")
        self.assertEqual(bob.lines(), ["@account=alice :alice!alice@chatd JOIN #wob"])
        alice.says("PART #wob").says("QUIT")
        self.assertEqual(
            bob.lines(),
            ["@account=alice :alice!alice@chatd PART #wob", "@account=alice :alice!alice@chatd QUIT left"],
        )

    def test_other_clients_get_no_tags(self) -> None:
        bob = self.arrives("bob")
        self.alice().says("PRIVMSG #lobby :hi")
        self.assertEqual(
            bob.lines(), [":alice!alice@chatd JOIN #lobby", ":alice!alice@chatd PRIVMSG #lobby :hi"]
        )

    def test_history(self) -> None:
        """A page of the past shows who is registered now, since that is not stored."""
        alice = self.alice()
        carol = self.arrives("carol")
        carol.hangs_up()
        alice.says("PRIVMSG carol :hi")
        carol = self.comes("CAP REQ account-tag", "NICK carol", "USER c 0 * :c", "CAP END")
        self.assertIn("@account=alice :alice!alice@chatd PRIVMSG carol :", carol.hears().decode())

    def test_joins(self) -> None:
        """The account and the realname, in arrivals and in groups."""
        bob = self.arrives("bob", "extended-join")
        bob.says("JOIN #wob").hears()
        alice = self.alice()
        self.assertEqual(bob.lines(), [":alice!alice@chatd JOIN #lobby alice :Alice A."])
        alice.says("JOIN #wob")
        self.arrives("carol").says("JOIN #wob")
        self.assertEqual(
            bob.lines(),
            [
                ":alice!alice@chatd JOIN #wob alice :Alice A.",
                ":carol!carol@chatd JOIN #lobby * :carol",
                ":carol!carol@chatd JOIN #wob * :carol",
            ],
        )
