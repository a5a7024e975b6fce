"""Why a TLS connection of the client failed, in sentences that say what to do."""

from __future__ import annotations

import ssl
from typing import Final

from chatd.client.language import _
from chatd.core.language import N_

EXPIRED_TEXT: Final = N_("its certificate has expired")
NOT_VALID_YET_TEXT: Final = N_("its certificate is not valid yet: check the clock of this machine")
NOT_TRUSTED_TEXT: Final = N_(
    "its certificate is self-signed or from an unknown authority: name a certificate to trust with --cafile"
)
WRONG_HOST_TEXT: Final = N_("its certificate is for another host: check the address")
NOT_TLS_TEXT: Final = N_("it does not speak TLS: connect without --tls, or to another port")
CLIENT_CERTIFICATE_REFUSED_TEXT: Final = N_("it refuses the certificate of --client-certificate ({why})")

TEXT_BY_VERIFY_CODE: Final = {
    9: NOT_VALID_YET_TEXT,
    10: EXPIRED_TEXT,
    18: NOT_TRUSTED_TEXT,
    19: NOT_TRUSTED_TEXT,
    20: NOT_TRUSTED_TEXT,
    21: NOT_TRUSTED_TEXT,
    62: WRONG_HOST_TEXT,
    64: WRONG_HOST_TEXT,
}
"""The sentence for OpenSSL's verification errors, by their number (``X509_V_ERR_…`` in x509_vfy.h)."""

NOT_TLS_OPENSSL_REASONS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE")
"""OpenSSL's reasons, as Python names them, for bytes from the server that are no TLS."""

TLS_ALERT_PREFIX: Final = b"\x15\x03"
"""The first bytes of a TLS alert (RFC 8446, section 5.1), with which a TLS server answers other protocols."""


def tls_failure_reason(error: ssl.SSLError) -> str | None:
    """Return why TLS can't work with this server, in the user's language.

    Return None if another attempt may succeed, as after a lost connection. The reason of a rare verification
    error is in the English of OpenSSL.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _(TEXT_BY_VERIFY_CODE.get(error.verify_code, error.verify_message))
    reason = error.reason or ""
    if reason in NOT_TLS_OPENSSL_REASONS:
        return _(NOT_TLS_TEXT)
    _before, alert, why = reason.partition("ALERT_")
    if alert and ("CERTIFICATE" in why or why == "UNKNOWN_CA"):
        return _(CLIENT_CERTIFICATE_REFUSED_TEXT).format(why=why.replace("_", " ").lower())
    return None
