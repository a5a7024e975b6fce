"""One connected client: who it is, how it is spoken to, what waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatd.boundaries import Dialect
from chatd.chat.service import Chat
from chatd.connections.outbox import Outbox
from chatd.connections.welcome_buffer import WelcomeBuffer
from chatd.core.answers import Answer
from chatd.core.events import User
from chatd.core.refusals import Refusal
from chatd.core.requests import Request

REFUSAL_LINGER_SECONDS: Final = 1.0
"""Seconds for which a client is still read, and not heard, after the refusal that ends its connection:
to close with bytes unread is a reset, which may overtake the refusal."""


READ_PROOF_SECONDS: Final = 5.0
"""Seconds in which what is written to a connection that works has arrived, and was read."""

ANSWER_BYTES_PER_TURN: Final = 16 * 1024
"""Bytes that wait to be written at the end of a turn of the reactor, after which a client's next command
waits for a turn of its own: clients who ask without end take turns, and others are served in between."""

MAX_ANONYMOUS_REFUSALS: Final = 5
"""Refusals after which a client without a name has to go: it speaks something else, or guesses."""


class Carrier(Protocol):
    """What a session needs of the protocol that cuts its frames."""

    def pauseProducing(self) -> None:
        """Cut no frame and read nothing until told to go on."""

    def resumeProducing(self) -> None:
        """Go on, with what was read already first."""


class Session:
    """A client, from its connection to its end. ``user`` is None until it has said who it is.

    ``leaving`` is set once nothing that it sends counts any more: its carrier hands nothing over then.
    ``updates_read_marker`` says whether what it gets counts as seen by its user, and ``max_id`` is
    the id of the last entry that it could be told, once it has departed. The user has missed the
    entries with an id above ``missed[0]`` and up to ``missed[1]``; up to now if that is None.
    """

    _log = Logger()

    def __init__(
        self,
        chat: Chat,
        clock: IReactorTime,
        dialect: Dialect,
        carrier: Carrier,
        peer: str,
        on_lost: Callable[[Session], None],
    ) -> None:
        self.user: User | None = None
        self.dialect = dialect
        self.peer = peer
        self.leaving = False
        self.updates_read_marker = True
        self.missed: tuple[int, int | None] = (0, 0)
        self.max_id: int | None = None
        self._chat = chat
        self._clock = clock
        self._carrier = carrier
        self._on_lost = on_lost
        self._outbox: Outbox
        self._pauses = 0
        self._awaited: set[Request] = set()
        self._then: Request | None = None
        self._linger = 0.0
        self._held: list[bytes] | None = None
        self._held_size = 0
        # The hello of a client that may be the reference client, and its next request if that is ``LST``.
        self._hello: Request | None = None
        self._shows: Request | None = None
        self._buffer: WelcomeBuffer | None = None
        self._write: Callable[[bytes], None]
        self._refusals = 0
        self._broken = False
        # The last id that has arrived, for all we know; the last that was written, and when.
        self._proven: int | None = None
        self._sent: int | None = None
        self._sent_at = 0.0

    def write_to(self, outbox: Outbox) -> None:
        """Speak through ``outbox``; comes before everything else."""
        self._outbox = outbox
        self._write = outbox.put
        self.speak(self.dialect)

    def greet(self) -> None:
        """Say what a client is sent before it says anything."""
        self._outbox.put(self.dialect.greeting)

    @property
    def seen(self) -> int | None:
        """The last id that the client, which is gone, can be taken to have got; None for nothing new.

        That is all that it was told, if the connection was closed behind it. If it broke, it is what had been
        sent a while before the client last said something: how much of the rest arrived nobody knows.
        """
        if not self.updates_read_marker:
            return None
        waits = self._held is not None or self._outbox.dropped or bool(self._buffer)
        broken = self._broken or waits
        return self._proven if broken else self.max_id

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._outbox.closed

    def receive(self, frame: bytes) -> None:
        """Take a frame from the carrier. Nothing that it holds can raise."""
        try:
            request = self.dialect.decode(frame)
        except Exception:
            self.internal_error(None)
            return
        if self.user is None:
            self._proven = self._sent = None
            if request is not None:
                # Nothing was said yet that could be mistaken for the one dialect or the other.
                self.speak(request.becomes)
                self._hello = request if request.pace else None
        elif self._hello is not None and self._shows is None:
            self._learn(request)
        elif self._held is None and self._buffer is None and self._outbox.empty:
            self._note_progress()
        if request is not None:
            self._ask(request)

    def _note_progress(self) -> None:
        """The client said something, so it is there, and nothing waits for it here."""
        now = self._clock.seconds()
        if now >= self._sent_at + READ_PROOF_SECONDS:
            self._proven, self._sent, self._sent_at = self._sent, self._chat.last_delivered_id, now

    def _ask(self, request: Request) -> None:
        if request.granted is not None or request.then is not None:
            # How the next frame is meant depends on this one: see `_settle`.
            self._awaited.add(request)
            self.pause()
        self._submit(request)

    def _submit(self, request: Request) -> None:
        try:
            refusal = self._chat.submit(self, request)
        except Exception:
            self.internal_error(request)
            return
        # A refusal that passes by itself is no fault of the client.
        if refusal is not None and self.user is None and refusal.retry_after is None:
            self._refusals += 1
            if self._refusals == MAX_ANONYMOUS_REFUSALS:
                self.break_off(Refusal("too_many_refusals"))

    def _settle(self, request: Request) -> None:
        """``request`` was answered or refused: take the next frame, if that waited for it."""
        if request in self._awaited:
            self._awaited.remove(request)
            self.resume()

    def internal_error(self, request: Request | None) -> None:
        """Log the exception being handled, which is a mistake of ours, and tell the client."""
        self._log.failure("a mistake while serving {peer}", peer=self.peer)
        self.refuse(request, Refusal("internal_error"))

    def reject_frame(self, refusal: Refusal) -> None:
        """Refuse a frame that the carrier could not cut whole; it goes on with the next."""
        self._submit(Request(refusal))

    def speak(self, dialect: Dialect | None) -> None:
        """Speak to the client in ``dialect`` from now on, if there is one."""
        if dialect is not None:
            self.dialect = dialect
            self._outbox.set_pace(dialect.pace, dialect.portion)

    def end(self) -> None:
        """The client sends nothing more: answer what it asked, then close."""
        if not self.leaving:
            self._chat.quit(self, None)

    def break_off(self, refusal: Refusal) -> None:
        """Refuse whatever the client may still send, then close."""
        self._linger = REFUSAL_LINGER_SECONDS
        self._chat.quit(self, None, refusal)

    def lost(self, broken: bool = False) -> None:
        """The connection is gone: ``broken``, unless one side has closed it."""
        self.leaving = True
        if self._buffer is not None:
            self._buffer.stop_waiting()
        self._broken = broken
        self._outbox.lost()
        self._chat.depart(self)
        self._on_lost(self)

    def overflow(self) -> None:
        """More waits than may wait: the outbox has cut the connection."""
        self._log.warn(
            "{peer} {nick}: slow_consumer", peer=self.peer, nick=self.user.nick if self.user else "-"
        )

    # What the chat has for the client.

    def answer(self, request: Request, answer: Answer) -> None:
        """Answer ``request``, in the dialect that it has shown, and ask what follows from it."""
        self._show_dialect(request)
        self.speak(request.granted)
        frame = self.dialect.encode_answer(request, answer)
        if request is self._hello and not self.leaving:
            self._buffer_behind(frame, request.pace)
        else:
            self._reply(frame)
        if request.then is not None:
            self.ask_later(msgspec.structs.replace(request.then, max_id=self._chat.last_delivered_id))
        self._settle(request)

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Refuse ``request``, in the dialect that it has shown."""
        if request is None:
            self._reply(self.dialect.encode_refusal(None, refusal))
            return
        self._show_dialect(request)
        try:
            self._reply(self.dialect.encode_refusal(request, refusal))
        finally:
            self._settle(request)

    def send(self, frame: bytes) -> None:
        """Send what has no place in the log, or a page that is read from it."""
        self._write(frame)

    def resend(self, frame: bytes) -> None:
        """Send an entry that the client has missed, as it is told live."""
        if self._buffer is None:
            self._outbox.put(frame)
        else:
            self._buffer.put_missed(frame)

    def deliver(self, frame: bytes) -> None:
        """Send an entry of the log in its turn: held back while the client is still catching up."""
        if self._held is None:
            self._write(frame)
            return
        self._held_size += len(frame)
        if not self._holds_too_much:
            self._held.append(frame)

    def hold(self) -> None:
        """Hold back what is delivered from now on."""
        self._held = []
        self._held_size = 0

    def release(self) -> bool:
        """Send what was held back and deliver at once from now on.

        False when more came than could be held: it is forgotten, and holding begins anew here.
        """
        if self.leaving:
            return True  # and what is held stays: the client is behind
        if self._holds_too_much:
            self.hold()
            return False
        held, self._held = self._held or [], None
        for frame in held:
            self._write(frame)
        return True

    @property
    def _holds_too_much(self) -> bool:
        # The outbox has to take it beside the end of a replay.
        return self._held_size > self._outbox.cap // 2

    def room(self) -> Deferred[None] | None:
        """None while a replay may go on; else what fires when it may."""
        return self._outbox.drained() if self._outbox.backed_up else None

    def ask_later(self, request: Request) -> None:
        """Ask ``request`` once nothing else keeps the client waiting: a replay comes before what is new."""
        self._then = request

    def pause(self) -> None:
        """Take no more frames until `resume`; pauses count."""
        self._pauses += 1
        if self._pauses == 1 and not self.closed:
            self._carrier.pauseProducing()

    def resume(self) -> None:
        """Undo one `pause`."""
        if self._pauses == 1 and self._then is not None:
            then, self._then = self._then, None
            if not self.leaving:
                self._ask(then)  # which may pause
        self._pauses -= 1
        if self._pauses == 0 and not self.closed:
            self._carrier.resumeProducing()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take no frames while the block runs."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def leave(self) -> None:
        """Count nothing that the client still sends."""
        self.leaving = True

    def close(self) -> None:
        """Take nothing more; write what waits, then close."""
        self.leaving = True
        self._end_buffer()
        self._outbox.close(self._linger)

    def abort(self) -> None:
        """Cut the connection."""
        self._outbox.abort()

    def _reply(self, frame: bytes) -> None:
        """Send what the client asked for, and hear no more of it while it doesn't take what it asks for."""
        if self._buffer is not None:
            self._end_buffer()
        self._outbox.put(frame)
        if not frame:
            return
        waiting = self.room()
        if waiting is None and self._outbox.size > ANSWER_BYTES_PER_TURN:
            waiting = self._chat.fair_queue.wait()
        if waiting is not None:
            self.pause()
            waiting.addCallback(lambda _: self.resume())

    # Behind a hello, until it is known how the client reads.

    def _buffer_behind(self, welcome: bytes, pace: float) -> None:
        """Answer the hello with the first line of ``welcome``, and buffer the rest and what follows."""
        end = welcome.find(b"\n") + 1 or len(welcome)
        self._outbox.put(welcome[:end])
        buffer = WelcomeBuffer(self._outbox, self._clock, pace, lambda: self._pauses == 0, self._end_buffer)
        self._buffer, self._write = buffer, buffer.put
        buffer.put(welcome[end:])
        if self._shows is None:
            buffer.wait()

    def _learn(self, request: Request | None) -> None:
        """See from the first ``request`` behind the hello how the client reads."""
        if request is None or request.becomes is None:
            self._end_buffer()
        else:
            self._shows = request
            if self._buffer is not None:
                self._buffer.stop_waiting()

    def _show_dialect(self, request: Request) -> None:
        """Speak the dialect that ``request`` has shown, if any; what is buffered leaves in it as well."""
        if request.becomes is None:
            return
        self.dialect = request.becomes
        if request.amend is not None and self._buffer is not None:
            self._buffer.amend(request.amend)
            self._outbox.rest(self.dialect.pace)  # the welcome is a line of its own
        self._end_buffer()

    def _end_buffer(self) -> None:
        """Write what is buffered, and what follows, at the pace of the dialect."""
        self._hello = self._shows = None
        buffer, self._buffer = self._buffer, None
        self._write = self._outbox.put
        self.speak(self.dialect)
        if buffer is not None:
            for frame in buffer.take():
                self._outbox.put(frame)
