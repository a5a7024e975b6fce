"""The TLS layer of a connection: whether its handshake is complete, and whose certificate the client has."""

from __future__ import annotations

from cryptography.x509.oid import NameOID
from OpenSSL.SSL import Connection, Error


class TlsLayer:
    """The TLS layer of a connection, started by the daemon. ``connection`` is OpenSSL's object for it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def is_established(self) -> bool:
        """Whether the handshake is complete."""
        return self._connection.get_peer_finished() is not None

    @property
    def client_certificate_name(self) -> str:
        """The common name in the subject of the client's certificate, as the CA has written it.

        It is empty if the client has shown no certificate, or one whose subject has not exactly one common
        name, or before the handshake is complete. OpenSSL has verified the certificate: a handshake with an
        invalid one fails.
        """
        if not self.is_established:
            return ""
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return ""
        try:
            names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:  # the CA has signed what is no valid name
            return ""
        return str(names[0].value) if len(names) == 1 else ""


def tls_failure_reason(error: Error) -> str:
    """Return why a handshake failed, in OpenSSL's words."""
    reasons = error.args[0] if error.args else ()
    return str(reasons[-1][-1]) if reasons else "the connection ended"
