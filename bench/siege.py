"""Clients that flood the daemon, or hold connections for nothing, beside an honest one.

All limits have their defaults.
"""

from __future__ import annotations

import selectors
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Final

from bench.greedy import LONGEST, times
from bench.servers import peak_memory
from chatd.core.limits import Limits
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

GROUPS: Final = 20_000
"""Groups that they ask for together."""

INVITATIONS: Final = 5_000
"""Invitations that they send to the honest client together."""

NEW_NAMES: Final = 20_000
"""Nicks under which new users log in, one after the other on `LOGINS` connections at a time."""

LOGINS: Final = 16


class Crowd:
    """Clients in a process of their own: ``behave(port)``, with the port of the text wire."""

    def __init__(self, daemon: Daemon, behave: Callable[[int], None]) -> None:
        self._process = get_context("fork").Process(target=behave, args=(daemon.port("text"),), daemon=True)
        self._process.start()

    def stop(self) -> None:
        """End them."""
        self._process.kill()
        self._process.join()


def hold(count: int, says: Callable[[int], bytes], reads: bool, interval: float, port: int) -> None:
    """Hold ``count`` connections, and send what each of them says as fast as the daemon takes it.

    ``reads`` says whether they read what they are sent. With an ``interval`` they send a byte at a time, with
    so many seconds between two bytes.
    """
    selector = selectors.DefaultSelector()
    for text in map(says, range(count)):
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


def founding(number: int) -> bytes:
    """A login and its part of the `GROUPS`."""
    groups = b"".join(b"cg;g%d-%d\n" % (number, n) for n in range(GROUPS // FLOODERS))
    return b"IAM founder%d\n" % number + groups


def inviting(number: int) -> bytes:
    """A login and its part of the `INVITATIONS`, each to a group of its own as long as there may be more."""
    return b"IAM host%d\n" % number + b"".join(
        b"cg;i%d-%d\ninvite;i%d-%d;honest\n" % (number, n, number, n) for n in range(INVITATIONS // FLOODERS)
    )


def change_names(port: int) -> None:
    """Log in under one new nick after the other, on `LOGINS` connections at a time."""
    numbers = iter(range(NEW_NAMES))

    def log_in() -> None:
        for number in numbers:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                connection.sendall(b"IAM newcomer%d\nBYE\n" % number)
                while connection.recv(65536):
                    pass

    threads = [Thread(target=log_in) for _ in range(LOGINS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
            for name, behave in (
                (f"{IDLE} who say nothing", partial(hold, IDLE, idle, True, 0.0)),
                (f"{IDLE} who drip a byte a second", partial(hold, IDLE, dripping, True, 1.0)),
                (f"{IDLE} who never read", partial(hold, IDLE, deaf, False, 0.0)),
                (f"one who pipelines {MESSAGES:,}", partial(hold, 1, flooding, True, 0.0)),
                (f"{FLOODERS} who pipeline {MESSAGES:,}", partial(hold, FLOODERS, flooding, True, 0.0)),
                ("one who sends 8 kB without end", partial(hold, 1, heavy, True, 0.0)),
                (f"{NEW_NAMES:,} new names", change_names),
                (f"{GROUPS:,} new groups", partial(hold, FLOODERS, founding, True, 0.0)),
                (f"{INVITATIONS:,} invitations", partial(hold, FLOODERS, inviting, True, 0.0)),
            ):
                crowd = Crowd(daemon, behave)
                with outcome.noticing():
                    report(outcome, f"beside {name}", honest, LONGEST)
                crowd.stop()
            with outcome.noticing():
                invitations = count_invitations(folder)
                outcome.counts("invitations that wait", invitations)
                assert 0 < invitations <= Limits().invitations, f"{invitations} invitations wait"
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


def count_invitations(folder: Path) -> int:
    """The number of invitations of the honest client, who accepts and declines none."""
    with closing(sqlite3.connect(folder / "chat.db")) as database:
        ((count,),) = database.execute(
            "SELECT count(*) FROM log JOIN users ON users.id = subject"
            " WHERE kind = 'invited' AND key = 'honest'"
        )
    return int(count)


def report(outcome: Outcome, how: str, honest: Client, limit: float | None) -> None:
    """Measure for `SECONDS`, and show the median, the 99th percentile and the longest."""
    until = perf_counter() + SECONDS
    found = sorted(times(honest, lambda: perf_counter() > until, PAUSE))
    late = found[int(len(found) * 0.99)]
    outcome.counts(f"ms to an ack {how}: median", found[len(found) // 2], 1)
    outcome.counts(f"ms to an ack {how}: 99 %", late, 1)
    outcome.counts(f"ms to an ack {how}: longest", found[-1], 1)
    assert limit is None or late <= limit, f"an honest message took {late:.0f} ms {how}"
