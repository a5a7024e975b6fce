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

from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.log_lines import format_delivery, format_redacted
from chatd.core.events import LOBBY, Arrived, Conversation, Departed, Entry, Event, EventKind, User
from chatd.core.limits import Limits
from chatd.daemon.conversation_log import ConversationLog
from chatd.daemon.logs import JsonLogObserver, LogFile
from tests.support.effort import effort
from tests.support.in_memory_daemon import Stage

ALICE = User(1, "alice", "alice", "#111111")
BOB = User(2, "bob", "bob", "#222222")
WOB = Conversation(2, "group", "wob")
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
NOON = 1_795_255_200_000


def said(body: str, where: Conversation = LOBBY, subject: User | None = None) -> Entry:
    """A message of Alice's."""
    return Entry(7, 1, NOON, Event("message", where, ALICE, subject, body))


def done(kind: EventKind, subject: User | None = None, body: str = "") -> Entry:
    """What Alice did to the group."""
    return Entry(7, 1, NOON, Event(kind, WOB, ALICE, subject, body))


class LineTests(SynchronousTestCase):
    def test_says_who_said_what_and_where(self) -> None:
        self.assertEqual(format_delivery(said("hello all")), "[lobby] alice: hello all")
        self.assertEqual(format_delivery(said("hello", WOB)), "[group wob] alice: hello")
        self.assertEqual(
            format_delivery(said("hello", WOB), private=True), "[private group wob] alice: hello"
        )
        self.assertEqual(
            format_delivery(said("hello", DIRECT, BOB), private=True), "[private] alice to bob: hello"
        )

    def test_a_group_that_is_called_like_another_place_is_not_taken_for_it(self) -> None:
        for name in ("lobby", "private"):
            group = Conversation(4, "group", name)
            self.assertEqual(format_delivery(said("hello", group)), f"[group {name}] alice: hello")

    def test_says_who_came_and_went(self) -> None:
        self.assertEqual(format_delivery(Arrived(ALICE, False, NOON)), "alice arrived")
        self.assertEqual(format_delivery(Departed(ALICE, NOON)), "alice left")

    def test_says_what_happened_to_a_group(self) -> None:
        for logged, expected in (
            (done("created", None, "public"), "[group wob] alice created public"),
            (done("joined"), "[group wob] alice joined"),
            (done("invited", BOB), "[group wob] alice invited bob"),
            (done("kicked", BOB, "too loud"), "[group wob] alice kicked bob too loud"),
            (done("banned", BOB), "[group wob] alice banned bob"),
            (done("topic", None, "tea"), "[group wob] alice topic tea"),
        ):
            with self.subTest(expected):
                self.assertEqual(format_delivery(logged), expected)

    def test_outlines_what_is_private_without_text_and_group(self) -> None:
        for logged, expected in (
            (said("the secret", DIRECT, BOB), "[private] alice to bob"),
            (said("the secret", WOB), "[private] alice to a group"),
            (done("created", None, "private"), "[private] alice created"),
            (done("kicked", BOB, "the secret"), "[private] alice kicked bob"),
            (done("topic", None, "the secret"), "[private] alice topic"),
        ):
            with self.subTest(expected):
                self.assertEqual(format_redacted(logged), expected)

    def test_keeps_accents_and_spaces_of_every_kind(self) -> None:
        self.assertEqual(
            format_delivery(said("déjà vu\N{NO-BREAK SPACE}! 😀")),
            "[lobby] alice: déjà vu\N{NO-BREAK SPACE}! 😀",
        )

    def test_shows_what_would_end_the_line_or_steer_a_terminal(self) -> None:
        self.assertEqual(
            format_delivery(said("é\n2026 [lobby] bob: forged\x1b[2J\u2028")),
            r"[lobby] alice: é\n2026 [lobby] bob: forged\x1b[2J\u2028",
        )
        self.assertEqual(
            format_delivery(said("a\nb", DIRECT, BOB), private=True), r"[private] alice to bob: a\nb"
        )

    def test_shows_what_would_turn_the_writing_round(self) -> None:
        for code in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            self.assertEqual(format_delivery(said(f"a{code}b")), "[lobby] alice: a\ufffdb")
            self.assertEqual(
                format_delivery(done("topic", None, f"a{code}b")), "[group wob] alice topic a\ufffdb"
            )

    @given(st.text())
    @settings(max_examples=effort(100), deadline=None)
    def test_is_always_one_line(self, body: str) -> None:
        self.assertLessEqual(len(format_delivery(said(body)).splitlines()), 1)
        self.assertLessEqual(len(format_delivery(done("kicked", BOB, body)).splitlines()), 1)


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
    def witness(self, conversation_log: ConversationLog) -> str:
        """What it writes about a short session."""
        for told, private in (
            (Arrived(ALICE, False, NOON), False),
            (said("héllo"), False),
            (said("the secret", DIRECT, BOB), True),
            (said("among us", WOB), True),
            (done("joined"), False),
            (Departed(ALICE, NOON + 1), False),
        ):
            conversation_log(told, private)
        return self.contents()

    def test_writes_a_line_with_its_time_for_all_but_what_is_private(self) -> None:
        self.assertEqual(
            self.witness(ConversationLog(self.opened())),
            "2026-11-21T10:00:00.000Z alice arrived\n"
            "2026-11-21T10:00:00.000Z [lobby] alice: héllo\n"
            "2026-11-21T10:00:00.000Z [group wob] alice joined\n"
            "2026-11-21T10:00:00.001Z alice left\n",
        )

    def test_writes_what_is_private_as_well_if_asked_to(self) -> None:
        self.assertEqual(
            self.witness(ConversationLog(self.opened(), private=True)),
            "2026-11-21T10:00:00.000Z alice arrived\n"
            "2026-11-21T10:00:00.000Z [lobby] alice: héllo\n"
            "2026-11-21T10:00:00.000Z [private] alice to bob: the secret\n"
            "2026-11-21T10:00:00.000Z [private group wob] alice: among us\n"
            "2026-11-21T10:00:00.000Z [group wob] alice joined\n"
            "2026-11-21T10:00:00.001Z alice left\n",
        )


class DeliveryLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        # A client that catches up can hold back 5,000 bytes.
        self.stage = Stage(folder / "chat.db", Limits(outbox=10_000), delivery_log=DeliveryLog())
        self.addCleanup(lambda: self.stage.close())
        self.lines: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.debug:
                self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def sent_to(self, nick: str) -> list[str]:
        """The ids of what was sent to ``nick``."""
        return [line.split()[0] for line in self.lines if line.endswith(f" {nick}") and " sent to " in line]

    def test_what_comes_while_a_client_catches_up_is_sent_once(self) -> None:
        alice = self.stage.json("alice")
        self.stage.json("bob").hangs_up()
        alice.asks(action="broadcast", msg="missed")
        for size, count in ((10, 5), (2_000, 9)):  # more than can be held back, the second time
            alice.hears()
            self.lines.clear()
            self.stage.readers.held = True
            bob = self.stage.connect("json").asks(action="client-hello", from_="bob", since=0)
            for _ in range(4):
                alice.asks(action="broadcast", msg="x" * size)
            self.stage.readers.held = False
            while self.stage.readers.waiting:
                self.stage.readers.run_next()
                self.stage.settle()
            heard = [str(said["id"]) for said in bob.objects() if said["action"] == "server-broadcast"]
            self.assertEqual(len(heard), count)
            self.assertEqual(sorted(self.sent_to("bob"), key=int), heard)
            bob.hangs_up()

    def test_what_follows_from_an_entry_was_received_from_nobody(self) -> None:
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.says("cg;wob")
        bob.says("j;wob")
        self.lines.clear()
        alice.says("leave;wob")
        self.assertEqual(
            [line for line in self.lines if " sent to " not in line],
            [
                f"3 received from 127.0.0.1:{alice.wire.getPeer().port} alice: [group wob] alice left",
                "4 follows: [group wob] alice promoted bob owner",
            ],
        )
        self.assertEqual(self.sent_to("bob"), ["3", "4"])


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
        self.path.touch()
        for name in ("a.log", "nowhere/a.log"):
            with self.assertRaises(OSError):
                LogFile(str(self.path / name))

    def test_it_and_its_folders_are_its_owners_alone_whatever_the_umask(self) -> None:
        for umask in (0o000, 0o077):
            folder = self.path / f"{umask:o}"
            before = os.umask(umask)
            try:
                file = LogFile(str(folder / "a.log"))
            finally:
                os.umask(before)
            self.addCleanup(file.close)
            modes = [path.stat().st_mode & 0o777 for path in (self.path, folder, folder / "a.log")]
            self.assertEqual(modes, [0o700, 0o700, 0o600])

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
        log = Logger(observer=JsonLogObserver(self.opened()), namespace="chatd.test")
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
        lines = JsonLogObserver(file)
        globalLogPublisher.addObserver(lines)
        self.addCleanup(globalLogPublisher.removeObserver, lines)
        failures = self.capture()
        Logger().info("one")
        Logger().info("two")
        self.assertEqual(failures, ["/dev/full can't be written: No space left on device"])
