"""Deletions by authors and by operators of groups. Those by server operators: see test_moderation."""

from __future__ import annotations

import sqlite3
from typing import Any

from tests.support.in_memory_daemon import Peer, StageTestCase

SECRET = "correct horse battery"


class DeletionCase(StageTestCase):
    """alice owns the group wob, bob is a member; both are there, on JSON and on text."""

    def setUp(self) -> None:
        """Have them there. Entries 1 and 2 make the group."""
        super().setUp()
        self.alice = self.stage.json("alice")
        self.bob = self.stage.text("bob")
        self.alice.asks(action="cgroupe", group="wob")
        self.bob.says("j;wob")
        self.forget()

    def forget(self) -> None:
        """Forget what both have heard."""
        self.alice.hears(), self.bob.hears()

    def code(self, peer: Peer, id: int, **fields: Any) -> str:
        """What a deletion comes to: the code of its refusal, or the action of its answer."""
        answers = peer.asks(action="delete", id=id, ref="d", **fields).objects()
        (answer,) = [one for one in answers if one.get("ref") == "d"]
        return str(answer.get("code", answer["action"]))

    def is_on_disk(self, text: str) -> bool:
        """Whether any file of the database contains ``text``."""
        folder = self.stage.database.parent
        return any(text.encode() in path.read_bytes() for path in folder.glob("chat.db*"))


