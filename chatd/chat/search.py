"""Searches the log for one client: for messages with the words that it asks for, in what it may read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chatd.boundaries import Archive, Client, Journal
from chatd.chat.fair_queue import FairQueue
from chatd.chat.replay import Replay
from chatd.core.answers import SearchResult
from chatd.core.events import User
from chatd.core.queries import SearchRequest
from chatd.core.records import EntrySlice, PageIdWindow, SearchQuery
from chatd.core.requests import Request
from chatd.core.state import State

MAX_SEARCH_STEPS: Final = 256
"""Maximum number of steps of one search. In so many steps a search goes through millions of messages."""


class SearchService:
    """Answers searches for messages, in short steps that take turns with the steps of other searches.

    ``state`` returns the present state of the chat.
    """

    def __init__(
        self,
        archive: Archive,
        journal: Journal,
        replay: Replay,
        fair_queue: FairQueue,
        state: Callable[[], State],
    ) -> None:
        self._archive = archive
        self._journal = journal
        self._replay = replay
        self._fair_queue = fair_queue
        self._state = state

    async def send_result(self, reader: Client, user: User, request: Request, asked: SearchRequest) -> None:
        """Answer ``request`` with the messages of the search that ``asked`` describes, as far as ``user`` may
        read them.

        Raises `Refusal` if ``user`` may not, or may no longer, read the conversation that is searched, and
        `ReadFailed` if the database can't be read. Nothing is sent if the connection is gone.
        """
        max_id = self._journal.last_delivered_id if request.max_id is None else request.max_id
        self._check_may_read(user, asked)
        window, _ = await self._replay.page_window(asked.page, max_id)
        ids, resume_id = await self._search(reader, user, asked, window, max_id)
        size = reader.dialect.max_list_bytes
        found = await self._archive.found_messages(ids, size, self._state().log_filter(user))
        await self._fair_queue.wait()
        if reader.is_closed:
            return
        self._check_may_read(user, asked)
        if found.has_more:
            resume_id = found.rows[-1][0]
        rows = found.rows
        if asked.conversation is None:  # the user may have left a group meanwhile
            readable = {one.id for one in self._replay.readable_conversations(reader, user)}
            rows = [row for row in rows if row[1] in readable]
        entries = self._replay.entries_shown_to(EntrySlice(rows, found.has_more), user)
        reader.answer(request, SearchResult(user, entries, window.reads_forward, resume_id))

    async def _search(
        self, reader: Client, user: User, asked: SearchRequest, window: PageIdWindow, max_id: int
    ) -> tuple[list[int], int | None]:
        """Return the ids that are found in ``window``, and the bound from which to search on, None if
        everything was searched.
        """
        low = 1 if window.after is None else window.after + 1
        high = max_id if window.before is None else min(max_id, window.before - 1)
        place, end = (low, high) if window.reads_forward else (high, low)
        query = self._query(reader, user, asked)
        ids: list[int] = []
        for _ in range(MAX_SEARCH_STEPS):
            if low > high or reader.is_closed:
                return ids, None
            # One more than fits shows that there are more.
            step = await self._archive.search(query, place, end, window.limit + 1 - len(ids))
            ids += step.message_ids
            if len(ids) > window.limit:
                ids = ids[: window.limit]
                return ids, ids[-1]
            if step.resume_id is None:
                return ids, None
            place = step.resume_id
        return ids, place - 1 if window.reads_forward else place + 1

    def _query(self, reader: Client, user: User, asked: SearchRequest) -> SearchQuery:
        """Return the query for what ``asked`` searches of that which ``reader`` may read."""
        log_filter = self._state().log_filter(user)
        author_id = None if asked.author is None else asked.author.id
        if asked.conversation is not None:
            return SearchQuery(asked.terms, (asked.conversation.id,), log_filter, author_id=author_id)
        readable = self._replay.readable_conversations(reader, user)
        # All direct conversations of a user have one word in the index.
        places = tuple(one.id for one in readable if not one.pair)
        has_directs = any(one.pair for one in readable)
        return SearchQuery(asked.terms, places, log_filter, user.id if has_directs else None, author_id)

    def _check_may_read(self, user: User, asked: SearchRequest) -> None:
        if asked.conversation is not None:
            self._replay.check_may_read(user, asked.conversation)
