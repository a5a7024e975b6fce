"""The factory of all listeners: how a connection becomes a session, who is connected, and the limits."""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from chatd.boundaries import Clock, Dialect
from chatd.chat.service import Chat
from chatd.connections.outbox import FlushQueue, Outbox
from chatd.connections.session import Session
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal

DISCONNECT_TIMEOUT_SECONDS: Final = 2.0
"""How long clients may take for the last write when the daemon stops."""


class Undecided(typing.Protocol):
    """A connection whose wire is not known yet: `chatd.carriers.detection.Detector`."""

    transport: Any

    def decide_now(self) -> object:
        """Open a session of the default wire, without a greeting and without what was read."""


class Sessions:
    """All connected clients, on any wire.

    A connection whose wire is not known yet has no session; it counts as one of ``limits.connections``.
    """

    _log = Logger()

    def __init__(self, chat: Chat, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self._chat = chat
        self._flush_queue = FlushQueue(clock)
        self._open: set[Session] = set()
        self._undecided: set[Undecided] = set()
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._open) + len(self._undecided)

    @property
    def full(self) -> bool:
        """Whether a further connection is refused."""
        return len(self) >= self.limits.connections

    def accept(self, transport: Any) -> None:
        """A connection has been made."""
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            # A client whose machine is gone must not hold its nick for ever.
            transport.setTcpKeepAlive(True)
        self._log.info("{peer} connected", peer=_peer(transport.getPeer()))

    def open(self, dialect: Dialect, carrier: Any, accepted: bool) -> Session:
        """The session of ``carrier``; it is refused when there are too many.

        Unless the connection was ``accepted`` before, it is now, and the client is greeted.
        """
        transport = carrier.transport
        session = Session(
            self._chat,
            self.clock,
            dialect,
            carrier,
            _peer(transport.getPeer()),
            partial(Outbox, transport, self.clock, self._flush_queue, self.limits.outbox, carrier.next_write),
            self._closed,
        )
        if self.full:
            self._log.warn("{peer}: rate_limited, {count} are connected", peer=session.peer, count=len(self))
            session.break_off(Refusal("rate_limited"))
            return session
        self._open.add(session)
        if not accepted:
            self.accept(transport)
            session.greet()
        return session

    def _closed(self, session: Session) -> None:
        """Forget a session whose connection is gone."""
        self._open.discard(session)
        self._log.info("{peer} disconnected", peer=session.peer)
        self._check_empty()

    def add_undecided(self, connection: Undecided) -> None:
        """Accept a connection whose wire is not known yet."""
        self._undecided.add(connection)
        self.accept(connection.transport)

    def remove_undecided(self, connection: Undecided) -> None:
        """The wire of ``connection`` is known now."""
        self._undecided.discard(connection)

    def lose_undecided(self, connection: Undecided) -> None:
        """``connection`` is gone."""
        self._undecided.discard(connection)
        self._log.info("{peer} disconnected", peer=_peer(connection.transport.getPeer()))
        self._check_empty()

    def _check_empty(self) -> None:
        if self._empty is not None and not len(self):
            empty, self._empty = self._empty, None
            empty.callback(None)

    def close(self) -> Deferred[None]:
        """Tell all clients that the daemon stops, and close their connections.

        Connections left after `DISCONNECT_TIMEOUT_SECONDS` are cut. The Deferred fires when all are gone.
        """
        for connection in list(self._undecided):
            connection.decide_now()
        for session in list(self._open):
            session.refuse(None, Refusal("shutting_down"))
            session.close()
        if not len(self):
            return succeed(None)
        self._empty = Deferred()
        cut = self.clock.callLater(DISCONNECT_TIMEOUT_SECONDS, self._abort)

        def done(result: None) -> None:
            if cut.active():
                cut.cancel()

        return self._empty.addCallback(done)

    def _abort(self) -> None:
        for session in list(self._open):
            session.abort()


class ChatFactory(Factory):
    """Makes the protocols of one listener; all listeners share ``sessions``."""

    noisy = False

    def __init__(self, sessions: Sessions, make_protocol: Callable[[Sessions], Protocol]) -> None:
        self._sessions = sessions
        self._make_protocol = make_protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """The protocol of a new connection."""
        return self._make_protocol(self._sessions)


def _peer(address: Any) -> str:
    host = getattr(address, "host", None)
    if host is None:
        return "unix"
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
