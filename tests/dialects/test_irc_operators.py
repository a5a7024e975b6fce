"""OPER, KILL and WALLOPS: operators of the server on IRC."""

from __future__ import annotations

from tests.support.irc_case import IrcCase

SECRET = "correct horse battery"


class OperatorCase(IrcCase):
    """judge is an operator of the server, registered; bob is none."""

    def setUp(self) -> None:
        """Have both there."""
        super().setUp()
        self.stage.policy.operators = ("judge",)
        self.judge = self.irc("judge").says(f"REGISTER * * :{SECRET}")
        self.bob = self.irc("bob")


class Oper(OperatorCase):
    def test_with_the_password(self) -> None:
        self.assertEqual(
            self.asks(self.bob, f"OPER judge :{SECRET}"),
            ["381 :You are an operator of the server", ":bob!bob@chatd MODE bob +o"],
        )
        self.assertEqual(self.asks(self.bob, "MODE bob -o"), [":bob!bob@chatd MODE bob -o"])

    def test_refused(self) -> None:
        for line in ("OPER judge wrong", "OPER x y", "OPER bob z", "OPER judge :"):
            self.assertEqual(
                self.asks(self.bob, line), ["491 :No operator of the server has this nick and this password"]
            )
        self.assertEqual(self.asks(self.bob, "OPER judge"), ["461 OPER :Not enough parameters"])

    def test_with_a_token(self) -> None:
        (made,) = self.asks(self.judge, "PRIVMSG chatd :maketoken;bot;write")
        secret = next(part for part in made.split() if part.startswith("chatd_"))
        bot = self.stage.connect("irc").says(f"PASS {secret}").says("NICK judge").says("USER u 0 * :R")
        self.assertEqual(
            self.asks(bot, f"OPER judge :{SECRET}"),
            ["491 :Nobody who has logged in with a token can be an operator of the server"],
        )

    def test_whois(self) -> None:
        self.assertIn("313 judge :is an operator of the server", self.asks(self.bob, "WHOIS judge"))
        self.assertEqual([line for line in self.asks(self.judge, "WHOIS bob") if line.startswith("313")], [])


class Kill(OperatorCase):
    def test_by_an_operator(self) -> None:
        self.judge.says("KILL BOB :calm down")
        self.assertIn("ERROR :an operator has disconnected you (calm down)", self.bob.lines())
        self.assertTrue(self.bob.closed)
        self.assertEqual(
            self.stage.rows("SELECT kind, target, reason FROM moderation"),
            [("disconnect", "bob", "calm down")],
        )
        carol = self.irc("carol")
        self.judge.says("KILL carol")
        self.assertTrue(carol.closed)

    def test_by_others(self) -> None:
        for nick in ("judge", "bob", "nobody"):
            self.assertEqual(
                self.asks(self.bob, f"KILL {nick} :x"),
                ["481 :Permission denied: you are no operator of the server"],
            )

    def test_who_is_spared(self) -> None:
        self.assertEqual(self.asks(self.judge, "KILL nobody :x")[0].split()[0], "401")
        (answer,) = self.asks(self.judge, "KILL judge :x")
        self.assertIn("this can't be done to an operator", answer)
        self.bob.hangs_up()
        self.assertEqual(len(self.asks(self.judge, "KILL bob :x")), 1)


class Wallops(OperatorCase):
    def test_by_an_operator(self) -> None:
        """It is an announcement, on every wire."""
        dora = self.stage.text("dora")
        self.judge.hears(), self.bob.hears()
        self.judge.says("WALLOPS :noon")
        self.stage.wait(0.5)
        line = ":judge!judge@chatd NOTICE #lobby :Announcement: noon"
        self.assertEqual([self.judge.lines(), self.bob.lines()], [[line], [line]])
        self.assertEqual(dora.lines(), ["ANN judge noon"])

    def test_by_others(self) -> None:
        self.assertEqual(
            self.asks(self.bob, "WALLOPS :x"), ["481 :Permission denied: you are no operator of the server"]
        )
