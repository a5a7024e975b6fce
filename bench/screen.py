"""Measure the terminal client as somebody feels it: a pseudo-terminal, keys into it, and what comes out.

    python -m bench.screen [--messages 10000] [--rounds 3]

The daemon, the client and this share the machine; what is printed is the median of the rounds.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from bench.load import PATIENCE, Failed
from bench.servers import chatd, cpu, memory
from tests.daemon_process import Client, environment

SIZES: Final = ((80, 24), (200, 50))

QUIET: Final = 0.05
"""Seconds without a byte from the client, after which what a key did is done."""

PAGES: Final = 100
"""Pages that are turned, up and down again."""

HEARD: Final = 50
"""Messages that come one by one."""

BUSY: Final = 500
"""Messages that come in a stream."""

UP, DOWN, FIRST, LAST = b"\x1b[5~", b"\x1b[6~", b"\x1b[1;5H", b"\x1b[1;5F"

PACE: Final = 0.01
"""Seconds from one of these to the next."""

Figures = dict[str, float]
"""What was measured in one round, by its name and unit."""


class Terminal:
    """A ``chat`` on a terminal of its own."""

    def __init__(self, port: int, size: tuple[int, int], folder: Path) -> None:
        self.began = time.perf_counter()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "chatd.client",
                "-n",
                "alice",
                "-p",
                str(port),
                "--log",
                str(folder / "log"),
            ],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment(), "TERM": "xterm-256color", "LANGUAGE": "en", "XDG_CONFIG_HOME": str(folder)},
            start_new_session=True,
        )
        os.close(slave)

    def shows(self, text: bytes) -> float:
        """Wait for ``text``; seconds from the start of the process."""
        shown = bytearray()
        while text not in shown:
            shown += self._read(PATIENCE)
        return time.perf_counter() - self.began

    def settles(self) -> float:
        """Wait until nothing more comes; the time of the last byte."""
        last = time.perf_counter()
        while self._read(QUIET, fails=False):
            last = time.perf_counter()
        return last

    def takes(self, keys: bytes) -> float:
        """Milliseconds from ``keys`` to the last byte of what they do."""
        self.settles()
        start = time.perf_counter()
        os.write(self._master, keys)
        self._read(PATIENCE)
        return max(0.0, self.settles() - start) * 1000

    def _read(self, patience: float, fails: bool = True) -> bytes:
        ready, _, _ = select.select([self._master], [], [], patience)
        if ready:
            try:
                return os.read(self._master, 65_536)
            except OSError:
                raise Failed("the client is gone") from None
        if fails:
            raise Failed("the client shows nothing")
        return b""

    def drains(self) -> None:
        """Read what has come."""
        while self._read(0, fails=False):
            pass

    def close(self) -> None:
        """Leave the chat."""
        with suppress(Failed):
            os.write(self._master, b"\x03")
            while self.process.poll() is None:
                self._read(QUIET, fails=False)
        self.process.wait(PATIENCE)
        os.close(self._master)


class Writer:
    """Somebody who talks in the lobby."""

    def __init__(self, port: int) -> None:
        self._client = Client(socket.create_connection(("127.0.0.1", port)))
        self._client.asks(action="client-hello", from_="writer").line()
        self._said = 0

    def says(self, count: int = 1) -> None:
        """So many messages more, each stored when this returns."""
        for number in range(self._said, self._said + count):
            self._client.asks(action="client-broadcast", msg=f"message {number} of many", ref=number)
        self._said += count
        self._client.object(ref=self._said - 1)


def measured(messages: int, size: tuple[int, int]) -> Figures:
    """Use a client of that size in a lobby with so many messages. Raises `Failed`."""
    with tempfile.TemporaryDirectory(prefix="chatd-bench-") as folder, chatd() as server:
        writer = Writer(server.rooms)
        writer.says(messages)
        terminal = Terminal(server.rooms, size, Path(folder))
        with closing(terminal):
            pid = terminal.process.pid
            started = terminal.shows(b"Join a room")
            terminal.takes(b"\x1b")
            first, last = terminal.takes(FIRST), terminal.takes(LAST)
            used = cpu(pid)
            turned = [terminal.takes(key) for key in [UP] * PAGES + [DOWN] * PAGES]
            turning = (cpu(pid) - used) / len(turned)
            terminal.takes(LAST)
            searched = terminal.takes(b"\x06message 0 of\r")
            terminal.takes(b"\x1b" + LAST)
            heard = []
            for _ in range(HEARD):
                start = time.perf_counter()
                writer.says()
                heard.append((terminal.settles() - start) * 1000)
            used = cpu(pid)
            for _ in range(BUSY):
                writer.says()
                time.sleep(PACE)
                terminal.drains()
            hearing = (cpu(pid) - used) / BUSY
            return {
                "start to the list of rooms, s": started,
                "to the first message, ms": first,
                "to the last one, ms": last,
                "a page up or down, median, ms": statistics.median(turned),
                "a page up or down, longest, ms": max(turned),
                "a page up or down, CPU ms": turning * 1000,
                "search through all of it, ms": searched,
                "a message, said to shown, median, ms": statistics.median(heard),
                "a message among 100/s, CPU ms": hearing * 1000,
                "memory, MiB": memory(pid) / 1024,
            }


def main() -> int:
    """Run it; the exit code."""
    options = argparse.ArgumentParser("bench.screen", description="Measure the terminal client.")
    options.add_argument("--messages", type=int, default=10_000, help="in the lobby [10000]")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    found = {}
    for size in SIZES:
        try:
            found[size] = [measured(chosen.messages, size) for _ in range(chosen.rounds)]
        except Failed as failed:
            print(f"screen: {failed}", file=sys.stderr)
            return 1
    print(f"{chosen.messages} messages" + "".join(f"{f'{width}x{height}':>10}" for width, height in SIZES))
    for name in next(iter(found.values()))[0]:
        medians = (statistics.median(figures[name] for figures in rounds) for rounds in found.values())
        print(f"{name:<40}" + "".join(f"{median:>10.2f}" for median in medians))
    return 0


if __name__ == "__main__":
    sys.exit(main())
