"""How much a browser loads for the page."""

from __future__ import annotations

import re
from typing import Final

from chatd.web.pages import read_static_files

MOST_BYTES_AT_FIRST: Final = 150 * 1024
"""The size of all that a browser loads in one language before the user can write, before any compression."""

MOST_BYTES: Final = 200 * 1024
"""The size of all that a browser ever loads for the page in one language, before any compression."""

ONLY_FOR: Final = {"en": {"/commands-en.json"}, "fr": {"/commands-fr.json", "/french.js", "/french.json"}}
"""The files that a browser loads for one language only."""

NOT_MODULES: Final = {"/index.html", "/app.css", "/icon.svg", "/manifest.webmanifest"}

_IMPORTED: Final = re.compile(r'from"\./([\w.]+)"')
"""The name of a module that is imported when the page starts, in a shortened source."""


def first_files(language: str) -> set[str]:
    """Return the paths of the files that a browser loads before the user can write."""
    found = {"/app.js"}
    new = found
    while new:
        sources = (read_static_files()[path].content.decode() for path in new)
        new = {f"/{name}" for source in sources for name in _IMPORTED.findall(source)} - found
        found = found | new
    return found | NOT_MODULES | (ONLY_FOR[language] - {"/french.json"})


def all_files(language: str) -> set[str]:
    """Return the paths of all files that a browser ever loads for the page in this language of `ONLY_FOR`."""
    others = {path for other, paths in ONLY_FOR.items() if other != language for path in paths}
    return read_static_files().keys() - others - {"/"}


def bytes_of(paths: set[str]) -> int:
    """Return the size of these files of the page."""
    return sum(len(read_static_files()[path].content) for path in paths)
