"""Certificates to try TLS with, made where they are needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)


class Issued(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: bytes = b"") -> bytes:
        """The key alone, encrypted when there is a passphrase."""
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def issue(
    *names: str,
    issuer: Issued | None = None,
    authority: bool = False,
    days: tuple[int, int] = (-1, 1),
    usage: x509.ObjectIdentifier | None = None,
) -> Issued:
    """A certificate for ``names``, signed by ``issuer``, or by itself; an ``authority`` may sign others.

    It is valid between these ``days`` from now, and for this ``usage`` alone if one is given.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in names])
    now = datetime.now(UTC)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, map(_ascii, names))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if usage is not None:
        unsigned = unsigned.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Issued(unsigned.sign(issuer.key if issuer else key, SHA256()), key)


def _ascii(name: str) -> str:
    """``name``, if a host may have it."""
    return name if name.isascii() else "x"


def self_signed(name: str) -> bytes:
    """A key and its own certificate for ``name``, as PEM."""
    own = issue(name)
    return own.key_pem() + own.pem()
