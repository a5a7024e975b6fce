"""TLS in the client: what is wrong, in one sentence, and no second attempt."""

from __future__ import annotations

import asyncio
import ssl
from argparse import Namespace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.connection import Address
from chatd.client.options import UsageError, parse_options, server_address
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.reconnecting_client import ReconnectingClient
from chatd.client.scripts import run_with_client
from chatd.client.tls import tls_failure_reason
from chatd.core import commands as c
from chatd.core.accounts import Secret
from tests.client.test_reconnecting_client import Connection, Ear
from tests.support.certificates import Issued, issue
from tests.support.daemon_process import Daemon
from tests.support.languages import speak

NOT_TLS_TEXT = "it does not speak TLS: connect without --tls, or to another port"
NOT_TRUSTED_TEXT = (
    "its certificate is self-signed or from an unknown authority: name a certificate to trust with --cafile"
)


class TlsTestCase(SynchronousTestCase):
    """A client that trusts one authority, and servers that the test plays."""

    def setUp(self) -> None:
        """Make the authority."""
        speak(self, "en")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = issue("class", authority=True)
        self.write("ca.pem", self.authority.pem())

    def write(self, name: str, pem: bytes) -> str:
        """The path of a file with these contents."""
        (self.folder / name).write_bytes(pem)
        return str(self.folder / name)

    def signed(self, name: str = "localhost", days: tuple[int, int] = (-1, 1)) -> Issued:
        """A certificate by the authority."""
        return issue(name, issuer=self.authority, days=days)

    def served(self, own: Issued) -> ssl.SSLContext:
        """What a server with this certificate speaks TLS with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.serve(context, own)
        return context

    def serve(self, context: ssl.SSLContext, own: Issued) -> None:
        """Show this certificate from now on."""
        context.load_cert_chain(self.write("own.pem", own.pem() + own.key_pem()))

    def options(self, *more: str) -> Namespace:
        """The client's options."""
        return parse_options(["-a", "localhost", "--cafile", str(self.folder / "ca.pem"), *more])

    def failure(self, answer: Any, context: ssl.SSLContext | None, *more: str, tls: bool = True) -> str:
        """Why a client gives up at a server whose connections ``answer`` serves."""

        async def run() -> str:
            server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
            port = server.sockets[0].getsockname()[1]
            address = server_address(self.options("-p", str(port), *more))
            client = ReconnectingClient(address if tls else Address(address.host, port), "alice", Ear())
            async with server:
                with self.assertRaises(ConnectionLost) as lost:
                    await client.run()
            return str(lost.exception).removeprefix(f"no connection to localhost:{port}: ")

        return asyncio.run(run())


