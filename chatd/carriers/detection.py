"""One port for many wires: the first bytes of a client decide which protocol gets the connection.

No session exists before that. The whole connection, with what was read, is handed to a carrier, to TLS, or
to any other protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from chatd.carriers.foreign import NO_HTTP, NO_TLS
from chatd.connections.factory import Sessions
from chatd.core.language import N_
from chatd.core.wires import Opening, Wire

DETECTION_SECONDS: Final = 0.5
"""Silence after which the client seems to wait for the daemon to begin: it is sent a greeting."""

MAX_UNDECIDED: Final = 64
"""Bytes that may leave it open what a client speaks."""

_BLANKS: Final = b" \t\r\n"

FOREIGN: Final[Mapping[str, tuple[tuple[Opening, ...], str]]] = {
    "TLS": ((Opening(b"\x16\x03"),), NO_TLS),
    "IRC": (
        tuple(map(Opening, (b"NICK ", b"USER ", b"CAP ", b"PASS "))),
        N_("IRC is not supported: connect with telnet and send IAM and a nick"),
    ),
    "HTTP": (
        tuple(
            Opening(method + b" ")
            for method in (
                b"GET",
                b"POST",
                b"HEAD",
                b"PUT",
                b"DELETE",
                b"OPTIONS",
                b"PATCH",
                b"CONNECT",
                b"PRI",
            )
        ),
        NO_HTTP,
    ),
}
"""Protocols that no wire speaks: their openings, and why they are refused."""

T = TypeVar("T")


class Choice(NamedTuple):
    """A wire that a client may turn out to speak, its dialect, and what makes the carrier of a connection.

    ``make(sessions, accepted)`` makes the carrier; ``accepted`` says whether the connection was accepted,
    and the client greeted, before.
    """

    wire: Wire
    dialect: Dialect
    make: Callable[[Sessions, bool], SessionCarrier]


def detect(read: bytes, table: Sequence[tuple[Opening, T]], over: bool, default: T) -> T | None:
    """What ``table`` has for a client that begins with ``read``.

    ``default`` if no opening fits, None while several outcomes are possible. ``over`` says that nothing
    follows, which counts as the end of a line.
    """
    read = read[:MAX_UNDECIDED]
    possible = False
    for opening, target in table:
        start = (read.lstrip(_BLANKS) if opening.after_blanks else read) + (b"\n" if over else b"")
        if start.startswith(opening.start):
            return target
        possible = possible or opening.start.startswith(start)
    return None if possible and not over and len(read) < MAX_UNDECIDED else default


@implementer(IHalfCloseableProtocol)
class Detector(Protocol):
    """Reads until an opening of one of ``choices`` fits, then hands the connection to its carrier.

    The first choice is for clients that begin with no opening. A client that is silent gets its greeting,
    and may still turn out to speak any of them. With a ``certificate`` TLS is started when the client begins
    with it, and what comes inside decides. Clients that begin with one of the ``foreign`` protocols are
    refused.
    """

    transport: Any

    def __init__(
        self,
        choices: Sequence[Choice],
        foreign: Sequence[str],
        certificate: IOpenSSLContextFactory | None,
        sessions: Sessions,
    ) -> None:
        self._default = choices[0]
        self._table: list[tuple[Opening, Choice | str]] = [
            (opening, choice) for choice in choices for opening in choice.wire.openings
        ]
        self._table += [(opening, name) for name in foreign for opening in FOREIGN[name][0]]
        self._certificate = certificate
        self._sessions = sessions
        self._read = b""
        self._greeted = False
        self._timer: IDelayedCall | None = None
        self._carrier: SessionCarrier | None = None

    def connectionMade(self) -> None:
        """Wait for the first bytes, if there is room for a further client."""
        if self._sessions.full:
            self._become(self._default, hand_over=False)  # which refuses it
            return
        self._sessions.add_undecided(self)
        self._wait()

    def dataReceived(self, data: bytes) -> None:
        """Take what was read."""
        if self._carrier is not None:
            self._carrier.dataReceived(data)
        else:
            self._read += data
            self._decide()

    def readConnectionLost(self) -> None:
        """The client sends nothing more, but may still read."""
        if self._carrier is None:
            self._decide(over=True)
        if self._carrier is not None:
            self._carrier.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """The client reads nothing more; the transport closes when it notices."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session, if there is one."""
        self._stop_waiting()
        if self._carrier is not None:
            self._carrier.connectionLost(reason)
        else:
            self._sessions.lose_undecided(self)

    def decide_now(self) -> None:
        """Open a session of the first choice, with nothing of what was read."""
        self._become(self._default, hand_over=False)

    def _decide(self, over: bool = False) -> None:
        found = detect(self._read, self._table, over, self._default)
        if found is None:
            self._wait()
        elif isinstance(found, Choice):
            self._become(found)
        elif found == "TLS" and self._may_start_tls():
            self._start_tls()
        else:
            carrier = self._become(self._default, hand_over=False)
            carrier.refuse_foreign(found, FOREIGN[found][1])

    def _become(self, choice: Choice, hand_over: bool = True) -> SessionCarrier:
        """Hand the connection to the carrier of ``choice``; ``hand_over``: greeted, with what was read."""
        self._stop_waiting()
        self._sessions.remove_undecided(self)
        carrier = self._carrier = choice.make(self._sessions, True)
        carrier.makeConnection(self.transport)
        if hand_over and not self._greeted:
            carrier.session.greet()
        read, self._read = self._read, b""
        if hand_over and read:
            carrier.dataReceived(read)
        return carrier

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
        self._timer = self._sessions.clock.callLater(DETECTION_SECONDS, self._end_silence)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _end_silence(self) -> None:
        found = detect(self._read, self._table, True, self._default)
        if found is not self._default:  # ``Hello`` without a name is all of it
            self._decide(over=True)
        elif not self._greeted:
            self._greeted = True
            carrier = self._default.make(self._sessions, True)
            wrap = carrier.wrap_for(self._default.dialect)
            self.transport.write(b"".join(map(wrap, self._default.dialect.greeting)))
