"""Finds the message that a command names: its log entry, if the user may see it."""

from __future__ import annotations

from chatd.boundaries import Archive
from chatd.chat.commits import Committer
from chatd.chat.turns import TurnQueue
from chatd.core.events import LogEntry, User
from chatd.core.message_rules import no_such_message_refusal
from chatd.core.records import PageIdWindow, entry_from_row
from chatd.core.state import LogFilter


class MessageFinder:
    """Reads single log entries from disk, for commands that name a message by its id."""

    def __init__(self, archive: Archive, committer: Committer, turns: TurnQueue) -> None:
        self._archive = archive
        self._committer = committer
        self._turns = turns

    async def find(self, id: int) -> LogEntry:
        """Return the log entry with the id ``id``, once all earlier tasks of the journal are completed.

        The entry need not be a message, nor one that the user may see. Raises `Refusal` ``no_such_message``
        if there is no such entry, `NotStored` if an earlier transaction fails, and `ReadFailed` if the
        database can't be read.
        """
        await self._turns.wait_for_turn()
        row = await self._archive.entry(id)
        if row is None:
            raise no_such_message_refusal(id)
        return entry_from_row(self._committer.state, row)

    async def check_not_hidden(self, user: User, message: LogEntry) -> None:
        """Check that ``message`` is not hidden from ``user`` because it was sent before the user joined the
        group.

        Raises `Refusal` ``no_such_message``, and `ReadFailed`.
        """
        conversation = message.event.conversation
        if not self.hides_older_messages(message):
            return
        hidden = LogFilter(user.id, (), frozenset((conversation.id,)))
        window = PageIdWindow(1, message.id + 1, message.id - 1)
        if not (await self._archive.page(conversation, window, 0, message.id, hidden)).rows:
            raise no_such_message_refusal(message.id)

    async def user_ids_joined_before(self, message: LogEntry) -> frozenset[int] | None:
        """Return the ids of the members who joined before ``message`` was sent, and who therefore may read
        it.

        Return None if all members of the group may read it. Only the last joining of a member counts. Raises
        `ReadFailed`.
        """
        if not self.hides_older_messages(message):
            return None
        return frozenset(await self._archive.user_ids_joined_before(message.event.conversation, message.id))

    def hides_older_messages(self, message: LogEntry) -> bool:
        """Return whether the group of ``message`` hides messages that were sent before a member joined."""
        group = self._committer.state.group_of(message.event.conversation)
        return group is not None and group.history != "all"
