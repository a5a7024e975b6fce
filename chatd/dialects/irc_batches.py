"""Batches of lines: the lines of an answer with a label, pages of history, messages of several lines.

Source: the IRCv3 specifications of batch and labeled-response. Every batch is written at once, so a reference
need only differ from those of the batches around and inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from chatd.dialects.irc_client import SERVER_NAME
from chatd.dialects.irc_lines import format_line, with_tags

MULTILINE: Final = "draft/multiline"
"""The capability and the type of the batches that are one message of several lines."""

_IN_BATCH: Final = b"@batch="
_MULTILINE_START: Final = re.compile(rf"(?:@[^ ]+ )?(?::[^ ]+ )?BATCH \+[^ ]+ {MULTILINE} ".encode())


def batch_lines(start: bytes, reference: str, lines: Iterable[bytes]) -> list[bytes]:
    """Return the batch that ``start`` begins, with ``lines``. Some of these may be in batches inside it.

    ``reference`` is that of ``start``: letters, digits and hyphens.
    """
    return [
        start,
        *(line if line.startswith(_IN_BATCH) else with_tags(line, {"batch": reference}) for line in lines),
        format_line("BATCH", f"-{reference}", source=SERVER_NAME),
    ]


def labelled_lines(label: str, lines: Sequence[bytes]) -> list[bytes]:
    """Return ``lines``, an answer, with ``label``: on the one line, on the batch that is one message, on a
    batch that holds them, or on an ``ACK`` if there are none.
    """
    tags = {"label": label}
    if not lines:
        return [format_line("ACK", source=SERVER_NAME, tags=tags)]
    if len(lines) == 1 or _is_one_message(lines):
        return [with_tags(lines[0], tags), *lines[1:]]
    start = format_line("BATCH", "+label", "labeled-response", source=SERVER_NAME, tags=tags)
    return batch_lines(start, "label", lines)


def _is_one_message(lines: Sequence[bytes]) -> bool:
    """Return whether ``lines`` are one multiline batch."""
    return bool(_MULTILINE_START.match(lines[0])) and all(line.startswith(_IN_BATCH) for line in lines[1:-1])
