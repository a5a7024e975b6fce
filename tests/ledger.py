"""Those who write to a daemon while it is killed, and remember every ack; and what its database holds."""

import contextlib
import itertools
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

from tests.daemon_process import PATIENCE, Client, Daemon

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
    LEFT JOIN users AS s ON s.id = subject WHERE log.id > ? ORDER BY log.id
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

    def wait(self, enough: int) -> bool:
        """Wait until there are enough; false when they don't come."""
        with self._news:
            return self._news.wait_for(lambda: self._count >= enough, PATIENCE)


class Writer:
    """Somebody who writes as fast as the acks come, and remembers every one of them.

    ``work`` gives what to say, each with the entry that it should become. ``acked`` are the entries
    in their places, ``unacked`` is what was said since; ``late`` are the last of the acked;
    ``resent`` is how many commands were said again.
    """

    wire: str

    def __init__(self, nick: str, work: Callable[[str], Iterator[tuple[str, Entry]]]) -> None:
        self.nick = nick
        self.acked: list[Entry] = []
        self.unacked: deque[tuple[str, Entry]] = deque()
        self.late: deque[tuple[str, Entry]] = deque(maxlen=WINDOW)
        self.resent = 0
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
        self.resent += len(self.unacked)
        if self.unacked:
            client.says("\n".join(said for said, _ in self.unacked))

    def place(self, client: Client) -> tuple[int, int]:
        while (said := client.object())["action"] != "server-ack":
            assert said["action"] != "server-error", said
        assert said["ref"] == json.loads(self.unacked[0][0])["ref"]
        return said["id"], said["seq"]


def read_log(folder: Path, after: int = 0) -> list[Entry]:
    """What the database in ``folder`` holds after an id."""
    with contextlib.closing(sqlite3.connect(folder / "chat.db")) as database:
        return [Entry(*row) for row in database.execute(LOG, (after,))]


def read_pages(client: Client, where: str, subject: str | None = None, **asked: Any) -> list[Entry]:
    """The messages that the daemon shows when ``asked`` for them page by page."""
    read: list[Entry] = []
    more = True
    while more:
        client.asks(**asked, after=read[-1].id if read else 0, ref=len(read) + 1)
        page = client.object(ref=len(read) + 1)
        more = page.get("more", False)
        read += [
            Entry(item["id"], item["seq"], "message", where, item["from"], subject, item["msg"])
            for item in page["messages"]
        ]
    return read
