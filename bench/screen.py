"""Measure the terminal client as somebody feels it: a pseudo-terminal, keys into it, and what comes out.

    python -m bench.screen [--messages 10000] [--rounds 3]

The daemon, the client and this share the machine; what is printed is the median of the rounds. The client's
modules are compiled before, as in an installation: to compile them all takes as long as the rest of a start.
"""

from __future__ import annotations

import argparse
import codecs
import fcntl
import os
import pty
import re
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from bench.load import PATIENCE, Failed
from bench.servers import chatd, cpu, memory
from tests.support.daemon_process import Client, environment

SIZES: Final = ((80, 24), (200, 50))

QUIET: Final = 0.05
"""Seconds without a byte from the client, after which it does nothing but blink."""

PAGES: Final = 100
"""Pages that are turned up, and then down again to the end."""

HEARD: Final = 50
"""Messages that come one by one."""

BUSY: Final = 500
"""Messages that come in a stream."""

UP, DOWN, FIRST, LAST = b"\x1b[5~", b"\x1b[6~", b"\x1b[1;5H", b"\x1b[1;5F"

PACE: Final = 0.01
"""Seconds from one of these to the next."""

IN_VAIN: Final = 1.0
"""Seconds after which a key did nothing, as one does that meets the end of what has been read so far."""

SAID: Final = re.compile(r"message (\d+) of many")

WRITTEN: Final = re.compile(
    r"\x1b\[(?P<row>\d+);(?P<column>\d+)H"
    r"|\x1b\[[\x20-\x3f]*[\x40-\x7e]|\x1b[\]P_^].*?(?:\x07|\x1b\\)|\x1b[^\[\]P_^]|[\r\n]"
    r"|(?P<text>[^\x1b\r\n]+)",
    re.DOTALL,
)
"""What Textual writes: where to, what is not to be seen, and text."""

Figures = dict[str, float]
"""What was measured in one round, by its name and unit."""


class Screen:
    """What stands on a terminal, as far as that takes no more than moving about and writing."""

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = size
        self._rows = [[" "] * width for _ in range(height)]
        self._row = self._column = 0
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._rest = ""

    def write(self, data: bytes) -> None:
        """Obey ``data``, which may end anywhere."""
        self._rest += self._decode(data)
        done = 0
        while found := WRITTEN.match(self._rest, done):
            done = found.end()
            if found["row"]:
                self._row, self._column = int(found["row"]) - 1, int(found["column"]) - 1
            elif found["text"]:
                self._put(found["text"])
        self._rest = self._rest[done:]

    def _put(self, text: str) -> None:
        row = self._rows[self._row]
        row[self._column : self._column + len(text)] = text
        self._column += len(text)

    @property
    def text(self) -> str:
        """All of it, in lines."""
        return "\n".join(map("".join, self._rows))

    @property
    def said(self) -> list[int]:
        """The numbers of the messages, from the top; none while it is half drawn, and some are missing."""
        numbers = [int(number) for number in SAID.findall(self.text)]
        return numbers if numbers == [number + numbers[0] for number in range(len(numbers))] else []


