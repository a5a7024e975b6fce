"""Days and runs."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.day_lines import MAX_SECONDS_BETWEEN_GROUPED_MESSAGES, date_separator_above, is_grouped_with
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
                    date_separator_above(one, before)
                    for one, before in zip(entries, (None, *entries), strict=False)
                ]
                self.assertEqual([one and one.text for one in lines], days)
                self.assertEqual({one.kind for one in lines if one}, {"day"})
        time.tzset()

    def test_a_run_is_of_one_speaker(self) -> None:
        """With no long pause, and nothing in between."""
        first = said("bob")
        self.assertTrue(is_grouped_with(said("bob", MAX_SECONDS_BETWEEN_GROUPED_MESSAGES), first))
        for other in (
            said("bob", MAX_SECONDS_BETWEEN_GROUPED_MESSAGES + 1),
            said("bob", -1),
            said("carol"),
            said("bob", kind="action"),
            said("bob", kind="image"),
            said("", kind="announcement"),
        ):
            self.assertFalse(is_grouped_with(other, first))
            self.assertFalse(
                is_grouped_with(first, msgspec.structs.replace(other, time=AT - timedelta(hours=1)))
            )
        self.assertFalse(is_grouped_with(first, None))
