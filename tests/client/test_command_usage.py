"""The usage lines of the client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.client_command_table import CLIENT_COMMANDS, parse_immediate_command
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.command_usage import displayed_usage
from chatd.client.completion import usage_hint
from chatd.client.typed_lines import SLASH_ALIASES, parse_typed_line
from chatd.core.commands import COMMANDS, Identify
from chatd.core.refusals import Refusal
from chatd.core.typed_commands import COMMANDS_BY_SLASH_WORD
from tests.support.languages import speak

WOB = ConversationRef("group", "wob")


class UsageLines(SynchronousTestCase):
    def setUp(self) -> None:
        """English."""
        speak(self, "en")

    def test_they_have_words_of_people(self) -> None:
        for row in COMMANDS.values():
            if row.slash_word and row.command is not Identify:
                self.assertNotRegex(displayed_usage(row), r" \[?(dest|msg|upto)\b")

    def test_each_begins_with_the_word_that_was_typed(self) -> None:
        """Which can be typed again: in the hint, and in the sentence for a line that lacks something."""
        for word in (*COMMANDS_BY_SLASH_WORD, *SLASH_ALIASES):
            if COMMANDS_BY_SLASH_WORD.get(word, COMMANDS["kick"]).command is Identify:
                continue
            for here in (LOBBY, WOB):
                self.assertRegex(usage_hint(f"/{word} ", here), rf"\A/{word}\b")
                try:
                    parse_typed_line(f"/{word}", here)
                except Refusal as refusal:
                    if "usage" in refusal.text:
                        self.assertIn(f"usage: /{word} ", refusal.text)
                    self.assertNotEqual(refusal.code, "unknown_action")

    def test_the_words_of_the_client_exist(self) -> None:
        for word, command in CLIENT_COMMANDS.items():
            self.assertEqual(command.example.split()[0], f"/{word}")
            self.assertEqual(command.usage.split()[0], f"/{word}")
            if parse_immediate_command(command.example) is None:
                parse_typed_line(command.example, LOBBY)
