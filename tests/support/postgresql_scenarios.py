"""Ordeals for daemons on PostgreSQL: the server is killed or cuts connections, a daemon is killed or stopped.

As those of `tests.support.crash_scenarios`, each is played in a folder of its own, and ends in an `Outcome`.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.crash_scenarios import REFUSED, SPELL, Outcome, busy, end, settle, started
from tests.support.daemon_process import PATIENCE, Daemon
from tests.support.ledger import (
    AGAIN,
    DISORDER,
    GAPS,
    LOST,
    TWICE,
    UNSTORED,
    Cast,
    Tally,
    read_log,
)
from tests.support.postgresql_server import PostgresqlServer

RETRIED = 500
"""How many of the refused messages a client sends again in the end."""

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chatd'"


def broken_server(
    folder: Path, server: PostgresqlServer, blows: Sequence[str], chance: random.Random
) -> Outcome:
    """Under the traffic on both wires, have the server suffer ``blows``, for the same daemon.

    A blow is ``kill``, ``restart`` or ``cut``. In the end nothing is lost or stored twice, what was refused
    is not stored, and whatever the daemon could not know when a connection broke, it has found out.
    """
    outcome = Outcome(LOST, TWICE, DISORDER, REFUSED, UNSTORED, GAPS, AGAIN)
    url = server.new_database()
    cast = Cast()
    with started(folder, f"--database={url}") as daemon:
        cast.assemble(daemon, url)
    with started(folder, f"--database={url}") as daemon, busy(cast, daemon, outcome) as tally:
        for blow in blows:
            tally.more(acks=SPELL)
            time.sleep(chance.uniform(0, 0.02))
            if blow == "cut":
                server.execute(CUT)
            else:
                server.kill() if blow == "kill" else server.stop(signal.SIGINT)
                server.start()
        tally.more(acks=SPELL)
    log = read_log(url)
    stored = {entry[2:] for entry in log}
    refused = {entry[2:] for writer in cast.writers for _, entry in writer.refused}
    outcome.wrong[REFUSED] += len(refused & stored)
    for blow in ("kill", "restart", "cut"):
        outcome.counts(f"the server: {blow}", blows.count(blow))
    outcome.counts("commits whose outcome was not known", daemon.log.count("asking whether it is stored"))
    outcome.counts("of these, stored", daemon.log.count("the commit is stored"))
    outcome.counts("messages refused with storage_failed", len(refused))
    outcome.counts("messages acked by the same process", sum(len(writer.acked) for writer in cast.writers))
    outcome.counts("longest wait between two answers, ms", tally.pause * 1000)
    with started(folder, f"--database={url}") as daemon:
        for writer in cast.json_writers:
            del writer.refused[RETRIED:]
            writer.retry()
            with outcome.noticing(), daemon.connect("json") as client:
                writer.enter(client)
                writer.hear_acks(client, Tally())
                assert not writer.refused, "refused again, though the server is there"
    settle(cast, folder, outcome, url)
    return outcome


def killed_daemon(folder: Path, server: PostgresqlServer, times: int, chance: random.Random) -> Outcome:
    """Kill the daemon under the traffic, and start it again, so many times."""
    outcome = Outcome(LOST, TWICE, DISORDER, UNSTORED, GAPS, AGAIN)
    url = server.new_database()
    cast = Cast()
    with started(folder, f"--database={url}") as daemon:
        cast.assemble(daemon, url)
    for _ in range(times):
        with started(folder, f"--database={url}") as daemon, _hit(cast, daemon, outcome) as tally:
            tally.more(acks=SPELL)
            time.sleep(chance.uniform(0, 0.02))
            daemon.kill()
    with started(folder, f"--database={url}") as daemon:
        for writer in cast.json_writers:
            with outcome.noticing(), daemon.connect("json") as client:
                writer.enter(client)
                writer.hear_acks(client, Tally())
    outcome.counts("kill -9 of chatd under load", times)
    outcome.counts("messages acked", sum(len(writer.acked) for writer in cast.writers))
    settle(cast, folder, outcome, url)
    return outcome


@contextlib.contextmanager
def _hit(cast: Cast, daemon: Daemon, outcome: Outcome) -> Iterator[Tally]:
    """All write and watch until the block has killed ``daemon``."""
    tally = Tally()
    with ThreadPoolExecutor(len(cast)) as threads:
        running = [threads.submit(writer.write, daemon, tally) for writer in cast.writers]
        running += [threads.submit(watcher.watch, daemon) for watcher in cast.watchers]
        running.append(threads.submit(cast.listener.listen, daemon))
        try:
            with outcome.noticing():
                yield tally
        finally:
            daemon.kill()
        for thread in running:
            with outcome.noticing():
                thread.result(PATIENCE)


def stopped_daemon(folder: Path, server: PostgresqlServer, times: int) -> Outcome:
    """Stop a daemon (SIGSTOP) for longer than its lease, have another one write meanwhile, and let the first
    go on: it stores nothing, and writes again when the other has ended. So many times.
    """
    outcome = Outcome(LOST, TWICE, DISORDER, REFUSED)
    url = server.new_database()
    cast = Cast()
    jack, jill = cast.json_writers
    elsewhere = folder / "second"
    elsewhere.mkdir()
    with started(folder, f"--database={url}") as first:
        cast.assemble(first, url)
        for cycle in range(1, times + 1):
            with outcome.noticing():
                _stop_and_go_on(first, elsewhere, url, cast, cycle)
        with outcome.noticing():
            end(first)
    log = read_log(url)
    refused = {entry[2:] for writer in (jack, jill) for _, entry in writer.refused}
    outcome.wrong[REFUSED] += len(refused & {entry[2:] for entry in log})
    outcome.wrong.update({LOST: sum(entry not in set(log) for entry in (*jack.acked, *jill.acked))})
    outcome.counts("times that a daemon was stopped, and another one wrote", times)
    outcome.counts("messages that the stopped one refused afterwards", len(refused))
    outcome.counts("messages acked", len(jack.acked) + len(jill.acked))
    settle(cast, folder, outcome, url)
    return outcome


def _wait_for(daemon: Daemon, text: str, times: int) -> None:
    """Wait until the log has ``text`` so many times."""
    deadline = time.monotonic() + PATIENCE
    while daemon.log.count(text) < times:
        assert time.monotonic() < deadline, f"{text!r} is not {times} times in the log:\n{daemon.log}"
        time.sleep(0.02)


def _stop_and_go_on(first: Daemon, folder: Path, url: str, cast: Cast, cycle: int) -> None:
    jack, jill = cast.json_writers
    with first.connect("json") as client:
        jack.enter(client)
        jack.hear_acks(client, Tally())
        jack.say(client, 8)
        jack.hear_acks(client, Tally())
        first.signal(signal.SIGSTOP)
        with started(folder, f"--database={url}") as second:
            with second.connect("json") as other:
                jill.enter(other)
                jill.hear_acks(other, Tally())
                jill.say(other, 8)
                jill.hear_acks(other, Tally())
            acked = len(jack.acked)
            jack.late.clear()
            jack.say(client, 8)
            first.signal(signal.SIGCONT)
            jack.hear_acks(client, Tally())
            assert len(jack.acked) == acked, "the daemon that was stopped has acked something"
            _wait_for(first, "by another chatd", cycle)
            client.hears_rest()  # it has to come back, and resume
            end(second)
    _wait_for(first, "the database can be written again", cycle)
    with first.connect("json") as client:
        jack.retry()
        jack.enter(client)
        jack.hear_acks(client, Tally())
        assert not jack.refused, "refused, though nobody else writes"
