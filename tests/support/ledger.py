"""Those who write to a daemon and watch it while it suffers, and what they were told; what it holds."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

from chatd.store.postgresql.connections import translate_sql
from tests.support.daemon_process import PATIENCE, Client, Daemon
from tests.support.postgresql_server import rows

WINDOW = 8
"""How many commands a writer sends before it waits for their acks."""

GROUPS = ("wob", "den")

PASSWORDS = dict.fromkeys(("bob", "jack", "tess"), "correct horse battery")
"""Nick -> password of those of the cast who are registered."""

TOKENS = {"jack": "write;*", "bob": "read;lobby,den"}
"""Nick -> scope of the token of those of the cast who have one."""


class Entry(NamedTuple):
    """An entry of the log; a place of 0, 0 is not known yet."""

    id: int
    seq: int
    kind: str
    where: str
    actor: str
    subject: str | None
    body: str


Said = tuple[str, str, str, str | None, str]
"""An entry without its place."""

Work = Iterator[tuple[str, Entry]]
"""What to say, each with the entry that it should become."""

LOST, TWICE, DISORDER, UNSTORED, GAPS, AGAIN = (
    "lost",
    "stored twice",
    "out of order, or a gap",
    "delivered but not stored",
    "missing in what a watcher got",
    "twice in what a watcher got",
)
"""What can be wrong with the messages of a daemon, as it is counted."""

LOG = """
    SELECT log.id, seq, log.kind, CASE c.kind WHEN 'group' THEN c.name ELSE c.kind END, a.nick, s.nick, body
    FROM log JOIN conversations AS c ON c.id = conversation JOIN users AS a ON a.id = actor
    LEFT JOIN users AS s ON s.id = subject WHERE log.id > ? ORDER BY log.id
"""


def typed(nick: str) -> Work:
    """Lines to the groups and to carol, in turn."""
    for number in itertools.count(1):
        body = f"{nick} {number}"
        for group in GROUPS:
            yield f"bg;{group};{body}", Entry(0, 0, "message", group, nick, None, body)
        yield f"s;carol;{body}", Entry(0, 0, "message", "direct", nick, "carol", body)


def sent(nick: str) -> Work:
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


class Tally:
    """Counts the acks and the refusals of a cycle; writers end by themselves once it is ``over``.

    ``pause`` is the longest time between two answers, in seconds.
    """

    def __init__(self) -> None:
        self.acks = 0
        self.refusals = 0
        self.over = False
        self.pause = 0.0
        self._last: float | None = None
        self._news = Condition()

    def add(self, refused: bool = False) -> None:
        """One more."""
        with self._news:
            if refused:
                self.refusals += 1
            else:
                self.acks += 1
            now = time.monotonic()
            if self._last is not None:
                self.pause = max(self.pause, now - self._last)
            self._last = now
            self._news.notify()

    def more(self, acks: int = 0, refusals: int = 0) -> None:
        """Wait for so many more. Raises `TimeoutError` when they don't come."""
        with self._news:
            acks += self.acks
            refusals += self.refusals
            if not self._news.wait_for(lambda: self.acks >= acks and self.refusals >= refusals, PATIENCE):
                raise TimeoutError(f"{self.acks} acks and {self.refusals} refusals are all that came")


class Writer:
    """Somebody who writes as fast as the acks come, and remembers every one of them.

    ``work`` gives what to say. ``acked`` are the entries in their places, ``unacked`` is what was said
    since; ``late`` are the last of the acked; ``refused`` is what could not be stored; ``resent`` is
    how many commands were said again. ``secret`` is the password or the token it logs in with.
    """

    wire: str

    def __init__(self, nick: str, work: Callable[[str], Work]) -> None:
        self.nick = nick
        self.secret = PASSWORDS.get(nick, "")
        self.acked: list[Entry] = []
        self.unacked: deque[tuple[str, Entry]] = deque()
        self.late: deque[tuple[str, Entry]] = deque(maxlen=WINDOW)
        self.refused: list[tuple[str, Entry]] = []
        self.resent = 0
        self._work = work(nick)

    def write(self, daemon: Daemon, tally: Tally) -> None:
        """Write until the daemon is gone, or enough is written."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect(self.wire) as client:
            self.enter(client)
            while True:
                self.hear_acks(client, tally)
                if tally.over:
                    return
                self.say(client, WINDOW)

    def say(self, client: Client, count: int) -> None:
        """Say so much more, all at once."""
        self.unacked.extend(itertools.islice(self._work, count))
        client.says("\n".join(said for said, _ in self.unacked))

    def hear_acks(self, client: Client, tally: Tally) -> None:
        """Hear an ack, or that it can't be stored, for each command that waits for one."""
        while self.unacked:
            place = self.place(client)
            said, entry = self.unacked.popleft()
            if place is None:
                self.refused.append((said, entry))
            else:
                id, seq = place
                assert entry[:2] in ((0, 0), place), f"{entry} has moved to {id}, {seq}"
                self.acked.append(entry._replace(id=id, seq=seq))
                self.late.append((said, self.acked[-1]))
            tally.add(refused=place is None)

    def enter(self, client: Client) -> None:
        """Say hello."""
        raise NotImplementedError

    def place(self, client: Client) -> tuple[int, int] | None:
        """The id and seq in the next ack; None if it is that nothing can be stored."""
        raise NotImplementedError


