"""The registration of IRC clients: capabilities, NICK, USER, and what is answered before and after."""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.answers import PreparedAnswer
from chatd.core.limits import Limits
from chatd.dialects import irc_registration
from chatd.dialects.irc import IrcDialect
from chatd.dialects.irc_client import CAPABILITIES
from chatd.dialects.irc_lines import MAX_LINE_BYTES
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

WELCOME: Final = " 001 "


class IrcStageCase(StageTestCase):
    """Clients on IRC."""

    def comes(self, *lines: str) -> Peer:
        """A client that has sent ``lines``."""
        peer = self.stage.connect("irc")
        for line in lines:
            peer.says(line)
        return peer

    def says(self, *lines: str) -> list[str]:
        """What a new client is answered that sends ``lines``, all at once."""
        peer = self.stage.connect("irc").says("".join(f"{line}\r\n" for line in lines).encode())
        return peer.lines()


class NickAndUser(IrcStageCase):
    """Who has sent both is logged in, in either order."""

    def test_in_any_order(self) -> None:
        for number, lines in enumerate((("NICK {}", "USER u 0 * :r"), ("USER u 0 * :r", "NICK {}"))):
            nick = f"alice{number}"
            heard = self.says(*(line.format(nick) for line in lines))
            self.assertEqual(heard[0], f":chatd 001 {nick} :Welcome to chatd, {nick}")

    def test_what_is_refused(self) -> None:
        for line, answer in (
            ("NICK", ":chatd 431 * :No nickname given"),
            ("NICK :", ":chatd 431 * :No nickname given"),
            ("USER", ":chatd 461 * USER :Not enough parameters"),
            ("USER a 0 *", ":chatd 461 * USER :Not enough parameters"),
            ("USER a 0 * :", ":chatd 461 * USER :Not enough parameters"),
            ("PASS", ":chatd 461 * PASS :Not enough parameters"),
            ("CAP", ":chatd 461 * CAP :Not enough parameters"),
            ("CAP NONSENSE", ":chatd 410 * NONSENSE :Invalid CAP command"),
            ("AUTHENTICATE", ":chatd 461 * AUTHENTICATE :Not enough parameters"),
            ("JOIN :", ":chatd 451 * :You have not registered: send NICK and USER"),
            ("PRIVMSG #lobby :hi", ":chatd 451 * :You have not registered: send NICK and USER"),
            ("BOUNCER LISTNETWORKS", ":chatd 451 * :You have not registered: send NICK and USER"),
        ):
            with self.subTest(line):
                self.assertEqual(self.says(line), [answer])

    def test_bad_nicks(self) -> None:
        """The client may try another one."""
        peer = self.comes("USER a 0 * :a")
        for nick in ("a,b", "root", "x" * 33, "*"):
            (line,) = peer.says(f"NICK {nick}").lines()
            self.assertTrue(line.startswith(f":chatd 432 * {nick} :"), line)
        self.assertIn(WELCOME, peer.says("NICK alice").lines()[0])

    def test_a_nick_in_use(self) -> None:
        self.stage.text("alice")
        peer = self.comes("NICK alice", "USER a 0 * :a")
        (line,) = peer.lines()
        self.assertTrue(line.startswith(":chatd 433 * alice :nick in use"), line)
        self.assertIn(WELCOME, peer.says("NICK alice_").lines()[0])

    def test_nicks_that_are_verbs(self) -> None:
        """Nobody takes Nick for the verb."""
        user = self.stage.text("user")
        user.hears()
        nick = self.comes("NICK Nick", "USER n 0 * :Nick")
        nick.hears()
        self.assertEqual(user.lines(), ["ARR Nick"])
        self.assertEqual(nick.says("PRIVMSG #lobby :NICK nick").lines(), [])
        self.assertEqual(user.lines(), ["MSG Nick NICK nick"])
        user.says("PRV Nick USER user")
        self.assertEqual(nick.lines(), [":user!user@chatd PRIVMSG Nick :USER user"])

    def test_a_nick_is_fixed(self) -> None:
        """A client that changes it learns that it can't, and goes on."""
        peer = self.comes("NICK alice", "USER a 0 * :a")
        peer.hears()
        self.assertEqual(peer.says("NICK alice").lines(), [])
        self.assertTrue(peer.says("NICK bob").lines()[0].startswith(":chatd 447 alice :Your nick can't"))
        self.assertTrue(peer.says("USER b 0 * :b").lines()[0].startswith(":chatd 462 alice :"))
        self.assertTrue(peer.says("PASS secret").lines()[0].startswith(":chatd 462 alice :"))
        self.assertEqual(peer.says("PING 1").lines(), [":chatd PONG chatd :1"])

    def test_names_that_are_long_or_of_other_encodings(self) -> None:
        """They keep nobody out: they are cut, and other bytes replaced."""
        self.stage.close()
        self.stage = Stage(self.stage.database, Limits(note=20))
        watch = self.comes("CAP REQ extended-join", "NICK watch", "USER w 0 * :w", "CAP END")
        watch.hears()
        self.comes(f"USER {'é' * 50} 0 * :{'é' * 50}", "NICK alice")
        self.assertEqual(watch.lines(), [f":alice!alice@chatd JOIN #lobby * :{'é' * 10}"])
        self.stage.connect("irc").says(b"USER b\xe9b 0 * :B\xe9b\0!\r\nNICK bob\r\n")
        self.assertEqual(watch.lines(), [":bob!bob@chatd JOIN #lobby * :B\N{REPLACEMENT CHARACTER}b!"])

    def test_a_realname_with_a_line_end(self) -> None:
        """A message of a WebSocket may contain one."""
        dialect = IrcDialect(Limits())
        for end in (b"\n", b"\r", b"\r\n", b"\0"):
            request = dialect.decode(b"USER u 0 * :a" + end + b"b\xff")
            assert request is not None
            changed = request.detected_dialect
            assert isinstance(changed, IrcDialect)
            self.assertEqual(changed.client.realname, "ab\ufffd")

    def test_quit_before_the_login(self) -> None:
        peer = self.comes("QUIT :bye")
        self.assertEqual(peer.lines(), ["ERROR :Closing link: you have quit"])
        self.assertTrue(peer.closed)

    def test_nothing_in_time(self) -> None:
        peer = self.comes("CAP LS 302", "NICK alice", "USER a 0 * :a")
        peer.hears()
        crowd = [self.stage.connect("irc") for _ in range(self.stage.limits.slow_logins + 1)]
        self.stage.wait(self.stage.limits.login_seconds + 1)
        self.assertTrue(peer.lines()[-1].startswith("ERROR :no login within "))
        self.assertFalse(crowd[-1].closed)


