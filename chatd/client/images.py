"""Pictures as characters, by ascii-magic, which is an extra: ``pip install 'chatd[images]'``.

Source: seed tp6-chat-room, "Envoi d'image".
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Final

from chatd.client.language import _, translated_os_error
from chatd.core.limits import Limits

MIN_COLUMNS: Final = 8
"""The least width of an image, on any screen."""

CHARACTER_ASPECT: Final = 2.2
"""The height of a character divided by its width, roughly."""

MAX_PIXELS: Final = 1024
"""A picture is first scaled down to this width and height: more pixels than characters."""


class ImageError(Exception):
    """The image can't be sent; the text says why."""


def ascii_art(path: str, columns: int) -> str:
    """The picture at ``path`` as characters, at most ``columns`` wide and within the default limit of images.

    It blocks, so it belongs in a thread. Raises `ImageError`.
    """
    try:
        from ascii_magic import AsciiArt  # an extra, and slow to load
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
                picture.thumbnail((MAX_PIXELS, MAX_PIXELS))
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
    width = min(max(columns, MIN_COLUMNS), _most_columns(*upright.size))
    if width * upright.height < upright.width * CHARACTER_ASPECT:
        raise ImageError(_failure_text(path, _("it is too thin")))
    opaque = Image.new("RGBA", upright.size, "black")
    opaque.alpha_composite(upright)
    drawn: str = AsciiArt.from_pillow_image(opaque.convert("RGB")).to_ascii(
        columns=width, width_ratio=CHARACTER_ASPECT, monochrome=True
    )
    lines = [line.rstrip() for line in drawn.split("\n")]
    return "\n".join(lines).rstrip() or "."  # which is as good as blank, as no message may be


def _failure_text(path: str, why: str) -> str:
    return _("can't send {path}: {why}").format(path=path, why=why)


def _most_columns(width: int, height: int) -> int:
    """The widest picture whose characters and line ends stay below the limit, in columns."""
    return int(math.sqrt(Limits().image * CHARACTER_ASPECT * width / height)) - 1
