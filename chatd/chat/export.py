"""Exports of all that the log has of a user or a group, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatd.boundaries import Archive
from chatd.chat.commits import Committer
from chatd.core.events import Conversation, LogEntry, User
from chatd.core.records import EntrySlice, entry_from_row
from chatd.core.state import State

EXPORT_PAGE_ENTRIES: Final = 200
"""Maximum number of entries in a page of an export."""

EXPORT_PAGE_BYTES: Final = 256 * 1024
"""Maximum number of bytes of bodies in a page of an export; a single entry may have more."""

MAX_ENTRIES_SCANNED_FOR_EXPORT: Final = 10_000
"""Maximum number of entries that are looked at for one page of a user's export."""


class Export:
    """An export of the data of a user or of a group, which is read page by page.

    For a user, ``user`` is set and ``conversation`` is None. For a group, ``conversation`` is set and
    ``user`` is None. ``at`` is the time at which the export began, in milliseconds since 1970. ``last_id`` is
    the id of the last log entry at that time. Later entries are not exported.
    """

    def __init__(
        self,
        archive: Archive,
        committer: Committer,
        at: int,
        last_id: int,
        user: User | None = None,
        conversation: Conversation | None = None,
    ) -> None:
        self.at = at
        self.last_id = last_id
        self.user = user
        self.conversation = conversation
        self._archive = archive
        self._committer = committer
        self._after = 0

    @property
    def chat_state(self) -> State:
        """The present state of the chat.

        Raises `Refusal` ``storage_failed`` while the state is reloaded after a failed transaction.
        """
        return self._committer.state

    async def next_page(self) -> Sequence[LogEntry]:
        """Return the next entries of the export in ascending order of ids, or an empty sequence at the end.

        Raises `ReadFailed`, or `Refusal` ``storage_failed``.
        """
        while self._after < self.last_id:
            end = (
                min(self._after + MAX_ENTRIES_SCANNED_FOR_EXPORT, self.last_id) if self.user else self.last_id
            )
            found = await self._read(end)
            self._after = found.rows[-1][0] if found.has_more else end
            if found.rows:
                state = self.chat_state
                return [entry_from_row(state, row) for row in found.rows]
        return ()

    async def _read(self, end: int) -> EntrySlice:
        limits = (self._after, EXPORT_PAGE_ENTRIES, EXPORT_PAGE_BYTES, end)
        if self.user is not None:
            return await self._archive.user_entries(self.user, *limits)
        assert self.conversation is not None
        return await self._archive.conversation_entries(self.conversation, *limits)
