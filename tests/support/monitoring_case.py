"""The monitoring endpoint of a daemon in memory, and an HTTP client for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted.internet.address import IPv4Address

from chatd.daemon.health import Health
from chatd.daemon.metrics import MonitoredParts, ReactorLag
from chatd.daemon.monitoring import MonitoringFactory
from tests.support.in_memory_daemon import StageTestCase, Wire

WIRES = ("json", "text", "tp6", "tp6-bonus")


class Response(NamedTuple):
    """What the endpoint answers: ``headers`` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: str


class MonitoringTestCase(StageTestCase):
    """A test on a stage of its own, with a monitoring endpoint."""

    def setUp(self) -> None:
        """Begin to listen."""
        super().setUp()
        stage = self.stage
        self.lag = ReactorLag(stage.reactor)
        monitored = MonitoredParts(stage.chat, stage.sessions, stage.passwords, stage.limits, WIRES, self.lag)
        health = Health(stage.chat.journal, stage.archive, stage.reactor)
        self.factory = MonitoringFactory(monitored, health, stage.reactor)
        self.factory.doStart()
        self.addCleanup(self.factory.doStop)

    def connects(self) -> tuple[Any, Wire]:
        """A new connection: the protocol, None if it was not taken, and the transport."""
        address = IPv4Address("TCP", "127.0.0.1", 40_000)
        wire = Wire(address, self.stage.reactor)
        wire.protocol = protocol = self.factory.buildProtocol(address)
        if protocol is not None:
            protocol.makeConnection(wire)
        return protocol, wire

    def asks(self, request: bytes) -> bytes:
        """All that comes back for ``request`` on a connection of its own."""
        protocol, wire = self.connects()
        protocol.dataReceived(request)
        self.stage.settle()
        answer: bytes = wire.value()
        wire.loseConnection()
        self.stage.settle()
        return answer

    def get(self, path: str, method: str = "GET", more: str = "") -> Response:
        """The answer to a request for ``path``, with the header lines ``more``."""
        answer = self.asks(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()).decode()
        head, _, body = answer.partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return Response(int(status.split()[1]), headers, body)

    def metrics(self) -> dict[str, float]:
        """All metrics with their labels, as they stand on the page."""
        lines = [line for line in self.get("/metrics").body.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
