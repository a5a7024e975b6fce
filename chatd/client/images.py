"""Turns pictures into characters with ascii-magic, an optional package: ``pip install 'chatd[images]'``.

Source: seed tp6-chat-room, "Envoi d'image".
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatd.client.language import _, translated_os_error
from chatd.core.limits import Limits

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MIN_IMAGE_COLUMNS: Final = 8
"""The least width, in characters, to which a narrow screen limits an image."""

CHARACTER_HEIGHT_TO_WIDTH_RATIO: Final = 2.2
"""The approximate height of a character on the screen, divided by its width."""

MAX_IMAGE_SIDE_PIXELS: Final = 1024
"""The greatest width and height, in pixels, of a picture before it is turned into characters."""


class ImageError(Exception):
    """The error for an image that can't be sent. Its text says why, in the user's language."""


def picture_as_characters(path: str, columns: int) -> tuple[str, PillowImage]:
    """Return the picture in the file ``path`` as a text of characters, and as an RGB image.

    A line of the text has at most ``columns`` characters, or `MIN_IMAGE_COLUMNS` if that is more. The size of
    the text stays within the default limit of image messages. The RGB image is rotated as the file's metadata
    say. The function blocks, so it must run in a thread. Raises `ImageError` if the file is no readable
    picture, the picture is too large or too thin, or ascii-magic is not installed.
    """
    try:
        from ascii_magic import AsciiArt  # an optional package, and slow to load
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ImageError(
            _("images need ascii-magic: {command}").format(command="pip install 'chatd[images]'")
        ) from None
    try:
        file = Path(path).expanduser()
        if file.exists() and not file.is_file():
            raise ImageError(_failure_text(path, _("it is no file")))
        with warnings.catch_warnings():
            # Pillow only warns of a picture that takes more memory than any picture should.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                picture.thumbnail((MAX_IMAGE_SIDE_PIXELS, MAX_IMAGE_SIDE_PIXELS))
                upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageError(_failure_text(path, _("it is too large"))) from None
    except RuntimeError as unknown:  # ~nobody
        raise ImageError(_failure_text(path, str(unknown))) from None
    except UnidentifiedImageError:
        raise ImageError(_failure_text(path, _("it is no picture"))) from None
    except (OSError, ValueError, SyntaxError) as error:  # all of which Pillow raises for broken files
        why = (isinstance(error, OSError) and error.strerror and translated_os_error(error)) or _(
            "it is damaged"
        )
        raise ImageError(_failure_text(path, why)) from None
    width = min(max(columns, MIN_IMAGE_COLUMNS), _most_columns(*upright.size))
    if width * upright.height < upright.width * CHARACTER_HEIGHT_TO_WIDTH_RATIO:
        raise ImageError(_failure_text(path, _("it is too thin")))
    opaque = Image.new("RGBA", upright.size, "black")
    opaque.alpha_composite(upright)
    coloured = opaque.convert("RGB")
    drawn: str = AsciiArt.from_pillow_image(coloured).to_ascii(
        columns=width, width_ratio=CHARACTER_HEIGHT_TO_WIDTH_RATIO, monochrome=True
    )
    lines = [line.rstrip() for line in drawn.split("\n")]
    return "\n".join(lines).rstrip() or ".", coloured  # a message must not be blank


def _failure_text(path: str, why: str) -> str:
    return _("can't send {path}: {why}").format(path=path, why=why)


def _most_columns(width: int, height: int) -> int:
    """Return the greatest number of columns at which a picture stays below the default size limit of images.

    ``width`` and ``height`` are the picture's size in pixels. Line ends count towards the limit.
    """
    return int(math.sqrt(Limits().image * CHARACTER_HEIGHT_TO_WIDTH_RATIO * width / height)) - 1
