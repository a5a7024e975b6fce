"""A toy: a wire in one file, as it would stand in chatd/dialects/, to show that this is all it takes.

``+alice`` says who one is, ``?`` quits, everything else is said to everybody.
"""

from __future__ import annotations

from typing import Final, Literal

from chatd.boundaries import Wires
from chatd.core.answers import Answer, Welcome
from chatd.core.commands import COMMANDS
from chatd.core.events import Delivery, Entry
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request


class ShoutDialect:
    """The only way to shout."""

    greeting = b"WHO IS THERE?\n"
    requires_login = False
    pages: Literal["none"] = "none"
    list_size = 1024
    pace = 0.0
    portion = 0

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, frame: bytes) -> Request:
        """See `Dialect.decode`."""
        try:
            text = frame.decode()
            if text.startswith("+"):
                return Request(COMMANDS["hello"].build({"nick": text[1:]}, self._limits))
            if text == "?":
                return Request(COMMANDS["quit"].build({}, self._limits))
            return Request(COMMANDS["broadcast"].build({"msg": text}, self._limits))
        except UnicodeDecodeError:
            return Request(Refusal("bad_utf8"))
        except Refusal as refusal:
            return Request(refusal)

    def encode_answer(self, request: Request, answer: Answer) -> bytes:
        """See `Dialect.encode_answer`."""
        return _line(f"HELLO {answer.user.nick}!") if isinstance(answer, Welcome) else b""

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> bytes:
        """See `Dialect.encode_refusal`."""
        return _line(f"NO, {refusal.text}!")

    def encode(self, delivery: Delivery) -> bytes:
        """See `Dialect.encode`."""
        if isinstance(delivery, Entry) and delivery.event.said:
            return _line(f"{delivery.event.actor.nick}: {delivery.event.body.upper()}!")
        return b""

    def encode_for_subject(self, delivery: Delivery) -> bytes:
        """See `Dialect.encode_for_subject`."""
        return self.encode(delivery)


def _line(text: str) -> bytes:
    return " ".join(text.splitlines()).encode() + b"\n"


WIRES: Final[Wires] = {"shout": {"lines": ShoutDialect}}

# What tests/daemon/test_wires.py has to know: how somebody shouts.
MANNERS: Final = {
    "shout": {
        "wires": ("shout",),
        "hello": lambda nick: b"+%s\n" % nick,
        "says": lambda text: b"%s\n" % text,
        "hears": lambda nick, text: b"%s: %s!\n" % (nick, text.upper()),
        "taken": b"nick in use",
        "broken": b"\xff\n",
        "refusal": b"NO, that is not UTF-8",
        "guesses": b"refused too often",
    }
}
