"""The page's modules as a browser gets them."""

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
    """Return the source of a JavaScript ``module`` without comments on lines of their own, and not indented.

    Readers need both, browsers neither: they are a fifth of what a browser would load. The modules have no
    text over several lines that this could change.
    """
    return _NOT_CODE.sub(b"", module)
