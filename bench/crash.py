"""The crash oracle: ``kill -9`` under load, a full disk, a new certificate, crowds; and then a comparison.

The daemon is a real one, durability full. Every client keeps a ledger of what it was told, and that is
compared with what is stored:

- whatever was acked is in its place in the database, and nothing is there twice;
- each conversation's seqs are 1, 2, 3 …, in the order of the ids;
- whatever was delivered, on either wire, is stored as it was delivered;
- a watcher got everything that it may read, once and in order, over all its connections.

First it is killed at random moments, hundreds of times, and started again on the same files. Then come the
scenarios of tests/support/crash_scenarios.py and of this folder. Run as ``make crash``; ``--only`` names what
to run, ``--database postgresql`` plays the scenarios of tests/support/postgresql_scenarios.py instead.
The exit code is 1, and the files are kept, when anything is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from bench.greedy import greedy_readers
from bench.guessing import guessers
from bench.renewal import renewal
from bench.scenarios import idle_crowd, slow_reader, small_disk
from bench.siege import siege
from tests.support.changed_messages import killed_editing
from tests.support.crash_scenarios import (
    OTHERWISE,
    Outcome,
    end,
    full_disk,
    killed_unacked,
    moving_clock,
    started,
)
from tests.support.daemon_process import PATIENCE, Client
from tests.support.ledger import (
    AGAIN,
    DISORDER,
    GAPS,
    LOST,
    TWICE,
    UNSTORED,
    WINDOW,
    Cast,
    Entry,
    Said,
    Tally,
    Watcher,
    conversation_of,
    read_log,
    read_pages,
)

LONGEST = 0.2
"""Seconds that the daemon lives at most, once it serves."""

STARTING = 0.1
"""How often a daemon is killed while it starts."""

AWAY = 0.5
"""How often a watcher is away, so that it has more to come back for."""

PAGE = 500

ENOUGH = 50
"""Cycles after which everything that is compared must have happened."""


class Oracle:
    """Kills the daemon of ``folder``; knows what its database must hold, from what all its clients heard."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.outcome = Outcome(LOST, TWICE, DISORDER, UNSTORED, GAPS, AGAIN)
        self.cast = Cast()
        # What is stored, readable and not heard yet, by watcher.
        self._due: dict[Watcher, deque[Entry]] = {watcher: deque() for watcher in self.cast.watchers}
        self._last = 0
        self._stored: dict[int, Entry] = {}
        self._said: set[Said] = set()
        self._seqs: Counter[str] = Counter()
        self._unheard: set[Said] = set()
        self._lost: set[Entry] = set()
        self._checked: Counter[str] = Counter()
        self._cycles = self._killed_starting = self._live = self._replayed = self._typed = 0

    def run(self, cycles: int) -> Outcome:
        """Kill and compare; no more once something is wrong."""
        with started(self.folder) as daemon:
            self.cast.assemble(daemon, self.folder)
            self._read()
        for due in self._due.values():
            due.clear()
        # As many threads as there are clients: what waited for one would only begin after the kill.
        with ThreadPoolExecutor(len(self.cast)) as threads:
            while self._cycles < cycles and not self.outcome.faults:
                if self.chance.random() < STARTING:
                    self._kill_starting()
                self._cycle(threads)
        self._finish()
        return self.outcome

    def _kill_starting(self) -> None:
        """Kill a daemon before it serves, or as it begins to."""
        daemon = started(self.folder)
        time.sleep(self.chance.uniform(0, 2 * LONGEST))
        daemon.kill()
        self._killed_starting += 1

    def _cycle(self, threads: ThreadPoolExecutor) -> None:
        """Compare what the last cycle left, and have another."""
        cast = self.cast
        with started(self.folder) as daemon:
            self._compare()
            tally = Tally()
            busy = [threads.submit(writer.write, daemon, tally) for writer in cast.writers]
            busy += [
                threads.submit(watcher.watch, daemon)
                for watcher in cast.watchers
                if self.chance.random() >= AWAY
            ]
            busy.append(threads.submit(cast.listener.listen, daemon))
            time.sleep(self.chance.uniform(0, LONGEST))
            daemon.kill()
            for thread in busy:
                with self.outcome.noticing():
                    thread.result(PATIENCE)
        self._cycles += 1

    def _finish(self) -> None:
        """Let everybody send and hear what is left, and compare everything, also through the daemon."""
        outcome, cast = self.outcome, self.cast
        with started(self.folder) as daemon:
            self._compare()
            for writer in cast.json_writers:
                with outcome.noticing(), daemon.connect(writer.wire) as client:
                    writer.enter(client)
                    writer.hear_acks(client, Tally())
            self._compare()
            for watcher in cast.watchers:
                with outcome.noticing(), daemon.connect("json") as client:
                    watcher.send_missed_entries(client)
                    self._compare_pages(watcher, client)
            self._compare()
            outcome.wrong[GAPS] += sum(len(due) for due in self._due.values())
            with outcome.noticing():
                end(daemon)
        acked = sum(len(writer.acked) for writer in cast.writers)
        stored_once = self._compare_whole()
        compared = {
            "kill -9 under load, and restart": self._cycles,
            "kill -9 while starting": self._killed_starting,
            "messages acked": acked,
            "found stored once, in their place": stored_once,
            "resent under the same ref, acked or not": sum(writer.resent for writer in cast.writers),
            "stored, but killed before the ack was heard": len(self._unheard),
            "deliveries compared, JSON, live": self._live,
            "deliveries compared, JSON, resumed": self._replayed,
            "deliveries compared, text": self._typed,
        }
        for what, number in compared.items():
            outcome.counts(what, number)
        with outcome.noticing():
            assert stored_once == acked, "not all that was acked is stored once"
            assert all(compared.values()) or self._cycles < ENOUGH, "there was nothing to compare"

    def _read(self) -> None:
        """Take in what is new in the database."""
        for entry in read_log(self.folder, after=self._last):
            conversation = conversation_of(entry)
            self.outcome.wrong[DISORDER] += entry.seq != self._seqs[conversation] + 1
            self._seqs[conversation] = entry.seq
            self.outcome.wrong[TWICE] += entry[2:] in self._said
            self._said.add(entry[2:])
            self._stored[entry.id] = entry
            self._last = entry.id
            for watcher in self.cast.watchers:
                if watcher.may_read(entry):
                    self._due[watcher].append(entry)

    def _compare(self) -> None:
        """Compare what was heard since the last time with the database; the daemon is up, all are gone."""
        known = self._last
        self._read()
        for writer in self.cast.writers:
            # Those that were taken out of the ledger, to be sent once more, are in it again.
            acked = writer.acked[max(0, self._checked[writer.nick] - WINDOW) :]
            self._lost.update(entry for entry in acked if self._stored.get(entry.id) != entry)
            self.outcome.wrong[DISORDER] += sum(one.id >= two.id for one, two in itertools.pairwise(acked))
            self._checked[writer.nick] = max(self._checked[writer.nick], len(writer.acked))
            again = self._checked[writer.nick] - len(writer.acked)
            unacked = itertools.islice(writer.unacked, again, None)
            self._unheard |= self._said.intersection(entry[2:] for _, entry in unacked)
            self.outcome.wrong[OTHERWISE] += len(writer.refused)
        self.outcome.wrong[LOST] = len(self._lost)
        for watcher in self.cast.watchers:
            replayed = sum(entry.id <= known for entry in watcher.heard)
            self._replayed += replayed
            self._live += len(watcher.heard) - replayed
            self._compare_heard(watcher)
        self.outcome.wrong[UNSTORED] += sum(said not in self._said for said in self.cast.listener.heard)
        self._typed += len(self.cast.listener.heard)
        self.cast.listener.heard.clear()

    def _compare_heard(self, watcher: Watcher) -> None:
        """Strike what ``watcher`` heard from what was due to it, in order."""
        due = self._due[watcher]
        for entry in watcher.heard:
            if self._stored.get(entry.id) != entry:
                self.outcome.wrong[UNSTORED] += 1
            elif not due or entry.id < due[0].id:
                self.outcome.wrong[AGAIN] += 1
            else:
                while due.popleft() != entry:
                    self.outcome.wrong[GAPS] += 1
        watcher.heard.clear()

    def _compare_pages(self, watcher: Watcher, client: Client) -> None:
        """Page by page, the daemon shows ``watcher`` what is stored."""
        asked: dict[str, dict[str, str]] = {"lobby": {"action": "history"}}
        for group in watcher.groups:
            asked[group] = {"action": "msgs", "group": group}
        if watcher.nick == "carol":
            for writer in self.cast.writers:
                asked[f"direct {writer.nick}"] = {"action": "history", "dest": writer.nick}
        for conversation, request in asked.items():
            where, _, nick = conversation.partition(" ")
            shown = read_pages(client, where, "carol" if nick else None, **request, limit=PAGE)
            stored = [
                entry
                for entry in self._stored.values()
                if entry.kind == "message" and conversation_of(entry) == conversation
            ]
            self._lost.update(set(stored) - set(shown))
            self.outcome.wrong[UNSTORED] += len(set(shown) - set(stored))
            self.outcome.wrong[DISORDER] += set(shown) == set(stored) and shown != stored

    def _compare_whole(self) -> int:
        """The database is intact, and what was in it at any time still is; how many acks stand there once."""
        with contextlib.closing(sqlite3.connect(self.folder / "chat.db")) as database:
            intact = database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with self.outcome.noticing():
            assert intact, "the database is damaged"
        log = read_log(self.folder)
        self._lost |= set(self._stored.values()) - set(log)
        self.outcome.wrong[LOST] = len(self._lost)
        there = set(log)
        times = Counter(entry[2:] for entry in log)
        return sum(
            entry in there and times[entry[2:]] == 1 for writer in self.cast.writers for entry in writer.acked
        )


