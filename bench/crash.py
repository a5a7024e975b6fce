"""The crash oracle: ``kill -9`` at random moments of the traffic, hundreds of times, and then a comparison.

A real daemon, durability full, is started, killed and started again on the same files. Meanwhile writers
on both wires write to the lobby, to two groups and to one person, and keep a ledger of every ack; those
on the JSON wire send again, under the same ref, what was not acked and the last of what was. Watchers
come back with ``since`` while the others write. After each cycle, and again at the end through the daemon:

- whatever was acked is in its place in the database, and nothing is there twice;
- each conversation's seqs are 1, 2, 3 …, in the order of the ids;
- whatever was delivered, on either wire, is stored as it was delivered;
- a watcher got everything that it may read, once and in order, over all its connections.

Run as ``make crash``. The exit code is 1, and the files are kept, when anything is not so.
"""

import argparse
import contextlib
import itertools
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.daemon_process import PATIENCE, Client, Daemon
from tests.ledger import WINDOW, Entry, JsonWriter, Tally, TextWriter, Writer, read_log, read_pages

LONGEST = 0.2
"""Seconds that the daemon lives at most, once it serves."""

STARTING = 0.1
"""How often a daemon is killed while it starts."""

AWAY = 0.5
"""How often a watcher is away, so that it has more to come back for."""

GROUPS = ("wob", "den")
PAGE = 500

ENOUGH = 50
"""Cycles after which everything that is compared must have happened."""

Said = tuple[str, str, str, str | None, str]
"""An entry without its place."""


def typed(nick: str) -> Iterator[tuple[str, Entry]]:
    """Lines to the groups and to carol, in turn."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        for group in GROUPS:
            yield f"bg;{group};{body}", Entry(0, 0, "message", group, nick, None, body)
        yield f"s;carol;{body}", Entry(0, 0, "message", "direct", nick, "carol", body)


def sent(nick: str) -> Iterator[tuple[str, Entry]]:
    """JSON to the lobby, to the groups and to carol, in turn; each with its own ref."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        asked = {"action": "broadcast", "msg": body, "ref": f"lobby {number}"}
        yield json.dumps(asked), Entry(0, 0, "message", "lobby", nick, None, body)
        for group in GROUPS:
            asked = {"action": "gbroadcast", "group": group, "msg": body, "ref": f"{group} {number}"}
            yield json.dumps(asked), Entry(0, 0, "message", group, nick, None, body)
        asked = {"action": "send", "dest": "carol", "msg": body, "ref": f"carol {number}"}
        yield json.dumps(asked), Entry(0, 0, "message", "direct", nick, "carol", body)


def delivered(said: dict[str, Any]) -> Entry:
    """The entry that a JSON delivery tells of."""
    where = said.get("group") or ("direct" if "to" in said else "lobby")
    return Entry(said["id"], said["seq"], "message", where, said["from"], said.get("to"), said["msg"])


