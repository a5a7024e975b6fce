"""Measure chatd, a process that keeps everything on disk, beside a plain Twisted chat that keeps nothing.

    python bench/load.py [--only room-100] [--rounds 3] [--json FILE] [--full]

One process talks and listens on all connections. Listeners count line ends; every eleventh also reads the
number in each message, which gives the latency and shows that the order of each talker is kept. Every
line that a client is due is counted: one that is lost or too many ends the run with an error.

The journal is in the temporary folder (TMPDIR names another), which has to be on a disk for
the figures to mean anything. Server and generator get a core each, if there are two.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import select
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, NamedTuple

from tests.daemon_process import Daemon

BASELINE: Final = Path(__file__).with_name("baseline.py")

WARM_UP: Final = 0.5
"""Seconds of load before anything is measured."""

QUIET: Final = 0.5
"""Seconds without a byte after which everybody has heard all that there was."""

PATIENCE: Final = 20.0
"""Seconds after which what is due is lost."""

LOGINS_AT_ONCE: Final = 48
"""How many clients wait for their welcome; a listening socket of Twisted's has a queue of 50."""

SAMPLED: Final = 11
"""One listener in this many reads what it hears; being prime, not the same one of each room."""

NUMBER: Final = re.compile(rb"#(\d{8})")
PADDING: Final = b"." * 55
"""With the number before it, a text of 64 bytes."""

Figures = dict[str, float]

HIGHER_IS_BETTER: Final = {"deliveries/s", "messages/s", "logins/s"}
OTHERS: Final = "other cores"
"""How many cores neither side used, but somebody did: with more than 0.25 the run was disturbed."""


class Failed(Exception):
    """A server lost, doubled or reordered something, or went away."""


class Server(NamedTuple):
    """A server that is running; ``rooms`` is how to talk in rooms there, on the port of the same number."""

    pid: int
    text: int
    rooms: int
    words: Words
    database: Path | None


class Words(NamedTuple):
    """What a client says; each takes a ``nick``, a ``room`` and a ``text``, as far as it names them."""

    hello: bytes
    welcome: int
    """Lines that a newcomer hears before it can talk."""
    create: bytes
    join: bytes
    message: bytes
    acked: bool
    """Whether the talker hears one line for each message."""


TEXT: Final = Words(b"IAM %(nick)b\n", 2, b"", b"", b"MSG %(text)b\n", False)
PLAIN_ROOMS: Final = TEXT._replace(create=b"JOIN %(room)b\n", join=b"JOIN %(room)b\n")
GROUPS: Final = Words(
    b'{"action":"client-hello","from":"%(nick)b"}\n',
    1,
    b'{"action":"cgroupe","sender":"%(nick)b","group":"%(room)b","visibility":"public"}\n',
    b'{"action":"join","sender":"%(nick)b","group":"%(room)b"}\n',
    b'{"action":"gbroadcast","sender":"%(nick)b","group":"%(room)b","msg":"%(text)b"}\n',
    True,
)


class Scenario(NamedTuple):
    """``rooms`` rooms (0: the lobby), each with so many talkers and listeners.

    In each at most ``window`` messages are on their way to somebody, or ``rate`` are said each second.
    """

    name: str
    talkers: int
    listeners: int
    window: int = 1
    rooms: int = 0
    rate: int = 0


SCENARIOS: Final = (
    Scenario("room-100", 1, 100),
    Scenario("room-100-w64", 1, 100, 64),
    Scenario("room-1000", 1, 1000),
    Scenario("room-1000-w64", 1, 1000, 64),
    Scenario("talkers-20", 20, 100, 20),
    Scenario("rooms-200x5", 1, 4, rooms=200),
    Scenario("paced-200", 1, 200, rate=100),
    Scenario("durable-50", 1, 4, 64, rooms=50),
)


