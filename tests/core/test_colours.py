"""Colours of users differ from each other, and are readable."""

from twisted.trial.unittest import SynchronousTestCase

from chatd.core.colours import nick_colour_of, relative_luminance


def brightness(colour: str) -> float:
    """The luminance of a ``#rrggbb``."""
    return relative_luminance(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))


def distance(one: str, other: str) -> int:
    """How far two colours are from each other, over their parts."""
    return sum(abs(int(one[at : at + 2], 16) - int(other[at : at + 2], 16)) for at in (1, 3, 5))


class Colours(SynchronousTestCase):
    def test_the_first_users_have_these(self) -> None:
        """They are kept in databases, and shown in SPEC.md."""
        self.assertEqual(
            [nick_colour_of(number) for number in range(1, 4)], ["#1d873c", "#9f4ed9", "#83761c"]
        )

    def test_luminance_is_that_of_the_standard(self) -> None:
        for colour, wanted in (("#000000", 0.0), ("#ffffff", 1.0), ("#808080", 0.2159), ("#0000ff", 0.0722)):
            self.assertAlmostEqual(brightness(colour), wanted, places=4)

    def test_all_are_readable_on_black_and_on_white(self) -> None:
        for number in range(1, 1000):
            shown = brightness(nick_colour_of(number)) + 0.05
            self.assertGreater(min(shown / 0.05, 1.05 / shown), 4.5, number)

    def test_neighbours_differ(self) -> None:
        for number in range(1, 1000):
            for later in range(number + 1, number + 5):
                self.assertGreater(
                    distance(nick_colour_of(number), nick_colour_of(later)), 60, (number, later)
                )
