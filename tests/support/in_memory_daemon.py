"""A chatd without sockets, threads or waiting: what the tests of the upper rooms play on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from chatd.chat.authority import OpenJournal
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.fair_queue import FairQueue
from chatd.chat.service import Chat
from chatd.connections.factory import ChatFactory, Sessions
from chatd.connections.outbox import FlushQueue
from chatd.connections.welcome_buffer import CLIENT_SILENCE_SECONDS
from chatd.core.accounts import AccountPolicy
from chatd.core.events import Delivery
from chatd.core.irc_policy import DEFAULT_IRC_POLICY, IrcPolicy
from chatd.core.limits import Limits
from chatd.core.records import Snapshot
from chatd.daemon.wires import WEB_WIRE_NAME, choices_by_subprotocol, choices_by_wire, protocol_maker
from chatd.files import make_private_folder
from chatd.store.archive import Archive
from chatd.store.journal import WAIT_FOR_MORE_TASKS_SECONDS, Journal
from chatd.store.schema import create_or_migrate, load_migrations
from chatd.store.sqlite import SQLITE
from chatd.store.sqlite_store import SqliteStore
from chatd.web.connection import HttpConnection, HttpService
from chatd.web.pages import make_site, read_static_files
from chatd.web.policy import WebPolicy
from tests.support.fake_passwords import FakePasswords
from tests.support.websocket import handshake

HINT = (
    "INF to read the rest: conversations; lists your conversations, history; is the lobby,"
    " history;NICK and messages;GROUP the others"
)
"""The last line of what a returning text client is sent."""

UNTHROTTLED = Limits(requests_per_second=10**6, bytes_per_second=10**9, reads_per_second=10**6)
"""The default limits, except that clients may send as fast as they can."""

TURN = 0.0001
"""Seconds that `Stage.settle` lets pass: enough for a transaction that waits, too little for any pace."""


@cache
def empty_database() -> bytes:
    """The file that `Store` makes where there is none: to write it takes half the time of a stage.

    Nothing in it is random or a time.
    """
    with TemporaryDirectory() as folder:
        database = Path(folder) / "chat.db"
        create_or_migrate(database, load_migrations())
        return database.read_bytes()


class ThreadlessPool(ConnectionPool):
    """Runs an interaction where it is asked for, or when the test says so, or not at all.

    While ``held``, interactions wait in line for `run_next`; ``error`` is raised instead of the next
    ones' commit, after everything else was done.
    """

    held = False
    error: Exception | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.waiting: list[Callable[[], None]] = []
        self.runs = 0

    def runInteraction(self, interaction: Callable[..., Any], *args: Any, **named: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()

        def run() -> None:
            maybeDeferred(self._runInteraction, self._failing(interaction), *args, **named).chainDeferred(
                done
            )

        if self.held:
            self.waiting.append(run)
        else:
            run()
        return done

    def run_next(self) -> None:
        """Run what has waited longest."""
        self.waiting.pop(0)()

    def _failing(self, interaction: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            self.runs += 1
            result = interaction(*args, **named)
            if self.error is not None:
                raise self.error
            return result

        return run

    def close(self) -> None:
        """Close the connections; there are no threads."""
        for connection in list(self.connections.values()):
            self._close(connection)
        self.connections.clear()


class Wire(StringTransport):
    """A connection that remembers each write, and whether and how it was closed."""

    def __init__(self, peer: IPv4Address | IPv6Address, reactor: MemoryReactorClock) -> None:
        # Lenient: on a connection that is closing, real transports pause and resume without a complaint.
        super().__init__(peerAddress=peer, lenient=True)
        self._reactor = reactor
        self.writes: list[bytes] = []
        self.protocol: Protocol | None = None
        self.aborted = False
        self.stuck = False

    def write(self, data: bytes) -> None:
        """Remember a write; a peer that is ``stuck`` makes the producer wait after it."""
        self.writes.append(data)
        super().write(data)
        if self.stuck and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write them as one."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close at once: nothing waits here."""
        if not self.disconnecting:
            super().loseConnection()
            self._gone(Failure(ConnectionDone()))

    def abortConnection(self) -> None:
        """Cut."""
        if not self.disconnecting:
            self.aborted = True
            super().loseConnection()
            self._gone(Failure(ConnectionAborted()))

    def break_off(self) -> None:
        """Have nobody there any more."""
        if not self.disconnecting:
            super().loseConnection()
            self._gone(Failure(ConnectionLost()))

    def unstick(self) -> None:
        """The peer reads again."""
        self.stuck = False
        if self.producer is not None:
            IPushProducer(self.producer).resumeProducing()

    def _gone(self, reason: Failure) -> None:
        # In a turn of its own, as real transports do it.
        assert self.protocol is not None
        self._reactor.callLater(0, self.protocol.connectionLost, reason)


