"""Pictures that become characters, and files that don't."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.images import ImageError, picture_as_characters
from chatd.core.limits import Limits


class Drawing(SynchronousTestCase):
    """What a picture becomes."""

    def setUp(self) -> None:
        """Have a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def picture(self, width: int, height: int, colour: str = "white", name: str = "picture.png") -> str:
        """One in one colour."""
        path = str(self.folder / name)
        Image.new("RGBA" if name.endswith("png") else "RGB", (width, height), colour).save(path)
        return path

    def test_it_fits(self) -> None:
        for name in ("picture.png", "picture.jpg"):
            drawn = picture_as_characters(self.picture(220, 100, name=name), 60)[0].split("\n")
            self.assertEqual((len(drawn), {*map(len, drawn)}), (12, {59}))

    def test_a_high_one_gets_narrower_rather_than_too_large(self) -> None:
        for width in (1, 100):
            drawn = picture_as_characters(self.picture(width, 2_000), 80)[0]
            self.assertLessEqual(len(drawn.encode()), Limits().image)
            self.assertGreater(len(drawn.encode()), Limits().image // 2)

    def test_what_can_be_seen_through_is_dark(self) -> None:
        """And nothing is ever blank, which no message may be."""
        self.assertEqual(picture_as_characters(self.picture(100, 100, "#ffffff00"), 20)[0], ".")

    def refused(self, path: str) -> str:
        """Why there is no image."""
        with self.assertRaises(ImageError) as caught:
            picture_as_characters(path, 80)
        return str(caught.exception).removeprefix(f"can't send {path}: ")

    def test_what_is_no_picture(self) -> None:
        text = self.folder / "text.png"
        text.write_text("no picture")
        broken = Path(self.picture(100, 100, name="broken.png"))
        broken.write_bytes(broken.read_bytes()[:60])
        self.assertEqual(self.refused(str(text)), "it is no picture")
        self.assertIn(self.refused(str(broken)), ("it is damaged", "it is no picture"))
        self.assertEqual(self.refused(str(self.folder)), "it is no file")
        self.assertEqual(self.refused("/dev/zero"), "it is no file")
        self.assertEqual(self.refused(str(self.folder / "none.png")), "No such file or directory")

    def test_shapes_that_are_none(self) -> None:
        self.assertEqual(self.refused(self.picture(1_000, 1)), "it is too thin")
        with patch.object(Image, "MAX_IMAGE_PIXELS", 100):
            self.assertEqual(self.refused(self.picture(15, 10)), "it is too large")
            self.assertEqual(self.refused(self.picture(100, 100)), "it is too large")

    def test_without_the_extra(self) -> None:
        with patch.dict(sys.modules, {"ascii_magic": None}):
            self.assertEqual(
                self.refused(self.picture(100, 100)), "images need ascii-magic: pip install 'chatd[images]'"
            )
