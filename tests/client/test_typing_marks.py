"""When others are told that the user types."""

from __future__ import annotations

import asyncio

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import ConversationRef
from chatd.client.memory import Memory
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.typing_marks import TYPING_NOTICE_INTERVAL_SECONDS, TypingMarkSender
from chatd.core import commands as c
from chatd.json_wire import objects


class Typing(SynchronousTestCase):
    def setUp(self) -> None:
        """Have a sender in the lobby, at the time 100."""
        self.memory = Memory("alice")
        self.now = 100.0
        self.sent: list[c.Command] = []
        self.failure: Exception | None = None
        self.marks = TypingMarkSender(self.memory, self.ask, lambda: self.now)

    async def ask(self, command: c.Command) -> objects.AnswerObject:
        """Answer as the daemon does."""
        self.sent.append(command)
        if self.failure is not None:
            raise self.failure
        return objects.AnswerBase()

    def test_at_a_bounded_rate_and_not_for_commands(self) -> None:
        for text in ("", "  \n", "/who"):
            self.assertFalse(self.marks.is_due(text))
        self.assertTrue(self.marks.is_due("h"))
        self.now += TYPING_NOTICE_INTERVAL_SECONDS - 0.1
        self.assertFalse(self.marks.is_due("he"))
        self.now += 0.1
        self.assertTrue(self.marks.is_due("hel"))

    def test_where_the_user_is(self) -> None:
        for place in (ConversationRef("group", "wob"), ConversationRef("direct", "bob")):
            asyncio.run(self.marks.send())
            self.memory.switch_conversation(place)
        asyncio.run(self.marks.send())
        told = [(one.group, one.dest) for one in self.sent if isinstance(one, c.SendTyping)]
        self.assertEqual(told, [(None, None), ("wob", None), (None, "bob")])

    def test_an_older_daemon_is_told_no_more(self) -> None:
        for code, told in (("rate_limited", True), ("unknown_action", False)):
            self.failure = RefusedByServer(objects.Error(code=code, msg="x"))
            asyncio.run(self.marks.send())
            self.now += TYPING_NOTICE_INTERVAL_SECONDS
            self.assertEqual(self.marks.is_due("x"), told)
        self.failure = ConnectionLost("gone")
        asyncio.run(self.marks.send())
