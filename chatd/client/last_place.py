"""The file with the conversation that was last on the screen, for each daemon and nick."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from chatd.client.codec import ConversationRef
from chatd.client.options import default_state_path

MAX_REMEMBERED_PLACES: Final = 50
"""The maximum number of daemons and nicks that the file remembers, the latest."""

MAX_FILE_BYTES: Final = 64 * 1024
"""A larger file is not the client's, and is not read."""


class LastPlaceFile:
    """Reads and writes the last conversation of each user at each daemon, in the JSON file at ``path``.

    An ``account`` is the daemon's address and the nick. A file that is missing, damaged or can't be written
    does no harm: nothing is remembered then. Only its owner can read the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, account: str) -> ConversationRef | None:
        """Return the last conversation of ``account``, or None if none is known."""
        return self._read_all().get(account)

    def write(self, account: str, place: ConversationRef) -> None:
        """Replace the last conversation of ``account`` by ``place``.

        If another client writes at the same time, one of the two writes may be lost.
        """
        places = self._read_all()
        places.pop(account, None)
        places[account] = place
        latest = dict(list(places.items())[-MAX_REMEMBERED_PLACES:])
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(latest))
            temporary.replace(self._path)

    def _read_all(self) -> dict[str, ConversationRef]:
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            with self._path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            if len(data) <= MAX_FILE_BYTES:
                return msgspec.json.decode(data, type=dict[str, ConversationRef])
        return {}


def open_last_places() -> LastPlaceFile:
    """Return the file of the last conversations in the user's state folder."""
    path = Path(default_state_path("places.json"))
    try:
        return LastPlaceFile(path.expanduser())
    except RuntimeError:  # nobody's home
        return LastPlaceFile(path)
