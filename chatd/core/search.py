"""Search: what a search looks for, and the operators in a typed search.

A search has terms: words, prefixes such as ``foo*``, and phrases in quotation marks. A message is found if
its text contains all of them. The store compares words without regard to case and diacritics.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

import msgspec

from chatd.core.refusals import Phrase, Refusal, reason_phrase

MAX_SEARCH_TERMS: Final = 10
"""The maximum number of terms of one search."""

_TERM: Final = re.compile(r'"([^"]*)"?|(\S+)')

# A word with an operator in front, such as ``from:bob``, at the beginning of the text or after a blank.
_OPERATOR: Final = re.compile(
    r'(?:^|(?<=\s))(in|with|from|before|after|limit):([^\s"]+)(?:\s+|$)', re.IGNORECASE
)

_FIELDS_BY_OPERATOR: Final = {"in": "group", "with": "dest", "from": "author"}


class SearchTerm(msgspec.Struct, frozen=True):
    """A word or a phrase that a text must contain. If ``is_prefix``, a word that begins with it suffices."""

    text: str
    is_prefix: bool = False


def parse_search_terms(words: str) -> tuple[SearchTerm, ...]:
    """Return the terms in ``words``. Words without a letter or a digit are left out.

    Raises `Refusal` ``bad_request`` if there is no term, or more than `MAX_SEARCH_TERMS`.
    """
    terms = []
    for found in _TERM.finditer(words):
        phrase, word = found.groups()
        text = word if phrase is None else phrase
        if _is_searchable(text):
            terms.append(SearchTerm(text.rstrip("*"), phrase is None and text.endswith("*")))
    if not terms:
        raise Refusal("bad_request", why=reason_phrase("no_words", name=Phrase("words")))
    if len(terms) > MAX_SEARCH_TERMS:
        raise Refusal("bad_request", why=reason_phrase("many_words", limit=MAX_SEARCH_TERMS))
    return tuple(terms)


def split_search_operators(values: Mapping[str, object]) -> dict[str, object]:
    """Return the field values of a typed search: the operators in its words become fields of their own.

    ``from:bob in:wob lunch`` looks for ``lunch`` in messages of bob in the group wob. ``with:bob`` is for the
    direct conversation with bob; ``before:17``, ``after:17`` and ``limit:5`` are as the fields. What is in
    quotation marks is no operator. Of two equal operators the last one counts.
    """
    fields: dict[str, object] = {}
    rest: list[str] = []
    for place, part in enumerate(str(values.get("words", "")).split('"')):
        if place % 2:
            rest.append(f'"{part}"')
            continue
        for operator, value in _OPERATOR.findall(part):
            name = operator.lower()
            fields[_FIELDS_BY_OPERATOR.get(name, name)] = value.lstrip("#") if name == "in" else value
        rest.append(_OPERATOR.sub("", part))
    words = "".join(rest).strip()
    return {**fields, "words": words} if words or fields else {}


def _is_searchable(text: str) -> bool:
    """Return whether ``text`` has a letter or a digit: the store takes all else for blanks between words."""
    return any(unicodedata.category(char)[0] in "LN" or unicodedata.category(char) == "Co" for char in text)
