"""The session of a client: its user, its dialect, its pauses, and the deliveries held back for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from chatd.boundaries import Carrier, Clock, Dialect, FrameFormat, Payloads
from chatd.chat.fanout import frame_payloads
from chatd.chat.service import Chat
from chatd.connections.outbox import Outbox
from chatd.connections.rate_limit import RateLimit
from chatd.connections.welcome_buffer import WelcomeBuffer
from chatd.core.accounts import Credential, Secret
from chatd.core.answers import Answer, Authenticated, MissedEvent, Profile, Welcome
from chatd.core.channel_commands import ShowChannel
from chatd.core.events import LogEntry, User
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.tokens import Token

LINGER_AFTER_REFUSAL_SECONDS: Final = 1.0
"""Seconds for which a client's input is read and ignored after the refusal that ends its connection.

If a connection is closed with bytes unread, TCP sends a reset, which may overtake the refusal.
"""

ASSUMED_RECEIVED_AFTER_SECONDS: Final = 5.0
"""Seconds after which a client is assumed to have read what was written to it, once it sends a request."""

MAX_UNSENT_ANSWER_BYTES: Final = 16 * 1024
"""Bytes of answers that one client is given in one iteration of the reactor.

If more are in its outbox, its next command is handled in a later iteration, so that other clients are served
between the commands of a client that asks without end.
"""

PIPELINING_MAX_USED_RATE_CREDIT_SECONDS: Final = 0.5
"""The used credit, in seconds, up to which a client may pipeline requests.

A client that has used more has one request at a time: the next is handled when the one before is answered and
other clients were served, or, if the whole credit is used, when there is credit again.
"""

MAX_REFUSALS_BEFORE_LOGIN: Final = 5
"""Number of refusals before a login after which a client is disconnected.

