"""The carrier of payloads that are WebSocket messages (RFC 6455). It begins after the opening handshake.

The package ``websockets`` parses and unmasks what the client sends, and limits its size. Frames to clients
are not masked, so all clients that are told the same are sent the same bytes.
"""

from __future__ import annotations

import logging
from typing import Final

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Protocol as FrameParser
from websockets.protocol import Side

from chatd.boundaries import Dialect, FrameWrapper
from chatd.carriers.carrier import SessionCarrier
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.core.language import N_
from chatd.core.refusals import Refusal, TranslatableText

PING_INTERVAL_SECONDS: Final = 20.0
"""Seconds between two checks whether a client was silent. A silent client is sent a ping at each check.

Proxies close a WebSocket that is silent, usually after 60 seconds.
"""

MAX_UNANSWERED_PINGS: Final = 4
"""The number of pings in a row that a client may leave unanswered. Then its connection is cut."""

_CLOSE_CODES: Final = {
    "shutting_down": CloseCode.GOING_AWAY,
    "too_long": CloseCode.MESSAGE_TOO_BIG,
    "internal_error": CloseCode.INTERNAL_ERROR,
}
"""Refusal code -> close code (RFC 6455, section 7.4.1). All others have 1008, a violation of the policy."""

_TEXT: Final = 0x80 | Opcode.TEXT
_BINARY: Final = 0x80 | Opcode.BINARY
_PING: Final = bytes((0x80 | Opcode.PING, 0))

# It has no handler and no parent: what the package reports is the client's fault, and the session logs that.
_SILENT: Final = logging.Logger("websockets", logging.CRITICAL)


def wrap_text_message(payload: bytes) -> bytes:
    """Return ``payload``, encoded in UTF-8, as a text message in one unmasked frame."""
    return _wrap(_TEXT, payload)


def wrap_binary_message(payload: bytes) -> bytes:
    """Return ``payload`` as a binary message in one unmasked frame."""
    return _wrap(_BINARY, payload)


