"""Detection of the protocol on a port that serves several: the first bytes of a client decide which carrier
gets its connection.

Before the decision, the connection has neither a session nor an outbox. Afterwards the whole connection, with
the bytes read so far, is passed to a carrier or to TLS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeVar

from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IOpenSSLContextFactory,
    ISSLTransport,
    ITLSTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.foreign import ForeignProtocol
from chatd.connections.factory import Sessions
from chatd.core.refusals import Refusal
from chatd.core.wires import OpeningBytes

DETECTION_SECONDS: Final = 0.5
"""Seconds of silence after which the client is assumed to wait for the daemon's greeting, which it then gets.

"""

MAX_UNDECIDED_BYTES: Final = 64
"""The number of bytes after which detection stops waiting: a client that has sent only this much white space
gets the default wire.
"""

_BLANKS: Final = b" \t\r\n"

T = TypeVar("T")


class WireChoice(NamedTuple):
    """One of the wires on a port that serves several: the first bytes that identify the wire's clients, its
    carrier and its dialect.
    """

    openings: tuple[OpeningBytes, ...]
    carrier: type[SessionCarrier]
    dialect: Dialect


def detect(read: bytes, table: Sequence[tuple[OpeningBytes, T]], over: bool, default: T) -> T | None:
    """Return the target in ``table`` whose opening bytes the client's first bytes, ``read``, begin with.

    Return ``default`` if no opening can match any more, and None if more bytes are needed. ``over`` says that
    the client sends nothing more for now, which counts as the end of a line.
    """
    read = read[:MAX_UNDECIDED_BYTES]
    possible = False
    for opening, target in table:
        start = (read.lstrip(_BLANKS) if opening.after_blanks else read) + (b"\n" if over else b"")
        if start.startswith(opening.start):
            return target
        possible = possible or opening.start.startswith(start)
    return None if possible and not over and len(read) < MAX_UNDECIDED_BYTES else default


@implementer(IHalfCloseableProtocol)
class Detector(Protocol):
    """A Twisted protocol that reads the first bytes of a connection, detects which of ``choices`` the client
    speaks, and passes the connection to that wire's carrier.

    The first choice is the default, for clients whose first bytes match no other choice. A client that stays
    silent gets the default wire's greeting, and may still turn out to speak another wire. A client of one of
    the ``foreign`` protocols is refused. With a ``certificate``, a client that begins with TLS gets TLS, and
    the decrypted bytes decide.
    """

    transport: Any

    def __init__(
        self,
        choices: Sequence[WireChoice],
        foreign: Sequence[ForeignProtocol],
        certificate: IOpenSSLContextFactory | None,
        sessions: Sessions,
    ) -> None:
        self._default, *others = choices
        targets: list[WireChoice | ForeignProtocol] = [*others, *foreign]
        self._table = [(opening, target) for target in targets for opening in target.openings]
        self._certificate = certificate
        self._sessions = sessions
        self._read = b""
        self._greeted = False
        self._timer: IDelayedCall | None = None
        self._carrier: SessionCarrier | None = None

    def connectionMade(self) -> None:
        """Start waiting for the first bytes, or refuse the client if too many clients are connected."""
        if not self._sessions.add_undetected(self):
            self.use_default_wire()  # the session is refused
            return
        self._wait()

    def dataReceived(self, data: bytes) -> None:
        """Pass ``data`` to the carrier if the protocol is detected; otherwise add it to the first bytes and
        try to detect.
        """
        if self._carrier is not None:
            self._carrier.dataReceived(data)
        else:
            self._read += data
            self._decide()

    def readConnectionLost(self) -> None:
        """Handle a half-close: detect the protocol from the bytes received so far, since the client sends
        nothing more.
        """
        if self._carrier is None:
            self._decide(over=True)
        if self._carrier is not None:
            self._carrier.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Ignore that the client reads nothing more: the transport closes at the next write that fails."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the carrier that the connection is gone, or forget the connection if its protocol was never
        detected.
        """
        self._stop_waiting()
        if self._carrier is not None:
            self._carrier.connectionLost(reason)
        else:
            self._sessions.undetected_lost(self)

    def use_default_wire(self) -> SessionCarrier:
        """Give the connection to the default wire's carrier and return that carrier. It sends no greeting,
        and the bytes read so far are dropped.
        """
        return self._open(self._default)

    def break_off(self, refusal: Refusal) -> None:
        """Send ``refusal`` to the client in the default wire's dialect, then close the connection."""
        self.use_default_wire().session.break_off(refusal)

    def _decide(self, over: bool = False) -> None:
        found = detect(self._read, self._table, over, self._default)
        if found is None:
            self._wait()
        elif isinstance(found, WireChoice):
            self._hand_over(found)
        elif found.is_tls and self._may_start_tls():
            self._start_tls()
        else:
            self.use_default_wire().refuse_foreign_protocol(found)

    def _hand_over(self, choice: WireChoice) -> None:
        """Give the connection and the bytes read so far to the carrier of ``choice``, and greet the client
        unless it was greeted before.
        """
        carrier = self._open(choice)
        if not self._greeted:
            carrier.session.greet()
        read, self._read = self._read, b""
        carrier.dataReceived(read)

    def _open(self, choice: WireChoice) -> SessionCarrier:
        self._stop_waiting()
        self._sessions.wire_detected(self)
        self._carrier = carrier = choice.carrier(self._sessions, choice.dialect, accepted=True)
        carrier.makeConnection(self.transport)
        return carrier

    def _may_start_tls(self) -> bool:
        transport = self.transport
        plain = ITLSTransport.providedBy(transport) and not ISSLTransport.providedBy(transport)
        return plain and self._certificate is not None

    def _start_tls(self) -> None:
        """Start TLS on the transport, feed it the bytes read so far, and detect the protocol again from the
        decrypted bytes.
        """
        certificate, self._certificate = self._certificate, None
        hello, self._read = self._read, b""
        self.transport.startTLS(certificate)
        self._wait()
        self.transport.protocol.dataReceived(hello)

    def _wait(self) -> None:
        """Restart the timer of `DETECTION_SECONDS`, which ends the wait for a silent client."""
        self._stop_waiting()
        self._timer = self._sessions.clock.callLater(DETECTION_SECONDS, self._end_silence)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _end_silence(self) -> None:
        if detect(self._read, self._table, True, self._default) is not self._default:
            self._decide(over=True)  # ``Hello`` without a name is complete
        elif not self._greeted:
            self._greeted = True
            dialect = self._default.dialect
            self.transport.write(b"".join(map(self._default.carrier.framer_for(dialect), dialect.greeting)))
