"""The boundary between a wire and the chat: what a dialect takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import msgspec

from chatd.core.answers import Answer
from chatd.core.commands import Command
from chatd.core.events import Told
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal


class Request(msgspec.Struct, frozen=True, eq=False):
    """One decoded frame. ``command`` is a `Refusal` when the frame says nothing that can be done.

    ``name`` is what the client called the command and ``ref`` its own id of it, both for the
    answer; ``sender`` is who the client says it is, empty when it doesn't. ``becomes`` is the
    dialect that the client has shown to speak, in force from this request's answer on, or at once
    for a client without a name. ``granted`` is in force only if the request is granted, and ``then``
    is asked only then; what the client sends behind such a request is not read before that is known.
    ``upto`` is the id of the last entry that a page may show, if it may not show all.
    ``pace`` is set for the hello of a client that may be the reference client of the text protocol: the
    seconds between two lines until it is known which client it is. ``amend`` rewrites a frame that is still
    buffered to its form in the dialect that the client ``becomes``.
    """

    command: Command | Refusal
    name: str = ""
    sender: str = ""
    ref: str | int | None = None
    becomes: Dialect | None = None
    granted: Dialect | None = None
    then: Request | None = None
    upto: int | None = None
    pace: float = 0.0
    amend: Callable[[bytes], bytes] | None = None


class Dialect(Protocol):
    """One way of speaking, without any state of its own: sessions share it, and so what it has encoded."""

    @property
    def greeting(self) -> bytes:
        """What a new client is sent, before it says anything."""

    @property
    def insists(self) -> bool:
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

    def answer(self, request: Request, answer: Answer) -> bytes:
        """The frame that answers ``request``; empty when this wire has no such answer."""

    def refusal(self, request: Request | None, refusal: Refusal) -> bytes:
        """The frame that refuses ``request``, or that says why the connection closes when there is none."""

    def told(self, told: Told) -> bytes:
        """The frame for an event, the same for all who speak this dialect; empty if they don't hear it."""

    def told_subject(self, told: Told) -> bytes:
        """The frame for the user whom an event is about (who was invited, kicked), wherever that user is."""


Wires = Mapping[str, Mapping[str, Callable[[Limits], Dialect]]]
"""What each module of this package brings as its ``WIRES``: the name that a listener has a wire by -> the
carriers that its frames may travel by, each with what makes its dialect. Of several the first bytes of a
client decide, and the first is for whoever begins in no other way.
"""
