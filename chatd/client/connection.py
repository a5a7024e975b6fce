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
    """The address of a server: host, port, and the TLS context for the connection (None for no TLS)."""

    host: str
    port: int
    tls_context: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ConnectionObserver(Protocol):
    """The interface of an object that handles what the server sends, such as the screen or the line mode.

    If ``shows_typing`` is true, the client asks the server for notices of users who are typing.
    """

    shows_typing: bool

    def typing_received(self, typing: objects.Typing) -> None:
        """Handle a notice that another user is typing or has stopped typing.

        The client calls this method only if ``shows_typing`` is true.
        """

    def logged_in(self, welcome: objects.Welcome) -> None:
        """Handle a login that the server accepted: the first one, or one after a lost connection."""

    def disconnected(self, why: str) -> None:
        """Handle a lost connection, or a failed attempt to reconnect. ``why`` is the reason, for the user.

        The client is about to connect again.
        """

    def news_received(self, news: codec.News) -> None:
        """Handle a message, a group or presence event, an announcement of a server operator, or a notice.

        Each log entry is passed once and in the order of the log, the user's own messages included. Messages
        that the user missed before the login are passed to `login_backlog_received` instead, unless the
        client resumes at a cursor.
        """

    def login_backlog_received(self, backlog: codec.LoginBacklog) -> None:
        """Handle ``backlog``, which the daemon sends after the login of a user who was here before.

        ``backlog`` is a page of messages of one conversation, or a list of further conversations.
        """

    def read_mark_moved(self, mark: objects.ReadMark) -> None:
        """Handle the new read mark of a conversation, which another session of the same user has moved."""


class ClientSession(Protocol):
    """The interface of the client's side of one connection, from the server's welcome to its end.

    There is one implementation for chatd and one for course-work servers.
    """

    resets_backoff: bool
    """Whether the connection was stable, so that the delay before the next reconnection starts again at
    `chatd.client.reconnecting_client.RETRY_START_SECONDS`.
    """

    ended_for_good: bool
    """Whether the server ended the session on purpose, so that the client must not connect again."""

    close_reason: str
    """The reason that the server gave for closing the connection; empty if it gave none."""

    async def run(self, welcome: objects.Welcome) -> None:
        """Start the session that ``welcome`` opened, and handle what the server sends until the connection
        ends.

        Waiting requests are sent first. A request that the server may have carried out already, and must not
        carry out twice, fails with `ConnectionLost`. Raises `OSError` if the connection fails, and
        `ConnectionLost` if the server does not speak JSON.
        """

    def send(self, request: PendingRequest) -> None:
        """Send ``request`` to the server, or queue it if earlier requests still wait to be sent."""

    @property
    def seconds_to_send_queue(self) -> float:
        """The time in seconds until all queued requests will have been sent."""


class Connection:
    """A connection to a server, over TCP or TLS, that cuts the received bytes into JSON values.

    If nothing arrives for ``idle_seconds`` (None for no limit), reading fails. If ``probe`` is set, the
    connection first writes the probe, a request that a live server answers, and waits once more for the same
    time.
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
        """Connect to ``address`` and return the connection.

        Reading fails if nothing arrives for ``idle_seconds``. Raises `OSError`, and `UnicodeError` for a
        malformed host name.
        """
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=address.tls_context
            )
        return cls(reader, writer, address, idle_seconds)

    async def close(self) -> None:
        """Write the remaining output, shut down TLS, and close the socket, within `CLOSE_TIMEOUT_SECONDS`."""
        self.writer.close()
        try:
            with contextlib.suppress(OSError):  # a timeout is one
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    await self.writer.wait_closed()
        finally:
            self.writer.transport.abort()

    async def read_value(self) -> bytes | None:
        """Return the next JSON value from the server, or None at the end of the stream.

        Skip malformed values.

        Raises `OSError` if the connection fails, and `TimeoutError` if the server is silent for too long.
        Raises `ConnectionLost` if the server expects TLS, or if a value is too long or too deeply nested, as
        when the server does not speak JSON.
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
