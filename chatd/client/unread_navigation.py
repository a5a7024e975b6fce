"""Finds the conversations and messages that are unread: the next conversation, and the first new message."""

from __future__ import annotations

from functools import partial

from chatd.client.codec import ConversationRef
from chatd.client.history import SCROLL_PAGE_MESSAGES, HistoryLoader
from chatd.client.memory import Conversation, Memory, ScreenEntry, entry_from_message
from chatd.client.scrollback import Scrollback


def unread_rank(memory: Memory, conversation: Conversation) -> int:
    """Return the position of ``conversation`` among the unread conversations. The smallest comes first.

    Conversations with private messages and mentions come first, then those with other unread messages and
    invitations, then muted conversations, and last those without unread messages.
    """
    if not conversation.has_news:
        return 3
    if memory.settings.is_muted(conversation.place):
        return 2
    return 0 if conversation.unread_personal_count else 1


def next_unread_conversation(memory: Memory) -> ConversationRef | None:
    """Return the unread conversation that the user should visit next, or None if there is none.

    The order is that of `unread_rank`. Among equals, the one that follows the conversation on the screen in
    the list comes first.
    """
    listed = memory.listed_conversations()
    here = listed.index(memory.shown_conversation)
    following = [*listed[here + 1 :], *listed[:here]]
    unread = [one for one in following if one.has_news]
    return min(unread, key=partial(unread_rank, memory)).place if unread else None


class NewMessageJumper:
    """Scrolls the conversation on the screen to its first new message, and then to each one that mentions the
    user.

    ``history`` loads pages that are not in memory.
    """

    def __init__(self, memory: Memory, scrollback: Scrollback, history: HistoryLoader) -> None:
        self._memory = memory
        self._scrollback = scrollback
        self._history = history

    async def jump(self) -> bool:
        """Scroll to the first new message, or to the next new message that mentions the user.

        Return False if there is no new message, or if it can't be read.
        """
        conversation = self._memory.shown_conversation
        target = conversation.read.next_new_position()
        if target is None:
            return False
        is_line, id = target
        if not self._is_in_memory(conversation, id, is_line):
            page = await self._history.read_page(conversation, SCROLL_PAGE_MESSAGES, around=max(1, id))
            if page is None or conversation is not self._memory.shown_conversation:
                return False
            has_newer = (
                page.more or (page.messages[-1].id if page.messages else 0) < conversation.last_delivered_id
            )
            entries = map(entry_from_message, page.messages)
            has_older = bool(page.messages) and page.messages[0].id <= id
            conversation.replace_entries(entries, has_older, has_newer)
        if is_line:
            self._scrollback.show_new_messages()
        else:
            found = next((entry for entry in conversation.entries if entry.log_id == id), None)
            self._history.found = found
            self._scrollback.show(found)
        return True

    @staticmethod
    def _is_in_memory(conversation: Conversation, id: int, is_line: bool) -> bool:
        def reached(entry: ScreenEntry) -> bool:
            return 0 < entry.log_id <= id if is_line else entry.log_id == id

        if is_line and not conversation.has_older:
            return True
        return any(map(reached, conversation.entries))
