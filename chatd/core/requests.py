"""One decoded frame, on its way from a dialect to the chat."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatd.core.commands import Command
from chatd.core.refusals import Refusal

if TYPE_CHECKING:
    from chatd.boundaries import Dialect


class Request(msgspec.Struct, frozen=True, eq=False):
    """One decoded frame. ``command`` is a `Refusal` when the frame says nothing that can be done.

    ``name`` is what the client called the command and ``ref`` its own id of it, both for the
    answer; ``sender`` is who the client says it is, empty when it doesn't. ``becomes`` is the
    dialect that the client has shown to speak, in force from this request's answer on, or at once
    for a client without a name. ``granted`` is in force only if the request is granted, and ``then``
    is asked only then; what the client sends behind such a request is not read before that is known.
    ``max_id`` is the id of the last entry that a page may show, if it may not show all.
    ``pace`` is set for the hello of a client that may be the reference client of the text protocol: the
    seconds between two lines until it is known which client it is. ``amend`` rewrites a frame that is still
    buffered to its form in the dialect that the client ``becomes``.
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
