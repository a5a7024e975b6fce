"""Pictures of characters on a narrow screen."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.character_pictures import fit_picture

FRAME = "\n".join(["#" * 12, *["#" + " " * 10 + "#"] * 4, "#" * 12])


class Fit(SynchronousTestCase):
    def test_a_picture_that_has_room_stays_as_it_is(self) -> None:
        self.assertEqual(fit_picture("a\n b\n", 2), ["a", " b", ""])
        self.assertEqual("\n".join(fit_picture(FRAME, 12)), FRAME)

    def test_a_wider_one_is_smaller_in_both_directions(self) -> None:
        self.assertEqual(fit_picture("abcdef\n" * 5 + "abcdef", 2), ["be", "be"])
        self.assertEqual(len(fit_picture(FRAME, 6)), 3)

    def test_wide_characters_stay(self) -> None:
        self.assertEqual(fit_picture("字字字", 3), ["字字字"])

    @given(st.text("ab \t\n", max_size=300), st.integers(-1, 60))
    def test_it_is_never_wider_than_the_screen(self, text: str, columns: int) -> None:
        lines = fit_picture(text, columns)
        if columns > 0:
            self.assertLessEqual(max(map(len, lines)), columns)
        self.assertLessEqual(len(lines), text.count("\n") + 1)
