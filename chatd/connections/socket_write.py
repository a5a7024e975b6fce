"""Writes to a plain TCP socket at once, without waiting for the reactor.

Twisted's transport takes three system calls for a write, because it queues the bytes and waits for the
reactor to report the socket writable. A direct send takes one, and nearly always succeeds. This module tries
the socket first and gives the bytes that the socket did not take to the transport. To know whether the
transport has bytes queued already, it reads private attributes of the transport (Twisted 26.10).
`tests/connections/test_socket_write.py` fails when those change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.tcp import Server


def socket_writer(transport: Any) -> Callable[[bytes], None]:
    """Return a function that writes bytes to ``transport``, directly to its socket if it is plain TCP."""
    # Other transports (TLS, Unix sockets) write in other ways, and some are subclasses of this one.
    return partial(_write, transport) if type(transport) is Server else transport.write


def socket_sender(transport: Any) -> Callable[[bytes], int]:
    """Return the ``send`` method of the socket of ``transport`` if it is plain TCP.

    The function returns the number of bytes sent, and may raise `OSError`. For other transports, return a
    function that sends nothing and returns 0. Call the function only while `may_send_to_socket` is true, and
    write the bytes that were not sent with `socket_writer`.
    """
    send: Callable[[bytes], int] = transport.socket.send if type(transport) is Server else _send_nothing
    return send


def may_send_to_socket(transport: Any) -> bool:
    """Return whether the function that `socket_sender` has returned for ``transport`` may be called now.

    It may not be called while the transport is closing, or has queued bytes, which the sent bytes would
    overtake.
    """
    return type(transport) is not Server or _is_idle(transport)


def half_close(transport: Any) -> None:
    """Half-close the connection: tell the peer that no more data follow. ``transport`` still reads.

    With TLS, and on transports that are not sockets, do nothing, because they can't close one direction
    alone.
    """
    if isinstance(transport, Server) and not transport.TLS:
        transport.loseWriteConnection()


def _send_nothing(data: bytes) -> int:
    return 0


def _write(transport: Any, data: bytes) -> None:
    if _is_idle(transport):
        try:
            sent = transport.socket.send(data)
        except OSError:
            sent = 0  # the socket is full or gone: the transport handles both
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


def _is_idle(transport: Any) -> bool:
    """Return whether the transport has no bytes queued and is not closing."""
    return (
        transport.connected
        and not transport.disconnecting
        and not transport._aborting
        and not transport.TLS
        and not transport._writeDisconnected
        and not transport._tempDataBuffer
        and transport.offset == len(transport.dataBuffer)
    )
