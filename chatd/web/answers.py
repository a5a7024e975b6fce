"""Answers to HTTP requests, and how they are written."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
    b"; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may load files of its own origin and talk to it, and nothing else: no inline script, no frame."""

SECURITY_HEADERS: Final = {
    b"content-security-policy": CONTENT_SECURITY_POLICY,
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-cache",
    b"server": b"chatd",
}
"""The headers of every answer."""


class HttpAnswer(msgspec.Struct, frozen=True):
    """An answer: its status, its body, and what its headers have besides `SECURITY_HEADERS`, in lower case.

    The body is plain text unless ``headers`` has another type.
    """

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[bytes, bytes] = {}

    def serialize(self, with_body: bool, is_last: bool) -> bytes:
        """Return the bytes of the answer.

        ``with_body`` is false for the answer to HEAD: the headers are the same, but no body follows.
        ``is_last`` says that the connection ends with the answer.
        """
        headers = {**SECURITY_HEADERS, b"date": email.utils.formatdate(usegmt=True).encode()}
        if self.status is not HTTPStatus.NOT_MODIFIED:
            headers[b"content-type"] = b"text/plain; charset=utf-8"
            headers[b"content-length"] = b"%d" % len(self.body)
        headers |= self.headers
        if is_last:
            headers[b"connection"] = b"close"
        first = b"HTTP/1.1 %d %s" % (self.status, self.status.phrase.encode())
        return b"\r\n".join([first, *map(b": ".join, headers.items()), b"", self.body if with_body else b""])
