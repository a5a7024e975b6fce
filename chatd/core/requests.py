"""A decoded frame on its way from a dialect to the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatd.core.commands import Command
from chatd.core.refusals import Refusal

if TYPE_CHECKING:
    from chatd.boundaries import Dialect


class Request(msgspec.Struct, frozen=True, eq=False):
    """One decoded frame. ``command`` is a `Refusal` if the frame contains no valid command.

    For the answer: ``name`` is the client's name of the command, ``ref`` its own id of the request.
    ``sender`` is the nick that the request names as its sender, empty if none.

    For the session: ``becomes`` is the dialect that the client turns out to speak. It is in force from the
    answer on, or at once before the login. ``granted`` is in force instead if the request is granted;
    ``then`` is a request that follows in that case. The session decodes no further frame before such a
    request is answered. ``pace`` is set for the hello of a client that may be the reference client of the
    text protocol: the seconds between two lines until that is known. ``amend`` rewrites a frame that is still
    buffered to its form in the dialect ``becomes``.

    For the replay: ``max_id`` is the id of the last entry that a page may show, None for no limit.
    """

    command: Command | Refusal
    name: str = ""
    sender: str = ""
    ref: str | int | None = None
    becomes: Dialect | None = None
    granted: Dialect | None = None
    then: Request | None = None
    max_id: int | None = None
    pace: float = 0.0
    amend: Callable[[bytes], bytes] | None = None