class TextWriter(Writer):
    """One who types commands; what was not acked when the connection broke is not said again."""

    wire = "text"

    def enter(self, client: Client) -> None:
        if self.secret:
            client.says(f"PWD {self.secret}")
        client.says(f"IAM {self.nick}")
        self.unacked.clear()

    def place(self, client: Client) -> tuple[int, int] | None:
        while not (line := client.line()).startswith("ACK "):
            if line.startswith("ERR storage_failed "):
                return None
            assert not line.startswith("ERR "), line
        id, seq = line.split()[-2:]
        return int(id), int(seq)


class JsonWriter(Writer):
    """A program, which sends again what was not acked, under the same ref.

    It does so as if the last acks had been lost with the connection, so that much of it is there already.
    """

    wire = "json"

    def enter(self, client: Client) -> None:
        log_in(client, from_=self.nick, password=self.secret)
        del self.acked[len(self.acked) - len(self.late) :]
        self.unacked.extendleft(reversed(self.late))
        self.late.clear()
        self.resent += len(self.unacked)
        if self.unacked:
            client.says("\n".join(said for said, _ in self.unacked))

    def retry(self) -> None:
        """Have what was refused said once more, when it enters."""
        self.unacked.extend(self.refused)
        self.refused.clear()

    def place(self, client: Client) -> tuple[int, int] | None:
        while (said := client.object())["action"] != "server-ack":
            if said.get("code") == "storage_failed":
                break
            assert said["action"] != "server-error", said
        assert said["ref"] == json.loads(self.unacked[0][0])["ref"]
        return (said["id"], said["seq"]) if said["action"] == "server-ack" else None


def log_in(client: Client, **hello: Any) -> None:
    """Say hello on the JSON wire, and hear the welcome. Raises `AssertionError` when the login is refused."""
    said = client.asks(action="client-hello", **hello).object()
    assert said["action"] == "server-hello", said


def delivered(said: dict[str, Any]) -> Entry:
    """The entry that a JSON delivery tells of."""
    where = said.get("group") or ("direct" if "to" in said else "lobby")
    return Entry(said["id"], said["seq"], "message", where, said["from"], said.get("to"), said["msg"])


class Watcher:
    """A JSON client that only listens, and resumes after the last id that it heard.

    It is in ``groups``. ``heard`` is all that came; ``last`` the last id of it. ``secret`` is the password
    or the token that it logs in with.
    """

    def __init__(self, nick: str, *groups: str) -> None:
        self.nick = nick
        self.secret = PASSWORDS.get(nick, "")
        self.groups = groups
        self.last = 0
        self.heard: list[Entry] = []

    def may_read(self, entry: Entry) -> bool:
        """Whether it is to get ``entry``."""
        return entry.where in ("lobby", *self.groups) or entry.subject == self.nick

    def watch(self, daemon: Daemon) -> None:
        """Resume, and listen until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect("json") as client:
            self.resume(client)
            self.listen(client)

    def listen(self, client: Client) -> None:
        """Listen until the connection ends, which raises what `Client` does."""
        while True:
            self.hear(client.object())

    def send_missed_entries(self, client: Client) -> None:
        """Resume, and listen until there is no more."""
        self.resume(client)
        client.asks(action="client-list-clients", ref="caught up")
        while (said := client.object()).get("ref") != "caught up":
            self.hear(said)

    def resume(self, client: Client) -> None:
        """Say hello, and hear the welcome."""
        log_in(client, from_=self.nick, password=self.secret, since=self.last)

    def hear(self, said: dict[str, Any]) -> None:
        """Remember what was said, if it is an entry of the log."""
        if "id" in said:
            self.heard.append(delivered(said))
            self.last = max(self.last, said["id"])


class Listener:
    """A text client in all groups, which only listens; ``heard`` is all that came."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.heard: list[Said] = []

    def listen(self, daemon: Daemon) -> None:
        """Listen until the daemon is gone."""
        with contextlib.suppress(EOFError, ConnectionError), daemon.connect("text") as client:
            # Its second line shows that it is not the reference client, for which the daemon would wait.
            client.says(f"IAM {self.nick}").says("groups;")
            while True:
                verb, _, rest = client.line().partition(" ")
                if verb == "GMS":
                    group, nick, body = rest.split(" ", 2)
                    self.heard.append(("message", group, nick, None, body))
                elif verb == "MSG":
                    nick, body = rest.split(" ", 1)
                    self.heard.append(("message", "lobby", nick, None, body))


