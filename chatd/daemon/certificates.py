"""The certificate that TLS is taken up with."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.SSL import Error as Mismatch
from twisted.internet.ssl import CertificateOptions

from chatd.daemon.config import ConfigError


def read(path: Path) -> CertificateOptions:
    """What the PEM file at ``path`` holds: a certificate, then its chain, and somewhere its key.

    Raises `ConfigError`.
    """
    try:
        pem = path.read_bytes()
        own, *chain = load_pem_x509_certificates(pem)
        key = load_pem_private_key(pem, None)
        # Twisted names pyOpenSSL's kind of certificate here, which pyOpenSSL itself wants no more.
        options = CertificateOptions(key, own, extraCertChain=chain)  # type: ignore[arg-type]
        options.getContext()  # which finds out whether the key is the certificate's
    except OSError as error:
        raise ConfigError(f"can't read the certificate {path}: {error.strerror}") from None
    except (ValueError, TypeError, Mismatch):  # a TypeError is a key with a passphrase
        raise ConfigError(f"{path} holds no certificate with its chain and its key in PEM") from None
    return options
