"""The openings of protocols that no wire speaks, but that a web page can have a browser speak to any port.

The page chooses what follows them: the headers and the body of an HTTP request, or the session ticket in the
hello of TLS. A wire would obey that line by line.
"""

from __future__ import annotations

import re
from typing import Final

from chatd.core.language import N_

NO_HTTP: Final = N_("HTTP is not supported: connect with a chat client")
NO_TLS: Final = N_("TLS is not supported on this port: connect without TLS")
"""What whoever speaks HTTP or TLS is told."""

TLS: Final = b"\x16"
"""The first byte of TLS (RFC 8446, section 5.1); no client of any wire begins with it."""

_PARTS: Final = (
    re.compile(rb"[ \t\r\n]*+"),  # RFC 9112, section 2.2, lets a server pass over empty lines
    re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]*+"),  # any token is a method, and `fetch` takes any
    re.compile(rb"[ \t]*+"),
    re.compile(rb"[^ \t\r\n]*+"),
    re.compile(rb"[ \t]*+"),
)
"""What stands before the version, in order; the odd ones are words, and end at a blank."""

_VERSION: Final = b"HTTP/"

_VALUE: Final = b'{"'
"""With these JSON begins, and no request target."""


class RequestLine:
    """Recognises the request line at the start of a stream, by ``method SP target SP HTTP/`` (RFC 9112).

    It is fed the stream in pieces of any size and reads every byte once. ``size`` is how many it has read
    behind the blanks at the start.
    """

    def __init__(self) -> None:
        self.size = 0
        self._part = 0
        self._version = b""

    def feed(self, data: bytes) -> bool | None:
        """Whether it is one; None while it may be."""
        at = 0
        while self._part < len(_PARTS):
            found = _PARTS[self._part].match(data, at)
            assert found, "it matches nothing at all, at worst"
            at = found.end()
            if self._part:
                self.size += at - found.start()
            if at == len(data):
                return None
            if self._part % 2 and data[at] not in b" \t":
                return False
            if self._part == 2 and data[at] in _VALUE:
                return False
            self._part += 1
        self._version += data[at : at + len(_VERSION) - len(self._version)]
        self.size += len(data) - at
        if not _VERSION.startswith(self._version.upper()):
            return False
        return True if len(self._version) == len(_VERSION) else None
