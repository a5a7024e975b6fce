"""What people say, made safe for a terminal that prints it."""

from __future__ import annotations

import re
from typing import Final

from chatd.core.terminal import STEERING

LINE_END: Final = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
"""Whatever a terminal or a program may take for the end of a line."""

# A tab neither ends a line nor steers a terminal.
_CONTROL: Final = re.compile(f"[{STEERING}\n]")


def clean(line: str) -> str:
    """``line``, with a replacement character for every control character, of the terminal or of the direction
    of writing, but the tab.
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)
