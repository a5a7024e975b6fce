"""The authority: what it decides, and within which quotas."""

from __future__ import annotations

from chatd.core.limits import Limits
from tests.support.in_memory_daemon import StageTestCase


class Quotas(StageTestCase):
    """What is decided stays within the quotas, on every wire; a restart forgets nothing."""

    limits = Limits(groups_per_user=1, members_per_group=1, invitations=1)

    def test_text(self) -> None:
        alice, bob = self.stage.text("alice"), self.stage.text("bob")
        self.assertEqual(alice.says("cg;one").lines()[-1], "ACK cg one 1 1")
        self.assertIn("ERR too_many_groups", alice.says("cg;two").hears().decode())
        self.assertIn("ERR group_full", bob.says("j;one").hears().decode())

    def test_json(self) -> None:
        alice, bob = self.stage.json("alice"), self.stage.json("bob")
        alice.asks(action="cgroupe", group="one")
        bob.asks(action="cgroupe", group="other")
        alice.asks(action="invite", group="one", dest="carol")
        self.stage.json("carol")
        alice.hears(), bob.hears()
        alice.asks(action="cgroupe", group="two").asks(action="invite", group="one", dest="carol")
        bob.asks(action="join", group="one").asks(action="invite", group="other", dest="carol")
        said = [*alice.objects(), *bob.objects()]
        codes = [found["code"] for found in said if found["action"] == "server-error"]
        self.assertEqual(codes, ["too_many_groups", "group_full", "too_many_invitations"])

    def test_the_chat_room(self) -> None:
        alice = self.stage.connect("tp6").says(b"Hello|alice\n")
        bob = self.stage.connect("tp6").says(b"Hello|bob\n")
        self.stage.wait(0.5)
        alice.says(b"/create one\n")
        self.stage.wait(0.5)
        alice.hears(), bob.hears()
        alice.says(b"/create two\n")
        bob.says(b"/join one\n")
        self.stage.wait(0.5)
        self.assertIn(b"too_many_groups", alice.hears())
        self.assertIn(b"group_full", bob.hears())

    def test_after_a_restart(self) -> None:
        """The counters are read from the log."""
        self.stage.text("alice").says("cg;one").says("register;correct horse battery")
        self.restart()
        alice = self.stage.connect("text").says("PWD correct horse battery").says("IAM alice")
        self.assertIn("too_many_groups", alice.says("cg;two").hears().decode())
