"""Times as every dialect writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at: int) -> str:
    """``at``, in ms since 1970, as RFC 3339 in UTC with milliseconds: ``2026-11-21T10:00:00.000Z``."""
    then = _EPOCH + timedelta(milliseconds=at)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
