"""Starts programs of this checkout by forking a process that has imported everything already.

Nearly all of the 0.8 s that a daemon takes to start is imports. Run as a script this file is the server: it
gets a command line with its folder, environment and files over a socket, and forks. A child runs the command
as ``python`` would run it, and ends by itself; a monitor between the two reports its pid and its wait status.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, NoReturn

ROOT: Final = Path(__file__).resolve().parents[2]

MESSAGE_SIZE: Final = 256 * 1024
"""Bytes of a command with its environment at most."""

PRELOADED: Final = (
    "chatd.tap",
    "chatd.client.line_mode",
    "chatd.client.scripts",
    "chatd.client.options",
    "chatd.client.screen",
    "aiofiles",
    "aiohttp",
    "requests",
    "twisted.scripts.twistd",
    "twisted.scripts._twistd_unix",
    "twisted.plugins",
    "twisted.internet.endpoints",
    "twisted.internet.base",
    "twisted.internet.epollreactor",
    "twisted.internet.unix",
    "twisted.protocols.tls",
)
"""What the server imports. Not the reactor: each child needs one of its own."""


class Forked:
    """A forked program, which is used like a `subprocess.Popen`.

    ``arguments`` follow ``python``: a script or ``-m module``, and its arguments. ``stdin``, ``stdout`` and
    ``stderr`` are as for `subprocess.Popen`, and so is ``start_new_session``.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        stdin: int | IO[Any] | None = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        text: bool = True,
        start_new_session: bool = False,
    ) -> None:
        self.args = [sys.executable, *arguments]
        self.returncode: int | None = None
        self.stdin: Any = None
        self.stdout: Any = None
        self.stderr: Any = None
        ours: list[int] = []
        try:
            files = []
            for name, wanted, standard in (("stdin", stdin, 0), ("stdout", stdout, 1), ("stderr", stderr, 2)):
                if wanted == subprocess.PIPE:
                    read, write = os.pipe()
                    mine, its = (write, read) if name == "stdin" else (read, write)
                    setattr(self, name, open(mine, ("w" if name == "stdin" else "r") + ("" if text else "b")))
                    files.append(its)
                    ours.append(its)
                elif wanted == subprocess.DEVNULL:
                    files.append(os.open(os.devnull, os.O_RDWR))
                    ours.append(files[-1])
                elif wanted == subprocess.STDOUT:
                    files.append(files[1])
                else:
                    files.append(standard if wanted is None else _number(wanted))
            self._report, its_report = os.pipe()
            ours.append(its_report)
            _server().start(arguments, cwd, env, start_new_session, [*files, its_report])
        finally:
            for file in ours:
                os.close(file)
        self._reports = b""
        while b"\n" not in self._reports:
            self._reports += os.read(self._report, 64)
        first, _, self._reports = self._reports.partition(b"\n")
        self.pid = int(first)

    def poll(self) -> int | None:
        """The exit code, if the program has ended; negative for a signal."""
        return self._wait(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once the program has ended. Raises `subprocess.TimeoutExpired`."""
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        end = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._report], [], [], left)[0]:
                return None
            data = os.read(self._report, 64)
            self._reports += data
            if not data:
                os.close(self._report)
                self.returncode = os.waitstatus_to_exitcode(int(self._reports))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send the program a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a warning."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, said: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write ``said``, read everything and wait. Raises `subprocess.TimeoutExpired`."""
        heard: dict[str, Any] = {}

        def read(name: str, file: IO[Any]) -> None:
            heard[name] = file.read()

        readers = [
            threading.Thread(target=read, args=(name, file), daemon=True)
            for name, file in (("stdout", self.stdout), ("stderr", self.stderr))
            if file is not None and not file.closed
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None:
            try:
                if said is not None:
                    self.stdin.write(said)
                self.stdin.close()
            except BrokenPipeError:
                pass
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()
        return heard.get("stdout"), heard.get("stderr")


def _number(file: int | IO[Any]) -> int:
    return file if isinstance(file, int) else file.fileno()


class _Server:
    """The process that forks."""

    def __init__(self) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MESSAGE_SIZE)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(its.fileno())],
                pass_fds=[its.fileno()],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
            )
        self._socket = ours

    def start(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], session: bool, files: Sequence[int]
    ) -> None:
        """Fork a program with these files: its standard ones, and the one for reports."""
        message = json.dumps([list(arguments), str(cwd.absolute()), dict(env), session]).encode()
        socket.send_fds(self._socket, [message], list(files))

    def end(self) -> None:
        """End the server; what it has started goes on."""
        self._socket.close()
        self._process.wait()


@cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.end)
    return server


def _next_command(connection: socket.socket) -> tuple[list[str], str, dict[str, str], bool] | None:
    """Wait for commands and fork; returns in a child, with its command, and None in the end."""
    while True:
        message, files, _, _ = socket.recv_fds(connection, MESSAGE_SIZE, 4)
        if not message:
            return None
        if os.fork():  # the server; the monitor is reaped by the kernel
            for file in files:
                os.close(file)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        connection.close()
        *standard, report = files
        child = os.fork()
        if child:
            for file in (*standard, 0, 1, 2):
                os.close(file)
            os.write(report, b"%d\n" % child)
            _, status = os.waitpid(child, 0)
            os.write(report, b"%d" % status)
            os._exit(0)
        os.close(report)
        for number, file in enumerate(standard):
            os.dup2(file, number)
        for file in standard:
            os.close(file)
        command: tuple[list[str], str, dict[str, str], bool] = tuple(json.loads(message))
        return command


def _become(arguments: list[str], cwd: str, env: dict[str, str], session: bool) -> None:
    """Run ``arguments`` as ``python`` would."""
    if session:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout, __stderr__=sys.stderr)
    sys.path.remove(str(ROOT / "tests" / "support"))
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, cwd)
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")


def _exit_at_once(code: int) -> NoReturn:
    """End as Python does, but without taking every module apart: three quarters of a short program's time."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 120  # Python's own code for files that could not be flushed
    os._exit(code)


if __name__ == "__main__":
    for module in PRELOADED:
        __import__(module)
    assert "twisted.internet.reactor" not in sys.modules
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        asked = _next_command(requests)
    if asked is not None:
        code = 0
        try:
            _become(*asked)
        except SystemExit as end:
            if not isinstance(end.code, int | None):
                raise
            code = end.code or 0
        _exit_at_once(code)
