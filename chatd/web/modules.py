"""Shortens the web page's JavaScript modules before they are served."""

from __future__ import annotations

import re
from typing import Final

_NOT_CODE: Final = re.compile(
    rb"""^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n  # a comment on lines of its own
    |^[ \t]*//[^\n]*\n
    |^[ \t]+                                # indentation
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


def without_comments(module: bytes) -> bytes:
    """Return the source of a JavaScript ``module`` without full-line comments and without indentation.

    That saves a fifth of the size. The modules must not contain multi-line strings, which would be changed.
    """
    return _NOT_CODE.sub(b"", module)
