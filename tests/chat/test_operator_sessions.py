"""Sessions that act with the rights of an operator of the server, by the password of that operator."""

from __future__ import annotations

from chatd.core.limits import Limits
from tests.support.control_client import ControlDesk
from tests.support.in_memory_daemon import UNTHROTTLED, Peer
from tests.support.irc_case import IrcCase

SECRET = "correct horse battery"
OTHER = "staple of nine"
REFUSED = "491 :No operator of the server has this nick and this password"
YES = ["381 :You are an operator of the server", ":bob!bob@chatd MODE bob +o"]
DENIED = "481 :Permission denied: you are no operator of the server"


class OperatorSessionCase(IrcCase):
    """judge is an operator, registered and not there. bob, who is registered, and carol are there."""

    def setUp(self) -> None:
        """Have them there."""
        super().setUp()
        self.stage.policy.operators = ("judge",)
        self.irc("judge").says(f"REGISTER * * :{SECRET}").says("QUIT")
        self.bob = self.irc("bob").says(f"REGISTER * * :{OTHER}")
        self.carol = self.irc("carol")
        self.desk = ControlDesk(self.stage, self.stage.database.parent)

    def oper(self, peer: Peer, name: str = "judge", password: str = SECRET) -> str:
        """The first line of the answer to ``OPER``."""
        return self.asks(peer, f"OPER {name} :{password}")[0]

    def has_rights(self, peer: Peer) -> bool:
        """Whether ``peer`` may read the moderation log, as operators may."""
        return "not_server_operator" not in self.asks(peer, "PRIVMSG chatd :modlog;")[-1]

    def logged(self) -> list[tuple[str, str, str]]:
        """The moderation log: the operator, the act and the target of each entry."""
        return self.stage.rows(
            "SELECT users.nick, kind, target FROM moderation JOIN users ON users.id = operator"
            " ORDER BY moderation.id"
        )


class Rights(OperatorSessionCase):
    def test_commands_are_those_of_the_account(self) -> None:
        """The moderation log names the account, and so do the events."""
        self.bob.says("JOIN #wob").says("PRIVMSG #lobby :spam")
        self.assertEqual(self.asks(self.bob, f"OPER Judge :{SECRET}"), YES)
        for line in ("mute;carol;1h", "delete;2;rude", "close;wob", "announce;noon"):
            self.bob.says(f"PRIVMSG chatd :{line}")
        self.bob.says("KILL carol :bye")
        self.assertTrue(self.carol.closed)
        self.assertEqual(
            self.logged(),
            [
                ("judge", "mute", "carol"),
                ("judge", "delete", "2"),
                ("judge", "close", "wob"),
                ("judge", "announce", ""),
                ("judge", "disconnect", "carol"),
            ],
        )

    def test_announcements_are_shown_from_the_nick(self) -> None:
        dora = self.stage.text("dora")
        self.oper(self.bob)
        self.bob.says("WALLOPS :noon")
        self.stage.wait(0.5)
        self.assertEqual(dora.lines(), ["ANN bob noon"])
        self.assertIn(":bob!bob@chatd NOTICE #lobby :Announcement: noon", self.carol.lines())

    def test_of_one_session(self) -> None:
        """Neither another session of the user nor the next one has them."""
        other = self.stage.connect("irc").says(f"PASS :{OTHER}").says("NICK bob").says("USER u 0 * :R")
        self.assertEqual(self.asks(self.bob, f"OPER judge :{SECRET}"), YES)
        self.assertEqual((self.has_rights(self.bob), self.has_rights(other)), (True, False))
        self.assertEqual(self.asks(other, "KILL carol :x"), [DENIED])
        self.bob.says("QUIT")
        again = self.stage.connect("irc").says(f"PASS :{OTHER}").says("NICK bob").says("USER u 0 * :R")
        self.assertEqual((self.has_rights(again), self.has_rights(other)), (False, False))
        self.assertEqual(self.asks(self.carol, "WHO bob")[0], "352 * ~u chatd * bob H :0 R")

    def test_given_up(self) -> None:
        self.oper(self.bob)
        self.assertEqual(self.asks(self.bob, "MODE bob -o"), [":bob!bob@chatd MODE bob -o"])
        self.assertFalse(self.has_rights(self.bob))
        self.assertEqual(self.asks(self.bob, "MODE bob -o", "MODE bob +o"), [])
        self.assertFalse(self.has_rights(self.bob))

    def test_who_and_whois_show_them(self) -> None:
        self.bob.says("JOIN #wob")
        self.carol.says("JOIN #wob")
        self.oper(self.bob)
        for mask, shown in (("bob", "* ~u chatd * bob H*"), ("#wob", "#wob ~u chatd * bob H*@")):
            self.assertEqual(self.asks(self.carol, f"WHO {mask}")[0], f"352 {shown} :0 R")
        self.assertEqual(self.asks(self.carol, "WHO * o%n"), ["354 bob", "315 * :End of WHO list"])
        self.assertIn("313 bob :is an operator of the server", self.asks(self.carol, "WHOIS bob"))
        self.bob.says("MODE bob -o")
        self.assertEqual(self.asks(self.carol, "WHO bob")[0], "352 * ~u chatd * bob H :0 R")


