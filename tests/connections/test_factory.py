"""The shared factory: the limit on connections, options of sockets, the end of the daemon."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from chatd.carriers.carrier import SessionCarrier
from chatd.connections.client_network import TCP_KEEP_ALIVE_OPTIONS
from chatd.connections.factory import SHUTDOWN_DISCONNECT_SECONDS, ChatFactory, Sessions
from chatd.connections.outbox import CLOSE_TIMEOUT_SECONDS, FlushQueue
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.core.limits import Limits
from chatd.daemon.wires import choices_by_wire, protocol_maker
from tests.support.in_memory_daemon import Stage, StageTestCase

reactor: Any = global_reactor


class TooMany(StageTestCase):
    """So many may be connected and no more."""

    limits = Limits(connections=2)

    def test_one_more_is_refused(self) -> None:
        """In the words of its wire, with nothing before that; then it is closed."""
        self.stage.connect("text"), self.stage.connect("json")
        text, json = self.stage.connect("text"), self.stage.connect("json")
        self.assertEqual(text.hears(), b"ERR rate_limited too many connections: try again in 5 seconds\n")
        (refusal,) = json.objects()
        self.assertEqual((refusal["code"], refusal["retry_after"]), ("rate_limited", 5.0))
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(text.closed)
        self.assertTrue(json.closed)
        self.assertEqual(len(self.stage.sessions), 2)

    def test_what_it_sends_does_not_count(self) -> None:
        """It may have said hello already."""
        alice = self.stage.text("alice")
        self.stage.connect("json")
        refused = self.stage.connect("text")
        refused.protocol.dataReceived(b"IAM bob\nMSG hello\n")
        self.stage.settle()
        self.assertEqual(alice.hears(), b"")

    def test_a_place_that_is_free_again(self) -> None:
        """The next one gets it; that somebody was refused takes none."""
        first, _ = self.stage.connect("text"), self.stage.connect("text")
        self.stage.connect("text")
        first.hangs_up()
        self.assertEqual(self.stage.connect("text").hears(), b"WHO\n")
        self.assertEqual(len(self.stage.sessions), 2)

    def test_one_that_does_not_close_is_cut(self) -> None:
        """Or whoever is refused would cost more than whoever is served."""
        self.stage.connect("text"), self.stage.connect("text")
        protocol = ChatFactory(
            self.stage.sessions, protocol_maker("text", choices_by_wire(self.limits), self.stage.make_http)
        ).buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        self.stage.wait(CLOSE_TIMEOUT_SECONDS - 0.1)
        self.assertEqual((transport.disconnecting, transport.disconnected), (True, False))
        self.stage.wait(0.1)
        self.assertTrue(transport.disconnected)
        protocol.connectionLost()


class FromOneAddress(StageTestCase):
    """So many may come from one address and no more."""

    limits = Limits(connections_per_address=2)

    def open(self, *hosts: str, wire: str = "text") -> list[bool]:
        """Connect from each; whether that was accepted."""
        return [self.stage.connect(wire, host).hears() == b"WHO\n" for host in hosts]

    def test_ipv4(self) -> None:
        self.assertEqual(
            self.open("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"), [True, True, False, True]
        )

    def test_ipv6_counts_by_network(self) -> None:
        """Whoever has one address has a network of them."""
        self.assertEqual(
            self.open("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"),
            [True, True, False, True],
        )

    def test_ipv4_written_as_ipv6_is_ipv4(self) -> None:
        """As a listener for both gives it; one neighbour must not count for all."""
        self.assertEqual(
            self.open("::ffff:192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
            [True, True, False, True],
        )

    def test_an_address_of_a_link_has_a_scope(self) -> None:
        self.assertEqual(self.open("fe80::1%eth0", "fe80::2%eth0", "fe80::3%eth1"), [True, True, False])

    def test_this_machine_has_no_limit(self) -> None:
        """A proxy or a tunnel brings many from there."""
        self.assertEqual(self.open(*["127.0.0.1"] * 3, *["::1"] * 3, "::ffff:127.0.0.1"), [True] * 7)

    def test_connections_whose_wire_is_unknown_count(self) -> None:
        """From the first moment, and once, also when they turn out to speak something."""
        first = self.stage.connect("auto", "192.0.2.1").says(b"IAM alice\n")
        self.stage.connect("auto", "192.0.2.1")
        self.assertEqual(self.open("192.0.2.1"), [False])
        first.hangs_up()
        self.assertEqual(self.open("192.0.2.1", "192.0.2.1"), [True, False])

    def test_a_refused_connection_takes_no_room(self) -> None:
        first, _ = (self.stage.connect("text", "192.0.2.1") for _ in range(2))
        for _ in range(3):
            self.stage.connect("text", "192.0.2.1").hangs_up()
        first.hangs_up()
        self.assertEqual(self.open("192.0.2.1", "192.0.2.1"), [True, False])

    def test_the_log_says_from_where(self) -> None:
        with capturedLogs() as logged:
            self.open(*["2001:db8::1"] * 3)
        (event,) = [event for event in logged if event["log_level"].name == "warn"]
        self.assertEqual((event["count"], event["network"]), (2, "2001:db8::/64"))


class Stopping(StageTestCase):
    """When the daemon stops everyone is told, and goes."""

    def test_everyone_is_told(self) -> None:
        """Each on its wire; those without a name too; it is over when all are gone."""
        alice, bob = self.stage.text("alice"), self.stage.json("bob")
        nobody = self.stage.connect("text")
        course = self.stage.connect("json").says(b'{"from":"carol","action":"client-hello"}')
        self.stage.wait(0.2)
        for peer in (alice, bob, nobody, course):
            peer.hears()
        over = self.stage.sessions.close()
        self.assertNoResult(over)
        self.stage.settle()
        self.successResultOf(over)
        line = b"ERR shutting_down the daemon is shutting down: connect again later\n"
        self.assertTrue(alice.hears().startswith(line))
        self.assertEqual(nobody.hears(), line)
        for peer in (bob, course):
            self.assertEqual(peer.objects()[0]["code"], "shutting_down")
        for peer in (alice, bob, nobody, course):
            self.assertTrue(peer.closed)
            self.assertFalse(peer.wire.aborted)
        self.assertEqual(len(self.stage.sessions), 0)

    def test_nobody_is_there(self) -> None:
        """Then it is over at once, and leaves no timer behind."""
        self.successResultOf(self.stage.sessions.close())
        self.assertEqual(self.stage.reactor.getDelayedCalls(), [])

    def test_who_does_not_read_is_cut(self) -> None:
        """After `SHUTDOWN_DISCONNECT_SECONDS` seconds, and then it is over."""
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        alice.wire.stuck = True
        bob.says("MSG hello")
        over = self.stage.sessions.close()
        # Nobody is heard any more.
        bob.says("cg;wob")
        self.stage.wait(SHUTDOWN_DISCONNECT_SECONDS - 0.1)
        self.assertEqual(self.stage.rows("SELECT kind FROM log"), [("message",)])
        self.assertTrue(bob.closed)
        self.assertFalse(alice.closed)
        self.assertNoResult(over)
        self.stage.wait(0.1)
        self.assertTrue(alice.wire.aborted)
        self.successResultOf(over)

    def test_a_paced_client_gets_its_last_lines(self) -> None:
        """As far as there is time for them."""
        course = self.stage.connect("json").says(b'{"from":"carol","action":"client-hello"}')
        self.stage.wait(0.2)
        bob = self.stage.text("bob")
        course.hears()
        bob.says(b"MSG one\nMSG two\nMSG three\n")
        over = self.stage.sessions.close()
        self.stage.wait(1)
        self.successResultOf(over)
        heard = [said.get("code") or said.get("msg") for said in course.objects()]
        self.assertEqual(heard[:4], ["one", "two", "three", "shutting_down"])
        self.assertFalse(course.wire.aborted)


class Client(Protocol):
    """A client on a real socket: what it hears, and its end."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.greeted: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.heard += data
        if not self.greeted.called:
            self.greeted.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self.ended.callback(None)


