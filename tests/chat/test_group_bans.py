"""Who was banned from a group comes back under another nick, from the same address, on every wire."""

from __future__ import annotations

from tests.support.in_memory_daemon import Peer, StageTestCase

HOME = "192.0.2.7"
ELSEWHERE = "198.51.100.1"


class ComingBack(StageTestCase):
    """Alice owns wob. Bob, who is not registered, comes from `HOME`."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.stage.text("alice").says("cg;wob")
        self.bob = self.stage.connect("text", HOME).says("IAM bob").says("j;wob")

    def joins(self, nick: str, host: str) -> str:
        """What a newcomer is told who wants to join from ``host``."""
        return self.stage.connect("text", host).says(f"IAM {nick}").says("j;wob").lines()[-1]

    def comes(self, wire: str, said: str) -> Peer:
        """A client at `HOME`, which has said something."""
        peer = self.stage.connect(wire, HOME).says(said)
        self.stage.wait(1)
        return peer

    def test_on_every_wire(self) -> None:
        self.alice.says("ban;wob;bob;spam")
        self.assertEqual(
            self.joins("bob2", HOME), "ERR banned bob2 is banned from wob: ask an operator to lift the ban"
        )
        self.assertIn("ACK j wob", self.joins("carol", ELSEWHERE))
        json = self.comes("json", '{"action":"join","group":"wob","from":"bob3"}')
        self.assertIn(b'"code":"banned"', json.hears())
        room = self.comes("tp6", "Hello|bob4|wob")
        self.assertIn(b"Erreur [banned]", room.hears())

    def test_whoever_left_before_the_ban(self) -> None:
        self.bob.hangs_up()
        self.alice.says("ban;wob;bob")
        self.assertIn("ERR banned", self.joins("bob2", HOME))

    def test_after_a_restart(self) -> None:
        self.alice.says("register;correct horse battery").says("ban;wob;bob")
        self.restart()
        self.assertIn("ERR banned", self.joins("bob2", HOME))
        alice = self.stage.connect("text").says("PWD correct horse battery").says("IAM alice")
        alice.says("unban;wob;bob")
        self.assertIn("ACK j wob", self.joins("bob3", HOME))

    def test_who_is_registered_may(self) -> None:
        """Forty people behind one address are not shut out by one of them."""
        self.alice.says("ban;wob;bob")
        carol = self.stage.connect("text", HOME).says("IAM carol").says("register;correct horse battery")
        self.assertIn("ACK j wob", carol.says("j;wob").lines()[-1])

    def test_an_invitation_does_not_help(self) -> None:
        self.alice.says("ban;wob;bob")
        again = self.stage.connect("text", HOME).says("IAM bob2")
        self.alice.says("invite;wob;bob2")
        again.hears()
        self.assertIn("ERR banned", again.says("j;wob").lines()[-1])

    def test_the_address_is_told_to_nobody(self) -> None:
        self.alice.hears()
        self.alice.says("ban;wob;bob").says("states;wob")
        self.assertNotIn(HOME.encode(), self.alice.hears() + self.bob.hears())
