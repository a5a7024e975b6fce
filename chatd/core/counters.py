"""Counters of what the daemon does, for monitoring. They contain no nick, no name of a group and no text."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence


class Histogram:
    """A histogram: the numbers of observed values in buckets.

    ``bounds`` are the inclusive upper bounds of the buckets, in ascending order. ``counts`` has the number of
    values in each bucket; its last item is the number of values above all bounds. ``total`` is the sum of all
    values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Add the observed ``value`` to its bucket and to the total."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counters:
    """The number of messages, refusals and refused logins since the daemon has started.

    ``messages`` counts the stored messages, by the wire of their author and the kind of their conversation
    (lobby, group or direct). ``refusals`` counts the refusals that were sent, by code, and the connections
    that were cut with ``slow_consumer``. ``refused_logins`` counts the refused logins, by code.
    """

    __slots__ = ("messages", "refusals", "refused_logins")

    def __init__(self) -> None:
        # To increase a number in a `Counter` takes three times as long.
        self.messages: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.refusals: defaultdict[str, int] = defaultdict(int)
        self.refused_logins: defaultdict[str, int] = defaultdict(int)
