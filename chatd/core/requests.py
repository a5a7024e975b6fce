"""The request: a decoded frame that a session passes to the chat service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatd.core.commands import Command
from chatd.core.refusals import Refusal

if TYPE_CHECKING:
    from chatd.boundaries import Dialect


class Request(msgspec.Struct, frozen=True, eq=False):
    """A request of a client: one decoded frame.

    ``command`` is the command to run, or a `Refusal` if the frame contains no valid command. ``name`` is the
    word that the client used for the command. ``ref`` is the client's own id of the request, which the answer
    repeats. ``sender`` is the nick that the request names as its sender, empty if it names none.

    - ``shown_dialect`` is the dialect that the request has shown the client to speak. The session uses it
      from the answer on, and before the login at once.
    - ``dialect_on_success`` is the dialect that the session uses after the request has succeeded.
    - ``next_request`` is submitted after the request has succeeded. If it or ``dialect_on_success`` is set,
      the session decodes no further frame until the request is answered.
    - ``pace_seconds`` is set in the hello of a client that may be the text protocol's reference client: the
      seconds between two lines sent to the client until that is known.
    - ``convert_buffered`` converts a frame that waits to be sent to ``shown_dialect``.
    - ``max_id`` is the id of the last entry that a page of history may contain, None for no limit.
    """

    command: Command | Refusal
    name: str = ""
    sender: str = ""
    ref: str | int | None = None
    shown_dialect: Dialect | None = None
    dialect_on_success: Dialect | None = None
    next_request: Request | None = None
    max_id: int | None = None
    pace_seconds: float = 0.0
    convert_buffered: Callable[[bytes], bytes] | None = None
