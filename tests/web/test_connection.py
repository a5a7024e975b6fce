"""HTTP connections: pages, the opening handshake, who is refused with which status, and what is bounded."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import capturedLogs
from twisted.web.http import HTTPChannel

from chatd.connections.outbox import CLOSE_TIMEOUT_SECONDS
from chatd.connections.session import LINGER_AFTER_REFUSAL_SECONDS
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.web.connection import (
    HEAD_TIMEOUT_SECONDS,
    IDLE_TIMEOUT_SECONDS,
    MAX_HANDSHAKE_LIST_CHARACTERS,
    MAX_HEAD_BYTES,
    MAX_PATH_CHARACTERS,
)
from tests.support.in_memory_daemon import Peer, StageTestCase
from tests.support.in_memory_tls import TlsStageTestCase
from tests.support.websocket import handshake, json_frame, messages

ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The answer to the key of `handshake`, as RFC 6455, section 1.3, has it."""


class HttpTestCase(StageTestCase):
    """A client on the wire ``web``."""

    def answer(self, said: bytes, wire: str = "web") -> tuple[int, bytes]:
        """The status and the rest of what comes back to somebody who sends this."""
        head, _, body = self.stage.connect(wire).says(said).hears().partition(b"\r\n\r\n")
        return int(head.split()[1]), head + b"\r\n\r\n" + body

    def get(self, path: str, host: str = "localhost", method: str = "GET") -> tuple[int, bytes]:
        """The same for a page."""
        return self.answer(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


class Pages(HttpTestCase):
    """What is served: the page, its files, and nothing else."""

    def test_every_answer_has_the_headers_that_keep_a_browser_safe(self) -> None:
        for path, host, method in (
            ("/healthz", "localhost", "GET"),
            ("/nothing", "localhost", "GET"),
            ("/healthz", "evil.example", "GET"),
            ("/healthz", "localhost", "POST"),
            ("/ws", "localhost", "GET"),
        ):
            _, answer = self.get(path, host, method)
            lower = answer.lower()
            for header in (
                b"content-security-policy: default-src 'none'; script-src 'self'",
                b"x-content-type-options: nosniff",
                b"referrer-policy: no-referrer",
                b"cross-origin-resource-policy: same-origin",
            ):
                self.assertIn(header, lower, (path, host, method))
            self.assertNotIn(b"set-cookie", lower)
            self.assertNotIn(b"access-control", lower)
            self.assertNotIn(b"twisted", lower)

    def test_health(self) -> None:
        """Asked at most once a second, however often a browser asks."""
        self.assertEqual(self.get("/healthz")[1].partition(b"\r\n\r\n")[2], b'{"status":"ok"}\n')
        self.stage.healthy = False
        self.assertEqual(self.get("/healthz")[0], 200)
        self.stage.wait(1)
        status, answer = self.get("/healthz")
        self.assertEqual((status, answer.partition(b"\r\n\r\n")[2]), (503, b'{"status":"failing"}\n'))
        self.assertIn(b"retry-after: 1\r\n", answer.lower())

    def test_nobody_waits_for_a_check_of_the_health_any_more(self) -> None:
        """Who has gone, or was told that the daemon stops, gets no answer when the check is done."""
        self.stage.health_check = Deferred()
        gone, told, waiting = (self.stage.connect("web") for _ in range(3))
        for peer in (gone, told, waiting):
            peer.says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        gone.hangs_up()
        protocol: Any = told.protocol
        protocol.refuse_and_close(Refusal("shutting_down"))
        self.assertEqual(told.hears()[:12], b"HTTP/1.1 503")
        self.stage.health_check.callback(None)
        self.stage.settle()
        self.assertEqual((gone.hears(), told.hears(), waiting.hears()[:12]), (b"", b"", b"HTTP/1.1 200"))

    def test_requests_are_not_logged(self) -> None:
        """Neither in a file of the site, nor line by line in the daemon's log."""
        peer = self.stage.connect("web")
        with capturedLogs() as logged:
            for path in ("/", "/app.js", "/healthz", "/nothing"):
                for method in ("GET", "HEAD", "POST"):
                    peer.says(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.assertEqual(peer.hears().count(b"HTTP/1.1 "), 12)
        self.assertEqual(logged, [])

    def test_no_path_leads_out(self) -> None:
        for path in (
            "/../connection.py",
            "/%2e%2e/connection.py",
            "//etc/passwd",
            "/static",
            "/.",
            "/index.html/",
            "//",
            "/healthz/",
            "/" * 5000,
            "/" + "%2f" * 1000 + "app.js",
        ):
            self.assertEqual(self.get(path)[0], 404, path)
        self.assertEqual(self.get("/app.js?" + "a&" * 2000)[0], 200)

    def test_methods(self) -> None:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, answer = self.get("/", method=method)
            self.assertEqual(status, 405, method)
            self.assertIn(b"allow: get, head", answer.lower())
        status, answer = self.get("/healthz", method="HEAD")
        self.assertEqual((status, answer.partition(b"\r\n\r\n")[2]), (200, b""))

    def test_another_host_is_refused_until_it_is_configured(self) -> None:
        """A name that somebody has pointed at this address; the sentence says what to do."""
        status, answer = self.get("/healthz", "rebound.example:7080")
        self.assertEqual(status, 421)
        self.assertIn(b"`hosts` under [web]", answer)
        self.stage.web_policy.hosts = ("rebound.example",)
        self.assertEqual(self.get("/healthz", "rebound.example:7080")[0], 200)
        self.assertEqual(self.answer(b"GET /healthz HTTP/1.1\r\n\r\n")[0], 421)

    def test_a_connection_can_be_used_again_and_ends_with_silence(self) -> None:
        peer = self.stage.connect("web")
        for _ in range(3):
            peer.says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"200 OK", peer.hears())
        self.stage.wait(IDLE_TIMEOUT_SECONDS + 1)
        self.assertTrue(peer.closed)
        self.assertEqual(len(self.stage.sessions), 0)

    def test_each_request_has_a_turn_of_its_own(self) -> None:
        """Of a hundred clients that ask at once, whatever they ask for; the chat has its turns in between."""
        for said in (
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET no HTTP\r\n\r\n",
            handshake(),
        ):
            peers = [self.stage.connect("web") for _ in range(100)]
            for peer in peers:
                peer.protocol.dataReceived(said)
            answered = [sum(b"HTTP/1.1" in peer.wire.value() for peer in peers)]
            calls = self.stage.reactor.calls
            # `advance` would make all of them one turn
            while calls[0].getTime() <= self.stage.reactor.seconds():
                call = calls.pop(0)
                call.called = 1
                call.func(*call.args, **call.kw)
                answered.append(sum(b"HTTP/1.1" in peer.wire.value() for peer in peers))
            self.assertEqual((answered[0], answered[-1]), (0, 100))
            self.assertEqual(max(later - earlier for earlier, later in pairwise(answered)), 1)

    def test_who_does_not_wait_for_an_answer_gets_no_other(self) -> None:
        """What it has sent is not kept: the connection ends with the answer, which says so."""
        peer = self.stage.connect("web")
        peer.says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        heard = peer.hears()
        self.assertEqual((heard.count(b"200 OK"), b"connection: close" in heard.lower()), (1, True))
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(peer.closed)

    def test_who_does_not_read_its_answers_is_not_read(self) -> None:
        """Else the answers to what it goes on to ask for would be kept for it."""
        peer = self.stage.connect("web")
        peer.wire.stuck = True
        peer.says(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(peer.wire.producerState, "paused")
        peer.hears()
        peer.wire.unstick()
        self.assertEqual(peer.wire.producerState, "producing")
        self.assertIn(b"200 OK", peer.says(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").hears())

    def test_who_sends_more_before_the_answer_is_not_read_again(self) -> None:
        """However often the transport thinks that it may read: it knows of its own buffer only."""
        peer = self.stage.connect("web")
        for _ in range(3):
            peer.protocol.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(peer.wire.producerState, "paused")
            peer.wire.resumeProducing()

    def test_the_site_gets_a_short_head(self) -> None:
        """However long the request is: the site parses all of it at once."""
        heads: list[bytes] = []
        self.patch(HTTPChannel, "dataReceived", lambda channel, data: heads.append(data))
        tag = b'"0123456789abcdef"'
        for path in (b"/app.js?" + b"a&" * 2000, b"/" * 8000, b"/app.js"):
            headers = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 50) for number in range(100))
            known = b"If-None-Match: W/" + tag + b"\r\nCookie: a\r\n"
            said = b"GET " + path + b" HTTP/1.0\r\nHost: localhost\r\n" + headers + known + b"\r\n"
            self.stage.connect("web").says(said)
        said = b"GET /app.js HTTP/1.1\r\nConnection: close\r\nIf-None-Match: " + tag + b"\r\n\r\n"
        self.assertEqual((heads[0], heads[2]), (said, said))
        self.assertEqual(heads[1], said.replace(b"/app.js", b"/" * (MAX_PATH_CHARACTERS + 1)))

    def test_a_request_that_has_a_body_is_refused(self) -> None:
        """However its length is told: no byte of it is parsed."""
        for length in (
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            b"Content-Length: " + b"9" * 5000,
        ):
            for method in (b"GET", b"POST"):
                said = method + b" /healthz HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n\r\n1\r\na\r\n"
                peer = self.stage.connect("web").says(said)
                self.assertEqual(peer.hears().split()[1], b"400")
                self.assertEqual(peer.says(b"1\r\na\r\n" * 1000).hears(), b"")
                self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
                self.assertTrue(peer.closed)

    def test_head_has_no_body_whatever_the_answer(self) -> None:
        """Else a proxy would take it for the beginning of another answer."""
        for path, host, status in (("/", "localhost", 200), ("/x", "localhost", 404), ("/", "evil", 421)):
            found, answer = self.get(path, host, "HEAD")
            self.assertEqual(found, status)
            self.assertTrue(answer.endswith(b"\r\n\r\n"))

    def test_a_bug_ends_the_connection(self) -> None:
        """Else it would stay for ever: no timer runs while an answer is made."""
        del self.stage.healthy
        peer = self.stage.connect("web").says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual((peer.closed, peer.hears()), (True, b""))

    def test_entity_tags(self) -> None:
        tag = re.search(rb"(?i)etag: (\S+)", self.get("/app.js")[1])
        assert tag is not None
        for known, status in (
            (tag[1], 304),
            (b"W/" + tag[1], 304),
            (b'"x", ' + tag[1], 304),
            (b'"x"', 200),
            (tag[1] + b',"x"', 304),
            (b'"x"\r\nIf-None-Match: ' + tag[1], 304),
            (b"\xff", 200),
        ):
            for method in (b"GET", b"HEAD"):
                said = method + b" /app.js HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " + known
                found, answer = self.answer(said + b"\r\n\r\n")
                self.assertEqual(found, status, known)
                self.assertEqual(answer.endswith(b"\r\n\r\n"), status == 304 or method == b"HEAD")
                self.assertIn(b"etag: " + tag[1], answer.lower())
                self.assertNotIn(b"content-length: 0", answer.lower())

    def test_heads_as_no_browser_sends_them(self) -> None:
        """Each is answered, and none is an error in the log."""
        for said, status in (
            (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", 421),
            (b"GET / HTTP/1.1\r\nHost: evil\r\nHost: localhost\r\n\r\n", 400),
            (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"OPTIONS * HTTP/1.1\r\nHost: evil\r\n\r\n", 421),
            (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"M-SEARCH / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b" / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"G\tT / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"G(T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /\rX-Y: HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET /\r\n\r\n", 400),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: localhost\x00\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * 200 + b"\r\n", 431),
            (b"GET /" + b"/" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        ):
            found, answer = self.answer(said)
            self.assertEqual(found, status, said[:60])
            self.assertIn(b"content-security-policy: default-src 'none'", answer.lower())


class Upgrade(HttpTestCase):
    """The opening handshake."""

    def test_it_is_accepted_as_the_standard_says(self) -> None:
        status, answer = self.answer(handshake("chatd.json", Origin="http://localhost"))
        self.assertEqual(status, 101)
        self.assertIn(b"Sec-WebSocket-Accept: " + ACCEPTED, answer)
        self.assertIn(b"Sec-WebSocket-Protocol: chatd.json", answer)
        self.assertNotIn(b"Extensions", answer)

    def test_no_compression_however_it_is_offered(self) -> None:
        """A few bytes of it would become megabytes."""
        said = handshake("chatd.json", Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
        status, answer = self.answer(said)
        self.assertEqual((status, b"Extensions" in answer), (101, False))

    def test_subprotocols(self) -> None:
        """The client's first that is known; none is JSON; only unknown ones are refused."""
        for offered, chosen in (
            ("chatd.text", b"chatd.text"),
            ("x, chatd.text", b"chatd.text"),
            ("chatd.text, chatd.json", b"chatd.text"),
            ("text.ircv3.net, binary.ircv3.net", b"text.ircv3.net"),
            ("binary.ircv3.net, text.ircv3.net", b"binary.ircv3.net"),
        ):
            status, answer = self.answer(handshake(offered))
            self.assertEqual(status, 101)
            self.assertIn(b"Sec-WebSocket-Protocol: " + chosen, answer)
        peer = self.stage.connect("web").says(handshake())
        self.assertNotIn(b"Sec-WebSocket-Protocol", peer.hears())
        peer.says(json_frame(action="client-hello", from_="alice"))
        self.assertIn('"server-hello"', messages(peer.hears())[0])
        status, answer = self.answer(handshake("wamp.2.json"))
        self.assertEqual(status, 400)
        self.assertIn(b"chatd.json, text.ircv3.net, binary.ircv3.net, chatd.text", answer)

    def test_who_is_refused(self) -> None:
        """Each with a status of its own, and no session is opened."""
        for said, status in (
            (handshake("chatd.json", path="/other"), 404),
            (handshake("chatd.json", host="evil.example"), 421),
            (handshake("chatd.json", Origin="http://evil.example"), 403),
            (handshake("chatd.json", Origin="null"), 403),
            (handshake("chatd.json", Sec_WebSocket_Version="8"), 400),
            (handshake("chatd.json", Sec_WebSocket_Key="short"), 400),
            (handshake("chatd.json", Connection="keep-alive"), 426),
            (handshake("chatd.json", Connection="a," * MAX_HANDSHAKE_LIST_CHARACTERS + "upgrade"), 431),
            (handshake("a," * MAX_HANDSHAKE_LIST_CHARACTERS + "chatd.json"), 431),
            (handshake("chatd.json").replace(b"GET", b"POST"), 405),
            (handshake("chatd.json").replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
            (handshake("chatd.json").replace(b"Host: localhost", b"Host: localhost\r\nHost: evil"), 400),
            (handshake("chatd.json").replace(b"Host: localhost", b"Host localhost"), 400),
        ):
            for wire in ("web", "auto"):
                peer = self.stage.connect(wire).says(said)
                peer.says(json_frame(action="client-hello", from_="eve"))
                self.assertEqual(peer.hears().split()[1:2], [b"%d" % status], said)
                self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
                self.assertTrue(peer.closed)
        self.assertEqual(len(self.stage.sessions), 0)

    def test_it_may_follow_other_requests(self) -> None:
        """Browsers open a connection of their own for it, but proxies use those again that they have."""
        peer = self.stage.connect("web").says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.hears()
        self.assertEqual(peer.says(handshake("chatd.json")).hears().split()[1], b"101")
        peer.says(json_frame(action="client-hello", from_="alice"))
        self.assertIn('"server-hello"', messages(peer.hears())[0])


class Bounds(HttpTestCase):
    """What a client can have the daemon keep, and for how long."""

    limits = Limits(connections=3)

    def test_a_head_without_end(self) -> None:
        peer = self.stage.connect("web").says(b"GET / HTTP/1.1\r\n")
        while not peer.hears():
            peer.says(b"X-Y: " + b"z" * 995 + b"\r\n")
            self.assertLess(len(self.head(peer)), MAX_HEAD_BYTES + 2000)
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual((peer.closed, peer.wire.aborted), (True, False))

    def head(self, peer: Peer) -> bytes:
        """What is kept of it."""
        protocol: Any = peer.protocol
        kept: bytes = protocol._protocol._read
        return kept

    def test_a_dripped_head(self) -> None:
        peer = self.stage.connect("auto")
        for byte in b"GET / HTTP/1.1\r\n":
            peer.says(bytes([byte]))
            self.stage.wait(0.4)
        self.stage.wait(HEAD_TIMEOUT_SECONDS)
        self.assertEqual(peer.hears()[:12], b"HTTP/1.1 408")
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertTrue(peer.closed)

    def test_silence(self) -> None:
        """On a port where nothing but HTTP is spoken nobody is greeted."""
        peer = self.stage.connect("web")
        self.stage.wait(HEAD_TIMEOUT_SECONDS)
        self.assertEqual(peer.hears(), b"")
        self.assertEqual(len(self.stage.sessions), 1)

    def test_each_connection_counts(self) -> None:
        """Whatever it asks for; one too many gets a status that tells it to come again."""
        self.stage.connect("web").says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.stage.connect("web", subprotocol="chatd.json")
        self.stage.connect("auto").says(b"GET /healthz")
        for wire in ("web", "auto"):
            refused = self.stage.connect(wire)
            heard = refused.hears()
            if wire == "web":
                self.assertEqual(heard[:12], b"HTTP/1.1 503")
            self.assertIn(b"rate_limited", heard)
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertTrue(refused.closed)

    def test_who_does_not_let_the_connection_close_is_cut(self) -> None:
        """As with TLS, where both sides have to agree."""
        for said in (
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            b"no request\r\n\r\n",
            b"GET /",
        ):
            peer = self.stage.connect("web").says(said)
            self.patch(peer.wire, "loseConnection", lambda: None)
            self.stage.wait(HEAD_TIMEOUT_SECONDS + LINGER_AFTER_REFUSAL_SECONDS + CLOSE_TIMEOUT_SECONDS)
            self.assertTrue(peer.wire.aborted)
        self.assertEqual(len(self.stage.sessions), 0)

    def test_a_refused_client_is_refused_once(self) -> None:
        """Also if the daemon stops while it is waited for."""
        peer = self.stage.connect("web").says(b"no request\r\n\r\n")
        self.stage.sessions.close()
        self.stage.settle()
        self.assertEqual(peer.hears().count(b"HTTP/1.1"), 1)

    def test_the_daemon_stops(self) -> None:
        """Who has a page under way, or has not asked yet, is not waited for."""
        peers = [self.stage.connect("web") for _ in range(2)]
        peers[0].says(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peers[1].says(b"GET /")
        done: list[None] = []
        self.stage.sessions.close().addCallback(done.append)
        self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
        self.assertEqual(([peer.closed for peer in peers], done), ([True, True], [None]))

    def test_the_end_of_the_input(self) -> None:
        """In the middle of a head it ends the connection; behind a request it is answered."""
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for said, answered in (
            (request[:-2], False),
            (request, True),
            (request.replace(b"1.1", b"1.0"), True),
        ):
            peer = self.stage.connect("web")
            peer.protocol.dataReceived(said)
            IHalfCloseableProtocol(peer.protocol).readConnectionLost()
            self.stage.settle()
            self.assertEqual((b"200 OK" in peer.hears(), peer.closed), (answered, True))


class OverTls(TlsStageTestCase):
    """Where a connection closes when both sides have said goodbye."""

    def test_the_connection_closes_behind_the_last_answer(self) -> None:
        """Also if it is so large that the transport has its fill of it; who says no goodbye is cut."""
        for says_goodbye in (True, False):
            peer = self.comes("web").shake_hands()
            peer.wire.stuck = True
            peer.says("GET /app.js HTTP/1.1\r", "Host: localhost\r", "Connection: close\r", "\r")
            peer.wire.unstick()
            self.assertEqual(peer.lines()[0], "HTTP/1.1 200 OK")
            self.stage.wait(LINGER_AFTER_REFUSAL_SECONDS)
            self.assertEqual(peer.lines(), [])
            if says_goodbye:
                peer.closes()
            self.stage.wait(CLOSE_TIMEOUT_SECONDS)
            self.assertEqual((peer.wire.disconnecting, peer.wire.aborted), (True, not says_goodbye))
        self.assertEqual(len(self.stage.sessions), 0)


class Forwarded(StageTestCase):
    """A reverse proxy in front, which tells the address of the client."""

    limits = Limits(connections_per_address=2)

    def come(self, address: str, proxy: str = "192.0.2.80") -> Peer:
        """Somebody at ``address`` whose WebSocket a proxy has opened."""
        peer = self.stage.connect("web", proxy)
        return peer.says(handshake("chatd.json", X_Forwarded_For=address))

    def test_limits_are_those_of_the_client_not_of_the_proxy(self) -> None:
        self.stage.web_policy.proxies = ("192.0.2.80",)
        first = [self.come("198.51.100.1") for _ in range(2)]
        other = self.come("198.51.100.2")
        refused = self.come("203.0.113.1, 198.51.100.1")
        for peer in (*first, other):
            self.assertIn(b" 101 ", peer.hears())
        self.assertIn(b"rate_limited", refused.hears())
        peers = {session.peer for session in self.stage.sessions.all_sessions()}
        self.assertEqual(peers, {"198.51.100.1", "198.51.100.2"})

    def test_a_client_that_is_no_proxy_is_not_believed(self) -> None:
        """Else it would choose its address, and somebody else would be refused."""
        crowd = [self.come(f"198.51.100.{number}") for number in range(3)]
        self.assertIn(b"rate_limited", crowd[2].hears())
        self.assertEqual(
            {session.client_network for session in self.stage.sessions.all_sessions()}, {"192.0.2.80"}
        )
