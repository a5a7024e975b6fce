"""The TP6 chat room's dialect for length-prefixed frames: a frame has an author and a text or an image. For
clients with TP6's bonus features it also has a colour and a time.

Source: seed tp6-chat-room, the encoding that it proposes. `chatd.carriers.frames` adds the lengths of the
texts.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from chatd.boundaries import Payloads
from chatd.core.events import LogEntry
from chatd.core.requests import Request
from chatd.core.wires import OpeningBytes, Wire
from chatd.dialects.timestamps import local_hour_and_minute_of
from chatd.dialects.tp6 import Tp6Dialect
from chatd.dialects.tp6_phrases import indented_image, indented_text, message_sentence, rgb_bytes

TEXT_FRAME_TYPE: Final = 1
IMAGE_FRAME_TYPE: Final = 3
"""The first byte of a frame that is an image; `TEXT_FRAME_TYPE` is the first byte of a text."""

NO_TIME_BYTES: Final = b"\xff\xff"
"""The two bytes that stand for hour and minute in a bonus frame that has no time, such as an answer or a
refusal.
"""


class Tp6BinaryFrameDialect(Tp6Dialect):
    """The TP6 chat room's dialect for clients that use length-prefixed frames with an author and a text.

    Received payloads begin with a type byte. A message in the client's current room, or in the lobby if the
    client is there, is a frame with the author's name, unless it is an action. Everything else is a French
    sentence in a frame without a name. With ``bonus``, for clients with TP6's bonus features, a colour (three
    bytes), the hour and the minute (one byte each) follow the name in every frame; in a frame that is not a
    message the colour is black, and the time may be `NO_TIME_BYTES`.
    """

    seconds_between_writes = 0.0

    def decode(self, frame: bytes) -> Request:
        """Return the request in one frame.

        If the first byte of the frame is `IMAGE_FRAME_TYPE`, the rest is an image, else a text.
        """
        return self._understood(frame[1:], "image" if frame[:1] == bytes((IMAGE_FRAME_TYPE,)) else "message")

    def _said(self, logged: LogEntry) -> Payloads:
        event = logged.event
        nick, mark = event.actor.nick, self._mark(event.actor.colour, logged.at)
        is_private = bool(event.conversation.pair)
        if is_private or event.kind == "action":
            return _payload(event.kind, "", mark, message_sentence(nick, event, is_private))
        return _payload(
            event.kind, nick, mark, (indented_image if event.kind == "image" else indented_text)(event.body)
        )

    def _notice(self, text: str, at: int | None = None) -> Payloads:
        return _payload("message", "", self._mark("#000000", at), text)

    def _mark(self, colour: str, at: int | None) -> bytes:
        """Return the author's colour and the time as five bytes, for clients with TP6's bonus features;
        nothing for other clients.
        """
        if not self.bonus:
            return b""
        return rgb_bytes(colour) + (NO_TIME_BYTES if at is None else bytes(local_hour_and_minute_of(at)))


def _payload(kind: str, name: str, mark: bytes, text: str) -> Payloads:
    """Return a frame without the length of its text, which the carrier adds.

    The frame has a type byte, the size of the head in one byte, the head (the size of the name in one byte,
    the name, the mark) and the text.
    """
    who = name.encode()
    head = bytes((len(who),)) + who + mark
    return (
        bytes((IMAGE_FRAME_TYPE if kind == "image" else TEXT_FRAME_TYPE, len(head))) + head + text.encode(),
    )


_OPENINGS: Final = tuple(map(OpeningBytes, (b"\x01", b"\x02", b"\x03")))

WIRES: Final = (
    Wire("tp6", "frames", Tp6BinaryFrameDialect, _OPENINGS),
    Wire("tp6-bonus", "frames", partial(Tp6BinaryFrameDialect, bonus=True), _OPENINGS),
)
