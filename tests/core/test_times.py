"""Times in the format of RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.times import parse_rfc3339
from chatd.dialects.timestamps import format_rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class Times(SynchronousTestCase):
    def test_known_ones(self) -> None:
        for text, at in (
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.001Z", 1),
            ("1970-01-01T00:00:01.5Z", 1500),
            ("1970-01-01T00:00:01.123999999Z", 1123),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T19:30:00-04:30", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-11-21T10:00:00.250Z", 1_795_255_200_250),
            ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ):
            self.assertEqual(parse_rfc3339(text), at, text)

    def test_no_times(self) -> None:
        for text in (
            "", "1970-01-01", "1970-01-01T00:00Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
            "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z", "1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
            "2026-11-31T00:00:00Z", "1970-01-01T00:00:00", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z", "1970-01-01t00:00:00z", "1970-01-01 00:00:00Z", "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.0000000001Z", "1970-01-01T00:00:00Z\n", " 1970-01-01T00:00:00Z",
            "\uff11970-01-01T00:00:00Z", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+01:60",
            "1970-01-01T00:00:00+0100", "-970-01-01T00:00:00Z",
        ):  # fmt: skip
            self.assertRaises(ValueError, parse_rfc3339, text)

    @given(st.datetimes(timezones=OFFSETS))
    def test_as_the_standard_library_has_it(self, when: datetime) -> None:
        expected = (when - EPOCH) // timedelta(milliseconds=1)
        self.assertEqual(parse_rfc3339(when.isoformat()), expected)

    @given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
    def test_what_the_daemon_writes(self, at: int) -> None:
        self.assertEqual(parse_rfc3339(format_rfc3339(at)), at)
