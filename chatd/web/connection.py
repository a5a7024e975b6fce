"""A connection whose client speaks HTTP: requests to the site, and one that opens a WebSocket."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as SiteRequest
from twisted.web.server import Site
from websockets.exceptions import NegotiationError, SecurityError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chatd.boundaries import Clock
from chatd.carriers.detection import Detector, WireChoice
from chatd.carriers.foreign import ForeignProtocol
from chatd.chat.fair_queue import FairQueue
from chatd.connections.factory import format_peer
from chatd.connections.outbox import CLOSE_TIMEOUT_SECONDS
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.connections.socket_write import half_close
from chatd.core.refusals import Refusal
from chatd.web.answers import HttpRefusal
from chatd.web.policy import WebPolicy

WEBSOCKET_PATHS: Final = frozenset(("/ws", "/"))
"""The paths of the WebSocket. The second is for IRC clients: their users give a host and no path."""

MAX_HEAD_BYTES: Final = 16 * 1024
"""Bytes of a request's line and headers. A longer one is refused."""

MAX_PATH_CHARACTERS: Final = 256
"""The number of characters of a path that the site gets. No page has a longer path, nor the beginning of
one.
"""

MAX_HANDSHAKE_LIST_CHARACTERS: Final = 1024
"""Characters in the lists of an opening handshake, such as that of subprotocols. To parse so many takes 0.8
ms; those of a browser have fewer than 100.
"""

HEAD_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a client has to send the line and the headers of a request."""

IDLE_TIMEOUT_SECONDS: Final = 15.0
"""Seconds that a client has to begin another request."""

_STATUSES: Final = {
    "login_timeout": HTTPStatus.REQUEST_TIMEOUT,
    "rate_limited": HTTPStatus.SERVICE_UNAVAILABLE,
    "shutting_down": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Refusal code -> status of the answer. All others have 400."""

_TOO_LARGE: Final = HttpRefusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"the headers are too long\n")
_TOO_SLOW: Final = HttpRefusal(HTTPStatus.REQUEST_TIMEOUT, b"the request took too long\n")
_NOT_VALID: Final = HttpRefusal(
    HTTPStatus.BAD_REQUEST, b"that is no valid HTTP request, or one with a body, which nothing here takes\n"
)
_AMBIGUOUS: Final = HttpRefusal(HTTPStatus.BAD_REQUEST, b"send one Host and one Origin\n")
_WRONG_HOST: Final = HttpRefusal(
    HTTPStatus.MISDIRECTED_REQUEST,
    b"the daemon has another name: add this one to `hosts` under [web] in chatd.toml\n",
)
_WRONG_ORIGIN: Final = HttpRefusal(
    HTTPStatus.FORBIDDEN, b"add the page's origin to `origins` under [web] in chatd.toml\n"
)
_WRONG_PATH: Final = HttpRefusal(HTTPStatus.NOT_FOUND, b"the WebSocket is at /ws\n")

