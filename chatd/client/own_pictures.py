"""The pictures that the user has sent, which the user's own screen shows in colour.

Others are sent characters, which any client can show. A line under the picture says so.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from rich.color import Color
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_OWN_PICTURES: Final = 20
"""The maximum number of pictures that the client keeps in memory, the latest."""

MAX_PICTURE_COLUMNS: Final = 120
"""The greatest width in which a picture is shown and kept, in columns: one pixel each."""

UPPER_HALF_BLOCK: Final = "\N{UPPER HALF BLOCK}"


class OwnPictures:
    """The latest pictures that the user has sent, so that the user's own screen can show them in colour.

    A picture is found by the text of the message that was sent for it.
    """

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Image] = OrderedDict()

    def add(self, characters: str, picture: Image) -> None:
        """Keep ``picture``, an RGB image, for the message with the text ``characters``."""
        small = picture.copy()
        small.thumbnail((MAX_PICTURE_COLUMNS, MAX_PICTURE_COLUMNS * 2))
        self._pictures[characters] = small
        while len(self._pictures) > MAX_OWN_PICTURES:
            self._pictures.popitem(last=False)

    def drawn_lines(self, characters: str, columns: int) -> list[Text]:
        """Return the picture of the message with the text ``characters``, drawn as lines of coloured
        characters.

        A line has at most ``columns`` characters. Each character is a half block that shows two pixels, one
        above the other. The list is empty if the picture is not known.
        """
        picture = self._pictures.get(characters)
        if picture is None or columns < 1:
            return []
        width = min(columns, picture.width)
        height = max(2, round(picture.height * width / picture.width))
        pixels = picture.resize((width, height + height % 2)).load()
        assert pixels is not None  # only images that were never loaded have none
        return [
            Text.assemble(
                *(
                    (UPPER_HALF_BLOCK, Style(color=_colour(pixels[x, y]), bgcolor=_colour(pixels[x, y + 1])))
                    for x in range(width)
                )
            )
            for y in range(0, height, 2)
        ]


def _colour(pixel: object) -> Color:
    assert isinstance(pixel, tuple)
    red, green, blue = pixel[:3]
    return Color.from_rgb(red, green, blue)
