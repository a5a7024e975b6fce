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
from chatd.carriers.foreign import FOREIGN_PROTOCOLS, TLS
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


def wire_choices(limits: Limits) -> dict[str, list[WireChoice]]:
    """Return, by name of the wire, what a client may speak there.

    ``auto`` has the same dialect objects as the wires in `AUTO_WIRES`.
    """
    choices: dict[str, list[WireChoice]] = {}
    for wire in declared_wires():
        choice = WireChoice(wire.openings, CARRIERS[wire.carrier], wire.make_dialect(limits))
        choices.setdefault(wire.name, []).append(choice)
    choices["auto"] = list(chain.from_iterable(choices[name] for name in AUTO_WIRES))
    return choices


def protocol_maker(
    wire: str,
    choices: dict[str, list[WireChoice]],
    certificate: IOpenSSLContextFactory | None = None,
    tls_only: bool = False,
) -> MakeProtocol:
    """Return the function that makes the Twisted protocol of a new connection to ``wire``.

    ``choices`` is the result of `wire_choices`. If the client begins with TLS, ``auto`` uses ``certificate``,
    and so does every wire of a ``tls_only`` port, which refuses other clients.
    """
    offered = choices[wire]
    if wire == "auto":
        return partial(Detector, offered, FOREIGN_PROTOCOLS, certificate, tls_only)
    if tls_only:
        return partial(Detector, offered, (TLS,), certificate, True)
    if len(offered) > 1:
        return partial(Detector, offered, (), None, False)
    (choice,) = offered
    return lambda sessions: choice.carrier(sessions, choice.dialect)
