"""One port for many wires: the first bytes of a client decide which carrier gets its connection.

There is no session, and no outbox, before that. The whole connection, with what was read, is handed to a
carrier or to TLS.
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
from chatd.core.wires import Opening

DETECTION_SECONDS: Final = 0.5
"""Silence after which a client seems to wait for the daemon to begin; it is sent the greeting then."""

MAX_UNDECIDED_BYTES: Final = 64
"""Bytes that can leave open what a client speaks: more blanks than these are the default wire's."""

_BLANKS: Final = b" \t\r\n"

T = TypeVar("T")


class WireChoice(NamedTuple):
    """A wire that a client may turn out to speak: its openings, its carrier and its dialect."""

    openings: tuple[Opening, ...]
    carrier: type[SessionCarrier]
    dialect: Dialect


def detect(read: bytes, table: Sequence[tuple[Opening, T]], over: bool, default: T) -> T | None:
    """The entry of ``table`` whose opening ``read`` begins with; ``default`` if no opening fits.

    None while several outcomes are possible. ``over`` says that nothing follows, which counts as the end of
    a line.
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
    """Reads until it is clear which of ``choices`` the client speaks, then hands over to its carrier.

    The first choice is the default: for clients that begin with no opening of another one. A silent client
    gets the greeting of the default, and may still turn out to speak any of them. A client of a ``foreign``
    protocol is refused. With a ``certificate`` TLS is started for a client that begins with it, and what
    comes inside decides.
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
        """Wait for the first bytes, unless there are too many clients."""
        if not self._sessions.add_undecided(self):
            self.decide_now()  # the session is refused
            return
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
        """The client no longer reads. The transport closes at the next write that fails."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the session, if there is one."""
        self._stop_waiting()
        if self._carrier is not None:
            self._carrier.connectionLost(reason)
        else:
            self._sessions.forget_undecided(self)

    def decide_now(self) -> SessionCarrier:
        """Hand the connection to the default carrier, with no greeting and without what was read."""
        return self._open(self._default)

    def break_off(self, refusal: Refusal) -> None:
        """Refuse the client in the words of the default wire, then close."""
        self.decide_now().session.break_off(refusal)

    def _decide(self, over: bool = False) -> None:
        found = detect(self._read, self._table, over, self._default)
        if found is None:
            self._wait()
        elif isinstance(found, WireChoice):
            self._hand_over(found)
        elif found.is_tls and self._may_start_tls():
            self._start_tls()
        else:
            self.decide_now().refuse_foreign_protocol(found)

    def _hand_over(self, choice: WireChoice) -> None:
        """Hand the connection to the carrier of ``choice``, greeted and with what was read."""
        carrier = self._open(choice)
        if not self._greeted:
            carrier.session.greet()
        read, self._read = self._read, b""
        carrier.dataReceived(read)

    def _open(self, choice: WireChoice) -> SessionCarrier:
        self._stop_waiting()
        self._sessions.remove_undecided(self)
        self._carrier = carrier = choice.carrier(self._sessions, choice.dialect, accepted=True)
        carrier.makeConnection(self.transport)
        return carrier

    def _may_start_tls(self) -> bool:
        transport = self.transport
        plain = ITLSTransport.providedBy(transport) and not ISSLTransport.providedBy(transport)
        return plain and self._certificate is not None

    def _start_tls(self) -> None:
        """Have the transport speak TLS; it gets the bytes that were read, and hands on what is inside."""
        certificate, self._certificate = self._certificate, None
        hello, self._read = self._read, b""
        self.transport.startTLS(certificate)
        self._wait()
        self.transport.protocol.dataReceived(hello)

    def _wait(self) -> None:
        """Look again after a silence."""
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
            self.transport.write(b"".join(map(self._default.carrier.wrap_for(dialect), dialect.greeting)))
