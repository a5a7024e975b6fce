"""The boundaries between the rooms, as Protocols: what each side may rely on. No logic lives here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from chatd.core.answers import Answer
from chatd.core.events import Delivery
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request


class Dialect(Protocol):
    """One way of speaking, without any state of its own: sessions share it, and so what it has encoded."""

    @property
    def greeting(self) -> bytes:
        """What a new client is sent, before it says anything."""

    @property
    def requires_login(self) -> bool:
        """Whether a client without a name is asked for it whatever else it sends."""

    @property
    def pages(self) -> Literal["none", "directs", "all"]:
        """What a returning user gets a page of: all conversations, or the direct ones where something was
        missed. With none, the private messages missed come as if told now, and a `HistoryHint`.
        """

    @property
    def list_size(self) -> int:
        """The largest answer that lists entries of the log, in bytes. A page is read no further."""

    @property
    def pace(self) -> float:
        """Seconds between two writes; 0 for clients that can tell where a frame ends."""

    @property
    def portion(self) -> int:
        """Bytes in one write at most, where there is a pace; 0 for one line, or one frame without any."""

    def decode(self, frame: bytes) -> Request | None:
        """What the client asks; None for what has no answer. Never raises: what can't be understood is a
        request with a refusal.
        """

    def encode_answer(self, request: Request, answer: Answer) -> bytes:
        """The frame that answers ``request``; empty when this wire has no such answer."""

    def encode_refusal(self, request: Request | None, refusal: Refusal) -> bytes:
        """The frame that refuses ``request``, or that says why the connection closes when there is none."""

    def encode(self, delivery: Delivery) -> bytes:
        """The frame for an event, the same for all who speak this dialect; empty if they don't hear it."""

    def encode_for_subject(self, delivery: Delivery) -> bytes:
        """The frame for the user whom an event is about (who was invited, kicked), wherever that user is."""


Wires = Mapping[str, Mapping[str, Callable[[Limits], Dialect]]]
"""What each module of this package brings as its ``WIRES``: the name that a listener has a wire by -> the
carriers that its frames may travel by, each with what makes its dialect. Of several the first bytes of a
client decide, and the first is for whoever begins in no other way.
"""
