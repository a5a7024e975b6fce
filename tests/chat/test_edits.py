"""Edits: the author of a message replaces its text."""

from __future__ import annotations

import sqlite3
from typing import Any

from tests.chat.test_deletions import SECRET, DeletionCase
from tests.support.in_memory_daemon import Peer


class EditCase(DeletionCase):
    """alice owns the group wob, bob is a member; both are there, on JSON and on text."""

    def edit(self, peer: Peer, id: int, msg: str = "better", **fields: Any) -> str:
        """What an edit comes to: the code of its refusal, or the action of its answer."""
        answers = peer.asks(action="edit", id=id, msg=msg, ref="e", **fields).objects()
        (answer,) = [one for one in answers if one.get("ref") == "e"]
        return str(answer.get("code", answer["action"]))

    def page(self, peer: Peer, **fields: Any) -> list[tuple[Any, ...]]:
        """The messages of a page: id, seq, author, text, kind, and whether edited and deleted."""
        peer.hears()
        (page,) = peer.asks(action="history", **fields).objects()
        return [
            (
                *(one[key] for key in ("id", "seq", "from", "msg", "kind")),
                one.get("edited", False),
                one.get("deleted", False),
            )
            for one in page["messages"]
        ]


class Authors(EditCase):
    """The text is replaced everywhere, the message keeps its place, and everyone is told."""

    def test_on_every_wire(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        self.alice.asks(action="client-broadcast", msg="a slip of json")
        self.bob.says("MSG a slip of text")
        room.says("a slip of the room")
        self.stage.wait(0.5)
        for peer in (self.alice, self.bob, room):
            peer.hears()
        (ack,) = self.alice.asks(action="edit", id=3, msg="better;json", ref=1).objects()
        self.assertEqual(
            {key: ack[key] for key in ("action", "request", "ref", "id", "seq")},
            {"action": "server-ack", "request": "edit", "ref": 1, "id": 6, "seq": 4},
        )
        self.assertEqual(self.bob.lines(), ["EDT 3 alice better;json"])
        self.assertEqual(self.bob.says("edit;4;better;text").lines(), ["ACK edit bob 7 5"])
        (event,) = self.alice.objects()
        self.assertEqual(
            {key: event[key] for key in event if key not in ("ts", "action")},
            {
                "id": 7,
                "seq": 5,
                "event": "edited",
                "actor": "bob",
                "edited": 4,
                "kind": "message",
                "msg": "better;text",
            },
        )
        self.stage.wait(0.5)
        self.assertEqual(
            room.hears().decode(),
            "Annonce : alice a modifié son message n° 3 : better;json\n"
            "Annonce : bob a modifié son message n° 4 : better;text\n",
        )
        room.says("/edit 5 un meilleur texte")
        self.stage.wait(0.5)
        self.assertEqual(
            room.hears().decode(), "C'est fait : dave a modifié son message n° 5 : un meilleur texte\n"
        )
        self.assertEqual(self.bob.lines(), ["EDT 5 dave un meilleur texte"])
        self.assertFalse(self.is_on_disk("a slip of"))
        self.assertEqual(
            self.page(self.alice),
            [
                (3, 1, "alice", "better;json", "message", True, False),
                (4, 2, "bob", "better;text", "message", True, False),
                (5, 3, "dave", "un meilleur texte", "message", True, False),
            ],
        )
        lines = self.bob.says("history;").lines()
        self.assertTrue(lines[0].endswith("Z alice better;json"))
        self.assertEqual(lines[1::2], ["EDT 3 alice", "EDT 4 bob", "EDT 5 dave"])
        room.says("/history")
        self.stage.wait(0.5)
        self.assertIn("alice a dit (modifié) : better;json", room.hears().decode())

    def test_in_a_group_and_in_private(self) -> None:
        eve = self.stage.json("eve")
        self.forget()
        self.bob.says("bg;wob;a slip").says("s;alice;another slip")
        eve.hears()
        self.forget()
        self.assertEqual(self.bob.says("edit;3;one\n").lines(), ["ACK edit wob 5 4"])
        self.assertEqual(self.bob.says("edit;4;two").lines(), ["ACK edit alice 6 2"])
        heard = [(said.get("group", ""), said["edited"], said["msg"]) for said in self.alice.objects()]
        self.assertEqual(heard, [("wob", 3, "one"), ("", 4, "two")])
        self.assertEqual(eve.objects(), [])
        self.assertIn("edited bob 3 one", self.bob.says("states;wob").hears().decode())
        (states,) = self.alice.asks(action="states", group="wob").objects()
        self.assertEqual((states["events"][-1]["edited"], states["events"][-1]["msg"]), (3, "one"))

    def test_only_the_last_text_is_kept(self) -> None:
        """An event has the text until there is another one; then nothing has the text before."""
        self.bob.says("MSG one")
        self.forget()
        for text in ("two", "three"):
            self.bob.says(f"edit;3;{text}")
        self.assertEqual([said["msg"] for said in self.alice.objects()], ["two", "three"])
        self.restart()
        for earlier in ("one", "two"):
            self.assertFalse(self.is_on_disk(earlier), earlier)
        back = self.stage.connect("json").asks(action="client-hello", from_="carol", since=3)
        told = [(said["id"], said.get("edited"), said.get("msg")) for said in back.objects()[1:]]
        self.assertEqual(told, [(4, 3, None), (5, 3, "three")])
        whole = self.stage.connect("json").asks(action="client-hello", from_="dan", since=2).objects()
        self.assertEqual([one.get("msg") for one in whole[1:4]], ["three", None, "three"])
        self.assertIs(whole[1]["edited"], True)

    def test_kinds(self) -> None:
        """A text says whether it is an action, as if it was sent so; a notice stays one."""
        self.alice.asks(action="client-broadcast", msg="waves")
        self.alice.asks(action="client-broadcast", msg="/me sits")
        self.alice.asks(action="client-broadcast", msg="beep", kind="notice")
        self.forget()
        for id, text in ((3, "/me waves"), (4, "I sit"), (5, "/me beeps")):
            self.assertEqual(self.edit(self.alice, id, text), "server-ack")
        self.assertEqual(
            [one[3:5] for one in self.page(self.alice)],
            [("/me waves", "action"), ("I sit", "message"), ("/me beeps", "notice")],
        )

    def test_own_other_sessions_are_told(self) -> None:
        self.alice.asks(action="register", password=SECRET)
        second = self.stage.json("alice", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="oops")
        self.forget()
        second.hears()
        self.assertEqual(self.edit(self.alice, 3), "server-ack")
        (event,) = second.objects()
        self.assertEqual((event["event"], event["edited"], event["msg"]), ("edited", 3, "better"))

    def test_what_was_said_right_before(self) -> None:
        """Its commit is awaited, and what is sent right after the edit follows it."""
        self.stage.writer.held = True
        self.alice.asks(action="client-broadcast", msg="oops").asks(action="edit", id=3, msg="better")
        self.alice.asks(action="client-broadcast", msg="next")
        self.stage.writer.held = False
        self.stage.writer.run_next()
        self.stage.settle()
        self.assertEqual(self.bob.lines(), ["MSG alice oops", "EDT 3 alice better", "MSG alice next"])

    def test_the_limits_of_a_message(self) -> None:
        self.alice.asks(action="client-broadcast", msg="x")
        self.forget()
        self.assertEqual(self.edit(self.alice, 3, " \n"), "empty")
        self.assertEqual(self.edit(self.alice, 3, "x" * 8193), "too_long")
        self.assertEqual(self.edit(self.alice, 3, "x" * 8192), "server-ack")
        self.assertEqual(self.edit(self.alice, 2**63), "bad_request")


class Refused(EditCase):
    """What one may not edit is refused; what one can't see does not exist."""

    def test_what_is_no_text_of_ones_own(self) -> None:
        self.bob.says("MSG hi").says("bg;wob;hi").says("s;alice;hi")
        self.alice.asks(action="gbroadcast", group="wob", msg="##", kind="image")
        self.alice.asks(action="client-broadcast", msg="mine").asks(action="delete", id=7)
        self.forget()
        for id in (3, 4, 5):
            self.assertEqual(self.edit(self.alice, id), "not_author", id)
        self.assertEqual(self.edit(self.alice, 6), "not_editable")
        for id in (0, 1, 7, 8, 99, 2**63 - 1):
            self.assertEqual(self.edit(self.alice, id), "no_such_message", id)
        self.assertEqual(self.bob.hears(), b"")

    def test_the_same_text(self) -> None:
        self.alice.asks(action="client-broadcast", msg="hi")
        self.forget()
        self.assertEqual(self.edit(self.alice, 3, "hi"), "same_text")
        self.assertEqual(self.edit(self.alice, 3), "server-ack")
        self.assertEqual(self.edit(self.alice, 3), "same_text")

    def test_what_one_can_not_see(self) -> None:
        """Messages of private groups and of two others, and those of a group that one has left."""
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.alice.asks(action="gbroadcast", group="den", msg="secret")
        self.alice.asks(action="send", dest="bob", msg="hi")
        eve = self.stage.json("eve")
        self.bob.says("bg;wob;hi").says("leave;wob").hears()
        self.assertEqual([self.edit(eve, id) for id in (4, 5)], ["no_such_message"] * 2)
        self.assertIn("ERR no_such_message", self.bob.says("edit;6;x").lines()[0])
        self.assertEqual(self.edit(eve, 6), "no_such_message")

    def test_in_a_closed_group(self) -> None:
        self.stage.policy.operators = ("teacher",)
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.bob.says("bg;wob;hi")
        teacher.asks(action="close", group="wob")
        self.forget()
        self.assertIn("ERR no_such_message", self.bob.says("edit;3;x").lines()[0])
        self.assertEqual(self.edit(teacher, 3), "no_such_message")

    def test_a_server_operator_edits_nothing_of_others(self) -> None:
        self.stage.policy.operators = ("teacher",)
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="hi")
        teacher.hears()
        self.assertEqual(self.edit(teacher, 3), "not_author")

    def test_a_nick_without_a_password_proves_nothing(self) -> None:
        self.bob.says("MSG mine").says("BYE")
        thief = self.stage.json("bob").asks(action="register", password=SECRET)
        thief.hears()
        self.assertEqual(self.edit(thief, 3), "not_author")
        thief.asks(action="client-broadcast", msg="of this session")
        thief.hears()
        self.assertEqual(self.edit(thief, 4), "server-ack")

    def test_muted(self) -> None:
        """Also meanwhile."""
        self.stage.policy.operators = ("teacher",)
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="hi")
        self.forget()
        self.stage.readers.held = True
        self.alice.asks(action="edit", id=3, msg="better", ref="e")
        teacher.asks(action="mute", dest="alice")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertEqual(self.alice.objects()[-1]["code"], "muted")
        self.assertEqual(self.edit(self.alice, 3), "muted")

    def test_in_a_full_database(self) -> None:
        """It may make a message longer."""
        self.alice.asks(action="client-broadcast", msg="hi")
        self.forget()
        self.stage.chat.journal.database_bytes = 10**15
        self.assertEqual(self.edit(self.alice, 3), "storage_full")

    def test_the_disk_fails(self) -> None:
        self.alice.asks(action="client-broadcast", msg="it stays")
        self.forget()
        self.stage.writer.error = sqlite3.OperationalError("disk full")
        self.assertEqual(self.edit(self.alice, 3), "storage_failed")
        self.stage.writer.error = None
        self.stage.wait(2)
        self.assertEqual(self.bob.hears(), b"")
        self.assertEqual(self.page(self.alice)[0][3], "it stays")
        self.assertEqual(self.edit(self.alice, 3), "server-ack")
        self.flushLoggedErrors()

    def test_two_changes_at_the_same_time(self) -> None:
        """An edit does not bring back what was deleted meanwhile."""
        self.alice.asks(action="register", password=SECRET)
        second = self.stage.json("alice", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="oops")
        self.forget()
        second.hears()
        self.stage.readers.held = True
        self.alice.asks(action="delete", id=3, ref="d")
        second.asks(action="edit", id=3, msg="still there", ref="e")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertIn("no_such_message", [one.get("code") for one in second.objects()])
        self.assertEqual(self.page(self.alice)[0][3:], ("", "message", False, True))
        self.assertFalse(self.is_on_disk("still there"))


