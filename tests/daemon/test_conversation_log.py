"""The log files: what stands in them, and what happens when they can't be written."""

import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.log_lines import format_delivery_line, format_entry_without_private_parts
from chatd.core.events import (
    LOBBY,
    AccountChangeDelivery,
    ChatEvent,
    Conversation,
    EventKind,
    LogEntry,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.daemon.config import LogConfig
from chatd.daemon.conversation_log import ConversationLog
from chatd.daemon.logs import JsonLogObserver, LogFile
from tests.support.effort import effort
from tests.support.in_memory_daemon import Stage

ALICE = User(1, "alice", "alice", "#111111")
BOB = User(2, "bob", "bob", "#222222")
WOB = Conversation(2, "group", "wob")
DIRECT = Conversation(3, "direct", pair=(ALICE, BOB))
NOON = 1_795_255_200_000


def said(body: str, where: Conversation = LOBBY, subject: User | None = None) -> LogEntry:
    """A message of Alice's."""
    return LogEntry(7, 1, NOON, ChatEvent("message", where, ALICE, subject, body))


def done(kind: EventKind, subject: User | None = None, body: str = "") -> LogEntry:
    """What Alice did to the group."""
    return LogEntry(7, 1, NOON, ChatEvent(kind, WOB, ALICE, subject, body))


class LineTests(SynchronousTestCase):
    def test_says_who_said_what_and_where(self) -> None:
        self.assertEqual(format_delivery_line(said("hello all")), "[lobby] alice: hello all")
        self.assertEqual(format_delivery_line(said("hello", WOB)), "[group wob] alice: hello")
        edited = LogEntry(9, 9, NOON, ChatEvent("edited", WOB, ALICE, None, "7 message hello\nall"))
        self.assertEqual(format_delivery_line(edited), r"[group wob] alice edited 7: hello\nall")
        self.assertEqual(format_entry_without_private_parts(edited), "[private] alice edited")
        self.assertEqual(
            format_delivery_line(said("hello", WOB), private=True), "[private group wob] alice: hello"
        )
        self.assertEqual(
            format_delivery_line(said("hello", DIRECT, BOB), private=True), "[private] alice to bob: hello"
        )

    def test_shows_the_text_of_actions_and_notices(self) -> None:
        for kind in ("action", "notice"):
            entry = LogEntry(7, 1, NOON, ChatEvent(kind, DIRECT, ALICE, BOB, "/me waves"))
            self.assertEqual(format_delivery_line(entry), "[private] alice to bob: /me waves")
            self.assertEqual(format_entry_without_private_parts(entry), "[private] alice to bob")

    def test_a_group_that_is_called_like_another_place_is_not_taken_for_it(self) -> None:
        for name in ("lobby", "private"):
            group = Conversation(4, "group", name)
            self.assertEqual(format_delivery_line(said("hello", group)), f"[group {name}] alice: hello")

    def test_says_who_came_and_went(self) -> None:
        self.assertEqual(format_delivery_line(UserArrived(ALICE, False, NOON)), "alice arrived")
        self.assertEqual(format_delivery_line(UserDeparted(ALICE, NOON)), "alice left")
        self.assertEqual(format_delivery_line(AccountChangeDelivery(ALICE, True, NOON)), "alice registered")
        self.assertEqual(
            format_delivery_line(AccountChangeDelivery(ALICE, False, NOON)), "alice unregistered"
        )

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
                self.assertEqual(format_delivery_line(logged), expected)

    def test_outlines_what_is_private_without_text_and_group(self) -> None:
        for logged, expected in (
            (said("the secret", DIRECT, BOB), "[private] alice to bob"),
            (said("the secret", WOB), "[private] alice to a group"),
            (done("created", None, "private"), "[private] alice created"),
            (done("kicked", BOB, "the secret"), "[private] alice kicked bob"),
            (done("topic", None, "the secret"), "[private] alice topic"),
        ):
            with self.subTest(expected):
                self.assertEqual(format_entry_without_private_parts(logged), expected)

    def test_keeps_accents_and_spaces_of_every_kind(self) -> None:
        self.assertEqual(
            format_delivery_line(said("déjà vu\N{NO-BREAK SPACE}! 😀")),
            "[lobby] alice: déjà vu\N{NO-BREAK SPACE}! 😀",
        )

    def test_shows_what_would_end_the_line_or_steer_a_terminal(self) -> None:
        self.assertEqual(
            format_delivery_line(said("é\n2026 [lobby] bob: forged\x1b[2J\u2028")),
            r"[lobby] alice: é\n2026 [lobby] bob: forged\x1b[2J\u2028",
        )
        self.assertEqual(
            format_delivery_line(said("a\nb", DIRECT, BOB), private=True), r"[private] alice to bob: a\nb"
        )

    def test_shows_what_would_turn_the_writing_round(self) -> None:
        for code in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            self.assertEqual(format_delivery_line(said(f"a{code}b")), "[lobby] alice: a\ufffdb")
            self.assertEqual(
                format_delivery_line(done("topic", None, f"a{code}b")), "[group wob] alice topic a\ufffdb"
            )

    @given(st.text())
    @settings(max_examples=effort(100), deadline=None)
    def test_is_always_one_line(self, body: str) -> None:
        self.assertLessEqual(len(format_delivery_line(said(body)).splitlines()), 1)
        self.assertLessEqual(len(format_delivery_line(done("kicked", BOB, body)).splitlines()), 1)


class FileTestCase(SynchronousTestCase):
    """A log file of its own, and what is logged about it."""

    rotate_bytes = LogConfig().rotate_bytes
    keep = LogConfig().keep

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def opened(self) -> LogFile:
        """The file, to be closed after the test."""
        file = LogFile(str(self.path), self.rotate_bytes, self.keep)
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
            (UserArrived(ALICE, False, NOON), False),
            (said("héllo"), False),
            (said("the secret", DIRECT, BOB), True),
            (said("among us", WOB), True),
            (done("joined"), False),
            (UserDeparted(ALICE, NOON + 1), False),
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
                LogFile(str(self.path / name), 1, 1)

    def test_it_and_its_folders_are_its_owners_alone_whatever_the_umask(self) -> None:
        for umask in (0o000, 0o077):
            folder = self.path / f"{umask:o}"
            before = os.umask(umask)
            try:
                file = LogFile(str(folder / "a.log"), 1, 1)
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
        self.rotate_bytes = 2**40
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


class RotationTests(FileTestCase):
    """Files of 20 bytes, the present one and two more."""

    rotate_bytes = 20
    keep = 2

    def setUp(self) -> None:
        super().setUp()
        self.failures = self.capture()
        self.path = self.path / "a.log"

    def files(self) -> dict[str, str]:
        """What the files in the folder hold, by what comes behind the name of the log."""
        return {
            path.name.removeprefix("a.log"): path.read_text("utf-8")
            for path in sorted(self.path.parent.iterdir())
        }

    def appends(self, file: LogFile, *lines: str) -> None:
        """Append these lines."""
        for line in lines:
            file.append(line)

    def test_a_line_that_just_fits_and_one_that_does_not(self) -> None:
        self.appends(self.opened(), "a" * 9, "b" * 9)
        self.assertEqual(self.files(), {"": f"{'a' * 9}\n{'b' * 9}\n"})
        self.appends(self.opened(), "c")
        self.assertEqual(self.files(), {"": "c\n", ".1": f"{'a' * 9}\n{'b' * 9}\n"})
        self.assertEqual(self.failures, [])

    def test_the_oldest_goes(self) -> None:
        self.appends(self.opened(), *(f"{number:019}" for number in range(5)))
        self.assertEqual(self.files(), {"": f"{4:019}\n", ".1": f"{3:019}\n", ".2": f"{2:019}\n"})

    def test_a_line_longer_than_a_file_is_whole(self) -> None:
        self.appends(self.opened(), "a", "b" * 99, "c")
        self.assertEqual(self.files(), {"": "c\n", ".1": f"{'b' * 99}\n", ".2": "a\n"})

    def test_a_gap_is_closed_and_nothing_behind_it_is_touched(self) -> None:
        self.keep = 5
        file = self.opened()
        for number in ("1", "3", "7"):
            Path(f"{self.path}.{number}").write_text(number)
        self.appends(file, "a" * 19, "b")
        self.assertEqual(self.files(), {"": "b\n", ".1": f"{'a' * 19}\n", ".2": "1", ".3": "3", ".7": "7"})

    def test_all_of_them_are_their_owners_alone(self) -> None:
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.appends(self.opened(), *("a" * 19 for _ in range(3)))
        self.assertEqual({path.stat().st_mode & 0o777 for path in self.path.parent.iterdir()}, {0o600})

    @given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40), max_size=30))
    @settings(max_examples=effort(50), deadline=None)
    def test_no_line_is_lost_or_split(self, lines: list[str]) -> None:
        """Over a restart as well."""
        self.path = Path(self.mktemp()) / "a.log"
        self.keep = 100
        for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
            with LogFile(str(self.path), self.rotate_bytes, self.keep) as file:
                self.appends(file, *half)
        rotated = [Path(f"{self.path}.{number}") for number in range(self.keep, 0, -1)]
        files = [path for path in (*rotated, self.path) if path.exists()]
        self.assertEqual(b"".join(path.read_bytes() for path in files).decode().split("\n"), [*lines, ""])
        self.assertTrue(all(path.read_bytes()[-1:] in (b"\n", b"") for path in files))

    def test_a_folder_that_cannot_be_written_loses_no_line(self) -> None:
        """It is logged, and tried again when the file has grown as much again."""
        file = self.opened()
        new = Path(f"{self.path}.new")
        new.mkdir()
        self.appends(file, "a" * 19, "b" * 9, "c" * 9)
        self.assertEqual(self.contents(), f"{'a' * 19}\n{'b' * 9}\n{'c' * 9}\n")
        self.assertEqual(self.failures, [f"{self.path} can't be rotated: File exists"])
        self.appends(file, "d" * 19)
        new.rmdir()
        self.appends(file, "e" * 19)
        self.assertEqual(self.files()[""], f"{'e' * 19}\n")
        self.assertTrue(self.files()[".1"].endswith(f"c\n{'d' * 19}\n"))
        self.assertEqual(len(self.failures), 1)

    def test_nobody_else_can_choose_where_the_next_file_is(self) -> None:
        victim = self.path.with_name("victim")
        file = self.opened()
        victim.write_text("precious")
        Path(f"{self.path}.new").symlink_to(victim.absolute())
        self.appends(file, "a" * 19, "b")
        self.assertEqual(self.files(), {"": "b\n", ".1": f"{'a' * 19}\n", "victim": "precious"})

    def test_a_device_a_link_and_a_file_that_was_moved_away_are_not_rotated(self) -> None:
        """Lines go where they went before."""
        target = self.path.with_name("target")
        target.parent.mkdir(parents=True)
        self.path.symlink_to(target.absolute())
        self.appends(self.opened(), "a" * 19, "b")
        self.assertEqual(target.read_text(), f"{'a' * 19}\nb\n")
        self.assertRegex(self.failures.pop(), r"can't be rotated: the path is a symbolic link")
        self.path.unlink()
        file = self.opened()
        self.path.rename(moved := self.path.with_name("moved"))
        self.appends(file, "a" * 19, "b")
        self.assertEqual(moved.read_text(), f"{'a' * 19}\nb\n")
        self.assertRegex(self.failures.pop(), r"can't be rotated: No such file")
        with LogFile("/dev/null", 1, 1) as device:
            self.appends(device, "a", "b")
        self.assertEqual(self.failures, [])

    def test_a_file_that_another_program_has_truncated_begins_anew(self) -> None:
        file = self.opened()
        self.appends(file, "a" * 19)
        os.truncate(self.path, 0)
        self.appends(file, "b" * 18)
        self.assertEqual(self.files(), {"": f"{'b' * 18}\n"})

    def test_several_threads_lose_nothing(self) -> None:
        self.keep = 1000
        file = self.opened()
        with ThreadPoolExecutor(4) as threads:
            for number in range(200):
                threads.submit(file.append, f"{number:08}")
        said = [line for text in self.files().values() for line in text.splitlines()]
        self.assertEqual(sorted(said), [f"{number:08}" for number in range(200)])
        self.assertEqual({len(text) for text in self.files().values()}, {18})

    def test_a_failure_in_the_log_that_gets_its_own_failures(self) -> None:
        """It is logged once, even if that line does not fit either."""
        file = self.opened()
        lines = JsonLogObserver(file)
        globalLogPublisher.addObserver(lines)
        self.addCleanup(globalLogPublisher.removeObserver, lines)
        Path(f"{self.path}.new").mkdir()
        Logger().info("one")
        Logger().info("two")
        self.assertEqual(self.failures, [f"{self.path} can't be rotated: File exists"])
        said = [json.loads(line)["log_format"] for line in self.contents().splitlines()]
        self.assertEqual(said, ["one", "two", "{path} can't be {done}: {why}"])


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
        file = LogFile("/dev/full", 1, 1)
        self.addCleanup(file.close)
        lines = JsonLogObserver(file)
        globalLogPublisher.addObserver(lines)
        self.addCleanup(globalLogPublisher.removeObserver, lines)
        failures = self.capture()
        Logger().info("one")
        Logger().info("two")
        self.assertEqual(failures, ["/dev/full can't be written: No space left on device"])
