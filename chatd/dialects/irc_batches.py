"""Batches of lines: pages of history, messages of several lines, and the lines of an answer with a label.

Source: the IRCv3 specification of batch. Every batch is written at once, so a reference
need only differ from those of the batches around and inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from chatd.dialects.irc_lines import format_line, with_tags

MULTILINE_CAPABILITY: Final = "draft/multiline"
"""The capability and the type of the batches that are one message of several lines."""

_IN_BATCH: Final = b"@batch="
_MULTILINE_START: Final = re.compile(
    rf"(?:@[^ ]+ )?(?::[^ ]+ )?BATCH \+[^ ]+ {MULTILINE_CAPABILITY} ".encode()
)


def batch_lines(start: bytes, reference: str, lines: Iterable[bytes], source: str) -> list[bytes]:
    """Return an IRCv3 batch: the line ``start``, then ``lines``, then the line that ends the batch.

    ``start`` is the line ``BATCH +reference``, and ``reference`` is the name in it: letters, digits and
    hyphens. ``source`` is the name of the server, which is the source of the last line. Some of ``lines`` may
    be inner batches.
    """
    return [start, *add_batch_tags(reference, lines), format_line("BATCH", f"-{reference}", source=source)]


def add_batch_tags(reference: str, lines: Iterable[bytes]) -> list[bytes]:
    """Return ``lines`` with the tag ``batch=reference``, which makes them the content of the batch
    ``reference``.

    A line that already has a ``batch`` tag is part of an inner batch, and is returned unchanged.
    """
    return [line if line.startswith(_IN_BATCH) else with_tags(line, {"batch": reference}) for line in lines]


def is_one_message(lines: Sequence[bytes]) -> bool:
    """Return whether ``lines`` are a single ``draft/multiline`` batch, that is, one message of several
    lines.
    """
    return bool(_MULTILINE_START.match(lines[0])) and all(line.startswith(_IN_BATCH) for line in lines[1:-1])
