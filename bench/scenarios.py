"""The scenarios that need a crowd, or a disk of their own: a slow reader among 500, and 10,000 who say
nothing.

Everything that a member of the crowd hears is read: each message that it is due must come once, in order.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Final, Self

from bench.servers import cpu, memory
from tests.support.crash_scenarios import OTHERWISE, ROOM, Disk, FileSizes, Outcome, end, started
from tests.support.daemon_process import PATIENCE, Client, Daemon
from tests.support.ledger import AGAIN, GAPS, UNSTORED, Watcher, faults_of_watcher, read_log

LISTENERS: Final = 500
"""Who hears a slow reader's room talk, beside it."""

ROOM_SIZE: Final = 100
IDLE: Final = 9_900
"""Who is in the busy room, and who is connected and in no room."""

SPARE: Final = 100
"""Descriptors that we and the daemon need for other things than clients."""

LOGINS_AT_ONCE: Final = 48
"""How many clients wait for their welcome; a listening socket of Twisted's has a queue of 50."""

RATE: Final = 100
"""Messages a second."""

LASTING: Final = 6.0
"""Seconds of talk that are measured; it takes about as long until a slow reader is cut."""

DISK: Final = 64 * 1024 * 1024
"""Bytes of the small disk."""

QUIET: Final = 0.5
"""Seconds without a byte after which everybody has heard all that there was."""

SMALL: Final = 4096
"""Bytes that the slow reader's own kernel keeps for it."""

MARK: Final = b"|"
"""Before a message's number; it is in nothing else that is said here."""

PADDING: Final = b"." * 4000

HELLO: Final = {"text": b"IAM %b\n", "json": b'{"action":"client-hello","from":"%b"}\n'}
WELCOME: Final = {"text": 2, "json": 1}
"""Lines that a newcomer hears first."""

IN_LOBBY: Final = b"MSG |%08d" + PADDING + b"\n"
IN_ROOM: Final = b'{"action":"gbroadcast","group":"busy","msg":"|%08d"}\n'


class Member:
    """One of the crowd. ``heard`` counts bytes, ``lines`` lines; ``due`` is the next message's number."""

    __slots__ = ("due", "heard", "lines", "nick", "rest", "socket")

    def __init__(self, nick: bytes, connection: socket.socket) -> None:
        self.nick = nick
        self.socket = connection
        self.heard = 0
        self.lines = 0
        self.due = 0
        self.rest = b""


