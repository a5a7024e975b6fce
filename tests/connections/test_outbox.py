"""The outbox: one write a turn, a cap, a pace, an orderly end; and the same on real sockets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL.SSL import TLS_METHOD, Connection, Context
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from chatd.connections.outbox import CLOSE_TIMEOUT_SECONDS, FlushQueue, Outbox

NextWrite = Callable[[deque[bytes]], bytes]

PACE = 0.04
CAP = 1024


class Journaled(StringTransport):
    """A transport that remembers what was done to it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []
        self.full = False

    def write(self, data: bytes) -> None:
        """Take ``data``; when ``full`` the buffer is, after it."""
        self.done.append(data)
        if self.full and self.producer is not None:
            self.producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Remember it."""
        super().unregisterProducer()
        self.done.append("unregister")

    def loseConnection(self) -> None:
        """Remember it."""
        self.done.append("lose")

    def abortConnection(self) -> None:
        """Remember it."""
        self.done.append("abort")


class OutboxTestCase(SynchronousTestCase):
    """A test with one outbox, which counts its overflows."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.flush_queue = FlushQueue(self.clock)
        self.overflows = 0
        self.transport = Journaled()
        self.outbox = self.make(self.transport)

    def make(self, transport: Journaled, dequeue_next_write: NextWrite = deque.popleft) -> Outbox:
        """An outbox in front of ``transport``."""
        return Outbox(transport, self.clock, self.flush_queue, CAP, dequeue_next_write, self.overflow)

    def overflow(self) -> None:
        """Count."""
        self.overflows += 1

    def put(self, *frames: bytes) -> None:
        """Put these, one after the other."""
        for frame in frames:
            self.outbox.queue_frame(frame)

    def assert_done(self, *expected: bytes | str) -> None:
        """This, and nothing else, was done to the transport since the last time."""
        done, self.transport.done = self.transport.done, []
        self.assertEqual(done, list(expected))


