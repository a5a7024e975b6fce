"""Labels of IRC requests: how the lines that answer a request repeat its label.

Source: the IRCv3 specification of labeled responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from chatd.boundaries import Payloads
from chatd.core.requests import Request
from chatd.dialects.irc_batches import add_batch_tags, is_one_message
from chatd.dialects.irc_client import IrcClientState
from chatd.dialects.irc_lines import format_line, with_tags

MAX_LABEL_BYTES: Final = 64
"""The maximum number of bytes of a label."""

LABELED_RESPONSE_BATCH_REFERENCE: Final = "label"
"""The id of the batch that answers a labelled request. Answers leave in order, so there is one at a time."""


def with_request_label(request: Request, label: str) -> Request:
    """Return ``request`` with ``label``.

    Its further requests get the label, too, so that all answers are one batch.
    """
    further = request.further_requests
    if not further:
        return replace(request, label=label)
    parts = [replace(one, label=label, position_in_labelled_answer="middle") for one in further]
    parts[-1] = replace(parts[-1], position_in_labelled_answer="last")
    return replace(request, label=label, position_in_labelled_answer="first", further_requests=tuple(parts))


def label_lines(client: IrcClientState, request: Request, lines: Sequence[bytes]) -> Payloads:
    """Return ``lines``, which answer ``request``, with the label of the request, if it has one.

    - If there are no lines, the result is an ``ACK`` with the label.
    - A single line gets the label. If the lines are one batch that is one message, its first line gets the
      label.
    - Several lines become a batch with the label. The answers to a request with further requests become one
      batch.
    - If the client lacks the capability ``batch``, the first line gets the label.
    """
    if not request.label:
        return tuple(lines)
    is_whole = request.position_in_labelled_answer == "whole"
    if "batch" not in client.capabilities and lines:
        if not (is_whole or request.position_in_labelled_answer == "first"):
            return tuple(lines)
        first, *others = lines
        return (with_tags(first, {"label": request.label}), *others)
    if is_whole and not lines:
        return (format_line("ACK", source=client.server, tags={"label": request.label}),)
    if is_whole and (len(lines) == 1 or is_one_message(lines)):
        return (with_tags(lines[0], {"label": request.label}), *lines[1:])
    batch = add_batch_tags(LABELED_RESPONSE_BATCH_REFERENCE, lines)
    if is_whole or request.position_in_labelled_answer == "first":
        start = format_line(
            "BATCH", f"+{LABELED_RESPONSE_BATCH_REFERENCE}", "labeled-response", source=client.server
        )
        batch.insert(0, with_tags(start, {"label": request.label}))
    if is_whole or request.position_in_labelled_answer == "last":
        batch.append(format_line("BATCH", f"-{LABELED_RESPONSE_BATCH_REFERENCE}", source=client.server))
    return tuple(batch)
