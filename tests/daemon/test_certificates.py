"""The certificate for TLS: what is read, and what is said about one that can't be."""

from __future__ import annotations

from pathlib import Path

import OpenSSL.SSL
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from chatd.daemon.certificates import Certificate, read_tls_options
from chatd.daemon.config import ConfigError
from tests.support.certificates import Issued, issue


class ReadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def refuses(self, pem: bytes) -> str:
        """The sentence that refuses a file of these contents."""
        self.path.write_bytes(pem)
        with self.assertRaises(ConfigError) as caught:
            read_tls_options(self.path, self.path)
        return str(caught.exception)

    def test_key_and_chain_may_stand_in_any_order(self) -> None:
        """Only the chain itself has one: the daemon's own certificate comes first."""
        root = issue("root", authority=True)
        own = issue("localhost", issuer=root)
        for pem in (
            own.key_pem() + own.pem() + root.pem(),
            own.pem() + own.key_pem() + root.pem(),
            b"as it was mailed:\r\n" + (own.pem() + root.pem() + own.key_pem()).replace(b"\n", b"\r\n"),
        ):
            self.path.write_bytes(pem)
            options = read_tls_options(self.path, self.path)
            self.assertEqual(options.certificate, own.certificate)
            self.assertEqual(options.extraCertChain, [root.certificate])

    def test_what_is_no_certificate_with_its_key_is_refused(self) -> None:
        own, other = issue("localhost"), issue("localhost")
        sentence = f"{self.path} holds no certificate with its chain and its key in PEM"
        for pem in (
            b"",
            b"\xff\x00 no PEM",
            own.pem(),
            own.key_pem(),
            own.pem()[:-100] + own.key_pem(),
            own.pem().replace(b"M", b"N") + own.key_pem(),
            own.pem() + own.key_pem(b"nobody is there to be asked for this"),
        ):
            self.assertEqual(self.refuses(pem), sentence)
        self.assertEqual(
            self.refuses(own.pem() + other.key_pem()),
            f"the key in {self.path} does not belong to the certificate in {self.path}",
        )

    def test_the_key_may_have_a_file_of_its_own(self) -> None:
        """Which is named when the two don't belong together."""
        own, other, key = issue("localhost"), issue("localhost"), Path(self.mktemp())
        self.path.write_bytes(own.pem())
        key.write_bytes(own.key_pem())
        self.assertEqual(read_tls_options(self.path, key).certificate, own.certificate)
        nothing = f"{self.path} and {key} hold no certificate with its chain and its key in PEM"
        for pem, sentence in (
            (other.key_pem(), f"the key in {key} does not belong to the certificate in {self.path}"),
            (own.pem(), nothing),
            (b"", nothing),
        ):
            key.write_bytes(pem)
            with self.assertRaises(ConfigError) as caught:
                read_tls_options(self.path, key)
            self.assertEqual(str(caught.exception), sentence)
        key.unlink()
        with self.assertRaisesRegex(ConfigError, "can't read the key .*: No such file or directory"):
            read_tls_options(self.path, key)

    def test_who_signs_the_certificates_of_users(self) -> None:
        """A file of certificates in PEM, or a sentence."""
        own, authorities = issue("localhost"), Path(self.mktemp())
        self.path.write_bytes(own.pem() + own.key_pem())
        with self.assertRaisesRegex(ConfigError, "can't read the client CA .*: No such file or directory"):
            Certificate(self.path, client_ca=authorities)
        for pem in (b"", own.key_pem(), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            authorities.write_bytes(pem)
            with self.assertRaises(ConfigError) as caught:
                Certificate(self.path, client_ca=authorities)
            self.assertEqual(str(caught.exception), f"{authorities} holds no CA certificates in PEM")

    def test_what_cannot_be_read_is_refused(self) -> None:
        with self.assertRaises(ConfigError) as missing:
            read_tls_options(self.path, self.path)
        self.assertEqual(
            str(missing.exception), f"can't read the certificate {self.path}: No such file or directory"
        )
        self.path.mkdir()
        with self.assertRaises(ConfigError) as folder:
            read_tls_options(self.path, self.path)
        self.assertEqual(str(folder.exception), f"can't read the certificate {self.path}: Is a directory")


class Reloading(SynchronousTestCase):
    """A certificate in use."""

    def setUp(self) -> None:
        """It is that of a file which its owner alone can read."""
        self.path = Path(self.mktemp())
        self.write(issue("first"))
        self.certificate = Certificate(self.path)

    def write(self, own: Issued, mode: int = 0o600) -> None:
        """Put it into the file."""
        self.path.write_bytes(own.pem() + own.key_pem())
        self.path.chmod(mode)

    def name(self) -> str:
        """Whom a client would be shown."""
        connection = OpenSSL.SSL.Connection(self.certificate.getContext())
        shown = connection.get_certificate(as_cryptography=True)
        assert shown is not None
        return shown.subject.rfc4514_string()

    def test_a_new_file_is_used_from_then_on(self) -> None:
        self.write(issue("second"))
        self.assertEqual(self.name(), "CN=first")
        self.certificate.reload()
        self.assertEqual(self.name(), "CN=second")

    def test_a_file_that_can_not_be_used_changes_nothing(self) -> None:
        for spoil in (lambda: self.path.write_bytes(b"no PEM"), self.path.unlink):
            spoil()
            self.assertRaises(ConfigError, self.certificate.reload)
            self.assertEqual(self.name(), "CN=first")

    def test_a_key_in_a_file_of_its_own_that_everyone_can_read(self) -> None:
        """That is the one that counts: everybody may have the certificate."""
        key, own = Path(self.mktemp()), issue("open")
        self.path.write_bytes(own.pem())
        self.path.chmod(0o644)
        key.write_bytes(own.key_pem())
        for mode, expected in (
            (0o600, []),
            (0o604, [f"every user can read the key in {key}: chmod o-r {key}"]),
        ):
            key.chmod(mode)
            with capturedLogs() as logged:
                Certificate(self.path, key)
            self.assertEqual([formatEvent(event) for event in logged], expected)

    def test_all_files_are_read_again_or_none(self) -> None:
        """A renewal that has replaced one of two files so far takes nothing away."""
        key, own = Path(self.mktemp()), issue("second")
        key.write_bytes(issue("other").key_pem())
        key.chmod(0o600)
        with self.assertRaises(ConfigError):
            Certificate(self.path, key)
        self.path.write_bytes(own.pem())
        key.write_bytes(own.key_pem())
        self.certificate = Certificate(self.path, key)
        third = issue("third")
        self.path.write_bytes(third.pem())
        with self.assertRaises(ConfigError) as caught:
            self.certificate.reload()
        sentence = f"the key in {key} does not belong to the certificate in {self.path}"
        self.assertEqual(str(caught.exception), sentence)
        self.assertEqual(self.name(), "CN=second")
        key.write_bytes(third.key_pem())
        self.certificate.reload()
        self.assertEqual(self.name(), "CN=third")

    def test_a_key_that_everyone_can_read(self) -> None:
        """The log says so, at the start and whenever it is read again; a group may read it."""
        for mode, warnings in ((0o600, 0), (0o640, 0), (0o644, 1)):
            self.write(issue("open"), mode)
            for use in (lambda: Certificate(self.path), self.certificate.reload):
                with capturedLogs() as logged:
                    use()
                warned = [event for event in logged if event["log_level"] is LogLevel.warn]
                self.assertEqual(len(warned), warnings, oct(mode))