class Cast:
    """Who takes part: two writers on each wire, watchers, a listener.

    Jack writes with a token. Bob watches both groups, and at the same time one of them with a token that is
    limited to it; carol is in none.
    """

    def __init__(self) -> None:
        self.json_writers = [JsonWriter(nick, sent) for nick in ("jack", "jill")]
        self.text_writers = [TextWriter(nick, typed) for nick in ("tess", "tom")]
        self.writers: list[Writer] = [*self.json_writers, *self.text_writers]
        self.limited = Watcher("bob", "den")
        self.watchers = [Watcher("bob", *GROUPS), self.limited, Watcher("carol")]
        self.listener = Listener("lena")
        self.last = 0

    def __len__(self) -> int:
        """How many there are, who need a thread each."""
        return len(self.writers) + len(self.watchers) + 1

    def assemble(self, daemon: Daemon, place: Path | str) -> None:
        """Have everybody been here, and in the groups; what they are told counts after ``last``."""
        tokens: dict[str, str] = {}
        for nick in ("bob", "carol", self.listener.nick, *(writer.nick for writer in self.writers)):
            with daemon.connect("text") as client:
                client.says(f"IAM {nick}")
                for group in GROUPS if nick != "carol" else ():
                    client.says(f"cg;{group}" if nick == "bob" else f"j;{group}")
                if nick in PASSWORDS:
                    client.says(f"register;{PASSWORDS[nick]}")
                if nick in TOKENS:
                    client.says(f"maketoken;crash;{TOKENS[nick]}").hears_until(b"TOK crash ")
                    tokens[nick] = client.line().split()[-1]
                client.says("BYE").hears_until(f"LFT {nick}\n".encode())
        self.json_writers[0].secret = tokens["jack"]
        self.limited.secret = tokens["bob"]
        self.last = len(read_log(place))
        for watcher in self.watchers:
            watcher.last = self.last


def faults_of_log(log: Sequence[Entry], writers: Iterable[Writer]) -> Counter[str]:
    """What is wrong in a whole ``log``, given what ``writers`` were told."""
    wrong: Counter[str] = Counter()
    seqs: Counter[str] = Counter()
    for number, entry in enumerate(log, 1):
        conversation = conversation_of(entry)
        seqs[conversation] += 1
        wrong[DISORDER] += (entry.id, entry.seq) != (number, seqs[conversation])
    times = Counter(entry[2:] for entry in log)
    wrong[TWICE] += len(log) - len(times)
    stored = set(log)
    for writer in writers:
        wrong[LOST] += sum(entry not in stored for entry in writer.acked)
        wrong[DISORDER] += sum(one.id >= two.id for one, two in itertools.pairwise(writer.acked))
    return wrong


def faults_of_watcher(log: Sequence[Entry], watcher: Watcher, after: int = 0) -> Counter[str]:
    """What is wrong in what ``watcher`` heard, who was due every entry of ``log`` that it may read."""
    wrong: Counter[str] = Counter()
    due = deque(entry for entry in log if entry.id > after and watcher.may_read(entry))
    stored = set(log)
    for entry in watcher.heard:
        if entry not in stored:
            wrong[UNSTORED] += 1
        elif not due or entry.id < due[0].id:
            wrong[AGAIN] += 1
        else:
            while due.popleft() != entry:
                wrong[GAPS] += 1
    wrong[GAPS] += len(due)
    return wrong


def conversation_of(entry: Entry) -> str:
    """The name of an entry's conversation here: all that is direct is said to one person."""
    return f"direct {entry.actor}" if entry.where == "direct" else entry.where


def reading(folder: Path) -> contextlib.closing[sqlite3.Connection]:
    """The database in ``folder``, which is left as it is: to recover it is up to the daemon."""
    address = (folder / "chat.db").as_uri()
    return contextlib.closing(sqlite3.connect(f"{address}?mode=ro", uri=True))


def read_log(place: Path | str, after: int = 0) -> list[Entry]:
    """What the database in the folder ``place``, or the one with the URL ``place``, holds after an id."""
    if isinstance(place, str):
        return [Entry(*row) for row in rows(place, translate_sql(LOG), (after,))]
    with reading(place) as database:
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