Such a client speaks another protocol, or guesses.
"""


PLACEHOLDER_MISSED_EVENT_REQUEST: Final = Request(ShowChannel(), "missed")
"""The request that the daemon pretends to answer when it tells a client that shows channels of an event about
its user that it has missed.
"""


class SessionPhase(Enum):
    """The phase of a session: connected, logged in, catching up with missed entries, leaving, or closed."""

    CONNECTED = "the client has no name yet"
    LOGGED_IN = "the client has logged in"
    CATCHING_UP = "live deliveries are held back while the client gets what it has missed"
    LEAVING = "nothing that the client sends counts any more"
    CLOSED = "the connection is gone"


ALLOWED_NEXT_PHASES: Final[dict[SessionPhase, frozenset[SessionPhase]]] = {
    SessionPhase.CONNECTED: frozenset((SessionPhase.LOGGED_IN, SessionPhase.LEAVING, SessionPhase.CLOSED)),
    # Back to CONNECTED when the login was rolled back.
    SessionPhase.LOGGED_IN: frozenset(
        (SessionPhase.CONNECTED, SessionPhase.CATCHING_UP, SessionPhase.LEAVING, SessionPhase.CLOSED)
    ),
    SessionPhase.CATCHING_UP: frozenset((SessionPhase.LOGGED_IN, SessionPhase.LEAVING, SessionPhase.CLOSED)),
    SessionPhase.LEAVING: frozenset((SessionPhase.CLOSED,)),
    SessionPhase.CLOSED: frozenset(),
}
"""The phases that may follow each phase of a session. To enter the present phase again changes nothing."""


class Session:
    """The session of one client, from the connection to its end. It implements `chatd.boundaries.Client`.

    ``open_outbox(on_overflow)`` makes the outbox, which calls ``on_overflow`` when it is full. ``on_lost`` is
    called when the connection is gone.
    """

    _log = Logger()

    def __init__(
        self,
        chat: Chat,
        clock: Clock,
        dialect: Dialect,
        carrier: Carrier,
        peer: str,
        client_network: str | None,
        find_client_certificate_name: Callable[[], str],
        rate_limit: RateLimit,
        open_outbox: Callable[[Callable[[], None]], Outbox],
        on_lost: Callable[[Session], None],
    ) -> None:
        self.user: User | None = None
        self.token: Token | None = None
        self.phase = SessionPhase.CONNECTED
        self.is_closing = False
        """Whether the session is about to end or has ended. It ignores everything that the client still
        sends.
        """
        self.dialect = dialect
        """The dialect (JSON, text, TP6 or IRC) in which the daemon writes to the client."""
        self.frame_format = _frame_format(dialect, carrier)
        self.peer = peer
        self.connected_at = clock.seconds()
        self.client_network = client_network
        self._find_client_certificate_name = find_client_certificate_name
        self.password: Secret | None = None
        self.verified_credential: Credential | Token | None = None
        self.profile = Profile()
        self.in_lobby = True
        self.updates_last_seen_id = True
        self.missed_range: tuple[int, int | None] = (0, 0)
        self.last_id_at_login = 0
        self.last_id_at_departure: int | None = None
        self._chat = chat
        self._clock = clock
        self._carrier = carrier
        self._on_lost = on_lost
        self._outbox = open_outbox(self._overflow)
        self._outbox.set_seconds_between_writes(dialect.seconds_between_writes)
        self._pauses = 0
        self._rate_limit = rate_limit
        self._slowed_down: IDelayedCall | None = None
        # Requests whose answer decides how the next frame is meant.
        self._awaited: set[Request] = set()
        self._asked_later: Request | None = None
        self._close_delay = 0.0
        self._close_refusal: Refusal | None = None
        self._held: list[bytes] | None = None
        self._held_size = 0
        # The hello of a client that may be the reference client, and its next request if that is ``LST``.
        self._hello: Request | None = None
        self._telltale: Request | None = None
        self._buffer: WelcomeBuffer | None = None
        self._write: Callable[[bytes], None] = self._outbox.queue_frame
        self.immediate_outbox: Outbox | None = self._outbox
        """The outbox, or None while frames are held back or buffered in front of it."""
        self._refusals: set[Refusal] = set()
        self._broken = False
        # The last id that is known to have arrived; the last one that was written, and when.
        self._proven: int | None = None
        self._sent: int | None = None
        self._sent_at = 0.0

    @property
    def client_certificate_name(self) -> str:
        """The common name in the client's verified TLS certificate, or empty if the client has shown none."""
        return self._find_client_certificate_name()

    @property
    def outbox_bytes(self) -> int:
        """The number of bytes that wait to be written to the client."""
        return self._outbox.queued_bytes

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self._outbox.closed

    @property
    def last_received_id(self) -> int | None:
        """The id of the last entry that the client is assumed to have received.

        If the client or the daemon closed the connection, and no frames were waiting for the client, this is
        the last entry delivered before the client was logged out. In all other cases (the connection is open,
        broke, or had frames waiting) it is the last entry delivered some seconds before the client's last
        request. It is None if the id is unknown, or if the session does not move its user's last seen id.
        """
        if not self.updates_last_seen_id:
            return None
        waits = self._held is not None or self._outbox.dropped or bool(self._buffer)
        gone = self.phase is SessionPhase.CLOSED and not self._broken
        return self.last_id_at_departure if gone and not waits else self._proven

    def _enter(self, phase: SessionPhase) -> None:
        if phase is not self.phase:
            assert phase in ALLOWED_NEXT_PHASES[self.phase], (self.phase, phase)
            self.phase = phase
            self.is_closing = phase in (SessionPhase.LEAVING, SessionPhase.CLOSED)

    # From the carrier.

    def greet(self) -> None:
        """Send the dialect's greeting to the client."""
        for frame in frame_payloads(self.frame_format, self.dialect.greeting):
            self._outbox.queue_frame(frame)

    def receive(self, payload: bytes) -> None:
        """Decode ``payload``, the content of a received frame, and submit the request. Never raises."""
        try:
            request = self.dialect.decode(payload)
        except Exception:
            self.internal_error(None)
            return
        now = self._clock.seconds()
        self._charge(now, len(payload), None if request is None else type(request.command))
        if self.user is None:
            self._proven = self._sent = None
            if request is not None:
                self._hello = request if request.seconds_between_lines else None
                # Nothing was said yet that could be mistaken for another dialect.
                if request.detected_dialect is not None:
                    self.set_dialect(request.detected_dialect)
        elif self._hello is not None and self._telltale is None:
            self._learn(request)
        elif self._held is None and self._buffer is None and self._outbox.is_empty:
            self._note_progress(now)
        if request is not None:
            self._ask(request)
            for further in request.further_requests:
                self._charge(now, 0, type(further.command))
                self._ask(further)

    def receive_control_frame(self, answer: bytes = b"") -> None:
        """Count a control frame, which has no payload, as a request for the rate limit, and send ``answer``.

        ``answer`` is a frame, or empty for no answer.
        """
        self._charge(self._clock.seconds(), 0, None)
        if answer:
            self._reply_frames([answer])

    def _charge(self, now: float, size: int, command: type | None) -> None:
        """Charge a request of ``size`` bytes for the client's rates. Pause if it has used too much credit."""
        used = self._rate_limit.charge(now, size, command)
        if used > PIPELINING_MAX_USED_RATE_CREDIT_SECONDS:
            self._wait_for_next_request(used)

    def _wait_for_next_request(self, used: float) -> None:
        """Decode the client's next request when this one is answered, or when the client has credit again.

        ``used`` is the credit that the client has used, in seconds.
        """
        wait = self._rate_limit.wait_seconds(used)
        if wait > 0:
            self._pause()
            self._slowed_down = self._clock.callLater(wait, self._go_on)
        else:
            self._chat.hold_until_others_served(self)

    def _go_on(self) -> None:
        """Read the client again, which has sent too much at once."""
        self._slowed_down = None
        self._resume()

    def reject_frame(self, refusal: Refusal) -> None:
        """Send ``refusal`` for a frame that the carrier could not read, such as one that is too long.

        The carrier then continues with the next frame.
        """
        self._submit(Request(refusal))

    def end_of_input(self) -> None:
        """Answer the requests that the client has sent, then close the connection.

        The carrier calls this method when the client has ended its input.
        """
        if not self.is_closing:
            self._chat.end_session(self, None)

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Ignore what the client still sends, send ``refusal``, and close the connection.

        The refusal is sent when all earlier tasks of the journal are completed.
        """
        self._close_delay = LINGER_AFTER_REFUSAL_SECONDS
        self._chat.end_session(self, None, refusal)

    def connection_lost(self, broken: bool = False) -> None:
        """End the session, because its connection is gone.

        ``broken`` is false if the client or the daemon has closed the connection in the regular way.
        """
        self._enter(SessionPhase.CLOSED)
        if self._buffer is not None:
            self._buffer.stop_timer()
        if self._slowed_down is not None:
            self._slowed_down.cancel()
        self._broken = broken
        self._outbox.connection_lost()
        self._chat.log_out(self)
        self._on_lost(self)

    def _overflow(self) -> None:
        """Log that the outbox is full because the client does not read. The outbox cuts the connection."""
        self._chat.counters.refusals["slow_consumer"] += 1
        self._log.warn(
            "{peer} {nick}: slow_consumer", peer=self.peer, nick=self.user.nick if self.user else "-"
        )

    def _note_progress(self, now: float) -> None:
        """Record that the client has read what was sent some seconds ago: it has sent a request ``now``."""
        if now >= self._sent_at + ASSUMED_RECEIVED_AFTER_SECONDS:
            self._proven, self._sent, self._sent_at = self._sent, self._chat.last_delivered_id, now

    def _ask(self, request: Request) -> None:
        if (
            request.dialect_on_success is not None
            or request.dialect_after_login is not None
            or request.request_on_success is not None
        ):
            self._awaited.add(request)
            self._pause()
        self._submit(request)

    def _submit(self, request: Request) -> None:
        try:
            refusal = self._chat.submit(self, request)
        except Exception:
            self.internal_error(request)
            return
        if refusal is not None:
            self._count_refusal(refusal)

    def _count_refusal(self, refusal: Refusal) -> None:
        """Count the refusal of a client without a name, once: when it is decided, or when it is sent."""
        # A refusal that passes by itself is no fault of the client.
        if self.user is None and not self.is_closing and refusal.retry_after is None:
            self._refusals.add(refusal)
            if len(self._refusals) == MAX_REFUSALS_BEFORE_LOGIN:
                self.refuse_and_close(Refusal("too_many_refusals"))

    def _settle(self, request: Request) -> None:
        """Decode the next frame if it had to wait for ``request``, which was answered or refused now."""
        if request in self._awaited:
            self._awaited.remove(request)
            self._resume()

    # From the chat: the client's state.

    def log_in(self, user: User, updates_last_seen_id: bool, token: Token | None) -> None:
        """Make ``user`` the user of this session.

        ``updates_last_seen_id`` says whether sending entries to the client moves the user's last seen id.
        ``token`` is the token with which the client has logged in, or None.
        """
        self._enter(SessionPhase.LOGGED_IN)
        self.in_lobby = self.dialect.enters_lobby
        self.user = user
        self.token = token
        self.updates_last_seen_id = updates_last_seen_id

    def undo_login(self) -> None:
        """Undo the login, because its transaction was rolled back. Afterwards the session has no user."""
        if not self.is_closing:
            self._enter(SessionPhase.CONNECTED)
        self.user = self.token = None

    def hold_deliveries(self) -> None:
        """Hold back live deliveries until `release_deliveries` is called."""
        if not self.is_closing:
            self._enter(SessionPhase.CATCHING_UP)
        self.immediate_outbox = None
        self._held = []
        self._held_size = 0

    def release_deliveries(self) -> bool:
        """Send the live deliveries that were held back, stop holding back, and return True.

        If there were too many to hold back, discard them, start to hold back anew, and return False. The
        caller then sends the discarded entries from the log. A client that shows channels is refused instead,
        because the log does not contain logins and logouts; the result is then True.
        """
        if self.is_closing:
            return True  # what is held back stays: the client has not got it
        if self._holds_too_much:
            if self.dialect.shows_groups_as_channels:
                # The log can't replace the arrivals and departures: the client has to come back.
                self.refuse_and_close(Refusal("slow_consumer"))
                return True
            self.hold_deliveries()
            return False
        self._enter(SessionPhase.LOGGED_IN)
        held, self._held = self._held or [], None
        for frame in held:
            self._write(frame)
        if self._buffer is None:
            self.immediate_outbox = self._outbox
        return True

    @property
    def _holds_too_much(self) -> bool:
        # The outbox has to take it beside the end of a replay.
        return self._held_size > self._outbox.max_bytes // 2

    def ignore_input(self) -> None:
        """Ignore everything that the client still sends."""
        if not self.is_closing:
            self._enter(SessionPhase.LEAVING)

    def close(self) -> None:
        """Ignore what the client still sends, write the queued frames, then close the connection."""
        self.ignore_input()
        self._end_buffer()
        self._outbox.queue_frame(self._carrier.closing_frame(self._close_refusal))
        self._outbox.close(self._close_delay)

    def abort(self) -> None:
        """Discard the queued frames and cut the connection at once."""
        self._outbox.abort()

    # From the chat: what the client gets.

    def set_dialect(self, dialect: Dialect) -> None:
        """Use ``dialect`` for all further input and output of the client."""
        self.dialect = dialect
        self._set_frame_format(_frame_format(dialect, self._carrier))
        self._outbox.set_seconds_between_writes(dialect.seconds_between_writes)

    def _set_frame_format(self, frame_format: FrameFormat) -> None:
        if frame_format != self.frame_format:
            self.frame_format = frame_format
            self._chat.clear_audience_cache()

    def answer(self, request: Request, answer: Answer) -> None:
        """Send ``answer``, the answer to ``request``, in the ``detected_dialect`` of the request, if it has
        one.

        Then submit the ``request_on_success`` of the request, if it has one.
        """
        self._show_dialect(request)
        if request.dialect_on_success is not None:
            self.set_dialect(request.dialect_on_success)
        if request.dialect_after_login is not None and isinstance(answer, Welcome | Authenticated):
            self.set_dialect(request.dialect_after_login(answer))
        payloads = self.dialect.encode_answer(request, answer)
        if request is self._hello and not self.is_closing:
            self._buffer_behind(payloads, request.seconds_between_lines)
        else:
            self._reply(payloads)
        if request.request_on_success is not None:
            self.submit_after_pause(
                msgspec.structs.replace(request.request_on_success, max_id=self._chat.last_delivered_id)
            )
        self._settle(request)

    def refuse(self, request: Request | None, refusal: Refusal) -> None:
        """Send ``refusal``, the refusal of ``request``, in the ``detected_dialect`` of the request, if it has
        one.

        If ``request`` is None, the refusal answers no request: it gives the reason why the connection closes,
        or reports an internal error.
        """
        self._chat.counters.refusals[refusal.code] += 1
        if request is None:
            self._close_refusal = refusal
            self._reply(self.dialect.encode_refusal(None, refusal))
            return
        self._show_dialect(request)
        try:
            self._reply(self.dialect.encode_refusal(request, refusal))
        finally:
            self._settle(request)
        self._count_refusal(refusal)

    def internal_error(self, request: Request | None) -> None:
        """Log the exception that is being handled, which is a bug, and refuse ``request`` with an internal
        error.

        If ``request`` is None, the client is still told that an internal error has occurred. The connection
        stays open.
        """
        self._log.failure("bug while serving {peer}", peer=self.peer)
        self.refuse(request, Refusal("internal_error"))

    def push_answer(self, request: Request, answer: Answer) -> None:
        """Send ``answer`` to a client that did not ask for it, such as the missed messages after a login.

        It is encoded as the answer to ``request``, which the daemon has made up for this purpose.
        """
        for frame in frame_payloads(self.frame_format, self.dialect.encode_answer(request, answer)):
            self._write(frame)

    def send_missed_entries(
        self, entries: Iterable[tuple[LogEntry, bool]], sent: Callable[[LogEntry], None] | None
    ) -> None:
        """Send log entries that the client has missed, in their order, each encoded like a live delivery.

        Each item is a pair of an entry and whether the entry is an event about the client's user. ``sent`` is
        called with each entry that was sent. Entries that the dialect has no form for are not sent.
        """
        encoder, wrap, frames_may_be_joined = self.frame_format
        shows_groups_as_channels, encode = self.dialect.shows_groups_as_channels, encoder.encode_delivery
        payloads: list[bytes] = []
        for entry, is_subject in entries:
            if shows_groups_as_channels and not entry.event.is_message:
                # The client was shown its channels as they are now; an old event must not change them.
                encoded = self.dialect.encode_answer(PLACEHOLDER_MISSED_EVENT_REQUEST, MissedEvent(entry))
            elif is_subject:
                encoded = encoder.encode_for_subject(entry)
            else:
                encoded = encode(entry)
            payloads += encoded
            if sent is not None and encoded:
                sent(entry)
        frames = map(wrap, payloads)
        for frame in [b"".join(frames)] if frames_may_be_joined else frames:
            if self._buffer is None:
                self._outbox.queue_frame(frame)
            else:  # which ends when it is full
                self._buffer.put_missed_message(frame)

    def send_unstored(self, frame: bytes) -> None:
        """Send ``frame``, which contains no log entry.

        While missed entries are being sent to a client that shows channels, the frame is held back like a log
        entry. Such a client derives who is in a channel from entries, logins and logouts, so their order must
        be kept.
        """
        if self.dialect.shows_groups_as_channels:
            self.send_stored(frame)
        else:
            self._write(frame)

    def send_stored(self, frame: bytes) -> None:
        """Send ``frame``, which contains log entries. While missed entries are being sent, hold it back."""
        if self._held is None:
            self._write(frame)
            return
        self._held_size += len(frame)
        if not self._holds_too_much:
            self._held.append(frame)

    def _reply(self, payloads: Payloads) -> None:
        """Send an answer, then decode no further requests while the client does not read its answers."""
        if self._buffer is not None:
            self._end_buffer()
        if payloads:
            self._reply_frames(frame_payloads(self.frame_format, payloads))

    def _reply_frames(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._outbox.queue_frame(frame)
        waiting = self.wait_until_writable()
        if waiting is None and self._outbox.queued_bytes > MAX_UNSENT_ANSWER_BYTES:
            waiting = self._chat.fair_queue.wait()
        if waiting is not None:
            self._pause()
            waiting.addCallback(lambda _: self._resume())

    # Pauses.

    def wait_until_writable(self) -> Deferred[None] | None:
        """Return None if a replay may send more to the client now, else a Deferred that fires when it may."""
        return self._outbox.when_drained() if self._outbox.is_congested else None

    def submit_after_pause(self, request: Request) -> None:
        """Submit ``request`` as soon as the session is no longer paused, before the client's next frame."""
        self._asked_later = request

    @contextmanager
    def pausing_input(self) -> Iterator[None]:
        """Return a context manager. The client's next frames wait until its ``with`` block ends."""
        self._pause()
        try:
            yield
        finally:
            self._resume()

    def _pause(self) -> None:
        """Decode no more frames of the client until `_resume` was called as often as `_pause`."""
        self._pauses += 1
        if self._pauses == 1 and not self.is_closed:
            self._carrier.pauseProducing()

    def _resume(self) -> None:
        """Undo one call of `_pause`. After the last, frames of the client are decoded again."""
        if self._pauses == 1 and self._asked_later is not None:
            request, self._asked_later = self._asked_later, None
            if not self.is_closing:
                self._ask(request)  # which may pause
        self._pauses -= 1
        if self._pauses == 0 and not self.is_closed:
            self._carrier.resumeProducing()

    # Behind a hello, until it is known whether this is the reference client of the text protocol.

    def _buffer_behind(self, welcome: Payloads, seconds_between_lines: float) -> None:
        """Send the first line of ``welcome``, the answer to a hello. Buffer its other lines and later frames.

        The buffer is written when it is clear whether this is the reference client of the text protocol.
        """
        self._set_frame_format(self.frame_format._replace(frames_may_be_joined=False))
        first, *rest = frame_payloads(self.frame_format, welcome)
        self._outbox.queue_frame(first)
        buffer = WelcomeBuffer(
            self._outbox, self._clock, seconds_between_lines, lambda: self._pauses == 0, self._end_buffer
        )
        self._buffer, self._write, self.immediate_outbox = buffer, buffer.put, None
        for frame in rest:
            buffer.put(frame)
        if self._telltale is None:
            buffer.start_timer()

    def _learn(self, request: Request | None) -> None:
        """Find out from the first request after a hello whether the client is the reference client.

        The reference client of the text protocol sends ``LST`` first.
        """
        if request is None or request.detected_dialect is None:
            self._end_buffer()
        else:
            self._telltale = request
            if self._buffer is not None:
                self._buffer.stop_timer()

    def _show_dialect(self, request: Request) -> None:
        """Change to the dialect that ``request`` has shown the client to speak, if any.

        The buffered frames are converted to that dialect and written.
        """
        if request.detected_dialect is None:
            return
        if request.convert_buffered_frame is not None and self._buffer is not None:
            self._buffer.convert_frames(request.convert_buffered_frame)
            self._outbox.flush_and_pause(
                request.detected_dialect.seconds_between_writes
            )  # the welcome is a line of its own
        self._end_buffer(request.detected_dialect)

    def _end_buffer(self, dialect: Dialect | None = None) -> None:
        """Write the buffered frames and buffer no more. Change to ``dialect``, if given, and its pace."""
        self._hello = self._telltale = None
        buffer, self._buffer = self._buffer, None
        self._write = self._outbox.queue_frame
        self.set_dialect(dialect or self.dialect)
        if buffer is not None:
            frames = buffer.take_all_frames()
            for frame in frames if self.dialect.seconds_between_writes else [b"".join(frames)]:
                self._outbox.queue_frame(frame)
        if self._held is None:
            self.immediate_outbox = self._outbox


def _frame_format(dialect: Dialect, carrier: Carrier) -> FrameFormat:
    return FrameFormat(
        dialect.delivery_encoder, carrier.wrapper_for(dialect), not dialect.seconds_between_writes
    )