class Terminal:
    """A ``chat`` on a terminal of its own, in the environment ``settings``."""

    def __init__(self, port: int, size: tuple[int, int], folder: Path, settings: dict[str, str]) -> None:
        self.began = time.perf_counter()
        self.screen = Screen(size)
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
            env={
                **settings,
                "TERM": "xterm-256color",
                "LANGUAGE": "en",
                "XDG_CONFIG_HOME": str(folder),
                "XDG_STATE_HOME": str(folder),
            },
            start_new_session=True,
        )
        os.close(slave)

    def until(self, come: Callable[[Screen], bool], patience: float = PATIENCE) -> float:
        """Wait until it has come to the screen; the time."""
        late = time.perf_counter() + patience
        while not come(self.screen):
            self._read(patience)
            if time.perf_counter() > late:
                raise Failed(f"the client stays at\n{self.screen.text}")
        return time.perf_counter()

    def takes(self, keys: bytes, come: Callable[[Screen], bool], patience: float = PATIENCE) -> float:
        """Milliseconds from ``keys`` until what they do has come to the screen."""
        start = time.perf_counter()
        os.write(self._master, keys)
        return (self.until(come, patience) - start) * 1000

    def settles(self) -> Screen:
        """Wait until nothing more comes; what is there then."""
        while self._read(QUIET) or not self.screen.said:
            pass
        return self.screen

    def _read(self, patience: float) -> bool:
        """Whether something came within so many seconds."""
        ready, _, _ = select.select([self._master], [], [], patience)
        if ready:
            try:
                self.screen.write(os.read(self._master, 65_536))
            except OSError:
                raise Failed("the client is gone") from None
        return bool(ready)

    def drains(self) -> None:
        """Read what has come."""
        while self._read(0):
            pass

    def close(self) -> None:
        """Leave the chat."""
        with suppress(Failed):
            os.write(self._master, b"\x03")
            while self.process.poll() is None:
                self._read(QUIET)
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


def compiled(folder: Path) -> dict[str, str]:
    """The environment in which the client finds its bytecode, valid and complete, in ``folder``.

    What lies beside the sources may be out of date, or Python told not to write it.
    """
    found = {**environment(), "PYTHONPYCACHEPREFIX": str(folder)}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(
        [sys.executable, "-c", "import chatd.client.__main__, chatd.client.fullscreen"], env=found, check=True
    )
    return found


def measured(messages: int, size: tuple[int, int], settings: dict[str, str]) -> Figures:
    """Use a client of that size in a lobby with so many messages. Raises `Failed`."""
    with tempfile.TemporaryDirectory(prefix="chatd-bench-") as folder, chatd() as server:
        writer = Writer(server.rooms)
        writer.says(messages)
        terminal = Terminal(server.rooms, size, Path(folder), settings)
        with closing(terminal):
            pid = terminal.process.pid

            def at(number: int) -> Callable[[Screen], bool]:
                return lambda screen: number in screen.said

            def turned(key: bytes) -> float:
                before = terminal.settles().said

                def come(screen: Screen) -> bool:
                    return bool(screen.said) and (screen.said < before if key == UP else screen.said > before)

                with suppress(Failed):
                    return terminal.takes(key, come, IN_VAIN)
                return terminal.takes(key, come)

            started = terminal.until(lambda screen: "Join a room" in screen.text) - terminal.began
            terminal.takes(b"\x1b", lambda screen: "Join a room" not in screen.text)
            terminal.settles()
            first = terminal.takes(FIRST, at(0))
            terminal.settles()
            last = terminal.takes(LAST, at(messages - 1))
            used = cpu(pid)
            pages: list[float] = []
            while len(pages) < PAGES and 0 not in terminal.settles().said:
                pages.append(turned(UP))
            while messages - 1 not in terminal.settles().said:
                pages.append(turned(DOWN))
            turning = (cpu(pid) - used) / len(pages)
            terminal.takes(LAST, at(messages - 1))
            terminal.settles()
            searched = terminal.takes(b"\x06message 0 of\r", at(0))
            terminal.takes(b"\x1b" + LAST, at(messages - 1))
            heard = []
            for number in range(messages, messages + HEARD):
                start = time.perf_counter()
                writer.says()
                heard.append((terminal.until(at(number)) - start) * 1000)
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
                "a page up or down, median, ms": statistics.median(pages),
                "a page up or down, longest, ms": max(pages),
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
    with tempfile.TemporaryDirectory(prefix="chatd-bench-") as folder:
        settings = compiled(Path(folder))
        for size in SIZES:
            try:
                found[size] = [measured(chosen.messages, size, settings) for _ in range(chosen.rounds)]
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
