"""Masks of nicks."""

from __future__ import annotations

from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.masks import compile_mask
from chatd.core.names import parse_nick


def matches(mask: str, nick: str) -> bool:
    """Whether ``nick`` matches ``mask``."""
    return compile_mask(mask).fullmatch(parse_nick(nick).normalized) is not None


def slowly_matches(mask: str, text: str) -> bool:
    """The same, by trying everything."""
    if not mask:
        return not text
    if mask[0] == "*":
        return any(slowly_matches(mask[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and mask[0] in ("?", text[0]) and slowly_matches(mask[1:], text[1:])


class Masks(SynchronousTestCase):
    """``*`` stands for any characters, ``?`` for one."""

    def test_examples(self) -> None:
        for mask, nick, is_match in (
            ("*", "bob", True),
            ("bob", "Bob", True),
            ("b?b", "bob", True),
            ("b?b", "bb", False),
            ("b*", "abob", False),
            ("*ob*b", "bobob", True),
            ("*ob*b", "ob", False),
            ("[bo]*", "bob", False),
            ("b.b", "bob", False),
            ("STRASSE*", "Straße", True),
            ("straß?", "STRASSE", True),
            ("ｂｏ*", "bob", True),
        ):
            self.assertIs(matches(mask, nick), is_match, (mask, nick))

    @given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
    def test_any_mask_matches_as_one_would_by_hand(self, mask: str, text: str) -> None:
        found = compile_mask(mask).fullmatch(text) is not None
        self.assertIs(found, slowly_matches(mask, text))

    def test_no_mask_takes_long(self) -> None:
        """Backtracking over 100 stars would take years."""
        started = perf_counter()
        self.assertFalse(matches("*a" * 100 + "b", "a" * 32))
        self.assertFalse(matches("*a" * 20 + "b", "a" * 32))
        self.assertLess(perf_counter() - started, 1)
