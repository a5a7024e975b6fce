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
    """Reads single entries of the log, for commands that name a message by its id."""

    def __init__(self, archive: Archive, committer: Committer, turns: TurnQueue) -> None:
        self._archive = archive
        self._committer = committer
        self._turns = turns

    async def find(self, id: int) -> LogEntry:
        """Return the log entry ``id``, once all earlier tasks of the journal are completed.

        It need not be a message, nor one that the user may see. Raises `Refusal` ``no_such_message`` if there
        is none, `NotStored` and `ReadFailed`.
        """
        await self._turns.wait_for_turn()
        row = await self._archive.entry(id)
        if row is None:
            raise no_such_message_refusal(id)
        return entry_from_row(self._committer.state, row)

    async def check_not_hidden(self, user: User, message: LogEntry) -> None:
        """Check that ``message`` was not sent before ``user`` joined a group that hides such messages.

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
        """Return the ids of the users who joined the group of ``message`` before it was sent, and have not
        joined again since; None if no member has to have joined so early to read it. Raises `ReadFailed`.
        """
        if not self.hides_older_messages(message):
            return None
        return frozenset(await self._archive.user_ids_joined_before(message.event.conversation, message.id))

    def hides_older_messages(self, message: LogEntry) -> bool:
        """Return whether ``message`` is in a group that hides what was sent before a member joined."""
        group = self._committer.state.group_of(message.event.conversation)
        return group is not None and group.history != "all"
