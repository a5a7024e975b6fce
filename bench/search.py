"""What a search through the stored messages costs, and what its index costs those who write meanwhile."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

from bench.databases import spoken
from bench.history import connected, log_in
from bench.load import Failed
from bench.servers import SERVERS, Server, cpu
from bench.talk import Figures

ASKED: Final = 100
"""Searches of each sort."""

PAUSE: Final = 0.01
"""Seconds between two messages of the client whose acks are timed."""

GREEDY: Final = 10
"""Clients that search in a loop for what takes longest."""

GREEDY_SECONDS: Final = 5.0

PATIENCE: Final = 300.0
"""Seconds in which everything is to be indexed."""

LONGEST: Final = "b* c* d* m* nothingatall"
"""What takes longest: words that begin so are in most messages, and no message is found."""

USER: Final = "p1"


def search(messages: int, name: str) -> Figures:
    """Measure searches through so many messages, without an index and with it. Raises `Failed`."""
    database = spoken(messages)
    with closing(sqlite3.connect(database)) as log:
        ((body,),) = log.execute("SELECT body FROM log WHERE body LIKE '% needle' LIMIT 1")
    common = body.split()[0]
    sorts = {
        "rare word": "needle",
        "common word": common,
        "prefix": f"{common[:2]}*",
        "no hit": "nothingatall",
        "longest": LONGEST,
    }
    figures: Figures = {}
    with SERVERS[name](database) as server, connected(server) as client, connected(server) as writer:
        log_in(client, USER, since=10**9)
        log_in(writer, "p2", since=10**9)
        took = _searches(client, {"rare word": "needle"}, 3)["rare word"]
        figures["rare word, no index: p50 ms"] = took[len(took) // 2] * 1e3
        assert server.database is not None
        used = cpu(server.pid)
        lasted, acks = _write_until_indexed(writer, server.database)
        figures["indexing: s"] = lasted
        figures["indexing: CPU us/message"] = (cpu(server.pid) - used) / messages * 1e6
        figures |= _percentiles("ack while indexing", acks)
        for sort, took in _searches(client, sorts, ASKED).items():
            figures |= _percentiles(sort, took)
        with _greedy(server):
            figures |= _percentiles(f"ack, {GREEDY} search", _acks(writer, GREEDY_SECONDS))
        figures |= _percentiles("ack, nobody searches", _acks(writer, GREEDY_SECONDS))
    return figures


def _percentiles(name: str, took: list[float]) -> Figures:
    took.sort()
    return {
        f"{name}: p50 ms": took[len(took) // 2] * 1e3,
        f"{name}: p99 ms": took[len(took) * 99 // 100] * 1e3,
    }


def _searches(client: Any, sorts: dict[str, str], count: int) -> dict[str, list[float]]:
    """Return the seconds that each search took, by its sort. Raises `Failed` for a wrong answer."""
    found = {}
    for sort, words in sorts.items():
        took = []
        for _ in range(count):
            start = perf_counter()
            answer = client.asks(action="search", words=words).object(action="server-search")
            while not answer["messages"] and answer.get("more"):  # as a client that goes on
                asked = {"action": "search", "words": words, "before": answer["before"]}
                answer = client.asks(**asked).object(action="server-search")
            took.append(perf_counter() - start)
        if bool(answer["messages"]) != (sort not in ("no hit", "longest")):
            raise Failed(f"a search for {words} found {len(answer['messages'])} messages")
        found[sort] = took
    return found


def _write_until_indexed(writer: Any, database: Path) -> tuple[float, list[float]]:
    """Write to the lobby until the daemon has indexed all it has found at its start. Return the seconds from
    the first message that was indexed to the last, and those that each ack took.
    """
    acks: list[float] = []
    begun = 0.0
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as log:
        ((last,),) = log.execute("SELECT max(id) FROM log")
        end = perf_counter() + PATIENCE
        while perf_counter() < end:
            took = _acks(writer, 0.5)
            ((indexed,),) = log.execute("SELECT coalesce(max(indexed), 0) FROM search_blocks")
            if indexed:
                begun = begun or perf_counter() - 0.5
                acks += took
            if indexed >= last:
                return perf_counter() - begun, acks
    raise Failed("the messages were not indexed in time")


def _acks(writer: Any, seconds: float) -> list[float]:
    """Write to the lobby for so many seconds; return the seconds that each ack took."""
    took = []
    end = perf_counter() + seconds
    while (start := perf_counter()) < end:
        writer.asks(action="client-broadcast", msg="something to be stored").object(action="server-ack")
        took.append(perf_counter() - start)
        sleep(PAUSE)
    return took


@contextmanager
def _greedy(server: Server) -> Iterator[None]:
    """Have clients search in a loop meanwhile, each as fast as it is answered."""
    stopped = threading.Event()

    def search(client: Any) -> None:
        while not stopped.is_set():
            client.asks(action="search", words=LONGEST)
            while json.loads(client.line()).get("action") != "server-search":
                pass

    with ExitStack() as stack:
        threads = []
        for number in range(GREEDY):
            client = stack.enter_context(connected(server))
            log_in(client, f"p{10 + number}", since=10**9)
            threads.append(threading.Thread(target=search, args=(client,)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
