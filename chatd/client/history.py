"""Reads the history of the conversation on the screen from the server, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chatd.client.directory_loader import AskFunction
from chatd.client.memory import Conversation, Memory, ScreenEntry, entries_from_page
from chatd.client.screen_lines import ReadingLine
from chatd.client.scrollback import Scrollback
from chatd.core import commands as c
from chatd.json_wire import objects

SCROLL_PAGE_MESSAGES: Final = 100
"""The number of messages in a page that is read for scrolling."""

SEARCH_PAGE_MESSAGES: Final = 500
"""The number of messages in a page that is read for a search: the most that chatd sends in a page."""


class HistoryLoader:
    """Loads pages of the conversation on the screen from the daemon into ``memory``, and updates
    ``scrollback``.

    While pages are loaded, `reading` is true, and ``line`` shows that during scrolling and
    searching. ``ask`` sends a command to the daemon and returns the answer, or None for a refusal.
    """

    def __init__(self, memory: Memory, scrollback: Scrollback, line: ReadingLine, ask: AskFunction) -> None:
        self.reading = False
        self.found: ScreenEntry | None = None
        self._memory = memory
        self._scrollback = scrollback
        self._reading_line = line
        self._ask = ask
        self._newest_seq = 0

    async def load_more(self, older: bool) -> None:
        """Load the next older page, or the next newer one, of the conversation on the screen.

        Do nothing if there is no such page, or while another page is loaded. If an older page can't be read,
        the conversation counts as having no older entries. If a newer page can't be read, all entries of the
        conversation are dropped from memory.
        """
        conversation = self._memory.shown_conversation
        if self.reading or not (conversation.has_older if older else conversation.has_newer):
            return  # the request was made before the last page arrived
        edge = conversation.oldest_id if older else conversation.newest_id
        with self.progress_indicator():
            bounds = {"before": edge} if older else {"after": edge}
            page = await self._read_entries(conversation, SCROLL_PAGE_MESSAGES, **bounds)
        if conversation is not self._memory.shown_conversation:
            return
        if edge != (conversation.oldest_id if older else conversation.newest_id):
            return  # the edge has moved meanwhile; the scrollback asks again
        if page is None:
            if older:
                conversation.has_older = False
            else:
                conversation.clear()
        elif older:
            conversation.prepend_page(*page)
        else:
            conversation.append_page(*page)

    async def read_events(self) -> None:
        """Read the end of the conversation on the screen again, with its events, if it was read without."""
        conversation = self._memory.shown_conversation
        if not conversation.lacks_events:
            return
        conversation.lacks_events = False
        limit = min(SEARCH_PAGE_MESSAGES, max(SCROLL_PAGE_MESSAGES, 2 * len(conversation.entries)))
        page = await self._read_entries(conversation, limit)
        if conversation is not self._memory.shown_conversation:
            conversation.lacks_events = True
        elif page is not None and not conversation.has_newer:
            conversation.replace_entries(*page, has_newer=False)
            self._scrollback.redraw_soon()

    async def show_beginning(self) -> None:
        """Show the first messages of the conversation on the screen. Do nothing if they can't be read."""
        conversation = self._memory.shown_conversation
        page = await self._read_entries(conversation, after=0)
        if page is not None and conversation is self._memory.shown_conversation:
            entries, more = page
            conversation.replace_entries(entries, has_older=False, has_newer=more)
            self._scrollback.show(at_beginning=True)

    async def show_end(self) -> bool:
        """Show the end of the conversation on the screen. Return whether it could be shown.

        If the end can't be read, or if the user goes to another conversation meanwhile, the view stays as it
        is.
        """
        conversation = self._memory.shown_conversation
        if conversation.has_newer:
            page = await self._read_entries(conversation)
            if page is None or conversation is not self._memory.shown_conversation:
                return False
            conversation.replace_entries(*page, has_newer=False)
        self.found = None
        self._scrollback.show()
        return True

    async def show_message(self, conversation: Conversation, id: int) -> None:
        """Show and highlight the message of ``conversation`` with the log id ``id``.

        If the message is not in memory, read it and the messages around it from the daemon. Do nothing if the
        message can't be read, or if the user goes to another conversation meanwhile.
        """
        found = _entry_with_id(conversation.entries, id)
        if found is None:
            page = await self._read_entries(conversation, around=id)
            if page is None or conversation is not self._memory.shown_conversation:
                return
            entries, _more = page
            conversation.replace_entries(entries, has_older=True, has_newer=True)
            found = _entry_with_id(conversation.entries, id)
        if found is not None:
            self.found = found
            self._scrollback.show(found)

    def show_progress(self, page: objects.Page) -> None:
        """Show which part of the conversation has been read back to ``page``."""
        newest = self._newest_seq = max(self._newest_seq, page.messages[-1].seq)
        self._reading_line.show_share((newest - page.messages[0].seq) / newest)

    async def _read_entries(
        self, conversation: Conversation, limit: int = SCROLL_PAGE_MESSAGES, **bounds: int | None
    ) -> tuple[list[ScreenEntry], bool] | None:
        """Return a page of at most ``limit`` entries of ``conversation``, and whether there are more; None if
        that fails.

        For a group, the events are among them. As what happened to messages counts for the size of a page and
        is not shown, several pages are read until one has something to show. ``bounds`` are those of
        `read_page`.
        """
        while True:
            page = await self.read_page(
                conversation, limit, **bounds, has_events=conversation.place.kind == "group"
            )
            if page is None:
                return None
            entries = entries_from_page(page)
            if entries or not page.more or not page.events:
                return entries, page.more
            after = bounds.get("after")
            bounds = {"before": page.events[0].id} if after is None else {"after": page.events[-1].id}

    async def read_page(
        self,
        conversation: Conversation,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        around: int | None = None,
        has_events: bool = False,
    ) -> objects.Page | None:
        """Return a page of at most ``limit`` messages of ``conversation``, or None if the request fails.

        The messages come before the log entry with the id ``before``, or after the entry with the id
        ``after``, or are around the entry with the id ``around``; without a bound, they are the last. With
        ``has_events`` the page has the events between them, which count for ``limit``.
        """
        place = conversation.place
        answer = await self._ask(
            c.ReadHistory(
                dest=place.name if place.kind == "direct" else None,
                group=place.name if place.kind == "group" else None,
                limit=limit,
                before=before,
                after=after,
                around=around,
                events="all" if has_events else "none",
            ),
            ("unknown_action",),  # from a course-work server, which has no pages
        )
        if not isinstance(answer, objects.Page):
            return None
        self._memory.store_nick_colours(answer)
        return answer

    @contextmanager
    def progress_indicator(self) -> Iterator[None]:
        """Return a context manager. Until it exits, the screen shows that pages are read, if that lasts."""
        self._newest_seq = 0
        self._reading_line.begin()
        self.reading = True
        try:
            yield
        finally:
            self.reading = False
            self._reading_line.end()
            self._scrollback.redraw_soon()  # it may need one more page


def _entry_with_id(entries: list[ScreenEntry], id: int) -> ScreenEntry | None:
    return next((entry for entry in reversed(entries) if entry.log_id == id), None)
