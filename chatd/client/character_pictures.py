"""Fits pictures that are made of characters to the width of the screen."""

from __future__ import annotations

from rich.cells import cell_len


def fit_picture(text: str, columns: int) -> list[str]:
    """Return the lines of the picture ``text``, made smaller if it is wider than ``columns``.

    A smaller picture has every n-th character of every n-th line, so that it keeps its shape. A picture with
    characters that are two columns wide, or none, keeps its size.
    """
    lines = text.expandtabs().split("\n")
    widest = max(map(len, lines))
    if widest <= columns or columns < 1 or any(cell_len(line) != len(line) for line in lines):
        return lines
    step = widest / columns
    height = max(1, round(len(lines) / step))
    chosen = [int((column + 0.5) * step) for column in range(columns)]
    rows = (lines[int((row + 0.5) * len(lines) / height)].ljust(widest) for row in range(height))
    return ["".join(line[at] for at in chosen).rstrip() for line in rows]
