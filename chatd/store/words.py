"""Cuts texts into words as SQLite's FTS5 does, for a search index that is not SQLite's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from chatd.core.search import SearchTerm
from chatd.store.search_index import TOKENIZER

_SCHEMA: Final = (
    f"CREATE VIRTUAL TABLE texts USING fts5(body, content='', columnsize=0, {TOKENIZER});"
    "CREATE VIRTUAL TABLE words USING fts5vocab(texts, instance);"
)


class WordCutter:
    """Cuts texts into words, in memory. It has no thread of its own, and may be used by one at a time."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._connection.executescript(_SCHEMA)

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the words of each of ``texts``, in the order in which they are there, without case and
        diacritics.
        """
        execute = self._connection.execute
        words: list[list[str]] = [[] for _ in texts]
        try:
            self._connection.executemany("INSERT INTO texts (rowid, body) VALUES (?, ?)", enumerate(texts))
            for place, word in execute("SELECT doc, term FROM words ORDER BY doc, offset"):
                words[place].append(word)
        finally:
            execute("INSERT INTO texts (texts) VALUES ('delete-all')")
        return words

    def close(self) -> None:
        """Free the memory."""
        self._connection.close()


class CutTerm:
    """A term of a search, cut into ``words``: they must follow each other in a text. If ``is_prefix``, a word
    that begins with the last of them suffices in its place.
    """

    __slots__ = ("is_prefix", "words")

    def __init__(self, term: SearchTerm, words: list[str]) -> None:
        self.words = words
        self.is_prefix = term.is_prefix

    def is_in(self, text: Sequence[str]) -> bool:
        """Return whether the words ``text`` contain the term."""
        *before, last = self.words
        count = len(before)
        return any(
            (text[place] == last or (self.is_prefix and text[place].startswith(last)))
            and list(text[place - count : place]) == before
            for place in range(count, len(text))
        )


def cut_terms(cutter: WordCutter, terms: Sequence[SearchTerm]) -> list[CutTerm]:
    """Return ``terms`` cut into words. Those without a word are left out."""
    cut = cutter.cut([term.text for term in terms])
    return [CutTerm(term, words) for term, words in zip(terms, cut, strict=True) if words]
