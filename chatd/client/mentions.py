"""Finds where the text of a message mentions a nick."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(16)
def mention_pattern(nick: str) -> re.Pattern[str]:
    """Return a pattern that matches ``nick`` as a separate word, in upper or lower case, with or without
    ``@``.

    For ``bob``, the pattern matches ``bob``, ``@bob`` and ``Bob:``, but not ``bobby``. The web page uses the
    same rule.
    """
    return re.compile(rf"(?<!\w)@?{re.escape(nick)}(?!\w)", re.IGNORECASE)


def text_mentions_nick(text: str, nick: str) -> bool:
    """Return whether ``text`` mentions the user ``nick``. An empty nick is never mentioned."""
    return bool(nick) and mention_pattern(nick).search(text) is not None
