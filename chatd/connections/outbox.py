"""A client's outbox: the frames that wait to be written, and when they are written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from chatd.boundaries import Clock
from chatd.connections.socket_write import writer_to

CLOSE_TIMEOUT_SECONDS: Final = 10.0
"""How long a closing client may take for the last write; then the connection is cut."""


class Transport(Protocol):
    """What an outbox needs of a connection: Twisted's TCP, Unix and TLS transports have it."""

    def write(self, data: bytes, /) -> None: ...
    def registerProducer(self, producer: IPushProducer, streaming: bool, /) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class FlushQueue:
    """The outboxes that have something to write in this reactor turn: each writes once, at its end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[Outbox] = []

    def add(self, outbox: Outbox) -> None:
        """Flush ``outbox`` at the end of this reactor turn."""
        if not self._due:
            self._clock.callLater(0, self._flush)
        self._due.append(outbox)

    def _flush(self) -> None:
        due, self._due = self._due, []
        for outbox in due:
            outbox.flush()


@implementer(IPushProducer)
class Outbox:
    """A client's bounded queue of whole frames, in front of its transport. It never looks inside a frame.

    The transport says when its own buffer (64 KiB) is full and when it is empty again; in between, frames
    wait here. When more than ``cap`` bytes wait because the transport takes none, ``on_overflow`` is called
    and the connection is cut. ``dropped`` says whether the connection ended with frames waiting.

    With a ``pace``, writes are that many seconds apart, and ``next_write`` takes each one from the front of
    the queue. When more than ``cap`` bytes wait because of the pace, everything is written at once.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        flush_queue: FlushQueue,
        cap: int,
        next_write: Callable[[deque[bytes]], bytes],
        on_overflow: Callable[[], None],
    ) -> None:
        self.pace = 0.0
        self.cap = cap
        self.closed = False
        self.dropped = False
        self._transport = transport
        self._write = writer_to(transport)
        self._clock = clock
        self._flush_queue = flush_queue
        self._next_write = next_write
        self._on_overflow = on_overflow
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._due = False
        self._paused = False
        self._closing = False
        self._finished = False
        self._linger = 0.0
        self._timer: IDelayedCall | None = None
        self._cut: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        transport.registerProducer(self, True)

    @property
    def backed_up(self) -> bool:
        """Whether a replay, or the next request, should wait for `drained`."""
        return self._paused or self._size > self.cap // 8

    @property
    def size(self) -> int:
        """Bytes that wait to be written."""
        return self._size

    @property
    def empty(self) -> bool:
        """Whether everything was handed to the transport, and the transport takes more."""
        return not (self._frames or self._paused)

    def put(self, frame: bytes) -> None:
        """Queue ``frame``; it is written with the other frames of this reactor turn."""
        if self._closing or self.closed or not frame:
            return
        self._frames.append(frame)
        self._size += len(frame)
        if self._size > self.cap and not self._paused:
            # The client is not slow; the pace may be. `drained` fires at the end of the turn, not here: a
            # replay must not go on in the middle of a commit.
            self._write_all()
        if self._size > self.cap:
            self._on_overflow()
            self.abort()
        else:
            self._flush_soon()

    def set_pace(self, pace: float) -> None:
        """Change the pace. A write that is due later than the new pace allows is moved forward."""
        if pace == self.pace:
            return
        self.pace = pace
        if self._timer is not None and not (self.closed or self._finished):
            self._timer.cancel()
            self._timer = self._clock.callLater(pace, self._write_next) if pace else None
            self._flush_soon()

    def flush_and_pause(self, seconds: float) -> None:
        """Write what waits now, then nothing for ``seconds``."""
        self.flush()
        if self._timer is None and not self.closed:
            self._timer = self._clock.callLater(seconds, self._write_next)

    def flush(self) -> None:
        """Write what waits, as far as transport and pace allow."""
        self._due = False
        if self._paused or self._timer is not None:
            return
        if self.pace:
            self._write_one()
        elif self._frames:
            self._write_all()
        self._settle()

    def drained(self) -> Deferred[None]:
        """Fires when nothing waits here, or the connection is gone."""
        if self.closed or self.empty:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        return done

    def close(self, linger: float = 0.0) -> None:
        """Take no more frames; write what waits, then close after ``linger`` seconds.

        The connection is cut after `CLOSE_TIMEOUT_SECONDS`; each paced write starts that time anew.
        """
        if not self._closing and not self.closed:
            self._closing = True
            self._linger = linger
            self._cut = self._clock.callLater(CLOSE_TIMEOUT_SECONDS, self.abort)
            self._flush_soon()

    def abort(self) -> None:
        """Drop what waits and cut the connection."""
        if not self.closed:
            self.connection_lost()
            self._transport.abortConnection()

    def connection_lost(self) -> None:
        """The connection is gone."""
        self.closed = True
        self.dropped = self.dropped or bool(self._frames)
        self._frames.clear()
        self._size = 0
        for timer in (self._timer, self._cut):
            if timer is not None and timer.active():
                timer.cancel()
        self._settle()

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport's buffer is empty."""
        self._paused = False
        self.flush()

    def stopProducing(self) -> None:
        """Do nothing: the connection is gone, and the protocol calls `connection_lost`."""

    def _flush_soon(self) -> None:
        if not self._due:
            self._due = True
            self._flush_queue.add(self)

    def _write_all(self) -> None:
        frames = self._frames
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        frames.clear()
        self._size = 0
        self._write(data)

    def _write_one(self) -> None:
        if not self._frames:
            return
        data = self._next_write(self._frames)
        self._size -= len(data)
        self._timer = self._clock.callLater(self.pace, self._write_next)
        if self._cut is not None:
            self._cut.reset(CLOSE_TIMEOUT_SECONDS)  # the daemon sets the pace: the client is not slow
        self._write(data)

    def _write_next(self) -> None:
        self._timer = None
        self.flush()

    def _settle(self) -> None:
        """Once the queue is empty: fire `drained`, and close if `close` was called."""
        if not (self.closed or self.empty):
            return
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)
        if self._closing and not self._finished and not self.closed and not self._frames:
            self._finished = True  # once: a pending flush may come here again
            if self._timer is not None:
                self._timer.cancel()
            # A TLS transport waits for its producer to have no more before it closes.
            self._transport.unregisterProducer()
            if self._linger:
                self._timer = self._clock.callLater(self._linger, self._transport.loseConnection)
            else:
                self._transport.loseConnection()
