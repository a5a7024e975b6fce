"""Times as every dialect writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def rfc3339(at: int) -> str:
    """``at``, in ms since 1970, as RFC 3339 in UTC with milliseconds: ``2026-11-21T10:00:00.000Z``."""
    second, millisecond = divmod(at, 1000)
    return f"{_second(second)}.{millisecond:03}Z"


def hour_and_minute(at: int) -> tuple[int, int]:
    """``at``, in ms since 1970, on a clock in the time zone of the machine."""
    local = datetime.fromtimestamp(at // 1000, UTC).astimezone()
    return local.hour, local.minute


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    # Whatever is said in the same second shares it. `isoformat` is quicker than `strftime`.
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]
