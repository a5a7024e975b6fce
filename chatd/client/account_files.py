"""The private files that the client keeps for a user at a server, in the user's state folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from chatd.client.codec import ConversationRef
from chatd.client.connection import Address


def state_folder() -> Path | None:
    """Return the path of the folder in which the client keeps a user's private files.

    Return None if the user of the machine has no home folder. Source: XDG Base Directory Specification.
    """
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(state).expanduser() / "chatd"
    except RuntimeError:
        return None


def account_file_stem(address: Address, nick: str) -> str:
    """Return the start of the names of the files that the client keeps for the user ``nick`` at ``address``.

    The stem is a hash, because a nick or a host may be too long for a file name. All spellings of a nick give
    the same stem.
    """
    key = ConversationRef("direct", nick).key[1]
    return hashlib.sha256(f"{address}\n{key}".encode()).hexdigest()[:32]
