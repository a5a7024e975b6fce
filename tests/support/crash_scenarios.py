"""Ordeals for a real daemon: killed when it was about to ack, on a full disk, while its clock is set.

Each is played in a folder of its own and ends in an `Outcome`, from which one sees that it did happen.
bench/crash.py plays them at length, test_crash.py in brief.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import signal
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from tests.support.daemon_process import MOVING_CLOCK, PATIENCE, Client, Daemon
from tests.support.ledger import (
    AGAIN,
    DISORDER,
    GAPS,
    LOST,
    TWICE,
    UNSTORED,
    Cast,
    Tally,
    Watcher,
    faults_of_log,
    faults_of_watcher,
    read_log,
    read_pages,
    reading,
)

IN_FLIGHT: Final = 64
"""Messages on their way to a daemon that is killed as soon as it has stored some."""

LAZY: Final = 19
"""How nice a thread is that hardly gets to run on a busy machine."""

SPELL: Final = 200
"""Acks, or refusals, before the next blow falls."""

ROOM: Final = 64 * 1024
"""Bytes that a disk still has when it begins to fill."""

PACED: Final = 3
"""What a client that is written to at a pace must hear after each jump of the clock."""

STANDSTILL: Final = SPELL // 2
"""So many entries with the same time were decided by a clock that was behind the last entry."""

REFUSED, VAIN, OTHERWISE = "refused, but stored", "waited for in vain", "anything else"


class Outcome:
    """What was counted in a scenario, by what it is, and how often it was wrong in which way.

    ``remarks`` say more about it.
    """

    def __init__(self, *ways: str) -> None:
        self.counted: dict[str, str] = {}
        self.remarks: list[str] = []
        self.wrong = Counter(dict.fromkeys((*ways, VAIN, OTHERWISE), 0))

    def counts(self, what: str, number: float, digits: int = 0) -> None:
        """Show ``number``."""
        self.counted[what] = f"{number:,.{digits}f}"

    @property
    def faults(self) -> dict[str, int]:
        """What was wrong; nothing if all was well."""
        return dict(+self.wrong)

    @contextlib.contextmanager
    def noticing(self) -> Iterator[None]:
        """Count it as wrong when something is found to be, or doesn't come."""
        try:
            yield
        except TimeoutError as error:
            self.wrong[VAIN] += 1
            self.remarks.append(repr(error))
        except (AssertionError, EOFError, ConnectionError) as error:
            self.wrong[OTHERWISE] += 1
            self.remarks.append(repr(error))


def started(folder: Path, *options: str, **more: Any) -> Daemon:
    """The daemon as all of these have it."""
    return Daemon(folder, "--durability=full", *options, **more)


def end(daemon: Daemon) -> None:
    """Ask it to end, and see that it does so with nothing to regret."""
    code = daemon.terminate()
    assert code == 0, f"the daemon ended with {code}"
    _, mistake, trace = daemon.log.partition("Traceback")
    assert not mistake, trace[:2000]


@contextlib.contextmanager
def busy(cast: Cast, daemon: Daemon, outcome: Outcome) -> Iterator[Tally]:
    """All write and watch; in the end those who write hear their last ack and leave, and the daemon ends."""
    tally = Tally()
    with ThreadPoolExecutor(len(cast)) as threads:
        writing = [threads.submit(writer.write, daemon, tally) for writer in cast.writers]
        watching = [threads.submit(watcher.watch, daemon) for watcher in cast.watchers]
        watching.append(threads.submit(cast.listener.listen, daemon))
        try:
            with outcome.noticing():
                yield tally
            tally.over = True
            for thread in writing:
                with outcome.noticing():
                    thread.result(2 * PATIENCE)
            with outcome.noticing():
                end(daemon)
        finally:
            daemon.kill()
        for thread in watching:
            with outcome.noticing():
                thread.result(2 * PATIENCE)


