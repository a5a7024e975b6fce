"""Finding a place by a few letters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.memory import Memory
from chatd.client.switcher import (
    MAX_SHOWN_SWITCH_TARGETS,
    SwitchTarget,
    all_switch_targets,
    match_rank,
    matching_switch_targets,
)
from tests.support.languages import speak


class Finding(SynchronousTestCase):
    """Which names match, and which first."""

    def found(self, sought: str, *names: str) -> list[str]:
        """The names that match, the best first."""
        return [one.name for one in matching_switch_targets(sought, map(SwitchTarget, names))]

    def test_the_best_comes_first(self) -> None:
        names = ("kick", "tick-off", "networks", "net", "inet", "n-e-t", "Network")
        self.assertEqual(self.found("net", *names), ["net", "Network", "networks", "inet", "n-e-t"])
        self.assertEqual(self.found("off", *names), ["tick-off"])
        self.assertEqual(self.found("ENTW", *names), [])
        self.assertEqual(self.found("  ", *names), list(names))
        self.assertEqual(
            self.found("", *map(str, range(99))), list(map(str, range(MAX_SHOWN_SWITCH_TARGETS)))
        )

    def test_a_name_that_is_made_to_be_searched_for_long(self) -> None:
        """Is not: a matcher that tries all ways would not come back."""
        self.assertEqual(self.found("ab" * 16 + "c", "ab" * 32), [])

    @given(st.text(min_size=1, max_size=5), st.text(max_size=20))
    def test_what_matches_has_the_letters_in_their_order(self, sought: str, name: str) -> None:
        rest = iter(name.casefold())
        is_there = all(letter in rest for letter in sought.casefold())
        self.assertEqual(match_rank(sought, name) is not None, is_there)


class Targets(SynchronousTestCase):
    """What can be gone to."""

    def test_all_there_is(self) -> None:
        """What is unread first, then the other conversations, people, rooms and commands."""
        speak(self, "en")
        memory = Memory("alice")
        memory.online = {"alice", "bob", "carol"}
        memory.group_names = {"wob", "den"}
        memory.conversation(ConversationRef("group", "wob")).read.record_unread_count(2, 9)
        memory.conversation(ConversationRef("direct", "bob"))
        targets = all_switch_targets(memory)
        self.assertEqual(
            [(one.name, one.remark) for one in targets[:5]],
            [("wob", "2 unread"), ("lobby", ""), ("@bob", ""), ("@carol", "online"), ("den", "join")],
        )
        self.assertEqual(targets[1].place, LOBBY)
        self.assertEqual((targets[4].typed_line, targets[4].is_complete_line), ("/join den", True))
        kick = matching_switch_targets("kick", targets)[0]
        self.assertEqual((kick.name, kick.typed_line), ("/kick", "/kick "))
        self.assertTrue(kick.remark.startswith("group nick [reason]  remove a user"), kick.remark)
        operators = matching_switch_targets("/op", targets)[0]
        self.assertEqual((operators.typed_line, operators.remark[:10]), ("/op ", "group nick"))
        edit, withdraw = (
            matching_switch_targets("/edi", targets)[0],
            matching_switch_targets("withdr", targets)[0],
        )
        self.assertEqual((edit.remark[:8], withdraw.typed_line), ("[id] tex", "/withdraw "))
