"""What a dialect declares about the wires that it is spoken on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatd.core.limits import Limits

if TYPE_CHECKING:
    from chatd.boundaries import Dialect


class OpeningBytes(msgspec.Struct, frozen=True):
    """The first bytes of a client: ``start``, behind white space if ``after_blanks`` allows it."""

    start: bytes
    after_blanks: bool = False


class Wire(msgspec.Struct, frozen=True, eq=False):
    """One way to talk to the daemon.

    ``name`` is what a listener calls it; several wires of one name share a port, and the first one is for
    clients that begin with no opening. ``carrier`` is a key of `chatd.daemon.wires.CARRIERS`.
    ``make_dialect`` makes the dialect. ``openings`` are the first bytes that its clients are known by.
    """

    name: str
    carrier: str
    make_dialect: Callable[[Limits], Dialect]
    openings: tuple[OpeningBytes, ...] = ()
