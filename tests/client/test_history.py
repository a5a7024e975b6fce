"""Pages of a conversation: what the client asks for, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.history import HistoryLoader
from chatd.client.memory import Memory
from chatd.core import commands as c
from chatd.json_wire import objects
from tests.client.test_memory import TS

WOB = ConversationRef("group", "wob")


class View:
    """In place of the widgets."""

    def show(self, entry: object = None, at_beginning: bool = False) -> None:
        """Show the conversation."""

    def redraw_soon(self) -> None:
        """Draw it again."""


def said(id: int) -> objects.HistoryMessage:
    """A message of bob's."""
    return objects.HistoryMessage(id=id, seq=id, ts=TS, nick="bob", msg=f"m{id}", kind="message")


def event(id: int, kind: str = "joined", **fields: Any) -> objects.GroupEvent:
    """Something that bob did."""
    return objects.GroupEvent(id=id, ts=TS, event=kind, actor="bob", **fields)


class Pages(SynchronousTestCase):
    def setUp(self) -> None:
        """A room, whose messages came with the welcome."""
        self.memory = Memory("alice")
        self.pages: list[objects.Page | None] = []
        self.asked: list[c.ReadHistory] = []
        self.loader = HistoryLoader(self.memory, cast(Any, View()), cast(Any, View()), self.ask)

    async def ask(self, command: c.Command, allowed: Container[str] = ()) -> objects.AnswerObject | None:
        """The server."""
        assert isinstance(command, c.ReadHistory)
        self.asked.append(command)
        return self.pages.pop(0)

    @property
    def shown(self) -> list[int]:
        """The ids of what is in memory of the conversation on the screen."""
        return [entry.log_id for entry in self.memory.shown_conversation.entries]

    def test_a_room_is_read_with_its_events_once(self) -> None:
        """What arrives meanwhile stays behind them."""
        self.memory.add_login_backlog(objects.Page(group="wob", messages=[said(2), said(4)], seen=4))
        self.memory.switch_conversation(WOB)
        self.memory.add_news(objects.Message(id=6, ts=TS, nick="bob", msg="m6", group="wob"), at_end=True)
        self.assertEqual(self.shown, [2, 4, 6])
        events = [
            event(1, "created", visibility="public"),
            event(3),
            event(5, "reacted", message=2, reaction="x"),
        ]
        self.pages = [objects.Page(group="wob", messages=[said(2), said(4)], events=events)]
        for _time in range(2):
            asyncio.run(self.loader.read_events())
        self.assertEqual(self.shown, [1, 2, 3, 4, 6])
        self.assertEqual([(one.group, one.events) for one in self.asked], [("wob", "all")])

    def test_a_room_that_can_not_be_read_stays_as_it_is(self) -> None:
        self.memory.add_login_backlog(objects.Page(group="wob", messages=[said(2)], seen=4))
        self.memory.switch_conversation(WOB)
        self.pages = [None]
        for _time in range(2):
            asyncio.run(self.loader.read_events())
        self.assertEqual((self.shown, len(self.asked)), ([2], 1))

    def test_pages_with_nothing_to_show_are_passed(self) -> None:
        """Otherwise many reactions in a row would end the history."""
        self.memory.switch_conversation(WOB)
        changes = [event(id, "reacted", message=2, reaction="x") for id in range(100, 200)]
        self.pages = [
            objects.Page(group="wob", messages=[], events=changes[50:], more=True),
            objects.Page(group="wob", messages=[], events=changes[:50], more=True),
            objects.Page(group="wob", messages=[said(2)], events=[event(3)], more=False),
        ]
        self.memory.shown_conversation.has_newer = True
        self.assertTrue(asyncio.run(self.loader.show_end()))
        self.assertEqual(self.shown, [2, 3])
        self.assertEqual([one.before for one in self.asked], [None, 150, 100])
        self.asked.clear()
        self.pages = [
            objects.Page(group="wob", messages=[], events=changes[:50], more=True),
            objects.Page(group="wob", messages=[], events=changes[50:], more=False),
        ]
        asyncio.run(self.loader.show_beginning())
        self.assertEqual([(one.before, one.after) for one in self.asked], [(None, 0), (None, 149)])
        self.assertEqual((self.shown, self.memory.shown_conversation.has_newer), ([2, 3], False))

    def test_elsewhere_there_are_no_events_to_ask_for(self) -> None:
        for place in (LOBBY, ConversationRef("direct", "bob")):
            self.memory.switch_conversation(place)
            self.pages = [objects.Page(messages=[said(2)])]
            asyncio.run(self.loader.show_beginning())
        self.assertEqual([one.events for one in self.asked], ["none", "none"])
