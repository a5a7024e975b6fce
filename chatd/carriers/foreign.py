"""The protocols that clients may speak to a port by mistake or by malice: TLS and HTTP. chatd refuses
them where the port does not serve them.

HTTP and TLS have to be recognised on every wire: a web page can make a browser speak them to any port, and
can choose the bytes after the opening (the headers and body of a request, the session ticket in the TLS
ClientHello). Without the refusal, chatd would obey these bytes line by line.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from chatd.core.language import N_
from chatd.core.wires import OpeningBytes


class ForeignProtocol(msgspec.Struct, frozen=True):
    """A protocol that chatd does not speak, and that is recognised by its first bytes and refused.

    ``name`` is its name in the log. ``openings`` are the first bytes of its clients. ``why`` is the reason
    that a refused client is sent. ``is_tls`` marks TLS, which is spoken instead of refused if the daemon has
    a certificate.
    """

    name: str
    openings: tuple[OpeningBytes, ...]
    why: str
    is_tls: bool = False


def _openings(*starts: bytes) -> tuple[OpeningBytes, ...]:
    return tuple(map(OpeningBytes, starts))


TLS: Final = ForeignProtocol(
    "TLS", _openings(b"\x16\x03"), N_("TLS is not supported on this port: connect without TLS"), is_tls=True
)
HTTP: Final = ForeignProtocol(
    "HTTP",
    _openings(b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"PRI "),
    N_("HTTP is not supported: connect with a chat client"),
)

TLS_FIRST_BYTE: Final = b"\x16"
"""The first byte of a TLS connection (RFC 8446, section 5.1). No client of a chatd wire begins with it."""

_PARTS: Final = (
    re.compile(rb"[ \t\r\n]*+"),  # RFC 9112, section 2.2, lets a server pass over empty lines
    re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]*+"),  # any token is a method, and `fetch` takes any
    re.compile(rb"[ \t]*+"),
    re.compile(rb"[^ \t\r\n]*+"),
    re.compile(rb"[ \t]*+"),
)
"""The parts of a request line before the HTTP version, in order. Parts at odd indexes are words; white space
ends them.
"""

_VERSION: Final = b"HTTP/"

_VALUE: Final = b'{"'
"""Characters that begin a JSON value and cannot begin a request target."""


class HttpRequestLineDetector:
    """An incremental detector of an HTTP request line (``method SP target SP HTTP/``, RFC 9112) at the start
    of a stream.

    The stream can be fed in pieces of any size; each byte is examined once. ``bytes_read`` is the number of
    bytes examined after the leading white space.
    """

    def __init__(self) -> None:
        self.bytes_read = 0
        self._part = 0
        self._version = b""

    def feed(self, data: bytes) -> bool | None:
        """Examine the next bytes of the stream, and return whether the stream begins with an HTTP request
        line.

        Return None if more bytes are needed.
        """
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
