"""LUSERS, VERSION, TIME, INFO, ADMIN, LINKS and HELP."""

from __future__ import annotations

from chatd import __version__
from chatd.dialects.irc_information import HELP_TEXT_BY_VERB, INFO_LINES
from chatd.dialects.irc_lines import MAX_LINE_BYTES
from chatd.dialects.irc_verbs import VERBS
from tests.support.irc_case import IrcCase


class Information(IrcCase):
    """What the daemon tells of itself."""

    def setUp(self) -> None:
        """Have amy."""
        super().setUp()
        self.amy = self.irc("amy")

    def test_lusers(self) -> None:
        """Private groups of others are not counted, the lobby is."""
        bob = self.irc("bob").says("JOIN #open").says("JOIN #closed").says("MODE #closed +i")
        bob.hangs_up()
        self.assertEqual(
            self.asks(self.amy, "LUSERS"),
            [
                "251 :There are 1 users and 0 invisible on 1 servers",
                "254 2 :channels formed",
                "255 :I have 1 clients and 0 servers",
                "265 1 2 :Current local users 1, max 2",
                "266 1 2 :Current global users 1, max 2",
            ],
        )

    def test_time_is_the_daemons(self) -> None:
        self.assertEqual(self.asks(self.amy, "TIME")[0][:29], "391 chatd 2001-09-09T01:46:40")

    def test_version_info_admin_links(self) -> None:
        self.assertEqual(
            self.asks(self.amy, "VERSION"),
            [f"351 chatd-{__version__} chatd :one server, in Python on Twisted"],
        )
        self.assertEqual(len(self.asks(self.amy, "INFO")), len(INFO_LINES) + 1)
        self.assertEqual(self.asks(self.amy, "ADMIN"), ["423 chatd :No administrative info available"])
        self.assertEqual(self.asks(self.amy, "LINKS"), ["365 * :End of LINKS list: there is one server"])

    def test_another_server(self) -> None:
        for verb in ("LUSERS", "TIME", "VERSION", "INFO", "ADMIN"):
            self.assertEqual(self.asks(self.amy, f"{verb} elsewhere"), ["402 elsewhere :No such server"])
            own = self.asks(self.amy, f"{verb}")[0]
            for target in ("chatd", "ch*", "amy"):
                self.assertEqual(self.asks(self.amy, f"{verb} {target}")[0][:30], own[:30])


class Help(IrcCase):
    """``HELP``."""

    def test_every_verb_has_help(self) -> None:
        self.assertEqual(set(HELP_TEXT_BY_VERB), set(VERBS))
        amy = self.irc("amy")
        for verb in VERBS:
            start, text, end = self.asks(amy, f"HELP {verb.lower()}")
            self.assertTrue(text.startswith(f"705 {verb} :{verb}"), text)
            self.assertEqual((start, end), (f"704 {verb} :Help of chatd", f"706 {verb} :End of HELP"))

    def test_all_verbs(self) -> None:
        amy = self.irc("amy")
        for line in ("HELP", "HELPOP :"):
            heard = self.asks(amy, line)
            self.assertLess(max(map(len, heard)), MAX_LINE_BYTES)
            words = " ".join(text.removeprefix("705 * :") for text in heard[1:-1]).split()
            self.assertEqual(words, ["Verbs:", *sorted(VERBS)])

    def test_an_unknown_subject(self) -> None:
        amy = self.irc("amy")
        self.assertEqual(self.asks(amy, "HELP JION"), ["524 JION :No help available on this topic"])
