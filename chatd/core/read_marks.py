"""Read marks: up to where a user has read a conversation, as the user's clients have said."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from chatd.core.events import Conversation, User


class Mark(NamedTuple):
    """A read mark: entries with ids up to ``id`` are read; 0 if there is none, or if nothing is read.

    ``at`` is the latest time that a client has given instead of an id, in milliseconds since 1970; 0 if none
    has. A mark that is shown as a time is shown as ``at``, or as the time of the entry ``id`` if that is
    later.
    """

    id: int
    at: int

    def moved_to(self, id: int, at: int) -> Mark:
        """Return the mark after a client has marked everything up to ``id`` as read, at the time ``at``, or 0
        if the client has given no time.

        A mark moves if the id is larger, or if the id is the same and the time is later. Neither part of it
        ever goes back, though the times of the log may. If it does not move, return the same object.
        """
        return Mark(id, max(at, self.at)) if (id, at) > self else self


NO_MARK: Final = Mark(0, 0)
"""The mark where a user has set none."""


class ReadMarksDeleted(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes the read marks of ``user`` in ``conversation``.

    If ``conversation`` is None, the marks of the user in all conversations are deleted; if ``user`` is None,
    those of all users. At least one of the two is given.
    """

    user: User | None
    conversation: Conversation | None
