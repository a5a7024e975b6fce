"""The TP6 chat room in frames: an author, a text or an image, and the colours and times of the bonuses.

Source: seed tp6-chat-room, the encoding that it proposes. `chatd.carriers.frames` puts the lengths in.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from chatd.boundaries import Payloads
from chatd.core.events import Entry
from chatd.core.requests import Request
from chatd.core.wires import Opening, Wire
from chatd.dialects.timestamps import hour_and_minute
from chatd.dialects.tp6 import Tp6Dialect
from chatd.dialects.tp6_phrases import addressee_phrase, indented, indented_image, message_sentence, rgb_bytes

TEXT_TYPE: Final = 1
IMAGE_TYPE: Final = 3
"""The first byte of a frame; the other types are the carrier's business."""

NO_TIME: Final = b"\xff\xff"
"""Stands for the hour and minute in a frame of the bonuses that answers or refuses."""


class FramedDialect(Tp6Dialect):
    """The chat room in frames: an author and a text. A payload from the carrier begins with its type.

    A message in the client's current room carries the name of its author. Everything else is a sentence
    without a name. With ``bonus`` the author's colour (three bytes), the hour and the minute follow the name.
    """

    pace = 0.0

    def decode(self, frame: bytes) -> Request:
        """The request in one frame, whose first byte is its type: a text or an image."""
        return self._understood(frame[1:], "image" if frame[:1] == bytes((IMAGE_TYPE,)) else "message")

    def _said(self, logged: Entry) -> Payloads:
        event = logged.event
        nick, mark = event.actor.nick, self._mark(event.actor.colour, logged.at)
        if event.conversation.pair:
            return _payload(
                event.kind, "", mark, message_sentence(f"{nick} {addressee_phrase(event)}", event)
            )
        return _payload(
            event.kind, nick, mark, (indented_image if event.kind == "image" else indented)(event.body)
        )

    def _notice(self, text: str, at: int | None = None) -> Payloads:
        return _payload("message", "", self._mark("#000000", at), text)

    def _mark(self, colour: str, at: int | None) -> bytes:
        """The author's colour and the time, for clients of the bonuses."""
        if not self.bonus:
            return b""
        return rgb_bytes(colour) + (NO_TIME if at is None else bytes(hour_and_minute(at)))


def _payload(kind: str, name: str, mark: bytes, text: str) -> Payloads:
    """A type, the size of the head in a byte, the head (the size of the name in a byte, the name, the mark),
    and the text: the carrier adds the size of the text.
    """
    who = name.encode()
    head = bytes((len(who),)) + who + mark
    return (bytes((IMAGE_TYPE if kind == "image" else TEXT_TYPE, len(head))) + head + text.encode(),)


_OPENINGS: Final = tuple(map(Opening, (b"\x01", b"\x02", b"\x03")))

WIRES: Final = (
    Wire("tp6", "frames", FramedDialect, _OPENINGS),
    Wire("tp6-bonus", "frames", partial(FramedDialect, bonus=True), _OPENINGS),
)
