"""The Twisted factory of all listeners: it opens a session for each connection and applies the limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from chatd.boundaries import Clock, Dialect
from chatd.chat.service import Chat
from chatd.connections.client_network import client_network_of_address, enable_keep_alive
from chatd.connections.login_deadlines import ConnectionBeforeDetection, LoginDeadlines
from chatd.connections.outbox import FlushQueue, Outbox
from chatd.connections.rate_limit import RateLimit
from chatd.connections.session import Session
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, rate_limited_refusal, translatable_reason

SHUTDOWN_DISCONNECT_SECONDS: Final = 2.0
"""Seconds that clients have to read their last bytes when the daemon stops; then their connections are cut.
"""


class Sessions:
    """The registry of all connected clients, on every wire.

    A connection whose wire (protocol and framing) is not detected yet has no session, but it counts towards
    the connection limits.
    """

    _log = Logger()

    def __init__(self, chat: Chat, flush_queue: FlushQueue, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self._chat = chat
        self._flush_queue = flush_queue
        # Connections with the network that each comes from.
        self._open: dict[Session, str | None] = {}
        self._undetected: dict[ConnectionBeforeDetection, str | None] = {}
        self._from: Counter[str] = Counter()
        self._deadlines = LoginDeadlines(clock, limits)
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self._open) + len(self._undetected)

    def count_by_wire(self) -> Counter[str]:
        """Return the number of connections by the name of their wire.

        Those not detected yet count as ``undetected``.
        """
        counts = Counter([session.dialect.wire for session in self._open])
        counts["undetected"] = len(self._undetected)
        return counts

    @property
    def outbox_bytes(self) -> int:
        """The number of bytes that wait to be written in all outboxes."""
        return sum([session.outbox_bytes for session in self._open])

    def all_sessions(self) -> list[Session]:
        """Return all sessions, including those without a login, in the order of their connections."""
        return list(self._open)

    def _has_room(self, address: Any) -> bool:
        """Return whether the limits allow a further connection from ``address``."""
        network, limits = client_network_of_address(address), self.limits
        if len(self) >= limits.connections:
            self._log.warn(
                "{peer}: rate_limited, {count} are connected", peer=format_address(address), count=len(self)
            )
            return False
        if network is not None and self._from[network] >= limits.connections_per_address:
            self._log.warn(
                "{peer}: rate_limited, {count} are connected from {network}",
                peer=format_address(address),
                count=self._from[network],
                network=network,
            )
            return False
        return True

    def _accept(self, transport: Any) -> None:
        """Set the TCP options of the new connection ``transport``, and log the connection."""
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            enable_keep_alive(transport)
        self._log.info("{peer} connected", peer=format_peer(transport))

    def open_session(
        self, dialect: Dialect, carrier: Any, detector: ConnectionBeforeDetection | None
    ) -> Session:
        """Return a new session for the connection of ``carrier``.

        Refuse the client if too many are connected.

        ``detector`` is the connection that was passed to `add_undetected`, if any. Without a detector, the
        connection is logged and the client is sent the greeting.
        """
        transport, first_protocol = carrier.transport, detector or carrier
        address = (
            transport.getPeer() if detector is None else detector.address_from_proxy or transport.getPeer()
        )
        session = Session(
            self._chat,
            self.clock,
            dialect,
            carrier,
            format_address(address),
            client_network_of_address(address),
            lambda: "" if detector is None else detector.client_certificate_name,
            RateLimit(self.limits),
            partial(
                Outbox,
                transport,
                self.clock,
                self._flush_queue,
                self.limits.outbox,
                carrier.dequeue_next_write,
            ),
            partial(self._closed, first_protocol),
        )
        if not self._has_room(address):
            session.refuse_and_close(rate_limited_refusal(translatable_reason("many_connections")))
            return session
        self._open[session] = self._count(address)
        self._deadlines.start(first_protocol, session)
        if detector is None:
            self._accept(transport)
            session.greet()
        return session

    def _closed(self, first_protocol: object, session: Session) -> None:
        """Remove ``session``, whose connection is gone."""
        self._discount(self._open.pop(session, None))
        self._deadlines.forget(first_protocol)
        self._log.info("{peer} disconnected", peer=session.peer)
        self._check_empty()

    def add_undetected(self, connection: ConnectionBeforeDetection) -> bool:
        """Count a connection whose protocol is not detected yet.

        Return False if there are too many connections.
        """
        transport = connection.transport
        address = transport.getPeer()
        if not self._has_room(address):
            return False
        self._undetected[connection] = self._count(address)
        self._deadlines.start(connection, connection)
        self._accept(transport)
        return True

    def remove_undetected(self, connection: ConnectionBeforeDetection) -> None:
        """Stop counting ``connection`` as undetected, because its protocol is known now."""
        self._discount(self._undetected.pop(connection, None))

    def undetected_connection_lost(self, connection: ConnectionBeforeDetection) -> None:
        """Stop counting ``connection``, which was closed before its protocol was detected."""
        self.remove_undetected(connection)
        self._deadlines.forget(connection)
        self._log.info("{peer} disconnected", peer=format_peer(connection.transport))
        self._check_empty()

    def _count(self, address: Any) -> str | None:
        """Count a connection for the network it comes from, and return the network for `_discount`."""
        network = client_network_of_address(address)
        if network is not None:
            self._from[network] += 1
        return network

    def _discount(self, network: str | None) -> None:
        if network is not None:
            self._from[network] -= 1
            if not self._from[network]:
                del self._from[network]

    def _check_empty(self) -> None:
        if self._empty is not None and not len(self):
            empty, self._empty = self._empty, None
            empty.callback(None)

    def close(self) -> Deferred[None]:
        """Tell all clients that the daemon stops, and close their connections.

        Return a Deferred that fires when all connections are closed. Connections that are still open after
        `SHUTDOWN_DISCONNECT_SECONDS` are cut.
        """
        for connection in list(self._undetected):
            connection.use_default_wire()
        for connection in list(self._undetected):  # they speak HTTP
            connection.refuse_and_close(Refusal("shutting_down"))
        for session in list(self._open):
            session.refuse(None, Refusal("shutting_down"))
            session.close()
        if not len(self):
            return succeed(None)
        self._empty = Deferred()
        cut = self.clock.callLater(SHUTDOWN_DISCONNECT_SECONDS, self._abort)

        def cancel_abort(result: None) -> None:
            if cut.active():
                cut.cancel()

        return self._empty.addCallback(cancel_abort)

    def _abort(self) -> None:
        connections: list[Session | ConnectionBeforeDetection] = [*self._open, *self._undetected]
        for connection in connections:
            connection.abort()


class ChatFactory(Factory):
    """The Twisted factory of one listener. The factories of all listeners share ``sessions``."""

    noisy = False

    def __init__(self, sessions: Sessions, make_protocol: Callable[[Sessions], Protocol]) -> None:
        self._sessions = sessions
        self._make_protocol = make_protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Return the Twisted protocol for a new connection."""
        return self._make_protocol(self._sessions)


def format_peer(transport: Any) -> str:
    """Return the address of the client on ``transport``, as the log shows it."""
    return format_address(transport.getPeer())


def format_address(address: Any) -> str:
    """Return a transport ``address`` as the log shows it: host and port, or ``unix`` for a Unix socket.

    The port is left out if it is 0, which stands for unknown.
    """
    host = getattr(address, "host", None)
    if host is None:
        return "unix"
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{address.port}" if address.port else host
