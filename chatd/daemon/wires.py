"""Every wire there is: what the dialects declare, each with its carrier."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

from twisted.internet.interfaces import IOpenSSLContextFactory

from chatd import dialects
from chatd.boundaries import Wires
from chatd.carriers.chunks import Chunks
from chatd.carriers.detection import OPENINGS, Detector, Opening, Ways
from chatd.carriers.frames import Frames
from chatd.carriers.json_stream import JsonStream
from chatd.carriers.lines import Lines
from chatd.connections.factory import CarrierMaker, Wire
from chatd.core.limits import Limits

CARRIERS: Final[dict[str, CarrierMaker]] = {
    "lines": Lines,
    "json": JsonStream,
    "chunks": Chunks,
    "frames": Frames,
}
"""How frames may travel."""

AUTO: Final = ("text", "json", "tp6")
"""What may be spoken where ``auto`` listens; the first of them by whoever begins in no other way."""


def declared() -> Wires:
    """Every wire that a module of chatd.dialects brings."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(dialects.__path__):
        found.update(getattr(import_module(f"{dialects.__name__}.{module.name}"), "WIRES", {}))
    return found


def wire_names() -> list[str]:
    """What can be listened for."""
    return sorted({"auto", *declared()})


def wires(limits: Limits, certificate: IOpenSSLContextFactory | None = None) -> dict[str, Wire]:
    """Every wire, by the name that a listener has it by; ``auto`` shares the dialects of the others."""
    ways = {
        name: {carrier: (CARRIERS[carrier], make(limits)) for carrier, make in wire.items()}
        for name, wire in declared().items()
    }
    found = {name: _wire(its_ways) for name, its_ways in ways.items()}
    everything: Ways = {carrier: way for name in AUTO for carrier, way in ways[name].items()}
    return {**found, "auto": _open_to(everything, OPENINGS, certificate)}


def _wire(ways: Ways) -> Wire:
    first, *others = ways
    if not others:
        return Wire(*ways[first])
    return _open_to(ways, [opening for opening in OPENINGS if opening.name in others])


def _open_to(
    ways: Ways, openings: Sequence[Opening], certificate: IOpenSSLContextFactory | None = None
) -> Wire:
    _, dialect = next(iter(ways.values()))
    return Wire(partial(Detector, ways, openings, certificate), dialect, greets=False)
