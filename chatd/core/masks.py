"""Masks of nicks, with ``*`` for any characters and ``?`` for one."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

WILDCARDS: Final = frozenset("*?")
"""The characters that make a mask of a nick. No nick contains them."""


def compile_mask(mask: str) -> re.Pattern[str]:
    """Return a pattern whose ``fullmatch`` tells whether a normalized nick matches ``mask``.

    In a mask, ``*`` stands for any characters and ``?`` for one character. Case and character width make no
    difference. No mask makes a match slow: the time is at most proportional to the length of the nick times
    the number of parts of the mask.
    """
    folded = normalize("NFC", normalize("NFKC", mask).casefold())
    first, *others = re.sub(r"\*+", "*", folded).split("*")
    if not others:
        return re.compile(_literal(first), re.DOTALL)
    *middle, last = others
    # An atomic group takes the first place where its part fits, and never tries another one.
    parts = "".join(f"(?>.*?{_literal(part)})" for part in middle)
    return re.compile(f"{_literal(first)}{parts}.*{_literal(last)}", re.DOTALL)


def _literal(part: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in part)