def settle(cast: Cast, folder: Path, outcome: Outcome, database: str | None = None) -> None:
    """Have all who watch catch up and leaf through all there is, with a new daemon; compare everything.

    ``database`` is the URL of the database if it is not in ``folder``.
    """
    with started(folder, *(() if database is None else (f"--database={database}",))) as daemon:
        log = read_log(database or folder)
        for watcher in cast.watchers:
            with outcome.noticing(), daemon.connect("json") as client:
                watcher.send_missed_entries(client)
                for where in ("lobby", *watcher.groups):
                    asked = {"action": "history"} if where == "lobby" else {"action": "msgs", "group": where}
                    shown = read_pages(client, where, **asked, limit=500)
                    stored = [entry for entry in log if entry.kind == "message" and entry.where == where]
                    assert shown == stored, f"the pages of {where} are not what is stored"
                    asked = {"action": "search", "words": "", "group": where}
                    found = read_pages(client, where, **asked, limit=500)
                    assert found == stored, f"a search in {where} does not find what is stored"
    outcome.wrong.update(faults_of_log(log, cast.writers))
    for watcher in cast.watchers:
        outcome.wrong.update(faults_of_watcher(log, watcher, cast.last))
    said = {entry[2:] for entry in log}
    outcome.wrong[UNSTORED] += sum(heard not in said for heard in cast.listener.heard)
    outcome.counts("deliveries compared, JSON", sum(len(watcher.heard) for watcher in cast.watchers))
    outcome.counts("deliveries compared, text", len(cast.listener.heard))


def killed_unacked(folder: Path, times: int) -> Outcome:
    """Kill the daemon when it has stored messages and not yet acked them, so many times.

    That is as soon as one is seen in the database; most kills come before its ack then. Its author sends
    them again to the next daemon, under the same refs, and each gets the place that it has.
    """
    outcome = Outcome(LOST, TWICE, DISORDER)
    cast = Cast()
    writer = cast.json_writers[0]
    with started(folder) as daemon:
        cast.assemble(daemon, folder)
    last = cast.last
    kills = hits = unheard = 0
    while True:
        with (
            started(folder) as daemon,
            daemon.connect("json") as client,
            reading(folder) as database,
        ):
            stored = {entry[2:]: entry for entry in read_log(folder, after=last)}
            writer.unacked = deque((said, stored.get(entry[2:], entry)) for said, entry in writer.unacked)
            found = sum(entry.id > 0 for _, entry in writer.unacked)
            hits += found > 0
            unheard += found
            with outcome.noticing():
                writer.enter(client)
                writer.hear_acks(client, Tally())
                assert not writer.refused, "refused, though there was room"
                assert kills < 4 * times + 10, "too few kills came before an ack"
            if hits == times or outcome.faults:
                break
            last = newest(database)
            # The first thread alone, which is the reactor's and would ack: the window is wider so.
            os.setpriority(os.PRIO_PROCESS, daemon.process.pid, LAZY)
            writer.say(client, IN_FLIGHT)
            deadline = time.monotonic() + PATIENCE
            while newest(database) == last and time.monotonic() < deadline:
                pass
            daemon.kill()
            kills += 1
            # What was sent before the end can still be read.
            with contextlib.suppress(EOFError, ConnectionError):
                writer.hear_acks(client, Tally())
    log = read_log(folder)
    outcome.wrong.update(faults_of_log(log, [writer]))
    outcome.counts("kill -9 when a message was seen in the database", kills)
    outcome.counts("of these, before its ack was sent", hits)
    outcome.counts("messages stored whose ack was never sent", unheard)
    outcome.counts("resent under the same ref, acked or not", writer.resent)
    outcome.counts("messages acked in the end, in their place once", len(writer.acked))
    return outcome


def newest(database: sqlite3.Connection) -> int:
    """The last id in the database."""
    return int(database.execute("SELECT max(id) FROM log").fetchone()[0])


class Disk(Protocol):
    """What a daemon's files are on: it fills up, and room is made."""

    name: str

    def fill(self, daemon: Daemon) -> None:
        """Leave `ROOM` at most."""

    def make_room(self, daemon: Daemon) -> None:
        """Undo it."""


