"""The search in the conversation on the screen: it steps through the matches, and counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from chatd.client.history import SEARCH_PAGE_MESSAGES, HistoryLoader
from chatd.client.language import _
from chatd.client.memory import Memory, ScreenEntry, entry_from_message

MAX_COUNTED_PAGES: Final = 40
"""The maximum number of pages that are read only to count matches: 20,000 messages.

In a longer conversation, older pages are read when the user goes there; until then the number has a ``+``.
"""


class MessageSearch:
    """A search for ``text`` in the messages of the conversation on the screen.

    The search begins at the newest message, and loads older pages from the daemon as it goes back. Upper and
    lower case are the same. ``show_state`` is called with a text such as ``2/14`` (the second of 14 matches)
    whenever it changes. `stays_valid` is false once another conversation is on the screen.
    """

    def __init__(
        self, memory: Memory, history: HistoryLoader, text: str, show_state: Callable[[str], None]
    ) -> None:
        self.text = text
        self._sought = text.casefold()
        self._memory = memory
        self._history = history
        self._show_state = show_state
        self._conversation = memory.shown_conversation
        self._ids: list[int] = []
        self._at = -1
        self._before: int | None = None
        self._is_complete = False
        if not self._conversation.has_newer:  # else the newest messages are not in memory
            self._add(self._conversation.entries)
            self._before = self._conversation.oldest_id
            self._is_complete = not self._conversation.has_older

    @property
    def stays_valid(self) -> bool:
        """Whether the searched conversation is still on the screen."""
        return self._conversation is self._memory.shown_conversation

    async def show_older(self) -> bool:
        """Show the next older match. Return False if there is none."""
        page: list[ScreenEntry] = []
        if self._at + 1 >= len(self._ids) and not self._is_complete:
            self._show_state(_("searching"))
            with self._history.progress_indicator():
                while self._at + 1 >= len(self._ids) and not self._is_complete:
                    page = await self._read_older()
        if self._at + 1 >= len(self._ids):
            self._tell()
            return False
        self._at += 1
        await self._show(page)
        return True

    async def show_newer(self) -> bool:
        """Show the next newer match. Return False if there is none."""
        if self._at <= 0:
            self._tell()
            return False
        self._at -= 1
        await self._show([])
        return True

    async def count_older_matches(self) -> None:
        """Load up to `MAX_COUNTED_PAGES` older pages, and add their matches to the number that is shown."""
        for _page in range(MAX_COUNTED_PAGES):
            if self._is_complete or not self.stays_valid:
                break
            await self._read_older()
            self._tell()

    async def _read_older(self) -> list[ScreenEntry]:
        """Read the next older page, add its matches, and return its entries. Return none at the beginning."""
        page = await self._history.read_page(self._conversation, SEARCH_PAGE_MESSAGES, before=self._before)
        if page is None or not page.messages:
            self._is_complete = True
            return []
        entries = [entry_from_message(item) for item in page.messages]
        self._before = page.messages[0].id
        self._is_complete = not page.more
        self._history.show_progress(page)
        self._add(entries)
        return entries

    def _add(self, entries: Iterable[ScreenEntry]) -> None:
        found = [one.log_id for one in entries if one.log_id and self._sought in one.text.casefold()]
        self._ids += reversed(found)

    async def _show(self, page: list[ScreenEntry]) -> None:
        """Show the current match, which is in memory, in ``page``, or else read from the daemon."""
        wanted = self._ids[self._at]
        if self.stays_valid:
            if any(one.log_id == wanted for one in page):
                is_first = self._is_complete and self._at == len(self._ids) - 1
                self._conversation.replace_entries(page, has_older=not is_first, has_newer=True)
            await self._history.show_message(self._conversation, wanted)
        self._tell()

    def _tell(self) -> None:
        if not self._ids and self._is_complete:
            self._show_state(_("no match"))
        elif self._ids:
            more = "" if self._is_complete else "+"
            self._show_state(f"{self._at + 1}/{len(self._ids)}{more}")
