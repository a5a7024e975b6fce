"""What a search looks for, and what is an operator in a typed one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.refusals import Refusal
from chatd.core.search import (
    MAX_SEARCH_WORDS,
    SearchTerm,
    parse_search_terms,
    split_search_operators,
)


class Terms(SynchronousTestCase):
    def test_words_prefixes_and_phrases(self) -> None:
        for words, terms in {
            "lunch": [("lunch", False)],
            "  two  words ": [("two", False), ("words", False)],
            "roo*": [("roo", True)],
            "roo***": [("roo", True)],
            "*room": [("*room", False)],
            '"the exam" room*': [("the exam", False), ("room", True)],
            '"never closed': [("never closed", False)],
            'a"b c"d': [('a"b', False), ('c"d', False)],
            '"room*"': [("room", False)],
            "- lunch !": [("lunch", False)],
            "don't": [("don't", False)],
            "AND OR NOT NEAR(": [("AND", False), ("OR", False), ("NOT", False), ("NEAR(", False)],
            "7 жук 日本 \ue000": [("7", False), ("жук", False), ("日本", False), ("\ue000", False)],
        }.items():
            found = [(term.text, term.is_prefix) for term in parse_search_terms(words)]
            self.assertEqual(found, terms, words)

    def test_nothing_to_look_for(self) -> None:
        for words in ("", "  ", '""', "* ** !", '"…"', "😀"):
            refusal = self.assertRaises(Refusal, parse_search_terms, words)
            self.assertEqual(
                (refusal.code, refusal.text),
                ("bad_request", "words must have a word with a letter or a digit"),
            )

    def test_too_many(self) -> None:
        self.assertEqual(parse_search_terms("a " * MAX_SEARCH_WORDS), (SearchTerm("a"),) * MAX_SEARCH_WORDS)
        decomposed = "e\u0301te\u0301 " * MAX_SEARCH_WORDS  # as macOS has it: one word each
        self.assertEqual(len(parse_search_terms(decomposed)), MAX_SEARCH_WORDS)
        refusal = self.assertRaises(Refusal, parse_search_terms, "a " * (MAX_SEARCH_WORDS + 1))
        self.assertRaises(Refusal, parse_search_terms, f'b "{"a-" * MAX_SEARCH_WORDS}"')
        self.assertEqual(refusal.text, "a search may have at most 32 words")


class Operators(SynchronousTestCase):
    def test_each_becomes_a_field(self) -> None:
        for words, fields in {
            "lunch": {"words": "lunch"},
            "in:wob lunch": {"group": "wob", "words": "lunch"},
            "lunch in:#wob": {"group": "wob", "words": "lunch"},
            "in:lobby with:bob FROM:alice": {
                "group": "lobby",
                "dest": "bob",
                "author": "alice",
                "words": "",
            },
            "a before:17 b after:4 c limit:2 d": {
                "before": "17",
                "after": "4",
                "limit": "2",
                "words": "a b c d",
            },
            "from:a from:b x": {"author": "b", "words": "x"},
            '"in:wob" lunch': {"words": '"in:wob" lunch'},
            'in:wob"x" in:': {"group": "wob", "words": '"x" in:'},
            "login:bob http://x": {"words": "login:bob http://x"},
            'in:wob "a b"': {"group": "wob", "words": '"a b"'},
        }.items():
            self.assertEqual(split_search_operators({"words": words}), fields, words)
        self.assertEqual(split_search_operators({}), {})

    @given(st.lists(st.sampled_from(['"', "in:a", "from:b", "limit:x", "word", " ", "  ", "in:", ":"])))
    def test_whatever_is_typed(self, parts: list[str]) -> None:
        """What is no operator stays, in its order, and no operator stays that is outside quotation marks."""
        fields: dict[str, Any] = split_search_operators({"words": "".join(parts)})
        self.assertLessEqual(fields.keys(), {"words", "group", "author", "limit"})
        outside = str(fields.get("words", "")).split('"')[::2]
        self.assertFalse([word for part in outside for word in part.split() if word in ("in:a", "from:b")])
