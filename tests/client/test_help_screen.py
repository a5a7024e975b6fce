"""The help of the full-screen client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.client_command_table import CLIENT_COMMANDS
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.help_screen import help_sections, slash_example
from chatd.client.implied_group import KnownNames
from chatd.client.implied_id import with_implied_message_id
from chatd.client.typed_lines import parse_typed_line
from chatd.core.commands import COMMANDS, Identify
from tests.support.languages import speak

WOB = ConversationRef("group", "wob")


class Examples(SynchronousTestCase):
    """What one may type."""

    def setUp(self) -> None:
        """English."""
        speak(self, "en")

    def test_for_the_room_on_the_screen(self) -> None:
        """Without its name, with the nick of somebody who is there."""
        for name, in_wob, in_lobby in (
            ("kick", "/kick carol too loud", "/kick wob bob too loud"),
            ("topic", "/topic the weather", "/topic wob the weather"),
            ("enter", "/join wob", "/join wob"),
            ("broadcast", "/all hello all", "/all hello all"),
            ("passwd", "/passwd password new", "/passwd password new"),
            ("clients", "/who", "/who"),
            ("edit", "/edit what I meant", "/edit what I meant"),
        ):
            self.assertEqual(slash_example(COMMANDS[name], WOB, "carol"), in_wob)
            self.assertEqual(slash_example(COMMANDS[name], LOBBY, ""), in_lobby)

    def test_each_does_what_its_line_says(self) -> None:
        """What is shown can be typed as it stands."""
        known = KnownNames(["carol"], ["wob"], ["carol"])
        for row in COMMANDS.values():
            if row.slash_word and row.command is not Identify:
                for here in (LOBBY, WOB):
                    with self.subTest(row.name, here=here):
                        line = with_implied_message_id(slash_example(row, here, "carol"), 7, 5)
                        typed = parse_typed_line(line, here, known)
                        wanted = {"enter": "Join", "send": "OpenDirectConversation"}.get(
                            row.name, row.command.__name__
                        )
                        if row.name == "clients" and here == WOB:
                            wanted = "ListMembers"
                        self.assertEqual(type(typed).__name__, wanted)

    def test_every_command_is_there_once(self) -> None:
        typed = [typed for _, lines in help_sections(WOB, "carol") for typed, _ in lines]
        for row in COMMANDS.values():
            if row.slash_word and row.command is not Identify:
                self.assertEqual([one.split()[0] for one in typed].count(f"/{row.slash_word}"), 1, row.name)
        for word in CLIENT_COMMANDS:
            self.assertEqual([one.split()[0] for one in typed].count(f"/{word}"), 1, word)
        for number in range(2, 8):
            self.assertTrue(any(one.startswith(f"F{number}") for one in typed), number)

    def test_in_french(self) -> None:
        speak(self, "fr")
        headings = [heading for heading, _ in help_sections(LOBBY, "")]
        self.assertEqual(headings[:2], ["Touches", "Lignes tapées"])
