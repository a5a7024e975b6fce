"""A chatd as people run it: a process of its own under twistd, and clients on plain blocking sockets."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self

from tests.support.fork_server import Forked

ROOT = Path(__file__).resolve().parents[2]
TAC = str(ROOT / "chatd.tac")
TWISTD = str(Path(sysconfig.get_path("scripts")) / "twistd")
UNTHROTTLED = str(ROOT / "tests" / "support" / "unthrottled.toml")
MOVING_CLOCK = str(ROOT / "tests" / "support" / "moving_clock.py")

PATIENCE = 20.0
"""Seconds after which whatever a test waits for is not coming."""

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1

LISTENING = re.compile(r"listening on ([\w-]+)=.* at (.*)")


def environment(path: str = str(ROOT)) -> dict[str, str]:
    """Ours, with this checkout's chatd for every process, wherever it is started."""
    return {**os.environ, "PYTHONPATH": path}


def without_privileges() -> None:
    """Have root, before it runs a program, obey the permissions of files like everybody else."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)


def twistd(
    folder: Path, *arguments: str, path: str = str(ROOT), **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run ``twistd`` in ``folder`` until it ends by itself; ``path`` is its PYTHONPATH.

    It is forked unless it has another path, or ``more`` arguments of `subprocess.run`.
    """
    if path == str(ROOT) and not more:
        program = Forked(
            [TWISTD, *arguments], folder, environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output = program.communicate(None, PATIENCE)
        return subprocess.CompletedProcess(program.args, program.wait(PATIENCE), *output)
    return subprocess.run(
        [sys.executable, TWISTD, *arguments],
        cwd=folder,
        env=environment(path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **more,
    )


class Client:
    """A blocking connection: it says bytes and waits for bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._heard = bytearray()
        connection.settimeout(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def says(self, data: bytes | str) -> Client:
        """Send ``data`` as it is; text is a line, given its end."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode() + b"\n")
        return self

    def asks(self, **request: Any) -> Client:
        """Send a JSON object as a line; ``from`` may be spelt ``from_``."""
        return self.says(json.dumps({key.rstrip("_"): value for key, value in request.items()}))

    def hears(self, count: int) -> bytes:
        """The next ``count`` bytes. Raises `EOFError` when the connection ends before, as all of these do."""
        while len(self._heard) < count:
            self._read()
        return self._take(count)

    def hears_until(self, end: bytes) -> bytes:
        """Everything up to and with ``end``."""
        searched = 0
        while (found := self._heard.find(end, searched)) < 0:
            searched = max(0, len(self._heard) - len(end) + 1)
            self._read()
        return self._take(found + len(end))

    def line(self) -> str:
        """The next line, without its end."""
        return self.hears_until(b"\n")[:-1].decode()

    def object(self, **wanted: object) -> dict[str, Any]:
        """The next line as a JSON object; the next that holds ``wanted``, if given."""
        while True:
            said: dict[str, Any] = json.loads(self.line())
            if wanted.items() <= said.items():
                return said

    def hears_rest(self) -> bytes:
        """Everything until the other side closes."""
        try:
            while True:
                self._read()
        except (EOFError, ConnectionResetError):
            return self._take(len(self._heard))

    def close(self) -> None:
        """Close this side."""
        self.socket.close()

    def _read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the connection ended after {bytes(self._heard)!r}")
        self._heard += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._heard[:count])
        del self._heard[:count]
        return taken


class Daemon:
    """A daemon in ``folder``, on free loopback ports unless ``options`` name others, or ``tac`` has none.

    It is entered when it serves, and killed when left, if it still lives::

        with Daemon(folder, "--durability=process") as daemon, daemon.connect("text") as alice:
            alice.says("IAM alice")

    Without a chatd.toml, clients may send as fast as they can. ``script`` runs it: twistd, or `MOVING_CLOCK`.
    ``before`` stands before the command line, ``twistd_options`` before ``chatd``; ``more`` are arguments of
    `subprocess.Popen`. A twistd without any of these is forked (see `tests.support.fork_server`), unless
    ``forked`` is false.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        tac: bool = False,
        script: str = TWISTD,
        before: Sequence[str] = (),
        twistd_options: Sequence[str] = (),
        forked: bool = True,
        **more: Any,
    ) -> None:
        self._listeners: list[tuple[str, str]] = []
        self._lines: list[str] = []
        self._news = Condition()
        self._ended = False
        wires = ("auto", "text", "json", "tp6")
        command = ["-n", "chatd", *(f"--listen={wire}=tcp:0" for wire in wires)]
        if any(option.startswith(("-l", "--listen")) for option in options):
            del command[2:]
        if tac:
            command = ["-ny", TAC]
        elif not folder.joinpath("chatd.toml").exists() and not any("--config" in one for one in options):
            command.append(f"--config={UNTHROTTLED}")
        arguments = [script, "--pidfile=", *twistd_options, *command, *options]
        self.process: subprocess.Popen[str] | Forked
        if before or more or tac or script != TWISTD or not forked:
            self.process = subprocess.Popen(
                [*before, sys.executable, *arguments],
                cwd=folder,
                env=environment(),
                stdin=more.pop("stdin", subprocess.DEVNULL),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **more,
            )
        else:
            self.process = Forked(
                arguments, folder, environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            self.wait_for(" is ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            error.add_note(self.log)

    def port(self, wire: str) -> int:
        """The number of the TCP port that ``wire`` is on; of the first, if there are several."""
        return int(self.address(wire).rpartition(":")[2])

    def address(self, wire: str) -> str:
        """Where ``wire`` is: ``127.0.0.1:4567``, ``[::1]:4567`` or a path."""
        return next(address for name, address in self._listeners if name == wire)

    def connect(self, wire: str) -> Client:
        """A new connection to ``wire``, on TCP."""
        host = self.address(wire).rpartition(":")[0].strip("[]")
        connection = socket.create_connection((host, self.port(wire)), PATIENCE)
        # Or else what is said next waits up to 40 ms for the daemon to acknowledge this.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Client(connection)

    @property
    def log(self) -> str:
        """What it has written so far, to either output."""
        with self._news:
            return "".join(self._lines)

    def wait_for(self, text: str) -> None:
        """Wait until the log holds ``text``."""
        with self._news:
            come = self._news.wait_for(lambda: self._holds(text) or self._ended, PATIENCE)
            if not (come and self._holds(text)):
                raise AssertionError(f"{text!r} is not in the log:\n{''.join(self._lines)}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended; all is in the log then."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def terminate(self) -> int:
        """Ask it to end; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it without a warning, as ``kill -9`` does."""
        self.process.kill()
        self.wait()

    def _holds(self, text: str) -> bool:
        return any(text in line for line in self._lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                found = LISTENING.search(line)
                if found:
                    self._listeners.append((found[1], found[2]))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
