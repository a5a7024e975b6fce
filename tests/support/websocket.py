"""The client's side of a WebSocket, as bytes: the opening handshake, masked frames, what the server sends."""

from __future__ import annotations

import json
from itertools import cycle
from operator import xor
from typing import Any, Final

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key in the example of RFC 6455, section 1.3."""


def handshake(subprotocol: str = "", path: str = "/ws", host: str = "localhost", **headers: str) -> bytes:
    """The request that opens a WebSocket; underscores in the names of ``headers`` stand for hyphens."""
    fields = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        **({"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode()


MASK: Final = b"\x37\xfa\x21\x3d"
"""The mask in the examples of RFC 6455, section 5.7."""


def frame(data: bytes | str, opcode: int = Opcode.TEXT, fin: bool = True) -> bytes:
    """One masked frame, valid or not; text is encoded."""
    payload = data.encode() if isinstance(data, str) else data
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 0x10000:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = bytes(map(xor, payload, cycle(MASK)))
    return bytes([fin << 7 | opcode]) + length + MASK + masked


def json_frame(**request: Any) -> bytes:
    """A JSON object in one text frame; ``from`` may be spelt ``from_``."""
    return frame(json.dumps({key.rstrip("_"): value for key, value in request.items()}))


class FrameReader:
    """Cuts what a server sends into frames."""

    def __init__(self) -> None:
        self._parser = Protocol(Side.CLIENT, max_size=None)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with ``data``. Raises the parser's exception."""
        self._parser.receive_data(data)
        if self._parser.parser_exc is not None:
            raise self._parser.parser_exc
        return [event for event in self._parser.events_received() if isinstance(event, Frame)]


def shown(heard: Frame) -> str:
    """A frame as conversations write it: the text, or ``(close 1001 shutting_down)``, ``(pong data)``."""
    if heard.opcode is Opcode.TEXT:
        return bytes(heard.data).decode()
    if heard.opcode is Opcode.CLOSE:
        close = Close.parse(heard.data)
        return f"(close {close.code} {close.reason})".replace(" )", ")")
    data = bytes(heard.data).decode(errors="backslashreplace")
    return f"({heard.opcode.name.lower()} {data})".replace(" )", ")")


def messages(data: bytes) -> list[str]:
    """All frames in ``data``, shown."""
    return [shown(one) for one in FrameReader().feed(data)]
