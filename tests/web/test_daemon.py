"""A real daemon, on real sockets, as a browser and a WebSocket library reach it."""

from __future__ import annotations

import json
import signal
import ssl
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.certificates import self_signed
from tests.support.daemon_process import PATIENCE, Daemon
from tests.support.websocket import handshake, json_frame


class WebTestCase(SynchronousTestCase):
    """A folder for a daemon."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def start(self, *options: str) -> Daemon:
        """One that is killed at the end."""
        daemon = Daemon(self.folder, "--listen=web=tcp:0", "--listen=auto=tcp:0", *options).__enter__()
        self.addCleanup(daemon.kill)
        return daemon

    def open(self, daemon: Daemon, wire: str, **options: Any) -> ClientConnection:
        """A WebSocket of somebody else's library."""
        connecting = connect(
            f"ws://localhost:{daemon.port(wire)}/ws",
            subprotocols=options.pop("subprotocols", ["chatd.json"]),
            open_timeout=PATIENCE,
            **options,
        )
        client: ClientConnection = connecting.__enter__()
        self.addCleanup(connecting.__exit__, None, None, None)
        return client

    def hello(self, client: ClientConnection, nick: str) -> dict[str, Any]:
        """The welcome of that nick."""
        client.send(json.dumps({"action": "client-hello", "from": nick}))
        welcome: dict[str, Any] = json.loads(client.recv(PATIENCE))
        return welcome


class Served(WebTestCase):
    """What the daemon does for both."""

    def test_the_address_of_the_page_is_logged_and_answers(self) -> None:
        daemon = self.start()
        port = daemon.port("web")
        self.assertIn(f"the page is at http://127.0.0.1:{port}/", daemon.log)
        for wire in ("web", "auto"):
            connection = HTTPConnection("127.0.0.1", daemon.port(wire), timeout=PATIENCE)
            self.addCleanup(connection.close)
            connection.request("GET", "/")
            page = connection.getresponse()
            body = page.read()
            self.assertEqual((page.status, page.getheader("Content-Type")), (200, "text/html; charset=utf-8"))
            self.assertIn(b"<!doctype html>", body.lower())
            tag = page.getheader("ETag")
            assert tag is not None
            connection.request("GET", "/", headers={"If-None-Match": tag})  # on the same connection
            again = connection.getresponse()
            self.assertEqual((again.status, again.read()), (304, b""))

    def test_the_two_wires_share_the_conversation_and_the_daemon_says_why_it_closes(self) -> None:
        daemon = self.start()
        alice = self.open(daemon, "web")
        self.assertEqual(self.hello(alice, "alice")["msg"], "Hello alice")
        bob = self.open(daemon, "auto", subprotocols=["chatd.text"], compression="deflate")
        self.assertEqual(bob.recv(PATIENCE), "WHO")
        bob.send("IAM bob")
        self.assertEqual(bob.recv(PATIENCE), "ARR bob")
        bob.send("MSG " + "é" * 4000)
        self.assertEqual(json.loads(alice.recv(PATIENCE))["event"], "arrived")
        self.assertEqual(json.loads(alice.recv(PATIENCE))["msg"], "é" * 4000)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(json.loads(alice.recv(PATIENCE))["code"], "shutting_down")
        with self.assertRaises(ConnectionClosed) as closed:
            alice.recv(PATIENCE)
        received = closed.exception.rcvd
        assert received is not None
        self.assertEqual((received.code, received.reason), (1001, "shutting_down"))
        self.assertEqual(daemon.wait(), 0)

    def test_with_a_certificate_both_are_there_over_tls(self) -> None:
        Path(self.folder / "server.pem").write_bytes(self_signed("localhost"))
        daemon = self.start("--certificate=server.pem")
        context = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        context.set_alpn_protocols(["h2", "http/1.1"])  # none is chosen: there is no HTTP/2
        for wire in ("web", "auto"):
            connection = HTTPSConnection("localhost", daemon.port(wire), timeout=PATIENCE, context=context)
            self.addCleanup(connection.close)
            connection.request("GET", "/healthz")
            self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}\n')
            self.assertIsNone(connection.sock.selected_alpn_protocol())
            # The library reads and writes in two threads, which OpenSSL objects of Python 3.11 don't stand.
            client = daemon.connect(wire)
            self.addCleanup(client.close)
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
            host = f"localhost:{daemon.port(wire)}"
            client.says(handshake("chatd.json", host=host, Origin=f"https://{host}"))
            self.assertIn(b" 101 ", client.hears_until(b"\r\n\r\n"))
            client.says(json_frame(action="client-hello", from_=f"on{wire}")).hears_until(b'"server-hello"')

    def test_a_reload_changes_the_names_that_it_answers_to(self) -> None:
        """At once, and without closing anything."""
        config = self.folder / "chatd.toml"
        config.write_text("")
        daemon = self.start(f"--config={config}")
        alice = self.open(daemon, "web")
        self.hello(alice, "alice")
        connection = HTTPConnection("127.0.0.1", daemon.port("web"), timeout=PATIENCE)
        self.addCleanup(connection.close)

        def status() -> int:
            connection.request("GET", "/healthz", headers={"Host": "chat.example"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        self.assertEqual(status(), 421)
        config.write_text('[web]\nhosts = ["chat.example"]\n')
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("web.hosts changed")
        self.assertEqual(status(), 200)
        alice.send('{"action":"client-list-clients"}')
        self.assertEqual(json.loads(alice.recv(PATIENCE))["clients"], ["alice"])
