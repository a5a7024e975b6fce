"""One TCP or TLS connection of the client that carries JSON values.

The module also defines the interfaces of a session and of the observer that a session delivers to.
"""

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
from chatd.client.pending import ConnectionLost, PendingRequest
from chatd.client.tls import TLS_ALERT_PREFIX, tls_failure_reason
from chatd.json_wire import objects
from chatd.json_wire.scanner import JsonScanner

MAX_VALUE_BYTES: Final = 1024 * 1024
"""The maximum size in bytes of a JSON value from the server.

chatd sends at most 256 KiB in one value; the rest is a margin for other servers.
"""

READ_BYTES: Final = 256 * 1024
"""The most bytes that one read from the socket returns."""

CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""The time limit for making a connection, and then again for receiving the welcome."""

CLOSE_TIMEOUT_SECONDS: Final = 1.0
"""The time limit for sending what is left and for the end of TLS, when a connection is closed."""


class Address(msgspec.Struct, frozen=True):
    """The host and port of a server, and the TLS context to connect with, None for no TLS."""

    host: str
    port: int
    tls_context: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ConnectionObserver(Protocol):
    """The part of the client that receives what the server sends, such as the screen or the line mode.

    ``shows_typing`` says whether it is to be told who types.
    """

    shows_typing: bool

    def typing_received(self, typing: objects.Typing) -> None:
        """Handle that another user types, or does so no longer. It is not called unless ``shows_typing``."""

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Handle a login that the server accepted: the first one, or one after a lost connection."""

    def disconnected(self, why: str) -> None:
        """Handle the loss of the connection, or a failed attempt to connect again, for the reason ``why``.

        The client is about to connect again.
        """

    def news_received(self, news: codec.News) -> None:
        """Handle a message, a group or presence event, an announcement of a server operator, or a notice.

        Log entries arrive once and in order, the user's own messages included. The messages that a returning
        user missed arrive in `login_backlog_received` instead, unless the client resumes at a cursor.
        """

    def login_backlog_received(self, backlog: codec.LoginBacklog) -> None:
        """Handle what the daemon sends after the login of a returning user.

        ``backlog`` is a page of one conversation, or a list of the other conversations.
        """

    def read_mark_moved(self, mark: objects.ReadMark) -> None:
        """Handle a read mark of the user that another session of the user has moved."""


class ClientSession(Protocol):
    """The client's side of one connection from the welcome to its end, with chatd or another server."""

    resets_backoff: bool
    """Whether the connection was stable, so that the delay before the next reconnection starts again at
    `chatd.client.reconnecting_client.RETRY_START_SECONDS`.
    """

    ended_for_good: bool
    """Whether the server ended the session on purpose, so that the client must not connect again."""

    close_reason: str
    """The reason that the server gave for closing the connection; empty if it gave none."""

    async def run(self, welcome: objects.Welcome) -> None:
        """Begin the session that ``welcome`` opened, and handle what the server sends until the connection
        ends.

        First send the waiting requests; those that the server may have carried out already, and must not
        carry out twice, fail with `ConnectionLost`. Raises `OSError` if the connection fails, and
        `ConnectionLost` if the server does not speak JSON.
        """

    def send(self, request: PendingRequest) -> None:
        """Send ``request`` to the server, or queue it behind earlier requests."""

    @property
    def send_queue_seconds(self) -> float:
        """The time in seconds that sending the queued requests will take."""


class Connection:
    """A connection to a server, over TCP or TLS. It cuts the received bytes into JSON values.

    A read may last ``idle_seconds`` (None: without limit). If nothing arrives in that time and ``probe`` is
    set, the connection writes the probe, a request that a live server answers, and waits as long once more.
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
    async def open(cls, address: Address, idle_seconds: float) -> Connection:
        """Connect to ``address`` and return the connection, whose reads may last ``idle_seconds``.

        Raises `OSError`, and `UnicodeError` for a malformed host name.
        """
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=address.tls_context
            )
        return cls(reader, writer, address, idle_seconds)

    async def close(self) -> None:
        """Send what is left to send, end TLS, and close the socket, within `CLOSE_TIMEOUT_SECONDS`."""
        self.writer.close()
        try:
            with contextlib.suppress(OSError):  # a timeout is one
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    await self.writer.wait_closed()
        finally:
            self.writer.transport.abort()

    async def read_value(self) -> bytes | None:
        """Return the next JSON value from the server, or None at the end of the stream. Skip broken values.

        Raises `OSError` if the connection fails, `TimeoutError` if the server is silent for too long, and
        `ConnectionLost` if it expects TLS or if a value is too long or too deep to be read, as when the
        server does not speak JSON.
        """
        while True:
            value = self._values.next_value()
            if value is None:
                self.peer_sends_newlines = self.peer_sends_newlines or self._values.newline_seen
                data = await self._read()
                if not data:
                    return None
                if data.startswith(TLS_ALERT_PREFIX):
                    raise ConnectionLost(
                        _("{address} takes encrypted connections only: connect with --tls").format(
                            address=self._address
                        )
                    )
                self._values.feed(data)
            elif isinstance(value, bytes):
                self.peer_sends_newlines = self.peer_sends_newlines or self._values.newline_seen
                return value
            elif value.framing_lost:
                raise ConnectionLost(
                    _("{address} does not speak JSON: it is no chat").format(address=self._address)
                )

    async def _read(self) -> bytes:
        if self.probe is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.idle_seconds):
                    return await self._reader.read(READ_BYTES)
            self.writer.write(self.probe)
        async with asyncio.timeout(self.idle_seconds):
            return await self._reader.read(READ_BYTES)


def failure_reason(error: OSError | UnicodeError) -> str:
    """Return why a connection failed, in the user's language."""
    if isinstance(error, UnicodeError):
        return _("that is no host's name")
    if isinstance(error, ssl.SSLError):
        return tls_failure_reason(error) or (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return translated_os_error(error)
    if error.errno and error.errno > 0:
        return _(os.strerror(error.errno))
    return str(error) or _("it takes too long")
