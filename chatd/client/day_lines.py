"""The lines between the days of a conversation, and the runs of messages of one speaker."""

from __future__ import annotations

from typing import Final

from chatd.client.memory import ScreenEntry
from chatd.client.render import to_local_time

RUN_SECONDS: Final = 300
"""The longest pause between two messages of one run, which shows the nick only once."""


def day_line(entry: ScreenEntry, before: ScreenEntry | None) -> ScreenEntry | None:
    """Return the line in front of ``entry`` if its local date differs from that of ``before``, else None.

    ``before`` is the entry above it, or None for the first one, which always has a line.
    """
    day = to_local_time(entry.at).date()
    if before is not None and day == to_local_time(before.at).date():
        return None
    return ScreenEntry(entry.at, day.isoformat(), "day")


def continues_run(entry: ScreenEntry, before: ScreenEntry | None) -> bool:
    """Return whether ``entry`` is a further message of the speaker of ``before``, the entry above it."""
    return (
        before is not None
        and entry.kind == before.kind == "message"
        and entry.nick == before.nick
        and 0 <= (entry.at - before.at).total_seconds() <= RUN_SECONDS
    )
