"""Every wire there is: what the dialects declare, each with its carrier."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Final

from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Protocol

from chatd import dialects
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.chunks import Chunks
from chatd.carriers.detection import FOREIGN, Choice, Detector
from chatd.carriers.frames import Frames
from chatd.carriers.json_stream import JsonStream
from chatd.carriers.lines import Lines
from chatd.connections.factory import Sessions
from chatd.core.limits import Limits
from chatd.core.wires import Wire

CARRIERS: Final[dict[str, type[SessionCarrier]]] = {
    "lines": Lines,
    "json": JsonStream,
    "chunks": Chunks,
    "frames": Frames,
}
"""How frames may travel."""

AUTO: Final = ("text", "json", "tp6")
"""The wires at ``auto``; the first one is for clients that begin with no opening."""

MakeProtocol = Callable[[Sessions], Protocol]
"""Makes the protocol of a new connection."""


def declared() -> list[Wire]:
    """Every wire that a module of chatd.dialects declares."""
    found: list[Wire] = []
    for module in pkgutil.iter_modules(dialects.__path__):
        found += getattr(import_module(f"{dialects.__name__}.{module.name}"), "WIRES", ())
    return found


def wire_names() -> list[str]:
    """What a listener can be for."""
    return sorted({"auto", *(wire.name for wire in declared())})


def protocols(limits: Limits, certificate: IOpenSSLContextFactory | None = None) -> dict[str, MakeProtocol]:
    """What makes the protocols of a listener, by the name of its wire.

    ``auto`` shares the dialects of the others, so that a delivery is encoded once.
    """
    wires = declared()
    choices = {wire: _choice(wire, limits) for wire in wires}
    found: dict[str, MakeProtocol] = {}
    for name in dict.fromkeys(wire.name for wire in wires):
        offered = [choices[wire] for wire in wires if wire.name == name]
        found[name] = _detecting(offered) if len(offered) > 1 else _direct(offered[0])
    everything = [choices[wire] for name in AUTO for wire in wires if wire.name == name]
    found["auto"] = _detecting(everything, FOREIGN, certificate)
    return found


def _choice(wire: Wire, limits: Limits) -> Choice:
    carrier, dialect = CARRIERS[wire.carrier], wire.make_dialect(limits)
    return Choice(wire, dialect, lambda sessions, accepted: carrier(sessions, dialect, accepted))


def _direct(choice: Choice) -> MakeProtocol:
    return lambda sessions: choice.make(sessions, False)


def _detecting(
    choices: Sequence[Choice],
    foreign: Iterable[str] = (),
    certificate: IOpenSSLContextFactory | None = None,
) -> MakeProtocol:
    names = tuple(foreign)
    return lambda sessions: Detector(choices, names, certificate, sessions)
