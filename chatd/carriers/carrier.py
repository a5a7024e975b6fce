"""What all carriers share: the session, its pauses, foreign protocols, the end of the stream."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatd.boundaries import Dialect, Wrap
from chatd.carriers.foreign import HTTP, TLS, TLS_FIRST_BYTE, ForeignProtocol, HttpRequestLineDetector
from chatd.connections.factory import Sessions
from chatd.connections.session import Session
from chatd.core.language import N_
from chatd.core.refusals import Phrase, Refusal

MAX_FIRST_LINE_BYTES: Final = 64 * 1024
"""Bytes of a first line that may turn out to be HTTP, at most: a carrier may have to keep them until then."""


def wrap_line(payload: bytes) -> bytes:
    """``payload`` with a newline behind it."""
    return payload + b"\n"


@implementer(IHalfCloseableProtocol)
class SessionCarrier(Protocol):
    """A Twisted protocol that opens a session for its connection and hands it one payload after the other.

    A carrier says in `buffer` and `dispatch_next_frame` how frames are cut, in `wrap_for` and `next_write`
    how they are written. While the session pauses the carrier, nothing is read and nothing is handed over.
    Once the session is leaving, everything that arrives is dropped.

    ``accepted`` says that the connection was accepted, and that somebody else greets the client.

    A client that begins with TLS, or whose first line is a request line of HTTP, is refused on every wire,
    and nothing that follows is handed over: a web page must not talk. Frames that end before that line does
    are handed over as they come, unless the carrier waits while ``may_be_http``.
    """

    _log = Logger()

    transport: Any
    session: Session

    def __init__(self, sessions: Sessions, dialect: Dialect, accepted: bool = False) -> None:
        self.input_ended = False
        """Whether the client has said that it sends nothing more."""
        self._sessions = sessions
        self._dialect = dialect
        self._accepted = accepted
        self._request_line: HttpRequestLineDetector | None = HttpRequestLineDetector()
        self._paused = False
        self._busy = False

    def buffer(self, data: bytes) -> None:
        """Keep what was read for `dispatch_next_frame`."""
        raise NotImplementedError

    def dispatch_next_frame(self) -> bool:
        """Hand the next frame to the session; False when there is none (yet)."""
        raise NotImplementedError

    @staticmethod
    def wrap_for(dialect: Dialect) -> Wrap:
        """How payloads of ``dialect`` are framed: as lines, unless a carrier says otherwise."""
        return wrap_line

    @staticmethod
    def next_write(frames: deque[bytes]) -> bytes:
        """The next frame, alone: a client that is written to at a pace takes one read for one frame."""
        return frames.popleft()

    def dispatch_frames(self) -> None:
        """Hand over what can be: all of it, unless the session pauses; then the end, if it has come."""
        if self._busy:  # a payload has paused and resumed the carrier: the loop below goes on
            return
        self._busy = True
        try:
            while not self._paused and not self.session.leaving and self.dispatch_next_frame():
                pass
        finally:
            self._busy = False
        if self.input_ended and not self._paused:
            self.session.end()

    def connectionMade(self) -> None:
        """Open the session."""
        self.session = self._sessions.open(self._dialect, self, self._accepted)

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        if self.session.leaving:
            return
        if self._request_line is not None:
            self._look_for_foreign(self._request_line, data)
        if not self.session.leaving:
            self.buffer(data)
            self.dispatch_frames()

    @property
    def may_be_http(self) -> bool:
        """Whether the first line may still turn out to be a request line of HTTP."""
        return self._request_line is not None and not self.input_ended

    def _look_for_foreign(self, line: HttpRequestLineDetector, data: bytes) -> None:
        if line.bytes_read == 0 and data.startswith(TLS_FIRST_BYTE):
            self.refuse_foreign_protocol(TLS)
            return
        # A client that has said who it is has said its first line, even if no line end tells where that was.
        is_http = line.feed(data) if self.session.user is None else False
        if is_http is not None:
            self._request_line = None
        if is_http:
            self.refuse_foreign_protocol(HTTP)
        elif is_http is None and line.bytes_read > MAX_FIRST_LINE_BYTES:
            self.session.break_off(
                Refusal("too_long", what=Phrase(N_("the first line")), limit=MAX_FIRST_LINE_BYTES)
            )

    def refuse_foreign_protocol(self, foreign: ForeignProtocol) -> None:
        """Refuse a client that speaks a foreign protocol, and close."""
        self._log.info("{peer} speaks {name}", peer=self.session.peer, name=foreign.name)
        self.session.break_off(Refusal("bad_request", why=Phrase(foreign.why)))

    def readConnectionLost(self) -> None:
        """The client sends nothing more, but may still read."""
        self.input_ended = True
        self.dispatch_frames()

    def writeConnectionLost(self) -> None:
        """The client reads nothing more; the transport closes when it notices."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session."""
        self.session.lost(broken=reason.check(ConnectionDone) is None)

    def pauseProducing(self) -> None:
        """Cut no frame and read nothing until `resumeProducing`."""
        self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on, beginning with what was read already."""
        self._paused = False
        self.transport.resumeProducing()
        self.dispatch_frames()
