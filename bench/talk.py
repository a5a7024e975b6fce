"""What talking costs, and being there: scenarios of rooms, talkers and listeners."""

from __future__ import annotations

from time import perf_counter, process_time
from typing import Final, NamedTuple

from bench.databases import stored
from bench.load import TEXT, Client, Failed, Load, Room, Sample
from bench.servers import SERVERS, Server, busy, commits, cpu, fsync, memory

SECONDS: Final = 2.0
"""How long a scenario is measured."""

SAMPLED: Final = 11
"""One listener in this many reads what it hears; being prime, not the same one of each room."""

Figures = dict[str, float]

OTHERS: Final = "other cores"
"""How many cores neither side used, but somebody did: with more than 0.25 the run was disturbed."""

FSYNC: Final = "fsync ms"

LOAD: Final = "load's CPU us/delivery"
"""What the load itself needs. If it is far above the server's, throughput and latency are the load's own."""


class Scenario(NamedTuple):
    """``rooms`` rooms (0: the lobby), each with so many talkers and listeners.

    In each at most ``window`` messages are on their way to somebody, or ``rate`` are said each second. All
    are on the same ``wire``: with rooms that of the server's rooms, otherwise text unless it is named.
    ``idle`` more are connected who hear none of it, and ``stored`` messages were in the database before.
    """

    name: str
    talkers: int
    listeners: int
    window: int = 1
    rooms: int = 0
    rate: int = 0
    idle: int = 0
    stored: int = 0
    wire: str = "text"

    @property
    def plain(self) -> bool:
        """Whether the plain Twisted chat can do it too."""
        return not self.stored and self.wire == "text"

    @property
    def one_by_one(self) -> bool:
        """Whether the next message is said when everybody has the last one."""
        return self.talkers * max(1, self.rooms) == self.window == 1 and not self.rate


WINDOWS: Final = (1, 64)


def windowed(name: str, window: int) -> str:
    """A scenario's name, with ``window`` messages on their way."""
    return name if window == 1 else f"{name}-w{window}"


BY_SIZE: Final = tuple(
    Scenario(windowed(f"room-{size}", window), 1, size, window)
    for size in (10, 30, 100, 300, 1000, 3000)
    for window in WINDOWS
)
BY_STORED: Final = tuple(
    Scenario(windowed(f"stored-{name}", window), 1, 100, window, stored=messages)
    for name, messages in (("10k", 10_000), ("100k", 100_000), ("1M", 1_000_000))
    for window in WINDOWS
)
BY_IDLE: Final = tuple(
    Scenario(windowed(f"beside-{idle}", window), 1, 100, window, rooms=1, idle=idle)
    for idle in (0, 1000, 5000, 10_000)
    for window in WINDOWS
)
BY_WIRE: Final = tuple(
    Scenario(windowed(f"{wire}-1000", window), 1, 1000, window, wire=wire)
    for window in WINDOWS
    for wire in ("json", "web")
) + tuple(
    Scenario(windowed(f"irc-{size}", window), 1, size, window, wire="irc")
    for window in WINDOWS
    for size in (100, 1000)
)
SCENARIOS: Final = (
    *BY_SIZE,
    *BY_WIRE,
    Scenario("talkers-20", 20, 100, 20),
    Scenario("rooms-200x5", 1, 4, rooms=200),
    Scenario("rooms-200x5-w8", 1, 4, 8, rooms=200),
    Scenario("paced-200", 1, 200, rate=100),
    Scenario("durable-50", 1, 4, 64, rooms=50),
    *BY_STORED,
    *BY_IDLE,
)


def talk(scenario: Scenario, name: str) -> Figures:
    """Measure ``scenario`` at the server of that name. Raises `Failed`."""
    database = stored(scenario.stored) if scenario.stored else None
    with SERVERS[name](database) as server, Load() as load:
        figures = _talk(server, load, scenario)
        if server.database is not None and scenario.one_by_one:
            figures[FSYNC] = fsync(server.database.parent) * 1e3
        return figures


def log_in(count: int, name: str) -> Figures:
    """Measure so many logins, one after the other in a window, and what they then cost. Raises `Failed`."""
    with SERVERS[name](None) as server, Load() as load:
        empty = memory(server.pid)
        words, port = server.lobbies["text"]
        start, used = perf_counter(), cpu(server.pid)
        load.log_in(port, words, count)
        lasted = perf_counter() - start
        load.settle()
        return {
            "logins/s": count / lasted,
            "CPU us/login": (cpu(server.pid) - used) / count * 1e6,
            "KiB/connection": (memory(server.pid) - empty) / count,
        }


def _furnish(server: Server, load: Load, scenario: Scenario) -> list[Room]:
    """Log everybody in, those who talk and listen into the scenario's rooms."""
    words, port = (server.words, server.rooms) if scenario.rooms else server.lobbies[scenario.wire]
    load.log_in(server.text, TEXT, scenario.idle)
    size = scenario.talkers + scenario.listeners
    clients = load.log_in(port, words, size * max(1, scenario.rooms))
    load.settle()
    members = {b"r%d" % first: clients[first : first + size] for first in range(0, len(clients), size)}
    if words.join:
        for name, there in members.items():
            there[0].say(words.create % {b"nick": there[0].nick, b"room": name})
        load.settle()
        for name, there in members.items():
            for client in there[1:]:
                client.say(words.join % {b"nick": client.nick, b"room": name})
        load.settle()
    return [
        Room(name, words, there[: scenario.talkers], there[scenario.talkers :])
        for name, there in members.items()
    ]


def _samples(rooms: list[Room]) -> list[Sample]:
    """Have some listeners read what they hear."""
    everyone: list[tuple[Room, Client]] = [(room, listener) for room in rooms for listener in room.listeners]
    samples = []
    for room, listener in everyone[::SAMPLED]:
        listener.sample = Sample(room, listener.end)
        samples.append(listener.sample)
    return samples


def _talk(server: Server, load: Load, scenario: Scenario) -> Figures:
    rooms = _furnish(server, load, scenario)
    samples = _samples(rooms)
    marks: list[tuple[float, float, int, int, int, float, float]] = []

    def mark() -> None:
        marks.append(
            (
                perf_counter(),
                cpu(server.pid),
                sum(room.heard() for room in rooms),
                sum(room.complete for room in rooms),
                commits(server.database) if server.database else 0,
                busy() - process_time(),
                process_time(),
            )
        )

    load.run(rooms, scenario.window, scenario.rate, SECONDS, mark)
    begin, end = marks
    lasted, used, delivered, complete, committed, others, own = (
        b - a for a, b in zip(begin, end, strict=True)
    )
    late = sorted(
        heard - said for sample in samples for said, heard in sample.late if begin[0] <= said < end[0]
    )
    if not late:
        raise Failed("nothing was delivered in time")
    figures = {
        "deliveries/s": delivered / lasted,
        "CPU us/delivery": used / delivered * 1e6,
        "p50 ms": late[len(late) // 2] * 1e3,
        "p99 ms": late[len(late) * 99 // 100] * 1e3,
        "messages/s": complete / lasted,
        OTHERS: max(0.0, others - used) / lasted,
        LOAD: own / delivered * 1e6,
    }
    if committed:
        figures["messages/commit"] = complete / committed
    return figures
