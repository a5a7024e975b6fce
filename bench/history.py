"""What a million stored messages cost: a page of them, a replay, a start."""

from __future__ import annotations

import json
import socket
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Final

from bench.databases import BACK, killed, stored
from bench.load import PATIENCE, Failed
from bench.servers import SERVERS, Server, cpu
from bench.talk import Figures
from chatd.chat.replay import MAX_LOGIN_PAGES
from tests.support.daemon_process import Client

MESSAGES: Final = 1_000_000
FEW: Final = 10_000

PAGE: Final = 50

ASKED: Final = 500
"""Pages of each sort."""

GROUP: Final = "g5"
"""A group of 50 with 17,000 messages and 130 events."""

REPLAYS: Final = 5
RETURNS: Final = 20
"""How many people come back, one after the other."""

Object = dict[str, Any]

_LOBBY: Final = {"action": "history"}
_GROUP: Final = {"action": "msgs", "group": GROUP}
_STATES: Final = {"action": "states", "group": GROUP}

PAGES: Final[dict[str, Callable[[int], Object]]] = {
    "lobby, newest": lambda middle: _LOBBY,
    "lobby, middle": lambda middle: {**_LOBBY, "before": middle},
    "lobby, oldest": lambda middle: {**_LOBBY, "after": 0},
    "group, newest": lambda middle: _GROUP,
    "group, middle": lambda middle: {**_GROUP, "before": middle},
    "group, oldest": lambda middle: {**_GROUP, "after": 0},
    "states, newest": lambda middle: _STATES,
    "states, oldest": lambda middle: {**_STATES, "after": 0},
}
"""What is asked for, given an id from the middle of the log."""


def pages(name: str) -> Figures:
    """Measure pages from all over the log, asked for one by one. Raises `Failed`."""
    database = stored(MESSAGES)
    with closing(sqlite3.connect(database)) as log:
        ((newest,),) = log.execute("SELECT max(id) FROM log")
        ((owner,),) = log.execute(
            "SELECT nick FROM conversations AS c"
            " JOIN log ON conversation = c.id JOIN users ON actor = users.id"
            " WHERE name = ? AND log.kind = 'created'",
            (GROUP,),
        )
    chance = Random(1)
    figures: Figures = {}
    with SERVERS[name](database) as server, connected(server) as client:
        log_in(client, owner, since=newest)
        for sort, request in PAGES.items():
            took = []
            used = cpu(server.pid)
            for _ in range(ASKED):
                asked = request(chance.randrange(newest // 4, newest * 3 // 4))
                start = perf_counter()
                answer = client.asks(**asked, limit=PAGE).line()
                took.append(perf_counter() - start)
                _check(asked, json.loads(answer))
            used = cpu(server.pid) - used
            took.sort()
            figures[f"{sort}: p50 ms"] = took[len(took) // 2] * 1e3
            figures[f"{sort}: p99 ms"] = took[len(took) * 99 // 100] * 1e3
            figures[f"{sort}: CPU ms"] = used / ASKED * 1e3
    return figures


def replay(name: str) -> Figures:
    """Measure coming back to `BACK` entries, and to a page of each conversation. Raises `Failed`."""
    database = stored(MESSAGES)
    replayed, returned = [], []
    with closing(sqlite3.connect(database)) as log:
        followed = {user: _following(log, user) for user in range(1, REPLAYS + 1)}
        counts = {user: _conversations(log, user) for user in range(REPLAYS + 1, REPLAYS + RETURNS + 1)}
    with SERVERS[name](database) as server:
        used = cpu(server.pid)
        for user, (since, ids) in followed.items():
            lasted, said = _come_back(server, user, since=since)
            if [entry.get("id") for entry in said] != ids:
                raise Failed(f"a replay of {len(ids)} entries told {len(said)}, or others")
            replayed.append(lasted)
        used = cpu(server.pid) - used
        for user, count in counts.items():
            lasted, said = _come_back(server, user)
            if len(said) != min(count, MAX_LOGIN_PAGES) + (count > MAX_LOGIN_PAGES):
                raise Failed(f"a user of {count} conversations got {len(said)} pages and lists")
            returned.append(lasted)
    return {
        "entries/s": BACK / statistics.median(replayed),
        "CPU us/entry": used / BACK / REPLAYS * 1e6,
        "hello: ms": statistics.median(returned) * 1e3,
        "hello: pages": statistics.median(counts.values()),
    }


def start_up(name: str) -> Figures:
    """Measure how long it is from a server's start to its first word."""
    databases: dict[str, Path | None] = {"empty": None}
    if name == "chatd":
        databases |= {
            "10k stored": stored(FEW),
            "1M stored": stored(MESSAGES),
            "1M, killed": killed(MESSAGES),
        }
    figures = {}
    for state, database in databases.items():
        with SERVERS[name](database) as server:
            figures[f"{state}: ms"] = server.took * 1e3
    return figures


@contextmanager
def connected(server: Server) -> Iterator[Client]:
    """Return a client that has connected to ``server``."""
    connection = socket.create_connection(("127.0.0.1", server.rooms), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with Client(connection) as client:
        yield client


def _check(asked: Object, answer: Object) -> None:
    """Raise `Failed` unless ``answer`` is the page that was asked for."""
    ids = [entry["id"] for entry in answer.get("messages") or answer.get("events") or ()]
    if len(ids) != PAGE or ids != sorted(set(ids)) or ids[-1] >= asked.get("before", ids[-1] + 1):
        raise Failed(f"{asked} was answered with {answer}")


def _come_back(server: Server, user: int, **since: int) -> tuple[float, list[Object]]:
    """Say hello as ``user``; how many seconds it took to catch up, and what was told."""
    with connected(server) as client:
        start = perf_counter()
        lines = log_in(client, f"p{user}", **since)
        return perf_counter() - start, [json.loads(line) for line in lines]


def log_in(client: Client, nick: str, **since: int) -> list[str]:
    """Say hello as ``nick``; the lines that were told until the client had caught up.

    Left out is that the user owns a group no more: whoever has no password loses it by coming back.
    """
    lines = []
    # What is asked meanwhile is answered when all was told.
    client.asks(action="client-hello", from_=nick, **since).asks(action="client-list-clients")
    client.line()
    while '"server-list-clients"' not in (line := client.line()):
        if '"event":"demoted"' not in line:
            lines.append(line)
    return lines


_READABLE: Final = """
    WITH readable (id) AS (
        SELECT 1
        UNION SELECT id FROM conversations WHERE low = :user OR high = :user
        UNION SELECT conversation FROM log
            WHERE kind <> 'message' AND kind IN ('created', 'joined') AND actor = :user
    )
"""


def _following(log: sqlite3.Connection, user: int) -> tuple[int, list[int]]:
    """The id after which `BACK` entries follow that ``user`` may read, and theirs."""
    found = log.execute(
        # The plus keeps SQLite from sorting all that was ever said there.
        f"{_READABLE} SELECT id FROM log WHERE +conversation IN readable ORDER BY id DESC LIMIT :count",
        {"user": user, "count": BACK + 1},
    )
    since, *ids = sorted(id for (id,) in found)
    return since, ids


def _conversations(log: sqlite3.Connection, user: int) -> int:
    """In how many conversations ``user`` takes part."""
    ((count,),) = log.execute(f"{_READABLE} SELECT count(*) FROM readable", {"user": user})
    return int(count)
