"""Pictures in colour."""

from __future__ import annotations

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.own_pictures import MAX_OWN_PICTURES, MAX_PICTURE_COLUMNS, UPPER_HALF_BLOCK, OwnPictures


class Pictures(SynchronousTestCase):
    """Half blocks."""

    def test_two_pixels_a_character(self) -> None:
        picture = Image.new("RGB", (2, 4), "red")
        picture.putpixel((1, 1), (0, 0, 255))
        pictures = OwnPictures()
        pictures.add("QQ", picture)
        lines = pictures.drawn_lines("QQ", 80)
        self.assertEqual([line.plain for line in lines], [UPPER_HALF_BLOCK * 2] * 2)
        self.assertEqual(str(lines[0].spans[1].style), "#ff0000 on #0000ff")

    def test_it_fits(self) -> None:
        """Its width, and its proportions."""
        pictures = OwnPictures()
        pictures.add("wide", Image.new("RGB", (1_000, 500), "red"))
        pictures.add("thin", Image.new("RGB", (1, 3), "red"))
        for columns in (1, 7, 44, 500):
            lines = pictures.drawn_lines("wide", columns)
            width = min(columns, MAX_PICTURE_COLUMNS)
            self.assertEqual({len(line.plain) for line in lines}, {width})
            self.assertLessEqual(abs(len(lines) - width / 4), 1)
        self.assertEqual(len(pictures.drawn_lines("thin", 5)), 2)
        self.assertEqual(pictures.drawn_lines("wide", 0), [])

    def test_only_the_latest_are_kept(self) -> None:
        pictures = OwnPictures()
        for number in range(MAX_OWN_PICTURES + 1):
            pictures.add(str(number), Image.new("RGB", (2, 2)))
        self.assertEqual((pictures.drawn_lines("0", 5), len(pictures.drawn_lines("1", 5))), ([], 1))
