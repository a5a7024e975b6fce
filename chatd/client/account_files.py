"""The private files that the client keeps for a user at a server, in the user's state folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from chatd.client.codec import ConversationRef
from chatd.client.connection import Address


def state_folder() -> Path | None:
    """Return the folder of the client's private files, or None if the user has no home.

    Source: XDG Base Directory Specification.
    """
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(state).expanduser() / "chatd"
    except RuntimeError:
        return None


def account_file_stem(address: Address, nick: str) -> str:
    """Return the beginning of the names of the files that belong to the user ``nick`` at ``address``.

    All spellings of the nick have the same files. It is a hash, because nicks and hosts may be too long for
    the name of a file.
    """
    key = ConversationRef("direct", nick).key[1]
    return hashlib.sha256(f"{address}\n{key}".encode()).hexdigest()[:32]
