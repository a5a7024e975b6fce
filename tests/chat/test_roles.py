"""The roles in groups of users without a password: they end with the session, on every wire."""

from __future__ import annotations

import sqlite3

from msgspec import structs

from tests.support.in_memory_daemon import Peer, StageTestCase

SECRET = "correct horse battery"


class Roles(StageTestCase):
    """Alice owns wob, bob is an operator of it, carol a member; nobody is registered at first."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob, self.carol = map(self.stage.json, ("alice", "bob", "carol"))
        self.alice.asks(action="cgroupe", group="wob")  # 1
        for peer in (self.bob, self.carol):
            peer.asks(action="join", group="wob")  # 2, 3
        self.alice.asks(action="promote", group="wob", dest="bob")  # 4
        for peer in (self.alice, self.bob, self.carol):
            peer.hears()

    def roles(self) -> list[tuple[str, str]]:
        """The members and their roles."""
        (said,) = self.carol.asks(action="members", group="wob").objects()[-1:]
        return [(member["name"], member["role"]) for member in said["members"]]

    def owner(self) -> tuple[str, bool]:
        """The owner as the list of groups has it, and whether the owner is registered."""
        (said,) = self.carol.asks(action="groups").objects()[-1:]
        return said["groups"][0]["owner"], said["groups"][0]["registered"]

    def refused(self, peer: Peer, **asked: str) -> str:
        """The code of the refusal of a request."""
        return str(peer.asks(**asked).objects()[-1]["code"])

    def test_they_last_as_long_as_the_session(self) -> None:
        self.assertEqual(self.owner(), ("alice", False))
        self.bob.asks(action="kick", group="wob", dest="carol")
        self.assertEqual(self.bob.objects()[-1]["action"], "server-ack")

    def test_whoever_takes_the_nick_gets_none_of_them(self) -> None:
        """The members are told, and so is whoever comes: it may be the true alice."""
        self.alice.hangs_up()
        self.bob.hangs_up()
        self.assertEqual(self.roles(), [("alice", "owner"), ("bob", "operator"), ("carol", "member")])
        impostor = self.stage.connect("json").asks(action="client-hello", from_="alice")
        heard = impostor.objects()
        told = [said for said in self.carol.objects() if said.get("event") == "demoted"]
        self.assertEqual(
            [(said["id"], said["seq"], said["actor"], said["role"]) for said in told],
            [(5, 5, "alice", "owner")],
        )
        self.assertIn(5, [said.get("id") for said in heard])
        self.assertEqual(self.refused(impostor, action="kick", group="wob", dest="carol"), "not_operator")
        self.assertEqual(self.refused(impostor, action="promote", group="wob", dest="alice"), "not_owner")
        self.assertEqual(self.owner(), ("", False))
        self.stage.json("bob")
        self.assertEqual(self.roles(), [("alice", "member"), ("bob", "member"), ("carol", "member")])

    def test_nor_by_registering_it(self) -> None:
        self.alice.hangs_up()
        self.stage.json("alice").asks(action="register", password=SECRET)
        self.assertEqual(self.owner(), ("", False))

    def test_who_registers_in_time_keeps_them(self) -> None:
        self.alice.asks(action="register", password=SECRET).hangs_up()
        self.assertEqual(self.owner(), ("alice", True))
        self.restart()
        self.carol = self.stage.json("carol")
        self.stage.json("alice", password=SECRET)
        self.assertEqual(self.roles(), [("alice", "owner"), ("bob", "operator"), ("carol", "member")])
        self.stage.json("bob")
        self.assertEqual(self.roles()[1], ("bob", "member"))

    def test_a_second_return_writes_nothing(self) -> None:
        self.alice.hangs_up()
        self.stage.json("alice").hangs_up()
        ((before,),) = self.stage.rows("SELECT max(id) FROM log")
        self.stage.json("alice").hangs_up()
        self.assertEqual(self.stage.rows("SELECT max(id) FROM log"), [(before,)])

    def test_they_are_gone_after_a_restart_as_well(self) -> None:
        self.alice.hangs_up()
        self.stage.json("alice").hangs_up()
        self.restart()
        self.carol = self.stage.json("carol")
        self.assertEqual(self.owner(), ("", False))
        self.assertEqual(self.roles()[0], ("alice", "member"))

    def test_on_text(self) -> None:
        carol = self.stage.text("carol2").says("j;wob")
        carol.hears()
        self.alice.hangs_up()
        back = self.stage.connect("text").says("IAM alice").says("members;wob")
        for peer in (carol, back):
            self.assertIn("GEV wob demoted alice alice owner", peer.lines())

    def test_in_the_chat_room(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave|wob")
        self.stage.wait(1)
        room.hears()
        self.alice.hangs_up()
        self.stage.connect("tp6").says("Hello|alice")
        self.stage.wait(1)
        self.assertIn("Annonce : alice n'est plus propriétaire de wob", room.hears().decode())

    def test_a_login_that_is_not_stored_loses_none(self) -> None:
        """The client has no nick, and the group its owner."""
        self.alice.hangs_up()
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        late = self.stage.connect("json").asks(action="client-hello", from_="alice")
        self.assertEqual(late.objects()[-1]["code"], "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.carol.hears()
        self.assertEqual(self.owner(), ("alice", False))

    def test_a_lost_group_counts_for_who_lost_it(self) -> None:
        """Else a nick could take all names by logging in again and again."""
        state = self.stage.limits
        self.stage.close()
        self.stage = type(self.stage)(self.stage.database, structs.replace(state, groups_per_user=2))
        for expected in ("server-ack", "server-error"):
            alice = self.stage.json("alice").asks(action="cgroupe", group=f"more-{expected}")
            self.assertEqual(alice.objects()[-1]["action"], expected)
            alice.hangs_up()

    def test_an_empty_private_group_is_lost(self) -> None:
        """Else whoever has the nick could walk in and read it."""
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.alice.asks(action="leave", group="den").hangs_up()
        impostor = self.stage.json("alice")
        self.assertEqual(self.refused(impostor, action="join", group="den"), "not_invited")
