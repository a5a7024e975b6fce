"""The queue of typed lines: where they go, and what becomes of those that are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.implied_group import KnownNames
from chatd.client.outbox import Outbox
from chatd.client.outbox_file import UnsentMessage
from chatd.client.outgoing import Failure, OutgoingQueue, failure_text
from chatd.client.pending import ConnectionLost, RefusedByServer
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

    async def ask(self, command: c.Command, ref: str | None) -> objects.AnswerObject:
        """The server."""
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
            (kept,) = self.outbox.of(ConversationRef("group", "nope"))
            self.assertEqual(kept.failure, "no: no_such_group")
            self.assertIn("not in nope", await self.types("more"))

        self.play(story)
