"""kill -9 in the middle of the traffic, again and again: what was acknowledged is there, once, in order."""

import contextlib
import itertools
import json
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from tests.daemon_process import PATIENCE, Client, Daemon

CYCLES = 20
ACKS = 80
"""How many acks there are in a cycle before the daemon is killed, with the traffic going on."""

WINDOW = 8
"""How many commands a writer sends before it waits for their acks."""


class Entry(NamedTuple):
    """An entry of the log; a place of 0, 0 is not known yet."""

    id: int
    seq: int
    kind: str
    where: str
    actor: str
    subject: str | None
    body: str


LOG = """
    SELECT log.id, seq, log.kind, CASE c.kind WHEN 'group' THEN c.name ELSE c.kind END, a.nick, s.nick, body
    FROM log JOIN conversations AS c ON c.id = conversation JOIN users AS a ON a.id = actor
    LEFT JOIN users AS s ON s.id = subject ORDER BY log.id
"""


class Tally:
    """Counts the acks of a cycle."""

    def __init__(self) -> None:
        self._count = 0
        self._news = Condition()

    def add(self) -> None:
        """One more."""
        with self._news:
            self._count += 1
            self._news.notify()

    def wait(self) -> bool:
        """Wait until there are enough; false when they don't come."""
        with self._news:
            return self._news.wait_for(lambda: self._count >= ACKS, PATIENCE)


class Writer:
    """Somebody who writes as fast as the acks come, and remembers every one of them.

    ``work`` gives what to say, each with the entry that it should become. ``acked`` are the entries
    in their places, ``unacked`` is what was said since; ``late`` are the last of the acked.
    """

    wire: str

    def __init__(self, nick: str, work: Callable[[str], Iterator[tuple[str, Entry]]]) -> None:
        self.nick = nick
        self.acked: list[Entry] = []
        self.unacked: deque[tuple[str, Entry]] = deque()
        self.late: deque[tuple[str, Entry]] = deque(maxlen=WINDOW)
        self._work = work(nick)

    def write(self, daemon: Daemon, tally: Tally) -> None:
        """Write until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect(self.wire) as client:
            self.enter(client)
            while True:
                self.hear_acks(client, tally)
                self.unacked.extend(itertools.islice(self._work, WINDOW))
                client.says("\n".join(said for said, _ in self.unacked))

    def hear_acks(self, client: Client, tally: Tally) -> None:
        """Hear an ack for each command that waits for one."""
        while self.unacked:
            id, seq = self.place(client)
            said, entry = self.unacked.popleft()
            assert entry.id in (0, id), f"{entry} has moved to {id}"
            self.acked.append(entry._replace(id=id, seq=seq))
            self.late.append((said, self.acked[-1]))
            tally.add()

    def enter(self, client: Client) -> None:
        """Say hello."""
        raise NotImplementedError

    def place(self, client: Client) -> tuple[int, int]:
        """The id and seq in the next ack."""
        raise NotImplementedError


class TextWriter(Writer):
    """One who types commands; what was not acked when the connection broke is not said again."""

    wire = "text"

    def enter(self, client: Client) -> None:
        client.says(f"IAM {self.nick}")
        self.unacked.clear()

    def place(self, client: Client) -> tuple[int, int]:
        while not (line := client.line()).startswith("ACK "):
            assert not line.startswith("ERR "), line
        id, seq = line.split()[-2:]
        return int(id), int(seq)


class JsonWriter(Writer):
    """A program, which sends again what was not acked, under the same ref.

    It does so as if the last acks had been lost with the connection, so that much of it is there already.
    """

    wire = "json"

    def enter(self, client: Client) -> None:
        client.asks(action="client-hello", from_=self.nick).object(action="server-hello")
        del self.acked[len(self.acked) - len(self.late) :]
        self.unacked.extendleft(reversed(self.late))
        self.late.clear()
        if self.unacked:
            client.says("\n".join(said for said, _ in self.unacked))

    def place(self, client: Client) -> tuple[int, int]:
        while (said := client.object())["action"] != "server-ack":
            assert said["action"] != "server-error", said
        assert said["ref"] == json.loads(self.unacked[0][0])["ref"]
        return said["id"], said["seq"]


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
        with contextlib.closing(sqlite3.connect(self.folder / "chat.db")) as database:
            return [Entry(*row) for row in database.execute(LOG)]

    def test_twenty_times(self) -> None:
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

        with ThreadPoolExecutor() as threads:
            for _ in range(CYCLES):
                with Daemon(self.folder) as daemon, daemon.connect("json") as bob:
                    self.check(writers)
                    self.check_resume(watcher, bob)
                    tally = Tally()
                    busy = [threads.submit(writer.write, daemon, tally) for writer in writers]
                    busy.append(threads.submit(watcher.watch, bob))
                    enough = tally.wait()
                    daemon.kill()
                    for thread in busy:
                        thread.result(PATIENCE)
                    self.assertTrue(enough)

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
            read: list[Entry] = []
            more = True
            while more:
                bob.asks(**asked, after=read[-1].id if read else 0, limit=100, ref=len(read) + 1)
                page = bob.object(ref=len(read) + 1)
                more = page.get("more", False)
                read += [
                    Entry(item["id"], item["seq"], "message", where, item["from"], None, item["msg"])
                    for item in page["messages"]
                ]
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
                while (line := eve.line()).startswith("GEV "):
                    pass
                self.assertEqual(line.split()[:2], ["ERR", "banned"])
        self.assertGreater(len(banned), CYCLES)
