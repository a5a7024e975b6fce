"""HTTP request classes that ignore the body, and a site without an access log."""

from __future__ import annotations

from typing import Final

from twisted.web import http
from twisted.web.server import Request, Site

MAX_BODY_BYTES: Final = 64 * 1024
"""Bytes of a request's body after which the connection is closed. No page needs a body."""


class BodylessRequest(Request):
    """An HTTP request whose body is ignored. (Twisted's own would store it, in a file if it is long.)

    The connection ends with the answer to a request that has a body or, unless ``keeps_connection``, to any.
    """

    keeps_connection = False
    _ignored_bytes = 0

    def gotLength(self, length: int | None) -> None:
        """Prepare for an empty body, whatever the client has announced."""
        if length != 0 or not self.keeps_connection:
            self.channel.persistent = False
            self.setHeader(b"connection", b"close")
        super().gotLength(0)

    def handleContentChunk(self, data: bytes) -> None:
        """Ignore a part of the body. Close the connection if there is too much."""
        self._ignored_bytes += len(data)
        if self._ignored_bytes > MAX_BODY_BYTES:
            self.channel.loseConnection()


class KeepAliveRequest(BodylessRequest):
    """A request for a page, after which the connection can be used again."""

    keeps_connection = True

    def end_pipelining(self) -> None:
        """End the connection with the answer to this request if the client has sent more before the answer.

        No browser does that. Twisted would store it: up to a read (64 KiB) more with each answer.
        """
        if any(self.channel._dataBuffer):
            self.channel.persistent = False
            self.setHeader(b"connection", b"close")


class SilentSite(Site):
    """A site that does not write a line to the daemon's log for each request."""

    def log(self, request: http.Request) -> None:
        """Log nothing."""
