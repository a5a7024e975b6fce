"""The boundary between a wire and the chat: what a dialect takes and gives."""

from __future__ import annotations

from typing import Protocol

import msgspec

from chatd.core.answers import Answer
from chatd.core.commands import Command
from chatd.core.events import Told
from chatd.core.refusals import Refusal


class Request(msgspec.Struct, frozen=True, eq=False):
    """One decoded frame. ``command`` is a `Refusal` when the frame says nothing that can be done.

    ``name`` is what the client called the command and ``ref`` its own id of it, both for the
    answer; ``sender`` is who the client says it is, empty when it doesn't. ``becomes`` is the
    dialect that the client has shown to speak, in force from this request's answer on, or at once
    for a client without a name.
    """

    command: Command | Refusal
    name: str = ""
    sender: str = ""
    ref: str | int | None = None
    becomes: Dialect | None = None


class Dialect(Protocol):
    """One way of speaking, without any state of its own: sessions share it, and so what it has encoded."""

    @property
    def greeting(self) -> bytes:
        """What a new client is sent, before it says anything."""

    @property
    def insists(self) -> bool:
        """Whether a client without a name is asked for it whatever else it sends."""

    @property
    def pages(self) -> bool:
        """Whether a returning user gets pages of history; else only the private messages missed."""

    @property
    def pace(self) -> float:
        """Seconds between two writes; 0 for clients that can tell where a frame ends."""

    def decode(self, frame: bytes) -> Request:
        """What the client asks. Never raises: what can't be understood is a request with a refusal."""

    def answer(self, request: Request, answer: Answer) -> bytes:
        """The frame that answers ``request``; empty when this wire has no such answer."""

    def refusal(self, request: Request | None, refusal: Refusal) -> bytes:
        """The frame that refuses ``request``, or that says why the connection closes when there is none."""

    def told(self, told: Told) -> bytes:
        """The frame that tells an audience; the same for all of it."""
