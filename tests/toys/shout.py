"""A toy: two wires in one file, as it would stand in chatd/dialects/, to show that this is all it takes.

``+alice`` is a hello, ``?`` quits, everything else is said to everybody. ``~alice`` is the hello of a client
that whispers. Both travel in lines, like the text wire.
"""

from __future__ import annotations

from typing import Final, Literal

from chatd.boundaries import DeliveryEncoder, Payloads
from chatd.core.answers import Answer, Welcome
from chatd.core.commands import COMMANDS
from chatd.core.events import Delivery, LogEntry
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.wires import OpeningBytes, Wire


class ShoutDialect:
    """What others say is shouted."""

    wire = "shout"
    has_channels = False
    enters_lobby = True
    receives_watched_user_changes = False
    shows_own_messages = True
    greeting: Final = (b"WHO IS THERE?",)
    requires_login = False
    login_history_scope: Literal["none"] = "none"
    max_list_bytes = 1024
    seconds_between_writes = 0.0
    mark = "+"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    @property
    def delivery_encoder(self) -> DeliveryEncoder:
        """The dialect itself."""
        return self

    def decode(self, frame: bytes) -> Request:
        """See `Dialect.decode`."""
        try:
            text = frame.decode()
            if text.startswith(self.mark):
                return Request(COMMANDS["hello"].build({"nick": text[1:]}, self._limits))
            if text == "?":
                return Request(COMMANDS["quit"].build({}, self._limits))
            return Request(COMMANDS["broadcast"].build({"msg": text}, self._limits))
        except UnicodeDecodeError:
            return Request(Refusal("bad_utf8"))
        except Refusal as refusal:
            return Request(refusal)

    def encode_answer(self, request: Request, answer: Answer) -> Payloads:
        """See `Dialect.encode_answer`."""
        return _line(f"HELLO {answer.user.nick}!") if isinstance(answer, Welcome) else ()

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> Payloads:
        """See `Dialect.encode_refusal`."""
        return _line(f"NO, {refusal.text}!")

    def encode_delivery(self, delivery: Delivery) -> Payloads:
        """See `Dialect.encode_delivery`."""
        if isinstance(delivery, LogEntry) and delivery.event.is_message:
            return _line(f"{delivery.event.actor.nick}: {self.voice(delivery.event.body)}")
        return ()

    def encode_for_subject(self, delivery: Delivery) -> Payloads:
        """See `Dialect.encode_for_subject`."""
        return self.encode_delivery(delivery)

    def voice(self, body: str) -> str:
        """What somebody said, as it is heard."""
        return f"{body.upper()}!"


class WhisperDialect(ShoutDialect):
    """What others say is whispered."""

    wire = "whisper"
    mark = "~"

    def voice(self, body: str) -> str:
        """What somebody said, as it is heard."""
        return f"{body.lower()}..."


def _line(text: str) -> Payloads:
    return (" ".join(text.splitlines()).encode(),)


WIRES: Final = (
    Wire("shout", "lines", ShoutDialect, (OpeningBytes(b"+"),)),
    Wire("whisper", "lines", WhisperDialect, (OpeningBytes(b"~"),)),
)

# What tests/daemon/test_wires.py has to know: how a client behaves.
SAMPLES: Final = {
    "shout": {
        "wires": ("shout",),
        "hello": lambda nick: b"+%s\n" % nick,
        "says": lambda text: b"%s\n" % text,
        "hears": lambda nick, text: b"%s: %s!\n" % (nick, text.upper()),
        "taken": b"nick in use",
        "broken": b"\xff\n",
        "refusal": b"NO, invalid UTF-8",
        "guesses": b"too many refusals",
        "late": b"no login within",
        "crowded": b"too many connections",
        "full": b"the database is full",
    },
    "whisper": {
        "wires": ("whisper",),
        "hello": lambda nick: b"~%s\n" % nick,
        "says": lambda text: b"%s\n" % text,
        "hears": lambda nick, text: b"%s: %s...\n" % (nick, text.lower()),
        "taken": b"nick in use",
        "broken": b"\xff\n",
        "refusal": b"NO, invalid UTF-8",
        "guesses": b"too many refusals",
        "late": b"no login within",
        "crowded": b"too many connections",
        "full": b"the database is full",
    },
}
