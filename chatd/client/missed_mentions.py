"""Looks for mentions of the user among the messages that are unread at the login."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chatd.client.history import SEARCH_PAGE_MESSAGES, HistoryLoader
from chatd.client.memory import Conversation, Memory, ScreenEntry, entry_from_message
from chatd.client.mentions import text_mentions_nick
from chatd.core.events import MESSAGE_KINDS

MAX_MENTION_SEARCH_PAGES_PER_CONVERSATION: Final = 5
"""The most pages of `SEARCH_PAGE_MESSAGES` messages that are read of one conversation, the newest first."""

MAX_MENTION_SEARCH_PAGES: Final = 20
"""The most pages that are read at a login."""


async def find_missed_mentions(memory: Memory, history: HistoryLoader) -> None:
    """Find the unread messages in groups and in the lobby that mention the user, and record them in
    ``memory``.

    ``history`` loads messages that are not in memory, within the limits of this module. Older mentions are
    not counted. Private messages need no search, because each of them counts as a mention.
    """
    pages_left = MAX_MENTION_SEARCH_PAGES
    for conversation in list(memory.conversations.values()):
        if conversation.place.kind == "direct" or not conversation.unread_count:
            continue
        _record(memory, conversation, conversation.entries)
        before = conversation.oldest_id
        for _page in range(min(pages_left, MAX_MENTION_SEARCH_PAGES_PER_CONVERSATION)):
            if before is not None and before <= conversation.read.read_id + 1:
                break
            page = await history.read_page(conversation, SEARCH_PAGE_MESSAGES, before=before)
            pages_left -= 1
            if page is None or not page.messages:
                break
            _record(memory, conversation, map(entry_from_message, page.messages))
            before = page.messages[0].id if page.more else 0


def _record(memory: Memory, conversation: Conversation, entries: Iterable[ScreenEntry]) -> None:
    conversation.read.add_mentions(
        entry.log_id
        for entry in entries
        if entry.kind in MESSAGE_KINDS
        and entry.nick != memory.nick
        and text_mentions_nick(entry.text, memory.nick)
    )