class Room:
    """A room: what was said in it, and how far its listeners are."""

    def __init__(
        self, name: bytes, words: Words, talkers: Sequence[Client], listeners: Sequence[Client]
    ) -> None:
        self.talkers = talkers
        self.listeners = listeners
        self.acked = words.acked
        self.said_at: list[float] = []
        self.complete = 0
        self._there = [len(listeners)]
        self._parts = [
            (words.message % {b"nick": talker.nick, b"room": name, b"text": b"\0"}).split(b"\0")
            for talker in talkers
        ]
        for listener in listeners:
            listener.room = self

    def say(self, count: int, at: float) -> None:
        """Say so many messages, the talkers in turn, as of the time ``at``."""
        turns = len(self.talkers)
        first = len(self.said_at)
        said: dict[int, list[bytes]] = {}
        for number in range(first, first + count):
            before, after = self._parts[number % turns]
            said.setdefault(number % turns, []).append(b"%b#%08d%b%b" % (before, number, PADDING, after))
        self.said_at += [at] * count
        self._there += [0] * count
        for turn, lines in said.items():
            self.talkers[turn].say(b"".join(lines))

    def moved(self, old: int, new: int) -> bool:
        """A listener has heard ``new`` messages, not ``old``; whether one more is now heard by all."""
        if new > len(self.said_at):
            raise Failed("a listener heard more than was said")
        there, before = self._there, self.complete
        there[old] -= 1
        there[new] += 1
        while not there[self.complete]:
            self.complete += 1
        return self.complete > before

    def heard(self) -> int:
        """Deliveries so far."""
        return sum(client.lines for client in self.listeners) + (
            0 if self.acked else sum(client.lines for client in self.talkers)
        )

    def check(self) -> str:
        """What is wrong now that all should have been heard; nothing if all was."""
        said, turns = len(self.said_at), len(self.talkers)
        for turn, talker in enumerate(self.talkers):
            own = len(range(turn, said, turns))
            due = said - own + (own if self.acked else 0)
            if talker.lines != due:
                return f"a talker heard {talker.lines} lines, not {due}"
        for listener in self.listeners:
            if listener.lines != said:
                return f"a listener heard {listener.lines} messages, not {said}"
        return ""


class Client:
    """A connection. ``lines`` counts what it heard since the last `Load.settle`."""

    __slots__ = ("_load", "_unsent", "lines", "nick", "room", "sample", "socket")

    def __init__(self, load: Load, nick: bytes, connection: socket.socket) -> None:
        self.nick = nick
        self.socket = connection
        self.lines = 0
        self.room: Room | None = None
        self.sample: Sample | None = None
        self._load = load
        self._unsent = b""

    def say(self, data: bytes) -> None:
        """Send ``data``, what the socket does not take now as soon as it does."""
        if self._unsent:
            self._unsent += data
            return
        self._unsent = data
        self.flush()

    def flush(self) -> None:
        """Send what is unsent."""
        try:
            sent = self.socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        self._unsent = self._unsent[sent:]
        self._load.watch(self, writing=bool(self._unsent))


class Sample:
    """Reads what one listener hears: how late each message is, and that each talker's are in order."""

    def __init__(self, room: Room) -> None:
        self.late: list[tuple[float, float]] = []
        self._room = room
        self._next = list(range(len(room.talkers)))
        self._rest = b""

    def hear(self, data: bytes, now: float) -> None:
        """Take what was read, which may begin and end within a line."""
        lines, end, self._rest = (self._rest + data).rpartition(b"\n")
        turns, said_at = len(self._next), self._room.said_at
        for found in NUMBER.findall(lines + end):
            number = int(found)
            if number != self._next[number % turns]:
                raise Failed(f"a listener heard message {number} instead of {self._next[number % turns]}")
            self._next[number % turns] += turns
            self.late.append((said_at[number], now))


