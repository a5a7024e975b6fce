"""The order of read marks."""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from chatd.core.read_marks import NO_READ_MARK, ReadMarkPosition

PLACES = st.tuples(st.integers(0, 5), st.integers(0, 5))


class Marks(TestCase):
    def test_the_id_comes_first(self) -> None:
        """A time counts among marks of one id only."""
        mark = ReadMarkPosition(5, 100)
        for place, moved in (
            ((6, 0), (6, 100)),
            ((6, 200), (6, 200)),
            ((5, 101), (5, 101)),
            ((5, 100), mark),
            ((5, 0), mark),
            ((4, 300), mark),
        ):
            with self.subTest(place):
                self.assertEqual(mark.moved_to(*place), moved)

    @given(st.lists(PLACES))
    def test_it_never_goes_back(self, places: list[tuple[int, int]]) -> None:
        """Nor does either part of it, and one that stays is the same object."""
        mark = NO_READ_MARK
        for place in places:
            before, mark = mark, mark.moved_to(*place)
            self.assertTrue(mark is before or mark > before)
            self.assertGreaterEqual(mark.entry_id, before.entry_id)
            self.assertGreaterEqual(mark.client_time, before.client_time)
            self.assertGreaterEqual(mark.entry_id, place[0])