class Turns(OutboxTestCase):
    """What falls due in one turn of the reactor leaves in one write, at its end."""

    def test_one_write_a_turn(self) -> None:
        """In order, and not before the end of the turn."""
        self.put(b"one\n", b"two\n", b"three\n")
        self.assert_done()
        self.clock.advance(0)
        self.assert_done(b"one\ntwo\nthree\n")
        self.clock.advance(0)
        self.assert_done()
        self.put(b"four\n")
        self.clock.advance(0)
        self.assert_done(b"four\n")

    def test_nothing_is_no_frame(self) -> None:
        """It is not written, nor does it cost a turn."""
        self.put(b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_frame_that_is_alone_is_not_copied(self) -> None:
        """So one frame in memory serves everyone who gets it."""
        frame = b"x" * 500 + b"\n"
        self.put(frame)
        self.clock.advance(0)
        (written,) = self.transport.done
        self.assertIs(written, frame)

    def test_one_who_is_cut_leaves_the_others(self) -> None:
        """Everyone else's turn comes."""
        other = Journaled()
        outbox = self.make(other)
        self.put(b"one\n")
        outbox.queue_frame(b"two\n")
        self.outbox.abort()
        self.clock.advance(0)
        self.assert_done("abort")
        self.assertEqual(other.done, [b"two\n"])


class Cap(OutboxTestCase):
    """A reader that stays over its cap is cut."""

    def test_up_to_the_cap(self) -> None:
        """Exactly so much may wait."""
        self.put(b"x" * 1000, b"y" * 24)
        self.clock.advance(0)
        self.assert_done(b"x" * 1000 + b"y" * 24)
        self.assertEqual(self.overflows, 0)

    def test_over_the_cap(self) -> None:
        """Delivery once, cut once, and nothing is written after that."""
        self.outbox.pauseProducing()
        self.put(b"x" * 1000, b"y" * 25, b"z", b"x" * 2000)
        self.assertEqual(self.overflows, 1)
        self.assertTrue(self.outbox.closed)
        self.clock.advance(100)
        self.assert_done("abort")

    def test_over_the_cap_in_one_turn(self) -> None:
        """Who takes what is written is not slow: it is written before the turn ends."""
        self.put(b"x" * 1000, b"y" * 25, b"z")
        self.clock.advance(0)
        self.assert_done(b"x" * 1000 + b"y" * 25, b"z")
        self.assertEqual(self.overflows, 0)

    def test_what_was_written_counts_no_more(self) -> None:
        """As long as the transport takes it."""
        for _ in range(10):
            self.put(b"x" * 1000)
            self.clock.advance(0)
        self.assert_done(*[b"x" * 1000] * 10)

    def test_what_the_transport_refuses_counts(self) -> None:
        """Its buffer is full: the rest waits here, and has its cap here."""
        self.transport.full = True
        self.put(b"x" * 1000)
        self.clock.advance(0)
        for _ in range(4):
            self.put(b"y" * 256)
            self.clock.advance(0)
        self.assert_done(b"x" * 1000)
        self.put(b"z")
        self.assert_done("abort")
        self.assertEqual(self.overflows, 1)

    def test_who_is_told_sees_it_before_the_end(self) -> None:
        """The session has to know why before its connection is gone."""
        self.transport = Journaled()
        done = self.transport.done
        outbox = Outbox(
            self.transport, self.clock, self.flush_queue, 10, deque.popleft, lambda: done.append("overflow")
        )
        outbox.pauseProducing()
        outbox.queue_frame(b"x" * 11)
        self.assert_done("overflow", "abort")


class BackPressure(OutboxTestCase):
    """The transport says when its buffer is full and when it is empty."""

    def test_frames_wait_while_the_transport_is_full(self) -> None:
        """And leave together when it is empty."""
        self.transport.full = True
        self.put(b"one\n")
        self.clock.advance(0)
        self.put(b"two\n")
        self.clock.advance(1)
        self.put(b"three\n")
        self.clock.advance(1)
        self.assert_done(b"one\n")
        self.transport.full = False
        self.outbox.resumeProducing()
        self.assert_done(b"two\nthree\n")

    def test_is_congested(self) -> None:
        """While the transport is full, or more than an eighth of the cap waits."""
        self.assertFalse(self.outbox.is_congested)
        self.put(b"x" * 128)
        self.assertFalse(self.outbox.is_congested)
        self.put(b"x")
        self.assertTrue(self.outbox.is_congested)
        self.clock.advance(0)
        self.assertFalse(self.outbox.is_congested)
        self.outbox.pauseProducing()
        self.assertTrue(self.outbox.is_congested)
        self.outbox.resumeProducing()
        self.assertFalse(self.outbox.is_congested)

    def test_drained(self) -> None:
        """At once when nothing waits, else when all left; not while the transport is full."""
        self.successResultOf(self.outbox.when_drained())
        self.put(b"one\n")
        waiting = [self.outbox.when_drained(), self.outbox.when_drained()]
        for drained in waiting:
            self.assertNoResult(drained)
        self.clock.advance(0)
        for drained in waiting:
            self.successResultOf(drained)
        self.transport.full = True
        self.put(b"two\n")
        drained = self.outbox.when_drained()
        self.clock.advance(0)
        self.assertNoResult(drained)
        late = self.outbox.when_drained()
        self.assertNoResult(late)
        self.outbox.resumeProducing()
        self.successResultOf(drained)
        self.successResultOf(late)

    def test_to_be_over_the_cap_drains_nobody_at_once(self) -> None:
        """What waits was written to make room; whoever waits for that goes on at the end of the turn."""
        self.put(b"x" * (CAP // 2))
        done = self.outbox.when_drained()
        self.put(b"y" * CAP)
        self.assert_done(b"x" * (CAP // 2) + b"y" * CAP)
        self.assertNoResult(done)
        self.clock.advance(0)
        self.successResultOf(done)

    def test_drained_at_the_end(self) -> None:
        """Whoever waits is not left waiting when the connection is gone."""
        self.put(b"one\n")
        drained = self.outbox.when_drained()
        self.outbox.connection_lost()
        self.successResultOf(drained)
        self.successResultOf(self.outbox.when_drained())

    def test_more_may_be_put_when_it_is_drained(self) -> None:
        """As a replay does."""
        self.put(b"one\n")
        self.outbox.when_drained().addCallback(lambda _: self.put(b"two\n"))
        self.clock.advance(0)
        self.clock.advance(0)
        self.assert_done(b"one\n", b"two\n")


class Pacing(OutboxTestCase):
    """Clients that take one read for one frame."""

    def setUp(self) -> None:
        """Set the pace."""
        super().setUp()
        self.outbox.seconds_between_writes = PACE

    def assert_paced(self, *expected: bytes | str) -> None:
        """Each of these comes as soon as the last one is 40 ms old, and no earlier."""
        for write in expected:
            self.clock.advance(PACE / 2)
            self.assert_done()
            self.clock.advance(PACE / 2)
            self.assert_done(write)

    def test_a_frame_a_write(self) -> None:
        """Whatever is in it."""
        self.put(b"one\n", b"two\nthree\n", b"{}", b"{}{}")
        self.clock.advance(0)
        self.assert_done(b"one\n")
        self.assert_paced(b"two\nthree\n", b"{}", b"{}{}")
        self.clock.advance(1)
        self.assert_done()

    def test_the_gap_counts_from_the_last_write(self) -> None:
        """Also for what is put later; after a longer silence there is no wait."""
        self.put(b"one\n")
        self.clock.advance(0)
        self.assert_done(b"one\n")
        self.clock.advance(0.03)
        self.put(b"two\n")
        self.clock.advance(0)
        self.assert_done()
        self.clock.advance(0.01)
        self.assert_done(b"two\n")
        self.clock.advance(1)
        self.put(b"three\n")
        self.clock.advance(0)
        self.assert_done(b"three\n")

    def test_a_full_transport_stops_it(self) -> None:
        """Then it goes on, at its pace."""
        self.transport.full = True
        self.put(b"one\n", b"two\n", b"three\n")
        self.clock.advance(0)
        self.clock.advance(1)
        self.assert_done(b"one\n")
        self.transport.full = False
        self.outbox.resumeProducing()
        self.assert_done(b"two\n")
        self.assert_paced(b"three\n")

    def test_it_may_begin_in_the_middle_of_a_turn(self) -> None:
        """What was put before, and not written yet, is paced with the rest."""
        self.outbox.seconds_between_writes = 0.0
        self.put(b"one\n")
        self.outbox.seconds_between_writes = PACE
        self.put(b"two\n")
        self.clock.advance(0)
        self.assert_done(b"one\n")
        self.assert_paced(b"two\n")

    def test_it_may_end_while_some_waits(self) -> None:
        """The rest leaves together, when the gap is over."""
        self.put(b"one\n", b"two\n", b"three\n")
        self.clock.advance(0)
        self.outbox.seconds_between_writes = 0.0
        self.put(b"four\n")
        self.clock.advance(0)
        self.assert_done(b"one\n")
        self.clock.advance(PACE)
        self.assert_done(b"two\nthree\nfour\n")

    def test_what_was_written_counts_no_more(self) -> None:
        """A client that is given no more than it can take is never cut."""
        for _ in range(20):
            self.put(b"x" * 200, b"y" * 200)
            self.clock.advance(0)
            self.clock.advance(PACE)
            self.clock.advance(PACE)
        self.assert_done(*[b"x" * 200, b"y" * 200] * 20)

    def test_who_falls_behind_for_our_pace_is_not_cut(self) -> None:
        """All that waits is written at once, then the pace goes on."""
        self.put(b"one\n")
        self.clock.advance(0)
        self.put(b"x" * 600 + b"\n", b"y" * 500 + b"\n", b"two\n", b"three\n")
        self.assert_done(b"one\n", b"x" * 600 + b"\n" + b"y" * 500 + b"\n")
        self.clock.advance(PACE)
        self.assert_done(b"two\n")
        self.clock.advance(PACE)
        self.assert_done(b"three\n")
        self.assertEqual(self.overflows, 0)

    def test_the_cap_holds(self) -> None:
        """A paced client that doesn't read is cut like any other."""
        self.outbox.pauseProducing()
        self.put(b"x" * 600, b"\n", b"y" * 500)
        self.assertEqual(self.overflows, 1)
        self.assert_done("abort")

    def test_drained_when_the_last_line_left(self) -> None:
        """Not between two of them."""
        self.put(b"one\n", b"two\n")
        drained = self.outbox.when_drained()
        self.clock.advance(0)
        self.assertNoResult(drained)
        self.clock.advance(PACE)
        self.successResultOf(drained)


class Opaque(OutboxTestCase):
    """What is written is what was put, in whole frames: nothing looks inside."""

    frames = st.lists(st.binary(min_size=1, max_size=200), max_size=4)
    steps = st.lists(
        st.one_of(frames, st.sampled_from(("turn", "time", "full", "empty", "paced", "at once")), frames),
        max_size=20,
    )

    @settings(deadline=None)
    @given(steps)
    def test_whatever_the_bytes_and_the_pauses(self, steps: list[list[bytes] | str]) -> None:
        """Newlines, halves of characters, anything."""
        self.clock, self.transport = Clock(), Journaled()
        self.flush_queue = FlushQueue(self.clock)
        outbox = self.make(self.transport)
        outbox.max_bytes = 100 * CAP
        put: list[bytes] = []
        for step in (*steps, "empty", "time"):
            if isinstance(step, list):
                for frame in step:
                    outbox.queue_frame(frame)
                put += step
            elif step == "turn":
                self.clock.advance(0)
            elif step == "time":
                self.clock.pump([PACE] * (len(put) + 1))
            elif step == "full":
                outbox.pauseProducing()
            elif step == "empty":
                outbox.resumeProducing()
            else:
                outbox.set_seconds_between_writes(PACE if step == "paced" else 0.0)
        writes = [write for write in self.transport.done if isinstance(write, bytes)]
        self.assertEqual(b"".join(writes), b"".join(put))
        ends = set(accumulate(map(len, put)))
        self.assertLessEqual(set(accumulate(map(len, writes))), ends)


class Closing(OutboxTestCase):
    """An orderly end: everything written, then no producer, then no connection."""

    def test_flushes_then_loses(self) -> None:
        """At the end of the turn, and nothing that is put later leaves."""
        self.put(b"one\n")
        self.outbox.close()
        self.put(b"two\n")
        self.assert_done()
        self.clock.advance(0)
        # TLS closes only once its producer is gone.
        self.assert_done(b"one\n", "unregister", "lose")
        self.put(b"three\n")
        self.clock.advance(1)
        self.assert_done()
        self.assertFalse(self.outbox.closed)

    def test_with_nothing_to_write(self) -> None:
        """It closes all the same; asked twice, it closes once."""
        self.outbox.close()
        self.outbox.close()
        self.clock.advance(0)
        self.outbox.close()
        self.clock.advance(1)
        self.assert_done("unregister", "lose")

    def test_a_full_transport_first(self) -> None:
        """What waits here leaves before the connection does."""
        self.transport.full = True
        self.put(b"one\n")
        self.clock.advance(0)
        self.put(b"two\n")
        self.outbox.close()
        self.clock.advance(1)
        self.assert_done(b"one\n")
        self.transport.full = False
        self.outbox.resumeProducing()
        self.assert_done(b"two\n", "unregister", "lose")

    def test_who_does_not_read_is_cut(self) -> None:
        """After `CLOSE_TIMEOUT_SECONDS` seconds, with what waits."""
        self.outbox.pauseProducing()
        self.put(b"one\n")
        self.outbox.close()
        self.clock.advance(CLOSE_TIMEOUT_SECONDS - 0.01)
        self.assert_done()
        self.clock.advance(0.01)
        self.assert_done("abort")
        self.assertTrue(self.outbox.closed)

    def test_who_does_not_close_is_cut(self) -> None:
        """The transport took everything, and the other side keeps it all in its buffers."""
        self.put(b"one\n")
        self.outbox.close()
        self.clock.advance(0)
        self.assert_done(b"one\n", "unregister", "lose")
        self.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assert_done("abort")

    def test_once_it_is_gone_nothing_is_left(self) -> None:
        """No timer, no write, no second end."""
        self.outbox.seconds_between_writes = PACE
        self.put(b"one\n", b"two\n", b"three\n")
        self.clock.advance(0)
        self.outbox.close()
        self.outbox.connection_lost()
        self.put(b"four\n")
        self.outbox.close()
        self.outbox.abort()
        self.outbox.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assert_done(b"one\n")

    def test_a_paced_client_gets_all_of_it(self) -> None:
        """At its pace, however long that takes: the grace begins anew with every line."""
        self.outbox.seconds_between_writes = PACE
        lines = [b"%d\n" % number for number in range(260)]
        self.put(*lines)
        self.outbox.close()
        for _ in range(260):
            self.clock.advance(PACE)
        self.assertGreater(self.clock.seconds(), CLOSE_TIMEOUT_SECONDS)
        self.assert_done(*lines, "unregister", "lose")
        self.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assert_done("abort")

    def test_a_paced_client_that_does_not_read_is_cut(self) -> None:
        """`CLOSE_TIMEOUT_SECONDS` seconds after the last line that it took."""
        self.outbox.seconds_between_writes = PACE
        self.put(b"one\n", b"two\n")
        self.outbox.close()
        self.clock.advance(0)
        self.outbox.pauseProducing()
        self.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assert_done(b"one\n", "abort")

    def test_whether_something_was_left(self) -> None:
        """What waited when the connection was lost or cut, for whatever reason, was dropped."""
        self.put(b"one\n")
        self.outbox.connection_lost()
        self.assertTrue(self.outbox.dropped)
        over = self.make(Journaled())
        over.pauseProducing()
        over.queue_frame(b"x" * 2_000)
        self.assertTrue(over.dropped)
        done = self.make(Journaled())
        done.queue_frame(b"one\n")
        done.close()
        self.clock.advance(0)
        done.connection_lost()
        self.assertFalse(done.dropped)

    def test_lingering(self) -> None:
        """The connection is lost so many seconds after the last write, or when it is lost anyway."""
        self.put(b"one\n")
        self.outbox.close(linger=1.0)
        self.clock.advance(0)
        self.assert_done(b"one\n", "unregister")
        self.clock.advance(0.9)
        self.assert_done()
        self.clock.advance(0.1)
        self.assert_done("lose")
        self.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assert_done("abort")
        self.transport = Journaled()
        self.outbox = self.make(self.transport)
        self.outbox.close(linger=1.0)
        self.clock.advance(0)
        self.outbox.connection_lost()
        self.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assert_done("unregister")

    def test_abort(self) -> None:
        """At once, without what waits, and once."""
        self.put(b"one\n")
        self.outbox.abort()
        self.outbox.abort()
        self.outbox.close()
        self.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assert_done("abort")
        self.assertEqual(self.overflows, 0)


# The same on real sockets.

BIG = 1024 * 1024


class Server(Protocol):
    """One connection of the daemon's side: an outbox, and a clock of its own for its grace."""

    transport: Any
    outbox: Outbox

    def __init__(self) -> None:
        self.clock = Clock()
        self.overflows = 0
        self.ended: Deferred[type[BaseException] | None] = Deferred()

    def connectionMade(self) -> None:
        """Make the outbox, and greet: with TLS that is before the handshake."""
        self.outbox = Outbox(
            self.transport, self.clock, FlushQueue(global_reactor), BIG, deque.popleft, self.overflow
        )
        self.outbox.queue_frame(b"WHO\n")

    def overflow(self) -> None:
        """Count."""
        self.overflows += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember why."""
        self.outbox.connection_lost()
        self.ended.callback(reason.type)


class Reader(Protocol):
    """A client, which reads or doesn't."""

    transport: Any

    def __init__(self) -> None:
        self.read = bytearray()
        self.greeted: Deferred[None] = Deferred()
        self.ended: Deferred[type[BaseException] | None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        if not self.read:
            self.greeted.callback(None)
        self.read += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember why."""
        self.ended.callback(reason.type)


class Sockets(TestCase):
    """TCP on loopback."""

    cut: type[Exception] = ConnectionAborted

    def wrap_server(self, factory: Factory[Any]) -> IProtocolFactory:
        """What listens."""
        return factory

    def wrap_client(self, endpoint: IStreamClientEndpoint) -> IStreamClientEndpoint:
        """What connects."""
        return endpoint

    async def meet(self) -> tuple[Server, Reader]:
        """Both ends of a connection, after the greeting."""
        server = Server()
        factory = Factory.forProtocol(lambda: server)
        port = await TCP4ServerEndpoint(global_reactor, 0, interface="127.0.0.1").listen(
            self.wrap_server(factory)
        )
        self.addCleanup(port.stopListening)
        endpoint = self.wrap_client(TCP4ClientEndpoint(global_reactor, "127.0.0.1", port.getHost().port))
        reader = await endpoint.connect(Factory.forProtocol(Reader))
        assert isinstance(reader, Reader)
        await reader.greeted
        return server, reader

    async def test_who_reads_gets_everything(self) -> None:
        """Far more than the cap, as replays do it, then a clean end on both sides."""
        server, reader = await self.meet()
        frames = [bytes([65 + number % 26]) * 99_999 + b"\n" for number in range(40)]
        for frame in frames:
            server.outbox.queue_frame(frame)
            if server.outbox.is_congested:
                await server.outbox.when_drained()
        server.outbox.close()
        self.assertIs(await reader.ended, ConnectionDone)
        self.assertIs(await server.ended, ConnectionDone)
        self.assertEqual(bytes(reader.read), b"WHO\n" + b"".join(frames))
        self.assertEqual((server.overflows, server.clock.getDelayedCalls()), (0, []))

    async def test_who_does_not_read_is_cut_at_the_cap(self) -> None:
        """Whatever the kernel takes, no more than the cap waits here."""
        server, reader = await self.meet()
        reader.transport.pauseProducing()
        sent = 0
        while not server.outbox.closed:
            server.outbox.queue_frame(b"x" * 65_536)
            sent += 65_536
            self.assertLess(sent, 64 * BIG)
            await deferLater(global_reactor, 0, lambda: None)
        self.assertIs(await server.ended, self.cut)
        self.assertEqual(server.overflows, 1)
        reader.transport.resumeProducing()
        await reader.ended
        self.assertLess(len(reader.read), sent - BIG)

    async def test_who_does_not_read_is_cut_when_it_closes(self) -> None:
        """What it never takes can't hold the connection open longer than the grace."""
        server, reader = await self.meet()
        reader.transport.pauseProducing()
        while not server.outbox.is_congested:
            server.outbox.queue_frame(b"x" * 65_536)
            await deferLater(global_reactor, 0, lambda: None)
        server.outbox.close()
        for _ in range(10):
            await deferLater(global_reactor, 0, lambda: None)
        self.assertFalse(server.ended.called)
        server.clock.advance(CLOSE_TIMEOUT_SECONDS)
        self.assertIs(await server.ended, self.cut)
        reader.transport.resumeProducing()
        await reader.ended


@implementer(IOpenSSLServerConnectionCreator, IOpenSSLClientConnectionCreator)
class Encryption:
    """Both ends of TLS, with a certificate that signs itself and is good for an hour.

    Not Twisted's own CertificateOptions, which give pyOpenSSL what it deprecates.
    """

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
            .sign(key, hashes.SHA256())
        )
        self._context = Context(TLS_METHOD)
        self._context.use_privatekey(key)
        self._context.use_certificate(certificate)

    def serverConnectionForTLS(self, protocol: object) -> Connection:  # noqa: N802, Twisted's name
        """One end."""
        return Connection(self._context, None)

    clientConnectionForTLS = serverConnectionForTLS  # noqa: N815, Twisted's name


class TLSSockets(Sockets):
    """The same over TLS, whose transport has buffers and producers of its own."""

    cut = ConnectionLost  # it finds its peer gone before it remembers who ended it

    def setUp(self) -> None:
        """Make a certificate."""
        self.encryption = Encryption()

    def wrap_server(self, factory: Factory[Any]) -> IProtocolFactory:
        """What listens."""
        return TLSMemoryBIOFactory(self.encryption, False, factory)

    def wrap_client(self, endpoint: IStreamClientEndpoint) -> IStreamClientEndpoint:
        """What connects."""
        return wrapClientTLS(self.encryption, endpoint)