_LISTS: Final = ("Connection", "Upgrade", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol")
"""The headers of an opening handshake that hold lists."""

_VERSION_HEADERS: Final = {b"Upgrade": b"websocket", b"Sec-WebSocket-Version": b"13"}
"""The headers of a refused handshake: what would be accepted."""

_REQUEST_LINE: Final = re.compile(rb"[A-Za-z-]{1,32} [!-~]+ HTTP/1\.[01]\r\n")
"""The first line of a valid request. `ServerProtocol` takes other characters as well."""

_ENTITY_TAG: Final = re.compile(r'"\w*"')
"""An entity tag of the site, without the ``W/`` that a proxy which compresses the page adds to it."""


class HttpService(msgspec.Struct, frozen=True):
    """The parts of the daemon that all HTTP connections share.

    ``choices_by_subprotocol`` maps the name of each WebSocket subprotocol to the wire (protocol) that is
    spoken. A client that names no subprotocol gets the first wire. ``fair_queue`` lets one request be parsed
    and answered in each iteration of the reactor, so that HTTP delays the chat by at most one request at a
    time.
    """

    site: Site
    choices_by_subprotocol: Mapping[str, WireChoice]
    policy: WebPolicy
    clock: Clock
    fair_queue: FairQueue


class HttpConnection(HTTPChannel):
    """The Twisted protocol of an HTTP connection, which answers its requests one after the other.

    The protocol checks the head of each request. A request that opens a WebSocket turns the connection into a
    chat session, which ``detector`` opens. Any other valid request is passed to Twisted's `HTTPChannel`,
    which answers with a page of the site; it gets only the few header lines that the site needs. The next
    request is read when the client has taken the answer.

    Until a session is open, the connection counts as one whose wire is not detected.
    """

    _log = Logger()

    transport: Any

    def __init__(self, service: HttpService, detector: Detector) -> None:
        super().__init__()
        self.site = service.site
        self.requestFactory = service.site.requestFactory
        self.timeOut = None  # HTTPChannel's; the times here are others
        self._service = service
        self._detector = detector
        # What was read and not answered: in part, unless it waits for its turn.
        self._read = bytearray()
        self._is_answering = False
        self._has_answered = False
        self._input_ended = False
        # Whether the connection is closing or gone, or has become a session.
        self._is_over = False
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the timer for the client's first request."""
        super().connectionMade()
        self._start_timer(HEAD_TIMEOUT_SECONDS, partial(self._refuse, _TOO_SLOW))

    def dataReceived(self, data: bytes) -> None:
        """Add ``data`` to the head of the next request, and answer the request when its head is complete."""
        if self._is_over:
            return
        if self._has_answered and not self._read:
            self._start_timer(HEAD_TIMEOUT_SECONDS, partial(self._refuse, _TOO_SLOW))
        searched = max(0, len(self._read) - 3)
        self._read += data
        if self._is_answering:
            self.transport.pauseProducing()
            return
        end = self._read.find(b"\r\n\r\n", searched)
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._read) > MAX_HEAD_BYTES):
            self._refuse(_TOO_LARGE)
        elif end >= 0:
            self._stop_timer()
            self._is_answering = True
            self.transport.pauseProducing()
            Deferred.fromCoroutine(self._answer_in_turn(end + 4)).addErrback(self._end_after_bug)

    def readConnectionLost(self) -> None:
        """Handle a half-close by the client.

        If the client still waits for an answer, send the answer before closing.
        """
        self._input_ended = True
        if not (self._is_answering or self._is_over):
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the timer, and cancel the answer that the site is preparing."""
        self._is_over = True
        self._stop_timer()
        super().connectionLost(reason)

    def requestDone(self, request: SiteRequest) -> None:
        """Wait for the next request after the site has answered ``request``, or close the connection."""
        super().requestDone(request)
        if not self._is_over:
            self._read.clear()
            self._has_answered = True
            self._is_answering = False
            self._start_timer(IDLE_TIMEOUT_SECONDS, self.loseConnection)

    def loseConnection(self) -> None:
        """Close the sending side, ignore what the client still sends, and then close the connection."""
        if self._input_ended:
            self._close()
            return
        self._leave()
        # Bytes that the client has sent and nobody has read would reset the connection, and lose the answer.
        self.transport.resumeProducing()
        half_close(self.transport)
        self._start_timer(LINGER_AFTER_REFUSAL_SECONDS, self._close)

    def refuse_and_close(self, refusal: Refusal) -> None:
        """Answer with an HTTP error for ``refusal``, then close the connection.

        Send no answer if the client has had an answer and has not begun another request.
        """
        if self._is_over:
            return
        if self._has_answered and not self._read:
            self.loseConnection()
            return
        status = _STATUSES.get(refusal.code, HTTPStatus.BAD_REQUEST)
        after = refusal.retry_after
        headers = {} if after is None else {b"Retry-After": b"%d" % math.ceil(after)}
        self._refuse(HttpRefusal(status, f"{refusal.code}: {refusal.text}\n".encode(), headers))

    def refuse_foreign_protocol(self, foreign: ForeignProtocol) -> None:
        """Log that the client speaks the unsupported protocol ``foreign``, and close the connection without
        an answer.
        """
        self._log.info("{peer} speaks {name}", peer=format_peer(self.transport), name=foreign.name)
        self._close()

    async def _answer_in_turn(self, size: int) -> None:
        """Answer the request whose head is the first ``size`` bytes that were read."""
        await self._service.fair_queue.wait()
        if self._is_over:
            return
        handshake = ServerProtocol(
            subprotocols=[Subprotocol(name) for name in self._service.choices_by_subprotocol],
            select_subprotocol=_select_subprotocol,
        )
        handshake.receive_data(bytes(self._read[:size]))
        events = handshake.events_received()
        if not events or not isinstance(events[0], Request) or not _REQUEST_LINE.match(self._read):
            self._refuse(_TOO_LARGE if isinstance(handshake.handshake_exc, SecurityError) else _NOT_VALID)
            return
        request = events[0]
        rest = bytes(self._read[size:])
        hosts = request.headers.get_all("Host")
        if len(hosts) > 1 or len(request.headers.get_all("Origin")) > 1:
            self._refuse(_AMBIGUOUS, request)
        elif not self._service.policy.allows_host("".join(hosts), self.transport.getHost()):
            self._refuse(_WRONG_HOST, request)
        elif any(value.lower().startswith("websocket") for value in request.headers.get_all("Upgrade")):
            self._open_websocket(handshake, request, rest)
        else:
            super().dataReceived(_head_for_site(request, is_last=bool(rest) or self._input_ended))

    def _open_websocket(self, handshake: ServerProtocol, request: Request, rest: bytes) -> None:
        """Open a session for a client that has sent the opening handshake ``request`` and then ``rest``, or
        refuse it.
        """
        policy = self._service.policy
        if request.path.partition("?")[0] not in WEBSOCKET_PATHS:
            self._refuse(_WRONG_PATH)
            return
        if not policy.allows_origin(request.headers.get("Origin"), request.headers["Host"]):
            self._log.info("{peer}: a page of another origin", peer=format_peer(self.transport))
            self._refuse(_WRONG_ORIGIN)
            return
        if (
            sum(len(value) for name in _LISTS for value in request.headers.get_all(name))
            > MAX_HANDSHAKE_LIST_CHARACTERS
        ):
            self._refuse(_TOO_LARGE)
            return
        response = handshake.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            status = HTTPStatus(response.status_code)
            self._refuse(HttpRefusal(status, bytes(response.body or b""), _VERSION_HEADERS))
            return
        client = policy.client_address_behind_proxy(
            self.transport.getPeer(), request.headers.get_all("X-Forwarded-For")
        )
        if client is not None:
            self._detector.address_from_proxy = _address(client)
        self._leave()
        self.transport.resumeProducing()
        self.transport.write(response.serialize())
        wires = self._service.choices_by_subprotocol
        carrier = self._detector.open_session(wires[handshake.subprotocol or next(iter(wires))])
        carrier.session.greet()
        carrier.dataReceived(rest)
        if self._input_ended:
            carrier.readConnectionLost()

    def _refuse(self, refusal: HttpRefusal, request: Request | None = None) -> None:
        """Answer with ``refusal``, and close the connection. ``request`` is None if it could not be
        parsed.
        """
        self.transport.write(refusal.serialize(with_body=request is None or request.method != "HEAD"))
        self.loseConnection()

    def _close(self) -> None:
        """Close the connection. Cut it if the client does not let it close."""
        self._leave()
        self._start_timer(CLOSE_TIMEOUT_SECONDS, self.transport.abortConnection)
        self.transport.loseConnection()

    def _leave(self) -> None:
        """Answer no further requests."""
        if not self._is_over:
            self._is_over = True
            self._read.clear()
            self._stop_timer()
            super().connectionLost(connectionDone)  # the site may still be at an answer
            # A TLS transport waits for its producer to have no more before it closes.
            self.transport.unregisterProducer()

    def _end_after_bug(self, failure: Failure) -> None:
        self._log.failure("bug while answering a browser", failure)
        self.transport.abortConnection()

    def _start_timer(self, seconds: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._service.clock.callLater(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


def _head_for_site(request: Request, is_last: bool) -> bytes:
    """Return the head of ``request`` with only those lines that the site needs.

    The connection ends with the answer if ``is_last`` is true or the client wants that.
    """
    options = ",".join(request.headers.get_all("Connection")).lower().split(",")
    persistent = request.protocol == "HTTP/1.1" and "close" not in map(str.strip, options)
    path = request.path.removeprefix("/").partition("?")[0][:MAX_PATH_CHARACTERS]
    lines = [f"{request.method} /{path} HTTP/1.1"]
    if is_last or not persistent:
        lines.append("Connection: close")
    if tags := _ENTITY_TAG.findall(",".join(request.headers.get_all("If-None-Match"))):
        lines.append(f"If-None-Match: {' '.join(tags)}")
    return "\r\n".join((*lines, "", "")).encode()


def _select_subprotocol(handshake: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first subprotocol that the client offers and the daemon has, or None if it offers none.

    Raises `NegotiationError` if none of those that the client offers is known.
    """
    if not offered:
        return None
    known = handshake.available_subprotocols or ()
    for name in offered:
        if name in known:
            return name
    raise NegotiationError(f"no such subprotocol; there are {', '.join(known)}")


def _address(host: str) -> IPv4Address | IPv6Address:
    """Return the transport address of a client at ``host`` whose port a proxy has not told."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, 0)