class Authors(DeletionCase):
    """The author of a message deletes it: the text is gone everywhere, and everyone is told."""

    def test_in_the_lobby_on_every_wire(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        self.alice.asks(action="client-broadcast", msg="a slip of json")
        self.bob.says("MSG a slip of text")
        room.says("a slip of the room")
        self.stage.wait(0.5)
        for peer in (self.alice, self.bob, room):
            peer.hears()
        (ack,) = self.alice.asks(action="delete", id=3, reason="wrong room", ref=1).objects()
        self.assertEqual(
            {key: ack[key] for key in ("action", "request", "ref", "id", "seq")},
            {"action": "server-ack", "request": "delete", "ref": 1, "id": 6, "seq": 4},
        )
        self.assertEqual(self.bob.lines(), ["DEL 3 alice wrong room"])
        self.assertEqual(self.bob.says("delete;4").lines(), ["ACK delete bob 7 5"])
        (event,) = self.alice.objects()
        self.assertEqual(
            [event.get(key) for key in ("event", "actor", "subject", "deleted", "reason")],
            ["deleted", "bob", "bob", 4, ""],
        )
        self.stage.wait(0.5)
        self.assertEqual(
            room.hears().decode(),
            "Annonce : alice a supprimé un de ses messages : wrong room\n"
            "Annonce : bob a supprimé un de ses messages\n",
        )
        room.says("/delete 5 oups")
        self.stage.wait(0.5)
        self.assertEqual(room.hears().decode(), "C'est fait : dave a supprimé un de ses messages : oups\n")
        self.assertEqual(self.bob.lines(), ["DEL 5 dave oups"])
        self.assertFalse(self.is_on_disk("a slip of"))
        self.assertEqual(self.stage.rows("SELECT * FROM moderation"), [])

    def test_in_a_group_and_in_private(self) -> None:
        eve = self.stage.json("eve")
        self.forget()
        self.bob.says("bg;wob;a slip").says("s;alice;another slip")
        eve.hears()
        self.forget()
        self.assertEqual(self.bob.says("delete;3;sorry").lines(), ["ACK delete wob 5 4"])
        self.assertEqual(self.bob.says("delete;4").lines(), ["ACK delete bob 6 2"])
        heard = [(said.get("group", ""), said["deleted"]) for said in self.alice.objects()]
        self.assertEqual(heard, [("wob", 3), ("", 4)])
        self.assertEqual(eve.objects(), [])
        self.assertFalse(self.is_on_disk("slip"))
        self.assertIn("deleted bob bob 3 sorry", self.bob.says("states;wob").hears().decode())

    def test_it_is_replayed(self) -> None:
        """Who was away learns what to take back, also after a restart."""
        self.alice.asks(action="register", password=SECRET)
        self.bob.says("MSG one").says("MSG two")
        self.alice.hangs_up()
        self.bob.says("delete;3")
        self.restart()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", password=SECRET, since=3)
        told = [(said["id"], said.get("deleted"), said.get("actor")) for said in back.objects()[1:]]
        self.assertEqual(told, [(4, None, None), (5, 3, "bob")])

    def test_own_other_sessions_are_told(self) -> None:
        self.alice.asks(action="register", password=SECRET)
        second = self.stage.json("alice", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="oops")
        self.forget()
        second.hears()
        self.assertEqual(self.code(self.alice, 3), "server-ack")
        (event,) = second.objects()
        self.assertEqual((event["event"], event["deleted"]), ("deleted", 3))

    def test_once_and_nothing_else(self) -> None:
        self.alice.asks(action="client-broadcast", msg="oops")
        self.forget()
        self.assertEqual(self.code(self.alice, 3), "server-ack")
        for id in (0, 1, 3, 4, 99, 2**63 - 1):
            self.assertEqual(self.code(self.alice, id), "no_such_message", id)
        self.assertEqual(self.code(self.alice, 2**63), "bad_request")
        self.assertEqual(self.code(self.alice, 3, reason="x" * 5000), "too_long")

    def test_what_was_said_right_before(self) -> None:
        """Its commit is awaited."""
        self.stage.writer.held = True
        self.alice.asks(action="client-broadcast", msg="oops").asks(action="delete", id=3, ref=7)
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(self.alice.objects()[-1]["action"], "server-ack")
        self.assertFalse(self.is_on_disk("oops"))

    def test_the_disk_fails(self) -> None:
        self.alice.asks(action="client-broadcast", msg="it stays")
        self.forget()
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.code(self.alice, 3), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertEqual(self.bob.hears(), b"")
        self.assertEqual(self.code(self.alice, 3), "server-ack")
        self.flushLoggedErrors()

    def test_in_a_full_database(self) -> None:
        """It makes room."""
        self.alice.asks(action="client-broadcast", msg="long")
        self.forget()
        self.stage.chat.journal.database_bytes = 10**15
        self.assertEqual(self.code(self.alice, 3), "server-ack")


class Strangers(DeletionCase):
    """What one may not delete is refused; what one can't see does not exist."""

    def test_messages_of_others(self) -> None:
        self.alice.asks(action="client-broadcast", msg="hi")
        self.alice.asks(action="gbroadcast", group="wob", msg="hi")
        self.alice.asks(action="send", dest="bob", msg="hi")
        self.forget()
        for id, code in ((3, "not_server_operator"), (4, "not_operator"), (5, "not_server_operator")):
            self.assertEqual(self.bob.says(f"delete;{id}").lines()[0].split()[1], code)
        self.assertEqual(self.alice.objects(), [])

    def test_what_one_can_not_see(self) -> None:
        """Messages of private groups and of two others, and those of a group that one has left."""
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.alice.asks(action="gbroadcast", group="den", msg="secret")
        self.alice.asks(action="send", dest="bob", msg="hi")
        self.bob.says("bg;wob;hi").says("leave;wob")
        eve = self.stage.json("eve")
        self.assertEqual([self.code(eve, id) for id in (4, 5, 6)], ["no_such_message"] * 3)
        self.forget()
        self.assertIn("ERR no_such_message", self.bob.says("delete;6").lines()[0])
        self.assertEqual(self.bob.says("delete;4").lines(), self.bob.says("delete;4").lines())

    def test_before_one_joined(self) -> None:
        """An operator who must not see older messages deletes none."""
        self.alice.asks(action="gbroadcast", group="wob", msg="before carol")
        carol = self.stage.json("carol").asks(action="join", group="wob")
        for action, fields in (("promote", {"dest": "carol"}), ("sethistory", {"mode": "since_joining"})):
            self.alice.asks(action=action, group="wob", **fields)
        self.alice.asks(action="gbroadcast", group="wob", msg="after carol")
        carol.hears()
        self.assertEqual(self.code(carol, 3), "no_such_message")
        self.assertEqual(self.code(carol, 7), "server-ack")
        self.forget()
        self.assertEqual(self.code(self.alice, 3), "server-ack")

    def test_a_nick_without_a_password_proves_nothing(self) -> None:
        """Who takes a free nick can't delete what others said under it; registering it does not help."""
        self.bob.says("MSG mine").says("bg;wob;mine").says("BYE")
        thief = self.stage.json("bob").asks(action="register", password=SECRET)
        thief.hears()
        self.assertEqual(self.code(thief, 3), "not_server_operator")
        self.assertEqual(self.code(thief, 4), "not_operator")
        thief.asks(action="client-broadcast", msg="of this session")
        thief.hears()
        thief.hangs_up()
        self.stage.wait(1)
        again = self.stage.json("bob", password=SECRET)
        again.hears()
        self.assertEqual(self.code(again, 3), "not_server_operator")
        self.assertEqual(self.code(again, 5), "server-ack")

    def test_what_was_said_before_registering_in_the_same_session(self) -> None:
        self.alice.asks(action="client-broadcast", msg="hi").asks(action="register", password=SECRET)
        self.forget()
        self.assertEqual(self.code(self.alice, 3), "server-ack")

    def test_only_registered_users_may_write(self) -> None:
        self.alice.asks(action="client-broadcast", msg="hi")
        self.forget()
        self.stage.policy.names = "registered"
        self.assertEqual(self.code(self.alice, 3), "registered_only")


class Operators(DeletionCase):
    """The owner and the operators of a group delete messages of its members, the owner's included."""

    def test_who(self) -> None:
        carol = self.stage.text("carol").says("j;wob")
        self.alice.asks(action="promote", group="wob", dest="carol")
        for message in ("one", "two"):
            self.bob.says(f"bg;wob;{message}")
        self.alice.asks(action="gbroadcast", group="wob", msg="of the owner")
        self.forget()
        carol.hears()
        self.assertEqual(self.code(self.alice, 5, reason="spam"), "server-ack")
        self.assertEqual(self.bob.lines(), ["DEL 5 alice spam"])
        carol.hears()
        self.assertEqual(carol.says("delete;6").lines(), ["ACK delete wob 9 9"])
        self.assertEqual(carol.says("delete;7").lines(), ["ACK delete wob 10 10"])
        self.assertFalse(self.is_on_disk("of the owner"))
        self.assertEqual(self.stage.rows("SELECT * FROM moderation"), [])

    def test_a_message_of_a_former_member(self) -> None:
        """The author, who is gone, is told as well."""
        self.bob.says("bg;wob;spam").says("leave;wob")
        self.forget()
        self.assertEqual(self.code(self.alice, 3), "server-ack")
        self.assertEqual(self.bob.lines(), ["DEL 3 alice"])

    def test_who_was_demoted_meanwhile(self) -> None:
        carol = self.stage.json("carol").asks(action="join", group="wob")
        self.alice.asks(action="promote", group="wob", dest="carol")
        self.bob.says("bg;wob;spam")
        carol.hears()
        self.stage.readers.held = True
        carol.asks(action="delete", id=5, ref="d")
        self.alice.asks(action="demote", group="wob", dest="carol")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertEqual(carol.objects()[-1]["code"], "not_operator")

    def test_operators_elsewhere(self) -> None:
        self.alice.asks(action="client-broadcast", msg="hi")
        self.bob.says("cg;den").hears()
        self.assertIn("ERR not_server_operator", self.bob.says("delete;3").lines()[0])


class Reasons(DeletionCase):
    """A reason is a text, which those who ignore its author are not shown."""

    def test_it_is_hidden_live_and_in_a_replay(self) -> None:
        self.alice.asks(action="ignore", dest="bob")
        self.bob.says("MSG one").says("bg;wob;two").says("s;alice;three")
        carol = self.stage.text("carol").says("j;wob")
        self.forget()
        carol.hears()
        for id in (3, 4, 5):
            self.bob.says(f"delete;{id};you fool")
        told = [(said["deleted"], said["reason"]) for said in self.alice.objects()]
        self.assertEqual(told, [(3, ""), (4, ""), (5, "")])
        self.assertEqual(carol.lines(), ["DEL 3 bob you fool", "DEL 4 bob you fool"])
        self.alice.hangs_up()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", since=6)
        told = [(said["deleted"], said["reason"]) for said in back.objects() if "deleted" in said]
        self.assertEqual(told, [(3, ""), (4, ""), (5, "")])


class Mutes(DeletionCase):
    """A muted user changes nothing, own messages included."""

    def setUp(self) -> None:
        """Have the teacher there as well, a server operator."""
        super().setUp()
        self.stage.policy.operators = ("teacher",)
        self.teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="hi")

    def test_muted(self) -> None:
        self.teacher.asks(action="mute", dest="alice")
        self.forget()
        self.assertEqual(self.code(self.alice, 3), "muted")
        self.teacher.asks(action="unmute", dest="alice")
        self.assertEqual(self.code(self.alice, 3), "server-ack")

    def test_muted_meanwhile(self) -> None:
        self.forget()
        self.stage.readers.held = True
        self.alice.asks(action="delete", id=3, ref="d")
        self.teacher.asks(action="mute", dest="alice")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertEqual(self.alice.objects()[-1]["code"], "muted")

    def test_a_server_operator_deletes_own_messages_as_an_operator(self) -> None:
        self.teacher.asks(action="client-broadcast", msg="oops")
        self.teacher.hears()
        self.assertEqual(self.code(self.teacher, 4), "server-moderation")
        self.assertEqual(self.stage.rows("SELECT kind, target FROM moderation"), [("delete", "4")])


