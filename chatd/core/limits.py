"""The limits that guard the daemon, with their defaults."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes are in bytes, of UTF-8 where text is meant; the names are keys of ``[limits]`` in chatd.toml."""

    line: int = 16 * 1024
    """A line of the text dialect, without its end."""
    json: int = 64 * 1024
    """A JSON value."""
    depth: int = 32
    """Levels of nesting in a JSON value."""
    message: int = 8 * 1024
    """The text of a message."""
    note: int = 512
    """A reason or a topic."""
    page: int = 50
    """Entries in a page when the client names no limit."""
    page_max: int = 500
    """Entries in a page at most."""
    outbox: int = 1024 * 1024
    """What may wait for one client unread."""
    queue: int = 4096
    """Commands that may wait for a commit before reading from clients pauses."""
    connections: int = 20_000
    """Clients connected at once."""
