"""Writing to a plain TCP socket at once.

Twisted's own way is to queue the bytes and ask the reactor to say when the socket takes some, which it
nearly always does at once: three system calls for one. Here the socket is tried first, and what it does
not take goes Twisted's way. This needs to know whether the transport has bytes queued already, which is
its private business (Twisted 26.10); `tests/connections/test_socket_write.py` notices when that changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.tcp import Server


def writer_to(transport: Any) -> Callable[[bytes], None]:
    """A function that writes to ``transport``: to its socket at once if it is plain TCP, else its own way."""
    # Other transports (TLS, Unix sockets) write in other ways, and some are subclasses of this one.
    return partial(_write, transport) if type(transport) is Server else transport.write


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
    """Whether the transport has nothing queued and is not closing."""
    return (
        transport.connected
        and not transport.disconnecting
        and not transport._aborting
        and not transport.TLS
        and not transport._writeDisconnected
        and not transport._tempDataBuffer
        and transport.offset == len(transport.dataBuffer)
    )
