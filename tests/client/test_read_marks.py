"""The read marks that the client sends and gets, with a daemon that is only a list of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from chatd.client import codec
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.coursework import placeholder_welcome
from chatd.client.memory import Memory
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.read_marks import ReadMarkKeeper
from chatd.core import commands as c
from chatd.json_wire import objects

TS = objects.Timestamp("2026-11-21T10:00:00Z")
WELCOME = objects.Welcome(
    sender="server",
    action="server-hello",
    msg="",
    user=objects.User(1, "alice", "#112233"),
    cursor=9,
    seen=4,
    returning=True,
)


class Keeping(SynchronousTestCase):
    def setUp(self) -> None:
        """Alice, who has just logged in."""
        self.memory = Memory("alice")
        self.asked: list[c.Command] = []
        self.answers: list[objects.AnswerObject | Exception] = []

    async def ask(self, command: c.Command) -> objects.AnswerObject:
        """Answer as the test says, or with the mark that was asked for."""
        self.asked.append(command)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        assert isinstance(command, c.MarkRead)
        return objects.ReadMark(id=command.upto or 0)

    def keeper(self, welcome: objects.Welcome = WELCOME) -> ReadMarkKeeper:
        """One for a session."""
        keeper = ReadMarkKeeper(self.memory, self.ask, lambda: None)
        keeper.start_session(welcome)
        return keeper

    def hear(self, id: int, **where: str) -> None:
        """A message that alice does not see."""
        said = objects.Message(id=id, ts=TS, nick="bob", msg="hi", **where)  # type: ignore[arg-type]
        self.memory.add_news(said, at_end=True, is_watched=False)

    def play(self, story: Callable[[ReadMarkKeeper], Coroutine[Any, Any, None]], **more: Any) -> None:
        """Let it happen."""

        async def run() -> None:
            await story(self.keeper(**more))

        asyncio.run(run())

    def test_a_long_list_is_read_to_its_end(self) -> None:
        """And what is unread in it is unread here."""
        pages = [
            objects.Conversations(
                conversations=[objects.ConversationSummary("direct", name, last=8, unread=2, read=3)],
                more=more,
            )
            for name, more in (("bob", True), ("carol", False))
        ]
        self.answers = [*pages]
        self.play(ReadMarkKeeper.read_counts)
        self.assertEqual([one.skip for one in self.asked if isinstance(one, c.ListConversations)], [0, 1])
        for name in ("bob", "carol"):
            self.assertEqual(self.memory.conversation(ConversationRef("direct", name)).unread_count, 2)

    def test_marks_come_in_rounds(self) -> None:
        """However much is read meanwhile: one mark for each conversation, and a pause behind it."""

        async def story(keeper: ReadMarkKeeper) -> None:
            paused, go_on = asyncio.Event(), asyncio.Event()

            async def sleep(_seconds: float) -> None:
                paused.set()
                await go_on.wait()

            with patch("chatd.client.read_marks.asyncio.sleep", sleep):
                running = asyncio.create_task(keeper.run())
                lobby = self.memory.conversation(LOBBY).read
                for id in range(10, 20):
                    self.hear(id)
                    lobby.mark_all_as_read()
                    keeper.schedule_sending()
                await paused.wait()
                self.assertEqual(len(self.asked), 1)
                for id in range(20, 30):
                    self.hear(id)
                    lobby.mark_all_as_read()
                    keeper.schedule_sending()
                go_on.set()
                while len(self.asked) < 2:
                    await paused.wait()
                    paused.clear()
                self.assertEqual([one.upto for one in self.asked if isinstance(one, c.MarkRead)], [19, 29])
                running.cancel()

        self.play(story)

    def test_each_kind_of_conversation(self) -> None:
        """What is unread in one without a mark gets one in front of it."""
        self.hear(5)
        self.hear(6, group="wob")
        self.hear(7, to="alice")
        self.play(ReadMarkKeeper.send_last_marks)
        marks = [(one.group, one.dest, one.upto) for one in self.asked if isinstance(one, c.MarkRead)]
        self.assertEqual(marks, [(None, None, 4), ("wob", None, 5), (None, "bob", 6)])

    def test_a_daemon_without_marks(self) -> None:
        """Is asked once; a course-work server is not asked at all."""
        self.hear(5)

        async def story(keeper: ReadMarkKeeper) -> None:
            for _ in range(2):
                await keeper.send_last_marks()
                await keeper.read_counts()

        self.answers = [RefusedByServer(objects.Error(code="unknown_action", msg="x"))]
        self.play(story)
        self.assertEqual(len(self.asked), 1)
        self.play(story, welcome=placeholder_welcome("alice"))
        self.assertEqual(len(self.asked), 1)

    def test_a_refusal_for_one_conversation_stops_no_other(self) -> None:
        """As for a group that the user has left meanwhile; a lost connection stops them all."""
        self.hear(5, group="wob")
        self.hear(6, to="alice")
        self.answers = [RefusedByServer(objects.Error(code="not_member", msg="x"))]
        self.play(ReadMarkKeeper.send_last_marks)
        self.assertEqual(len(self.asked), 2)
        self.memory = Memory("alice")
        self.hear(5, group="wob")
        self.hear(6, to="alice")
        self.answers = [ConnectionLost("gone")]
        self.play(ReadMarkKeeper.send_last_marks)
        self.assertEqual(len(self.asked), 3)

    def test_marks_of_other_sessions(self) -> None:
        """In each kind of conversation; one that is not known here changes nothing."""
        self.hear(5)
        self.hear(6, group="wob")
        self.hear(7, to="alice")

        async def story(keeper: ReadMarkKeeper) -> None:
            for mark in (
                objects.ReadMark(id=5),
                objects.ReadMark(group="WOB", id=6),
                objects.ReadMark(friend="Bob", id=7),
                objects.ReadMark(group="den", id=7),
            ):
                self.assertTrue(keeper.apply_mark(mark))

        self.play(story)
        self.assertEqual([one.unread_count for one in self.memory.conversations.values()], [0, 0, 0])
        self.assertNotIn(codec.ConversationRef("group", "den").key, self.memory.conversations)
