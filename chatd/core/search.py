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

from chatd.core.refusals import Refusal, TranslatableText, translatable_reason

MAX_SEARCH_WORDS: Final = 32
"""The maximum number of words of one search, those in phrases among them.

Each word of a phrase is looked for at each place of a text where the words before it are.
"""

_TERM: Final = re.compile(r'"([^"]*)"?|(\S+)')

# A word with an operator in front, such as ``from:bob``, at the beginning of the text or after a blank.
_OPERATOR: Final = re.compile(
    r'(?:^|(?<=\s))(in|with|from|before|after|limit):([^\s"]+)(?:\s+|$)', re.IGNORECASE
)

_ACCENTS: Final = re.compile("[\u0300-\u036f]")

_FIELDS_BY_OPERATOR: Final = {"in": "group", "with": "dest", "from": "author"}


class SearchTerm(msgspec.Struct, frozen=True):
    """A word or a phrase that a message must contain.

    If ``is_prefix`` is true, a message with a word that begins with the term is found, too.
    """

    text: str
    is_prefix: bool = False


def parse_search_terms(words: str) -> tuple[SearchTerm, ...]:
    """Return the search terms in ``words``. Words without a letter or a digit are left out.

    Raises `Refusal` ``bad_request`` if there is no term, or more than `MAX_SEARCH_WORDS` words in all.
    """
    terms = []
    word_count = 0
    for found in _TERM.finditer(words):
        phrase, word = found.groups()
        text = word if phrase is None else phrase
        count = _count_words(text)
        word_count += count
        if count:
            terms.append(SearchTerm(text.rstrip("*"), phrase is None and text.endswith("*")))
    if not terms:
        raise Refusal("bad_request", why=translatable_reason("no_words", name=TranslatableText("words")))
    if word_count > MAX_SEARCH_WORDS:
        raise Refusal("bad_request", why=translatable_reason("many_words", limit=MAX_SEARCH_WORDS))
    return tuple(terms)


def split_search_operators(values: Mapping[str, object]) -> dict[str, object]:
    """Return the field values of a typed search, with operators such as ``from:bob`` turned into fields.

    ``from:bob in:wob lunch`` looks for ``lunch`` in messages of bob in the group wob. ``with:bob`` is for the
    direct conversation with bob; ``before:17``, ``after:17`` and ``limit:5`` set the fields of the same
    names. Words in quotation marks are not operators. If an operator is repeated, the last one counts.
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


def _count_words(text: str) -> int:
    """Return the number of words in ``text``. All but letters, digits and combining accents separates words,
    as in the store.
    """
    categories = map(unicodedata.category, _ACCENTS.sub("", text))
    return len("".join("x" if one[0] in "LN" or one == "Co" else " " for one in categories).split())
