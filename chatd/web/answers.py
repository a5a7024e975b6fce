"""The headers of all HTTP answers, and the refusals of requests that the site does not get."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from twisted.web.http import datetimeToString

CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
    b"; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may load files of its own origin and talk to it, and nothing else: no inline script, no frame."""

PLAIN_TEXT_CONTENT_TYPE: Final = b"text/plain; charset=utf-8"

SECURITY_HEADERS: Final = {
    b"Content-Security-Policy": CONTENT_SECURITY_POLICY,
    b"X-Content-Type-Options": b"nosniff",
    b"Referrer-Policy": b"no-referrer",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Cache-Control": b"no-cache",
    b"Server": b"chatd",
}
"""The headers of every answer."""


class HttpRefusal(msgspec.Struct, frozen=True):
    """An HTTP answer with an error text, after which the connection is closed.

    ``headers`` are sent besides `SECURITY_HEADERS`.
    """

    status: HTTPStatus
    body: bytes
    headers: Mapping[bytes, bytes] = {}

    def serialize(self, with_body: bool = True) -> bytes:
        """Return the bytes of the answer.

        If ``with_body`` is false, the answer has only a head, as for a HEAD request.
        """
        headers = {
            **SECURITY_HEADERS,
            b"Date": datetimeToString(),
            b"Content-Type": PLAIN_TEXT_CONTENT_TYPE,
            b"Content-Length": b"%d" % len(self.body),
            b"Connection": b"close",
            **self.headers,
        }
        first = b"HTTP/1.1 %d %s" % (self.status, self.status.phrase.encode())
        return b"\r\n".join([first, *map(b": ".join, headers.items()), b"", self.body if with_body else b""])
