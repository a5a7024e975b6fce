"""The lines around the conversation."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.screen_lines import items_that_fit, progress_bar


class Fitting(SynchronousTestCase):
    def test_no_key_is_cut(self) -> None:
        keys = ["F6 next unread", "F1 help", "F2 rooms"]
        self.assertEqual(items_that_fit(keys, 33), "F6 next unread  F1 help  F2 rooms")
        self.assertEqual(items_that_fit(keys, 32), "F6 next unread  F1 help")
        self.assertEqual(items_that_fit(keys, 3), "F6 next unread")


class ProgressBar(SynchronousTestCase):
    def test_it_grows_with_the_share(self) -> None:
        self.assertEqual(progress_bar(None, 13), "──────────  …")
        self.assertEqual(progress_bar(0, 15), "──────────   0%")
        self.assertEqual(progress_bar(0.5, 15), "━━━━━─────  50%")
        self.assertEqual(progress_bar(1, 15), "━━━━━━━━━━ 100%")

    @given(st.none() | st.floats(0, 1), st.integers(5, 300))
    def test_it_is_as_wide_as_the_line(self, share: float | None, columns: int) -> None:
        self.assertEqual(len(progress_bar(share, columns)), columns)
