"""Cuts texts into words as SQLite's FTS5 does, for a search index that is not SQLite's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from chatd.core.search import SearchTerm
from chatd.store.search_index import FTS5_TOKENIZER_OPTION

_SCHEMA: Final = (
    f"CREATE VIRTUAL TABLE texts USING fts5(body, content='', columnsize=0, {FTS5_TOKENIZER_OPTION});"
    "CREATE VIRTUAL TABLE words USING fts5vocab(texts, instance);"
)


class WordCutter:
    """Splits texts into words as SQLite's FTS5 does, in memory. It may be used by one thread at a time."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._connection.executescript(_SCHEMA)

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the words of each of ``texts`` in their order, without differences of case and
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
        """Free the memory. The object can't be used afterwards."""
        self._connection.close()


class SearchTermWords:
    """A search term that was split into ``words``, which must follow each other in a text.

    If ``is_prefix`` is true, the last word may also be the beginning of a longer word in the text.
    """

    __slots__ = ("is_prefix", "words")

    def __init__(self, term: SearchTerm, words: list[str]) -> None:
        self.words = words
        self.is_prefix = term.is_prefix

    def is_in(self, text: Sequence[str]) -> bool:
        """Return whether the term occurs in ``text``, a text split into words."""
        *before, last = self.words
        count = len(before)
        return any(
            (text[place] == last or (self.is_prefix and text[place].startswith(last)))
            and list(text[place - count : place]) == before
            for place in range(count, len(text))
        )


def cut_terms(cutter: WordCutter, terms: Sequence[SearchTerm]) -> list[SearchTermWords]:
    """Return the search terms ``terms``, each split into words. Terms without a word are left out."""
    cut = cutter.cut([term.text for term in terms])
    return [SearchTermWords(term, words) for term, words in zip(terms, cut, strict=True) if words]