class Load:
    """All the clients of one server."""

    def __init__(self) -> None:
        self.clients: dict[int, Client] = {}
        self._epoll = select.epoll()
        self._buffer = bytearray(256 * 1024)
        self._writing: set[int] = set()
        self._ready: set[Room] = set()

    def close(self) -> None:
        """Hang up."""
        for client in self.clients.values():
            client.socket.close()
        self._epoll.close()

    def watch(self, client: Client, writing: bool) -> None:
        """Have `Client.flush` called when the socket takes more, or not any longer."""
        fd = client.socket.fileno()
        if writing != (fd in self._writing):
            (self._writing.add if writing else self._writing.discard)(fd)
            self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if writing else 0))

    def log_in(self, port: int, words: Words, count: int) -> list[Client]:
        """So many new clients, each with its welcome."""
        come: list[Client] = []
        waiting: list[Client] = []
        while len(come) < count or waiting:
            while len(come) < count and len(waiting) < LOGINS_AT_ONCE:
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setblocking(False)
                client = Client(self, b"u%d" % len(self.clients), connection)
                self.clients[connection.fileno()] = client
                self._epoll.register(connection.fileno(), select.EPOLLIN)
                client.say(words.hello % {b"nick": client.nick})
                come.append(client)
                waiting.append(client)
            if not self._pump(PATIENCE):
                raise Failed("a client waits for its welcome in vain")
            waiting = [client for client in waiting if client.lines < words.welcome]
        return come

    def settle(self) -> None:
        """Hear all that there is to hear, and count from here."""
        while self._pump(QUIET):
            pass
        for client in self.clients.values():
            client.lines = 0

    def run(
        self, rooms: Sequence[Room], scenario: Scenario, seconds: float, mark: Callable[[], None]
    ) -> None:
        """Talk in ``rooms``; ``mark`` is called when the measured ``seconds`` begin and end."""
        start = perf_counter()
        begin, end = start + WARM_UP, start + WARM_UP + seconds
        begun = False
        due = start
        self._ready = set(rooms)
        while (now := perf_counter()) < end:
            if not begun and now >= begin:
                begun = True
                mark()
            if scenario.rate:
                while due <= now:
                    rooms[0].say(1, due)
                    due += 1 / scenario.rate
                self._pump(min(due, end) - now)
                continue
            for room in self._ready:
                free = scenario.window - len(room.said_at) + room.complete
                if free > 0:
                    room.say(free, now)
            self._ready.clear()
            self._pump(min(end if begun else begin, end) - now)
        mark()
        deadline = end + PATIENCE
        while any(room.check() for room in rooms) and perf_counter() < deadline:
            self._pump(0.1)
        while self._pump(QUIET):
            pass
        for room in rooms:
            if wrong := room.check():
                raise Failed(wrong)

    def _pump(self, timeout: float) -> bool:
        """Read and write whatever can be, within ``timeout`` seconds; whether there was anything."""
        events = self._epoll.poll(max(0.0, timeout))
        buffer = self._buffer
        for fd, event in events:
            client = self.clients[fd]
            if event & select.EPOLLOUT:
                client.flush()
            if event == select.EPOLLOUT:
                continue
            size = client.socket.recv_into(buffer)
            if not size:
                raise Failed("the server closed a connection")
            heard = client.lines
            client.lines += buffer.count(b"\n", 0, size)
            room = client.room
            if room is None:
                continue
            if client.sample is not None:
                client.sample.hear(bytes(buffer[:size]), perf_counter())
            if client.lines != heard and room.moved(heard, client.lines):
                self._ready.add(room)
        return bool(events)


@contextmanager
def chatd() -> Iterator[Server]:
    """The daemon, on a new database."""
    with (
        tempfile.TemporaryDirectory(prefix="chatd-bench-") as folder,
        Daemon(Path(folder), "--durability=full") as daemon,
    ):
        database = Path(folder) / "chat.db"
        yield Server(daemon.process.pid, daemon.port("text"), daemon.port("json"), GROUPS, database)


