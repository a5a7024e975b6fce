"""The base class of all carriers: it opens the session, pauses reading, refuses foreign protocols and handles
the end of the stream.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatd.boundaries import Dialect, FrameWrapper
from chatd.carriers.foreign import HTTP, TLS, TLS_FIRST_BYTE, ForeignProtocol, HttpRequestLineDetector
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.connections.session import Session
from chatd.core.language import N_
from chatd.core.refusals import Refusal, TranslatableText

MAX_FIRST_LINE_BYTES: Final = 64 * 1024
"""The maximum size of a first line that may turn out to be an HTTP request line, in bytes. A carrier may have
to buffer the line until that is clear.
"""


def wrap_line(payload: bytes) -> bytes:
    """Return ``payload`` with a newline at its end."""
    return payload + b"\n"


@implementer(IHalfCloseableProtocol)
class SessionCarrier(Protocol):
    """The base class of carriers: a Twisted protocol that opens a session and passes received payloads to it.

    A subclass defines how frames are cut (`buffer` and `dispatch_next_frame`) and how payloads are written
    (`wrapper_for` and `dequeue_next_write`). While the session pauses the carrier, the carrier reads nothing
    from the socket and passes no payload on. Once the session is leaving, the carrier drops all incoming
    data.

    ``detector`` is the `Detector` that has accepted and counted the connection before, if any; it also sends
    the greeting.

    The carrier refuses a client that begins with TLS or whose first line is an HTTP request line, and drops
    the rest of its data. Otherwise a web page could make a browser send chat commands. A subclass for
    WebSockets sets ``refuses_http`` to false, because the opening handshake prevents that.

    If frames are not lines, a frame may be complete before the first line is. Such a frame is passed on at
    once, although the first line may still turn out to be HTTP. A subclass may wait while `may_be_http` is
    true.
    """

    _log = Logger()

    refuses_http = True
    """Whether a client that begins with TLS or with an HTTP request line is refused."""

    transport: Any
    session: Session

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        self.input_ended = False
        """Whether the client has closed its side of the connection and sends nothing more."""
        self._sessions = sessions
        self._dialect = dialect
        self._detector = detector
        self._request_line = HttpRequestLineDetector() if self.refuses_http else None
        self._paused = False
        self._busy = False

    def buffer(self, data: bytes) -> None:
        """Store ``data``, bytes from the client. `dispatch_next_frame` cuts frames from the stored bytes."""
        raise NotImplementedError

    def dispatch_next_frame(self) -> bool:
        """Pass the next complete frame to the session, or refuse it. Return False if no frame is complete."""
        raise NotImplementedError

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """Return the function that puts a payload of ``dialect`` into a frame.

        The function appends a newline, unless a subclass overrides this method.
        """
        return wrap_line

    @staticmethod
    def dequeue_next_write(frames: deque[bytes]) -> bytes:
        """Take the next frame from the front of the queue ``frames``, and return it to be written alone.

        A client that needs a delay between two writes takes each read for one frame.
        """
        return frames.popleft()

    def closing_frame(self, refusal: Refusal | None) -> bytes:
        """Return no bytes. A carrier whose protocol has a closing frame overrides this method."""
        return b""

    def dispatch_frames(self) -> None:
        """Pass all complete frames to the session, until the session pauses the carrier or is leaving.

        If the client has ended its input, tell the session so after the last frame.
        """
        if self._busy:  # a payload has paused and resumed the carrier: the loop below goes on
            return
        self._busy = True
        try:
            while not self._paused and not self.session.is_closing and self.dispatch_next_frame():
                pass
        finally:
            self._busy = False
        if self.input_ended and not self._paused:
            self.session.end_of_input()

    def connectionMade(self) -> None:
        """Open a session for the new connection."""
        self.session = self._sessions.open_session(self._dialect, self, self._detector)

    def dataReceived(self, data: bytes) -> None:
        """Check ``data`` for a foreign protocol, buffer it, and pass the complete frames to the session."""
        if self.session.is_closing:
            return
        if self._request_line is not None:
            self._look_for_foreign(self._request_line, data)
        if not self.session.is_closing:
            self.buffer(data)
            self.dispatch_frames()

    @property
    def may_be_http(self) -> bool:
        """Whether the client's first line, which is still incomplete, may be an HTTP request line."""
        return self._request_line is not None and not self.input_ended

    def _look_for_foreign(self, line: HttpRequestLineDetector, data: bytes) -> None:
        if line.bytes_read == 0 and data.startswith(TLS_FIRST_BYTE):
            self.refuse_foreign_protocol(TLS)
            return
        # A client that has logged in has sent its first line, even if no line end shows where it ended.
        is_http = line.feed(data) if self.session.user is None else False
        if is_http is not None:
            self._request_line = None
        if is_http:
            self.refuse_foreign_protocol(HTTP)
        elif is_http is None and line.bytes_read > MAX_FIRST_LINE_BYTES:
            self.session.refuse_and_close(
                Refusal("too_long", what=TranslatableText(N_("the first line")), limit=MAX_FIRST_LINE_BYTES)
            )

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Send ``refusal`` to the client, then close its connection."""
        self.session.refuse_and_close(refusal)

    def refuse_foreign_protocol(self, foreign: ForeignProtocol) -> None:
        """Refuse a client that speaks the protocol ``foreign``, such as HTTP, and close its connection."""
        self._log.info("{peer} speaks {name}", peer=self.session.peer, name=foreign.name)
        self.refuse_and_close(Refusal("bad_request", why=TranslatableText(foreign.why)))

    def readConnectionLost(self) -> None:
        """Handle a half-close: the client sends nothing more, but may still read."""
        self.input_ended = True
        self.dispatch_frames()

    def writeConnectionLost(self) -> None:
        """Do nothing: Twisted calls this when the daemon itself has ended its output."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session, because the connection is gone."""
        self.session.connection_lost(broken=reason.check(ConnectionDone) is None)

    def pauseProducing(self) -> None:
        """Stop reading from the socket and passing frames on, until `resumeProducing`."""
        self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Pass on the frames that are buffered from before the pause, and read from the socket again."""
        self._paused = False
        self.transport.resumeProducing()
        self.dispatch_frames()
