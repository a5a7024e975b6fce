"""What a late member may read of a group, and what becomes of invitations, on every wire."""

from __future__ import annotations

from typing import Any

from chatd.core.limits import Limits
from tests.support.in_memory_daemon import Peer, StageTestCase

DAY = 86_400.0


class LateMembers(StageTestCase):
    """Alice has talked in wob before bob joined; only what came since is his."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.stage.json("alice").asks(action="cgroupe", group="wob")  # 1
        self.alice.asks(action="gbroadcast", group="wob", msg="about bob")  # 2
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")  # 3
        self.bob = self.stage.json("bob").asks(action="join", group="wob")  # 4
        self.alice.asks(action="gbroadcast", group="wob", msg="hello bob")  # 5
        self.alice.hears()
        self.bob.hears()

    def read(self, peer: Peer, **asked: Any) -> list[Any]:
        """The texts, or the events, in a page."""
        (page,) = peer.asks(**asked).objects()
        return [item.get("msg", item.get("event")) for item in page.get("messages", page.get("events", ()))]

    def test_pages(self) -> None:
        """Whatever they begin and end with."""
        for window in ({}, {"after": 0}, {"after": 1, "before": 9}, {"limit": 500}):
            self.assertEqual(self.read(self.bob, action="msgs", group="wob", **window), ["hello bob"])
            self.assertEqual(self.read(self.bob, action="history", group="wob", **window), ["hello bob"])
            self.assertEqual(self.read(self.bob, action="states", group="wob", **window), ["joined"])
        (page,) = self.bob.asks(action="msgs", group="wob", before=5).objects()
        self.assertEqual(page["messages"], [])
        self.assertEqual(self.read(self.alice, action="msgs", group="wob"), ["about bob", "hello bob"])

    def test_replays_and_counts(self) -> None:
        self.bob.hangs_up()
        for hello in ({"since": 0}, {}):
            back = self.stage.connect("json").asks(action="client-hello", from_="bob", **hello)
            self.assertNotIn(b"about bob", back.hears())
            back.hangs_up()

    def test_on_text_and_in_the_chat_room(self) -> None:
        carol = self.stage.text("carol").says("j;wob").says("messages;wob").says("states;wob")
        self.assertNotIn(b"about bob", carol.hears())
        room = self.stage.connect("tp6-bonus").says("Hello|dave|wob")
        self.stage.wait(1)
        room.says("/messages wob")
        self.stage.wait(1)
        self.assertNotIn(b"about bob", room.hears())

    def test_who_comes_again_begins_again(self) -> None:
        self.bob.asks(action="leave", group="wob").asks(action="join", group="wob")
        self.bob.hears()
        self.assertEqual(self.read(self.bob, action="msgs", group="wob"), [])

    def test_it_is_kept_and_can_be_taken_back(self) -> None:
        self.alice.asks(action="register", password="correct horse battery")
        self.restart()
        alice = self.stage.json("alice", password="correct horse battery")
        bob = self.stage.json("bob")
        self.assertEqual(self.read(bob, action="msgs", group="wob"), ["hello bob"])
        alice.asks(action="sethistory", group="wob", mode="all")
        told = bob.objects()[-1]
        self.assertEqual((told["event"], told["history"]), ("history", "all"))
        self.assertEqual(self.read(bob, action="msgs", group="wob"), ["about bob", "hello bob"])

    def test_it_is_shown(self) -> None:
        (said,) = self.bob.asks(action="groups").objects()
        self.assertEqual(said["groups"][0]["history"], "since_joining")

    def test_the_owner_alone_decides(self) -> None:
        said = self.bob.asks(action="sethistory", group="wob", mode="all").objects()[-1]
        self.assertEqual(said["code"], "not_owner")
        said = self.alice.asks(action="sethistory", group="wob", mode="some").objects()[-1]
        self.assertEqual(said["code"], "bad_request")


class Invitations(StageTestCase):
    """Alice owns den, which is private; bob is a member and invites carol."""

    limits = Limits(invitation_days=2)

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.stage.text("alice"), self.stage.text("bob")
        self.carol, self.dave = self.stage.text("carol"), self.stage.text("dave")
        self.alice.says("cg;den;private").says("invite;den;bob")
        self.bob.says("j;den").says("invite;den;carol")
        for peer in (self.alice, self.bob, self.carol, self.dave):
            peer.hears()

    def test_withdrawn_by_whoever_invited(self) -> None:
        self.assertEqual(
            self.bob.says("uninvite;den;carol").lines()[0].split()[:3], ["ACK", "uninvite", "den"]
        )
        self.assertEqual(self.carol.lines(), ["GEV den uninvited bob carol"])
        self.assertIn("ERR not_invited", self.carol.says("j;den").lines()[0])
        self.assertEqual(self.carol.says("groups;").lines(), ["END groups 0"])

    def test_withdrawn_by_the_owner(self) -> None:
        self.assertIn("ACK", self.alice.says("uninvite;den;carol").lines()[0])

    def test_not_by_another_member_nor_by_an_outsider(self) -> None:
        self.alice.says("invite;den;dave")
        self.dave.says("j;den").hears()
        self.assertIn("ERR not_operator", self.dave.says("uninvite;den;carol").lines()[0])
        eve = self.stage.text("eve")
        self.assertEqual(eve.says("uninvite;den;carol").lines(), ["ERR no_such_group unknown group: den"])

    def test_declined(self) -> None:
        self.carol.says("decline;den")
        self.assertIn("GEV den declined carol", self.bob.lines())
        self.assertEqual(self.carol.says("decline;den").lines()[-1], "ERR no_such_group unknown group: den")
        self.assertIn("ACK", self.bob.says("invite;den;carol").lines()[0])

    def test_what_is_no_invitation(self) -> None:
        self.assertIn("ERR no_such_invitation", self.alice.says("uninvite;den;dave").lines()[0])
        self.assertIn("ERR no_such_invitation", self.bob.says("decline;den").lines()[0])

    def test_in_the_chat_room(self) -> None:
        room = self.stage.connect("tp6").says("Hello|tina")
        self.stage.wait(1)
        self.alice.says("invite;den;tina")
        room.says("/decline den")
        self.stage.wait(1)
        self.assertIn("C'est fait : tina a décliné l'invitation dans den", room.hears().decode())

    def test_it_expires(self) -> None:
        """At the limit it is good, behind it is gone, and can be made again."""
        self.stage.wait(2 * DAY - 60)
        self.assertEqual(self.carol.says("groups;").lines()[0], "GRP den private 2 invited")
        self.stage.wait(120)
        self.assertEqual(self.carol.says("groups;").lines(), ["END groups 0"])
        self.assertIn("ERR not_invited", self.carol.says("j;den").lines()[0])
        self.bob.hears()
        self.assertIn("ACK", self.bob.says("invite;den;carol").lines()[0])
        self.assertIn("ACK", self.carol.says("j;den").lines()[-1])

    def test_the_oldest_expires_first_after_a_restart(self) -> None:
        """Though the group of a younger one comes first in the log."""
        self.alice.says("register;correct horse battery").says("cg;later;private")
        self.stage.wait(DAY)
        now = self.stage.reactor.rightNow
        self.stage.text("eve").says("cg;aaa;private").says("invite;aaa;dave")
        self.restart()
        self.stage.reactor.rightNow = now + DAY + 60
        self.assertEqual(self.stage.text("carol").says("groups;").lines()[-1], "END groups 0")
        self.assertIn("GRP aaa private 1 invited", self.stage.text("dave").says("groups;").lines())

    def test_it_expires_after_a_restart_as_well(self) -> None:
        now = self.stage.reactor.rightNow
        self.restart()
        self.stage.reactor.rightNow = now + 2 * DAY + 60
        carol = self.stage.text("carol")
        self.assertEqual(carol.says("groups;").lines()[-1], "END groups 0")


class Meanwhile(StageTestCase):
    """Bob, who has two sessions, leaves while a page is under way."""

    def test_who_leaves_while_a_page_waits_gets_none(self) -> None:
        owner = self.stage.text("owner").says("cg;wob").says("sethistory;wob;since_joining")
        owner.says("bg;wob;old secret")
        bob = self.stage.text("bob").says("register;correct horse battery").says("j;wob")
        other = self.stage.connect("text").says("PWD correct horse battery").says("IAM bob")
        bob.hears()
        self.stage.readers.held = True
        bob.says("messages;wob;500")
        other.says("leave;wob")
        self.stage.readers.held = False
        while self.stage.readers.waiting:
            self.stage.readers.run_next()
            self.stage.settle()
        heard = bob.hears().decode()
        self.assertNotIn("old secret", heard)
        self.assertNotIn("END messages", heard)
        self.assertIn("ERR not_member", heard)

    def test_nor_who_is_put_out_before_it_is_read(self) -> None:
        owner = self.stage.text("owner").says("cg;wob").says("sethistory;wob;since_joining")
        owner.says("bg;wob;old secret")
        bob = self.stage.text("bob").says("j;wob")
        bob.hears()
        self.stage.writer.held = True
        bob.says("MSG first").says("messages;wob")
        owner.says("kick;wob;bob")
        self.stage.writer.held = False
        while self.stage.writer.waiting:
            self.stage.writer.run_next()
            self.stage.settle()
        heard = bob.hears().decode()
        self.assertNotIn("old secret", heard)
        self.assertIn("ERR not_member", heard)
