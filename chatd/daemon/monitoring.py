"""The monitoring endpoint: the pages ``/metrics`` and ``/healthz`` over HTTP.

Both only answer with numbers and fixed sentences, so that it does no harm if a web page reads them through
the browser of somebody on the daemon's machine. prometheus-client has a Twisted resource as well; it is not
used, because it imports the global reactor and collects in a thread.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from chatd.chat.fair_queue import FairQueue
from chatd.daemon.health import Health
from chatd.daemon.metrics import MetricsCollector, MonitoredParts

MAX_MONITORING_CONNECTIONS: Final = 32
"""Connections to the monitoring endpoint at the same time. More are closed at once."""

MONITORING_IDLE_TIMEOUT_SECONDS: Final = 10
"""Seconds of silence after which a connection to the monitoring endpoint is closed."""


class ShortHeadChannel(http.HTTPChannel):
    """An HTTP connection that refuses a head (request line and headers) of more than 4 KiB, with 400.

    Python does not convert more than 4,300 digits to a number, and Twisted would log such a
    ``Content-Length`` as a bug.
    """

    totalHeadersSize = 4096


class BodylessRequest(Request):
    """An HTTP request without a body. The connection is closed after the answer.

    If the client announces a body, the connection is closed at once. Twisted would store the body, in a file
    if it is long, and would block the reactor for 40 ms to read 64 KiB of short chunks.
    """

    def gotLength(self, length: int | None) -> None:
        """Handle the announced length of the body: close the connection at once if there is a body.

        Otherwise the connection is closed after the answer.
        """
        self.channel.persistent = False
        self.setHeader(b"connection", b"close")
        super().gotLength(0)
        if length != 0:
            self.channel.loseConnection()


class MonitoringSite(Site):
    """The Twisted site of the monitoring endpoint.

    It logs no requests, and refuses heads of more than 4 KiB.
    """

    protocol = ShortHeadChannel  # type: ignore[assignment]  # Twisted wraps it itself for HTTP/2 only

    def log(self, request: http.Request) -> None:
        """Do nothing, so that requests are not logged."""


class MonitoringPages(Resource):
    """The two pages of the monitoring endpoint: metrics and health. Every other path is answered with 404.

    At most one page is rendered in an iteration of the reactor, so any number of requests delays the chat by
    the time of one page only.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self, registry: CollectorRegistry, health: Health, monitored: MonitoredParts, fair_queue: FairQueue
    ) -> None:
        super().__init__()
        self._registry = registry
        self._health = health
        self._monitored = monitored
        self._fair_queue = fair_queue

    def render(self, request: Request) -> bytes | int:
        """Answer ``request``. For HEAD, Twisted leaves out the body."""
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            request.setResponseCode(405)
            return b"use GET or HEAD\n"
        if request.path in (b"/metrics", b"/healthz"):
            Deferred.fromCoroutine(self._answer(request)).addErrback(
                lambda failure: self._log.failure("bug while answering a monitor", failure)
            )
            return NOT_DONE_YET
        request.setResponseCode(404)
        return b"there are /metrics and /healthz\n"

    async def _answer(self, request: Request) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(lambda failure: gone.append(failure))
        problems = await self._health.find_problems() if request.path == b"/healthz" else []
        await self._fair_queue.wait()
        if gone:
            return
        if request.path == b"/healthz":
            request.setHeader(b"content-type", b"application/json")
            if problems:
                request.setResponseCode(503)
            full = self._monitored.chat.journal.database_bytes > self._monitored.limits.database_size
            answer = {"status": "failing" if problems else "ok", "problems": problems, "database_full": full}
            body = msgspec.json.encode(answer) + b"\n"
        else:
            request.setHeader(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())
            body = generate_latest(self._registry)
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()


class MonitoringFactory(WrappingFactory):
    """The Twisted factory of the monitoring endpoint.

    While it listens, it measures the reactor's lag. Connections that are open when it stops are cut.
    """

    noisy = False

    def __init__(self, monitored: MonitoredParts, health: Health, reactor: Any) -> None:
        registry = CollectorRegistry()
        registry.register(MetricsCollector(monitored))
        ProcessCollector(registry=registry)
        site = MonitoringSite(
            MonitoringPages(registry, health, monitored, FairQueue(reactor)),
            BodylessRequest,
            timeout=MONITORING_IDLE_TIMEOUT_SECONDS,
            reactor=reactor,
        )
        site.noisy = False
        super().__init__(site)
        self._lag = monitored.lag

    def startFactory(self) -> None:
        """Start the measurements of the reactor's lag."""
        self._lag.start()

    def stopFactory(self) -> None:
        """Stop the measurements of the reactor's lag, and cut all connections."""
        self._lag.stop()
        for connection in list(self.protocols):
            connection.abortConnection()

    # Twisted refuses a connection for which None is returned; WrappingFactory is annotated more narrowly.
    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:  # type: ignore[override]
        """Return the Twisted protocol of a new connection.

        Return None, which closes it, if there are too many.
        """
        return super().buildProtocol(addr) if len(self.protocols) < MAX_MONITORING_CONNECTIONS else None
