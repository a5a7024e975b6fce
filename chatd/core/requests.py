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

    For the session:

    - ``becomes`` is the dialect to speak from the answer on; before the login, at once.
    - ``granted`` is the dialect to speak instead, if the request succeeds.
    - ``then`` is a request to submit next, if the request succeeds. With ``granted`` or ``then`` the session
      decodes no further frame before the answer.
    - ``pace`` is set in the hello of a client that may be the reference client of the text protocol: the
      seconds between two lines as long as that is not known.
    - ``amend`` converts a frame that is still buffered to the dialect ``becomes``.

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
