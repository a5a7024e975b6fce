"""The log files: what stands in them, and what happens when they can't be written."""

import json
import os
import resource
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from chatd.chronicle import Chronicle, JsonLines, LogFile, line
from chatd.core.events import LOBBY, Arrived, Conversation, Departed, Event, Kind, Logged, User

ALICE = User(1, "alice", "alice", "#111111")
BOB = User(2, "bob", "bob", "#222222")
WOB = Conversation(2, "group", "wob")
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
NOON = 1_795_255_200_000


def said(body: str, where: Conversation = LOBBY, subject: User | None = None) -> Logged:
    """A message of Alice's."""
    return Logged(7, 1, NOON, Event("message", where, ALICE, subject, body))


def done(kind: Kind, subject: User | None = None, body: str = "") -> Logged:
    """What Alice did to the group."""
    return Logged(7, 1, NOON, Event(kind, WOB, ALICE, subject, body))


class LineTests(SynchronousTestCase):
    def test_says_who_said_what_and_where(self) -> None:
        self.assertEqual(line(said("hello all")), "[lobby] alice: hello all")
        self.assertEqual(line(said("hello", WOB)), "[wob] alice: hello")

    def test_says_who_came_and_went(self) -> None:
        self.assertEqual(line(Arrived(ALICE, False, NOON)), "alice arrived")
        self.assertEqual(line(Departed(ALICE, NOON)), "alice left")

    def test_says_what_happened_to_a_group(self) -> None:
        for logged, expected in (
            (done("created", None, "private"), "[wob] alice created private"),
            (done("joined"), "[wob] alice joined"),
            (done("invited", BOB), "[wob] alice invited bob"),
            (done("kicked", BOB, "too loud"), "[wob] alice kicked bob too loud"),
            (done("banned", BOB), "[wob] alice banned bob"),
            (done("topic", None, "tea"), "[wob] alice topic tea"),
        ):
            with self.subTest(expected):
                self.assertEqual(line(logged), expected)

    def test_tells_of_a_private_message_but_not_what_it_says(self) -> None:
        self.assertEqual(line(said("the secret", DIRECT, BOB)), "[private] alice to bob")

    def test_keeps_accents_and_spaces_of_every_kind(self) -> None:
        self.assertEqual(
            line(said("déjà vu\N{NO-BREAK SPACE}! 😀")), "[lobby] alice: déjà vu\N{NO-BREAK SPACE}! 😀"
        )

    def test_shows_what_would_end_the_line_or_steer_a_terminal(self) -> None:
        self.assertEqual(
            line(said("é\n2026 [lobby] bob: forged\x1b[2J\u2028")),
            r"[lobby] alice: é\n2026 [lobby] bob: forged\x1b[2J\u2028",
        )

    def test_shows_what_would_turn_the_writing_round(self) -> None:
        for code in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            self.assertEqual(line(said(f"a{code}b")), "[lobby] alice: a\ufffdb")
            self.assertEqual(line(done("topic", None, f"a{code}b")), "[wob] alice topic a\ufffdb")

    @given(st.text())
    @settings(max_examples=100, deadline=None)
    def test_is_always_one_line(self, body: str) -> None:
        self.assertLessEqual(len(line(said(body)).splitlines()), 1)
        self.assertLessEqual(len(line(done("kicked", BOB, body)).splitlines()), 1)


class FileTestCase(SynchronousTestCase):
    """A log file of its own, and what is logged about it."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def opened(self) -> LogFile:
        """The file, to be closed after the test."""
        file = LogFile(str(self.path))
        self.addCleanup(file.close)
        return file

    def capture(self) -> list[str]:
        """What is logged from now on about files that can't be written."""
        told: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.error:
                told.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return told

    def contents(self) -> str:
        """What the file holds."""
        return self.path.read_text("utf-8")