ORDEALS: Final[dict[str, tuple[str, Callable[[Path, argparse.Namespace], Outcome]]]] = {
    "kill": (
        "killed at random moments",
        lambda folder, options: Oracle(folder, random.Random(options.seed)).run(options.cycles),
    ),
    "ack": ("killed between the commit and the ack", lambda folder, _: killed_unacked(folder, 100)),
    "edit": (
        "killed while messages are changed",
        lambda folder, options: killed_editing(folder, options.cycles, random.Random(options.seed)),
    ),
    "disk": ("a full disk", lambda folder, _: on_a_small_disk(folder)),
    "clock": ("the clock set back by a day", lambda folder, _: moving_clock(folder, 10)),
    "certificate": ("20 new certificates under load", lambda folder, _: renewal(folder)),
    "slow": ("a slow reader among 500", lambda folder, _: slow_reader(folder)),
    "idle": ("10,000 idle clients and one busy room", lambda folder, _: idle_crowd(folder)),
    "greedy": ("40 greedy readers", lambda folder, _: greedy_readers(folder)),
    "siege": ("clients that flood or hold connections", lambda folder, _: siege(folder)),
    "guess": ("10 addresses guess passwords", lambda folder, _: guessers(folder)),
}
"""What can be run: its name, what it is, and how."""

