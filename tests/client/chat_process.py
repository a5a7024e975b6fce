"""A daemon, and ``chat`` beside it as a shell runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.daemon_process import PATIENCE, Client, Daemon, environment


class ChatTestCase(SynchronousTestCase):
    """A daemon, and ``chat`` beside it."""

    language = "en"

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

    def chat(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run ``chat`` until it ends."""
        return subprocess.run(
            [sys.executable, "-m", "chatd.client", *arguments, "-p", str(self.daemon.port("json"))],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **more,
        )

    def chats(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``chat``, which goes on meanwhile; it is killed in the end."""
        process = subprocess.Popen(
            [sys.executable, "-m", "chatd.client", *arguments, "-p", str(self.daemon.port("json"))],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def end() -> None:
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    @property
    def environment(self) -> dict[str, str]:
        """The language, and no file of the user's."""
        mine = {"XDG_CONFIG_HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder)}
        return {**environment(), **mine, "LANGUAGE": self.language, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def text(self, nick: str) -> Client:
        """Somebody on the text wire."""
        client = self.daemon.connect("text")
        self.addCleanup(client.close)
        client.says(f"IAM {nick}").hears_until(f"ARR {nick}\n".encode())
        return client
