"""The daemon's TLS certificate and its key, and the CA that signs the certificates of users."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.crypto import X509
from OpenSSL.SSL import NO_OVERLAPPING_PROTOCOLS, OP_NO_RENEGOTIATION, VERIFY_PEER, Context
from OpenSSL.SSL import Error as Mismatch
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.logger import Logger
from zope.interface import implementer

from chatd.daemon.config import ConfigError

TLS_CIPHERS: Final = AcceptableCiphers.fromOpenSSLCipherString("ECDHE+AESGCM:ECDHE+CHACHA20")
"""The accepted TLS ciphers. All are authenticated and forward secret, as all ciphers of TLS 1.3 are;
Twisted's default would also allow RSA key exchange.
"""


@implementer(IOpenSSLContextFactory)
class Certificate:
    """The daemon's TLS certificate, which can be read from its files again while the daemon runs.

    The PEM file ``path`` has the certificate and its chain. The private key is in the PEM file ``key``, or
    also in ``path`` if ``key`` is None. With ``client_ca``, a PEM file of CA certificates, a client may show
    a certificate that one of these CAs has signed. Raises `ConfigError` if a file can't be used.
    """

    _log = Logger()

    def __init__(self, path: Path, key: Path | None = None, client_ca: Path | None = None) -> None:
        self._path = path
        self._key = key or path
        self._client_ca = client_ca
        self._context = self._read()
        self._warn_if_exposed()

    def getContext(self) -> Context:
        """Return the OpenSSL context for a TLS handshake."""
        return self._context

    def reload(self) -> None:
        """Read all files again, for later handshakes.

        Raises `ConfigError` if one of them can't be used; then the certificate in use stays the same.
        """
        self._context = self._read()
        self._log.info("the certificate was read again from {path}", path=str(self._path))
        self._warn_if_exposed()

    def _read(self) -> Context:
        context = read_tls_options(self._path, self._key).getContext()
        # A certificate is verified in each handshake, and nothing that was verified can change afterwards:
        # Twisted's options allow no resumed sessions.
        context.set_options(OP_NO_RENEGOTIATION)
        # Twisted's own callback ends the handshake of a client that offers protocols by ALPN, as browsers do.
        # If none is chosen, they speak HTTP/1.1.
        context.set_alpn_select_callback(lambda connection, offered: NO_OVERLAPPING_PROTOCOLS)
        if self._client_ca is not None:
            trusted = context.get_cert_store()
            assert trusted is not None
            for authority in _read_authorities(self._client_ca):
                trusted.add_cert(authority)
            context.set_verify(VERIFY_PEER)  # a client without a certificate is served as well
        return context

    def _warn_if_exposed(self) -> None:
        with contextlib.suppress(OSError):  # the file was there a moment ago
            if self._key.stat().st_mode & stat.S_IROTH:
                self._log.warn("every user can read the key in {path}: chmod o-r {path}", path=str(self._key))


def read_tls_options(path: Path, key: Path) -> CertificateOptions:
    """Return Twisted's TLS options with the certificate, its chain and its private key.

    ``path`` is the PEM file with the certificate and the chain, and ``key`` the PEM file with the private
    key; both may be the same file. Raises `ConfigError` if a file can't be read or has no such PEM data, if
    the key has a passphrase, or if it does not belong to the certificate.
    """
    try:
        own, *chain = load_pem_x509_certificates(_read_file(path, "certificate"))
        private = load_pem_private_key(_read_file(key, "key"), None)
        # Twisted's annotations name pyOpenSSL's certificate type, which pyOpenSSL has deprecated.
        options = CertificateOptions(
            private,  # type: ignore[arg-type]
            own,  # type: ignore[arg-type]
            extraCertChain=chain,  # type: ignore[arg-type]
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableCiphers=TLS_CIPHERS,
        )
        options.getContext()  # raises if the key does not match the certificate
    except Mismatch:
        raise ConfigError(f"the key in {key} does not belong to the certificate in {path}") from None
    except (ValueError, TypeError):  # a TypeError is a key with a passphrase
        where = f"{path} holds" if key == path else f"{path} and {key} hold"
        raise ConfigError(f"{where} no certificate with its chain and its key in PEM") from None
    return options


def _read_authorities(path: Path) -> list[X509]:
    try:
        return list(map(X509.from_cryptography, load_pem_x509_certificates(_read_file(path, "client CA"))))
    except ValueError:
        raise ConfigError(f"{path} holds no CA certificates in PEM") from None


def _read_file(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"can't read the {what} {path}: {error.strerror}") from None
