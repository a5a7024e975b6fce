"""Detection of the protocol on a port that serves several, or that serves TLS: the first bytes of a client
decide which carrier gets its connection, whether it speaks HTTP, and whether it speaks TLS.

Before the decision, the connection has neither a session nor an outbox. Afterwards the whole connection, with
the bytes read so far, is passed to a carrier, to a protocol for HTTP or to TLS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from typing import Protocol as Interface

from OpenSSL.SSL import Error as TlsError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IOpenSSLContextFactory,
    ISSLTransport,
    ITLSTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.foreign import ForeignProtocol
from chatd.carriers.tls import TlsLayer, tls_failure_reason
from chatd.connections.factory import Sessions, format_peer
from chatd.core.refusals import Refusal, rate_limited_refusal, translatable_reason
from chatd.core.wires import OpeningBytes

GREETING_DELAY_SECONDS: Final = 0.5
"""Seconds of silence after which a waiting client gets the default wire's greeting.

Detection goes on after the greeting. If the bytes received so far are complete opening bytes without a line
end, the wire is chosen at that time.
"""

MAX_BYTES_BEFORE_DETECTION: Final = 64
"""The number of bytes after which detection stops waiting: a client that has sent only this much white space
gets the default wire.
"""

_BLANKS: Final = b" \t\r\n"

T = TypeVar("T")


class WireChoice(NamedTuple):
    """One of the wires (protocols) on a port that serves several.

    It has the first bytes by which clients of the wire are recognised, the carrier and the dialect.
    """

    openings: tuple[OpeningBytes, ...]
    carrier: type[SessionCarrier]
    dialect: Dialect

    @property
    def greeting(self) -> bytes:
        """The frames that a new client is sent."""
        return b"".join(map(self.carrier.wrapper_for(self.dialect), self.dialect.greeting))


class HttpProtocol(Interface):
    """The interface of the Twisted protocol for HTTP connections: `chatd.web.connection.HttpConnection`."""

    def makeConnection(self, transport: Any) -> None: ...
    def dataReceived(self, data: bytes) -> None: ...
    def readConnectionLost(self) -> None: ...
    def connectionLost(self, reason: Failure) -> None: ...

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Answer with an HTTP error for ``refusal`` if an answer is possible, then close the connection."""

    def refuse_foreign_protocol(self, foreign: ForeignProtocol) -> None:
        """Close the connection of a client that speaks the protocol ``foreign``."""


class HttpChoice(NamedTuple):
    """HTTP as one of the protocols on a port that serves several.

    ``openings`` are the first bytes of HTTP clients. ``make_protocol`` makes the Twisted protocol of such a
    connection. If the client then opens a WebSocket, `Detector.open_session` gives the connection a carrier.
    """

    openings: tuple[OpeningBytes, ...]
    make_protocol: Callable[[Detector], HttpProtocol]
    greeting: bytes = b""


ProtocolChoice = WireChoice | HttpChoice
"""One of the protocols that a port serves: a wire, or HTTP."""


def match_opening_bytes(
    read: bytes, table: Sequence[tuple[OpeningBytes, T]], final: bool, default: T
) -> T | None:
    """Return the first target in ``table`` with opening bytes that match ``read``, the client's first bytes.

    Return ``default`` if no opening bytes can match any more, and None if more bytes are needed. If ``final``
    is true, the client sends nothing more for now. In that case ``read`` is treated as if a line end
    followed, and the result is never None.
    """
    read = read[:MAX_BYTES_BEFORE_DETECTION]
    possible = False
    for opening, target in table:
        start = (read.lstrip(_BLANKS) if opening.may_follow_blanks else read) + (b"\n" if final else b"")
        if start.startswith(opening.start):
            return target
        possible = possible or opening.start.startswith(start)
    return None if possible and not final and len(read) < MAX_BYTES_BEFORE_DETECTION else default


