"""The commands that only the full screen has, and what it asks before one leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.client_commands import ClientCommandRunner, unsent_messages_warning
from chatd.client.codec import LOBBY
from chatd.client.memory import Memory, ScreenEntry
from chatd.client.outbox import Outbox
from chatd.client.outbox_file import OutboxFile
from chatd.client.outgoing import OutgoingQueue
from chatd.core import commands as c
from chatd.json_wire import objects
from tests.client.test_outgoing import Screen
from tests.support.languages import speak


class Running(SynchronousTestCase):
    def setUp(self) -> None:
        """Nothing was sent yet."""
        speak(self, "en")
        self.memory = Memory("alice")
        self.outbox = Outbox(self.fail)
        self.told: list[str] = []
        self.edited: list[str] = []
        outgoing = OutgoingQueue(self.ask, Screen(), self.outbox)
        self.runner = ClientCommandRunner(
            self.memory, self.outbox, outgoing, lambda text, _kind: self.told.append(text), self.edited.append
        )

    async def ask(self, command: c.Command, *_more: object) -> objects.AnswerObject:
        """The server, which is not asked here."""
        raise AssertionError(command)

    def test_the_setting_of_notifications_is_shown(self) -> None:
        self.runner.run("notify", "")
        self.runner.run("notify", "bell")
        self.runner.run("notify", "")
        first, second, third = self.told
        self.assertEqual(first, "notifications: on; /notify off|bell|on|always changes it")
        self.assertEqual((second, third[:19]), ("notifications: bell", "notifications: bell"))

    def test_what_is_withdrawn_is_announced(self) -> None:
        self.outbox.add(c.SendToLobby("hello"), LOBBY)
        self.outbox.add(c.ReactToMessage(5, "ok"), LOBBY, "/react 5 ok")
        for _time in range(2):
            self.runner.run("withdraw", "")
        self.assertEqual(self.edited, ["/react 5 ok", "hello"])
        self.assertEqual(self.told, ["not sent, but in the input box again"] * 2)
        self.runner.run("withdraw", "")
        self.assertEqual(self.told[2:], ["every message was sent"])

    def test_answers_can_be_removed(self) -> None:
        """What others said and did, and what an operator of the server announced, stays."""
        at = datetime.now(UTC)
        conversation = self.memory.shown_conversation
        conversation.add_entry(ScreenEntry(at, "hello", "message", "bob", log_id=1))
        for text, kind in (("found", "answer"), ("announced", "announcement"), ("refused", "trouble")):
            self.memory.add_client_text(text, kind, at)  # type: ignore[arg-type]
        self.runner.run("clear", "")
        self.assertEqual([entry.text for entry in conversation.entries], ["hello", "announced"])

    def test_what_leaving_leaves_behind(self) -> None:
        self.assertEqual(unsent_messages_warning(self.outbox, 0, 0, False), "")
        self.outbox.add(c.SendToLobby("hello"), LOBBY)
        self.outbox.add(c.ReactToMessage(5, "ok"), LOBBY, "/react 5 ok")
        self.assertEqual(unsent_messages_warning(self.outbox, 0, 0, True), "")
        self.assertEqual(
            unsent_messages_warning(self.outbox, 2, 1, False),
            "unsent messages: 1, unsent changes of messages: 1, commands that will be lost: 2, "
            "drafts that will be lost: 1. Repeat it to leave anyway",
        )
        self.outbox.open_file(OutboxFile(Path(self.mktemp()), "alice"))
        self.addCleanup(self.outbox.close)
        self.assertEqual(
            unsent_messages_warning(self.outbox, 0, 0, False),
            "messages for the next start to send: 1, changes of messages for the next start to send: 1. "
            "Repeat it to leave anyway",
        )
        self.assertTrue(self.outbox.can_store_draft("/topic x"))
        self.assertFalse(self.outbox.can_store_draft("/register secret"))
