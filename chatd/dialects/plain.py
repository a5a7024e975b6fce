"""What people say, made safe for a terminal that prints it."""

from __future__ import annotations

import re
from typing import Final

LINE_END: Final = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
"""Whatever a terminal or a program may take for the end of a line."""

# Whatever would end a line or steer a terminal; a tab does neither.
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def clean(line: str) -> str:
    """``line``, with a replacement character for every control character but the tab."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)
