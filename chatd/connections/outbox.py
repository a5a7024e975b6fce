"""The outbox of a client: the queue of frames that wait to be written, and the timing of the writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from chatd.boundaries import Clock
from chatd.chat.fanout import Recipient
from chatd.connections.socket_write import half_close, may_send_to_socket, socket_sender, socket_writer

CLOSE_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a client has to read its last bytes when its connection closes; then the connection is cut."""


class Transport(Protocol):
    """The interface of a connection towards its outbox.

    Twisted's TCP, Unix and TLS transports implement it.
    """

    def write(self, data: bytes, /) -> None: ...
    def registerProducer(self, producer: IPushProducer, streaming: bool, /) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class FlushQueue:
    """The outboxes that have frames to write at the end of this iteration of the reactor.

    Most outboxes have one frame to write, and nothing that delays it. For these, this class queues and writes
    the frames itself, in one loop, so that a message to many users costs little. `Outbox.queue_frame` and
    `Outbox.flush` do the same for a single outbox in any state.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[Outbox] = []

    def add(self, outbox: Outbox) -> None:
        """Schedule ``outbox`` to write its frames at the end of this iteration of the reactor."""
        if not self._due:
            self._clock.callLater(0, self._flush)
        self._due.append(outbox)

    def deliver_to_all(self, recipients: Sequence[RecipientWithOutbox], frame: bytes, stored: bool) -> None:
        """Put ``frame``, which is not empty, into the outboxes of all ``recipients``.

        ``stored`` says whether the frame contains log entries, which a recipient may hold back.
        `chatd.chat.fanout.deliver_to_each` has the same effect.
        """
        if recipients and not self._due:
            self._clock.callLater(0, self._flush)
        size, add = len(frame), self._due.append
        for recipient in recipients:
            outbox = recipient.immediate_outbox
            if outbox is not None and outbox.is_clear:
                outbox.is_clear = False
                outbox.only_frame = frame
                outbox.queued_bytes = size
                add(outbox)
            elif stored:
                recipient.send_stored(frame)
            else:
                recipient.send_unstored(frame)

    def _flush(self) -> None:
        due, self._due = self._due, []
        for outbox in due:
            frame = outbox.only_frame
            if frame is None:
                outbox.flush()
                continue
            outbox.only_frame = None
            outbox.queued_bytes = 0
            try:
                sent = outbox.send_to_socket(frame)
            except OSError:
                sent = 0  # the socket is full or gone: the transport handles both
            if sent == len(frame):
                outbox.is_clear = True
            else:
                outbox.write_unsent_part(frame[sent:])


class RecipientWithOutbox(Recipient, Protocol):
    """The interface of a recipient with an outbox: `chatd.connections.session.Session`.

    ``immediate_outbox`` is the outbox if frames go there at once, or None if the session holds them back or
    buffers them first.
    """

    @property
    def immediate_outbox(self) -> Outbox | None: ...


@implementer(IPushProducer)
class Outbox:
    """A bounded queue of whole frames that wait to be written to the transport of one client.

    The transport signals when its own buffer (64 KiB) is full and when it is empty again; frames wait in the
    queue in between. If more than ``max_bytes`` bytes wait because the transport takes none, ``on_overflow``
    is called and the connection is cut. ``dropped`` says whether frames were waiting when the connection
    ended.

    If ``seconds_between_writes`` is not 0, writes are that many seconds apart, and
    ``dequeue_next_write(frames)`` takes the bytes of one write from the front of the queue. If more than
    ``max_bytes`` bytes wait because of this delay, all of them are written at once.

    ``queued_bytes`` is the number of bytes that wait to be written. ``is_clear`` is true while nothing waits,
    neither here nor in the transport, and nothing delays the next frame. Then one frame may be stored in
    ``only_frame`` instead of the queue. At the end of the reactor's iteration, the `FlushQueue` writes it
    with ``send_to_socket``, the socket's own ``send``. If a method of the outbox is called before that, the
    method first moves the frame to the queue.
    """

    __slots__ = (
        "_clock",
        "_closing",
        "_cut",
        "_due",
        "_finished",
        "_flush_queue",
        "_frames",
        "_linger",
        "_next_write",
        "_on_overflow",
        "_paused",
        "_timer",
        "_transport",
        "_waiting",
        "_write",
        "closed",
        "dropped",
        "is_clear",
        "max_bytes",
        "only_frame",
        "queued_bytes",
        "seconds_between_writes",
        "send_to_socket",
    )

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        flush_queue: FlushQueue,
        max_bytes: int,
        dequeue_next_write: Callable[[deque[bytes]], bytes],
        on_overflow: Callable[[], None],
    ) -> None:
        self.seconds_between_writes = 0.0
        self.max_bytes = max_bytes
        self.closed = False
        self.dropped = False
        self.is_clear = False
        self.only_frame: bytes | None = None
        self.queued_bytes = 0
        self.send_to_socket = socket_sender(transport)
        self._transport = transport
        self._write = socket_writer(transport)
        self._clock = clock
        self._flush_queue = flush_queue
        self._next_write = dequeue_next_write
        self._on_overflow = on_overflow
        self._frames: deque[bytes] = deque()
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
    def is_congested(self) -> bool:
        """Whether so much is queued that replays and the client's next request must wait for
        `when_drained`.
        """
        return self._paused or self.queued_bytes > self.max_bytes // 8

    @property
    def is_empty(self) -> bool:
        """Whether all frames were written to the transport, and the transport accepts more."""
        return not (self.queued_bytes or self._paused)

    def queue_frame(self, frame: bytes) -> None:
        """Queue ``frame``, unless it is empty or the outbox is closed.

        The frame is written together with the other frames of this iteration of the reactor, as far as the
        transport and the delay between writes allow. If then more than ``max_bytes`` bytes wait because the
        transport takes none, the connection is cut.
        """
        if not frame:
            return
        if self.is_clear:
            self.is_clear = False
            self.only_frame = frame
            self.queued_bytes = len(frame)
            self._flush_queue.add(self)
            return
        if self._closing or self.closed:
            return
        self._queue_only_frame()
        self._frames.append(frame)
        self.queued_bytes += len(frame)
        if self.queued_bytes > self.max_bytes and not self._paused:
            # The client is not slow; the pace may be. `when_drained` fires at the end of the reactor's
            # iteration, not here: a replay must not go on in the middle of a commit.
            self._write_all()
        if self.queued_bytes > self.max_bytes:
            self._on_overflow()
            self.abort()
        else:
            self._flush_soon()

    def set_seconds_between_writes(self, seconds: float) -> None:
        """Set the delay between two writes in seconds; 0 means no delay.

        It applies to a scheduled write as well.
        """
        if seconds == self.seconds_between_writes:
            return
        self._queue_only_frame()
        self.seconds_between_writes = seconds
        if self._timer is not None and not (self.closed or self._finished):
            self._timer.cancel()
            self._timer = self._clock.callLater(seconds, self._write_next) if seconds else None
            self._flush_soon()

    def flush_and_pause(self, seconds: float) -> None:
        """Write the queued frames now, then write nothing for ``seconds``.

        Frames that the transport or the delay between writes does not allow yet stay queued. A pause that is
        under way already is not changed.
        """
        self.flush()
        if self._timer is None and not self.closed:
            self.is_clear = False
            self._timer = self._clock.callLater(seconds, self._write_next)

    def flush(self) -> None:
        """Write the queued frames, as far as the transport and the delay between writes allow."""
        self._queue_only_frame()
        self._due = False
        if self._paused or self._timer is not None:
            return
        if self.seconds_between_writes:
            self._write_one()
        elif self._frames:
            self._write_all()
        self._settle()

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires when all frames are written and the transport accepts more.

        The Deferred also fires when the connection is gone.
        """
        if self.closed or self.is_empty:
            return succeed(None)
        self._queue_only_frame()
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        return done

    def close(self, linger: float = 0.0) -> None:
        """Accept no more frames, write the queued frames, then close the connection.

        If ``linger`` is not 0, the output is half-closed after the last frame, and the connection closes
        ``linger`` seconds later; input is still read until then. A client that does not take the queued
        frames is cut off `CLOSE_TIMEOUT_SECONDS` after the call. If there is a delay between writes, each
        write restarts that time.
        """
        if not self._closing and not self.closed:
            self._queue_only_frame()
            self._closing = True
            self._linger = linger
            self._cut = self._clock.callLater(CLOSE_TIMEOUT_SECONDS, self.abort)
            self._flush_soon()

    def abort(self) -> None:
        """Discard the queued frames and cut the connection at once."""
        if not self.closed:
            self.connection_lost()
            self._transport.abortConnection()

    def connection_lost(self) -> None:
        """Discard the queued frames and stop the timers, because the connection is gone."""
        self._queue_only_frame()
        self.closed = True
        self.dropped = self.dropped or bool(self._frames)
        self._frames.clear()
        self.queued_bytes = 0
        for timer in (self._timer, self._cut):
            if timer is not None and timer.active():
                timer.cancel()
        self._settle()

    def pauseProducing(self) -> None:
        """Stop writing, because the transport's buffer is full."""
        self._queue_only_frame()
        self._paused = True

    def resumeProducing(self) -> None:
        """Write the queued frames, because the transport's buffer is empty again."""
        self._paused = False
        self.flush()

    def stopProducing(self) -> None:
        """Do nothing, because the protocol calls `connection_lost` when the connection is gone."""

    def write_unsent_part(self, data: bytes) -> None:
        """Write ``data``, the rest of a frame that the socket has taken only in part, before all queued
        frames.
        """
        self._write(data)
        self._settle()

    def _queue_only_frame(self) -> None:
        """Move the frame in ``only_frame``, if any, to the queue. The outbox is not clear afterwards."""
        self.is_clear = False
        if self.only_frame is not None:
            self._frames.append(self.only_frame)
            self.only_frame = None
            self._due = True  # the flush queue has the outbox already

    def _flush_soon(self) -> None:
        if not self._due:
            self._due = True
            self._flush_queue.add(self)

    def _write_all(self) -> None:
        frames = self._frames
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        frames.clear()
        self.queued_bytes = 0
        self._write(data)

    def _write_one(self) -> None:
        if not self._frames:
            return
        data = self._next_write(self._frames)
        self.queued_bytes -= len(data)
        self._timer = self._clock.callLater(self.seconds_between_writes, self._write_next)
        if self._cut is not None:
            self._cut.reset(CLOSE_TIMEOUT_SECONDS)  # the daemon sets the pace: the client is not slow
        self._write(data)

    def _write_next(self) -> None:
        self._timer = None
        self.flush()

    def _settle(self) -> None:
        """Fire the Deferreds of `when_drained` if the queue is empty, then close if `close` was called.

        Find out whether the outbox is clear.
        """
        if not (self.closed or self.is_empty):
            return
        if self._waiting:
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
                half_close(self._transport)
                self._timer = self._clock.callLater(self._linger, self._transport.loseConnection)
            else:
                self._transport.loseConnection()
        self.is_clear = not (
            self.closed or self._closing or self.queued_bytes or self.seconds_between_writes or self._timer
        ) and may_send_to_socket(self._transport)