class Ends(OperatorSessionCase):
    """Rights end at once with what they come from, and don't come back by themselves."""

    def setUp(self) -> None:
        """bob acts as judge, who is appointed."""
        super().setUp()
        self.stage.policy.operators = ()
        self.desk.asks("appoint", nick="judge")
        self.assertEqual(self.oper(self.bob), YES[0])

    def test_dismissed(self) -> None:
        self.desk.asks("dismiss", nick="judge")
        self.assertEqual(self.asks(self.bob, "KILL carol :x"), [DENIED])
        self.assertEqual(self.asks(self.carol, "WHO bob")[0], "352 * ~u chatd * bob H :0 R")
        self.desk.asks("appoint", nick="judge")
        self.assertFalse(self.has_rights(self.bob))
        self.assertEqual(self.oper(self.bob), YES[0])

    def test_no_longer_configured(self) -> None:
        self.desk.asks("dismiss", nick="judge")
        self.stage.policy.operators = ("judge",)
        self.assertEqual(self.oper(self.bob), YES[0])
        self.stage.policy.operators = ()
        self.assertFalse(self.has_rights(self.bob))

    def test_another_password(self) -> None:
        judge = self.stage.json("judge", password=SECRET)
        judge.asks(action="passwd", password=SECRET, new=OTHER)
        self.assertFalse(self.has_rights(self.bob))
        self.assertEqual(self.oper(self.bob), REFUSED)
        self.assertEqual(self.oper(self.bob, password=OTHER), YES[0])

    def test_unregistered(self) -> None:
        self.stage.json("judge", password=SECRET).asks(action="unregister", password=SECRET)
        self.assertFalse(self.has_rights(self.bob))
        self.assertEqual(self.oper(self.bob), REFUSED)

    def test_erased(self) -> None:
        self.assertNotEqual(self.desk.asks("erase", nick="judge")["action"], "server-error")
        self.assertFalse(self.has_rights(self.bob))

    def test_while_a_password_is_hashed(self) -> None:
        """What was asked for before the rights ended is decided without them."""
        dora = self.irc("dora").says(f"REGISTER * * :{OTHER}")
        self.stage.passwords.held = True
        self.bob.hears()
        self.bob.says(f"PRIVMSG chatd :resetpassword;dora;{SECRET}")
        self.desk.asks("dismiss", nick="judge")
        self.stage.passwords.run_next()
        self.stage.settle()
        self.assertIn("ERR not_server_operator", self.bob.lines()[-1])
        self.assertFalse(dora.closed)

    def test_while_the_password_is_verified(self) -> None:
        self.stage.passwords.held = True
        self.carol.hears()
        self.carol.says(f"OPER judge :{SECRET}")
        self.desk.asks("dismiss", nick="judge")
        self.stage.passwords.run_next()
        self.stage.settle()
        self.assertEqual(self.carol.lines()[-1].split()[1], "491")
        self.assertFalse(self.has_rights(self.carol))

    def test_gone_while_the_password_is_verified(self) -> None:
        self.stage.passwords.held = True
        self.carol.says(f"OPER judge :{SECRET}")
        self.carol.hangs_up()
        self.stage.passwords.run_next()
        self.stage.settle()
        self.assertFalse(self.has_rights(self.irc("carol")))


