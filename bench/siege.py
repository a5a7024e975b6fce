"""Clients that flood the daemon, or hold connections for nothing, beside an honest one.

All limits have their defaults.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Final

from bench.greedy import LONGEST, times
from bench.servers import peak_memory
from tests.support.crash_scenarios import Outcome, end, started
from tests.support.daemon_process import PATIENCE, Client, Daemon

SECONDS: Final = 20.0
"""How long each kind of client is at it."""

PAUSE: Final = 0.12
"""Seconds between two messages of the honest client, which stays within its limits."""

LINE_BYTES_PER_SECOND: Final = 1_000_000
"""What the honest reader's line carries."""

MEMORY_MAX: Final = 400.0
"""MiB that the daemon may take, whatever is sent."""

IDLE: Final = 200
"""Clients that hold connections for nothing."""

FLOODERS: Final = 50
MESSAGES: Final = 100_000
"""Messages that each of those sends at once."""


class Crowd:
    """Connections that send what they are given as fast as the daemon takes it, in a process of their own.

    ``reads`` says whether they read what they are sent. With an ``interval`` they send a byte at a time, with
    so many seconds between two bytes.
    """

    def __init__(
        self, daemon: Daemon, count: int, says: Callable[[int], bytes], reads: bool, interval: float = 0.0
    ) -> None:
        texts = [says(number) for number in range(count)]
        self._process = get_context("fork").Process(
            target=crowd, args=(daemon.port("text"), texts, reads, interval), daemon=True
        )
        self._process.start()

    def stop(self) -> None:
        """End them."""
        self._process.kill()
        self._process.join()


def crowd(port: int, texts: list[bytes], reads: bool, interval: float) -> None:
    """Send ``texts``, each on a connection of its own, and hold the connections."""
    selector = selectors.DefaultSelector()
    for text in texts:
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
        connection.setblocking(False)
        events = (selectors.EVENT_WRITE if text else 0) | (selectors.EVENT_READ if reads else 0)
        selector.register(connection, events, memoryview(text))
    while True:
        for key, events in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            connection = key.fileobj
            with suppress(BlockingIOError):
                if events & selectors.EVENT_READ and not connection.recv(65536):
                    selector.unregister(connection)
                    continue
                if events & selectors.EVENT_WRITE:
                    rest = key.data[connection.send(key.data[:1] if interval else key.data) :]
                    wanted = key.events if rest else key.events & ~selectors.EVENT_WRITE
                    if wanted:
                        selector.modify(connection, wanted, rest)
                    else:
                        selector.unregister(connection)
        sleep(interval)


def idle(number: int) -> bytes:
    """Nothing."""
    return b""


def dripping(number: int) -> bytes:
    """A login, for whoever sends a byte at a time."""
    return b"IAM drip%d\n" % number


def deaf(number: int) -> bytes:
    """A login; whatever comes is never read."""
    return b"IAM deaf%d\n" % number


def flooding(number: int) -> bytes:
    """A login and `MESSAGES` short messages."""
    return b"IAM flood%d\n" % number + b"MSG I have nothing to say\n" * MESSAGES


def heavy(number: int) -> bytes:
    """A login and messages of 8,000 bytes, 80 MB of them."""
    return b"IAM heavy%d\n" % number + (b"MSG " + b"x" * 8_000 + b"\n") * 10_000


class SlowReader:
    """A client in the lobby whose line carries `LINE_BYTES_PER_SECOND`."""

    def __init__(self, daemon: Daemon) -> None:
        self.lost = False
        self._stop = Event()
        self._connection = socket.create_connection(("127.0.0.1", daemon.port("text")), PATIENCE)
        self._connection.sendall(b"IAM reader\n")
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._connection.settimeout(0.1)
        while not self._stop.is_set():
            try:
                read = len(self._connection.recv(LINE_BYTES_PER_SECOND // 100))
            except TimeoutError:
                continue
            except OSError:
                read = 0
            if not read:
                self.lost = True
                return
            sleep(read / LINE_BYTES_PER_SECOND)

    def stop(self) -> None:
        """Hang up."""
        self._stop.set()
        self._thread.join()
        self._connection.close()


def siege(folder: Path) -> Outcome:
    """The time that an honest message takes to be acknowledged beside each kind of client."""
    outcome = Outcome()
    folder.joinpath("chatd.toml").touch()  # the defaults
    with started(folder) as daemon:
        with daemon.connect("json") as honest:
            honest.asks(action="client-hello", from_="honest").object(action="server-hello")
            honest.asks(action="cgroupe", group="honest").object(action="server-ack")
            reader = SlowReader(daemon)
            report(outcome, "alone", honest, None)
            for name, count, says, reads, interval in (
                (f"{IDLE} who say nothing", IDLE, idle, True, 0.0),
                (f"{IDLE} who drip a byte a second", IDLE, dripping, True, 1.0),
                (f"{IDLE} who never read", IDLE, deaf, False, 0.0),
                (f"one who pipelines {MESSAGES:,}", 1, flooding, True, 0.0),
                (f"{FLOODERS} who pipeline {MESSAGES:,}", FLOODERS, flooding, True, 0.0),
                ("one who sends 8 kB without end", 1, heavy, True, 0.0),
            ):
                crowd = Crowd(daemon, count, says, reads, interval)
                with outcome.noticing():
                    report(outcome, f"beside {name}", honest, LONGEST)
                crowd.stop()
            with outcome.noticing():
                assert not reader.lost, "the reader on a slow line was cut"
            reader.stop()
        memory = peak_memory(daemon.process.pid) / 1024
        outcome.counts("the daemon's memory at most, MiB", memory)
        outcome.counts("MiB on disk", sum(file.stat().st_size for file in folder.glob("chat.db*")) / 2**20, 1)
        with outcome.noticing():
            assert memory <= MEMORY_MAX, f"the daemon took {memory:.0f} MiB"
            end(daemon)
    return outcome


def report(outcome: Outcome, how: str, honest: Client, limit: float | None) -> None:
    """Measure for `SECONDS`, and show the median, the 99th percentile and the longest."""
    until = perf_counter() + SECONDS
    found = sorted(times(honest, lambda: perf_counter() > until, PAUSE))
    late = found[int(len(found) * 0.99)]
    outcome.counts(f"ms to an ack {how}: median", found[len(found) // 2], 1)
    outcome.counts(f"ms to an ack {how}: 99 %", late, 1)
    outcome.counts(f"ms to an ack {how}: longest", found[-1], 1)
    assert limit is None or late <= limit, f"an honest message took {late:.0f} ms {how}"
