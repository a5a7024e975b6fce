"""Reads the history of the conversation on the screen from the server, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chatd.client.directory_loader import AskFunction
from chatd.client.memory import Conversation, Memory, ScreenEntry, entry_from_message
from chatd.client.screen_lines import ReadingLine
from chatd.client.scrollback import Scrollback
from chatd.core import commands as c
from chatd.json_wire import objects

SCROLL_PAGE_SIZE: Final = 100
"""The number of messages in a page that is read for scrolling."""

SEARCH_PAGE_SIZE: Final = 500
"""The number of messages in a page that is read for a search: the most that chatd sends in a page."""


class HistoryLoader:
    """Reads pages of the conversation on the screen into ``memory``, and tells ``scrollback`` what to show.

    During scrolling and searching, `reading` is true while pages are read, and ``line`` shows it.
    ``ask`` sends a command and returns its answer, or None for a refusal.
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
        """Read the next page, older or newer, of the conversation on the screen.

        Do nothing if there is no such page, or while another page is read. If an older page can't be read,
        the conversation counts as having none; if a newer one can't, all its entries are dropped from memory.
        """
        conversation = self._memory.shown_conversation
        if self.reading or not (conversation.has_older if older else conversation.has_newer):
            return  # the request was made before the last page arrived
        edge = conversation.oldest_id if older else conversation.newest_id
        with self.progress_indicator():
            bounds = {"before": edge} if older else {"after": edge}
            page = await self.read_page(conversation, SCROLL_PAGE_SIZE, **bounds)
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
            conversation.prepend_page(map(entry_from_message, page.messages), page.more)
        else:
            conversation.append_page(map(entry_from_message, page.messages), page.more)

    async def show_beginning(self) -> None:
        """Show the first messages of the conversation on the screen. Do nothing if they can't be read."""
        conversation = self._memory.shown_conversation
        page = await self.read_page(conversation, SCROLL_PAGE_SIZE, after=0)
        if page is not None and conversation is self._memory.shown_conversation:
            conversation.replace_entries(
                map(entry_from_message, page.messages), has_older=False, has_newer=page.more
            )
            self._scrollback.show(at_beginning=True)

    async def show_end(self) -> bool:
        """Show the end of the conversation on the screen.

        Return False and leave the view as it is if the end can't be read, or if the user goes to another
        conversation meanwhile.
        """
        conversation = self._memory.shown_conversation
        if conversation.has_newer:
            page = await self.read_page(conversation, SCROLL_PAGE_SIZE)
            if page is None or conversation is not self._memory.shown_conversation:
                return False
            conversation.replace_entries(map(entry_from_message, page.messages), page.more, has_newer=False)
        self.found = None
        self._scrollback.show()
        return True

    async def show_message(self, conversation: Conversation, id: int) -> None:
        """Show the message of ``conversation`` with the log id ``id``, and mark it as found.

        Read the messages around it if it is not in memory. Do nothing if it can't be read, or if the user
        goes to another conversation meanwhile.
        """
        found = _entry_with_id(conversation.entries, id)
        if found is None:
            page = await self.read_page(conversation, SCROLL_PAGE_SIZE, around=id)
            if page is None or conversation is not self._memory.shown_conversation:
                return
            entries = [entry_from_message(item) for item in page.messages]
            conversation.replace_entries(entries, has_older=True, has_newer=True)
            found = _entry_with_id(conversation.entries, id)
        if found is not None:
            self.found = found
            self._scrollback.show(found)

    def show_progress(self, page: objects.Page) -> None:
        """Show how far back ``page`` is in its conversation."""
        newest = self._newest_seq = max(self._newest_seq, page.messages[-1].seq)
        self._reading_line.show_share((newest - page.messages[0].seq) / newest)

    async def read_page(
        self,
        conversation: Conversation,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        around: int | None = None,
    ) -> objects.Page | None:
        """Return a page of at most ``limit`` messages of ``conversation``, or None if the request fails.

        The messages come before the log entry with the id ``before``, or after the entry with the id
        ``after``, or are around the entry with the id ``around``; without a bound, they are the last.
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
            ),
            ("unknown_action",),  # from a course-work server, which has no pages
        )
        if not isinstance(answer, objects.Page):
            return None
        self._memory.learn_colours(answer)
        return answer

    @contextmanager
    def progress_indicator(self) -> Iterator[None]:
        """Show that the client reads while the ``with`` block runs, if that takes long."""
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
    return next((entry for entry in reversed(entries) if entry.id == id), None)
