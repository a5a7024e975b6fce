"""What the log says of a database that fills up: each thing once."""

from __future__ import annotations

from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chatd.chat.storage_watch import StorageWatch
from chatd.core.limits import Limits


class Watching(SynchronousTestCase):
    """A database that may have 1,000 bytes."""

    def setUp(self) -> None:
        self.limits = Limits(database_size=1_000)
        self.watch = StorageWatch(self.limits)
        self.logged: list[tuple[Any, str]] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            self.logged.append((event["log_level"], formatEvent(event)))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)

    def sees(self, *sizes: int) -> list[str]:
        """What the log says of a database that has these sizes one after the other."""
        for size in sizes:
            self.watch.log_size_change(size)
        said, self.logged[:] = self.logged[:], []
        self.assertLessEqual({level for level, _ in said}, {LogLevel.warn, LogLevel.info})
        return [text for _, text in said]

    def test_a_limit_that_changes_meanwhile(self) -> None:
        """As it does when the configuration is read again."""
        self.sees(1_001)
        self.limits.database_size = 2_000
        self.assertEqual(self.sees(1_001), ["the database is no longer full: it has 1001 bytes"])

    def test_at_most_of_it_nothing_and_one_byte_over_it_a_warning(self) -> None:
        self.assertEqual(self.sees(0, 500, 800), [])
        warning = ["the database has 801 bytes, more than 80 % of database_size (1000)"]
        self.assertEqual(self.sees(801, 802, 1_000), warning)

    def test_one_byte_over_the_limit_it_is_full(self) -> None:
        full = "the database is full: it has 1001 bytes, database_size is 1000; messages are refused"
        self.assertEqual(self.sees(1_001, 1_002), [full])

    def test_it_says_when_there_is_room_again_and_warns_anew(self) -> None:
        self.sees(1_001)
        self.assertEqual(
            self.sees(900, 700), ["the database is no longer full: it has 900 bytes"], "still most of it"
        )
        self.assertEqual(len(self.sees(900)), 1)
