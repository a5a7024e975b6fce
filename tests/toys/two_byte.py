"""A toy: a carrier in one file, as it would stand in chatd/carriers/, with two wires that travel by it.

A message is its length in two bytes, big-endian, then the payload: the shape of message-oriented transports
(WebSocket, SSH).
"""

from __future__ import annotations

from typing import Final

from chatd.boundaries import Dialect, FrameWrapper
from chatd.carriers.carrier import SessionCarrier
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.core.refusals import Refusal
from chatd.core.wires import Wire
from chatd.dialects.json import JsonDialect
from chatd.dialects.text import TextDialect


def wrap_sized(payload: bytes) -> bytes:
    """``payload`` behind its length."""
    return len(payload).to_bytes(2) + payload


class TwoByteLengths(SessionCarrier):
    """Cuts messages by their lengths; an empty one says nothing."""

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        super().__init__(sessions, dialect, detector)
        self._limit = sessions.limits.line
        self._buffer = bytearray()

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """The same for every dialect."""
        return wrap_sized

    def buffer(self, data: bytes) -> None:
        """Append ``data`` to the buffer."""
        self._buffer += data

    def dispatch_next_frame(self) -> bool:
        """Cut one message, once the client can't be one of HTTP any more."""
        if self.may_be_http or len(self._buffer) < 2:
            return False
        length = int.from_bytes(self._buffer[:2])
        if length > self._limit:
            self.session.refuse_and_close(Refusal("too_long", what="the message", limit=self._limit))
            return True
        if len(self._buffer) < 2 + length:
            return False
        payload = bytes(self._buffer[2 : 2 + length])
        del self._buffer[: 2 + length]
        if payload:
            self.session.receive(payload)
        return True


CARRIERS: Final = {"two-byte": TwoByteLengths}

WIRES: Final = (
    Wire("two-byte-text", "two-byte", TextDialect),
    Wire("two-byte-json", "two-byte", JsonDialect),
)

# What tests/daemon/test_wires.py has to know: how a client behaves.
SAMPLES: Final = {
    "two byte text": {
        "wires": ("two-byte-text",),
        "hello": lambda nick: wrap_sized(b"IAM %s" % nick),
        "says": lambda text: wrap_sized(b"MSG %s" % text),
        "hears": lambda nick, text: wrap_sized(b"MSG %s %s" % (nick, text)),
        "taken": b"TKN",
        "broken": wrap_sized(b"\xff"),
        "refusal": b"ERR bad_utf8",
    },
    "two byte json": {
        "wires": ("two-byte-json",),
        "hello": lambda nick: wrap_sized(b'{"action":"client-hello","from":"%s"}' % nick),
        "says": lambda text: wrap_sized(b'{"action":"client-broadcast","msg":"%s"}' % text),
        "hears": lambda nick, text: b'"server-broadcast","from":"%s","msg":"%s"' % (nick, text),
        "taken": b'"code":"nick_taken"',
        "broken": wrap_sized(b'{"action":client-hello}'),
        "refusal": b'"code":"bad_json"',
    },
}