def _wrap(start: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((start, size)) + payload
    if size < 0x10000:
        return bytes((start, 126)) + size.to_bytes(2, "big") + payload
    return bytes((start, 127)) + size.to_bytes(8, "big") + payload


class WebSocketCarrier(SessionCarrier):
    """A carrier whose frames are text messages of a WebSocket. A message may come in several fragments.

    A message has at most ``limits.json`` bytes. A longer message, an invalid WebSocket frame, invalid UTF-8
    and a binary message close the connection. A subclass with ``takes_binary`` accepts binary messages, and
    the dialect checks their content. Pings, pongs and all fragments of a message count as requests for the
    rate limit. A silent client is sent pings.
    """

    refuses_http = False
    takes_binary = False
    """Whether the client may send binary messages as well, whatever is in them."""

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        super().__init__(sessions, dialect, detector)
        self._clock = sessions.clock
        self._max_message_bytes = sessions.limits.json
        self._parser = FrameParser(Side.SERVER, max_size=self._max_message_bytes, logger=_SILENT)
        self._unparsed = bytearray()
        # The bytes of the present frame that the parser has not got.
        self._missing_bytes = 0
        self._message = bytearray()
        self._is_binary = False
        # The answer to the client's Close frame, or to a frame or message that ends the connection.
        self._close: Close | None = None
        self._timer: IDelayedCall | None = None
        self._heard = True
        self._unanswered_pings = 0

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """Return the function that puts a payload into a WebSocket text message."""
        return wrap_text_message

    def connectionMade(self) -> None:
        """Open a session for the new connection, and start the timer that sends pings to a silent client."""
        super().connectionMade()
        self._timer = self._clock.callLater(PING_INTERVAL_SECONDS, self._check_silence)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the timer and end the session."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        super().connectionLost(reason)

    def buffer(self, data: bytes) -> None:
        """Store ``data``, bytes from the client."""
        self._heard = True
        self._unparsed += data

    def dispatch_next_frame(self) -> bool:
        """Handle the next WebSocket frame, and pass a complete message to the session.

        Return False if no frame is complete. The parser gets one frame at a time, because frames may be as
        small as six bytes, and the session may pause after each.
        """
        if not self._missing_bytes:
            self._missing_bytes = _frame_size(self._unparsed)
        if not (self._missing_bytes and self._unparsed):
            return False
        data = self._unparsed[: self._missing_bytes]
        del self._unparsed[: self._missing_bytes]
        self._missing_bytes -= len(data)
        self._parser.receive_data(data)
        # The parser's own answers go unused: the session has to answer first what came before.
        self._parser.data_to_send()
        # The parser fails at a Close frame between fragments; but that is valid (RFC 6455, section 5.4).
        if self._parser.close_rcvd is not None:
            self._close = self._parser.close_rcvd
            self.session.end_of_input()
        elif self._parser.parser_exc is not None:
            self._fail(self._parser.parser_exc)
        else:
            for event in self._parser.events_received():
                assert isinstance(event, Frame), "the handshake is over"
                self._dispatch(event)
        return True

    def closing_frame(self, refusal: Refusal | None) -> bytes:
        """Return the Close frame: the answer to the Close frame of the client, or one with a code for
        ``refusal``.
        """
        if self._close is not None:
            return _close_frame(self._close)
        if refusal is None:
            return _close_frame(Close(CloseCode.NORMAL_CLOSURE, ""))
        code = _CLOSE_CODES.get(refusal.code, CloseCode.POLICY_VIOLATION)
        return _close_frame(Close(code, refusal.code))

    def _dispatch(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self.session.receive_control_frame(Frame(Opcode.PONG, frame.data).serialize(mask=False))
        elif frame.opcode is Opcode.PONG:
            self.session.receive_control_frame()
        elif frame.opcode is Opcode.BINARY and not self.takes_binary:
            why = TranslatableText(N_("send text messages, not binary ones"))
            close = Close(CloseCode.UNSUPPORTED_DATA, "bad_request")
            self._refuse_and_close(Refusal("bad_request", why=why), close)
        else:
            if frame.opcode is not Opcode.CONT:
                self._is_binary = frame.opcode is Opcode.BINARY
            self._message += frame.data
            if frame.fin:
                message = bytes(self._message)
                self._message.clear()
                self._receive(message)
            else:
                self.session.receive_control_frame()

    def _receive(self, message: bytes) -> None:
        try:
            if not self._is_binary:
                message.decode()
        except UnicodeDecodeError:
            self._refuse_and_close(Refusal("bad_utf8"), Close(CloseCode.INVALID_DATA, "bad_utf8"))
        else:
            self.session.receive(message)

    def _fail(self, fault: Exception) -> None:
        """Refuse what could not be parsed because of ``fault``."""
        if isinstance(fault, PayloadTooBig):
            what = TranslatableText(N_("a WebSocket message"))
            refusal = Refusal("too_long", what=what, limit=self._max_message_bytes)
        else:
            refusal = Refusal("bad_request", why=TranslatableText(N_("that is no valid WebSocket frame")))
        self._refuse_and_close(refusal, self._parser.close_sent)

    def _refuse_and_close(self, refusal: Refusal, close: Close | None) -> None:
        """Send the client ``refusal`` and then ``close``, and end the connection."""
        self._close = close
        self.session.refuse_and_close(refusal)

    def _check_silence(self) -> None:
        """Send a ping if nothing came since the last check. Cut the connection if too many are unanswered."""
        self._timer = self._clock.callLater(PING_INTERVAL_SECONDS, self._check_silence)
        if self._heard or self._paused:
            self._heard = False
            self._unanswered_pings = 0
        elif self._unanswered_pings == MAX_UNANSWERED_PINGS:
            self._log.info("{peer} does not answer pings", peer=self.session.peer)
            self.session.abort()
        else:
            self._unanswered_pings += 1
            self.session.send_unstored(_PING)


class LenientWebSocketCarrier(WebSocketCarrier):
    """A WebSocket carrier that sends text messages, and accepts text and binary messages alike."""

    takes_binary = True


class BinaryWebSocketCarrier(LenientWebSocketCarrier):
    """A WebSocket carrier that sends binary messages, and accepts text and binary messages alike."""

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """Return the function that puts a payload into a WebSocket binary message."""
        return wrap_binary_message


def _frame_size(data: bytearray) -> int:
    """Return the size of the frame that ``data`` begins with, or 0 if its length is incomplete."""
    if len(data) < 2:
        return 0
    mask_bytes = 4 if data[1] & 0x80 else 0
    size = data[1] & 0x7F
    length_bytes = {126: 2, 127: 8}.get(size, 0)
    if len(data) < 2 + length_bytes:
        return 0
    if length_bytes:
        size = int.from_bytes(data[2 : 2 + length_bytes], "big")
    return 2 + length_bytes + mask_bytes + size


def _close_frame(close: Close) -> bytes:
    # A Close frame without a code is told by a code that is never sent (RFC 6455, section 7.1.5).
    data = b"" if close.code == CloseCode.NO_STATUS_RCVD else close.serialize()
    return Frame(Opcode.CLOSE, data).serialize(mask=False)
