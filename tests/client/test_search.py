"""Stepping through the messages with a text."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import ConversationRef
from chatd.client.history import SEARCH_PAGE_MESSAGES, HistoryLoader
from chatd.client.memory import Memory, entry_from_message
from chatd.client.search import MAX_COUNTED_PAGES, MessageSearch
from chatd.core import commands as c
from chatd.json_wire import objects
from tests.support.languages import speak

TS = objects.Timestamp("2026-11-21T10:00:00Z")


class Archive:
    """The lobby of a daemon, with these texts; ids count from 1. Its last messages are in memory."""

    def __init__(self, texts: list[str], in_memory: int) -> None:
        self.messages = [
            objects.HistoryMessage(id=n, seq=n, ts=TS, nick="bob", msg=text, kind="message")
            for n, text in enumerate(texts, 1)
        ]
        self.pages = 0
        self.states: list[str] = []
        self.memory = Memory("alice")
        end = self.messages[len(texts) - in_memory :]
        self.memory.shown_conversation.replace_entries(
            map(entry_from_message, end), has_older=in_memory < len(texts), has_newer=False
        )
        self.loader = HistoryLoader(self.memory, Mock(), Mock(), self.answer)

    async def answer(self, command: c.Command, allowed: Container[str]) -> objects.AnswerObject | None:
        """A page."""
        assert isinstance(command, c.ReadHistory)
        assert command.limit is not None
        self.pages += 1
        if command.around is not None:
            return objects.Page(messages=self.messages[max(0, command.around - 6) : command.around + 5])
        found = [one for one in self.messages if command.before is None or one.id < command.before]
        return objects.Page(messages=found[-command.limit :], more=len(found) > command.limit)

    def search(self, text: str) -> MessageSearch:
        """A search that begins."""
        return MessageSearch(self.memory, self.loader, text, self.states.append)

    @property
    def found(self) -> int:
        """The id of what is shown as found."""
        assert self.loader.found is not None
        return self.loader.found.log_id


class Stepping(SynchronousTestCase):
    """Back and forth."""

    def setUp(self) -> None:
        """English."""
        speak(self, "en")

    @given(st.lists(st.sampled_from(("yes", "Yes!", "no")), min_size=1, max_size=30), st.data())
    def test_through_all_matches(self, texts: list[str], data: st.DataObject) -> None:
        """Back to the first and forward to the last one, however many are in memory."""
        archive = Archive(texts, data.draw(st.integers(1, len(texts))))
        wanted = [n for n, text in enumerate(texts, 1) if "yes" in text.casefold()][::-1]

        async def story() -> None:
            search = archive.search("YES")
            back = []
            while await search.show_older():
                back.append(archive.found)
            self.assertEqual(back, wanted)
            self.assertEqual(archive.states[-1], f"{len(wanted)}/{len(wanted)}" if wanted else "no match")
            forward = []
            while await search.show_newer():
                forward.append(archive.found)
            self.assertEqual(forward, wanted[:-1][::-1])

        asyncio.run(story())

    def test_counting(self) -> None:
        """Goes on in the background, and says so until all of it was read; but not for ever."""

        async def story() -> None:
            archive = Archive(["x"] * (3 * SEARCH_PAGE_MESSAGES), 100)
            search = archive.search("x")
            await search.show_older()
            self.assertEqual((archive.states, archive.pages), (["1/100+"], 0))
            await search.count_older_matches()
            self.assertEqual(archive.states[-1], f"1/{3 * SEARCH_PAGE_MESSAGES}")
            long = Archive(["x"] * ((MAX_COUNTED_PAGES + 2) * SEARCH_PAGE_MESSAGES), 1)
            search = long.search("x")
            await search.count_older_matches()
            self.assertEqual(long.pages, MAX_COUNTED_PAGES)
            self.assertEqual(long.states[-1], f"0/{MAX_COUNTED_PAGES * SEARCH_PAGE_MESSAGES + 1}+")

        asyncio.run(story())

    def test_another_conversation(self) -> None:
        """Ends the search: nothing is shown there."""

        async def story() -> None:
            archive = Archive(["x", "y"], 2)
            search = archive.search("x")
            archive.memory.switch_conversation(ConversationRef("direct", "bob"))
            self.assertFalse(search.stays_valid)
            await search.show_older()
            self.assertIsNone(archive.loader.found)

        asyncio.run(story())
