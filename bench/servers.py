"""What is measured, each as a process of its own: chatd on a disk, and the plain Twisted chat on none."""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from bench.load import GROUPS, IRC, JSON, PATIENCE, PLAIN_ROOMS, TEXT, WEB, Words
from tests.support.daemon_process import Daemon

BASELINE: Final = Path(__file__).with_name("baseline.py")

CORES: Final = sorted(os.sched_getaffinity(0))
"""The cores that we may use, before any of them is given to somebody."""

LOBBIES: Final = {"text": TEXT, "json": JSON, "web": WEB, "irc": IRC}
"""Wire of the daemon -> how to talk to everybody there."""

APPENDS: Final = 100
"""How often the disk is asked how long it takes."""


class Server(NamedTuple):
    """A server that is running; ``words`` is how to talk in rooms there, on the port ``rooms``, and
    ``lobbies`` has how to talk to everybody on each wire, and on which port.

    ``took`` is in seconds, from the start of its process to the first byte that it said to a client.
    """

    pid: int
    text: int
    rooms: int
    words: Words
    lobbies: dict[str, tuple[Words, int]]
    database: Path | None
    took: float


on_postgresql = False
"""Whether a new database is one on a PostgreSQL server, which waits for the disk and runs on our cores."""


@cache
def _postgresql_server() -> Any:
    # Imported here, because it needs psycopg.
    from tests.support.postgresql_server import PostgresqlServer

    return PostgresqlServer(safe=True)


@contextmanager
def chatd(database: Path | None = None) -> Iterator[Server]:
    """The daemon, on a copy of ``database``, with the WAL beside it if there is one; or on a new one."""
    with tempfile.TemporaryDirectory(prefix="chatd-bench-") as name:
        folder = Path(name)
        if database is not None:
            for part in database.parent.glob(f"{database.name}*"):
                _copy(part, folder / part.name.replace(database.name, "chat.db"))
        start = perf_counter()
        wires = [f"--listen={wire}=tcp:0" for wire in LOBBIES]
        if on_postgresql and database is None:
            wires.append(f"--database={_postgresql_server().new_database()}")
        with Daemon(folder, "--durability=full", *wires, forked=False) as daemon:
            _greeting(daemon.port("text"))
            took = perf_counter() - start
            pin(daemon.process.pid)
            yield Server(
                daemon.process.pid,
                daemon.port("text"),
                daemon.port("json"),
                GROUPS,
                {wire: (words, daemon.port(wire)) for wire, words in LOBBIES.items()},
                None if on_postgresql and database is None else folder / "chat.db",
                took,
            )


@contextmanager
def plain(database: Path | None = None, *options: str) -> Iterator[Server]:
    """The baseline, started with ``options``, which keeps nothing: so there is no ``database``."""
    assert database is None
    start = perf_counter()
    process = subprocess.Popen([sys.executable, str(BASELINE), *options], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        _greeting(port)
        took = perf_counter() - start
        pin(process.pid)
        yield Server(process.pid, port, port, PLAIN_ROOMS, {"text": (TEXT, port)}, None, took)
        process.stdout.close()
    finally:
        process.kill()
        process.wait()


SERVERS: Final[dict[str, Callable[[Path | None], AbstractContextManager[Server]]]] = {
    "chatd": chatd,
    "plain": plain,
    "direct": lambda database: plain(database, "--direct"),
}


def cpu(pid: int) -> float:
    """Seconds of CPU that all threads of ``pid`` have used, in steps of 10 ms (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy() -> float:
    """Seconds that the cores have worked, all together (proc(5), stat: idle and iowait are no work)."""
    user, nice, system, _, _, irq, softirq, steal = (
        int(field) for field in Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """KiB of memory that ``pid`` has resident."""
    return _memory(pid, "VmRSS")


def peak_memory(pid: int) -> int:
    """KiB of memory that ``pid`` had resident at most so far."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def commits(database: Path) -> int:
    """Commits since ``database`` was opened: iChange in SQLite's WAL index (its walformat.html, 2.1)."""
    with Path(f"{database}-shm").open("rb") as index:
        return int.from_bytes(index.read(12)[8:], sys.byteorder)


def fsync(folder: Path) -> float:
    """Seconds until 4 KiB more of a file in ``folder`` are on the disk; the median of many."""
    took = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(APPENDS):
            start = perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append(perf_counter() - start)
    return statistics.median(took)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        # Or else the disk would be busy with it while the daemon is measured.
        os.fsync(file.fileno())


def _greeting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.recv(1)


def pin(pid: int) -> None:
    """Give a server a core of its own, if there are two."""
    if len(CORES) > 1:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {CORES[0]})