class ChronicleTests(FileTestCase):
    def test_writes_a_line_with_its_time_for_all_but_what_is_private(self) -> None:
        chronicle = Chronicle(self.opened())
        for told in (
            Arrived(ALICE, False, NOON),
            said("héllo"),
            said("the secret", DIRECT, BOB),
            done("joined"),
            Departed(ALICE, NOON + 1),
        ):
            chronicle(told)
        self.assertEqual(
            self.contents(),
            "2026-11-21T10:00:00.000Z alice arrived\n"
            "2026-11-21T10:00:00.000Z [lobby] alice: héllo\n"
            "2026-11-21T10:00:00.000Z [wob] alice joined\n"
            "2026-11-21T10:00:00.001Z alice left\n",
        )


class LogFileTests(FileTestCase):
    def test_appends_to_what_is_there_already(self) -> None:
        self.path.write_text("before\n")
        self.opened().append("after")
        self.assertEqual(self.contents(), "before\nafter\n")

    def test_every_line_is_there_at_once(self) -> None:
        file = self.opened()
        file.append("one")
        self.assertEqual(self.contents(), "one\n")

    def test_a_file_that_cannot_be_opened_is_an_error_at_once(self) -> None:
        with self.assertRaises(OSError):
            LogFile(str(self.path / "nowhere" / "a.log"))

    def test_loses_lines_on_a_full_disk_which_is_logged_once_and_goes_on_after(self) -> None:
        failures = self.capture()
        file = self.opened()
        with open("/dev/full", "wb", buffering=0) as full:
            disk = os.dup(file.fileno())
            self.addCleanup(os.close, disk)
            file.append("one")
            os.dup2(full.fileno(), file.fileno())
            file.append("two")
            file.append("three")
            os.dup2(disk, file.fileno())
        file.append("four")
        self.assertEqual(self.contents(), "one\nfour\n")
        self.assertEqual(failures, [f"{self.path} can't be written: No space left on device"])

    def test_a_line_that_only_half_fits_leaves_nothing_behind(self) -> None:
        failures = self.capture()
        file = self.opened()
        # Far above what else this process may write meanwhile; it is a hole, and takes no room.
        start = 2**30
        file.truncate(start)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (start + 50, before[1]))
        try:
            file.append("b" * 99)
            file.append("c" * 49)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        file.append("d")
        with self.path.open() as written:
            written.seek(start)
            self.assertEqual(written.read(), "c" * 49 + "\nd\n")
        self.assertEqual(failures, [f"{self.path} can't be written: No space left on device"])

    def test_failing_is_told_again_when_it_happens_again(self) -> None:
        failures = self.capture()
        file = self.opened()
        disk = os.dup(file.fileno())
        self.addCleanup(os.close, disk)
        with open("/dev/full", "wb", buffering=0) as full:
            for _ in range(2):
                os.dup2(full.fileno(), file.fileno())
                file.append("lost")
                os.dup2(disk, file.fileno())
                file.append("kept")
        self.assertEqual(self.contents(), "kept\nkept\n")
        self.assertEqual(len(failures), 2)


class JsonLinesTests(FileTestCase):
    def test_each_event_is_a_line_with_its_fields(self) -> None:
        log = Logger(observer=JsonLines(self.opened()), namespace="chatd.test")
        log.info("{nick} arrived\nfrom {peer}", nick="zoé", peer="here")
        log.failure("a mistake", Failure(ValueError("no\nway")))
        arrived, mistake = map(json.loads, self.contents().splitlines())
        self.assertEqual(
            {key: arrived[key] for key in ("log_namespace", "log_format", "nick", "peer")},
            {
                "log_namespace": "chatd.test",
                "log_format": "{nick} arrived\nfrom {peer}",
                "nick": "zoé",
                "peer": "here",
            },
        )
        self.assertEqual((arrived["log_level"]["name"], mistake["log_level"]["name"]), ("info", "critical"))

    def test_a_full_disk_does_not_make_it_log_its_own_failure_for_ever(self) -> None:
        file = LogFile("/dev/full")
        self.addCleanup(file.close)
        lines = JsonLines(file)
        globalLogPublisher.addObserver(lines)
        self.addCleanup(globalLogPublisher.removeObserver, lines)
        failures = self.capture()
        Logger().info("one")
        Logger().info("two")
        self.assertEqual(failures, ["/dev/full can't be written: No space left on device"])