class Crowd:
    """Clients who hear numbered messages. ``wrong`` counts what is missing or doubled; ``late`` has how long
    each delivery took, in seconds from when its message should have been said."""

    def __init__(self, wrong: Counter[str]) -> None:
        self.said_at: list[float] = []
        self.late: list[float] = []
        self._wrong = wrong
        self._members: dict[int, Member] = {}
        self._epoll = select.epoll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members.values():
            member.socket.close()
        self._epoll.close()

    def log_in(self, daemon: Daemon, wire: str, count: int) -> list[Member]:
        """So many new members, each with its welcome."""
        come: list[Member] = []
        waiting: list[Member] = []
        port = daemon.port(wire)
        while len(come) < count or waiting:
            while len(come) < count and len(waiting) < LOGINS_AT_ONCE:
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setblocking(False)
                member = Member(b"u%d" % len(self._members), connection)
                member.due = len(self.said_at)
                self._members[connection.fileno()] = member
                self._epoll.register(connection.fileno(), select.EPOLLIN)
                connection.send(HELLO[wire] % member.nick)
                come.append(member)
                waiting.append(member)
            if not self.pump(PATIENCE):
                raise TimeoutError("a client waits for its welcome")
            waiting = [member for member in waiting if member.lines < WELCOME[wire]]
        return come

    def settle(self) -> None:
        """Hear all that there is to hear."""
        while self.pump(QUIET):
            pass

    def talk(self, speaker: Member, form: bytes, enough: Callable[[], bool]) -> None:
        """Have ``speaker`` say `RATE` messages a second, until that is ``enough``."""
        due = perf_counter()
        while not enough():
            while due <= perf_counter():
                speaker.socket.send(form % len(self.said_at))
                self.said_at.append(due)
                due += 1 / RATE
            self.pump(due - perf_counter())

    def hear_out(self, members: list[Member]) -> None:
        """Have ``members`` hear all that was said; count what they don't."""
        said = len(self.said_at)
        deadline = perf_counter() + PATIENCE
        while any(member.due < said for member in members) and perf_counter() < deadline:
            self.pump(0.1)
        self.settle()
        self._wrong[GAPS] += sum(said - member.due for member in members)

    def pump(self, timeout: float) -> bool:
        """Read whatever there is, within ``timeout`` seconds; whether there was anything."""
        events = self._epoll.poll(max(0.0, timeout))
        now = perf_counter()
        for descriptor, _ in events:
            member = self._members[descriptor]
            try:
                data = member.socket.recv(256 * 1024)
            except ConnectionError:
                data = b""
            if data:
                self._hear(member, data, now)
            else:
                self._wrong[OTHERWISE] += 1
                self._epoll.unregister(descriptor)
        return bool(events)

    def _hear(self, member: Member, data: bytes, now: float) -> None:
        member.heard += len(data)
        member.lines += data.count(b"\n")
        whole, end, rest = data.rpartition(b"\n")
        if not end:
            member.rest += data
            return
        whole, member.rest = member.rest + whole, rest
        if MARK not in whole:
            return
        for line in whole.split(b"\n"):
            at = line.find(MARK) + 1
            if at:
                number = int(line[at : at + 8])
                if number < member.due:
                    self._wrong[AGAIN] += 1
                    continue
                self._wrong[GAPS] += number - member.due
                member.due = number + 1
                self.late.append(now - self.said_at[number])

    def median_and_99th(self) -> tuple[float, float]:
        """Of ``late``, in ms; it is emptied."""
        late, self.late = sorted(self.late), []
        return late[len(late) // 2] * 1e3, late[len(late) * 99 // 100] * 1e3


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have gone by, from now."""
    end = perf_counter() + seconds
    return lambda: perf_counter() >= end


def slow_reader(folder: Path) -> Outcome:
    """`LISTENERS` hear one talk in the lobby: in turn by themselves, and beside one who stops to read.

    That one is cut off when too much waits for it, and comes back for what it missed.
    """
    outcome = Outcome(GAPS, AGAIN, UNSTORED)
    without: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    behind: list[str] = []
    with started(folder) as daemon, Crowd(outcome.wrong) as crowd, ThreadPoolExecutor(1) as threads:
        listeners = crowd.log_in(daemon, "text", LISTENERS)
        speaker = crowd.log_in(daemon, "text", 1)[0]
        crowd.talk(speaker, IN_LOBBY, for_seconds(1))
        crowd.hear_out(listeners)
        crowd.late.clear()
        for slow in (Watcher("slow1"), Watcher("slow2")):
            crowd.talk(speaker, IN_LOBBY, for_seconds(LASTING))
            crowd.hear_out(listeners)
            without.append(crowd.median_and_99th())
            first = slow.last = len(crowd.said_at)
            with unread(daemon, slow) as client, outcome.noticing():
                cut = threads.submit(daemon.wait_for, f" {slow.nick}: slow_consumer")
                crowd.talk(speaker, IN_LOBBY, cut.done)
                told = len(crowd.said_at) - first
                crowd.hear_out(listeners)
                beside.append(crowd.median_and_99th())
                cut.result()
                with contextlib.suppress(EOFError, ConnectionError):
                    slow.listen(client)
                behind.append(f"{(told - len(slow.heard)) * len(PADDING) / 1024:,.0f}")
            with outcome.noticing(), daemon.connect("json") as client:
                slow.send_missed_entries(client)
            outcome.wrong.update(faults_of_watcher(read_log(folder), slow, first))
        with outcome.noticing():
            end(daemon)
    outcome.counts(f"messages of {len(PADDING):,} bytes, {RATE} a second", len(crowd.said_at))
    outcome.counts(f"deliveries to {LISTENERS} others, each read", len(crowd.said_at) * LISTENERS)
    for place, name in enumerate(("median", "99th percentile")):
        for pairs, how in ((without, "without"), (beside, "beside")):
            shown = " ".join(f"{pair[place]:.1f}" for pair in pairs)
            outcome.counted[f"their {name}, ms, {how} a slow reader"] = shown
    outcome.counts("slow readers cut with slow_consumer", len(behind))
    outcome.counted["how far behind then, KiB of text"] = " ".join(behind)
    with outcome.noticing():
        # The least disturbed of each: other work on this machine is not the slow reader's doing.
        ratio = min(beside)[0] / min(without)[0]
        outcome.counts("the better median, beside to without", ratio, 2)
        assert ratio < 2, "one slow reader slowed the others"
    return outcome


@contextlib.contextmanager
def unread(daemon: Daemon, slow: Watcher) -> Iterator[Client]:
    """A connection on which ``slow`` has said hello; its kernel takes little of what is not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    connection.connect(("127.0.0.1", daemon.port("json")))
    with Client(connection) as client:
        slow.resume(client)
        yield client


def idle_crowd(folder: Path) -> Outcome:
    """A room of `ROOM_SIZE` on the JSON wire talks by itself, and again beside `IDLE` who only listen.

    Those hear all who arrive, then nothing, and at last what is said to everyone.
    """
    outcome = Outcome(GAPS, AGAIN)
    needed = ROOM_SIZE + IDLE + SPARE
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed < needed:
        outcome.counted[f"skipped: ulimit -Hn is {allowed:,}, and {needed:,} are needed"] = ""
        return outcome
    figures: list[tuple[float, ...]] = []
    with started(folder) as daemon, Crowd(outcome.wrong) as crowd:
        speaker, *members = room = busy_room(daemon, crowd)

        def talk() -> None:
            pid = daemon.process.pid
            used, told = cpu(pid), len(crowd.said_at)
            crowd.talk(speaker, IN_ROOM, for_seconds(LASTING))
            used = cpu(pid) - used
            crowd.hear_out(members)
            deliveries = (len(crowd.said_at) - told) * len(members)
            figures.append((used / deliveries * 1e6, *crowd.median_and_99th(), memory(pid) / 1024))

        talk()
        before = sum(member.lines for member in room)
        began = perf_counter()
        idle = crowd.log_in(daemon, "text", IDLE)
        outcome.counts(f"seconds in which {IDLE:,} logged in", perf_counter() - began, 1)
        crowd.settle()
        # Whoever was here before has heard each of them arrive; they, a question and who came since.
        arrivals = sum(member.lines for member in room) - before
        arrivals += sum(member.lines - 1 for member in idle)
        due = ROOM_SIZE * IDLE + IDLE * (IDLE + 1) // 2
        outcome.counts("arrivals that they and the room heard", arrivals)
        outcome.wrong[GAPS] += max(0, due - arrivals)
        outcome.wrong[AGAIN] += max(0, arrivals - due)

        heard = sum(member.heard for member in idle)
        talk()
        heard = sum(member.heard for member in idle) - heard
        in_room = len(crowd.said_at)
        outcome.counts(f"messages in a room of {ROOM_SIZE}, {RATE} a second", in_room)
        outcome.counts("bytes that the idle heard meanwhile", heard)
        everyone = room + idle[1:]
        for member in everyone:
            member.due = in_room
        crowd.talk(idle[0], IN_LOBBY, lambda: len(crowd.said_at) > in_room)
        with outcome.noticing():
            crowd.hear_out(everyone)
            assert not heard, "the idle heard what is said in the room"
            end(daemon)
    to_all = len(crowd.said_at) - in_room
    outcome.counts("deliveries of what was then said to everyone", to_all * len(everyone))
    names = ("daemon's CPU a delivery, us", "median, ms", "99th percentile, ms", "daemon's memory, MiB")
    for name, alone, beside in zip(names, *figures, strict=True):
        outcome.counted[f"{name}: without, with the idle"] = f"{alone:.1f} {beside:.1f}"
    return outcome


def busy_room(daemon: Daemon, crowd: Crowd) -> list[Member]:
    """Members who are in a group together; the first has made it."""
    room = crowd.log_in(daemon, "json", ROOM_SIZE)
    crowd.settle()
    room[0].socket.send(b'{"action":"cgroupe","group":"busy"}\n')
    crowd.settle()
    for member in room[1:]:
        member.socket.send(b'{"action":"join","group":"busy"}\n')
    crowd.settle()
    return room


class SmallDisk:
    """A tmpfs on ``folder``; ballast fills it."""

    name = "tmpfs"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"

    def fill(self, daemon: Daemon) -> None:
        with self._ballast.open("wb") as ballast:
            size = 0
            while (free := shutil.disk_usage(self._folder).free - ROOM) > 0:
                # The daemon may have taken some of it meanwhile.
                with contextlib.suppress(OSError):
                    os.posix_fallocate(ballast.fileno(), size, free)
                    size += free

    def make_room(self, daemon: Daemon) -> None:
        self._ballast.unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk on ``folder`` that can be full: a tmpfs if we may mount one, else a limit on files' sizes."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "chatd-crash", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield FileSizes(folder)
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", folder], check=True)