class Guessing(OperatorSessionCase):
    """Guesses by OPER are guesses at a login."""

    limits = Limits(
        requests_per_second=10**6,
        bytes_per_second=10**9,
        reads_per_second=10**6,
        burst_seconds=10**6,
        wrong_passwords=5,
        wrong_passwords_per_nick=3,
    )

    def from_address(self, nick: str, host: str) -> Peer:
        """An IRC client from ``host``."""
        peer = self.stage.connect("irc", host).says(f"NICK {nick}").says("USER u 0 * :R")
        peer.hears()
        return peer

    def numerics(self, peer: Peer, *names: str) -> list[str]:
        """The numerics that guesses at the passwords of ``names`` are answered with."""
        return [self.oper(peer, name, "wrong horse").split()[0] for name in names]

    def test_refusals_are_alike(self) -> None:
        """Wrong passwords, unknown nicks, those who are no operators, tokens, and what is no password."""
        self.stage.passwords.networks.clear()
        self.assertEqual(self.oper(self.bob, "judge", "wrong horse"), REFUSED)
        self.assertEqual(self.oper(self.bob, "nobody", SECRET), REFUSED)
        self.assertEqual(self.oper(self.bob, "bob", OTHER), REFUSED)
        self.assertEqual(len(self.stage.passwords.networks), 3)  # each was verified
        self.assertEqual(self.oper(self.bob, "judge", "x" * 400), REFUSED)
        judge = self.stage.json("judge", password=SECRET)
        (made,) = judge.asks(action="maketoken", token="bot", scope="write").objects()
        self.assertEqual(self.oper(self.bob, "judge", made["secret"]), REFUSED)

    def test_they_count_by_nick_and_address(self) -> None:
        """Those of a login and of OPER together, whatever the nick of the one who guesses."""
        host = "192.0.2.1"
        eve, mallory = self.from_address("eve", host), self.from_address("mallory", host)
        login = self.stage.connect("json", host).asks(action="identify", from_="judge", password="no")
        self.assertEqual(login.objects()[0]["code"], "wrong_password")
        self.assertEqual(self.numerics(eve, "judge"), ["491"])
        self.assertEqual(self.numerics(mallory, "judge", "judge"), ["491", "263"])
        self.assertEqual(self.oper(eve).split()[0], "263")
        login = self.stage.connect("json", host).asks(action="identify", from_="judge", password=SECRET)
        self.assertEqual(login.objects()[0]["code"], "rate_limited")
        # Many have guessed at the nick: from elsewhere the right password takes a second.
        dora = self.from_address("dora", "192.0.2.9")
        self.assertEqual(self.asks(dora, f"OPER judge :{SECRET}"), [])
        self.stage.wait(1)
        self.assertEqual(dora.lines()[0].split()[1], "381")

    def test_they_count_by_address(self) -> None:
        eve = self.from_address("eve", "192.0.2.1")
        guesses = self.numerics(eve, *(f"nick{number}" for number in range(6)))
        self.assertEqual(guesses, ["491"] * 5 + ["263"])

    def test_a_flood_is_one_at_a_time(self) -> None:
        """A client that sends many has one password under way, and others are served meanwhile."""
        self.stage.passwords.held = True
        self.bob.says("\r\n".join(["OPER judge no"] * 50))
        self.assertEqual(len(self.stage.passwords), 1)
        self.assertEqual(self.asks(self.carol, "PRIVMSG #lobby :hi", "PING x"), [":chatd PONG chatd :x"])

    def test_others_have_their_own_turn(self) -> None:
        """The credit of a client is used up by a few passwords."""
        self.stage.limits.burst_seconds = UNTHROTTLED.burst_seconds
        self.bob.says("\r\n".join(["OPER judge no"] * 50))
        self.assertLess(len(self.bob.lines()), 50)


class WithToken(OperatorSessionCase):
    def test_a_program_is_no_operator(self) -> None:
        """Neither by the user's rights nor by a password."""
        judge = self.stage.json("judge", password=SECRET)
        (made,) = judge.asks(action="maketoken", token="bot", scope="write").objects()
        bot = self.stage.connect("irc").says(f"PASS {made['secret']}")
        bot.says("NICK judge").says("USER u 0 * :R")
        self.assertEqual(
            self.oper(bot), "491 :Nobody who has logged in with a token can be an operator of the server"
        )
        self.assertIn("out_of_scope", self.asks(bot, "PRIVMSG chatd :modlog;")[-1])