class Capabilities(IrcStageCase):
    """``CAP`` holds up the login until its end."""

    def test_the_login_waits(self) -> None:
        for first in ("CAP LS 302", "CAP LS", "CAP REQ batch", "CAP REQ nonsense"):
            nick = f"u{len(first)}"
            peer = self.comes(first, f"NICK {nick}", "USER a 0 * :a")
            self.assertNotIn(WELCOME, peer.hears().decode())
            self.assertIn(WELCOME, peer.says("CAP END").lines()[0])
            self.assertEqual(peer.says("CAP END").lines(), [])

    def test_values_are_for_those_who_know_them(self) -> None:
        (line,) = self.says("CAP LS")
        self.assertIn(" sasl ", line)
        self.assertLess(len(line), MAX_LINE_BYTES)
        *others, last = self.says("CAP LS 302")
        self.assertIn(" sasl=PLAIN,EXTERNAL ", " ".join((*others, last)))
        self.assertEqual([line.split()[4] for line in others], ["*"] * len(others))
        self.assertNotEqual(last.split()[4], "*")

    def test_one_request_is_granted_as_a_whole_or_not_at_all(self) -> None:
        peer = self.comes("CAP LS 302")
        peer.hears()
        for line, *answers in (
            ("CAP REQ :batch nonsense batch", ":chatd CAP * NAK :batch nonsense batch"),
            ("CAP LIST", ":chatd CAP * LIST :cap-notify"),
            ("CAP REQ :batch echo-message batch", ":chatd CAP * ACK :batch echo-message"),
            ("CAP REQ :-batch server-time", ":chatd CAP * ACK :-batch server-time"),
            ("CAP REQ :-cap-notify", ":chatd CAP * NAK :-cap-notify"),
            ("CAP LIST", ":chatd CAP * LIST :cap-notify echo-message server-time"),
            ("CAP REQ batch", ":chatd CAP * ACK :batch"),
            ("CAP REQ sasl=PLAIN", ":chatd CAP * NAK :sasl=PLAIN"),
            ("CAP REQ :", ":chatd CAP * ACK :"),
            ("cap req :batch", ":chatd CAP * ACK :batch"),
        ):
            with self.subTest(line):
                self.assertEqual(peer.says(line).lines(), answers)

    def test_after_the_login(self) -> None:
        """They change at once, for what is delivered as well."""
        peer = self.comes("NICK alice", "USER a 0 * :a")
        peer.hears()
        self.assertEqual(peer.says("CAP REQ server-time").lines(), [":chatd CAP alice ACK :server-time"])
        self.stage.text("bob").says("MSG hello")
        self.assertTrue(all(line.startswith("@time=") for line in peer.lines()))
        peer.says("CAP REQ -server-time").hears()
        self.stage.text("carol")
        self.assertEqual(peer.lines(), [":carol!carol@chatd JOIN #lobby"])

    def test_a_flood_of_long_lists(self) -> None:
        """Each is answered by one line that is no longer than a line may be, and all may be asked for."""
        peer = self.comes("CAP LS 302")
        peer.hears()
        long = " ".join(["nonsense"] * 25 + [f"x{number}" for number in range(60)])
        for _ in range(100):
            peer.says(f"CAP REQ :{long}")
        heard = peer.lines()
        self.assertEqual(len(heard), 100)
        self.assertTrue(all(len(line) <= 510 and " NAK :nonsense nonsense " in line for line in heard))
        everything = " ".join(name for name in CAPABILITIES)
        (line,) = peer.says(f"CAP REQ :{everything}").lines()
        self.assertEqual(line, f":chatd CAP * ACK :{everything}")


