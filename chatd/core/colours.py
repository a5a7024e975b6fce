"""The colours of users: users with neighbouring ids have distinct colours, readable on black and on white."""

from __future__ import annotations

from colorsys import hls_to_rgb
from typing import Final

GOLDEN_ANGLE_TURNS: Final = 0.381966
"""The difference in hue between consecutive users, in full turns. Multiples spread evenly over the circle."""

NICK_COLOUR_SATURATION: Final = 0.65
"""The HLS saturation of all colours, 0 to 1."""

NICK_COLOUR_LUMINANCE: Final = 0.179
"""The relative luminance of all colours. Its contrast with black and white is 4.58; WCAG 2.1 requires 4.5."""


def nick_colour_of(user_id: int) -> str:
    """Return the colour of the user with the id ``user_id``, as ``#rrggbb``. It depends only on the id."""
    hue = user_id * GOLDEN_ANGLE_TURNS % 1.0
    dark, light = 0.0, 1.0
    for _ in range(12):
        lightness = (dark + light) / 2
        if relative_luminance(*hls_to_rgb(hue, lightness, NICK_COLOUR_SATURATION)) < NICK_COLOUR_LUMINANCE:
            dark = lightness
        else:
            light = lightness
    red, green, blue = (round(part * 255) for part in hls_to_rgb(hue, light, NICK_COLOUR_SATURATION))
    return f"#{red:02x}{green:02x}{blue:02x}"


def relative_luminance(red: float, green: float, blue: float) -> float:
    """Return the relative luminance (WCAG 2.1), 0 to 1, of an sRGB colour with components from 0 to 1."""
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
