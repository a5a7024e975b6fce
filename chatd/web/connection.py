"""A connection whose client speaks HTTP: its first request asks for a page or opens a WebSocket."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site
from websockets.datastructures import MultipleValuesError
from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chatd.boundaries import Clock
from chatd.carriers.detection import Detector, WireChoice
from chatd.carriers.foreign import ForeignProtocol
from chatd.connections.factory import format_peer
from chatd.connections.session import REFUSAL_LINGER_SECONDS
from chatd.core.refusals import Refusal
from chatd.web.pages import MISDIRECTED, SECURITY_HEADERS, WRONG_HOST
from chatd.web.policy import WebPolicy

WEBSOCKET_PATH: Final = "/ws"

MAX_HEAD_BYTES: Final = 16 * 1024
"""Bytes of the first request's line and headers. A longer one is refused."""

HEAD_SECONDS: Final = 10.0
"""Seconds that a client has to send the line and the headers of its first request."""

_UPGRADE: Final = re.compile(rb"(?im)^upgrade[ \t]*:[ \t]*websocket\b")

_STATUSES: Final = {
    "login_timeout": (408, b"Request Timeout"),
    "rate_limited": (503, b"Service Unavailable"),
    "shutting_down": (503, b"Service Unavailable"),
}
"""Refusal code -> status of the answer. All others have 400."""


class HttpService(msgspec.Struct, frozen=True):
    """What all HTTP connections share.

    ``websocket_wires`` maps each WebSocket subprotocol to its wire. A client that names no subprotocol gets
    the first wire.
    """

    site: Site
    websocket_wires: Mapping[str, WireChoice]
    policy: WebPolicy
    clock: Clock


class HttpConnection(Protocol):
    """A Twisted protocol that reads the head of the first request, and then passes the connection on: to the
    site, or, if the client opens a WebSocket, to a session that ``detector`` opens.

    Until a session is open, the connection counts as one whose wire is not detected.
    """

    _log = Logger()

    transport: Any

    def __init__(self, service: HttpService, detector: Detector) -> None:
        self._service = service
        self._detector = detector
        self._head = bytearray()
        self._pages: Any = None
        self._is_refused = False
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the time that the client has to send its first request."""
        self._timer = self._service.clock.callLater(HEAD_SECONDS, self._end_time)

    def dataReceived(self, data: bytes) -> None:
        """Pass ``data`` to the site, or read on until the head of the first request is complete."""
        if self._is_refused:
            return
        if self._pages is not None:
            self._pages.dataReceived(data)
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._head) > MAX_HEAD_BYTES):
            self._respond((431, b"Request Header Fields Too Large"), b"the headers are too long\n")
        elif end >= 0:
            self._stop_timer()
            if _UPGRADE.search(self._head, 0, end):
                self._open_websocket(bytes(self._head[: end + 4]), bytes(self._head[end + 4 :]))
            else:
                self._serve_pages(bytes(self._head))
            self._head.clear()

    def readConnectionLost(self) -> None:
        """Handle a half-close. A client that still waits for a page gets it."""
        if self._pages is None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the timer, and tell the site."""
        self._stop_timer()
        if self._pages is not None:
            self._pages.connectionLost(reason)

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Answer with ``refusal`` if no page is under way, then close the connection."""
        if self._pages is not None:
            self.transport.loseConnection()
        else:
            status = _STATUSES.get(refusal.code, (400, b"Bad Request"))
            self._respond(status, f"{refusal.code}: {refusal.text}\n".encode(), refusal.retry_after)

    def refuse_foreign_protocol(self, foreign: ForeignProtocol) -> None:
        """Log that the client speaks the protocol ``foreign``, and close the connection without an answer."""
        self._log.info("{peer} speaks {name}", peer=format_peer(self.transport), name=foreign.name)
        self.transport.loseConnection()

    def _serve_pages(self, data: bytes) -> None:
        pages = self._service.site.buildProtocol(self.transport.getPeer())
        assert pages is not None, "a site takes every connection"
        self._pages = pages
        pages.makeConnection(self.transport)
        pages.dataReceived(data)

    def _open_websocket(self, head: bytes, rest: bytes) -> None:
        """Open a session for a client that has sent the opening handshake in ``head``, or refuse it."""
        handshake = ServerProtocol(
            subprotocols=[Subprotocol(name) for name in self._service.websocket_wires],
            select_subprotocol=_select_subprotocol,
        )
        handshake.receive_data(head)
        events = handshake.events_received()
        if not events or not isinstance(events[0], Request):
            self._respond((400, b"Bad Request"), b"that is no valid HTTP request\n")
            return
        request = events[0]
        try:
            host = request.headers.get("Host", "")
            origin = request.headers.get("Origin")
        except MultipleValuesError:
            self._respond((400, b"Bad Request"), b"send one Host and one Origin\n")
            return
        policy = self._service.policy
        if request.path.partition("?")[0] != WEBSOCKET_PATH:
            self._respond((404, b"Not Found"), b"the WebSocket is at /ws\n")
        elif not policy.allows_host(host, self.transport.getHost()):
            self._respond(MISDIRECTED, WRONG_HOST)
        elif not policy.allows_origin(origin, host):
            self._log.info("{peer}: a page of another origin", peer=format_peer(self.transport))
            self._respond(
                (403, b"Forbidden"), b"add the page's origin to `origins` under [web] in chatd.toml\n"
            )
        else:
            response = handshake.accept(request)
            if response.status_code != 101:
                reason = response.reason_phrase.encode()
                self._respond((response.status_code, reason), bytes(response.body or b""))
                return
            client = policy.find_client(self.transport.getPeer(), request.headers.get_all("X-Forwarded-For"))
            if client is not None:
                self._detector.client_address = _address(client)
            self.transport.write(response.serialize())
            wires = self._service.websocket_wires
            wire = wires[handshake.subprotocol or next(iter(wires))]
            carrier = self._detector.open_session(wire)
            carrier.session.greet()
            carrier.dataReceived(rest)

    def _respond(
        self, status: tuple[int, bytes], body: bytes, retry_after_seconds: float | None = None
    ) -> None:
        """Write an answer, ignore what still comes, and close the connection."""
        self._is_refused = True
        self._stop_timer()
        headers = {
            **SECURITY_HEADERS,
            b"connection": b"close",
            b"content-length": b"%d" % len(body),
            b"content-type": b"text/plain; charset=utf-8",
        }
        if status[0] in (400, 426):
            headers |= {b"upgrade": b"websocket", b"sec-websocket-version": b"13"}
        if retry_after_seconds is not None:
            headers[b"retry-after"] = b"%d" % math.ceil(retry_after_seconds)
        lines = [b"HTTP/1.1 %d %s" % status, *map(b": ".join, headers.items()), b"", body]
        self.transport.write(b"\r\n".join(lines))
        # Bytes that the client has sent and nobody has read would reset the connection, and lose the answer.
        self._timer = self._service.clock.callLater(REFUSAL_LINGER_SECONDS, self.transport.loseConnection)

    def _end_time(self) -> None:
        self._respond((408, b"Request Timeout"), b"the request took too long\n")

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


def _select_subprotocol(handshake: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first of the daemon's subprotocols that the client offers, or None if it offers none.

    Raises `NegotiationError` if none of those that the client offers is known.
    """
    if not offered:
        return None
    known = handshake.available_subprotocols or ()
    for name in known:
        if name in offered:
            return name
    raise NegotiationError(f"no such subprotocol; there are {', '.join(known)}")


def _address(host: str) -> IPv4Address | IPv6Address:
    """Return the transport address of a client at ``host`` whose port a proxy has not told."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, 0)