class Peer:
    """A client on some wire: it says bytes and hears bytes."""

    def __init__(self, stage: Stage, protocol: Protocol, wire: Wire) -> None:
        self.stage = stage
        self.protocol = protocol
        self.wire = wire

    def says(self, data: bytes | str) -> Peer:
        """Send ``data`` as one segment; text is a line, given its end."""
        segment = data if isinstance(data, bytes) else data.encode() + b"\n"
        self.protocol.dataReceived(segment)
        self.stage.settle()
        return self

    def asks(self, **request: Any) -> Peer:
        """Send a JSON object as a line; ``sender`` may be spelt ``from_``."""
        return self.says(json.dumps({key.rstrip("_"): value for key, value in request.items()}))

    def hears(self) -> bytes:
        """All bytes since the last time."""
        heard: bytes = self.wire.value()
        self.wire.clear()
        self.wire.writes.clear()
        return heard

    def lines(self) -> list[str]:
        """The same as lines of text."""
        return self.hears().decode().splitlines()

    def objects(self) -> list[dict[str, Any]]:
        """The same as JSON objects, whether or not anything stands between them."""
        text = self.hears().decode()
        found = []
        decoder = json.JSONDecoder()
        while text := text.lstrip():
            value, end = decoder.raw_decode(text)
            found.append(value)
            text = text[end:]
        return found

    def hangs_up(self) -> None:
        """Close the connection from this side."""
        self.wire.loseConnection()
        self.stage.settle()

    def breaks(self) -> None:
        """Lose the connection, closed by nobody: a cable is pulled, or a program killed in mid-read."""
        self.wire.break_off()
        self.stage.settle()

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self.wire.disconnecting


