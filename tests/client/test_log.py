"""The log that the client keeps."""

from __future__ import annotations

import os
import re
import resource
import shutil
import stat
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.log import ChatLog, open_log
from chatd.client.options import UsageError
from chatd.json_wire import objects

TS = objects.Timestamp("2026-11-21T10:00:00.000Z")
WHEN = re.compile(r"(?m)^2026-11-2\d \d\d:\d\d:\d\d[+-]\d{4} ")


class Keeping(SynchronousTestCase):
    """What is in the file, and who may read it."""

    def setUp(self) -> None:
        """Have a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.path = self.folder / "chatd" / "client.log"

    def test_everything_heard_is_a_line(self) -> None:
        """What has several is indented, so that nobody can forge one."""
        log = ChatLog(self.path)
        for news in (
            objects.ServerEvent(event="arrived", actor="bob", ts=TS),
            objects.Message(id=1, ts=TS, nick="bob", msg="one\ntwo\x1b[2J\r\nthree"),
            objects.Message(id=2, ts=TS, nick="alice", msg="psst", to="bob"),
            objects.Message(id=3, ts=TS, nick="bob", msg="##\n##", group="wob", kind="image"),
            objects.Message(id=4, ts=TS, nick="alice", msg="/me waves\ntwice", kind="action"),
            objects.Message(id=5, ts=TS, nick="bob", msg="done", kind="notice"),
        ):
            self.assertIsNone(log.write_received(news, "alice"))
        item = objects.HistoryMessage(id=4, seq=1, ts=TS, nick="bob", msg="missed", kind="message")
        self.assertIsNone(log.write_missed_messages(objects.Page(messages=[item], friend="bob"), "alice"))
        self.assertIsNone(log.write_missed_messages(objects.Page(messages=[item]), "alice"))
        log.close()
        written = self.path.read_text("utf-8")
        self.assertEqual(len(WHEN.findall(written)), 7)
        self.assertEqual(
            WHEN.sub("", written),
            "* bob joined the chat\n"
            "lobby bob said: one\n    two\N{REPLACEMENT CHARACTER}[2J\n    three\n"
            "@bob You said: psst\n"
            "wob bob said:\n    ##\n    ##\n"
            "lobby * alice waves\n    twice\n"
            "lobby -bob- done\n"
            "@bob bob said: missed\n",
        )

    def test_it_is_private_and_goes_on(self) -> None:
        for _ in range(2):
            log = ChatLog(self.path)
            log.write_received(objects.ServerEvent(event="arrived", actor="bob", ts=TS), "alice")
            log.close()
        self.assertEqual(len(self.path.read_text("utf-8").splitlines()), 2)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)

    def test_where_it_is(self) -> None:
        with patch.dict(os.environ, XDG_STATE_HOME=str(self.folder)):
            open_log("").close()
            open_log(str(self.folder / "room" / "mine.log")).close()
        self.assertTrue(self.path.exists())
        self.assertTrue((self.folder / "room" / "mine.log").exists())

    def test_where_it_can_not_be(self) -> None:
        self.folder.mkdir()
        with self.assertRaisesRegex(UsageError, "can't write the log .*: Is a directory"):
            ChatLog(self.folder)

    def test_it_is_moved_away(self) -> None:
        """Or removed: what is heard from then on is in a new one, as private."""
        log = ChatLog(self.path)
        log.write_received(objects.ServerEvent(event="arrived", actor="bob", ts=TS), "alice")
        self.path.rename(self.path.with_suffix(".1"))
        self.assertIsNone(log.write_received(objects.ServerEvent(event="left", actor="bob", ts=TS), "alice"))
        self.assertEqual(WHEN.sub("", self.path.with_suffix(".1").read_text()), "* bob joined the chat\n")
        self.assertEqual(WHEN.sub("", self.path.read_text()), "* bob left the chat\n")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        shutil.rmtree(self.folder)
        self.assertIsNone(
            log.write_received(objects.ServerEvent(event="arrived", actor="bob", ts=TS), "alice")
        )
        self.assertEqual(WHEN.sub("", self.path.read_text()), "* bob joined the chat\n")
        log.close()

    def test_a_disk_that_is_full_in_the_middle_of_a_line(self) -> None:
        """Is said once; what is written when there is room again is a line of its own."""
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, most)
        log = ChatLog(self.path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, most[1]))
        said = [
            log.write_received(objects.ServerEvent(event="arrived", actor="bob", ts=TS), "alice")
            for _ in range(2)
        ]
        self.assertEqual(said, [f"can't write the log {self.path} any more: File too large", None])
        log.close()
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
        log = ChatLog(self.path)
        log.write_received(objects.ServerEvent(event="left", actor="bob", ts=TS), "alice")
        log.close()
        self.assertEqual(WHEN.sub("", self.path.read_text()), "* bob joined th\n* bob left the chat\n")

    def test_a_full_disk_is_said_once(self) -> None:
        """And ends the log, not the chat."""
        log = ChatLog(Path("/dev/full"))
        said = [
            log.write_received(objects.ServerEvent(event="arrived", actor="bob", ts=TS), "alice")
            for _ in range(2)
        ]
        self.assertEqual(said, ["can't write the log /dev/full any more: No space left on device", None])
        log.close()