class FileSizes:
    """A disk on which the files of one process in ``folder`` may not grow: anybody may set this up."""

    name = "RLIMIT_FSIZE"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self, daemon: Daemon) -> None:
        self._limit(daemon, (self._folder / "chat.db").stat().st_size + ROOM)

    def make_room(self, daemon: Daemon) -> None:
        self._limit(daemon, resource.RLIM_INFINITY)

    def _limit(self, daemon: Daemon, size: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def full_disk(folder: Path, times: int, disk: Disk) -> Outcome:
    """Fill ``disk`` under the traffic on both wires, and make room, so many times, for the same daemon."""
    outcome = Outcome(LOST, TWICE, DISORDER, REFUSED, UNSTORED, GAPS, AGAIN)
    cast = Cast()
    with started(folder) as daemon:
        cast.assemble(daemon, folder)
    with started(folder) as daemon, busy(cast, daemon, outcome) as tally:
        for _ in range(times):
            tally.more(acks=SPELL)
            disk.fill(daemon)
            tally.more(refusals=SPELL)
            disk.make_room(daemon)
        tally.more(acks=SPELL)
    stored = {entry[2:] for entry in read_log(folder)}
    refused = {entry[2:] for writer in cast.writers for _, entry in writer.refused}
    heard = [*cast.listener.heard, *(entry[2:] for watcher in cast.watchers for entry in watcher.heard)]
    outcome.wrong[REFUSED] += len(refused & stored)
    outcome.wrong[UNSTORED] += sum(said in refused for said in heard)
    outcome.counts(f"times that the disk was full ({disk.name})", times)
    outcome.counts("messages refused with storage_failed", len(refused))
    outcome.counts("messages acked by the same process", sum(len(writer.acked) for writer in cast.writers))
    with started(folder) as daemon:
        for writer in cast.json_writers:
            writer.retry()
            with outcome.noticing(), daemon.connect("json") as client:
                writer.enter(client)
                writer.hear_acks(client, Tally())
                assert not writer.refused, "refused again, though there was room"
    settle(cast, folder, outcome)
    return outcome


class PacedWatcher(Watcher):
    """A watcher as in the course: it gets one object at a time, 40 ms apart. ``tally`` counts them."""

    def __init__(self, nick: str) -> None:
        super().__init__(nick)
        self.tally = Tally()
        self._client: Client

    def arrive(self, client: Client) -> None:
        """Say hello for the first time: without a newline, which is what tells the course's clients."""
        client.says(json.dumps({"action": "client-hello", "from": self.nick}).encode())
        client.hears_until(b"}")
        self._client = client

    def watch(self, daemon: Daemon) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                # Neither what it is told here nor the strings in that hold another brace.
                self.hear(json.loads(self._client.hears_until(b"}")))
                self.tally.add()


def moving_clock(folder: Path, times: int) -> Outcome:
    """Under the traffic on both wires, set the daemon's clock back by a day and forward again.

    After each jump all are acked and told as before, also the one who is written to at a pace, and one
    who was away gets what came meanwhile.
    """
    outcome = Outcome(LOST, TWICE, DISORDER, UNSTORED, GAPS, AGAIN)
    cast = Cast()
    with started(folder) as daemon:
        cast.assemble(daemon, folder)
    paced, visitor = PacedWatcher("pat"), Watcher("dora")
    paced.last = visitor.last = cast.last
    with started(folder, script=MOVING_CLOCK) as daemon, daemon.connect("json") as slow:
        paced.arrive(slow)
        cast.watchers.append(paced)
        with busy(cast, daemon, outcome) as tally:
            for jump in (signal.SIGUSR1, signal.SIGUSR2) * times:
                tally.more(acks=SPELL)
                daemon.signal(jump)
                tally.more(acks=SPELL)
                paced.tally.more(acks=PACED)
                with daemon.connect("json") as client:
                    visitor.send_missed_entries(client)
    cast.watchers.append(visitor)
    outcome.counts("times that the clock was set back, and forward", times)
    outcome.counts("of these, seen in what was stored", standstills(folder))
    outcome.counts("messages acked", tally.acks)
    outcome.counts("longest wait between two acks, ms", tally.pause * 1000)
    outcome.counts("deliveries to a paced client", len(paced.heard))
    with outcome.noticing():
        assert standstills(folder) == times, "the clock did not jump"
        assert stored_times(folder) == sorted(stored_times(folder)), "a time went back"
    settle(cast, folder, outcome)
    return outcome


def standstills(folder: Path) -> int:
    """How often the time of the log stood still because the clock was set back."""
    runs = itertools.groupby(stored_times(folder))
    return sum(len([*run]) >= STANDSTILL for _, run in runs)


def stored_times(folder: Path) -> list[int]:
    """The times of all entries, in the order of the log."""
    with reading(folder) as database:
        return [at for (at,) in database.execute("SELECT at FROM log ORDER BY id")]
