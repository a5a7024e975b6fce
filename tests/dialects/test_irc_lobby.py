"""Who is in the lobby on IRC, and what is heard outside it."""

from __future__ import annotations

from chatd.core.irc_policy import IrcPolicy
from tests.support.irc_case import IrcCase


class Leaving(IrcCase):
    """A client may leave the lobby: that concerns this session alone, and ends with it."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.irc("alice")
        self.asks(self.alice, "JOIN #wob")
        self.bob = self.irc("bob")
        self.asks(self.bob, "JOIN #wob")

    def test_what_is_said_there_is_not_heard(self) -> None:
        self.assertEqual(self.asks(self.alice, "PART #lobby"), [":alice!alice@chatd PART #lobby"])
        self.bob.says("PRIVMSG #lobby :to all").says("PRIVMSG #wob :to some").says("PRIVMSG alice :to one")
        self.assertEqual(
            self.alice.lines(),
            [":bob!bob@chatd PRIVMSG #wob :to some", ":bob!bob@chatd PRIVMSG alice :to one"],
        )
        self.assertEqual(
            self.asks(self.alice, "PRIVMSG #lobby :hi", "PART #lobby"),
            [
                "404 #lobby :you are not a member of lobby: join it first",
                "442 #lobby :you are not a member of lobby: join it first",
            ],
        )
        self.assertEqual(self.bob.lines(), [])

    def test_who_comes_and_goes_is_heard_of_in_groups(self) -> None:
        """Once, whatever number of channels is shared."""
        self.asks(self.bob, "JOIN #den")
        self.asks(self.alice, "JOIN #den", "PART #lobby")
        self.bob.says("QUIT")
        self.assertEqual(self.alice.lines(), [":bob!bob@chatd QUIT left"])
        self.irc("bob")
        # Whoever is not registered loses the role with the next login.
        self.assertEqual(
            self.alice.lines(),
            [":bob!bob@chatd MODE #den -o bob", ":bob!bob@chatd JOIN #wob", ":bob!bob@chatd JOIN #den"],
        )
        self.irc("carol").says("QUIT")
        self.assertEqual(self.alice.lines(), [])

    def test_coming_back(self) -> None:
        self.asks(self.alice, "PART #lobby")
        self.assertEqual(
            self.asks(self.alice, "JOIN #lobby"),
            [":alice!alice@chatd JOIN #lobby", "353 = #lobby :alice bob", "366 #lobby :End of NAMES list"],
        )
        self.assertEqual(self.asks(self.alice, "JOIN #lobby"), [])
        self.bob.says("PRIVMSG #lobby :welcome back")
        self.assertEqual(self.alice.lines(), [":bob!bob@chatd PRIVMSG #lobby :welcome back"])

    def test_the_next_session_is_there_again(self) -> None:
        self.asks(self.alice, "PART #lobby", "QUIT")
        again = self.irc("alice")
        self.bob.says("PRIVMSG #lobby :hi")
        self.assertEqual(again.lines(), [":bob!bob@chatd PRIVMSG #lobby :hi"])

    def test_what_members_say_of_themselves(self) -> None:
        """Is heard outside the lobby by who shares a group with them."""
        alice = self.irc("dave", "away-notify")
        self.asks(alice, "PART #lobby")
        self.bob.says("AWAY :lunch")
        self.assertEqual(alice.lines(), [])
        self.asks(alice, "JOIN #wob")
        self.bob.says("AWAY")
        self.assertEqual(alice.lines(), [":bob!bob@chatd AWAY"])


class Asking(IrcCase):
    """With ``lobby = "ask"`` clients are outside at first."""

    irc_policy = IrcPolicy(server="irc.example.org", network="Example", lobby="ask")

    def test_the_lobby_is_entered_on_request(self) -> None:
        alice = self.stage.connect("irc").says("NICK alice").says("USER a 0 * :A")
        welcome = alice.lines()
        self.assertEqual(welcome[-1], ":irc.example.org 376 alice :End of MOTD command")
        self.assertIn(" NETWORK=Example ", "\n".join(welcome))
        self.stage.text("tom").says(b"MSG hello\n")
        self.assertEqual(alice.lines(), [])
        alice.says("LIST")
        self.assertEqual(
            alice.lines(),
            [
                ":irc.example.org 321 alice Channel :Users  Name",
                ":irc.example.org 323 alice :End of LIST",
            ],
        )
        alice.says("JOIN #lobby")
        self.assertEqual(
            alice.lines(),
            [
                ":alice!alice@chatd JOIN #lobby",
                ":irc.example.org 353 alice = #lobby :alice tom",
                ":irc.example.org 366 alice #lobby :End of NAMES list",
            ],
        )