class Privacy(EditCase):
    """The new text goes to nobody who does not read the message."""

    def test_those_who_ignore_the_author(self) -> None:
        """They are not told, live, in pages and in a replay."""
        self.alice.asks(action="ignore", dest="bob")
        self.bob.says("MSG one").says("bg;wob;two").says("s;alice;three")
        self.forget()
        for id in (3, 4, 5):
            self.bob.says(f"edit;{id};you fool")
        self.assertEqual(self.alice.hears(), b"")
        (page,) = self.alice.asks(action="history", group="wob", events="all").objects()
        self.assertNotIn("edited", [one["event"] for one in page["events"]])
        self.alice.hangs_up()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", since=0)
        self.assertNotIn(b"fool", back.hears())

    def test_those_who_joined_later(self) -> None:
        """In a group that shows what came since one joined, they learn of the edit without the text."""
        self.bob.says("bg;wob;before carol")
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")
        carol = self.stage.json("carol").asks(action="join", group="wob")
        self.bob.says("bg;wob;after carol")
        self.forget()
        carol.hears()
        self.bob.says("edit;3;secret of old").says("edit;6;for all")
        heard = [(one["edited"], one.get("msg")) for one in carol.objects()]
        self.assertEqual(heard, [(3, None), (6, "for all")])
        heard = [(one["edited"], one.get("msg")) for one in self.alice.objects()]
        self.assertEqual(heard, [(3, "secret of old"), (6, "for all")])
        for asked in (
            {"action": "states", "group": "wob"},
            {"action": "history", "group": "wob", "events": "all"},
        ):
            (page,) = carol.asks(**asked).objects()
            told = [(one["edited"], one.get("msg")) for one in page["events"] if "edited" in one]
            self.assertEqual(told, [(3, None), (6, "for all")])
        carol.hangs_up()
        back = self.stage.connect("json").asks(action="client-hello", from_="carol", since=6)
        told = [(one["edited"], one.get("msg")) for one in back.objects() if "edited" in one]
        self.assertEqual(told, [(3, None), (6, "for all")])

    def test_those_who_join_meanwhile(self) -> None:
        """Their joining is decided before the edit, and not on the disk when the edit reads who joined."""
        self.bob.says("bg;wob;before carol")
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")
        carol = self.stage.json("carol")
        self.forget()
        readers, writer = self.stage.readers, self.stage.writer
        readers.held = True
        self.bob.says("edit;3;secret of old")
        writer.held = True
        carol.asks(action="join", group="wob")
        readers.held = writer.held = False
        while readers.waiting or writer.waiting:
            (readers if readers.waiting else writer).run_next()
            self.stage.settle()
        self.assertEqual([(one["edited"], one.get("msg")) for one in carol.objects()[1:]], [(3, None)])
        told = [one.get("msg") for one in self.alice.objects() if "edited" in one]
        self.assertEqual(told, ["secret of old"])

    def test_outside_the_scope_of_a_token(self) -> None:
        self.alice.asks(action="register", password=SECRET)
        self.alice.asks(action="client-broadcast", msg="hi").asks(action="gbroadcast", group="wob", msg="hi")
        self.bob.says("bg;wob;hi")
        self.alice.hears()

        def bot(name: str, scope: str, groups: str) -> Peer:
            made = self.alice.asks(action="maketoken", token=name, scope=scope, groups=groups).objects()
            peer = self.stage.json("alice", password=made[-1]["secret"])
            peer.hears()
            return peer

        reader, writer = bot("r", "read", "*"), bot("w", "write", "wob")
        self.assertEqual([self.edit(reader, id) for id in (3, 4)], ["out_of_scope"] * 2)
        self.assertEqual(self.edit(writer, 3), "no_such_message")
        self.assertEqual(self.edit(writer, 5), "not_author")
        # What the user sent before the session is the user's: the token proves it.
        self.assertEqual(self.edit(writer, 4), "server-ack")
        reader.hears()
        writer.hears()
        self.alice.asks(action="edit", id=3, msg="lobby")
        self.assertIn(b"lobby", reader.hears())
        self.assertEqual(writer.hears(), b"")


