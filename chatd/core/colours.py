"""The colours that users are shown in: told apart from their neighbours', readable on any background."""

from __future__ import annotations

from colorsys import hls_to_rgb
from typing import Final

GOLDEN_ANGLE: Final = 0.381966
"""Successive multiples of it, as parts of a turn, never come close to an earlier one for long."""

SATURATION: Final = 0.65

LUMINANCE: Final = 0.179
"""As far from black as from white: the contrast with each is 4.58, where WCAG 2.1 asks for 4.5."""


def colour_of(number: int) -> str:
    """The ``#rrggbb`` of the ``number``-th user."""
    hue = number * GOLDEN_ANGLE % 1.0
    dark, light = 0.0, 1.0
    for _ in range(12):
        lightness = (dark + light) / 2
        if luminance(*hls_to_rgb(hue, lightness, SATURATION)) < LUMINANCE:
            dark = lightness
        else:
            light = lightness
    red, green, blue = (round(part * 255) for part in hls_to_rgb(hue, light, SATURATION))
    return f"#{red:02x}{green:02x}{blue:02x}"


def luminance(red: float, green: float, blue: float) -> float:
    """How bright a colour looks, from 0 to 1; its parts, from 0 to 1, are those of sRGB (WCAG 2.1)."""
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
