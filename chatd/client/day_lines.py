"""The lines between the days of a conversation, and the runs of messages of one speaker."""

from __future__ import annotations

from typing import Final

from chatd.client.memory import ScreenEntry
from chatd.client.render import to_local_time

MAX_SECONDS_BETWEEN_GROUPED_MESSAGES: Final = 300
"""The longest pause between two messages of one run, which shows the nick only once."""


def date_separator_above(entry: ScreenEntry, before: ScreenEntry | None) -> ScreenEntry | None:
    """Return the line with the date that is shown above ``entry``, or None if the date has not changed.

    ``before`` is the entry above, or None if ``entry`` is the first one. The first entry always gets a line.
    Dates are in the user's time zone.
    """
    day = to_local_time(entry.time).date()
    if before is not None and day == to_local_time(before.time).date():
        return None
    return ScreenEntry(entry.time, day.isoformat(), "day")


def is_grouped_with(entry: ScreenEntry, before: ScreenEntry | None) -> bool:
    """Return whether ``entry`` has the same author as ``before``, the entry above, so that the nick can be
    left out.
    """
    return (
        before is not None
        and entry.kind == before.kind == "message"
        and entry.nick == before.nick
        and 0 <= (entry.time - before.time).total_seconds() <= MAX_SECONDS_BETWEEN_GROUPED_MESSAGES
    )