@implementer(IHalfCloseableProtocol)
class Detector(Protocol):
    """A Twisted protocol that detects which of several protocols the client of a new connection speaks.

    It reads the first bytes, compares them with ``choices``, and passes the connection to the carrier of the
    wire, or to HTTP. The first choice is the default, for clients whose first bytes match no other choice. A
    client that stays silent gets the default wire's greeting, and may still turn out to speak another wire. A
    client of one of the ``foreign`` protocols is refused.

    With a ``certificate``, a client that begins with TLS gets TLS, and the decrypted bytes are compared. A
    handshake that takes longer than ``limits.tls_handshake_seconds`` is cut. If the port is ``tls_only``, a
    client without TLS is refused: because of its first bytes, or after those seconds if it is silent.
    """

    _log = Logger()

    transport: Any

    def __init__(
        self,
        choices: Sequence[ProtocolChoice],
        foreign: Sequence[ForeignProtocol],
        certificate: IOpenSSLContextFactory | None,
        tls_only: bool,
        sessions: Sessions,
    ) -> None:
        self._default, *others = choices
        self._is_single = not others
        targets: list[ProtocolChoice | ForeignProtocol] = [*others, *foreign]
        self._table = [(opening, target) for target in targets for opening in target.openings]
        self._certificate = certificate
        self._tls_only = tls_only
        self._tls: TlsLayer | None = None
        self._handshake_deadline: IDelayedCall | None = None
        self.address_from_proxy: IAddress | None = None
        """The client's address if a reverse proxy has told it; otherwise None."""
        self._sessions = sessions
        self._read = b""
        self._greeted = False
        self._timer: IDelayedCall | None = None
        self._protocol: SessionCarrier | HttpProtocol | None = None

    def connectionMade(self) -> None:
        """Start waiting for the first bytes, or refuse the client if too many clients are connected."""
        if not self._sessions.add_undetected(self):
            protocol = self._open(self._default)
            if not isinstance(protocol, SessionCarrier):  # otherwise, the session is refused
                protocol.refuse_and_close(rate_limited_refusal(translatable_reason("many_connections")))
            return
        if self._tls_only:
            self._limit_handshake()
        self._wait()

    @property
    def client_certificate_name(self) -> str:
        """The common name in the client's verified TLS certificate, or empty if the client has shown none."""
        return "" if self._tls is None else self._tls.client_certificate_name

    def dataReceived(self, data: bytes) -> None:
        """Pass ``data`` to the detected protocol. If none is detected yet, detect it from the first bytes."""
        if self._protocol is not None:
            self._protocol.dataReceived(data)
        else:
            self._read += data
            self._decide()

    def readConnectionLost(self) -> None:
        """Handle a half-close: detect the protocol from the received bytes, because the client sends nothing
        more.
        """
        if self._protocol is None:
            self._decide(final=True)
        if self._protocol is not None:
            self._protocol.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Do nothing: Twisted calls this when the daemon itself has ended its output."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the protocol in use that the connection is gone.

        Without a session, stop counting the connection.
        """
        self._stop_waiting()
        _cancel(self._handshake_deadline)
        error = reason.value
        if self._tls is not None and isinstance(error, TlsError) and not self._tls.is_established:
            self._log.info(
                "{peer}: the TLS handshake failed: {why}",
                peer=format_peer(self.transport),
                why=tls_failure_reason(error),
            )
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        if not isinstance(self._protocol, SessionCarrier):
            self._sessions.undetected_connection_lost(self)

    def use_default_wire(self) -> None:
        """Give the connection to the default protocol of its port, unless a protocol is detected already.

        The daemon calls this method when it stops, so that it can tell the client in that protocol. No
        greeting is sent, and the bytes read so far are dropped.
        """
        if self._protocol is None:
            self._open(self._default)

    def abort(self) -> None:
        """Close the connection at once, without writing what is queued."""
        self.transport.abortConnection()

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Send ``refusal`` to the client, then close the connection.

        If the client's own wire is unknown, the refusal is sent in the dialect of the default wire.
        """
        protocol = self._protocol or self._open(self._default)
        protocol.refuse_and_close(refusal)

    def open_session(self, choice: WireChoice) -> SessionCarrier:
        """Open a session on the wire ``choice`` for the connection, and return the carrier of the session."""
        self._sessions.remove_undetected(self)
        self._protocol = carrier = choice.carrier(self._sessions, choice.dialect, self)
        carrier.makeConnection(self.transport)
        return carrier

    def _decide(self, final: bool = False) -> None:
        found = match_opening_bytes(self._read, self._table, final, self._default)
        if found is None:
            self._wait()
        elif isinstance(found, ForeignProtocol):
            if found.is_tls and self._may_start_tls():
                self._start_tls()
            else:
                self._open(self._default).refuse_foreign_protocol(found)
        elif self._lacks_tls:
            self._open(found).refuse_and_close(Refusal("tls_required"))
        else:
            self._hand_over(found)

    def _hand_over(self, choice: ProtocolChoice) -> None:
        """Give the connection and the bytes read so far to the protocol of ``choice``, and greet the client
        unless it was greeted before.
        """
        protocol = self._open(choice)
        if not self._greeted and isinstance(protocol, SessionCarrier):
            protocol.session.greet()
        read, self._read = self._read, b""
        protocol.dataReceived(read)

    def _open(self, choice: ProtocolChoice) -> SessionCarrier | HttpProtocol:
        self._stop_waiting()
        if self._tls is None:
            _cancel(self._handshake_deadline)
        if isinstance(choice, WireChoice):
            return self.open_session(choice)
        self._protocol = protocol = choice.make_protocol(self)
        protocol.makeConnection(self.transport)
        return protocol

    @property
    def _lacks_tls(self) -> bool:
        """Whether the port is for TLS only and the client has not begun with TLS."""
        return self._tls_only and self._tls is None

    def _may_start_tls(self) -> bool:
        transport = self.transport
        plain = ITLSTransport.providedBy(transport) and not ISSLTransport.providedBy(transport)
        return plain and self._certificate is not None

    def _start_tls(self) -> None:
        """Start TLS on the transport, feed it the bytes read so far, and detect the protocol again from the
        decrypted bytes. If there is one wire only, its greeting follows the handshake at once.
        """
        certificate, self._certificate = self._certificate, None
        hello, self._read = self._read, b""
        self.transport.startTLS(certificate)
        self._tls = TlsLayer(self.transport.getHandle())
        if self._handshake_deadline is None:
            self._limit_handshake()
        if self._is_single:
            self._hand_over(self._default)
        else:
            self._wait()
        self.transport.protocol.dataReceived(hello)

    def _limit_handshake(self) -> None:
        """Start the time that the client has for the TLS handshake."""
        seconds = self._sessions.limits.tls_handshake_seconds
        self._handshake_deadline = self._sessions.clock.callLater(seconds, self._end_handshake_time)

    def _end_handshake_time(self) -> None:
        if self._tls is None:
            self.refuse_and_close(Refusal("tls_required"))
        elif not self._tls.is_established:
            self._log.info(
                "{peer}: no TLS handshake within {seconds} seconds",
                peer=format_peer(self.transport),
                seconds=self._sessions.limits.tls_handshake_seconds,
            )
            self.transport.abortConnection()

    def _wait(self) -> None:
        """Restart the timer of `GREETING_DELAY_SECONDS`, which ends the wait for a silent client."""
        self._stop_waiting()
        self._timer = self._sessions.clock.callLater(GREETING_DELAY_SECONDS, self._end_silence)

    def _stop_waiting(self) -> None:
        _cancel(self._timer)

    def _end_silence(self) -> None:
        if match_opening_bytes(self._read, self._table, True, self._default) is not self._default:
            self._decide(final=True)  # ``Hello`` without a name is complete
        elif not (self._greeted or self._lacks_tls):
            self._greeted = True
            self.transport.write(self._default.greeting)


def _cancel(timer: IDelayedCall | None) -> None:
    if timer is not None and timer.active():
        timer.cancel()
