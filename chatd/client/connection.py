"""One TCP or TLS connection that carries JSON values, and what both kinds of session share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Final, Protocol

import msgspec

from chatd.client import codec
from chatd.client.language import _, translated_os_error
from chatd.client.pending import Lost, Request
from chatd.json_wire import objects
from chatd.json_wire.values import JsonScanner

MAX_VALUE_BYTES: Final = 1024 * 1024
"""The largest JSON value that the client reads; the daemon's are at most a quarter of that."""

READ_BYTES: Final = 256 * 1024
"""The most that one read takes."""

CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""The time limit for making a connection, and for the welcome."""


class Address(msgspec.Struct, frozen=True):
    """The daemon's host and port, and the TLS context to connect with, if any."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Listener(Protocol):
    """The user of a link: receives what the daemon sends."""

    def connected(self, welcome: objects.Welcome) -> None:
        """The daemon accepted the login, for the first time or again."""

    def disconnected(self, why: str) -> None:
        """The connection is gone; the link is trying a new one."""

    def heard(self, news: codec.News) -> None:
        """A new entry of the log: each entry once, in order, the user's own messages included."""

    def caught_up(self, page: codec.Welcoming) -> None:
        """Earlier messages, sent after the login: a page of one conversation, or the list of the others."""


class Session(Protocol):
    """One connection from the welcome to its end. There is a kind for chatd and one for other servers."""

    resets_backoff: bool
    """Whether the connection held long enough for the next retry to start with the shortest pause."""

    close_reason: str
    """The daemon's own reason for closing the connection; empty without one."""

    async def run(self, welcome: objects.Welcome) -> None:
        """Read until the connection ends. Raises `OSError` and `Lost`."""

    def send(self, request: Request) -> None:
        """Send a request, or queue it behind the earlier ones."""

    @property
    def backlog_seconds(self) -> float:
        """How long the queued requests take to send."""


class Connection:
    """Cuts the bytes of one connection into JSON values, and detects a silent peer.

    A read may last ``idle_seconds`` (None: without limit). When nothing came in that time and there is a
    ``probe``, the probe is written and the read gets the same time once more.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: Address, idle: float
    ) -> None:
        self.writer = writer
        self.idle_seconds: float | None = idle
        self.probe: bytes | None = None
        self.peer_sends_newlines = False
        self._reader = reader
        self._address = address
        self._values = JsonScanner(MAX_VALUE_BYTES)

    @classmethod
    async def open(cls, address: Address, idle: float) -> Connection:
        """Connect. Raises `OSError`, and `UnicodeError` for a malformed host name."""
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls)
        return cls(reader, writer, address, idle)

    async def read_value(self) -> bytes | None:
        """The next JSON value, None at the end of the stream.

        Raises `OSError`, `TimeoutError` when the peer is silent, and `Lost` when it does not speak JSON.
        """
        while True:
            value = self._values.cut()
            if value is None:
                self.peer_sends_newlines = self.peer_sends_newlines or self._values.ended_line
                data = await self._read()
                if not data:
                    return None
                self._values.feed(data)
            elif isinstance(value, bytes):
                self.peer_sends_newlines = self.peer_sends_newlines or self._values.ended_line
                return value
            elif value.lost:
                raise Lost(_("{address} does not speak JSON: it is no chat").format(address=self._address))

    async def _read(self) -> bytes:
        if self.probe is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.idle_seconds):
                    return await self._reader.read(READ_BYTES)
            self.writer.write(self.probe)
        async with asyncio.timeout(self.idle_seconds):
            return await self._reader.read(READ_BYTES)


def failure_reason(error: OSError | UnicodeError) -> str:
    """Why a connection failed, in the user's language."""
    if isinstance(error, UnicodeError):
        return _("that is no host's name")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return translated_os_error(error)
    if error.errno and error.errno > 0:
        return _(os.strerror(error.errno))
    return str(error) or _("it takes too long")
