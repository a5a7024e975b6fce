"""How hard the tests try: all of it where ``CI`` is set, as `.ci/run` does, a sixth of it elsewhere."""

from __future__ import annotations

import os
from typing import Final

IS_FULL: Final = bool(os.environ.get("CI"))


STEP: Final = 1 if IS_FULL else 3
"""Which of the places are tried where a stream can be cut: every one, or every third."""


def effort(full: int) -> int:
    """How many examples or rounds to try of ``full``; not fewer than ten if there are so many."""
    return full if IS_FULL else max(min(full, 10), full // 6)
