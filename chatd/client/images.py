"""Pictures as characters, by ascii-magic, which is an extra: ``pip install 'chatd[images]'``.

Source: seed tp6-chat-room, "Envoi d'image".
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Final

from chatd.client.language import _, system
from chatd.core.limits import Limits

NARROWEST: Final = 8
"""Columns that an image has at least, on however small a screen."""

RATIO: Final = 2.2
"""How much higher than wide a character is, about."""

SIDE: Final = 1024
"""Pixels that are looked at, across and down: more than there are characters, and soon reckoned with."""


class NoImage(Exception):
    """It can't be sent; the text says why."""


def art(path: str, columns: int) -> str:
    """The picture at ``path``, at most ``columns`` wide and no larger than a daemon takes by default.

    It reads and reckons, so it belongs in a thread. Raises `NoImage`.
    """
    try:
        from ascii_magic import AsciiArt  # an extra, and slow to load
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise NoImage(
            _("images need ascii-magic: {command}").format(command="pip install 'chatd[images]'")
        ) from None
    try:
        file = Path(path).expanduser()
        if file.exists() and not file.is_file():
            raise NoImage(_said(path, _("it is no file")))
        with warnings.catch_warnings():
            # Pillow only warns of a picture that takes more memory than any picture should.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                picture.thumbnail((SIDE, SIDE))
                upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise NoImage(_said(path, _("it is too large"))) from None
    except RuntimeError as unknown:  # ~nobody
        raise NoImage(_said(path, str(unknown))) from None
    except UnidentifiedImageError:
        raise NoImage(_said(path, _("it is no picture"))) from None
    except (OSError, ValueError, SyntaxError) as error:  # all of which Pillow raises for broken files
        why = (isinstance(error, OSError) and error.strerror and system(error)) or _("it is damaged")
        raise NoImage(_said(path, why)) from None
    width = min(max(columns, NARROWEST), _most_columns(*upright.size))
    if width * upright.height < upright.width * RATIO:
        raise NoImage(_said(path, _("it is too thin")))
    opaque = Image.new("RGBA", upright.size, "black")
    opaque.alpha_composite(upright)
    drawn: str = AsciiArt.from_pillow_image(opaque.convert("RGB")).to_ascii(
        columns=width, width_ratio=RATIO, monochrome=True
    )
    lines = [line.rstrip() for line in drawn.split("\n")]
    return "\n".join(lines).rstrip() or "."  # which is as good as blank, as no message may be


def _said(path: str, why: str) -> str:
    return _("can't send {path}: {why}").format(path=path, why=why)


def _most_columns(width: int, height: int) -> int:
    """Columns of a picture whose characters and line ends stay below the limit."""
    return int(math.sqrt(Limits().image * RATIO * width / height)) - 1
