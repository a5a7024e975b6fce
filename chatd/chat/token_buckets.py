"""Token buckets, which limit how often something may happen for each address or each nick."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import itemgetter
from typing import Final

from chatd.boundaries import Clock

MAX_TOKEN_BUCKETS: Final = 10_000
"""The number of buckets in memory above which the half with the most tokens is removed."""


class TokenBuckets:
    """Token buckets for rate limits, one for each key.

    A bucket holds up to ``size()`` tokens and regains one every ``seconds`` seconds. ``size`` is called for
    each use of a bucket, because the size may change.
    """

    def __init__(self, clock: Clock, size: Callable[[], int], seconds: float) -> None:
        self._clock = clock
        self._size = size
        self._seconds = seconds
        # When each bucket is full again; a bucket that is full has no entry.
        self._full_at: dict[Hashable, float] = {}

    def seconds_until_token(self, key: Hashable) -> float:
        """Return the number of seconds until the bucket of ``key`` has a token, or 0 if it has one now."""
        now = self._clock.seconds()
        return max(0.0, self._full_at.get(key, now) - now + self._seconds - self._full_after)

    @property
    def _full_after(self) -> float:
        """The seconds after which an empty bucket is full."""
        return self._size() * self._seconds

    def take_token(self, key: Hashable) -> None:
        """Take a token from the bucket of ``key``, unless the bucket is empty."""
        now = self._clock.seconds()
        if len(self._full_at) >= MAX_TOKEN_BUCKETS:
            latest = sorted(self._full_at.items(), key=itemgetter(1))[MAX_TOKEN_BUCKETS // 2 :]
            self._full_at = dict(latest)
        full_at = max(now, self._full_at.get(key, now)) + self._seconds
        self._full_at[key] = min(full_at, now + self._full_after)
