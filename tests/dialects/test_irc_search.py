"""``SEARCH`` on IRC, as the specification of soju.im/search has it."""

from __future__ import annotations

import sqlite3

from chatd.core.limits import Limits
from tests.support.irc_case import IrcCase

CAPABILITIES = ("batch", "message-tags", "server-time", "soju.im/search")


class Searching(IrcCase):
    """Amy, who has the capabilities, and bob in the lobby and in #wob."""

    def setUp(self) -> None:
        super().setUp()
        self.amy = self.irc("amy", *CAPABILITIES)
        self.bob = self.irc("bob")
        for peer in (self.amy, self.bob):
            peer.says("JOIN #wob")  # 1, 2
        self.bob.says("PRIVMSG #wob :the exam, at last")  # 3
        self.bob.says("PRIVMSG #lobby :\x01ACTION fears the exam\x01")  # 4
        self.bob.says("NOTICE amy :no exam; today")  # 5
        self.amy.says("PRIVMSG bob :what exam?")  # 6

    def found(self, attributes: str) -> list[str]:
        """The ids, the targets and the texts of the messages that amy finds."""
        first, *lines, last = self.asks(self.amy, f"SEARCH {attributes}")
        self.assertEqual((first, last), (":chatd BATCH +search soju.im/search", ":chatd BATCH -search"))
        return [line.partition("msgid=")[2].partition(";")[0] for line in lines]

    def test_attributes(self) -> None:
        for attributes, ids in {
            "text=exam": ["3", "4", "5", "6"],
            "text=the\\sexam": ["3", "4", "5", "6"][:2],
            'text="exam\\stoday"': ["5"],
            "text=today\\:": ["5"],
            "in=#wob;text=exam": ["3"],
            "in=#lobby": ["4"],
            "in=#LOBBY;text=ex*": ["4"],
            "in=bob;text=exam": ["5", "6"],
            "from=bob": ["3", "4", "5"],
            "from=bob;limit=1": ["5"],
            "from=BOB;in=bob": ["5"],
            "limit=0;from=amy": ["6"],
            "limit=99999999999;from=amy": ["6"],
            "text=exam;nonsense;other=x;in=": ["3", "4", "5", "6"],
            "text=nothing": [],
            "from=bob;before=2001-01-01T00:00:00.000Z": [],
            "from=bob;after=2001-01-01T00:00:00.000Z;limit=2": ["3", "4"],
            "from=bob;after=0001-01-01T00:00:00.000Z;before=9999-12-31T23:59:59.999Z": ["3", "4", "5"],
        }.items():
            self.assertEqual(self.found(attributes), ids, attributes)

    def test_bounds_in_time_are_included(self) -> None:
        self.stage.wait(10)
        self.bob.says("PRIVMSG #lobby :a later exam")  # 7
        (_, line, _) = self.asks(self.amy, "SEARCH text=later")
        at = line.partition("time=")[2].partition(" ")[0]
        self.assertEqual(self.found(f"text=exam;after={at}"), ["7"])
        self.assertEqual(self.found(f"text=exam;before={at}"), ["3", "4", "5", "6", "7"])

    def test_lines_are_those_of_the_messages(self) -> None:
        lines = self.asks(self.amy, "SEARCH text=exam")[1:-1]
        self.assertEqual(
            [line.partition("Z ")[2] for line in lines],
            [
                ":bob!bob@chatd PRIVMSG #wob :the exam, at last",
                ":bob!bob@chatd PRIVMSG #lobby :\x01ACTION fears the exam\x01",
                ":bob!bob@chatd NOTICE amy :no exam; today",
                ":amy!amy@chatd PRIVMSG bob :what exam?",
            ],
        )

    def test_without_capabilities(self) -> None:
        """The messages alone, with their times in front."""
        carl = self.irc("carl")
        (line,) = self.asks(carl, "SEARCH text=exam")
        self.assertRegex(
            line, r"^:bob!bob@chatd PRIVMSG #lobby :\x01ACTION \[\d\d:\d\d\] fears the exam\x01$"
        )

    def test_a_label(self) -> None:
        dan = self.irc("dan", *CAPABILITIES, "labeled-response")
        lines = self.asks(dan, "@label=7 SEARCH text=nothing")
        self.assertTrue(lines[0].startswith("@label=7 :chatd BATCH +"), lines)
        (refused,) = self.asks(dan, "@label=8 SEARCH in=#nowhere;text=x")
        self.assertEqual(refused, "@label=8 :chatd FAIL SEARCH INVALID_PARAMS :unknown group: nowhere")

    def test_what_is_refused(self) -> None:
        for attributes, sentence in {
            "in=#secret;text=x": ":unknown group: secret",
            "in=#;text=x": ":unknown group: #",
            "in=nobody;text=x": ":unknown user: nobody",
            "from=nobody;text=x": ":unknown user: nobody",
            "text=…": ":words must have a word with a letter or a digit",
            "limit=5": ":search needs words",
            "text=x;after=yesterday": "text=x;after=yesterday :this is no time and no number",
            "text=x;limit=-1": "text=x;limit=-1 :this is no time and no number",
            "text=x;limit=²": "text=x;limit=² :this is no time and no number",
            f"text={'x ' * 33}".replace(" ", "\\s"): ":a search may have at most 32 words",
        }.items():
            (line,) = self.asks(self.amy, f"SEARCH {attributes}")
            self.assertEqual(line, f":chatd FAIL SEARCH INVALID_PARAMS {sentence}")
        self.assertEqual(self.asks(self.amy, "SEARCH"), ["461 SEARCH :Not enough parameters"])

    def test_a_disk_that_can_not_be_read(self) -> None:
        self.stage.searchers.error = sqlite3.OperationalError("disk I/O error")
        (line,) = self.asks(self.amy, "SEARCH text=exam")
        self.assertTrue(line.startswith(":chatd FAIL SEARCH INTERNAL_ERROR :"), line)
        self.stage.searchers.error = None
        self.flushLoggedErrors()

    def test_a_client_that_is_not_in_the_group(self) -> None:
        eve = self.irc("eve", *CAPABILITIES)
        self.assertEqual(len(self.asks(eve, "SEARCH text=exam")), 3)
        self.amy.says("MODE #wob +i")
        (line,) = self.asks(eve, "SEARCH in=#wob;text=exam")
        self.assertEqual(line, ":chatd FAIL SEARCH INVALID_PARAMS :unknown group: wob")


class Pages(IrcCase):
    limits = Limits(page_max=3)

    def test_a_limit_is_lowered(self) -> None:
        amy = self.irc("amy", *CAPABILITIES)
        for number in range(5):
            amy.says(f"PRIVMSG #lobby :exam {number}")
        lines = self.asks(amy, "SEARCH text=exam;limit=100")[1:-1]
        self.assertEqual([line[-1] for line in lines], ["2", "3", "4"])