BLOWS: Final = ("cut", "kill", "restart", "cut")
"""What the PostgreSQL server suffers, in turn."""


def on_postgresql(folder: Path, options: argparse.Namespace, name: str) -> Outcome:
    """Play a scenario with a server that waits for the disk."""
    # Imported here: only this one needs psycopg.
    from tests.support.postgresql_scenarios import broken_server, killed_daemon, stopped_daemon
    from tests.support.postgresql_server import PostgresqlServer

    server = PostgresqlServer(safe=True)
    chance = random.Random(options.seed)
    try:
        if name == "server":
            return broken_server(folder, server, (BLOWS * options.cycles)[: options.cycles], chance)
        if name == "kill":
            return killed_daemon(folder, server, options.cycles, chance)
        return stopped_daemon(folder, server, max(1, options.cycles // 10))
    finally:
        server.close()


POSTGRESQL_ORDEALS: Final[dict[str, tuple[str, Callable[[Path, argparse.Namespace], Outcome]]]] = {
    name: (what, partial(on_postgresql, name=name))
    for name, what in {
        "server": "PostgreSQL killed, restarted, and its connections cut, under load",
        "kill": "chatd killed under load",
        "stop": "chatd stopped for longer than its lease, while another one writes",
    }.items()
}
"""What can be run with ``--database postgresql``."""


def on_a_small_disk(folder: Path) -> Outcome:
    """`full_disk`, on a disk of its own if there can be one; what was on it is kept if anything is wrong."""
    place = folder / "disk"
    place.mkdir()
    with small_disk(place) as disk:
        outcome = full_disk(place, 5, disk)
        if outcome.faults:
            shutil.copytree(place, folder / "kept")
    return outcome


def rows(what: str, outcome: Outcome, seconds: float) -> list[str]:
    """A scenario's rows of the table, what must be 0 in bold."""
    cells = [(f"*{what}*", ""), *outcome.counted.items()]
    cells += [(f"**{way}**", f"**{times:,}**") for way, times in outcome.wrong.items()]
    cells.append(("seconds", f"{seconds:,.0f}"))
    return [f"| {name:<52} | {figure:>16} |" for name, figure in cells]


def main() -> int:
    """Run what the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=500, help="how often to kill the daemon under load")
    parser.add_argument("--seed", type=int, default=1, help="decides the moments of those")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    names = sorted({*ORDEALS, *POSTGRESQL_ORDEALS})
    parser.add_argument("--only", action="append", choices=names, help="may be given several times")
    options = parser.parse_args()
    ordeals = POSTGRESQL_ORDEALS if options.database == "postgresql" else ORDEALS
    unknown = [name for name in options.only or () if name not in ordeals]
    if unknown:
        parser.error(f"with --database {options.database} there is no {unknown[0]}")
    # 10,000 clients have a socket each, here and in the daemon.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    table = [f"| {'seen from outside':<52} | {'':>16} |", f"| {'-' * 52} | {'-' * 15}: |"]
    failed = False
    for name in options.only or ordeals:
        what, run = ordeals[name]
        print(f"{name}: {what}", file=sys.stderr, flush=True)
        folder = Path(tempfile.mkdtemp(prefix="chatd-crash-"))
        began = time.monotonic()
        outcome = run(folder, options)
        table += rows(what, outcome, time.monotonic() - began)
        if outcome.faults:
            failed = True
            print(*outcome.remarks, f"the files are in {folder}", sep="\n", file=sys.stderr)
        else:
            shutil.rmtree(folder)
    print("\n".join(table))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