class LaterChanges(EditCase):
    """What takes a message away takes its new text as well."""

    def setUp(self) -> None:
        """Have an edited message with the id 3 in wob, whose event has the id 4."""
        super().setUp()
        self.bob.says("bg;wob;helo").says("edit;3;a long hello")
        self.forget()

    def events(self) -> list[tuple[Any, ...]]:
        """The events about messages that a member is shown."""
        (page,) = self.alice.asks(action="states", group="wob").objects()
        return [
            (one["event"], one.get("edited", one.get("deleted")), one.get("msg"))
            for one in page["events"]
            if one["event"] in ("edited", "deleted")
        ]

    def test_deleted(self) -> None:
        self.bob.says("delete;3;sorry")
        self.forget()
        self.assertFalse(self.is_on_disk("a long hello"))
        self.assertEqual(self.events(), [("edited", 3, None), ("deleted", 3, None)])
        self.assertEqual(self.page(self.alice, group="wob")[0][3:], ("", "message", False, True))
        back = self.stage.connect("json").asks(action="client-hello", from_="carol", since=2)
        self.assertNotIn(b'hello"}', back.hears())
        lines = self.bob.says("states;wob").lines()
        self.assertIn(" edited bob 3", [line[-14:].lstrip("Z") for line in lines])

    def test_trimmed(self) -> None:
        self.stage.chat.retention.start()
        self.alice.asks(action="setkeep", group="wob", age="1")
        self.stage.wait(2)
        self.bob.says("bg;wob;newer")
        self.stage.wait(600)
        self.forget()
        self.assertFalse(self.is_on_disk("a long hello"))
        self.assertEqual(self.events(), [("edited", 3, None)])
        self.assertEqual(self.edit(self.alice, 3), "no_such_message")

    def test_resent_with_the_same_ref(self) -> None:
        """Nothing is kept that the text could be compared with."""
        self.alice.asks(action="client-broadcast", msg="helo", ref="m")
        self.forget()
        self.assertEqual(self.edit(self.alice, 5, "hello"), "server-ack")
        (answer,) = self.alice.asks(action="client-broadcast", msg="helo", ref="m").objects()
        self.assertEqual(answer["code"], "ref_reused")
