"""Days and runs."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.day_lines import RUN_SECONDS, continues_run, day_line
from chatd.client.memory import EntryKind, ScreenEntry

AT = datetime(2026, 11, 21, 22, 59, tzinfo=UTC)


def said(nick: str, seconds: float = 0, kind: EntryKind = "message") -> ScreenEntry:
    """A message, so many seconds after `AT`."""
    return ScreenEntry(AT + timedelta(seconds=seconds), "x", kind, nick, 1)


class Lines(SynchronousTestCase):
    """Between entries."""

    def test_where_the_local_date_changes(self) -> None:
        for zone, days in (
            ("UTC", ["2026-11-21", None, "2026-11-22"]),
            ("CET-1", ["2026-11-21", "2026-11-22", None]),
        ):
            with patch.dict(os.environ, TZ=zone):
                time.tzset()
                entries = [said("bob"), said("bob", 60), said("bob", 3_700)]
                lines = [
                    day_line(one, before) for one, before in zip(entries, (None, *entries), strict=False)
                ]
                self.assertEqual([one and one.text for one in lines], days)
                self.assertEqual({one.kind for one in lines if one}, {"day"})
        time.tzset()

    def test_a_run_is_of_one_speaker(self) -> None:
        """With no long pause, and nothing in between."""
        first = said("bob")
        self.assertTrue(continues_run(said("bob", RUN_SECONDS), first))
        for other in (
            said("bob", RUN_SECONDS + 1),
            said("bob", -1),
            said("carol"),
            said("bob", kind="action"),
            said("bob", kind="image"),
            said("", kind="announcement"),
        ):
            self.assertFalse(continues_run(other, first))
            self.assertFalse(continues_run(first, msgspec.structs.replace(other, at=AT - timedelta(hours=1))))
        self.assertFalse(continues_run(first, None))
