"""The certificate for TLS: what is read, and what is said about one that can't be."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.daemon.certificates import read
from chatd.daemon.config import ConfigError
from tests.support.certificates import issue


class ReadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def refuses(self, pem: bytes) -> str:
        """The sentence that refuses a file of these contents."""
        self.path.write_bytes(pem)
        with self.assertRaises(ConfigError) as caught:
            read(self.path)
        return str(caught.exception)

    def test_key_and_chain_may_stand_in_any_order(self) -> None:
        """Only the chain itself has one: the daemon's own certificate comes first."""
        root = issue("root", authority=True)
        own = issue("localhost", root)
        for pem in (
            own.key_pem() + own.pem() + root.pem(),
            own.pem() + own.key_pem() + root.pem(),
            b"as it was mailed:\r\n" + (own.pem() + root.pem() + own.key_pem()).replace(b"\n", b"\r\n"),
        ):
            self.path.write_bytes(pem)
            options = read(self.path)
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
            own.pem() + other.key_pem(),
            own.pem()[:-100] + own.key_pem(),
            own.pem().replace(b"M", b"N") + own.key_pem(),
            own.pem() + own.key_pem(b"nobody is there to be asked for this"),
        ):
            self.assertEqual(self.refuses(pem), sentence)

    def test_what_cannot_be_read_is_refused(self) -> None:
        with self.assertRaises(ConfigError) as missing:
            read(self.path)
        self.assertEqual(
            str(missing.exception), f"can't read the certificate {self.path}: No such file or directory"
        )
        self.path.mkdir()
        with self.assertRaises(ConfigError) as folder:
            read(self.path)
        self.assertEqual(str(folder.exception), f"can't read the certificate {self.path}: Is a directory")