class Stage:
    """A whole chatd on a database of its own, and the clients that come to it."""

    def __init__(
        self,
        database: Path,
        limits: Limits | None = None,
        witness: Callable[[Delivery, bool], None] | None = None,
        delivery_log: DeliveryLog | None = None,
        policy: AccountPolicy | None = None,
        retention_seconds: int | None = None,
        irc: IrcPolicy = DEFAULT_IRC_POLICY,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(1_000_000_000)
        self.limits = limits or replace(UNTHROTTLED)  # a test may change those of its stage
        self.policy = policy or AccountPolicy()
        self.database = database
        if not database.exists():
            make_private_folder(database.parent)
            database.write_bytes(empty_database())
        self.store = SqliteStore(database, "process", self.reactor, ThreadlessPool)
        snapshot = self.store.read_snapshot()
        self.archive: Archive = self.store.open_archive()
        pool = self.store.open_writer_pool()
        assert isinstance(pool, ThreadlessPool)
        self.writer = pool
        readers = self.archive._pool
        assert isinstance(readers, ThreadlessPool)
        self.readers = readers
        searchers = self.archive._search_pool
        assert isinstance(searchers, ThreadlessPool)
        self.searchers = searchers
        now = self.reactor.seconds
        self.passwords = FakePasswords()
        self.flush_queue = FlushQueue(self.reactor)
        self.chat = Chat(
            snapshot,
            self.archive,
            self._open_journal(snapshot),
            self.reactor,
            now,
            self.limits,
            self.passwords,
            self.policy,
            witness,
            delivery_log,
            retention_seconds,
            self.flush_queue.deliver_to_all,
        )
        self.sessions = Sessions(self.chat, self.flush_queue, self.reactor, self.limits)
        choices = choices_by_wire(self.limits, irc)
        self.web_policy = WebPolicy()
        self.healthy = True
        self.health_check: Deferred[None] = succeed(None)
        service = HttpService(
            make_site(read_static_files(), self._is_healthy, self.reactor),
            choices_by_subprotocol(self.limits, irc),
            self.web_policy,
            self.reactor,
            FairQueue(self.reactor),
        )
        self.make_http = partial(HttpConnection, service)
        self._factories = {
            name: ChatFactory(self.sessions, protocol_maker(name, choices, self.make_http))
            for name in (*choices, WEB_WIRE_NAME)
        }
        self._port = 40_000

    def _open_journal(self, snapshot: Snapshot) -> OpenJournal:
        def open_journal(on_failure: Callable[[], None], on_commit: Callable[[], None]) -> Journal:
            self.journal = Journal(self.writer, SQLITE, self.reactor, snapshot, on_failure, on_commit)
            return self.journal

        return open_journal

    async def _is_healthy(self) -> bool:
        await self.health_check
        return self.healthy

    def settle(self) -> None:
        """Let what is due happen, until nothing is; so does a transaction that waits for further tasks."""
        self.wait(0)
        while self.journal._waits:
            self.wait(WAIT_FOR_MORE_TASKS_SECONDS)

    def wait(self, seconds: float) -> None:
        """Let time pass: each timer goes off at its time."""
        end = self.reactor.rightNow + seconds + TURN
        while (due := min((call.getTime() for call in self.reactor.calls), default=end + 1)) <= end:
            self.reactor.rightNow = max(due, self.reactor.rightNow)
            self.reactor.advance(0)
        self.reactor.rightNow = end

    def connect(self, wire: str, host: str = "127.0.0.1", subprotocol: str = "") -> Peer:
        """A new connection on ``text``, ``json``, … from ``host``, with nothing said yet.

        With a ``subprotocol`` it is a WebSocket, unless that is refused.
        """
        self._port += 1
        address = (IPv6Address if ":" in host else IPv4Address)("TCP", host, self._port)
        protocol = self._factories[wire].buildProtocol(address)
        transport = Wire(address, self.reactor)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        self.settle()
        peer = Peer(self, protocol, transport)
        if subprotocol:
            head, end, rest = peer.says(handshake(subprotocol)).hears().partition(b"\r\n\r\n")
            transport.write(rest if b" 101 " in head else head + end + rest)
        return peer

    def text(self, nick: str) -> Peer:
        """Somebody on the text wire who is no reference client, with everything heard so far forgotten."""
        peer = self.arrives(nick)
        peer.hears()
        return peer

    def arrives(self, nick: str) -> Peer:
        """The same, with everything still to be heard."""
        peer = self.connect("text").says(f"IAM {nick}")
        self.wait(CLIENT_SILENCE_SECONDS)
        protocol: Any = peer.protocol
        while protocol.session._buffer is not None:
            self.wait(0.04)  # line by line, what was missed
        return peer

    def json(self, nick: str, **more: Any) -> Peer:
        """Somebody on newline-delimited JSON, with everything heard so far forgotten."""
        peer = self.connect("json").asks(action="client-hello", from_=nick, **more)
        peer.hears()
        return peer

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Stop as the daemon does."""
        self.sessions.close()
        self.wait(3)
        self.archive.close()
        self.journal.close()
        self.settle()
        self.store.unlock()


class StageTestCase(SynchronousTestCase):
    """A test on a stage of its own: ``self.stage``."""

    limits: Limits | None = None
    irc_policy = DEFAULT_IRC_POLICY

    def setUp(self) -> None:
        """Set the stage."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.stage = Stage(folder / "chat.db", self.limits, irc=self.irc_policy)
        self.addCleanup(lambda: self.stage.close())

    def restart(self) -> None:
        """Stop the daemon and start it again on the same database."""
        self.stage.close()
        self.stage = Stage(self.stage.database, self.limits, irc=self.irc_policy)
