"""Old messages are deleted; ids and seqs stay as they were, and the answers say where a history begins."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from chatd.core.accounts import AccountPolicy
from chatd.store.check import find_file_problems
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase

DAY = 86_400


class Keeping(StageTestCase):
    """Messages are kept for a day."""

    retention_seconds: int | None = DAY

    def setUp(self) -> None:
        super().setUp()
        self.stage.close()
        self.stage = self.opened()
        self.alice = self.stage.json("alice").asks(action="register", password="correct horse battery")
        self.alice.asks(action="cgroupe", group="wob")  # 1
        self.bob = self.stage.text("bob").says("j;wob")  # 2
        self.bob.says("MSG one").says("bg;wob;two").says("s;alice;three")  # 3, 4, 5
        self.alice.hears()
        self.bob.hears()

    def opened(self) -> Stage:
        """The daemon, with its sweeps."""
        stage = Stage(self.stage.database, policy=AccountPolicy(), retention_seconds=self.retention_seconds)
        stage.chat.retention.start()
        return stage

    def later(self, seconds: float) -> None:
        """Let time pass; nobody is there any more."""
        self.stage.wait(seconds)

    def page(self, peer: Peer, **asked: str) -> tuple[list[str], int | None]:
        """The texts of a page, and up to which id older messages were deleted."""
        (page,) = peer.asks(**asked).objects()
        return [item["msg"] for item in page["messages"]], page.get("trimmed")

    def on_disk(self, text: str) -> bool:
        """Whether a file of the database has ``text``."""
        folder = self.stage.database.parent
        return any(text.encode() in path.read_bytes() for path in folder.glob("chat.db*"))

    def test_at_the_age_and_over_it(self) -> None:
        self.later(DAY - 3600)
        self.bob.says("MSG new").says("bg;wob;new").says("s;alice;new")
        self.alice.hears()
        self.assertEqual(self.page(self.alice, action="history"), (["one", "new"], None))
        self.later(2 * 3600)
        self.assertEqual(self.page(self.alice, action="history"), (["new"], 3))
        self.assertEqual(self.page(self.alice, action="msgs", group="wob"), (["new"], 4))
        self.assertEqual(self.page(self.alice, action="history", **{"with": "bob"}), (["new"], 5))

    def test_ids_and_seqs_go_on(self) -> None:
        """The last entry of a conversation stays, without its text; so it is after a restart."""
        self.later(DAY + 3600)
        self.assertEqual(self.page(self.alice, action="history"), ([""], None))
        self.stage.close()
        now = self.stage.reactor.rightNow
        self.stage = self.opened()
        self.stage.reactor.rightNow = now
        alice = self.stage.json("alice", password="correct horse battery")
        alice.asks(action="client-broadcast", msg="next").asks(action="gbroadcast", group="wob", msg="next")
        acks = [(said["id"], said["seq"]) for said in alice.objects() if said["action"] == "server-ack"]
        self.assertEqual(acks, [(6, 2), (7, 4)])

    def test_the_database_is_sound_all_the_same(self) -> None:
        """A check knows of what was deleted, and finds what is missing besides."""
        for number in range(3):
            self.bob.says(f"MSG {number}")
        self.later(DAY + 3600)
        self.bob.says("MSG new").says("MSG newer").says("MSG newest")
        self.stage.close()
        self.assertEqual(find_file_problems(self.stage.database), [])
        with closing(sqlite3.connect(self.stage.database)) as database:
            database.execute("DELETE FROM log WHERE body = 'newer'")
            database.commit()
        (problem,) = find_file_problems(self.stage.database)
        self.assertIn("conversation 1 has", problem)
        self.stage = self.opened()

    def test_the_text_is_gone_from_the_disk(self) -> None:
        self.bob.says("MSG a word to forget").says("MSG the last word")
        self.assertTrue(self.on_disk("a word to forget"))
        self.later(DAY + 3600)
        self.assertFalse(self.on_disk("a word to forget"))
        self.assertFalse(self.on_disk("the last word"))

    def test_events_stay(self) -> None:
        self.later(3 * DAY)
        (page,) = self.alice.asks(action="states", group="wob").objects()
        self.assertEqual([event["event"] for event in page["events"]], ["created", "joined"])
        self.assertEqual(self.stage.rows("SELECT id FROM log WHERE kind = 'message'"), [(3,), (4,), (5,)])
        self.assertEqual(
            self.stage.rows("SELECT count(*) FROM log WHERE body IN ('one', 'two', 'three')"), [(0,)]
        )

    def test_messages_of_every_kind(self) -> None:
        """All of them are deleted; the last is kept without its text, as what it was."""
        for kind in ("image", "notice", "message"):
            self.alice.asks(action="client-broadcast", msg=f"/me {kind}", kind=kind)
        self.later(DAY + 3600)
        self.assertEqual(
            self.stage.rows("SELECT kind, body FROM log WHERE conversation = 1"), [("action", "")]
        )
        (page,) = [said for said in self.alice.asks(action="history").objects() if "messages" in said]
        self.assertEqual([(item["kind"], item["deleted"]) for item in page["messages"]], [("action", True)])

    def test_many(self) -> None:
        """More than one deletion takes."""
        for number in range(1200):
            self.bob.says(f"MSG {number}")
        self.alice.hears()
        self.later(DAY + 3600)
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE conversation = 1"), [(1,)])

    def test_it_is_said_on_text_and_in_the_chat_room(self) -> None:
        self.bob.says("MSG again")
        self.stage.wait(3600)
        self.bob.says("MSG new")
        self.bob.hears()
        self.later(DAY - 1800)
        self.assertEqual(
            [line.split(" ", 2)[2] if line[0] == "H" else line for line in self.bob.says("history;").lines()][
                :1
            ],
            ["INF older messages were deleted, up to 6"],
        )
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(1)
        room.says("/history")
        self.stage.wait(1)
        self.assertIn("(les messages plus anciens ont été supprimés)", room.hears().decode())

    def test_the_disk_fails_behind_a_deletion(self) -> None:
        """What was deleted before that is gone from the disk with the next sweep."""
        self.bob.says("MSG a word to forget")
        self.stage.wait(3600)
        self.bob.says("MSG new")
        commit = self.stage.writer._failing
        done: list[object] = []

        def fail_later(interaction: Any) -> Any:
            if len(done) == 1:
                self.stage.writer.error = sqlite3.OperationalError("disk full")
            done.append(interaction)
            return commit(interaction)

        self.patch(self.stage.writer, "_failing", fail_later)
        self.later(DAY - 1800)
        self.stage.writer.error = None
        self.later(3600)
        self.assertFalse(self.on_disk("a word to forget"))

    def test_the_disk_fails(self) -> None:
        """Nothing is lost by it, and the next sweep goes on."""
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.later(DAY + 3600)
        self.stage.writer.error = None
        self.later(3600)
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE body = 'one'"), [(0,)])


class GroupKeeping(StageTestCase):
    """The server keeps everything, the owner of wob what is said there for an hour."""

    def setUp(self) -> None:
        super().setUp()
        self.stage.chat.retention.start()
        self.alice = self.stage.json("alice").asks(action="cgroupe", group="wob")  # 1
        self.bob = self.stage.text("bob").says("j;wob").says("bg;wob;two").says("MSG one")  # 2, 3, 4
        self.alice.hears()

    def bodies(self) -> list[str]:
        """What is on the disk."""
        return [
            body for (body,) in self.stage.rows("SELECT body FROM log WHERE kind = 'message' ORDER BY id")
        ]

    def test_only_there(self) -> None:
        self.bob.hears()
        self.alice.asks(action="setkeep", group="wob", age="1h")
        self.assertEqual(self.bob.lines(), ["GEV wob keep alice 3600"])
        self.stage.wait(2 * 3600)
        self.assertEqual(self.bodies(), ["one"])

    def test_taken_back(self) -> None:
        self.alice.asks(action="setkeep", group="wob", age="1h").asks(action="setkeep", group="wob")
        self.stage.wait(2 * 3600)
        self.assertEqual(self.bodies(), ["two", "one"])

    def test_by_the_owner_alone(self) -> None:
        self.bob.hears()
        self.assertIn("ERR not_owner", self.bob.says("setkeep;wob;1").lines()[0])
        self.assertIn("ERR bad_request", self.bob.says("setkeep;wob;soon").lines()[0])
