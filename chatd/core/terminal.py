"""Which characters may not reach a terminal, or a log that a terminal shows, from somebody else."""

from __future__ import annotations

from typing import Final

BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What turns the direction of writing, so that a line reads as another one; for a set of a pattern."""

STEERING: Final = f"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{BIDI}"
"""The same and what steers a terminal or ends a line, but for tab and LF, which some may keep."""
