"""Characters that may not reach a terminal, or a log that a terminal shows, from another user."""

from __future__ import annotations

import re
from typing import Final

BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Controls of the direction of writing, which make a line read as another one; for a character class."""

STEERING: Final = f"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{BIDI}"
"""`BIDI` and all control characters but tab and LF, which some callers keep; for a character class."""

LINE_END: Final = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
"""Every sequence that a terminal or a program may take for the end of a line."""

# A tab neither ends a line nor controls a terminal.
_CONTROL: Final = re.compile(f"[{STEERING}\n]")


def clean(line: str) -> str:
    """``line`` with U+FFFD for every control of the terminal or of the direction of writing, but the tab."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)
