"""Batches of lines: pages of history, messages of several lines, and the lines of an answer with a label.

Source: the IRCv3 specification of batch. Every batch is written at once, so a reference
need only differ from those of the batches around and inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from chatd.dialects.irc_lines import format_line, with_tags

MULTILINE: Final = "draft/multiline"
"""The capability and the type of the batches that are one message of several lines."""

_IN_BATCH: Final = b"@batch="
_MULTILINE_START: Final = re.compile(rf"(?:@[^ ]+ )?(?::[^ ]+ )?BATCH \+[^ ]+ {MULTILINE} ".encode())


def batch_lines(start: bytes, reference: str, lines: Iterable[bytes], source: str) -> list[bytes]:
    """Return the batch that ``start`` begins, with ``lines``. Some of these may be in batches inside it.

    ``reference`` is that of ``start``: letters, digits and hyphens. The daemon is called ``source``.
    """
    return [start, *in_batch(reference, lines), format_line("BATCH", f"-{reference}", source=source)]


def in_batch(reference: str, lines: Iterable[bytes]) -> list[bytes]:
    """Return ``lines`` as what is in the batch ``reference``: those that are in batches inside stay so."""
    return [line if line.startswith(_IN_BATCH) else with_tags(line, {"batch": reference}) for line in lines]


def is_one_message(lines: Sequence[bytes]) -> bool:
    """Return whether ``lines`` are one multiline batch."""
    return bool(_MULTILINE_START.match(lines[0])) and all(line.startswith(_IN_BATCH) for line in lines[1:-1])
