"""Characters in a user's text that must not reach another user's terminal, nor a log file."""

from __future__ import annotations

import re
from typing import Final

BIDI_CONTROL_REGEX_RANGES: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""The Unicode controls of writing direction, for use in a regular expression's character class.

They could make a line look like a different line.
"""

CONTROL_CHARACTER_REGEX_RANGES: Final = f"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{BIDI_CONTROL_REGEX_RANGES}"
"""`BIDI_CONTROL_REGEX_RANGES` and all control characters except tab and LF, for a regex character class."""

LINE_END_PATTERN: Final = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
"""A pattern that matches every sequence that a terminal or a program may take for a line end."""

# A tab neither ends a line nor controls a terminal.
_CONTROL: Final = re.compile(f"[{CONTROL_CHARACTER_REGEX_RANGES}\n]")


def replace_controls(line: str) -> str:
    """Return ``line`` with U+FFFD for each character that could control a terminal or end the line.

    These are the control characters except tab, the line separators of Unicode, and
    `BIDI_CONTROL_REGEX_RANGES`.
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)
