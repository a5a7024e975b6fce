"""Mentions of a nick in a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.mentions import mentions


class Mentions(SynchronousTestCase):
    def test_a_word_of_its_own(self) -> None:
        for text in ("bob", "@bob: hi", "hi BOB!", "(bob)", "a-bob", "\nbob"):
            self.assertTrue(mentions(text, "bob"), text)
        for text in ("", "bobby", "kabob", "bob_2", "bobé"):
            self.assertFalse(mentions(text, "bob"), text)

    def test_nobody_is_not_mentioned(self) -> None:
        self.assertFalse(mentions("anything", ""))

    @given(st.text(min_size=1, max_size=32), st.text(max_size=100))
    def test_any_nick(self, nick: str, text: str) -> None:
        """No character of a nick is a part of the pattern."""
        mentions(text, nick)
        self.assertTrue(mentions(f" {nick} ", nick))
