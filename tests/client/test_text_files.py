"""Text files that become messages, and files that don't."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.text_files import TextFileError, read_text_file
from chatd.client.typed_lines import LARGEST_DAEMON_LIMITS
from chatd.core.refusals import Refusal
from tests.support.languages import speak


class Reading(SynchronousTestCase):
    """What is read."""

    def setUp(self) -> None:
        """Have a folder, and English."""
        speak(self, "en")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def file(self, content: bytes) -> str:
        """One with this content."""
        path = self.folder / "file"
        path.write_bytes(content)
        return str(path)

    def refused(self, path: str) -> str:
        """Why there is no message."""
        with self.assertRaises((TextFileError, Refusal)) as caught:
            read_text_file(path)
        error = caught.exception
        return error.text if isinstance(error, Refusal) else str(error).removeprefix(f"can't send {path}: ")

    def test_text(self) -> None:
        limit = LARGEST_DAEMON_LIMITS.message
        for content, wanted in {
            b"one\ntwo\n": "one\ntwo",
            b"\xef\xbb\xbfone\r\n  two\r\n\r\n": "one\n  two",
            "é".encode(): "é",
            b"x" * limit + b"\n": "x" * limit,
        }.items():
            self.assertEqual(read_text_file(self.file(content)), wanted)

    def test_what_is_no_message(self) -> None:
        """A device, a pipe that nobody writes to, an executable, a secret that one may not read."""
        self.assertEqual(self.refused(self.file(b"\xff\xfe")), "it is no text")
        self.assertEqual(self.refused(self.file(b"\x7fELF\0")), "it is no text")
        self.assertIn("empty", self.refused(self.file(b" \n\n")))
        self.assertIn("is longer than", self.refused(self.file(b"x" * (LARGEST_DAEMON_LIMITS.message + 1))))
        self.assertEqual(self.refused(str(self.folder)), "Is a directory")
        self.assertEqual(self.refused("/dev/zero"), "it is no file")
        self.assertEqual(self.refused(str(self.folder / "none")), "No such file or directory")
        self.assertIn("null", self.refused("a\0b"))
        os.mkfifo(self.folder / "pipe")
        self.assertEqual(self.refused(str(self.folder / "pipe")), "it is no file")
