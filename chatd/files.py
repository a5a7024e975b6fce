"""Files and folders that only their owner can read, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path


def open_private(path: str | Path, flags: int) -> int:
    """A descriptor of the file at ``path``. A file that is created has the mode 0600, another keeps its own.

    Raises `OSError`. An ``opener`` for `open` and `io.FileIO`.
    """
    return os.open(path, flags, 0o600)


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` and every missing folder above it, each with the mode 0700. Raises `OSError`."""
    # Path.mkdir(parents=True) gives the mode to the last folder only, and the umask to those above.
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(0o700, exist_ok=True)
