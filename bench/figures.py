"""Measure chatd, a process that keeps everything on disk, beside a plain Twisted chat that keeps nothing.

    python -m bench.figures [--only room-100] [--rounds 3] [--json FILE] [--full | --peers]

The databases are in the temporary folder (TMPDIR names another), which has to be on a disk for the
figures to mean anything. Server and load get a core each, if there are two.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import history
from bench import servers as server_processes
from bench.load import Failed
from bench.peers import installed
from bench.search import search
from bench.servers import CORES, SERVERS
from bench.talk import FSYNC, LOAD, OTHERS, SCENARIOS, Figures, log_in, talk

BOTH: Final = ("chatd", "plain")

HIGHER_IS_BETTER: Final = {"deliveries/s", "messages/s", "logins/s"}

PEER_SCENARIOS: Final = (
    "room-100",
    "room-100-w64",
    "room-1000-w64",
    "paced-200",
    "talkers-20",
    "rooms-200x5",
    "rooms-200x5-w8",
    "idle-5000",
)
"""What is measured with the peers unless something else is asked for."""

DIRECT_SCENARIOS: Final = ("room-100", "paced-200")
"""Those in which no socket gets full, so that the loop of ``socket.send`` loses nothing."""

SLOW_TO_LOG_IN: Final = "inspircd"
"""It completes logins once a second only, however many wait: 5,000 would say nothing about its cost."""

RATIO: Final = "p50 / (fsync + plain p50)"
"""What a message on its way to disk costs, in what the disk and the plain chat need; at most 2 is wanted."""

Rounds = dict[str, list[Figures]]
"""The figures of each round, by server."""


class Measure(NamedTuple):
    """Something to measure, by the name of a server, and at which of them; raises `Failed`."""

    at: Callable[[str], Figures]
    servers: tuple[str, ...] = BOTH


MEASURES: Final[dict[str, Measure]] = {
    **{
        scenario.name: Measure(partial(talk, scenario), BOTH if scenario.plain else ("chatd",))
        for scenario in SCENARIOS
    },
    **{f"idle-{count}": Measure(partial(log_in, count)) for count in (5000, 10_000)},
    "history-page": Measure(history.pages, ("chatd",)),
    "replay": Measure(history.replay, ("chatd",)),
    "start-up": Measure(history.start_up),
    **{
        f"search-{name}": Measure(partial(search, count), ("chatd",))
        for name, count in (("100k", 100_000), ("1M", history.MESSAGES))
    },
}

USUAL: Final = (
    "room-100",
    "room-100-w64",
    "room-1000",
    "room-1000-w64",
    "json-1000",
    "web-1000",
    "json-1000-w64",
    "web-1000-w64",
    "irc-100",
    "irc-100-w64",
    "irc-1000",
    "irc-1000-w64",
    "talkers-20",
    "rooms-200x5",
    "rooms-200x5-w8",
    "paced-200",
    "durable-50",
    "stored-1M",
    "stored-1M-w64",
    "beside-5000",
    "idle-5000",
    "history-page",
    "replay",
    "start-up",
    "search-100k",
    "search-1M",
)
"""What is measured unless all is asked for, which takes three times as long."""


def peer_measures() -> dict[str, Measure]:
    """Return what is measured with the peers that are installed, and with the loop of ``socket.send``.

    The servers of a scenario take their turns in each round.
    """
    peers = installed()
    SERVERS.update(peers)
    found = {}
    for name in PEER_SCENARIOS:
        others = [peer for peer in peers if not (name.startswith("idle") and peer == SLOW_TO_LOG_IN)]
        direct = ["direct"] if name in DIRECT_SCENARIOS else []
        found[name] = MEASURES[name]._replace(servers=(*BOTH, *direct, *others))
    return found


def measured(measures: Mapping[str, Measure], rounds: int) -> dict[str, Rounds]:
    """Measure so often each of ``measures``, in turns, so that what disturbs the machine disturbs one round
    of each.

    Raises `SystemExit` when a server failed.
    """
    # Ten thousand clients; the servers inherit it.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[1]})
    results: dict[str, Rounds] = {
        name: {server: [] for server in measure.servers} for name, measure in measures.items()
    }
    for turn in range(rounds):
        for name, servers in results.items():
            for server, figures in servers.items():
                print(f"round {turn + 1}: {name}, {server}", file=sys.stderr, flush=True)
                try:
                    figures.append(measures[name].at(server))
                except (Failed, OSError, EOFError) as error:
                    log = "".join(getattr(error, "__notes__", ())).splitlines()[-5:]
                    raise SystemExit("\n".join((f"{name}, {server}: {error}", *log))) from None
    return results


def report(results: dict[str, Rounds]) -> dict[str, Any]:
    """What goes into a file: the machine, and the medians beside every round."""
    return {
        "machine": {
            "python": platform.python_version(),
            "kernel": platform.release(),
            "cores": len(CORES),
        },
        "medians": {name: medians(rounds) for name, rounds in results.items()},
        "rounds": results,
    }


def medians(rounds: Rounds) -> dict[str, Figures]:
    """The median of each figure, by server."""
    found = {
        server: {figure: statistics.median(one[figure] for one in figures) for figure in figures[0]}
        for server, figures in rounds.items()
    }
    ours, theirs = found["chatd"], found.get("plain")
    if theirs is not None and FSYNC in ours:
        ours[RATIO] = ours["p50 ms"] / (ours[FSYNC] + theirs["p50 ms"])
    return found


def table(results: dict[str, Rounds]) -> str:
    """The medians; beside the plain chat alone, how many times better chatd's is, too."""
    servers = list(dict.fromkeys(server for rounds in results.values() for server in rounds))
    compares = servers == list(BOTH)
    heads = [*servers, "x better"] if compares else servers
    lines = [f"{'scenario':<16} {'figure':<25}" + "".join(f" {head:>12}" for head in heads)]
    for name, rounds in results.items():
        shown = name
        found = medians(rounds)
        for figure, ours in found["chatd"].items():
            values = [found.get(server, {}).get(figure) for server in servers]
            line = f"{shown:<16} {figure:<25}" + "".join(
                " " * 13 if value is None else f" {value:>12,.2f}" for value in values
            )
            theirs = found.get("plain", {}).get(figure)
            if compares and theirs and ours and figure not in (OTHERS, LOAD):
                line += f" {ours / theirs if figure in HIGHER_IS_BETTER else theirs / ours:>12.2f}"
            lines.append(line.rstrip())
            shown = ""
    return "\n".join(lines)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=MEASURES,
        metavar="NAME",
        help=f"one of {', '.join(MEASURES)}; may be given several times",
    )
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql"), default="sqlite", help="what chatd stores messages in"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; medians are shown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round and the medians there")
    parser.add_argument(
        "--peers", action="store_true", help="measure other chat servers beside it, those that are installed"
    )
    parser.add_argument("--full", action="store_true", help="measure everything, the large ones as well")
    options = parser.parse_args()
    server_processes.on_postgresql = options.database == "postgresql"
    if options.peers:
        measures = peer_measures()
        chosen = options.only or PEER_SCENARIOS
    else:
        measures = MEASURES
        chosen = options.only or (MEASURES if options.full else USUAL)
    if missing := [name for name in chosen if name not in measures]:
        parser.error(f"peers are not measured in {', '.join(missing)}")
    results = measured({name: measures[name] for name in chosen}, options.rounds)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(report(results), indent=2) + "\n")


if __name__ == "__main__":
    main()
