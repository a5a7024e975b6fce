"""Login deadlines: when many connections have no login, the oldest of these connections are closed."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IAddress, IDelayedCall

from chatd.boundaries import Clock
from chatd.connections.session import Session
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal


class ConnectionBeforeDetection(Protocol):
    """The interface of a connection without a session: its wire is not detected yet, or it speaks HTTP.

    `chatd.carriers.detection.Detector` implements it.
    """

    transport: Any

    address_from_proxy: IAddress | None
    """The client's address if a reverse proxy has told it; otherwise None."""

    @property
    def client_certificate_name(self) -> str:
        """The common name in the client's verified TLS certificate, or empty if the client has shown none."""

    def use_default_wire(self) -> None:
        """Give the connection to the default protocol of its port, unless a protocol is detected already.

        The daemon calls this method when it stops, so that it can tell the client in that protocol. A default
        wire opens a session. No greeting is sent, and the bytes read so far are dropped.
        """

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Send ``refusal`` to the client, then close the connection."""

    def abort(self) -> None:
        """Close the connection at once, without writing what is queued."""


class LoginDeadlines:
    """Closes connections that do not log in within ``limits.login_seconds`` seconds.

    Up to ``limits.slow_logins`` connections may take longer, because a person may have to type a nick after
    the client has connected. If there are more, the oldest are closed. A connection is identified by its
    first Twisted protocol, which stays the same when a session replaces an undetected connection.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        # Connections in their first seconds, with the time when those are over, the oldest first.
        self._newcomers: dict[object, tuple[float, Session | ConnectionBeforeDetection]] = {}
        # Connections that had no login when their time was over, the oldest first.
        self._slow: dict[object, Session | ConnectionBeforeDetection] = {}
        self._timer: IDelayedCall | None = None

    def start(self, protocol: object, connection: Session | ConnectionBeforeDetection) -> None:
        """Start the login deadline of ``connection``.

        ``protocol`` is the first Twisted protocol of the connection, which identifies it. If the deadline of
        ``protocol`` is running already, it continues, and applies to ``connection``, the session that has
        replaced the undetected connection.
        """
        if protocol in self._slow:
            self._slow[protocol] = connection
            return
        seconds = self._limits.login_seconds
        deadline, _ = self._newcomers.get(protocol, (self._clock.seconds() + seconds, None))
        self._newcomers[protocol] = (deadline, connection)
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._pass_deadlines)

    def forget(self, protocol: object) -> None:
        """Remove the login deadline of a closed connection. ``protocol`` was its first Twisted protocol."""
        self._newcomers.pop(protocol, None)
        self._slow.pop(protocol, None)
        if self._timer is not None and not self._newcomers:
            self._timer.cancel()
            self._timer = None

    def _pass_deadlines(self) -> None:
        """Count connections whose deadline is over as slow. If too many are slow, close the oldest."""
        self._timer = None
        now = self._clock.seconds()
        while self._newcomers:
            protocol, (deadline, connection) = next(iter(self._newcomers.items()))
            if deadline > now:
                self._timer = self._clock.callLater(deadline - now, self._pass_deadlines)
                break
            del self._newcomers[protocol]
            if _has_no_login(connection):
                self._slow[protocol] = connection
        if len(self._slow) > self._limits.slow_logins:
            self._slow = {protocol: one for protocol, one in self._slow.items() if _has_no_login(one)}
            for connection in list(self._slow.values())[: -self._limits.slow_logins]:
                connection.refuse_and_close(Refusal("login_timeout", limit=self._limits.login_seconds))


def _has_no_login(connection: Session | ConnectionBeforeDetection) -> bool:
    return not isinstance(connection, Session) or (connection.user is None and not connection.is_closing)
