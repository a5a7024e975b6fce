"""The monitoring endpoint: two pages for whoever asks properly, and nothing else for anybody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.protocol import Protocol
from twisted.logger import LogLevel, capturedLogs

from chatd.daemon.monitoring import MAX_MONITORING_CONNECTIONS, MONITORING_IDLE_TIMEOUT_SECONDS
from tests.support.monitoring_case import MonitoringTestCase


class Pages(MonitoringTestCase):
    def test_there_are_two(self) -> None:
        prometheus = "text/plain; version=0.0.4; charset=utf-8"
        for path, kind in (("/metrics", prometheus), ("/healthz", "application/json")):
            for query in ("", "?name[]=chatd_sessions", "?x=%00"):
                response = self.get(path + query)
                self.assertEqual((response.status, response.headers["content-type"]), (200, kind))
                self.assertEqual(response.headers["content-length"], str(len(response.body)))
                self.assertEqual(response.headers["cache-control"], "no-store")
        nothing = "there are /metrics and /healthz\n"
        for path in (
            "/",
            "/metrics/",
            "/Metrics",
            "/metrics/x",
            "/healthz/../metrics",
            "//metrics",
            "/favicon",
        ):
            response = self.get(path)
            self.assertEqual((response.status, response.body), (404, nothing), path)

    def test_a_page_without_its_body(self) -> None:
        for path in ("/metrics", "/healthz"):
            response = self.get(path, "HEAD")
            self.assertEqual((response.status, response.body), (200, ""))
        self.assertEqual(self.get("/nothing", "HEAD").status, 404)

    def test_nothing_can_be_sent_to_it(self) -> None:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"):
            response = self.get("/metrics", method)
            self.assertEqual((response.status, response.body), (405, "use GET or HEAD\n"), method)
            self.assertEqual(response.headers["allow"], "get, head")

    def test_whatever_the_host_is_called(self) -> None:
        """It may have any name in Prometheus; a page of a web site that claims it learns nothing private."""
        for host in (b"localhost", b"evil.example", b"[::1]:9464", b"x" * 300):
            head = b"Host: %s\r\nOrigin: http://evil.example\r\n\r\n" % host
            answer = self.asks(b"GET /healthz HTTP/1.1\r\n" + head)
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "))
            self.assertNotIn(b"access-control", answer.lower())
            self.assertNotIn(b"evil", answer)

    def test_one_request_a_connection(self) -> None:
        """However many come at once: else one write of many would keep the reactor for seconds."""
        for path, answer in ((b"/healthz", b'{"status":"ok"'), (b"/metrics", b"# TYPE chatd_sessions")):
            protocol, wire = self.connects()
            protocol.dataReceived(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path * 1000)
            self.stage.settle()
            self.assertEqual(wire.value().count(answer), 1)
            self.assertIn(b"connection: close", wire.value().lower())
            self.assertTrue(wire.disconnecting)

    def test_one_page_in_a_turn_of_the_reactor(self) -> None:
        """However many connections ask: the chat goes on after each page."""
        crowd = [self.connects() for _ in range(5)]
        later: list[Callable[[], object]] = []  # the clock would run in one turn what is due in the next

        def call_later(delay: float, call: Callable[..., object], *arguments: object) -> None:
            later.append(partial(call, *arguments))

        self.patch(self.stage.reactor, "callLater", call_later)
        for protocol, _ in crowd:
            protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        for answered in range(6):
            self.assertEqual(sum(bool(wire.value()) for _, wire in crowd), answered)
            turn, later[:] = [*later], []
            for call in turn:
                call()


class Hostile(MonitoringTestCase):
    """Nothing of this is in the log as an error, and the next one is served."""

    def setUp(self) -> None:
        super().setUp()
        logs = self.enterContext(capturedLogs())
        self.addCleanup(
            lambda: self.assertEqual([log for log in logs if log["log_level"] >= LogLevel.error], [])
        )
        self.addCleanup(lambda: self.assertEqual(self.get("/healthz").status, 200))

    def test_what_is_no_http(self) -> None:
        for said in (
            b"\x16\x03\x01\x02\x00\x01",
            b"IAM alice\r\n\r\n",
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /metrics HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
            b"GET http://[ HTTP/1.1\r\n\r\n",
            b"GET /%ff%00 HTTP/1.1\r\n\r\n",
            b"x" * 100_000,
            b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 5_000,
        ):
            self.assertNotIn(b"chatd_", self.asks(said))

    def test_a_body_is_neither_kept_nor_read(self) -> None:
        """The connection is closed, however long the body is."""
        for announced in (b"Content-Length: 3", b"Content-Length: 1000000000", b"Transfer-Encoding: chunked"):
            protocol, wire = self.connects()
            protocol.dataReceived(b"POST /metrics HTTP/1.1\r\nHost: a\r\n%s\r\n\r\nabc" % announced)
            self.assertTrue(wire.disconnecting)
            self.stage.settle()

    def test_too_many_connections(self) -> None:
        """One more than there may be is closed; who leaves makes room."""
        crowd = [self.connects() for _ in range(MAX_MONITORING_CONNECTIONS)]
        self.assertIsNone(self.connects()[0])
        crowd[0][1].loseConnection()
        self.stage.settle()
        crowd[0] = self.connects()
        self.assertIsInstance(crowd[0][0], Protocol)
        for _, wire in crowd:
            wire.loseConnection()
        self.stage.settle()

    def test_whoever_is_silent_is_cut(self) -> None:
        _, wire = self.connects()
        self.stage.wait(MONITORING_IDLE_TIMEOUT_SECONDS - 0.5)
        self.assertFalse(wire.disconnecting)
        self.stage.wait(1)
        self.assertTrue(wire.disconnecting)

    def test_who_is_connected_when_it_stops(self) -> None:
        _, wire = self.connects()
        self.factory.doStop()
        self.assertTrue(wire.aborted)
        self.factory.doStart()
