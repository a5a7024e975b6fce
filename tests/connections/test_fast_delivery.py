"""One loop for all who get a frame, or each in its own way: the same bytes, in the same order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from errno import EAGAIN, ECONNRESET
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from chatd.chat.fanout import deliver_to_each
from chatd.connections import outbox as outbox_module
from chatd.connections.outbox import FlushQueue, Outbox
from tests.support.effort import effort

CLIENTS = 3
CAP = 300
PACE = 0.04

BUFFER = 50
"""Bytes that a transport takes before it says that it is full."""

BROKEN = -1
"""The room of a socket whose peer is gone."""


class Socket:
    """A socket that takes as many bytes as it has ``room`` for, and remembers them."""

    def __init__(self) -> None:
        self.room = 10**6
        self.taken = b""
        self.closed = False

    def send(self, data: bytes) -> int:
        """Take what there is room for."""
        if self.closed or self.room == BROKEN:
            raise ConnectionResetError(ECONNRESET, "gone")
        if not self.room:
            raise BlockingIOError(EAGAIN, "full")
        count = min(self.room, len(data))
        self.room -= count
        self.taken += data[:count]
        return count

    def fileno(self) -> int:
        """A number, for nobody."""
        return 1

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True

    def setblocking(self, _: object) -> None:
        """Do nothing."""

    def setsockopt(self, *_: object) -> None:
        """Do nothing."""

    def shutdown(self, _: object) -> None:
        """Do nothing."""


class Ear(Protocol):
    """A client, whose session may hold frames back."""

    transport: Any

    def __init__(self) -> None:
        self.socket = Socket()
        self.held: list[bytes] | None = None
        self.overflows = 0
        self.drained = 0

    def meet(self, reactor: MemoryReactorClock, queue: FlushQueue) -> None:
        """Be connected."""
        transport = Server(self.socket, self, ("127.0.0.1", 1), None, 1, reactor)  # type: ignore[arg-type]
        self.outbox = Outbox(transport, reactor, queue, CAP, deque.popleft, self.overflow)
        self.transport = transport
        transport.bufferSize = BUFFER
        transport.write(b"hello ")  # as what answers a handshake, before there is a session

    @property
    def immediate_outbox(self) -> Outbox | None:
        """As a session has it."""
        return self.outbox if self.held is None else None

    def overflow(self) -> None:
        """Count."""
        self.overflows += 1

    def drain(self, _: object) -> None:
        """Count."""
        self.drained += 1

    def send_stored(self, frame: bytes) -> None:
        """Hold it back, if that is so."""
        if self.held is None:
            self.outbox.queue_frame(frame)
        else:
            self.held.append(frame)

    def send_unstored(self, frame: bytes) -> None:
        """Never hold it back."""
        self.outbox.queue_frame(frame)

    def release(self) -> None:
        """Send what was held back."""
        held, self.held = self.held or [], None
        for frame in held:
            self.outbox.queue_frame(frame)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the outbox, as a session does."""
        self.outbox.connection_lost()

    @property
    def seen(self) -> tuple[object, ...]:
        """What can be seen of it from outside."""
        box = self.outbox
        return (
            self.socket.taken, self.socket.closed, self.overflows, self.drained, self.held,
            box.queued_bytes, box.is_empty, box.is_congested, box.closed, box.dropped,
        )  # fmt: skip


Deliver = Callable[[Any, bytes, bool], None]


class World:
    """Some clients, and how frames are delivered to all of them."""

    def __init__(self, make_deliver: Callable[[FlushQueue], Deliver]) -> None:
        self.reactor = MemoryReactorClock()
        queue = FlushQueue(self.reactor)
        self.deliver = make_deliver(queue)
        self.ears = [Ear() for _ in range(CLIENTS)]
        for ear in self.ears:
            ear.meet(self.reactor, queue)
        for ear in self.ears[1:]:
            ear.transport.doWrite()
        self.do("deliver", 0, 1)
        self.do("turn", 0, 0)

    def do(self, step: str, who: int, size: int) -> None:
        """Do one thing; what ``size`` means depends on it."""
        ear = self.ears[who]
        frame = bytes([65 + size % 26]) * size
        match step:
            case "deliver":
                self.deliver(self.ears, frame or b"\n", True)
            case "announce":
                self.deliver(self.ears[:who], frame or b"\n", False)
            case "put":
                ear.outbox.queue_frame(frame)
            case "hold":
                ear.held = ear.held or []
            case "release":
                ear.release()
            case "room":
                ear.socket.room = size
            case "plenty":
                ear.socket.room = 10**6
            case "break":
                ear.socket.room = BROKEN
            case "pace":
                ear.outbox.set_seconds_between_writes(PACE if size % 2 else 0.0)
            case "pause":
                ear.outbox.flush_and_pause(PACE)
            case "drain":
                ear.outbox.when_drained().addCallback(ear.drain)
            case "close":
                ear.outbox.close(linger=size % 2 * PACE)
            case "abort":
                ear.outbox.abort()
            case "turn":
                self.reactor.advance(0)
            case "wait":
                self.reactor.advance(PACE)
            case "write":
                for writer in [one for one in self.reactor.getWriters() if isinstance(one, Server)]:
                    why = writer.doWrite()
                    if why is not None:
                        self.reactor.removeWriter(writer)
                        writer.connectionLost(Failure(why))

    @property
    def seen(self) -> list[tuple[object, ...]]:
        """What can be seen of the clients."""
        return [ear.seen for ear in self.ears]


STEPS = (
    *("deliver", "turn") * 4, "announce", "put", "hold", "release", "room", "plenty", "break", "pace",
    "pause", "drain", "close", "abort", "wait", "write",
)  # fmt: skip

stories = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, CLIENTS - 1), st.integers(0, 200)), max_size=40
)


class FastDelivery(SynchronousTestCase):
    @settings(deadline=None, max_examples=effort(150))
    @given(stories)
    @example([("pace", 1, 1), *[("deliver", 0, 9), ("turn", 0, 0)] * 2, ("wait", 0, 0), ("wait", 0, 0),
              *[("deliver", 0, 8), ("turn", 0, 0)] * 3])  # fmt: skip
    def test_it_gives_what_the_slow_way_gives(self, story: list[tuple[str, int, int]]) -> None:
        """In whatever state clients are, and whatever their sockets do, after every step."""
        fast = World(lambda queue: queue.deliver_to_all)
        with patch.object(
            outbox_module, "may_send_to_socket", return_value=False
        ):  # so that no outbox is ever clear
            slow = World(lambda queue: deliver_to_each)
        for step in story:
            fast.do(*step)
            with patch.object(outbox_module, "may_send_to_socket", return_value=False):
                slow.do(*step)
            self.assertEqual(fast.seen, slow.seen, step)

    def test_it_is_what_is_tested(self) -> None:
        """A client with nothing in its way is clear, and its frame is placed and sent, not queued."""
        world = World(lambda queue: queue.deliver_to_all)
        box = world.ears[0].outbox
        self.assertEqual((box.is_clear, world.ears[0].socket.taken), (False, b""))
        world.do("write", 0, 0)
        world.do("deliver", 0, 1)
        world.do("turn", 0, 0)
        self.assertTrue(box.is_clear)
        world.do("deliver", 0, 2)
        self.assertEqual((box.is_clear, box.only_frame, len(box._frames)), (False, b"CC", 0))
        with patch.object(Outbox, "flush", side_effect=AssertionError):
            world.do("turn", 0, 0)
        self.assertEqual((box.is_clear, world.ears[0].socket.taken), (True, b"hello BBCC"))
