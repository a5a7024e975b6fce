"""The queue of typed lines: where they go, and what becomes of those that are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.implied_group import KnownNames
from chatd.client.outbox import Outbox
from chatd.client.outbox_file import OutboxFile, UnsentMessage
from chatd.client.outgoing import Failure, OutgoingQueue, failure_text
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.typed_lines import parse_typed_line
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.json_wire import objects

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

WOB = ConversationRef("group", "wob")
BOB = ConversationRef("direct", "bob")


class Screen:
    """A user interface without a screen: ``here`` is the conversation that it shows."""

    def __init__(self) -> None:
        self.here = LOBBY
        self.failures: list[str] = []

    def image_columns(self) -> int:
        return 80

    def keep_picture(self, characters: str, picture: PillowImage) -> None:
        pass

    def progress_indicator(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def handle_command(self, command: c.Command) -> bool:
        return False

    def show_answer(self, answer: objects.AnswerObject) -> None:
        pass

    def show_failure(self, failure: Failure) -> None:
        self.failures.append(failure_text(failure))

    def show_send_failure(self, failure: RefusedByServer | ConnectionLost, message: UnsentMessage) -> None:
        self.show_failure(failure)

    def conversation_switch_finished(self, place: ConversationRef, refusal: str | None) -> None:
        if refusal is None:
            self.here = place
        else:
            self.failures.append(f"still in {self.here.name or 'the lobby'}: {refusal}")

    def copy_messages(self, count: int) -> None:
        pass

    def unsent_count_changed(self) -> None:
        pass


class QueueTestCase(SynchronousTestCase):
    """A queue, and a server that refuses the commands of the classes in ``refusals``, with these codes."""

    def setUp(self) -> None:
        """Nothing is typed yet."""
        self.refusals: dict[type[c.Command], str] = {}
        self.asked: list[str] = []
        self.screen = Screen()
        self.outbox = Outbox(self.fail)
        self.queue = OutgoingQueue(
            self.ask, self.screen, self.outbox, known=lambda: KnownNames(("bob", "carol"), ("wob", "den"))
        )

    async def ask(
        self,
        command: c.Command,
        ref: str | None = None,
        before_sending: Callable[[], None] | None = None,
        /,
    ) -> objects.AnswerObject:
        """The server."""
        if before_sending is not None:
            before_sending()
        self.asked.append(repr(command))
        if code := self.refusals.get(type(command)):
            raise RefusedByServer(objects.Error(code=code, msg=f"no: {code}"))
        return objects.AnswerBase(ref=ref)

    def play(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let it happen, while the queue is worked off."""

        async def both() -> None:
            running = asyncio.create_task(self.queue.run())
            await story()
            running.cancel()

        asyncio.run(both())

    async def types(self, text: str, last_own_id: int | None = None) -> str:
        """Type a line, and wait for what comes of it. Return why it is not taken, or an empty text."""
        try:
            self.queue.add(self.queue.prepare_line(text, self.screen.here, last_own_id))
        except Refusal as refusal:
            return failure_text(refusal)
        for _turn in range(10):
            await asyncio.sleep(0)
        return ""


