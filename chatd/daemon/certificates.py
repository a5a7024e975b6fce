"""The daemon's TLS certificate, for clients that begin with TLS on a port that serves several protocols."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.SSL import Context
from OpenSSL.SSL import Error as Mismatch
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.logger import Logger
from zope.interface import implementer

from chatd.daemon.config import ConfigError

CIPHERS: Final = AcceptableCiphers.fromOpenSSLCipherString("ECDHE+AESGCM:ECDHE+CHACHA20")
"""The accepted TLS ciphers. All are authenticated and forward secret, as all ciphers of TLS 1.3 are;
Twisted's default would also allow RSA key exchange.
"""


@implementer(IOpenSSLContextFactory)
class Certificate:
    """The TLS certificate in the PEM file at ``path``, with its chain and its private key. `reload` reads the
    file again.

    Raises `ConfigError` if the file can't be used.
    """

    _log = Logger()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._options = read_certificate(path)
        self._warn_if_exposed()

    def getContext(self) -> Context:
        """Return the OpenSSL context for a TLS handshake."""
        return self._options.getContext()

    def reload(self) -> None:
        """Read the PEM file again, for later handshakes. Raises `ConfigError` if the file can't be used; the
        present certificate stays then.
        """
        self._options = read_certificate(self._path)
        self._log.info("the certificate was read again from {path}", path=str(self._path))
        self._warn_if_exposed()

    def _warn_if_exposed(self) -> None:
        with contextlib.suppress(OSError):  # the file was there a moment ago
            if self._path.stat().st_mode & stat.S_IROTH:
                self._log.warn(
                    "every user can read the key in {path}: chmod o-r {path}", path=str(self._path)
                )


def read_certificate(path: Path) -> CertificateOptions:
    """Read the certificate, its chain and its private key from the PEM file at ``path``, and return them as
    Twisted's TLS options.

    Raises `ConfigError`.
    """
    try:
        pem = path.read_bytes()
        own, *chain = load_pem_x509_certificates(pem)
        key = load_pem_private_key(pem, None)
        # Twisted's annotations name pyOpenSSL's certificate type, which pyOpenSSL has deprecated.
        options = CertificateOptions(
            key,  # type: ignore[arg-type]
            own,  # type: ignore[arg-type]
            extraCertChain=chain,  # type: ignore[arg-type]
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableCiphers=CIPHERS,
        )
        options.getContext()  # raises if the key does not match the certificate
    except OSError as error:
        raise ConfigError(f"can't read the certificate {path}: {error.strerror}") from None
    except (ValueError, TypeError, Mismatch):  # a TypeError is a key with a passphrase
        raise ConfigError(f"{path} holds no certificate with its chain and its key in PEM") from None
    return options
