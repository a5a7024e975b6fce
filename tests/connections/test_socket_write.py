"""Straight to the socket, or Twisted's way: the same bytes in the same order, and the same end."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.tcp import Server
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from chatd.connections.outbox import FlushQueue, Outbox
from chatd.connections.socket_write import half_close, socket_writer


class Side(Protocol):
    """One end of a connection: what it heard, and Deferreds for its beginning and its end."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.made: Deferred[None] = Deferred()
        self.gone: Deferred[None] = Deferred()
        self.wanted = 0
        self.enough: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.made.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if self.wanted and len(self.heard) >= self.wanted:
            self.wanted = 0
            self.enough.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


SideT = TypeVar("SideT", bound=Side)


@implementer(IHalfCloseableProtocol)
class TalkativeSide(Side):
    """One that goes on when the other side sends nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: Deferred[None] = Deferred()

    def readConnectionLost(self) -> None:
        self.ended.callback(None)

    def writeConnectionLost(self) -> None:
        pass


class Plain(TestCase):
    """A real connection over loopback."""

    async def _connect(self) -> tuple[Any, Side, Side]:
        return await self._connect_client(Side())

    async def _connect_client(self, client: SideT) -> tuple[Any, Side, SideT]:
        server = Side()
        factory = Factory.forProtocol(lambda: server)
        factory.noisy = False
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), client)
        await server.made

        async def close() -> None:
            for side in (client, server):
                assert side.transport is not None
                side.transport.loseConnection()
            await client.gone
            await server.gone

        self.addCleanup(lambda: Deferred.fromCoroutine(close()))
        return server.transport, server, client

    async def test_it_is_what_we_think(self) -> None:
        """The parts of Twisted that this rests on are there, and nothing is queued after a write of ours."""
        transport, _, client = await self._connect()
        self.assertIs(type(transport), Server)
        self.assertEqual((transport._tempDataBuffer, transport.dataBuffer), ([], b""))
        self.assertEqual((transport.offset, transport.disconnecting), (0, False))
        self.assertEqual((transport.TLS, transport._writeDisconnected), (False, False))
        self.assertIs(transport._aborting, False)
        client.wanted = 5
        socket_writer(transport)(b"hello")
        self.assertEqual(transport._tempDataBuffer, [])
        await client.enough
        self.assertEqual(client.heard, b"hello")
        transport.write(b"queued")
        self.assertEqual(transport._tempDataBuffer, [b"queued"])

    async def test_order_is_kept(self) -> None:
        """What Twisted has queued goes first; more than the socket takes goes Twisted's way."""
        transport, _, client = await self._connect()
        big = bytes(range(256)) * 40_000
        client.wanted = 3 + 6 + len(big) + 3
        write = socket_writer(transport)
        write(b"one")
        transport.write(b"queued")
        write(big)
        write(b"end")
        await client.enough
        self.assertTrue(client.heard == b"onequeued" + big + b"end")

    async def test_a_connection_that_closes(self) -> None:
        """Behind `loseConnection` all goes Twisted's way; a peer that is gone is no error here."""
        transport, server, client = await self._connect()
        write = socket_writer(transport)
        write(b"last")
        transport.loseConnection()
        write(b"late")
        await server.gone
        await client.gone
        self.assertEqual(client.heard, b"lastlate")
        write(b"too late")

    async def test_a_connection_that_is_cut(self) -> None:
        """Behind `abortConnection` nothing is sent any more, whatever the socket would take."""
        transport, server, client = await self._connect()
        write = socket_writer(transport)
        write(b"last")
        transport.abortConnection()
        write(b"late")
        await server.gone
        await client.gone
        self.assertNotIn(b"late", client.heard)

    async def test_a_connection_that_lingers(self) -> None:
        """The client sees the end at once, and what it still sends is read until the time is over."""
        transport, server, client = await self._connect_client(TalkativeSide())
        clock = Clock()
        outbox = Outbox(transport, clock, FlushQueue(clock), 100, deque[bytes].popleft, self.fail)
        outbox.queue_frame(b"bye")
        outbox.close(linger=1.0)
        server.wanted = 4
        clock.advance(0)
        await client.ended
        self.assertEqual(client.heard, b"bye")
        assert client.transport is not None
        client.transport.write(b"what")
        await server.enough
        clock.advance(1.0)
        await server.gone

    async def test_an_encrypted_connection_that_lingers(self) -> None:
        """It is not closed behind the back of TLS."""
        transport, server, client = await self._connect()
        transport.TLS = True
        half_close(transport)
        transport.TLS = False
        server.wanted = client.wanted = 4
        assert client.transport is not None
        client.transport.write(b"what")
        await server.enough
        transport.write(b"more")
        await client.enough

    async def test_a_connection_that_was_reset(self) -> None:
        """Is noticed by the transport as ever."""
        transport, server, client = await self._connect()
        assert client.transport is not None
        client.transport.abortConnection()  # type: ignore[attr-defined]  # a TCP transport has it
        await client.gone
        socket_writer(transport)(b"to nobody")
        socket_writer(transport)(b"nor this")
        await server.gone


class Others(SynchronousTestCase):
    """Whatever is no plain socket."""

    def test_is_left_to_itself(self) -> None:
        """Its own `write` is used."""
        transport = StringTransport()
        self.assertEqual(socket_writer(transport), transport.write)
