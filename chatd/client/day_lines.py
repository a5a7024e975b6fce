"""The lines between the days of a conversation, and the runs of messages of one speaker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from chatd.client.memory import ScreenEntry
from chatd.client.render import to_local_time

RUN_SECONDS: Final = 300
"""The longest pause between two messages of one run, which shows the nick only once."""

_QUARTER_SECONDS: Final = 900
"""Days begin at whole quarters of an hour of UTC in all time zones."""


class DayLines:
    """Inserts an entry of the kind ``day`` where the local date changes, and before the first entry.

    It returns the same entry for the same day each time, so that what was drawn of it is found again.
    """

    def __init__(self) -> None:
        self._lines: dict[str, ScreenEntry] = {}

    def insert(self, entries: Iterable[ScreenEntry]) -> Iterator[ScreenEntry]:
        """Yield ``entries`` with the lines of the days between them."""
        quarter, shown = -1, ""
        for entry in entries:
            now = int(entry.at.timestamp() // _QUARTER_SECONDS)
            if now != quarter:
                quarter = now
                day = f"{to_local_time(entry.at):%Y-%m-%d}"
                if day != shown:
                    shown = day
                    yield self._lines.setdefault(day, ScreenEntry(entry.at, day, "day"))
            yield entry


def continues_run(entry: ScreenEntry, before: ScreenEntry | None) -> bool:
    """Return whether ``entry`` is a further message of the speaker of ``before``, the entry above it."""
    return (
        before is not None
        and entry.kind == before.kind == "message"
        and entry.nick == before.nick
        and 0 <= (entry.at - before.at).total_seconds() <= RUN_SECONDS
    )