class Remembering(ChatFactory):
    """Keeps what it has built."""

    built: SessionCarrier

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A carrier for a new connection."""
        built = super().buildProtocol(addr)
        assert isinstance(built, SessionCarrier)
        self.built = built
        return built


class Sockets(TestCase):
    """Real connections, on loopback, to a chatd whose clock is the reactor's."""

    def setUp(self) -> None:
        """Set a stage, with sessions that real time passes for."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.stage = Stage(self.folder / "chat.db")
        self.addCleanup(self.stage.close)
        self.sessions = Sessions(self.stage.chat, FlushQueue(reactor), reactor, self.stage.limits)
        self.factory = Remembering(
            self.sessions, protocol_maker("text", choices_by_wire(self.stage.limits), self.stage.make_http)
        )

    async def connect(self, server: str, client: str) -> Client:
        """Connect to a text wire that listens there."""
        port = await serverFromString(reactor, server).listen(self.factory)
        self.addCleanup(port.stopListening)
        endpoint = clientFromString(reactor, client.format(port=getattr(port.getHost(), "port", "")))
        connected = await endpoint.connect(Factory.forProtocol(Client))
        assert isinstance(connected, Client)
        await connected.greeted
        return connected

    async def part(self, client: Client) -> None:
        """Hang up, and see the other side notice."""
        client.transport.loseConnection()
        await client.ended
        await self.sessions.close()

    async def test_tcp(self) -> None:
        """Small writes leave at once, and a client whose machine is gone is found out."""
        client = await self.connect("tcp:0:interface=127.0.0.1", "tcp:127.0.0.1:{port}")
        self.assertEqual(client.heard, b"WHO\n")
        transport = self.factory.built.transport
        self.assertTrue(transport.getTcpNoDelay())
        self.assertTrue(transport.getTcpKeepAlive())
        options = [
            transport.socket.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name, _ in TCP_KEEP_ALIVE_OPTIONS
        ]
        self.assertEqual(options, [30, 10, 3])
        await self.part(client)

    async def test_unix(self) -> None:
        """A Unix socket has no such options, and nothing is logged about that."""
        with capturedLogs() as logs:
            client = await self.connect(f"unix:{self.folder}/s", f"unix:{self.folder}/s")
            self.assertEqual(client.heard, b"WHO\n")
            await self.part(client)
        self.assertEqual([said for said in logs if "failure" in said or said.get("isError")], [])
        said = [found["peer"] for found in logs if found.get("log_format") == "{peer} connected"]
        self.assertEqual(said, ["unix"])

    async def test_a_refusal_that_ends_the_connection_arrives(self) -> None:
        """Though the client is still sending, far more than is ever read."""
        client = await self.connect("tcp:0:interface=127.0.0.1", "tcp:127.0.0.1:{port}")
        for _ in range(64):
            client.transport.write(b"x" * 65_536)
        while b"\n" not in client.heard.removeprefix(b"WHO\n"):
            await self.turn()
        self.assertEqual(
            client.heard, b"WHO\nERR too_long the line is longer than 16384 bytes: shorten it, or split it\n"
        )
        self.assertFalse(client.ended.called)
        client.transport.abortConnection()
        await client.ended

    async def turn(self) -> None:
        """Let the reactor turn once, and the stage's clock with it."""
        self.stage.settle()
        turned: Deferred[None] = Deferred()
        reactor.callLater(0, turned.callback, None)
        await turned

    async def test_everything_said_before_the_end_counts(self) -> None:
        """`printf … | nc`, for somebody known: read, shut down for writing, all answered, then closed."""
        alice = self.stage.text("alice")
        alice.hangs_up()
        client = await self.connect("tcp:0:interface=127.0.0.1", "tcp:127.0.0.1:{port}")
        client.transport.write(b"IAM alice\ncg;wob\nbg;wob;hello\nmessages;wob\nWHO\n")
        client.transport.loseWriteConnection()
        while not client.ended.called:
            await self.turn()
        lines = client.heard.decode().splitlines()
        self.assertEqual(lines[:5], ["WHO", "ARR alice", "BCK alice", "ACK cg wob 1 1", "ACK bg wob 2 2"])
        self.assertEqual(lines[-2:], ["WHO alice", "END WHO 1"])
        self.assertEqual(lines[6], "END messages 1")


class Peers(StageTestCase):
    """How the log calls those who connect."""

    def test_addresses(self) -> None:
        """With their port; an IPv6 one so that it shows where the port begins."""
        factory = ChatFactory(
            self.stage.sessions,
            protocol_maker("text", choices_by_wire(self.stage.limits), self.stage.make_http),
        )
        for address, name in (
            (IPv4Address("TCP", "127.0.0.1", 5), "127.0.0.1:5"),
            (IPv6Address("TCP", "::1", 5), "[::1]:5"),
            (UNIXAddress(None), "unix"),
        ):
            with capturedLogs() as logs:
                protocol = factory.buildProtocol(address)
                protocol.makeConnection(StringTransport(peerAddress=address))
                protocol.connectionLost()
            self.assertEqual(
                [(said["log_format"], said["peer"]) for said in logs],
                [("{peer} connected", name), ("{peer} disconnected", name)],
            )
