"""Connections through a proxy: the client's address counts, from the first moment on."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.haproxy import _wrapper
from twisted.protocols.policies import ProtocolWrapper

from chatd.connections.factory import ChatFactory
from chatd.connections.proxied import PROXY_HEADER_TIMEOUT_SECONDS, ProxiedFactory
from chatd.core.limits import Limits
from chatd.daemon.wires import choices_by_wire, protocol_maker
from tests.support.effort import effort
from tests.support.in_memory_daemon import Peer, StageTestCase, Wire

V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x01\x02\x03\x7f\x00\x00\x01\x10\x00\x20\x00"
"""The header of 10.1.2.3:4096 in version 2."""

PROXY = IPv4Address("TCP", "192.0.2.1", 40_000)


def header(host: str, port: int = 4096) -> bytes:
    """The header of a client in version 1."""
    family = "TCP6" if ":" in host else "TCP4"
    return f"PROXY {family} {host} 192.0.2.2 {port} 7070\r\n".encode()


class ProxiedTestCase(StageTestCase):
    """A listener of the text wire behind a proxy on another machine."""

    def setUp(self) -> None:
        super().setUp()
        make = protocol_maker("text", choices_by_wire(self.stage.limits), self.stage.make_http)
        self.factory = ProxiedFactory(self.stage.sessions, ChatFactory(self.stage.sessions, make))

    def comes(self, *segments: bytes) -> Peer:
        """A connection of the proxy, which sends these."""
        protocol: Any = self.factory.buildProtocol(PROXY)
        wire = Wire(PROXY, self.stage.reactor)
        wire.protocol = protocol
        protocol.makeConnection(wire)
        self.stage.settle()
        peer = Peer(self.stage, protocol, wire)
        for segment in segments:
            peer.says(segment)
        return peer

    def said(self, logged: Any) -> list[str | None]:
        """The lines of the log."""
        return [formatEvent(event) for event in logged]


class Headers(ProxiedTestCase):
    def test_twisted_is_still_the_same(self) -> None:
        """Its wrapper and the attribute that says that the header is complete are private."""
        self.assertTrue(issubclass(_wrapper.HAProxyProtocolWrapper, ProtocolWrapper))
        peer = self.comes(header("10.1.2.3")[:20])
        self.assertIsNone(vars(peer.protocol)["_proxyInfo"])
        peer.says(header("10.1.2.3")[20:])
        self.assertIsNotNone(vars(peer.protocol)["_proxyInfo"])

    def test_the_log_has_the_address_of_the_client(self) -> None:
        """From its arrival to its end, in both versions of the header."""
        for head, shown in (
            (header("10.1.2.3"), "10.1.2.3:4096"),
            (header("2001:db8::1"), "[2001:db8::1]:4096"),
            (V2, "10.1.2.3:4096"),
        ):
            with capturedLogs() as logged:
                peer = self.comes(head)
                self.assertEqual(peer.lines(), ["WHO"])
                peer.says("IAM alice").says("BYE")
            self.assertEqual(
                self.said(logged),
                [f"{shown} connected", f"alice arrived from {shown}", "alice left", f"{shown} disconnected"],
            )

    def test_nothing_is_sent_before_the_header(self) -> None:
        """However it is cut behind its first bytes; what follows it is read."""
        whole = header("10.1.2.3") + b"IAM alice\n"
        for end in (8, 20, len(whole) - 1):
            peer = self.comes(whole[:end])
            self.assertEqual(peer.lines(), ["WHO"] if end > 40 else [])
            peer.says(whole[end:])
            self.assertIn("ARR alice", peer.lines())
            peer.hangs_up()

    def test_a_client_that_the_proxy_does_not_name_has_its_address(self) -> None:
        with capturedLogs() as logged:
            self.comes(b"PROXY UNKNOWN \r\n")
        self.assertIn("192.0.2.1:40000 connected", self.said(logged))

    def test_what_is_no_header_is_cut(self) -> None:
        """And nothing of it is done; the log has one line and no traceback."""
        bob = self.stage.text("bob")
        for wrong in (
            b"IAM alice\nMSG hello\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 nowhere 192.0.2.2 4096 7070\r\nIAM alice\n",
            b"PROXY TCP4 \xff 192.0.2.2 4096 7070\r\nIAM alice\n",
            b"PROXY TCP4 10.1.2.3 192.0.2.2 x 7070\r\nIAM alice\n",
            b"PROXY TCP4 10.1.2.3\r\nIAM alice\n",
            b"PROXY TCP4 " + b"1" * 200,
            V2[:14] + b"\x00\x02" + V2[16:] + b"IAM alice\n",
        ):
            with capturedLogs() as logged:
                peer = self.comes(wrong + header("10.1.2.3") + b"IAM alice\nMSG hello\n")
            self.assertEqual(self.said(logged), ["192.0.2.1:40000: the PROXY header is not valid"], wrong)
            self.assertTrue(peer.closed)
        self.assertEqual(bob.hears(), b"")

    @settings(max_examples=effort(300), deadline=None)
    @given(st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", V2[:12], V2[:16])), st.binary())
    def test_no_header_is_an_error_of_ours(self, start: bytes, rest: bytes) -> None:
        """Whatever comes, nothing but the connection is lost."""
        peer = self.comes(start + rest)
        if not peer.closed:
            peer.hangs_up()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_one_that_does_not_come_is_not_waited_for(self) -> None:
        """Nor half of one; one that came in time changes that."""
        silent, half, late = self.comes(), self.comes(header("10.1.2.3")[:20]), self.comes()
        self.stage.wait(PROXY_HEADER_TIMEOUT_SECONDS - 0.1)
        self.assertFalse(silent.wire.aborted)
        late.says(header("10.1.2.3"))
        with capturedLogs() as logged:
            self.stage.wait(0.2)
        self.assertEqual(self.said(logged), ["192.0.2.1:40000: no PROXY header within 10 seconds"] * 2)
        self.assertEqual([one.wire.aborted for one in (silent, half, late)], [True, True, False])

    def test_one_that_hangs_up_before(self) -> None:
        peer = self.comes(b"PROXY TCP4")
        peer.hangs_up()
        self.assertEqual(self.factory.protocols, {})
        self.stage.wait(PROXY_HEADER_TIMEOUT_SECONDS)
        self.assertEqual(self.flushLoggedErrors(), [])


class Counted(ProxiedTestCase):
    """The limits by address are those of the clients, not of the proxy."""

    limits = Limits(connections_per_address=2, connections=5, new_nicks_per_address=2)

    def test_connections(self) -> None:
        for _ in range(2):
            self.assertEqual(self.comes(header("10.1.2.3")).lines(), ["WHO"])
        self.assertIn("rate_limited", self.comes(header("10.1.2.3")).lines()[0])
        self.assertEqual(self.comes(header("10.1.2.4")).lines(), ["WHO"])

    def test_new_nicks(self) -> None:
        for host, nick, answer in (
            ("10.1.2.3", "alice", "ARR alice"),
            ("10.1.2.3", "bob", "ARR bob"),
            ("10.1.2.3", "carol", "ERR rate_limited"),
            ("10.1.2.4", "carol", "ARR carol"),
        ):
            peer = self.comes(header(host) + f"IAM {nick}\n".encode())
            self.assertIn(answer, "\n".join(peer.lines()))
            peer.hangs_up()

    def test_those_without_a_header_are_counted_too(self) -> None:
        """There are no more than ``connections`` of them."""
        waiting = [self.comes() for _ in range(5)]
        self.assertTrue(self.comes().wire.aborted)
        self.assertFalse(any(peer.wire.aborted for peer in waiting))
        waiting[0].hangs_up()
        self.assertFalse(self.comes().wire.aborted)
