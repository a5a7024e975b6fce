"""How much a browser loads for the page."""

from __future__ import annotations

from typing import Final

from chatd.web.pages import read_static_files

MOST_BYTES: Final = 150 * 1024
"""The size of all that a browser ever loads for the page in one language, before any compression."""

ONLY_FOR: Final = {"en": {"/commands-en.json"}, "fr": {"/commands-fr.json", "/french.js", "/french.json"}}
"""The files that a browser loads for one language only."""


def page_bytes(language: str) -> int:
    """Return the size of all that a browser ever loads for the page in this language of `ONLY_FOR`."""
    others = {path for other, paths in ONLY_FOR.items() if other != language for path in paths}
    return sum(len(file.content) for path, file in read_static_files().items() if path not in {"/", *others})
