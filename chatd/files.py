"""Creation of files and folders that only their owner can read, whatever the process's umask."""

from __future__ import annotations

import os
from pathlib import Path


def open_private(path: str | Path, flags: int) -> int:
    """Open the file at ``path`` and return its descriptor. A new file gets the mode 0600.

    An existing file keeps its mode. Raises `OSError`. The function can be passed as ``opener`` to `open` and
    `io.FileIO`.
    """
    return os.open(path, flags, 0o600)


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` and every missing folder above it, each with the mode 0700. Raises `OSError`."""
    # Path.mkdir(parents=True) gives the mode to the last folder only, and the umask to those above.
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(0o700, exist_ok=True)
