"""kill -9 under load, and other scenarios: what was acknowledged is there, once, in order."""

import contextlib
import itertools
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.changed_messages import killed_editing
from tests.support.crash_scenarios import FileSizes, Outcome, full_disk, killed_unacked, moving_clock
from tests.support.daemon_process import PATIENCE, Client, Daemon
from tests.support.effort import effort
from tests.support.ledger import Entry, JsonWriter, Tally, TextWriter, Writer, read_log, read_pages

CYCLES = effort(20)
ACKS = 80
"""How many acks there are in a cycle before the daemon is killed, with the traffic going on."""


def typed_to_the_group(nick: str) -> Iterator[tuple[str, Entry]]:
    """Messages to the group wob."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        yield f"bg;wob;{body}", Entry(0, 0, "message", "wob", nick, None, body)


def typed_to_carol(nick: str) -> Iterator[tuple[str, Entry]]:
    """Private messages to somebody who is away."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        yield f"s;carol;{body}", Entry(0, 0, "message", "direct", nick, "carol", body)


def typed_by_an_owner(nick: str) -> Iterator[tuple[str, Entry]]:
    """Groups, each with a ban or an invitation."""
    for number in itertools.count(1):
        yield f"cg;open{number}", Entry(0, 0, "created", f"open{number}", nick, None, "public")
        yield (
            f"ban;open{number};eve;no {number}",
            Entry(0, 0, "banned", f"open{number}", nick, "eve", f"no {number}"),
        )
        yield f"cg;den{number};private", Entry(0, 0, "created", f"den{number}", nick, None, "private")
        yield f"invite;den{number};carol", Entry(0, 0, "invited", f"den{number}", nick, "carol", "")


def sent_to_everyone(nick: str) -> Iterator[tuple[str, Entry]]:
    """Messages in the lobby."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        asked = {"action": "broadcast", "msg": body, "ref": f"r{number}"}
        yield json.dumps(asked), Entry(0, 0, "message", "lobby", nick, None, body)


def sent_to_the_group(nick: str) -> Iterator[tuple[str, Entry]]:
    """Messages to the group wob."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        asked = {"action": "gbroadcast", "group": "wob", "msg": body, "ref": f"r{number}"}
        yield json.dumps(asked), Entry(0, 0, "message", "wob", nick, None, body)


