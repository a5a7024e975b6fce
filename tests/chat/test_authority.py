"""The authority: what it decides, and within which quotas."""

from __future__ import annotations

import msgspec

from chatd.core.limits import Limits
from tests.support.in_memory_daemon import UNTHROTTLED, StageTestCase


class Quotas(StageTestCase):
    """What was decided before a restart counts behind it."""

    limits = Limits(groups_per_user=1)

    def test_after_a_restart(self) -> None:
        """The counters are read from the log."""
        self.stage.text("alice").says("cg;one").says("register;correct horse battery")
        self.restart()
        alice = self.stage.connect("text").says("PWD correct horse battery").says("IAM alice")
        self.assertIn("too_many_groups", alice.says("cg;two").hears().decode())


class FullDatabase(StageTestCase):
    """A database that has reached its maximum size, as it is measured on the disk."""

    def fill(self, over: int) -> None:
        """Restart with a maximum that the database exceeds by ``over`` bytes."""
        alice = self.stage.json("alice")
        alice.asks(action="cgroupe", group="wob").asks(action="client-broadcast", msg="before")
        self.restart()
        size = self.stage.journal.database_bytes
        self.limits = msgspec.structs.replace(UNTHROTTLED, database_size=size - over)
        self.restart()
        self.assertEqual(self.stage.journal.database_bytes, size)

    def test_at_the_limit_messages_are_stored_until_it_is_exceeded(self) -> None:
        """It is exceeded by no more than what is written between two measurements."""
        self.fill(over=0)
        alice = self.stage.json("alice", history="none")
        stored = 0
        while "code" not in (said := alice.asks(action="client-broadcast", msg="x" * 8_000).objects()[0]):
            stored += 1
        self.assertEqual((said["code"], said["retry_after"]), ("storage_full", 60.0))
        self.assertIn(stored, (1, 2, 3))
        self.assertEqual(self.stage.rows("SELECT count(*) FROM log WHERE kind = 'message'"), [(stored + 1,)])

    def test_over_it_none_is_stored_and_the_rest_goes_on(self) -> None:
        """Also after the next restart."""
        self.fill(over=1)
        for _ in range(2):
            alice, bob = self.stage.json("alice"), self.stage.json("bob")
            alice.hears(), bob.hears()
            alice.asks(action="client-broadcast", msg="more").asks(action="send", dest="bob", msg="more")
            self.assertEqual([said.get("code") for said in alice.objects()], ["storage_full"] * 2)
            self.assertEqual(bob.hears(), b"")
            (page,) = alice.asks(action="history").objects()
            self.assertEqual([said["msg"] for said in page["messages"]], ["before"])
            self.restart()
        alice = self.stage.json("alice")
        alice.asks(action="leave", group="wob").asks(action="register", password="correct horse battery")
        self.assertEqual({said["action"] for said in alice.objects()}, {"server-ack", "server-account"})
        self.assertEqual(alice.asks(action="client-quit").objects()[-1]["action"], "server-quit")
