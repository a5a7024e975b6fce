"""The declarations of wires: each dialect module lists the wires on which clients speak its dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from chatd.boundaries import Dialect


class OpeningBytes(msgspec.Struct, frozen=True):
    """The first bytes of a connection that identify the wire (protocol) of the client.

    The data of the client begin with ``start``. If ``may_follow_blanks`` is true, white space may precede
    ``start``.
    """

    start: bytes
    may_follow_blanks: bool = False


class Wire(msgspec.Struct, frozen=True, eq=False):
    """A wire, that is, a protocol that clients speak: a dialect (what is said) on a carrier (how it is
    framed).

    ``name`` is the name of the wire in the configuration of an endpoint. Wires with the same name share a
    port: a client gets the first of them with an opening (in ``openings``) that its first bytes match, or the
    first wire if none matches. ``carrier_name`` is a key of `chatd.daemon.wires.CARRIERS`.
    ``make_dialect(limits, **settings)`` creates the dialect; its ``settings`` are the parsed sections of
    chatd.toml that ``config_sections`` names, such as ``irc``, an `IrcPolicy`.

    ``subprotocol`` is the WebSocket subprotocol by which a client asks for the wire, or empty for a wire that
    is not spoken on a WebSocket.
    """

    name: str
    carrier_name: str
    make_dialect: Callable[..., Dialect]
    openings: tuple[OpeningBytes, ...] = ()
    subprotocol: str = ""
    config_sections: tuple[Literal["irc"], ...] = ()