class RefusedSwitches(QueueTestCase):
    """Nothing goes to another conversation than the user believes to be in."""

    def test_the_next_line_waits_until_it_comes_again(self) -> None:
        for command, switch, held in (
            (c.Join, "/join nope", "not sent: you are in lobby, not in nope."),
            (c.CreateGroup, "/create wob", "not sent: you are in lobby, not in wob."),
            (c.SendToUser, "/msg bbo psst", "not sent: you are in lobby, not in @bbo."),
            (c.ReadHistory, "/query bbo", "not sent: you are in lobby, not in @bbo."),
        ):
            for text in ("for wob only", "/me waves", "/edit for wob only", "/image x.png"):
                self.setUp()
                self.refusals = {command: "no_such_user"}

                async def story(switch: str = switch, text: str = text, held: str = held) -> None:
                    await self.types(switch)
                    self.assertEqual(
                        self.screen.failures, ["no: no_such_user", "still in the lobby: no_such_user"]
                    )
                    asked = len(self.asked)
                    self.assertIn(held, await self.types(text, 7), (switch, text))
                    self.assertIn(held, await self.types("something else"), (switch, text))
                    self.assertEqual(len(self.asked), asked)
                    self.assertEqual(await self.types("something else"), "")
                    self.assertEqual(self.asked[asked:], [repr(c.SendToLobby("something else"))])
                    self.assertEqual(await self.types("more"), "")

                self.play(story)

    def test_lines_that_name_their_place_go_on(self) -> None:
        self.refusals = {c.Join: "no_such_group"}

        async def story() -> None:
            await self.types("/join nope")
            for text in ("s;bob;psst", "/who", "/create nope"):
                self.assertEqual(await self.types(text), "")
            self.assertEqual(self.screen.here.name, "nope")
            self.assertEqual(await self.types("hello"), "")
            self.assertEqual(self.asked[-1], repr(c.SendToGroup("nope", "hello")))

        self.play(story)

    def test_who_chooses_a_conversation_by_hand_knows_where_it_is(self) -> None:
        self.refusals = {c.Join: "not_invited"}

        async def story() -> None:
            await self.types("/join den")
            self.queue.cancel_queued_switches()
            self.assertEqual(await self.types("hello"), "")

        self.play(story)

    def test_a_room_that_is_closed_takes_nothing_along(self) -> None:
        """Whoever was typing there is in the lobby then, unless that was asked for."""

        async def story() -> None:
            self.queue.record_forced_switch(WOB)
            self.assertIn("you are in lobby, not in wob", await self.types("for wob only"))
            self.assertEqual(await self.types("for wob only"), "")
            self.screen.here = WOB
            self.queue.add(self.queue.prepare_line("/leave", WOB))
            self.queue.record_forced_switch(WOB)  # the event arrives before the answer
            for _turn in range(10):
                await asyncio.sleep(0)
            self.assertEqual((self.screen.here, await self.types("hello")), (LOBBY, ""))

        self.play(story)

    def test_commands_with_an_implied_group_wait_as_well(self) -> None:
        self.screen.here = WOB
        self.refusals = {c.Join: "banned"}

        async def story() -> None:
            await self.types("/join den")
            self.assertIn("you are in wob, not in den", await self.types("/kick carol"))
            self.assertEqual(self.asked, [repr(c.Join("den"))])
            self.assertEqual(await self.types("/kick carol"), "")
            self.assertEqual(self.asked[1:], [repr(c.Kick("wob", "carol"))])

        self.play(story)

    def test_a_line_that_was_typed_ahead_goes_nowhere_else(self) -> None:
        self.refusals = {c.Join: "no_such_group", c.SendToGroup: "no_such_group"}

        async def story() -> None:
            self.queue.add(self.queue.prepare_line("/join nope", LOBBY))
            self.assertEqual(await self.types("for nope"), "")
            sent = [c.Join("nope"), c.SendToGroup("nope", "for nope")]
            self.assertEqual(self.asked, [repr(one) for one in sent])
            (kept,) = self.outbox.messages_for(ConversationRef("group", "nope"))
            self.assertEqual(kept.failure, "no: no_such_group")
            self.assertIn("not in nope", await self.types("more"))

        self.play(story)


class WithoutAConnection(QueueTestCase):
    """What is typed while there is no connection waits on disk, or is refused at once."""

    def setUp(self) -> None:
        """The connection is lost."""
        super().setUp()
        self.queue = OutgoingQueue(
            self.ask,
            self.screen,
            self.outbox,
            known=lambda: KnownNames(("bob",), ("wob",)),
            is_disconnected=lambda: True,
        )

    def test_commands_that_can_not_wait_are_refused_at_once(self) -> None:
        """What was meant for a room that can't be joined now goes to no other place."""

        async def story() -> None:
            for text in ("/who", "/kick wob bob", "/query bob", "/join wob"):
                self.assertIn("there is no connection", await self.types(text))
            self.assertIn("not in wob", await self.types("for wob only"))
            self.assertEqual((self.asked, self.queue.waiting_command_count), ([], 0))
            self.assertEqual(self.outbox.waiting_count, 0)

        self.play(story)

    def test_messages_and_their_changes_are_taken(self) -> None:
        async def story() -> None:
            for text in (
                "hello",
                "/edit hello again",
                "/react 5 👍",
                "unreact;5;👍",
                "/delete 7",
                "/msg bob hi",
            ):
                self.queue.add(self.queue.prepare_line(text, LOBBY, last_own_id=7))
            kept = [one.text for place in (LOBBY, BOB) for one in self.outbox.messages_for(place)]
            typed = ["hello", "/edit 7 hello again", "/react 5 👍", "unreact;5;👍", "/delete 7", "hi"]
            self.assertEqual(kept, typed)

        self.play(story)


