"""The load: one process that talks and listens on all connections of a server.

Listeners count the ends of lines or objects; those with a `Sample` also read the number in each message, so
that the latency is known, and that the order of each talker is kept. Every line that a client is due is
counted: one that is lost or too many raises `Failed`.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, NamedTuple, Self

WARM_UP: Final = 0.5
"""Seconds of load before anything is measured."""

QUIET: Final = 0.5
"""Seconds without a byte after which everybody has heard all that there was."""

PATIENCE: Final = 20.0
"""Seconds after which what is due is lost."""

NUMBER: Final = re.compile(rb"#(\d{8})")
TEXT_BYTES: Final = 64
"""The size of each message's text: its number and `PADDING`."""

PADDING: Final = b"." * (TEXT_BYTES - 9)


class Failed(Exception):
    """A server lost, doubled or reordered something, or went away."""


def in_frame(said: bytes) -> bytes:
    """A WebSocket message of up to 65,535 bytes; its mask is zero, so that what it says can be read in it."""
    size = len(said)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + said


class Words(NamedTuple):
    """What a client says; each takes a ``nick``, a ``room`` and a ``text``, as far as it names them."""

    hello: bytes
    welcome: int
    """How many `end` a newcomer hears before it can talk."""
    create: bytes
    join: bytes
    message: bytes
    acked: bool
    """Whether the talker hears one `end` for each message."""
    end: bytes = b"\n"
    """The byte that each message to a client has once."""
    handshake: bytes = b""
    """What opens a WebSocket, on which everything else is said."""
    capabilities: tuple[bytes, ...] = (b"",)
    """What the clients ask for in their hello on IRC, in turn."""
    logins_at_once: int = 48
    """How many clients wait for their welcome; a listening socket of Twisted's has a queue of 50."""

    def to_say(self, said: bytes) -> bytes:
        """What goes to the server for ``said``."""
        return in_frame(said.rstrip(b"\n")) if self.handshake else said


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
JSON: Final = GROUPS._replace(
    create=b"", join=b"", message=b'{"action":"client-broadcast","from":"%(nick)b","msg":"%(text)b"}\n'
)
WEB: Final = JSON._replace(
    # Of its welcome, which is one object with two others inside. A message has one; its length of more than
    # 125 bytes, and an ack's of less, has none.
    welcome=3,
    end=b"}",
    handshake=b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: chatd.json\r\n\r\n",
)
"""The same on a WebSocket."""

_COMMON: Final = b"away-notify invite-notify multi-prefix server-time"
_USUAL: Final = _COMMON + b" cap-notify extended-join account-notify message-tags userhost-in-names"
_LABELS: Final = b" batch echo-message labeled-response message-tags setname standard-replies"

CLIENT_CAPABILITIES: Final = (
    _COMMON + b" extended-join setname account-notify",  # irssi 1.4
    _USUAL + b" setname",  # weechat 3.8
    _USUAL + b" setname account-tag batch echo-message",  # weechat 4
    _USUAL + b" account-tag batch",  # The Lounge
    _COMMON + _LABELS + b" cap-notify",  # senpai
    _USUAL + _LABELS + b" no-implicit-names",  # Halloy
)
"""The capabilities that six clients ask for."""

IRC: Final = Words(
    b"CAP REQ :%(capabilities)b\r\nNICK %(nick)b\r\nUSER %(nick)b 0 * :%(nick)b\r\nCAP END\r\n",
    13,  # more lines come, which are heard before anything is counted
    b"",
    b"",
    b"PRIVMSG #lobby :%(text)b\r\n",
    False,
    capabilities=CLIENT_CAPABILITIES,
)


IRC_ROOMS: Final = Words(
    b"NICK %(nick)b\r\nUSER %(nick)b 0 * :%(nick)b\r\n",
    5,  # as above
    b"JOIN #%(room)b\r\n",
    b"JOIN #%(room)b\r\n",
    b"PRIVMSG #%(room)b :%(text)b\r\n",
    False,
)
"""Rooms on an IRC server that is not chatd."""


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
        text = bytes(TEXT_BYTES)
        self._parts = [
            words.to_say(words.message % {b"nick": talker.nick, b"room": name, b"text": text}).split(text)
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

    __slots__ = ("_load", "_unsent", "end", "lines", "nick", "room", "sample", "socket")

    def __init__(self, load: Load, nick: bytes, connection: socket.socket, end: bytes) -> None:
        self.nick = nick
        self.end = end
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

    def __init__(self, room: Room, end: bytes) -> None:
        self.late: list[tuple[float, float]] = []
        self._end = end
        self._room = room
        self._next = list(range(len(room.talkers)))
        self._rest = b""

    def hear(self, data: bytes, now: float) -> None:
        """Take what was read, which may begin and end within a line."""
        lines, end, self._rest = (self._rest + data).rpartition(self._end)
        turns, said_at = len(self._next), self._room.said_at
        for found in NUMBER.findall(lines + end):
            number = int(found)
            if number != self._next[number % turns]:
                raise Failed(f"a listener heard message {number} instead of {self._next[number % turns]}")
            self._next[number % turns] += turns
            self.late.append((said_at[number], now))


class Load:
    """All the clients of one server, which hang up when it is left."""

    def __init__(self) -> None:
        self.clients: dict[int, Client] = {}
        self._epoll = select.epoll()
        self._buffer = bytearray(256 * 1024)
        self._writing: set[int] = set()
        self._ready: set[Room] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
            while len(come) < count and len(waiting) < words.logins_at_once:
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if words.handshake:
                    _open_websocket(connection, words.handshake)
                connection.setblocking(False)
                client = Client(self, b"u%d" % len(self.clients), connection, words.end)
                self.clients[connection.fileno()] = client
                self._epoll.register(connection.fileno(), select.EPOLLIN)
                capabilities = words.capabilities[len(come) % len(words.capabilities)]
                hello = words.hello % {b"nick": client.nick, b"capabilities": capabilities}
                client.say(words.to_say(hello))
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
        self, rooms: Sequence[Room], window: int, rate: int, seconds: float, mark: Callable[[], None]
    ) -> None:
        """Talk in ``rooms``, as `bench.talk.Scenario` has it.

        ``mark`` is called when the measured ``seconds`` begin and end. Raises `Failed`.
        """
        start = perf_counter()
        begin, end = start + WARM_UP, start + WARM_UP + seconds
        begun = False
        due = start
        self._ready = set(rooms)
        while (now := perf_counter()) < end:
            if not begun and now >= begin:
                begun = True
                mark()
            if rate:
                while due <= now:
                    rooms[0].say(1, due)
                    due += 1 / rate
                self._pump(min(due, end) - now)
                continue
            for room in self._ready:
                free = window - len(room.said_at) + room.complete
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
            client.lines += buffer.count(client.end, 0, size)
            room = client.room
            if room is None:
                continue
            if client.sample is not None:
                client.sample.hear(bytes(buffer[:size]), perf_counter())
            if client.lines != heard and room.moved(heard, client.lines):
                self._ready.add(room)
        return bool(events)


def _open_websocket(connection: socket.socket, handshake: bytes) -> None:
    """Send ``handshake`` and read the answer. Raises `Failed`."""
    connection.sendall(handshake)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        read = connection.recv(4096)
        if not read:
            raise Failed("the WebSocket was refused")
        answer += read
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise Failed(f"the WebSocket was refused: {answer!r}")
