"""Histograms: each value is in one bucket, and a bound belongs to its bucket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.counters import Histogram


class Buckets(SynchronousTestCase):
    def test_at_a_bound_and_above_it(self) -> None:
        histogram = Histogram((1, 2, 5))
        for value in (0, 1, 1.5, 2, 5, 5.1, 100):
            histogram.observe(value)
        self.assertEqual((histogram.counts, histogram.total), ([2, 2, 1, 2], 114.6))