class Changes(QueueTestCase):
    """Edits and reactions of one run that another one carries out: each once at most, and none unnoticed."""

    def setUp(self) -> None:
        """An earlier run has left a file behind."""
        super().setUp()
        self.folder = Path(self.mktemp())
        earlier = Outbox(self.fail)
        earlier.open_file(OutboxFile(self.folder, "alice"))
        self.earlier = earlier

    def left(self, *texts: str) -> list[str]:
        """Leave these behind. Return their refs."""
        commands = [(text, parse_typed_line(text, WOB)) for text in texts]
        kept = [(command, text) for text, command in commands if isinstance(command, c.Command)]
        return [self.earlier.add(command, WOB, text).ref for command, text in kept]

    def starts(self) -> list[str]:
        """What is shown as not done after the next start."""
        self.earlier.close()

        async def story() -> None:
            self.queue.open_file(OutboxFile(self.folder, "alice"))
            for _turn in range(20):
                await asyncio.sleep(0)

        self.play(story)
        return [f"{one.text}: {one.failure}" for one in self.outbox.messages_for(WOB)]

    def test_what_was_never_sent_is_sent_once(self) -> None:
        self.left("/edit 7   two  words ", "/react 5 👍")
        self.assertEqual(self.starts(), [])
        done = [c.EditMessage(7, "two  words "), c.ReactToMessage(5, "👍")]
        self.assertEqual(self.asked, [repr(one) for one in done])
        self.outbox.close()
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_may_have_been_done_is_not_done_again(self) -> None:
        """The user is told, and may say that it is to be done."""
        first, _second = self.left("/edit 7 x", "/react 5 👍")
        self.earlier.mark_sent(first)
        told = "/edit 7 x: the connection was lost: look whether it was done"
        self.assertEqual((self.starts(), self.screen.failures), ([told], [told.partition(": ")[2]]))
        self.assertEqual(self.asked, [repr(c.ReactToMessage(5, "👍"))])

        async def story() -> None:
            self.queue.resend(self.outbox.mark_as_waiting(first))
            await asyncio.sleep(0.0)
            await asyncio.sleep(0.0)

        self.play(story)
        self.assertEqual(self.asked[1:], [repr(c.EditMessage(7, "x"))])

    def test_a_change_is_marked_before_it_is_sent(self) -> None:
        """So a run that is killed then does not have it sent twice."""
        marks: list[bool] = []

        async def ask(
            command: c.Command,
            ref: str | None = None,
            before_sending: Callable[[], None] | None = None,
            /,
        ) -> objects.AnswerObject:
            assert before_sending is not None
            before_sending()
            marks.extend(one.is_sent for one in self.outbox.messages_for(LOBBY))
            return objects.AnswerBase(ref=ref)

        self.queue = OutgoingQueue(ask, self.screen, self.outbox)

        async def story() -> None:
            await self.types("/react 5 👍")

        self.play(story)
        self.assertEqual((marks, self.outbox.waiting_count), ([True], 0))

    def test_a_refused_change_is_told_and_gone(self) -> None:
        self.refusals = {c.EditMessage: "not_author"}

        async def story() -> None:
            await self.types("/edit 7 x")

        self.play(story)
        self.assertEqual((self.screen.failures, self.outbox.messages_for(LOBBY)), (["no: not_author"], []))

    def test_a_file_that_was_altered_sends_no_other_command(self) -> None:
        self.earlier.add(c.EditMessage(7, "x"), WOB, "/kick wob bob")
        self.assertIn("unknown command", self.starts()[0])
        self.assertEqual(self.asked, [])
