"""The table of all wires: each wire that a dialect module declares, with its carrier."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Final

from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Protocol

from chatd import dialects
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.chunks import IdleDelimitedCarrier
from chatd.carriers.detection import Detector, WireChoice
from chatd.carriers.foreign import FOREIGN_PROTOCOLS
from chatd.carriers.frames import LengthPrefixedCarrier
from chatd.carriers.json_stream import JsonStreamCarrier
from chatd.carriers.lines import LineCarrier
from chatd.connections.factory import Sessions
from chatd.core.limits import Limits
from chatd.core.wires import Wire

CARRIERS: Final[dict[str, type[SessionCarrier]]] = {
    "lines": LineCarrier,
    "json": JsonStreamCarrier,
    "chunks": IdleDelimitedCarrier,
    "frames": LengthPrefixedCarrier,
}
"""The carrier classes, by the names that wire declarations use."""

AUTO_WIRES: Final = ("text", "json", "tp6")
"""The names of the wires that are detected on an ``auto`` port. The first is the default, for clients whose
first bytes match no wire.
"""

MakeProtocol = Callable[[Sessions], Protocol]
"""A function that makes the Twisted protocol of a new connection."""


def declared_wires() -> list[Wire]:
    """Return all wires that the modules of ``chatd.dialects`` declare."""
    found: list[Wire] = []
    for module in pkgutil.iter_modules(dialects.__path__):
        found += getattr(import_module(f"{dialects.__name__}.{module.name}"), "WIRES", ())
    return found


def wire_names() -> list[str]:
    """Return the names of all wires that a listener in the configuration can have."""
    return sorted({"auto", *(wire.name for wire in declared_wires())})


def protocol_makers(
    limits: Limits, certificate: IOpenSSLContextFactory | None = None
) -> dict[str, MakeProtocol]:
    """Return, by name of the wire, the function that makes the Twisted protocol of a new connection.

    The wire ``auto`` detects which of `AUTO_WIRES` a client speaks, and uses the same dialect objects as
    those wires. If the client begins with TLS, it uses ``certificate``.
    """
    choices: dict[str, list[WireChoice]] = {}
    for wire in declared_wires():
        choice = WireChoice(wire.openings, CARRIERS[wire.carrier], wire.make_dialect(limits))
        choices.setdefault(wire.name, []).append(choice)
    found = {name: _protocol_of(offered) for name, offered in choices.items()}
    everything = list(chain.from_iterable(choices[name] for name in AUTO_WIRES))
    found["auto"] = partial(Detector, everything, FOREIGN_PROTOCOLS, certificate)
    return found


def _protocol_of(offered: list[WireChoice]) -> MakeProtocol:
    if len(offered) > 1:
        return partial(Detector, offered, (), None)
    (choice,) = offered
    return lambda sessions: choice.carrier(sessions, choice.dialect)
