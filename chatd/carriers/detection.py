"""One port for many wires: the first bytes of a client decide how its frames travel and what it speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IOpenSSLContextFactory,
    IReactorTime,
    ISSLTransport,
    ITLSTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatd.boundaries import Dialect
from chatd.carriers.foreign import NO_HTTP, NO_TLS
from chatd.connections.session import Session
from chatd.core.language import N_
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal

DETECTION_SECONDS: Final = 0.5
"""Seconds without a byte after which a client seems to wait for the daemon to begin."""

MAX_UNDECIDED: Final = 64
"""Bytes that may leave it open what a client speaks: more blanks than these are text."""

_BLANKS: Final = b" \t\r\n"


class Opening(NamedTuple):
    """Who begins with ``start`` (behind blanks, if they may be there) speaks ``name``."""

    start: bytes
    name: str
    blanks: bool = False


OPENINGS: Final = (
    Opening(b"{", "json", blanks=True),
    Opening(b"[", "json", blanks=True),
    Opening(b"\xef\xbb\xbf", "json"),  # a byte order mark
    *(Opening(kind, "frames") for kind in (b"\x01", b"\x02", b"\x03")),
    *(Opening(b"Hello" + end, "chunks") for end in (b"|", b" ", b"\t", b"\r", b"\n")),
    Opening(b"\x16\x03", "TLS"),
    *(Opening(verb, "IRC") for verb in (b"NICK ", b"USER ", b"CAP ", b"PASS ")),
    *(
        Opening(method + b" ", "HTTP")
        for method in (b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"PRI")
    ),
)
"""What the carriers and the strangers are known by; a name is a carrier's, or a key of `STRANGERS`."""

STRANGERS: Final = {
    "TLS": NO_TLS,
    "IRC": N_("this daemon speaks no IRC: connect with telnet and say IAM and a nick"),
    "HTTP": NO_HTTP,
}
"""Who can't be served, and why."""

Ways = Mapping[str, tuple[Callable[..., Protocol], Dialect]]
"""A carrier's name -> what makes it, and the dialect that is spoken over it."""


def detect(read: bytes, openings: Sequence[Opening], over: bool) -> str | None:
    """What is spoken by whoever begins so: a name, ``""`` if none fits, None while several still may.

    ``over`` says that nothing follows, which counts as the end of a line.
    """
    read = read[:MAX_UNDECIDED]
    several = False
    for opening in openings:
        start = (read.lstrip(_BLANKS) if opening.blanks else read) + (b"\n" if over else b"")
        if start.startswith(opening.start):
            return opening.name
        several = several or opening.start.startswith(start)
    return None if several and not over and len(read) < MAX_UNDECIDED else ""


@implementer(IHalfCloseableProtocol)
class Detector(Protocol):
    """Opens the session, reads on until one of ``openings`` fits, then leaves everything to a carrier.

    The first of ``ways`` is for whoever begins in no other; a client that is silent gets its greeting, and
    may still turn out to be any of them. With a ``certificate`` TLS is taken up on its hello, and what
    comes inside decides.
    """

    transport: Any
    session: Session

    _log = Logger()

    def __init__(
        self,
        ways: Ways,
        openings: Sequence[Opening],
        certificate: IOpenSSLContextFactory | None,
        open_session: Callable[[Any], Session],
        clock: IReactorTime,
        limits: Limits,
    ) -> None:
        self._ways = ways
        self._openings = openings
        self._certificate = certificate
        self._open_session = open_session
        self._clock = clock
        self._limits = limits
        self._read = b""
        self._greeted = False
        self._timer: IDelayedCall | None = None
        self._carrier: Any = None

    def connectionMade(self) -> None:
        """Open the session."""
        self.session = self._open_session(self)
        self._wait()

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        if self._carrier is not None:
            self._carrier.dataReceived(data)
        elif not self.session.leaving:
            self._read += data
            self._decide()

    def readConnectionLost(self) -> None:
        """The client sends nothing more, but may still read."""
        if self._carrier is None and not self.session.leaving:
            self._decide(over=True)
        if self._carrier is not None:
            self._carrier.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """The client reads nothing more; the transport closes when it notices."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session."""
        self._stop_waiting()
        if self._carrier is not None:
            self._carrier.connectionLost(reason)
        else:
            self.session.lost()

    def pauseProducing(self) -> None:
        """See `chatd.connections.session.Carrier`."""
        (self._carrier or self.transport).pauseProducing()

    def resumeProducing(self) -> None:
        """See `chatd.connections.session.Carrier`."""
        (self._carrier or self.transport).resumeProducing()

    def _decide(self, over: bool = False) -> None:
        name = detect(self._read, self._openings, over)
        if name is None:
            self._wait()
        elif name == "TLS" and self._may_start_tls():
            self._start_tls()
        elif name in STRANGERS:
            self._log.info("{peer} speaks {name}", peer=self.session.peer, name=name)
            self.session.break_off(Refusal("bad_request", why=STRANGERS[name]))
        else:
            self._become(name or next(iter(self._ways)))

    def _become(self, name: str) -> None:
        """Leave everything to a carrier, beginning with what was read."""
        self._stop_waiting()
        make, dialect = self._ways[name]
        self.session.speak(dialect)
        self._greet()
        self._carrier = make(lambda carrier: self.session, self._clock, self._limits)
        self._carrier.makeConnection(self.transport)
        read, self._read = self._read, b""
        self._carrier.dataReceived(read)

    def _may_start_tls(self) -> bool:
        transport = self.transport
        plain = ITLSTransport.providedBy(transport) and not ISSLTransport.providedBy(transport)
        return plain and self._certificate is not None

    def _start_tls(self) -> None:
        """Let the transport speak TLS; it gets the hello that was read, and calls us with what is inside."""
        certificate, self._certificate = self._certificate, None
        hello, self._read = self._read, b""
        self.transport.startTLS(certificate)
        self._wait()
        self.transport.protocol.dataReceived(hello)

    def _wait(self) -> None:
        """See in a while whether the client has said more."""
        self._stop_waiting()
        self._timer = self._clock.callLater(DETECTION_SECONDS, self._hear_nothing)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _hear_nothing(self) -> None:
        if self.session.leaving:
            return
        if detect(self._read, self._openings, over=True):  # ``Hello`` without a name is all of it
            self._decide(over=True)
        else:
            self._greet()

    def _greet(self) -> None:
        if not self._greeted:
            self._greeted = True
            self.session.send(self.session.dialect.greeting)
