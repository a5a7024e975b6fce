"""A daemon, and ``chat`` beside it as a shell runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from tests.support.daemon_and_programs import Program, ProgramTestCase


class ChatTestCase(ProgramTestCase):
    """A daemon, and ``chat`` beside it."""

    language = "en"

    def chat(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run ``chat`` until it ends."""
        return self.runs(*self._command(arguments), **more)

    def chats(self, *arguments: str, **more: Any) -> Program:
        """Start ``chat``, which goes on meanwhile; it is killed in the end."""
        return self.begins(*self._command(arguments), **more)

    @property
    def environment(self) -> Mapping[str, str]:
        """The language, and no file of the user's."""
        mine = {"XDG_CONFIG_HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder)}
        usual = {"LANGUAGE": self.language, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC"}
        return {**super().environment, **mine, **usual}

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return ["-m", "chatd.client", *arguments, "-p", str(self.daemon.port("json"))]