class Watcher:
    """Somebody in the lobby and in wob who only listens, and resumes after the last id heard.

    ``heard`` holds the ids of all entries that came, over all its connections.
    """

    def __init__(self) -> None:
        self.heard: list[int] = []

    def resume(self, client: Client) -> list[int]:
        """Come back; the ids of what that brings."""
        client.asks(action="client-hello", from_="bob", since=self.heard[-1])
        client.asks(action="client-list-clients", ref="caught up")
        client.object(action="server-hello")
        came = []
        while (said := client.object()).get("ref") != "caught up":
            if "id" in said:
                came.append(said["id"])
        self.heard += came
        return came

    def watch(self, client: Client) -> None:
        """Listen until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                said = client.object()
                if "id" in said:
                    self.heard.append(said["id"])


class CrashTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def log(self) -> list[Entry]:
        """What the database holds, whole."""
        return read_log(self.folder)

    def test_twenty_times(self) -> None:
        # Olga makes groups without end, and invites carol to half of them.
        (self.folder / "chatd.toml").write_text(
            "[limits]\ngroups_per_user = 1000000\ninvitations = 1000000\n"
        )
        writers: list[Writer] = [
            TextWriter("tess", typed_to_the_group),
            TextWriter("tom", typed_to_carol),
            TextWriter("olga", typed_by_an_owner),
            JsonWriter("jack", sent_to_everyone),
            JsonWriter("jill", sent_to_the_group),
        ]
        watcher = Watcher()
        with Daemon(self.folder) as daemon:
            self.set_the_scene(daemon, watcher)

        with ThreadPoolExecutor(len(writers) + 1) as threads:
            for _ in range(CYCLES):
                with Daemon(self.folder) as daemon, daemon.connect("json") as bob:
                    self.check(writers)
                    self.check_resume(watcher, bob)
                    tally = Tally()
                    busy = [threads.submit(writer.write, daemon, tally) for writer in writers]
                    busy.append(threads.submit(watcher.watch, bob))
                    tally.more(acks=ACKS)
                    daemon.kill()
                    for thread in busy:
                        thread.result(PATIENCE)

        with Daemon(self.folder) as daemon:
            self.check(writers)
            for writer in writers:
                with daemon.connect(writer.wire) as client:
                    writer.enter(client)
                    writer.hear_acks(client, Tally())
            self.check(writers)
            with daemon.connect("json") as bob:
                self.check_resume(watcher, bob)
                self.check_pages(bob)
            self.check_unread(daemon)
            self.check_groups(daemon, [entry for writer in writers for entry in writer.acked])
            self.assertEqual(daemon.terminate(), 0)
        with contextlib.closing(sqlite3.connect(self.folder / "chat.db")) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    def set_the_scene(self, daemon: Daemon, watcher: Watcher) -> None:
        """Everybody has been here; bob, tess and jill are in the group wob."""
        for nick in ("carol", "eve", "tess", "jill", "bob"):
            with daemon.connect("text") as client:
                client.says(f"IAM {nick}")
                if nick == "tess":
                    client.says("cg;wob")
                elif nick in ("jill", "bob"):
                    client.says("j;wob")
                client.says("BYE").hears_until(f"LFT {nick}\n".encode())
        watcher.heard.append(len(self.log()))

    def check(self, writers: list[Writer]) -> None:
        """What was acked is in its place, nothing is there twice, and no place is empty."""
        log = self.log()
        self.assertEqual([entry.id for entry in log], list(range(1, len(log) + 1)))
        seqs: dict[str, list[int]] = {}
        for entry in log:
            seqs.setdefault(entry.where, []).append(entry.seq)
        for where, found in seqs.items():
            self.assertEqual(found, list(range(1, len(found) + 1)), where)
        twice = [said for said, count in Counter(entry[2:] for entry in log).items() if count > 1]
        self.assertEqual(twice, [])
        for writer in writers:
            self.assertEqual([log[entry.id - 1] for entry in writer.acked], writer.acked)
            self.assertEqual(writer.acked, sorted(writer.acked))
            self.assertEqual(writer.refused, [])

    def check_resume(self, watcher: Watcher, bob: Client) -> None:
        """Whoever names the last id it heard gets exactly what follows."""
        last = watcher.heard[-1]
        readable = [entry.id for entry in self.log() if entry.where in ("lobby", "wob")]
        self.assertEqual(watcher.resume(bob), [id for id in readable if id > last])
        self.assertEqual(watcher.heard, [id for id in readable if id >= watcher.heard[0]])

    def check_pages(self, bob: Client) -> None:
        """Page by page, the daemon shows what is in the log."""
        log = self.log()
        for where, asked in (
            ("lobby", {"action": "history"}),
            ("wob", {"action": "msgs", "group": "wob"}),
        ):
            read = read_pages(bob, where, **asked, limit=100)
            self.assertEqual(
                read, [entry for entry in log if entry.where == where and entry.kind == "message"]
            )

    def check_unread(self, daemon: Daemon) -> None:
        """Carol, away all the time, gets each of her messages, and can use each of her invitations."""
        log = self.log()
        invited = [entry.where for entry in log if entry.kind == "invited"]
        with daemon.connect("text") as carol:
            carol.says("IAM carol").says("WHO")
            heard = carol.hears_until(b"END WHO 1\n").decode().splitlines()
            self.assertEqual(
                [line for line in heard if line.startswith("PRV ")],
                [f"PRV {entry.actor} {entry.body}" for entry in log if entry.where == "direct"],
            )
            self.assertEqual(
                [line for line in heard if line.startswith("GEV ")],
                [f"GEV {group} invited olga carol" for group in invited],
            )
            for group in invited:
                carol.says(f"j;{group}")
                self.assertEqual(carol.line().split()[:3], ["ACK", "j", group])

    def check_groups(self, daemon: Daemon, acked: list[Entry]) -> None:
        """Each group is there, and eve is kept out of those that she was banned from."""
        created = {entry.where for entry in acked if entry.kind == "created"}
        banned = [entry.where for entry in acked if entry.kind == "banned"]
        with daemon.connect("text") as olga:
            olga.says("IAM olga").says("groups;")
            lines = olga.hears_until(b"\nEND groups ").decode().splitlines()
            self.assertLessEqual(created, {line.split()[1] for line in lines if line.startswith("GRP ")})
        with daemon.connect("text") as eve:
            eve.says("IAM eve").hears_until(b"BCK eve\n")
            for group in banned:
                eve.says(f"j;{group}")
                # Whoever was there before may be noticed to be gone only now.
                while (line := eve.line()).startswith(("GEV ", "INF ", "LFT ")):
                    pass
                self.assertEqual(line.split()[:2], ["ERR", "banned"])
        self.assertGreater(len(banned), CYCLES)


class ScenarioTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def test_what_was_stored_and_never_acked_is_stored_once_when_it_is_sent_again(self) -> None:
        self.ends_well(killed_unacked(self.folder, 3))

    def test_messages_are_as_the_last_answered_edits_and_reactions_left_them(self) -> None:
        self.ends_well(killed_editing(self.folder, 2, random.Random(1)))

    def test_on_a_full_disk_each_message_is_stored_or_refused_and_the_daemon_goes_on(self) -> None:
        self.ends_well(full_disk(self.folder, 2, FileSizes(self.folder)))

    def test_nobody_waits_when_the_clock_is_set_back_by_a_day(self) -> None:
        self.ends_well(moving_clock(self.folder, 1))

    def ends_well(self, outcome: Outcome) -> None:
        """Nothing was wrong."""
        self.assertEqual(outcome.faults, {}, outcome.remarks)
