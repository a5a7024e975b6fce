"""The certificate of the daemon, for TLS that a client begins on a port of several wires."""

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
"""Authenticated and forward secret; TLS 1.3 has no others. Twisted's default allows RSA key exchange."""


@implementer(IOpenSSLContextFactory)
class Certificate:
    """The certificate in the PEM file at ``path``: `reload` reads it anew, for the handshakes that follow.

    Raises `ConfigError` if the file can't be used.
    """

    _log = Logger()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._options = read(path)
        self._warn_if_exposed()

    def getContext(self) -> Context:
        """The context for a handshake."""
        return self._options.getContext()

    def reload(self) -> None:
        """Read the file again. If it can't be used, the log says why, and the certificate stays."""
        try:
            self._options = read(self._path)
        except ConfigError as error:
            self._log.warn("{why}: the present certificate stays", why=str(error))
            return
        self._log.info("the certificate was read again from {path}", path=str(self._path))
        self._warn_if_exposed()

    def _warn_if_exposed(self) -> None:
        with contextlib.suppress(OSError):  # the file was there a moment ago
            if self._path.stat().st_mode & stat.S_IROTH:
                self._log.warn(
                    "every user can read the key in {path}: chmod o-r {path}", path=str(self._path)
                )


def read(path: Path) -> CertificateOptions:
    """What the PEM file at ``path`` holds: a certificate, then its chain, and somewhere its key.

    Raises `ConfigError`.
    """
    try:
        pem = path.read_bytes()
        own, *chain = load_pem_x509_certificates(pem)
        key = load_pem_private_key(pem, None)
        # Twisted names pyOpenSSL's kind of certificate here, which pyOpenSSL itself wants no more.
        options = CertificateOptions(
            key,  # type: ignore[arg-type]
            own,  # type: ignore[arg-type]
            extraCertChain=chain,  # type: ignore[arg-type]
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableCiphers=CIPHERS,
        )
        options.getContext()  # which finds out whether the key is the certificate's
    except OSError as error:
        raise ConfigError(f"can't read the certificate {path}: {error.strerror}") from None
    except (ValueError, TypeError, Mismatch):  # a TypeError is a key with a passphrase
        raise ConfigError(f"{path} holds no certificate with its chain and its key in PEM") from None
    return options
