"""Foreign protocols: those that a client may speak to a port of the daemon, and that no wire speaks.

HTTP and TLS have to be recognised on every wire: a web page can have a browser speak them to any port, and
chooses what follows the opening (headers and body of a request, the session ticket in the hello of TLS). A
wire would obey that line by line.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from chatd.core.language import N_
from chatd.core.wires import Opening


class ForeignProtocol(msgspec.Struct, frozen=True):
    """A protocol that is recognised and refused.

    ``name`` is what the log calls it. ``openings`` are what its clients begin with, where the first bytes
    decide. ``why`` is the reason that its clients are given. ``is_tls`` says that the daemon may speak it
    after all, if it has a certificate.
    """

    name: str
    openings: tuple[Opening, ...]
    why: str
    is_tls: bool = False


def _openings(*starts: bytes) -> tuple[Opening, ...]:
    return tuple(map(Opening, starts))


TLS: Final = ForeignProtocol(
    "TLS", _openings(b"\x16\x03"), N_("TLS is not supported on this port: connect without TLS"), is_tls=True
)
IRC: Final = ForeignProtocol(
    "IRC",
    _openings(b"NICK ", b"USER ", b"CAP ", b"PASS "),
    N_("IRC is not supported: connect with telnet and send IAM and a nick"),
)
HTTP: Final = ForeignProtocol(
    "HTTP",
    _openings(b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"PRI "),
    N_("HTTP is not supported: connect with a chat client"),
)

FOREIGN_PROTOCOLS: Final = (TLS, IRC, HTTP)
"""Every foreign protocol that is recognised by its first bytes."""

TLS_FIRST_BYTE: Final = b"\x16"
"""The first byte of TLS (RFC 8446, section 5.1); no client of any wire begins with it."""

_PARTS: Final = (
    re.compile(rb"[ \t\r\n]*+"),  # RFC 9112, section 2.2, lets a server pass over empty lines
    re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]*+"),  # any token is a method, and `fetch` takes any
    re.compile(rb"[ \t]*+"),
    re.compile(rb"[^ \t\r\n]*+"),
    re.compile(rb"[ \t]*+"),
)
"""The parts before the version, in order; those at odd places are words, and end at a blank."""

_VERSION: Final = b"HTTP/"

_VALUE: Final = b'{"'
"""What JSON begins with, and no request target does."""


class HttpRequestLineDetector:
    """Recognises a request line at the start of a stream, by ``method SP target SP HTTP/`` (RFC 9112).

    The stream is fed in pieces of any size; each byte is read once. ``bytes_read`` is the number of bytes
    read after the blanks at the start.
    """

    def __init__(self) -> None:
        self.bytes_read = 0
        self._part = 0
        self._version = b""

    def feed(self, data: bytes) -> bool | None:
        """Read ``data``; returns whether the stream begins with a request line, None while that is open."""
        at = 0
        while self._part < len(_PARTS):
            found = _PARTS[self._part].match(data, at)
            assert found, "it matches nothing at all, at worst"
            at = found.end()
            if self._part:
                self.bytes_read += at - found.start()
            if at == len(data):
                return None
            if self._part % 2 and data[at] not in b" \t":
                return False
            if self._part == 2 and data[at] in _VALUE:
                return False
            self._part += 1
        self._version += data[at : at + len(_VERSION) - len(self._version)]
        self.bytes_read += len(data) - at
        if not _VERSION.startswith(self._version.upper()):
            return False
        return True if len(self._version) == len(_VERSION) else None