class Watcher:
    """A JSON client that only listens, and resumes after the last id that it heard.

    It is in ``groups``. ``due`` is what is stored, readable and not heard yet;
    ``heard`` what came since the last comparison; ``last`` the last id of all.
    """

    def __init__(self, nick: str, *groups: str) -> None:
        self.nick = nick
        self.groups = groups
        self.last = 0
        self.due: deque[Entry] = deque()
        self.heard: list[Entry] = []

    def may_read(self, entry: Entry) -> bool:
        """Whether it is to get ``entry``."""
        return entry.where in ("lobby", *self.groups) or entry.subject == self.nick

    def watch(self, daemon: Daemon) -> None:
        """Resume, and listen until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect("json") as client:
            self.resume(client)
            while True:
                self.hear(client.object())

    def catch_up(self, client: Client) -> None:
        """Resume, and listen until there is no more."""
        self.resume(client)
        client.asks(action="client-list-clients", ref="caught up")
        while (said := client.object()).get("ref") != "caught up":
            self.hear(said)

    def resume(self, client: Client) -> None:
        """Say hello."""
        client.asks(action="client-hello", from_=self.nick, since=self.last)

    def hear(self, said: dict[str, Any]) -> None:
        """Remember what was said, if it is an entry of the log."""
        if "id" in said:
            self.heard.append(delivered(said))
            self.last = max(self.last, said["id"])


class Listener:
    """A text client in all groups, which only listens; ``heard`` is what came since the last comparison."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.heard: list[Said] = []

    def listen(self, daemon: Daemon) -> None:
        """Listen until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect("text") as client:
            client.says(f"IAM {self.nick}")
            while True:
                verb, _, rest = client.line().partition(" ")
                if verb == "GMS":
                    group, nick, body = rest.split(" ", 2)
                    self.heard.append(("message", group, nick, None, body))
                elif verb == "MSG":
                    nick, body = rest.split(" ", 1)
                    self.heard.append(("message", "lobby", nick, None, body))


@dataclass
class Report:
    """What was done, and how often it was wrong in which way; its text is rows of a Markdown table.

    ``acked`` counts messages, ``stored_once`` those of them that the database has in their place and
    nowhere else. ``unheard`` were stored, but the daemon was killed before their ack was heard; ``live``,
    ``replayed`` (both JSON) and ``typed`` are deliveries.
    """

    cycles: int = 0
    killed_starting: int = 0
    acked: int = 0
    resent: int = 0
    unheard: int = 0
    stored_once: int = 0
    live: int = 0
    replayed: int = 0
    typed: int = 0
    seconds: float = 0.0
    wrong: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        rows: list[tuple[str, str]] = [
            ("kill -9 under load, and restart", f"{self.cycles:,}"),
            ("kill -9 while starting", f"{self.killed_starting:,}"),
            ("messages acked", f"{self.acked:,}"),
            ("found stored once, in their place", f"{self.stored_once:,}"),
            ("resent under the same ref, acked or not", f"{self.resent:,}"),
            ("stored, but killed before the ack was heard", f"{self.unheard:,}"),
            ("deliveries compared, JSON, live", f"{self.live:,}"),
            ("deliveries compared, JSON, resumed", f"{self.replayed:,}"),
            ("deliveries compared, text", f"{self.typed:,}"),
            *((f"**{name}**", f"**{self.wrong[name]:,}**") for name in WRONG),
            ("seconds", f"{self.seconds:,.0f}"),
        ]
        head = [
            "| kill -9, seen from outside                    |       times |",
            f"| {'-' * 45} | {'-' * 10}: |",
        ]
        return "\n".join(head + [f"| {name:<45} | {figure:>11} |" for name, figure in rows])


LOST, TWICE, DISORDER, UNSTORED, GAPS, AGAIN, OTHERWISE = WRONG = (
    "lost",
    "stored twice",
    "out of order, or a gap",
    "delivered but not stored",
    "missing in what a watcher got",
    "twice in what a watcher got",
    "anything else",
)


class Oracle:
    """Knows what the database in ``folder`` must hold, from what all its clients heard."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.chance = chance
        self.report = Report()
        self.json_writers = [JsonWriter(nick, sent) for nick in ("jack", "jill")]
        self.text_writers = [TextWriter(nick, typed) for nick in ("tess", "tom")]
        self.writers: list[Writer] = [*self.json_writers, *self.text_writers]
        self.watchers = [Watcher("bob", *GROUPS), Watcher("carol")]
        self.listener = Listener("lena")
        self._last = 0
        self._stored: dict[int, Entry] = {}
        self._said: set[Said] = set()
        self._seqs: Counter[str] = Counter()
        self._unheard: set[Said] = set()
        self._lost: set[Entry] = set()
        self._checked: Counter[str] = Counter()

    def run(self, cycles: int) -> Report:
        """Kill and compare; no more once something is wrong."""
        began = time.monotonic()
        self._set_the_scene()
        # As many threads as there are clients: what waited for one would only begin after the kill.
        with ThreadPoolExecutor(len(self.writers) + len(self.watchers) + 1) as threads:
            while self.report.cycles < cycles and not self.report.wrong.total():
                if self.chance.random() < STARTING:
                    self._kill_starting()
                self._cycle(threads)
        self._finish()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _daemon(self) -> Daemon:
        return Daemon(self.folder, "--durability=full")

    def _set_the_scene(self) -> None:
        """Everybody has been here, and who writes or reads in a group is in it."""
        with self._daemon() as daemon:
            for nick in ("bob", "carol", self.listener.nick, *(writer.nick for writer in self.writers)):
                with daemon.connect("text") as client:
                    client.says(f"IAM {nick}")
                    for group in GROUPS if nick != "carol" else ():
                        client.says(f"cg;{group}" if nick == "bob" else f"j;{group}")
                    client.says("BYE").hears_until(f"LFT {nick}\n".encode())
        self._read()
        for watcher in self.watchers:
            watcher.last = self._last
            watcher.due.clear()

    def _kill_starting(self) -> None:
        """Kill a daemon before it serves, or as it begins to."""
        daemon = self._daemon()
        time.sleep(self.chance.uniform(0, 2 * LONGEST))
        daemon.kill()
        self.report.killed_starting += 1

    def _cycle(self, threads: ThreadPoolExecutor) -> None:
        """Compare what the last cycle left, and have another."""
        with self._daemon() as daemon:
            self._compare()
            tally = Tally()
            busy = [threads.submit(writer.write, daemon, tally) for writer in self.writers]
            busy += [
                threads.submit(watcher.watch, daemon)
                for watcher in self.watchers
                if self.chance.random() >= AWAY
            ]
            busy.append(threads.submit(self.listener.listen, daemon))
            time.sleep(self.chance.uniform(0, LONGEST))
            daemon.kill()
            for thread in busy:
                with self._noticing():
                    thread.result(PATIENCE)
        self.report.cycles += 1

    def _finish(self) -> None:
        """Let everybody send and hear what is left, and compare everything, also through the daemon."""
        with self._daemon() as daemon:
            self._compare()
            for writer in self.json_writers:
                with self._noticing(), daemon.connect(writer.wire) as client:
                    writer.enter(client)
                    writer.hear_acks(client, Tally())
            self._compare()
            for watcher in self.watchers:
                with daemon.connect("json") as client:
                    watcher.catch_up(client)
                    self._compare_pages(watcher, client)
            self._compare()
            for watcher in self.watchers:
                self.report.wrong[GAPS] += len(watcher.due)
            with self._noticing():
                assert daemon.terminate() == 0, "the daemon ended badly"
        self._compare_whole()
        report = self.report
        report.acked = sum(len(writer.acked) for writer in self.writers)
        report.resent = sum(writer.resent for writer in self.json_writers)
        report.unheard = len(self._unheard)
        compared = (report.acked, report.unheard, report.live, report.replayed, report.typed)
        with self._noticing():
            assert all(compared) or report.cycles < ENOUGH, "there was nothing to compare"

    def _read(self) -> None:
        """Take in what is new in the database."""
        for entry in read_log(self.folder, after=self._last):
            conversation = conversation_of(entry)
            self.report.wrong[DISORDER] += entry.seq != self._seqs[conversation] + 1
            self._seqs[conversation] = entry.seq
            self.report.wrong[TWICE] += entry[2:] in self._said
            self._said.add(entry[2:])
            self._stored[entry.id] = entry
            self._last = entry.id
            for watcher in self.watchers:
                if watcher.may_read(entry):
                    watcher.due.append(entry)

    def _compare(self) -> None:
        """Compare what was heard since the last time with the database; the daemon is up, all are gone."""
        known = self._last
        self._read()
        for writer in self.writers:
            # Those that were taken out of the ledger, to be sent once more, are in it again.
            acked = writer.acked[max(0, self._checked[writer.nick] - WINDOW) :]
            self._lost.update(entry for entry in acked if self._stored.get(entry.id) != entry)
            self.report.wrong[DISORDER] += sum(one.id >= two.id for one, two in itertools.pairwise(acked))
            self._checked[writer.nick] = max(self._checked[writer.nick], len(writer.acked))
            again = self._checked[writer.nick] - len(writer.acked)
            unacked = itertools.islice(writer.unacked, again, None)
            self._unheard |= self._said.intersection(entry[2:] for _, entry in unacked)
        self.report.wrong[LOST] = len(self._lost)
        for watcher in self.watchers:
            replayed = sum(entry.id <= known for entry in watcher.heard)
            self.report.replayed += replayed
            self.report.live += len(watcher.heard) - replayed
            self._compare_heard(watcher)
        self.report.wrong[UNSTORED] += sum(said not in self._said for said in self.listener.heard)
        self.report.typed += len(self.listener.heard)
        self.listener.heard.clear()

    def _compare_heard(self, watcher: Watcher) -> None:
        """Strike what ``watcher`` heard from what was due to it, in order."""
        for entry in watcher.heard:
            if self._stored.get(entry.id) != entry:
                self.report.wrong[UNSTORED] += 1
            elif not watcher.due or entry.id < watcher.due[0].id:
                self.report.wrong[AGAIN] += 1
            else:
                while watcher.due.popleft() != entry:
                    self.report.wrong[GAPS] += 1
        watcher.heard.clear()

    def _compare_pages(self, watcher: Watcher, client: Client) -> None:
        """Page by page, the daemon shows ``watcher`` what is stored."""
        asked: dict[str, dict[str, str]] = {"lobby": {"action": "history"}}
        for group in watcher.groups:
            asked[group] = {"action": "msgs", "group": group}
        if watcher.nick == "carol":
            for writer in self.writers:
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
            self.report.wrong[UNSTORED] += len(set(shown) - set(stored))
            self.report.wrong[DISORDER] += set(shown) == set(stored) and shown != stored

    def _compare_whole(self) -> None:
        """The database is intact, and what was in it at any time still is; count the acks that stand once."""
        with contextlib.closing(sqlite3.connect(self.folder / "chat.db")) as database:
            intact = database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with self._noticing():
            assert intact, "the database is damaged"
        log = read_log(self.folder)
        self._lost |= set(self._stored.values()) - set(log)
        self.report.wrong[LOST] = len(self._lost)
        there = set(log)
        times = Counter(entry[2:] for entry in log)
        self.report.stored_once = sum(
            entry in there and times[entry[2:]] == 1 for writer in self.writers for entry in writer.acked
        )

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        """Count it as wrong when something is found to be."""
        try:
            yield
        except AssertionError as error:
            print(f"wrong: {error}", file=sys.stderr)
            self.report.wrong[OTHERWISE] += 1


def conversation_of(entry: Entry) -> str:
    """The name of an entry's conversation here: all that is direct is said to carol."""
    return f"direct {entry.actor}" if entry.where == "direct" else entry.where


def main() -> int:
    """Run the oracle; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=500, help="how often to kill the daemon under load")
    parser.add_argument("--seed", type=int, default=1, help="decides the moments")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chatd-crash-"))
    report = Oracle(folder, random.Random(options.seed)).run(options.cycles)
    print(report)
    if report.wrong.total() or report.stored_once != report.acked:
        print(f"the files are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
