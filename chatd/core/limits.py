"""The limits that guard the daemon, with their defaults."""

from __future__ import annotations

from typing import Annotated

import msgspec

Size = Annotated[int, msgspec.Meta(ge=1)]

MessageSize = Annotated[int, msgspec.Meta(ge=1, le=9_600)]
"""One message fits in one course-work frame, however much of it has to be escaped."""

ImageSize = Annotated[int, msgspec.Meta(ge=1, le=64 * 1024)]
"""One image is never a whole outbox, though each of its bytes may take six of JSON."""

OutboxSize = Annotated[int, msgspec.Meta(ge=512 * 1024)]
"""One list is never a whole outbox."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes are in bytes, of UTF-8 where text is meant; the names are keys of ``[limits]`` in chatd.toml."""

    line: Size = 16 * 1024
    """A line of the text dialect, without its end, or a chunk of the chat room."""
    json: Size = 64 * 1024
    """A JSON value."""
    depth: Size = 32
    """Levels of nesting in a JSON value."""
    message: MessageSize = 8 * 1024
    """The text of a message."""
    image: ImageSize = 48 * 1024
    """An image, which is text as well: art made of characters."""
    note: Size = 512
    """A reason or a topic."""
    page: Size = 50
    """Entries in a page when the client names no limit."""
    page_max: Size = 500
    """Entries in a page at most."""
    outbox: OutboxSize = 1024 * 1024
    """What may wait for one client unread."""
    queue: Size = 4096
    """Commands that may wait for a commit before reading from clients pauses."""
    connections: Size = 20_000
    """Clients connected at once."""
