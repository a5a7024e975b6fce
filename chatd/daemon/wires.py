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
from chatd.carriers.detection import Detector, HttpChoice, HttpProtocol, ProtocolChoice, WireChoice
from chatd.carriers.foreign import HTTP, TLS
from chatd.carriers.frames import LengthPrefixedCarrier
from chatd.carriers.json_stream import JsonStreamCarrier
from chatd.carriers.lines import CrlfLineCarrier, LineCarrier
from chatd.carriers.websocket import BinaryWebSocketCarrier, LenientWebSocketCarrier, WebSocketCarrier
from chatd.connections.factory import Sessions
from chatd.core.irc_policy import DEFAULT_IRC_POLICY, IrcPolicy
from chatd.core.limits import Limits
from chatd.core.wires import Wire

CARRIERS: Final[dict[str, type[SessionCarrier]]] = {
    "lines": LineCarrier,
    "crlf_lines": CrlfLineCarrier,
    "json": JsonStreamCarrier,
    "chunks": IdleDelimitedCarrier,
    "frames": LengthPrefixedCarrier,
    "websocket": WebSocketCarrier,
    "lenient_websocket": LenientWebSocketCarrier,
    "binary_websocket": BinaryWebSocketCarrier,
}
"""The carrier classes, by the names that wire declarations use."""

AUTO_WIRE_NAMES: Final = ("text", "json", "tp6", "irc")
"""The names of the wires that are detected on an ``auto`` port, besides HTTP. The first is the default, for
clients whose first bytes match no wire.
"""

WEB_WIRE_NAME: Final = "web"
"""The name of the wires that are spoken on a WebSocket, and of the port that takes nothing but HTTP."""

DEFAULT_SUBPROTOCOL: Final = "chatd.json"
"""The subprotocol of a client that opens a WebSocket without naming one."""

MakeHttpProtocolFunction = Callable[[Detector], HttpProtocol]
"""A function that makes the Twisted protocol of a connection that begins with HTTP."""

MakeProtocolFunction = Callable[[Sessions], Protocol]
"""A function that makes the Twisted protocol of a new connection."""


def declared_wires() -> list[Wire]:
    """Return all wires (protocols) that the modules of ``chatd.dialects`` declare."""
    found: list[Wire] = []
    for module in pkgutil.iter_modules(dialects.__path__):
        found += getattr(import_module(f"{dialects.__name__}.{module.name}"), "WIRES", ())
    return found


def wire_names() -> list[str]:
    """Return the names that a listener can have before its ``=``: those of the declared wires, and
    ``auto``.
    """
    return sorted({"auto", *(wire.name for wire in declared_wires())})


def choices_by_wire(limits: Limits, irc: IrcPolicy = DEFAULT_IRC_POLICY) -> dict[str, list[WireChoice]]:
    """Return the carriers and dialects that clients may use on a port, by the name of the port's wire.

    ``auto`` has the same dialect objects as the wires in `AUTO_WIRE_NAMES`.
    """
    choices: dict[str, list[WireChoice]] = {}
    for wire in declared_wires():
        if not wire.subprotocol:
            choices.setdefault(wire.name, []).append(_choice(wire, limits, irc))
    choices["auto"] = list(chain.from_iterable(choices[name] for name in AUTO_WIRE_NAMES))
    return choices


def choices_by_subprotocol(limits: Limits, irc: IrcPolicy = DEFAULT_IRC_POLICY) -> dict[str, WireChoice]:
    """Return the wires that a client may use on a WebSocket, by the names of their subprotocols.

    The first one is `DEFAULT_SUBPROTOCOL`, for clients that name none.
    """
    wires = [wire for wire in declared_wires() if wire.subprotocol]
    wires.sort(key=lambda wire: wire.subprotocol != DEFAULT_SUBPROTOCOL)
    return {wire.subprotocol: _choice(wire, limits, irc) for wire in wires}


def _choice(wire: Wire, limits: Limits, irc: IrcPolicy) -> WireChoice:
    sections = {"irc": irc}
    dialect = wire.make_dialect(limits, **{name: sections[name] for name in wire.config_sections})
    return WireChoice(wire.openings, CARRIERS[wire.carrier_name], dialect)


def protocol_maker(
    wire: str,
    choices: dict[str, list[WireChoice]],
    http: MakeHttpProtocolFunction,
    certificate: IOpenSSLContextFactory | None = None,
    tls_only: bool = False,
) -> MakeProtocolFunction:
    """Return the function that makes the Twisted protocol of a new connection to a port of the wire ``wire``.

    ``choices`` is the result of `choices_by_wire`. ``http`` makes the protocol of a client that speaks HTTP.
    On ``auto`` and ``web``, a client may begin with TLS, for which ``certificate`` is used. If ``tls_only``
    is true, this applies to every wire, and clients without TLS are refused.
    """
    if wire == WEB_WIRE_NAME:
        return partial(Detector, [HttpChoice((), http)], (TLS,), certificate, tls_only)
    offered = choices[wire]
    if wire == "auto":
        auto: list[ProtocolChoice] = [*offered, HttpChoice(HTTP.openings, http)]
        return partial(Detector, auto, (TLS,), certificate, tls_only)
    if tls_only:
        return partial(Detector, offered, (TLS,), certificate, True)
    if len(offered) > 1:
        return partial(Detector, offered, (), None, False)
    (choice,) = offered
    return lambda sessions: choice.carrier(sessions, choice.dialect)
