"""Times as text."""

from __future__ import annotations

import os
import time
from datetime import datetime
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.dialects.timestamps import format_rfc3339, local_hour_and_minute_of
from tests.support.effort import effort


class Stamps(SynchronousTestCase):
    """RFC 3339 in UTC, with milliseconds."""

    def test_on_the_clock_of_the_machine(self) -> None:
        """Hour and minute, summer time included."""
        self.addCleanup(time.tzset)
        zone = patch.dict(os.environ, TZ="CET-1CEST,M3.5.0,M10.5.0/3")
        zone.start()
        self.addCleanup(zone.stop)
        time.tzset()
        self.assertEqual(local_hour_and_minute_of(1_795_262_399_999), (12, 59))
        self.assertEqual(local_hour_and_minute_of(1_795_262_400_000), (13, 0))
        self.assertEqual(local_hour_and_minute_of(1_782_302_400_000), (14, 0))

    def test_always_three_digits_and_z(self) -> None:
        """Whatever the milliseconds are, none included."""
        for at, stamp in (
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (1_795_262_400_000, "2026-11-21T12:00:00.000Z"),
            (1_795_262_400_120, "2026-11-21T12:00:00.120Z"),
            (1_795_262_400_999, "2026-11-21T12:00:00.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ):
            self.assertEqual(format_rfc3339(at), stamp)

    @settings(max_examples=effort(100), deadline=None)
    @given(st.integers(0, 253_402_300_799_999))
    def test_reads_back_to_the_millisecond(self, at: int) -> None:
        """No rounding on the way."""
        back = datetime.fromisoformat(format_rfc3339(at))
        self.assertEqual(round(back.timestamp() * 1000), at)
