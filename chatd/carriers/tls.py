"""The TLS layer of a connection: whether its handshake is complete, and whose certificate the client has."""

from __future__ import annotations

from cryptography.x509.oid import NameOID
from OpenSSL.SSL import Connection, Error


class TlsLayer:
    """The server side of TLS on one connection. ``connection`` is the OpenSSL object of the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def is_established(self) -> bool:
        """Whether the handshake is complete."""
        return self._connection.get_peer_finished() is not None

    @property
    def client_certificate_name(self) -> str:
        """The common name in the subject of the client's certificate, exactly as the CA has written it.

        The name is empty before the handshake is complete, if the client has shown no certificate, and if the
        subject does not have exactly one common name. OpenSSL has verified the certificate: a handshake with
        an invalid certificate fails.
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
    """Return the reason of OpenSSL why a TLS handshake failed, in English."""
    reasons = error.args[0] if error.args else ()
    return str(reasons[-1][-1]) if reasons else "the connection ended"