class Encoders(StageTestCase):
    """Clients with the same capabilities share an encoder, and none is kept without them."""

    def test_clients_that_ask_for_one_set_after_the_other(self) -> None:
        peer, names = self.stage.connect("irc"), sorted(CAPABILITIES)
        peer.says("NICK alice").says("USER u 0 * :R")
        (session,) = self.stage.sessions.all_sessions()
        for number in range(1, 200):
            wanted = [f"{'' if number >> place & 1 else '-'}{name}" for place, name in enumerate(names)]
            peer.says(f"CAP REQ :{' '.join(wanted)}")
            self.stage.wait(1)
        dialect = session.dialect
        assert isinstance(dialect, IrcDialect)
        self.assertEqual(list(dialect._encoders), [dialect.client.capabilities])
        self.assertIs(dialect.with_client_changes(batch=None).delivery_encoder, dialect.delivery_encoder)


class ManyCapabilities(SynchronousTestCase):
    """More capabilities than a line has room for."""

    def test_lines(self) -> None:
        """A client of version 302 gets several lines, another one whole names in one line."""
        names = [f"capability-{number:03}" for number in range(100)]

        class Offering(IrcDialect):
            offered_capabilities = dict.fromkeys(names, "")

        def lists(line: bytes) -> tuple[bytes, ...]:
            request = Offering(Limits()).decode(line)
            assert request is not None
            assert isinstance(request.command, PreparedAnswer)
            return request.command.payloads

        *begun, last = lists(b"CAP LS 302")
        found: list[str] = []
        for line in begun:
            self.assertTrue(line.startswith(b":chatd CAP * LS * :"))
            found += line.decode().partition(" :")[2].split()
        self.assertTrue(len(begun) > 1)
        self.assertEqual(found + last.decode().partition(" :")[2].split(), names)
        (line,) = lists(b"CAP LS")
        shown = line.decode().partition(" :")[2].split()
        self.assertEqual(shown, names[: len(shown)])
        self.assertTrue(irc_registration.MAX_CAP_LINE_BYTES - 20 < len(" ".join(shown)) <= 510)
