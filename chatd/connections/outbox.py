"""What waits to be written to one client, and when it is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from chatd.connections.socket_write import writer_to

CLOSE_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a closing client has to take what it was sent last; then the connection is cut."""


READS: Final = (100, 128, 255)
"""Bytes that paced clients read at a time, or a multiple of these: 100 and 255 were seen, 128 is a guess."""


class Transport(Protocol):
    """What an outbox needs of a connection: Twisted's TCP, Unix and TLS transports have it."""

    def write(self, data: bytes, /) -> None: ...
    def registerProducer(self, producer: IPushProducer, streaming: bool, /) -> None: ...
    def unregisterProducer(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class Turn:
    """The outboxes with something to do in this turn of the reactor: each writes once, at its end."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._due: list[Outbox] = []
        self._joined: dict[tuple[bytes, ...], bytes] = {}

    def add(self, outbox: Outbox) -> None:
        """Have ``outbox`` flushed at the end of this turn."""
        if not self._due:
            self._clock.callLater(0, self._flush)
        self._due.append(outbox)

    def join(self, frames: Iterable[bytes]) -> bytes:
        """The frames as one; whoever has the same ones in this turn gets the same bytes, not a copy."""
        key = tuple(frames)
        joined = self._joined.get(key)
        if joined is None:
            joined = self._joined[key] = b"".join(key)
        return joined

    def _flush(self) -> None:
        due, self._due = self._due, []
        for outbox in due:
            outbox.flush()
        self._joined.clear()


@implementer(IPushProducer)
class Outbox:
    """A client's bounded queue of frames, in front of its transport.

    The transport says when its own buffer (64 KiB) is full and when it is empty again; in between,
    frames wait here. With more than ``cap`` bytes that it doesn't take, ``on_overflow`` is called and
    the connection is cut; ``dropped`` says whether it ended with something waiting. With a ``pace`` in
    seconds, every line is written alone, that far apart; or else, with a ``portion`` in bytes, as many
    lines as fit (see `whole`). Who falls so far behind that way gets all that waits at once.
    """

    def __init__(
        self,
        transport: Transport,
        clock: IReactorTime,
        turn: Turn,
        cap: int,
        on_overflow: Callable[[], None],
    ) -> None:
        self.pace = 0.0
        self.portion = 0
        self.cap = cap
        self.closed = False
        self.dropped = False
        self._transport = transport
        self._write = writer_to(transport)
        self._clock = clock
        self._turn = turn
        self._on_overflow = on_overflow
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._due = False
        self._paused = False
        self._closing = False
        self._finished = False
        self._linger = 0.0
        self._next: IDelayedCall | None = None
        self._cut: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []
        transport.registerProducer(self, True)

    @property
    def backed_up(self) -> bool:
        """Whether whoever can wait (a replay, the answers to further requests) should wait for `drained`."""
        return self._paused or self._size > self.cap // 8

    @property
    def size(self) -> int:
        """Bytes that wait to be written."""
        return self._size

    @property
    def empty(self) -> bool:
        """Whether all is written, as far as we know."""
        return not (self._frames or self._paused)

    def put(self, frame: bytes) -> None:
        """Queue ``frame``; it leaves with the others of this turn."""
        if self._closing or self.closed or not frame:
            return
        self._frames.append(frame)
        self._size += len(frame)
        if self._size > self.cap and not self._paused:
            # It is not the client that is slow; it may be our pace. Whoever waits for `drained` goes on at
            # the end of the turn: a replay must not in the middle of a commit.
            self._write_all()
        if self._size > self.cap:
            self._on_overflow()
            self.abort()
        else:
            self._flush_soon()

    def set_pace(self, pace: float, portion: int) -> None:
        """Write at another pace from now on; what waits for its time waits no longer than the new pace."""
        self.portion = portion
        if pace == self.pace:
            return
        self.pace = pace
        if self._next is not None and not (self.closed or self._finished):
            self._next.cancel()
            self._next = self._clock.callLater(pace, self._write_next) if pace else None
            self._flush_soon()

    def rest(self, seconds: float) -> None:
        """Write what waits now, and nothing more for so long."""
        self.flush()
        if self._next is None and not self.closed:
            self._next = self._clock.callLater(seconds, self._write_next)

    def flush(self) -> None:
        """Write what waits, as far as the transport and the pace allow."""
        self._due = False
        if self._paused or self._next is not None:
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
        """Take nothing more; write what waits and close, ``linger`` seconds after that.

        When that takes too long the connection is cut.
        """
        if not self._closing and not self.closed:
            self._closing = True
            self._linger = linger
            self._cut = self._clock.callLater(CLOSE_TIMEOUT_SECONDS, self.abort)
            self._flush_soon()

    def abort(self) -> None:
        """Forget what waits and cut the connection."""
        if not self.closed:
            self.lost()
            self._transport.abortConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self.closed = True
        self.dropped = self.dropped or bool(self._frames)
        self._frames.clear()
        self._size = 0
        for timer in (self._next, self._cut):
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
        """The connection is gone; the protocol says so as well."""

    def _flush_soon(self) -> None:
        if not self._due:
            self._due = True
            self._turn.add(self)

    def _write_all(self) -> None:
        data = self._turn.join(self._frames)
        self._frames.clear()
        self._size = 0
        self._write(data)

    def _write_one(self) -> None:
        if not self._frames:
            return
        frame = self._frames.popleft()
        while self._frames and len(frame) < self.portion:
            frame += self._frames.popleft()
        end = whole(frame, self.portion) if self.portion else frame.find(b"\n") + 1 or len(frame)
        if end < len(frame):
            self._frames.appendleft(frame[end:])
        self._size -= end
        self._next = self._clock.callLater(self.pace, self._write_next)
        if self._cut is not None:
            self._cut.reset(CLOSE_TIMEOUT_SECONDS)  # that it takes long is our doing
        self._write(frame[:end])

    def _write_next(self) -> None:
        self._next = None
        self.flush()

    def _settle(self) -> None:
        """Tell whoever waits for the end of the queue, when it is reached, and close if this was to be."""
        if not (self.closed or self.empty):
            return
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)
        if self._closing and not self._finished and not self.closed and not self._frames:
            self._finished = True  # once: what is due still may bring us here again
            if self._next is not None:
                self._next.cancel()
            # A TLS transport waits for its producer to have no more before it closes.
            self._transport.unregisterProducer()
            if self._linger:
                self._next = self._clock.callLater(self._linger, self._transport.loseConnection)
            else:
                self._transport.loseConnection()


def whole(text: bytes, portion: int) -> int:
    """How many bytes of ``text``, which is UTF-8, go into one write of ``portion`` bytes at most.

    They end where a line does, if one ends there; else between two characters. And they end before the first
    character that a client would get in two halves, which reads as many bytes at a time as one of `READS`
    says, and takes each write before the next: it may decode each read by itself.
    """
    end = min(len(text), portion)
    if not text[:end].isascii():
        cuts = {cut for size in READS for cut in range(size, end + 1, size)} | {end}
        end = next((cut for cut in sorted(cuts) if _is_inside(text, cut)), end)
        while _is_inside(text, end):
            end -= 1
    return text.rfind(b"\n", 0, end) + 1 or end


def _is_inside(text: bytes, place: int) -> bool:
    """Whether the byte at ``place`` goes on with a character."""
    return place < len(text) and text[place] & 0xC0 == 0x80