@contextmanager
def plain() -> Iterator[Server]:
    """The baseline."""
    process = subprocess.Popen([sys.executable, str(BASELINE)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Server(process.pid, port, port, PLAIN_ROOMS, None)
        process.stdout.close()
    finally:
        process.kill()
        process.wait()


SERVERS: Final[dict[str, Callable[[], AbstractContextManager[Server]]]] = {"chatd": chatd, "plain": plain}


def cpu(pid: int) -> float:
    """Seconds of CPU that all threads of ``pid`` have used, in steps of 10 ms (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy() -> float:
    """Seconds that the cores have worked, all together (proc(5), stat: idle and iowait are no work)."""
    user, nice, system, _, _, irq, softirq, steal = (
        int(field) for field in Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """KiB of memory that ``pid`` has resident."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def commits(database: Path) -> int:
    """Commits since ``database`` was opened: iChange in SQLite's WAL index (its walformat.html, 2.1)."""
    with Path(f"{database}-shm").open("rb") as index:
        return int.from_bytes(index.read(12)[8:], sys.byteorder)


def pin(server: Server, cores: Sequence[int]) -> None:
    """Give the server a core of its own, if there are two."""
    if len(cores) > 1:
        for thread in Path(f"/proc/{server.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[0]})


def furnish(server: Server, load: Load, scenario: Scenario) -> list[Room]:
    """Log everybody in, into the scenario's rooms."""
    words, port = (server.words, server.rooms) if scenario.rooms else (TEXT, server.text)
    size = scenario.talkers + scenario.listeners
    clients = load.log_in(port, words, size * max(1, scenario.rooms))
    load.settle()
    members = {b"r%d" % first: clients[first : first + size] for first in range(0, len(clients), size)}
    if scenario.rooms:
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


def talk(server: Server, load: Load, scenario: Scenario, seconds: float) -> Figures:
    """Measure a scenario of talking. Raises `Failed`."""
    rooms = furnish(server, load, scenario)
    samples = []
    everyone = [(room, listener) for room in rooms for listener in room.listeners]
    for room, listener in everyone[::SAMPLED]:
        listener.sample = Sample(room)
        samples.append(listener.sample)
    marks: list[tuple[float, float, int, int, int, float]] = []

    def mark() -> None:
        marks.append(
            (
                perf_counter(),
                cpu(server.pid),
                sum(room.heard() for room in rooms),
                sum(room.complete for room in rooms),
                commits(server.database) if server.database else 0,
                busy() - process_time(),
            )
        )

    load.run(rooms, scenario, seconds, mark)
    begin, end = marks
    lasted, used, delivered, complete, committed, others = (b - a for a, b in zip(begin, end, strict=True))
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
    }
    figures[OTHERS] = max(0.0, others - used) / lasted
    if committed:
        figures["messages/commit"] = complete / committed
    return figures


def idle(server: Server, load: Load, count: int) -> Figures:
    """Measure so many logins, one after the other in a window, and what they then cost."""
    empty = memory(server.pid)
    start, used = perf_counter(), cpu(server.pid)
    load.log_in(server.text, TEXT, count)
    lasted = perf_counter() - start
    load.settle()
    return {
        "logins/s": count / lasted,
        "CPU us/login": (cpu(server.pid) - used) / count * 1e6,
        "KiB/connection": (memory(server.pid) - empty) / count,
    }


def measure(name: str, server_name: str, options: argparse.Namespace, cores: Sequence[int]) -> Figures:
    """Run one scenario against a new server. Raises `Failed`."""
    scenario = next((scenario for scenario in SCENARIOS if scenario.name == name), None)
    with SERVERS[server_name]() as server:
        pin(server, cores)
        load = Load()
        try:
            if scenario is None:
                return idle(server, load, int(name.rpartition("-")[2]))
            return talk(server, load, scenario, options.seconds)
        finally:
            load.close()


def table(results: dict[str, dict[str, list[Figures]]]) -> str:
    """The medians, and how many times better chatd's is."""
    lines = [f"{'scenario':<15} {'figure':<16} {'chatd':>12} {'plain':>12} {'x better':>9}"]
    for name, rounds in results.items():
        shown = name
        medians = median(rounds)
        for figure, ours in medians["chatd"].items():
            line = f"{shown:<15} {figure:<16} {ours:>12,.2f}"
            theirs = medians["plain"].get(figure)
            if theirs is not None:
                line += f" {theirs:>12,.2f}"
            if theirs and ours and figure != OTHERS:
                line += f" {ours / theirs if figure in HIGHER_IS_BETTER else theirs / ours:>9.2f}"
            lines.append(line)
            shown = ""
    return "\n".join(lines)


def median(rounds: dict[str, list[Figures]]) -> dict[str, Figures]:
    """The median of each figure, by server."""
    return {
        server: {figure: statistics.median(one[figure] for one in figures) for figure in figures[0]}
        for server, figures in rounds.items()
    }


def main() -> None:
    """Run what the command line asks for."""
    names = [scenario.name for scenario in SCENARIOS] + ["idle-5000", "idle-10000"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=names, help="a scenario; may be given several times"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; medians are shown")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each run is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round and the medians there")
    parser.add_argument("--full", action="store_true", help="10,000 idle clients as well")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[1]})
    chosen = options.only or (names if options.full else names[:-1])
    results: dict[str, dict[str, list[Figures]]] = {
        name: {server: [] for server in SERVERS} for name in chosen
    }
    for turn in range(options.rounds):
        for name in chosen:
            for server in SERVERS:
                print(f"round {turn + 1}: {name}, {server}", file=sys.stderr, flush=True)
                try:
                    results[name][server].append(measure(name, server, options, cores))
                except (Failed, ConnectionError) as error:
                    log = "".join(getattr(error, "__notes__", ())).splitlines()[-5:]
                    raise SystemExit("\n".join((f"{name}, {server}: {error}", *log))) from None
    print(table(results))
    if options.json:
        report = {
            "machine": {
                "python": platform.python_version(),
                "kernel": platform.release(),
                "cores": len(cores),
            },
            "medians": {name: median(rounds) for name, rounds in results.items()},
            "rounds": results,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
