"""A daemon, and programs that run beside it as a shell runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import PATIENCE, Client, Daemon, environment


class BesideTestCase(SynchronousTestCase):
    """A daemon, and Python programs in its folder."""

    def setUp(self) -> None:
        """Start the daemon."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.daemon = self.start()

    def start(self, *options: str) -> Daemon:
        """A daemon that is killed in the end."""
        daemon = Daemon(self.folder, "--durability=process", *options)
        self.addCleanup(daemon.kill)
        return daemon.__enter__()

    @property
    def environment(self) -> Mapping[str, str]:
        """The programs'."""
        return environment()

    def runs(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a program until it ends; ``arguments`` are Python's, ``more`` are those of `subprocess.run`."""
        return subprocess.run(
            [sys.executable, *arguments], **{**self._usual, "timeout": PATIENCE, "check": False, **more}
        )

    def begins(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Start a program, which goes on meanwhile; it is killed in the end."""
        process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, *arguments], **{**self._usual, "stdin": subprocess.PIPE, **more}
        )

        def end() -> None:
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def text(self, nick: str) -> Client:
        """Somebody on the text wire."""
        client = self.daemon.connect("text")
        self.addCleanup(client.close)
        client.says(f"IAM {nick}").hears_until(f"ARR {nick}\n".encode())
        return client

    @property
    def _usual(self) -> dict[str, Any]:
        outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return {"cwd": self.folder, "env": self.environment, **outputs}
