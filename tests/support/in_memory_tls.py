"""TLS without sockets: a transport that can start it, and a client that speaks it with Python's own TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IOpenSSLContextFactory, ISSLTransport, ITLSTransport
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import directlyProvides

from chatd.connections.factory import ChatFactory
from chatd.daemon.certificates import Certificate
from chatd.daemon.wires import choices_by_wire, protocol_maker
from tests.support.certificates import Issued, issue
from tests.support.in_memory_daemon import Stage, StageTestCase, Wire


class _Socket:
    """The transport below TLS: what is written here is written to the wire as it is."""

    def __init__(self, wire: TlsWire) -> None:
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(Wire, name, None)
        return getattr(self._wire, name) if method is None else method.__get__(self._wire)


class TlsWire(Wire):
    """A connection on which TLS can be started, as on Twisted's TCP transports."""

    tls: Any = None

    def __init__(self, peer: IPv4Address, reactor: MemoryReactorClock) -> None:
        super().__init__(peer, reactor)
        directlyProvides(self, ITLSTransport)

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802, Twisted's name
        """Nothing: there is no TCP."""

    setTcpKeepAlive = setTcpNoDelay  # noqa: N815, Twisted's name

    def startTLS(self, context: IOpenSSLContextFactory) -> None:  # noqa: N802, Twisted's name
        """Put TLS between the connection and its protocol."""
        factory = TLSMemoryBIOFactory(context, False, None, self._reactor)  # type: ignore[arg-type]
        self.protocol = tls = factory.protocol(factory, self.protocol, False)
        directlyProvides(self, ISSLTransport)
        tls.makeConnection(_Socket(self))
        self.tls = tls

    def getHandle(self) -> Any:  # noqa: N802, Twisted's name
        """OpenSSL's connection."""
        return self.tls.getHandle()

    def write(self, data: bytes) -> None:
        """Write through TLS, once it is there."""
        self.tls.write(data) if self.tls else super().write(data)

    def loseConnection(self) -> None:
        """Close, with a goodbye of TLS if it is there."""
        self.tls.loseConnection() if self.tls else super().loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have the producer wait for TLS as well."""
        self.tls.registerProducer(producer, streaming) if self.tls else super().registerProducer(
            producer, streaming
        )

    def unregisterProducer(self) -> None:
        """The end of that."""
        self.tls.unregisterProducer() if self.tls else super().unregisterProducer()


class TlsPeer:
    """A client on a connection that may have TLS, which it begins with `shake_hands`."""

    def __init__(self, stage: Stage, factory: ChatFactory, context: ssl.SSLContext) -> None:
        address = IPv4Address("TCP", "127.0.0.1", 40_000)
        self.stage = stage
        self.wire = TlsWire(address, stage.reactor)
        protocol = factory.buildProtocol(address)
        self.wire.protocol = protocol
        protocol.makeConnection(self.wire)
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_hostname="localhost")
        stage.settle()

    def begins(self) -> bytes:
        """The first message of its handshake, which is not sent yet."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return self._sent.read()
        raise AssertionError("TLS needs two sides")

    def sends(self, data: bytes) -> None:
        """Send these bytes as they are."""
        assert self.wire.protocol is not None
        self.wire.protocol.dataReceived(data)
        self.stage.settle()

    def shake_hands(self) -> TlsPeer:
        """Complete the handshake. Raises `ssl.SSLError`."""
        while True:
            try:
                self._tls.do_handshake()
                self._exchange()
                return self
            except ssl.SSLWantReadError:
                self._exchange()

    def says(self, *lines: str) -> TlsPeer:
        """Send these lines, encrypted."""
        self._tls.write("".join(f"{line}\n" for line in lines).encode())
        self._exchange()
        return self

    @property
    def chosen(self) -> str | None:
        """The protocol that the daemon has chosen of those that were offered."""
        return self._tls.selected_alpn_protocol()

    def lines(self) -> list[str]:
        """What was heard since the last time. Raises `ssl.SSLError` if the daemon has refused TLS."""
        self._exchange()
        heard = b""
        try:
            while read := self._tls.read(65536):
                heard += read
        except ssl.SSLWantReadError:
            pass
        return heard.decode().splitlines()

    def closes(self) -> None:
        """Say goodbye, or answer the daemon's goodbye. Raises `ssl.SSLError`."""
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._exchange()

    def hears(self) -> bytes:
        """The bytes on the wire as they are, since the last time."""
        heard: bytes = self.wire.value()
        self.wire.clear()
        return heard

    def _exchange(self) -> None:
        sent = self._sent.read()
        if sent and not self.wire.disconnecting:
            self.sends(sent)
        self.stage.settle()
        self._received.write(self.hears())


class TlsStageTestCase(StageTestCase):
    """A daemon that has a certificate, and trusts the certificates that ``self.authority`` signs."""

    def setUp(self) -> None:
        """Write its certificate, its key and that of the authority into a folder."""
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = issue("class", authority=True)
        self.own = issue("localhost")
        for name, pem in {
            "chat.pem": self.own.pem(),
            "chat.key": self.own.key_pem(),
            "class.pem": self.authority.pem(),
        }.items():
            (self.folder / name).write_bytes(pem)
            (self.folder / name).chmod(0o600)
        self.certificate = Certificate(
            self.folder / "chat.pem", self.folder / "chat.key", self.folder / "class.pem"
        )
        self.choices = choices_by_wire(self.stage.limits)

    def comes(
        self,
        wire: str = "auto",
        shows: Issued | None = None,
        tls_only: bool = False,
        offers: Iterable[str] = (),
    ) -> TlsPeer:
        """A client, with this certificate, on a port of this kind, before its handshake, in which it offers
        these protocols by ALPN.
        """
        context = ssl.create_default_context(cadata=self.own.pem().decode())
        context.set_alpn_protocols(offers)
        if shows is not None:
            path = self.folder / "client.pem"
            path.write_bytes(shows.pem() + shows.key_pem())
            context.load_cert_chain(path)
        maker = protocol_maker(wire, self.choices, self.stage.make_http, self.certificate, tls_only)
        return TlsPeer(self.stage, ChatFactory(self.stage.sessions, maker), context)
