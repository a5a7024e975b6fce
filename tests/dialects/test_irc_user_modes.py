"""The modes of a user on IRC: what irssi sends at each login, and bots."""

from __future__ import annotations

from tests.support.irc_case import IrcCase


class UserModes(IrcCase):
    def test_accepted_in_silence(self) -> None:
        """irssi sends MODE +i at each login."""
        bob = self.irc("bob")
        self.assertEqual(self.asks(bob, "MODE bob"), ["221 +"])
        self.assertEqual(
            self.asks(bob, "MODE bob +i", "MODE BOB -w", "MODE bob +wo", "MODE bob"), ["221 +iw"]
        )
        self.assertEqual(self.asks(bob, "MODE bob -i+w", "MODE bob"), ["221 +w"])

    def test_refused(self) -> None:
        bob = self.irc("bob")
        self.irc("carol")
        self.assertEqual(self.asks(bob, "MODE bob +ix", "MODE bob"), ["501 :Unknown MODE flag", "221 +i"])
        self.assertEqual(self.asks(bob, "MODE carol +B")[0].split()[0], "502")

    def test_what_is_announced(self) -> None:
        welcome = self.stage.connect("irc").says("NICK bob").says("USER u 0 * :R").hears().decode()
        self.assertIn(" BOT=B ", welcome)
        self.assertRegex(welcome, r" 004 bob \S+ \S+ Biow ")


class Bots(IrcCase):
    def test_marked_and_unmarked(self) -> None:
        bot, carol = self.irc("bot"), self.irc("carol")
        self.assertEqual(self.asks(bot, "MODE bot +B"), [":bot!bot@chatd MODE bot +B"])
        self.assertEqual(self.asks(bot, "MODE bot +B", "MODE bot"), ["221 +B"])
        self.assertIn("335 bot :is a bot", self.asks(carol, "WHOIS bot"))
        self.assertEqual(self.asks(carol, "WHO bot")[0], "352 * ~u chatd * bot HB :0 R")
        self.assertEqual(self.asks(carol, "WHO bot %nf")[0], "354 bot HB")
        self.assertEqual(
            self.asks(bot, "MODE bot +i-B", "MODE bot"), [":bot!bot@chatd MODE bot -B", "221 +i"]
        )
        self.assertNotIn("335 bot :is a bot", self.asks(carol, "WHOIS bot"))

    def test_nobody_is_told_by_itself(self) -> None:
        bot, carol = self.irc("bot"), self.irc("carol", "away-notify", "setname")
        bot.says("MODE bot +B")
        self.assertEqual(carol.lines(), [])

    def test_the_tag(self) -> None:
        """On messages and events, for clients that know tags; not on what somebody else is the actor of."""
        bot = self.irc("bot", "message-tags", "echo-message")
        carol, old = self.irc("carol", "message-tags"), self.irc("old")
        bot.says("JOIN #wob").says("MODE bot +B")
        carol.says("JOIN #wob").says("PRIVMSG bot :hi")
        bot.hears(), carol.hears()
        bot.says("PRIVMSG carol :beep").says("PRIVMSG #wob :boop").says("TOPIC #wob :x").says(
            "PRIVMSG old :hi"
        )
        heard = [
            "@msgid=4;bot :bot!bot@chatd PRIVMSG carol :beep",
            "@msgid=5;bot :bot!bot@chatd PRIVMSG #wob :boop",
            "@msgid=6;bot :bot!bot@chatd TOPIC #wob x",
        ]
        self.assertEqual(carol.lines(), heard)
        self.assertEqual(bot.lines()[:3], heard)
        self.assertEqual(old.lines()[-1], ":bot!bot@chatd PRIVMSG old :hi")
        bot.says("MODE bot -B").says("PRIVMSG carol :by hand")
        self.assertEqual(carol.lines(), ["@msgid=8 :bot!bot@chatd PRIVMSG carol :by hand"])

    def test_of_one_session(self) -> None:
        """A user and a program of that user may be there at once."""
        bob = self.irc("bob").says("REGISTER * * :correct horse battery")
        carol = self.irc("carol", "message-tags")
        bot = (
            self.stage.connect("irc")
            .says("PASS :correct horse battery")
            .says("NICK bob")
            .says("USER u 0 * :R")
        )
        bot.says("MODE bob +B")
        carol.hears()
        bob.says("PRIVMSG #lobby :one")
        bot.says("PRIVMSG #lobby :two")
        self.assertEqual([";bot " in line for line in carol.lines()], [False, True])
