"""Times in the format of RFC 3339, such as ``2026-11-21T10:00:00.000Z``, and as milliseconds since 1970.

The standard library's conversion is in a module that reads the clock, which the core does not import.
"""

from __future__ import annotations

import re
from typing import Final

_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)

_DAYS_OF_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_DAYS_BEFORE_1970: Final = 719_162


def parse_rfc3339(text: str) -> int:
    """Return the time ``text`` in milliseconds since 1970-01-01 UTC.

    Digits after the milliseconds are ignored. Raises `ValueError` if ``text`` is not a time in this format,
    and for a leap second.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("no RFC 3339 time")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = found.groups()[6:]
    offset = 60 * int(offset_hours or 0) + int(offset_minutes or 0)
    if not (1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        raise ValueError("no such time")
    if offset >= 24 * 60 or int(offset_minutes or 0) >= 60:
        raise ValueError("no such offset")
    minutes = (24 * _days_before(year, month, day) + hour) * 60 + minute
    minutes += offset if sign == "-" else -offset
    return (minutes * 60 + second) * 1000 + int((fraction or "")[:3].ljust(3, "0"))


def _days_before(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a day of the Gregorian calendar. Raises `ValueError`."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS_OF_MONTHS[month - 1] + (month == 2 and is_leap):
        raise ValueError("no such day")
    before = year - 1
    days = 365 * before + before // 4 - before // 100 + before // 400
    return days + sum(_DAYS_OF_MONTHS[: month - 1]) + (month > 2 and is_leap) + day - 1 - _DAYS_BEFORE_1970