class Sentences(TlsTestCase):
    def test_what_is_wrong_with_the_certificate(self) -> None:
        async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        for own, sentence in (
            (self.signed(days=(-3, -1)), "its certificate has expired"),
            (self.signed(days=(1, 3)), "its certificate is not valid yet: check the clock of this machine"),
            (issue("localhost"), NOT_TRUSTED_TEXT),
            (issue("localhost", issuer=issue("other", authority=True)), NOT_TRUSTED_TEXT),
            (self.signed("example.org"), "its certificate is for another host: check the address"),
        ):
            self.assertEqual(self.failure(nothing, self.served(own)), sentence)

    def test_no_tls_where_there_should_be(self) -> None:
        """Nor the other way round: a server for TLS alone answers with an alert."""

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b'{"action":"server-error","code":"bad_request","msg":"no TLS"}\n')
            writer.close()

        self.assertEqual(self.failure(plain, None), NOT_TLS_TEXT)

        async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"\x15\x03\x01\x00\x02\x02\x46")
            writer.close()

        self.assertRegex(
            self.failure(alert, None, tls=False), "takes encrypted connections only: connect with --tls$"
        )

    def test_in_french(self) -> None:
        speak(self, "fr")
        error = ssl.SSLCertVerificationError()
        error.verify_code, error.verify_message = 10, "certificate has expired"
        self.assertEqual(tls_failure_reason(error), "son certificat a expiré")

    def test_what_may_pass_by_itself_is_none_of_these(self) -> None:
        for reason in ("UNEXPECTED_EOF_WHILE_READING", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", None):
            error = ssl.SSLError(1, "broken")
            error.reason = reason  # type: ignore[assignment]
            self.assertIsNone(tls_failure_reason(error))


class Reconnecting(TlsTestCase):
    def test_a_certificate_that_has_become_wrong_ends_it(self) -> None:
        """There is no second attempt, though the connection was there before."""
        context, arrived = self.served(self.signed()), 0

        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal arrived
            arrived += 1
            self.serve(context, self.signed(days=(-3, -1)))
            await Connection(reader, writer).welcomes()
            writer.close()

        self.assertEqual(self.failure(welcome, context), "its certificate has expired")
        self.assertEqual(arrived, 1)


class Options(TlsTestCase):
    def test_a_certificate_of_ones_own_means_tls(self) -> None:
        own = issue("alice")
        path = self.write("alice.pem", own.pem() + own.key_pem())
        file = self.write("client.conf", f"CLIENT_CERTIFICATE={path}\n".encode())
        for line in (["--client-certificate", path], ["-c", file]):
            self.assertIsNotNone(server_address(parse_options(line)).tls_context)

    def test_one_that_can_not_be_used(self) -> None:
        own, incomplete = issue("alice"), "it holds no certificate with its key"
        for path, why in (
            (self.write("alone.pem", own.pem()), incomplete),
            (self.write("other.pem", own.pem() + issue("bob").key_pem()), incomplete),
            (str(self.folder / "none.pem"), "No such file or directory"),
        ):
            with self.assertRaises(UsageError) as caught:
                server_address(parse_options(["--client-certificate", path]))
            self.assertEqual(str(caught.exception), f"can't use the certificate {path}: {why}")


class CertificateForPassword(TlsTestCase):
    """A real daemon, which trusts the authority for its users as well."""

    def test_it_logs_its_user_in(self) -> None:
        """One that the daemon does not trust ends the attempt, and says which."""
        own = self.signed()
        self.write("chat.pem", own.pem() + own.key_pem())
        (self.folder / "chatd.toml").write_text(
            "[tls]\ncertificate = 'chat.pem'\nrequire = true\nclient_ca = 'ca.pem'\n"
        )

        async def attempt(port: int, password: str, *more: str) -> None:
            address = server_address(self.options("-p", str(port), *more))
            client = ReconnectingClient(address, "alice", Ear(), password=password)
            command = c.Register(Secret(password)) if password else c.ListGroups()
            await run_with_client(client, ask(client, command))

        async def ask(client: ReconnectingClient, command: c.Command) -> None:
            await client.ask(command)

        with Daemon(self.folder, "--listen=json=tcp:0") as daemon:
            port = daemon.port("json")
            asyncio.run(attempt(port, "correct horse battery"))
            with self.assertRaisesRegex(RefusedByServer, "alice is registered"):
                asyncio.run(attempt(port, ""))
            for issuer, why in ((self.authority, ""), (None, "unknown ca"), (self.authority, "expired")):
                shown = issue("alice", issuer=issuer, days=(-3, -1) if why == "expired" else (-1, 1))
                path = self.write("alice.pem", shown.pem() + shown.key_pem())
                trying = attempt(port, "", "--client-certificate", path)
                if not why:
                    asyncio.run(trying)
                    continue
                with self.assertRaisesRegex(
                    ConnectionLost, rf"it refuses the certificate of --client-certificate \(.*{why}\)"
                ):
                    asyncio.run(trying)
            with self.assertRaises(RefusedByServer) as refused:
                asyncio.run(ReconnectingClient(Address("127.0.0.1", port), "alice", Ear()).run())
            self.assertEqual(refused.exception.code, "tls_required")
            self.assertNotIn("Traceback", daemon.log)
