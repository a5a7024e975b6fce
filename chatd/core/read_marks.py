"""Read marks: up to where a user has read a conversation, as the user's clients have said."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from chatd.core.events import Conversation, User


class ReadMarkPosition(NamedTuple):
    """A read mark: how far a user has read in a conversation.

    Entries with ids up to ``entry_id`` are read; 0 means that no entry is. ``client_time`` is the latest time
    that a client has given instead of an id, in milliseconds since 1970; 0 means that no client has given
    one. Some clients show a mark as a time. This is ``client_time`` or the time of the entry ``entry_id``,
    whichever is later.
    """

    entry_id: int
    client_time: int

    def moved_to(self, entry_id: int, client_time: int) -> ReadMarkPosition:
        """Return the mark after a client has marked all entries up to ``entry_id`` as read.

        ``client_time`` is the time that the client has given instead of an id, in milliseconds since 1970, or
        0. A mark moves if ``entry_id`` is larger, or if ``entry_id`` is the same and ``client_time`` is
        later. Neither its id nor its time ever becomes smaller. If the mark does not move, return the same
        object.
        """
        if (entry_id, client_time) <= self:
            return self
        return ReadMarkPosition(entry_id, max(client_time, self.client_time))


NO_READ_MARK: Final = ReadMarkPosition(0, 0)
"""The mark where a user has set none."""


class ReadMarksDeleted(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes the read marks of ``user`` in ``conversation``.

    If ``conversation`` is None, the marks of the user in all conversations are deleted; if ``user`` is None,
    those of all users. At least one of the two is given.
    """

    user: User | None
    conversation: Conversation | None
