"""A daemon, and programs that run beside it as a shell runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import PATIENCE, ROOT, Client, Daemon, environment
from tests.support.fork_server import Forked

Program = subprocess.Popen[str] | Forked


class ProgramTestCase(SynchronousTestCase):
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
        """Run a program until it ends; ``arguments`` are Python's, ``more`` are those of `subprocess.run`.

        A module that is given no more than an ``input`` is forked.
        """
        timeout = more.pop("timeout", PATIENCE)
        said = more.pop("input", None)
        if said is not None:
            more["stdin"] = subprocess.PIPE
        check = more.pop("check", False)
        program = self._start(arguments, more)
        try:
            stdout, stderr = program.communicate(said, timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        assert program.returncode is not None
        done = subprocess.CompletedProcess(program.args, program.returncode, stdout, stderr)
        if check:
            done.check_returncode()
        return done

    def begins(self, *arguments: str, **more: Any) -> Program:
        """Start a program, which goes on meanwhile; it is killed in the end."""
        program = self._start(arguments, {"stdin": subprocess.PIPE, **more})

        def end() -> None:
            program.kill()
            program.communicate()

        self.addCleanup(end)
        return program

    def _start(self, arguments: tuple[str, ...], more: dict[str, Any]) -> Program:
        files = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        cwd, env = files.pop("cwd", self.folder), files.pop("env", self.environment)
        forkable = set(files) <= {"stdin", "stdout", "stderr", "text"} and env["PYTHONPATH"] == str(ROOT)
        if arguments[0] == "-m" and forkable:
            files.setdefault("stdin", None)
            return Forked(arguments, cwd, env, **files)
        return subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=env, **{"text": True, **files})

    def text(self, nick: str) -> Client:
        """Somebody on the text wire."""
        client = self.daemon.connect("text")
        self.addCleanup(client.close)
        client.says(f"IAM {nick}").hears_until(f"ARR {nick}\n".encode())
        return client
