"""The formats of times that the dialects send."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def format_rfc3339(at: int) -> str:
    """Return the time ``at``, in milliseconds since 1970, in RFC 3339 format, such as
    ``2026-11-21T10:00:00.000Z``.

    The result is in UTC with milliseconds.
    """
    second, millisecond = divmod(at, 1000)
    return f"{_second(second)}.{millisecond:03}Z"


def local_hour_and_minute_of(at: int) -> tuple[int, int]:
    """Return the hour and the minute of the time ``at``, in milliseconds since 1970, in the machine's time
    zone.
    """
    local = datetime.fromtimestamp(at // 1000, UTC).astimezone()
    return local.hour, local.minute


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    # Cached, because many entries fall into the same second. `isoformat` is quicker than `strftime`.
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]
