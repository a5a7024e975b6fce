"""The shared factory: who is connected, and how a connection becomes a session."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from chatd.boundaries import Dialect
from chatd.chat.service import Chat
from chatd.connections.outbox import Outbox, Turn
from chatd.connections.session import Session
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal

DISCONNECT_TIMEOUT_SECONDS: Final = 2.0
"""Seconds that clients have to take what waits for them when the daemon stops."""


class CarrierMaker(typing.Protocol):
    """Makes the protocol of a new connection, which opens its session when it is connected."""

    def __call__(
        self, open_session: Callable[[Any], Session], clock: IReactorTime, limits: Limits
    ) -> Protocol:
        """The protocol."""


class Wire(msgspec.Struct, frozen=True, eq=False):
    """One way in: how frames travel, and what they say at first.

    ``greets`` says whether a client is greeted when it connects; else its carrier does that in its time.
    """

    carrier: CarrierMaker
    dialect: Dialect
    greets: bool = True


class Sessions:
    """Everyone who is connected, on any wire."""

    _log = Logger()

    def __init__(self, chat: Chat, clock: IReactorTime, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self._chat = chat
        self._turn = Turn(clock)
        self._open: set[Session] = set()
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        """How many are connected."""
        return len(self._open)

    def open(self, wire: Wire, carrier: Any) -> Session:
        """The session of a carrier that has just been connected; it is refused when there are too many."""
        transport = carrier.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            # A client whose machine is gone must not hold its nick for ever.
            transport.setTcpKeepAlive(True)
        peer = _peer(transport.getPeer())
        session = Session(self._chat, self.clock, wire.dialect, carrier, peer, self.closed)
        session.write_to(Outbox(transport, self.clock, self._turn, self.limits.outbox, session.overflow))
        if len(self._open) < self.limits.connections:
            self._open.add(session)
            self._log.info("{peer} connected", peer=session.peer)
            if wire.greets:
                session.greet()
        else:
            self._log.warn("{peer}: rate_limited, {count} are connected", peer=session.peer, count=len(self))
            session.break_off(Refusal("rate_limited"))
        return session

    def closed(self, session: Session) -> None:
        """Forget a session whose connection is gone."""
        self._open.discard(session)
        self._log.info("{peer} disconnected", peer=session.peer)
        if self._empty is not None and not self._open:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def close(self) -> Deferred[None]:
        """Tell everyone that the daemon stops, and close.

        Whoever is left after `DISCONNECT_TIMEOUT_SECONDS` is cut.

        The Deferred fires when all are gone.
        """
        for session in list(self._open):
            session.refuse(None, Refusal("shutting_down"))
            session.close()
        if not self._open:
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
    """Makes the carriers of one wire; all wires share their sessions."""

    noisy = False

    def __init__(self, sessions: Sessions, wire: Wire) -> None:
        self._sessions = sessions
        self._wire = wire

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A carrier for a new connection."""
        return self._wire.carrier(self._open, self._sessions.clock, self._sessions.limits)

    def _open(self, carrier: Any) -> Session:
        return self._sessions.open(self._wire, carrier)


def _peer(address: Any) -> str:
    host = getattr(address, "host", None)
    if host is None:
        return "unix"
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