class Tokens(DeletionCase):
    """A program deletes what its user said, within the scope of its token, and nothing else."""

    def setUp(self) -> None:
        """Have alice registered; entries 3 to 6 are hers and bob's."""
        super().setUp()
        self.alice.asks(action="register", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="hi").asks(action="gbroadcast", group="wob", msg="hi")
        self.bob.says("bg;wob;hi").says("MSG hi")
        self.alice.hears()

    def bot(self, scope: str, groups: str = "*") -> Peer:
        """A session with a token of alice's."""
        made = self.alice.asks(action="maketoken", token="bot", scope=scope, groups=groups).objects()
        bot = self.stage.json("alice", password=made[-1]["secret"])
        bot.hears()
        return bot

    def test_to_write(self) -> None:
        bot = self.bot("write")
        self.assertEqual([self.code(bot, id) for id in (3, 5, 6)], ["server-ack", *["out_of_scope"] * 2])

    def test_to_read(self) -> None:
        bot = self.bot("read")
        self.assertEqual([self.code(bot, id) for id in (3, 99)], ["out_of_scope"] * 2)

    def test_for_one_group(self) -> None:
        bot = self.bot("write", "wob")
        self.assertEqual([self.code(bot, id) for id in (3, 4)], ["no_such_message", "server-ack"])

    def test_of_a_server_operator(self) -> None:
        """It has no more rights than that of another user."""
        self.stage.policy.operators = ("alice",)
        bot = self.bot("write")
        self.assertEqual([self.code(bot, id) for id in (3, 6)], ["server-ack", "out_of_scope"])
        self.assertEqual(self.stage.rows("SELECT * FROM moderation"), [])
