"""Mentions of a nick in a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.mentions import text_mentions_nick


class Mentions(SynchronousTestCase):
    def test_a_word_of_its_own(self) -> None:
        for text in ("bob", "@bob: hi", "hi BOB!", "(bob)", "a-bob", "\nbob"):
            self.assertTrue(text_mentions_nick(text, "bob"), text)
        for text in ("", "bobby", "kabob", "bob_2", "bobé"):
            self.assertFalse(text_mentions_nick(text, "bob"), text)

    def test_nobody_is_not_mentioned(self) -> None:
        self.assertFalse(text_mentions_nick("anything", ""))

    @given(st.text(min_size=1, max_size=32), st.text(max_size=100))
    def test_any_nick(self, nick: str, text: str) -> None:
        """No character of a nick is a part of the pattern."""
        text_mentions_nick(text, nick)
        self.assertTrue(text_mentions_nick(f" {nick} ", nick))
