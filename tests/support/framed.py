"""What a dialect says, in whole frames, as a client of its wire reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chatd.boundaries import Payloads
from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.chunks import IdleDelimitedCarrier
from chatd.carriers.frames import LengthPrefixedCarrier
from chatd.carriers.json_stream import JsonStreamCarrier
from chatd.carriers.lines import LineCarrier
from chatd.dialects.json import JsonDialect
from chatd.dialects.text import TextDialect
from chatd.dialects.tp6 import Tp6Dialect
from chatd.dialects.tp6_frames import Tp6BinaryFrameDialect

# Each dialect with the carrier of its wire; a class before the classes that it derives from.
_CARRIERS: Final[tuple[tuple[type, type[SessionCarrier]], ...]] = (
    (TextDialect, LineCarrier),
    (JsonDialect, JsonStreamCarrier),
    (Tp6BinaryFrameDialect, LengthPrefixedCarrier),
    (Tp6Dialect, IdleDelimitedCarrier),
)


def frames_of(encode: Callable[..., Payloads], *arguments: Any) -> bytes:
    """The frames of what a dialect's method ``encode`` makes of ``arguments``, joined."""
    dialect: Any = encode.__self__  # type: ignore[attr-defined]
    carrier = next(carrier for kind, carrier in _CARRIERS if isinstance(dialect, kind))
    wrap = carrier.wrapper_for(dialect)
    return b"".join(map(wrap, encode(*arguments)))
