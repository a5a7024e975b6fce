"""Commands that are typed to the daemon on IRC."""

from __future__ import annotations

from tests.support.irc_case import IrcCase


class Help(IrcCase):
    def test_the_commands_that_can_be_typed(self) -> None:
        """Those of the text wire with a ``;``: its keywords are no typed commands."""
        alice = self.irc("alice")
        for typed in ("help", "HELP", "help;"):
            told = [
                line.removeprefix(":chatd NOTICE alice :")
                for line in self.asks(alice, f"PRIVMSG chatd :{typed}")
            ]
            self.assertIn(
                "kick;group;dest[;reason]: remove a user from a group; the user may come back", told
            )
            self.assertTrue(all(";" in line.partition(":")[0] for line in told), told)
