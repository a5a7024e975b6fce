"""Many clients who ask for more history than they can read, beside one who waits for an acknowledgement."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Final

from bench.servers import peak_memory
from tests.support.crash_scenarios import Outcome, end, started
from tests.support.daemon_process import PATIENCE, Client, Daemon

IMAGES: Final = 300
IMAGE: Final = ("#" * 95 + "\n") * 500
"""An image of 48,000 bytes; `IMAGES` of them stand in the lobby."""

READERS: Final = 40
"""Clients who read at the same time."""

PAGES: Final = 50
"""Pages of 500 entries that each of them asks for at once."""

LISTS: Final = 2_000
"""Lists of who is connected that each of them asks for at once."""

PAUSE: Final = 0.02
"""Seconds between an acknowledgement and the honest client's next message."""

ALONE: Final = 2.0
"""Seconds for which the honest client is measured without any reader."""

LONGEST: Final = 100.0
"""Milliseconds within which an honest message is acknowledged beside the readers."""

Opening = Callable[[Daemon, int], socket.socket]
"""Connects the reader of that number, and has it ask for everything."""


def pages_of_text(daemon: Daemon, number: int) -> socket.socket:
    """A reader on the text wire: `PAGES` requests in one write of 700 bytes."""
    connection = socket.create_connection(("127.0.0.1", daemon.port("text")), PATIENCE)
    connection.sendall(b"IAM text%d\n" % number + b"history;;500\n" * PAGES + b"BYE\n")
    return connection


def lists_of_text(daemon: Daemon, number: int) -> socket.socket:
    """A reader on the text wire: `LISTS` times who is connected, in one write of 8,000 bytes."""
    connection = socket.create_connection(("127.0.0.1", daemon.port("text")), PATIENCE)
    connection.sendall(b"IAM list%d\n" % number + b"WHO\n" * LISTS + b"BYE\n")
    return connection


def replay_of_json(daemon: Daemon, number: int) -> socket.socket:
    """A reader on the JSON wire: a hello that asks for the whole log, and then `PAGES` pages."""
    connection = socket.create_connection(("127.0.0.1", daemon.port("json")), PATIENCE)
    connection.sendall(
        b'{"action":"client-hello","from":"json%d","since":0}\n' % number
        + b'{"action":"history","limit":500}\n' * PAGES
        + b'{"action":"client-quit"}\n'
    )
    return connection


KINDS: Final[dict[str, Opening]] = {"text": pages_of_text, "JSON": replay_of_json, "lists": lists_of_text}


class Readers:
    """`READERS` connections that read in a thread of their own until the daemon closes them all."""

    def __init__(self, daemon: Daemon, connect: Opening) -> None:
        self.read = 0
        self.done = Event()
        self._selector = selectors.DefaultSelector()
        for number in range(READERS):
            self._selector.register(connect(daemon, number), selectors.EVENT_READ)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        buffer = bytearray(256 * 1024)
        while self._selector.get_map():
            for key, _ in self._selector.select(PATIENCE):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                count = connection.recv_into(buffer)
                self.read += count
                if not count:
                    self._selector.unregister(connection)
                    connection.close()
        self.done.set()


def greedy_readers(folder: Path) -> Outcome:
    """The time that an honest message takes to be acknowledged, alone and beside each kind of reader."""
    outcome = Outcome()
    with started(folder) as daemon:
        with daemon.connect("json") as honest:
            honest.asks(action="client-hello", from_="honest").object(action="server-hello")
            for _ in range(IMAGES):
                honest.asks(action="client-broadcast", msg=IMAGE, kind="image").object(action="server-ack")
            # What is said while the readers read is in a conversation that they don't read.
            honest.asks(action="cgroupe", group="honest").object(action="server-ack")
            alone = perf_counter() + ALONE
            report(outcome, "without readers", times(honest, lambda: perf_counter() > alone))
            for name, connect in KINDS.items():
                readers = Readers(daemon, connect)
                began = perf_counter()
                with outcome.noticing():
                    found = times(honest, readers.done.is_set)
                    report(outcome, f"beside {READERS} readers of {name}", found)
                    worst = max(found)
                    assert worst <= LONGEST, f"an honest message took {worst:.0f} ms beside {name} readers"
                outcome.counts(f"MiB that the readers of {name} got", readers.read / 2**20)
                outcome.counts(f"seconds that the readers of {name} took", perf_counter() - began, 1)
        outcome.counts("the daemon's memory at most, MiB", peak_memory(daemon.process.pid) / 1024)
        with outcome.noticing():
            end(daemon)
    return outcome


def times(honest: Client, over: Callable[[], bool], pause: float = PAUSE) -> list[float]:
    """Milliseconds from each message of ``honest`` to its acknowledgement, until it is ``over``."""
    found: list[float] = []
    while not (found and over()):
        sleep(pause)
        began = perf_counter()
        honest.asks(action="gbroadcast", group="honest", msg="hello").object(action="server-ack")
        found.append((perf_counter() - began) * 1e3)
    return found


def report(outcome: Outcome, how: str, found: list[float]) -> None:
    """Show the median and the longest of ``found``."""
    outcome.counts(f"ms to an ack {how}: median", sorted(found)[len(found) // 2], 1)
    outcome.counts(f"ms to an ack {how}: longest", max(found), 1)
