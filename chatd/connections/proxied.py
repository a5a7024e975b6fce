"""Connections through a proxy that tells each client's address in a PROXY header (``haproxy:`` endpoints).

Source: The PROXY protocol, versions 1 and 2 (haproxy.org). Twisted's own wrapper connects its protocol before
the header has come, so that limits and log lines would have the address of the proxy. It is private to
Twisted, as is its attribute ``_proxyInfo`` (Twisted 26.10); `tests/connections/test_proxied.py` fails when
either changes.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IProtocolFactory, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from chatd.connections.client_network import client_network_of_address
from chatd.connections.factory import Sessions, format_peer

PROXY_HEADER_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a proxy has to send the PROXY header of a connection."""


class _Collector(Protocol):
    """A protocol that collects the bytes behind the header."""

    data = b""

    def dataReceived(self, data: bytes) -> None:
        self.data += data


class ProxiedConnection(HAProxyProtocolWrapper):
    """The Twisted protocol of a connection through a proxy, which sends a PROXY header before the client's
    data.

    The wrapped protocol, which serves the client, is connected after the header, so that its transport has
    the address of the client from the start. A connection without a valid header is closed.
    """

    _log = Logger()

    factory: ProxiedFactory
    _deadline: IDelayedCall | None = None
    _is_connected = False

    def makeConnection(self, transport: ITransport) -> None:
        """Wait for the PROXY header. Close the connection if too many connections already wait for theirs."""
        directlyProvides(self, providedBy(transport))  # what the wrapped protocol may ask of its transport
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        sessions = self.factory.sessions
        if len(self.factory.protocols) > sessions.limits.connections:
            self._give_up("too many connections")
            return
        self._deadline = sessions.clock.callLater(
            PROXY_HEADER_TIMEOUT_SECONDS,
            self._give_up,
            f"no PROXY header within {PROXY_HEADER_TIMEOUT_SECONDS:.0f} seconds",
        )

    def dataReceived(self, data: bytes) -> None:
        """Read the PROXY header, and pass all bytes behind it to the wrapped protocol."""
        if self._is_connected:
            self.wrappedProtocol.dataReceived(data)
            return
        collector = _Collector()
        protocol, self.wrappedProtocol = self.wrappedProtocol, collector
        try:
            super().dataReceived(data)  # which disconnects if this is no header
            client_network_of_address(self.getPeer())  # raises ValueError if that is no address
        except Exception:  # Twisted's parsers raise errors of many types for a broken header
            self.disconnecting = 1
        finally:
            self.wrappedProtocol = protocol
        if self.disconnecting:
            self._give_up("the PROXY header is not valid")
        elif self._proxyInfo is not None:
            self._stop_waiting()
            self._is_connected = True
            protocol.makeConnection(self)  # type: ignore[arg-type]  # ProtocolWrapper passes on the rest
            if collector.data:
                protocol.dataReceived(collector.data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the wrapped protocol that the connection is gone, if it was connected."""
        self._stop_waiting()
        if self._is_connected:
            super().connectionLost(reason)
        else:
            self.factory.unregisterProtocol(self)

    def _give_up(self, why: str) -> None:
        self._stop_waiting()
        self._log.info("{peer}: {why}", peer=format_peer(self.transport), why=why)
        transport: Any = self.transport
        transport.abortConnection()

    def _stop_waiting(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class ProxiedFactory(WrappingFactory[ProxiedConnection]):
    """The Twisted factory of a listener behind a proxy.

    ``factory`` makes the protocols that serve the clients.
    """

    protocol = ProxiedConnection
    noisy = False

    def __init__(self, sessions: Sessions, factory: IProtocolFactory) -> None:
        super().__init__(factory)
        self.sessions = sessions
