"""The request: a decoded frame that a session passes to the chat service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from chatd.core.answers import Authenticated, PreparedAnswer, Welcome
from chatd.core.commands import Command
from chatd.core.refusals import Refusal

if TYPE_CHECKING:
    from chatd.boundaries import Dialect


class Request(msgspec.Struct, frozen=True, eq=False):
    """A request of a client: one decoded frame.

    ``command`` is the command to run, or a `Refusal` if the frame contains no valid command, or a
    `PreparedAnswer` if the dialect answers the request by itself. ``command_word`` is the word that the
    client used for the command, empty if it used none. ``ref`` is the client's own id of the request, which
    the answer repeats. ``label`` is another id that the answer repeats; it is not stored. ``encoder_context``
    is whatever else the dialect needs to encode the answer or the refusal; only the dialect reads it.
    ``sender`` is the nick that the request names as its sender, empty if it names none. It is not checked.

    - ``detected_dialect`` is the dialect that this request reveals the client to speak. The session changes
      to it at once if the client is not logged in yet, else when it answers the request.
    - ``dialect_on_success`` is the dialect that the session uses after the request has succeeded.
    - ``dialect_after_login(answer)``, if not None, returns the dialect that the session uses after the
      request, a hello or an `Authenticate`, has succeeded with ``answer``.
    - ``request_on_success`` is submitted after the request has succeeded. If ``request_on_success``,
      ``dialect_on_success`` or ``dialect_after_login`` is set, the session decodes no further frame until the
      request is answered.
    - ``further_requests`` are in the same frame. They are submitted right after this request, whether it
      succeeds or not.
    - ``seconds_between_lines`` is the pause between two lines that the session sends after a hello. It is 0
      unless the client may be the reference client of the text protocol, which takes each read for one line.
      The client's next request shows whether it is, and ends the pauses.
    - ``convert_buffered_frame`` is a function that re-encodes one frame, already encoded but not yet sent to
      the client, into ``detected_dialect``. It is None if such frames are sent as they are.
    - ``position_in_labelled_answer`` is the position of the answer among several answers with the same
      ``label``: ``first``, ``middle`` or ``last``. It is ``whole`` for a single answer.
    - ``quit_or_part_message`` is the message with which the user quits (``quit``) or leaves a group
      (``leave``).
    - ``client_tags`` are tags of a message that are passed on to IRC clients, and not stored.
    - ``fallback_command`` is carried out instead of ``command`` if the message that ``command`` names does
      not exist; None for no fallback.
    - ``max_id`` is the largest id that an entry may have in the page that answers this request; None for no
      limit.
    """

    command: Command | Refusal | PreparedAnswer
    command_word: str = ""
    sender: str = ""
    ref: str | int | None = None
    detected_dialect: Dialect | None = None
    dialect_on_success: Dialect | None = None
    dialect_after_login: Callable[[Welcome | Authenticated], Dialect] | None = None
    request_on_success: Request | None = None
    further_requests: tuple[Request, ...] = ()
    max_id: int | None = None
    seconds_between_lines: float = 0.0
    convert_buffered_frame: Callable[[bytes], bytes] | None = None
    label: str = ""
    encoder_context: tuple[str, ...] = ()
    quit_or_part_message: str = ""
    client_tags: tuple[tuple[str, str], ...] = ()
    position_in_labelled_answer: Literal["whole", "first", "middle", "last"] = "whole"
    fallback_command: Command | None = None
