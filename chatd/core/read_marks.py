"""Read marks: the entry up to which a user has read a conversation, as the user's clients have said."""

from __future__ import annotations

import msgspec

from chatd.core.events import Conversation, User


class ReadMarksDeleted(msgspec.Struct, frozen=True, eq=False):
    """A record that deletes the read marks of ``user`` in ``conversation``.

    If ``conversation`` is None, the marks of the user in all conversations are deleted; if ``user`` is None,
    those of all users. At least one of the two is given.
    """

    user: User | None
    conversation: Conversation | None
