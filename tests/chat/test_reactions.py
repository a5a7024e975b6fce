"""Reactions: users react to messages, and take reactions back."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from chatd.core.reaction_rules import MAX_DIFFERENT_REACTIONS
from tests.chat.test_deletions import SECRET
from tests.chat.test_replies import ReplyCase
from tests.support.in_memory_daemon import Peer


class ReactionCase(ReplyCase):
    """alice owns the group wob, bob is a member; 3 to 5 are bob's messages: there, to all, and to alice."""

    def react(self, peer: Peer, id: int, reaction: str = "+1", action: str = "react") -> str:
        """What a reaction comes to."""
        return self.code(peer, action=action, id=id, reaction=reaction)

    def shown(self, peer: Peer, **asked: Any) -> list[Any]:
        """The reactions in a page: for each message, pairs of a reaction and nicks."""
        peer.hears()
        (page,) = peer.asks(action="history", **asked).objects()
        return [
            [(reaction["reaction"], reaction["nicks"]) for reaction in one.get("reactions", ())]
            for one in page["messages"]
        ]


class Accepted(ReactionCase):
    """Everyone who can read the message is told, and pages have all reactions."""

    def test_on_every_wire(self) -> None:
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        self.forget()
        room.hears()
        self.assertEqual(self.react(self.alice, 4), "server-ack")
        self.assertEqual(self.bob.lines(), ["RCT 4 alice +1"])
        self.assertEqual(self.bob.says("react;4;so;so").lines(), ["ACK react bob 7 3"])
        (event,) = self.alice.objects()
        self.assertEqual(
            {key: event[key] for key in event if key not in ("ts", "action")},
            {"id": 7, "seq": 3, "event": "reacted", "actor": "bob", "message": 4, "reaction": "so;so"},
        )
        self.assertEqual(self.bob.says("unreact;4;so;so").lines(), ["ACK unreact bob 8 4"])
        (event,) = self.alice.objects()
        self.assertEqual((event["event"], event["message"], event["reaction"]), ("unreacted", 4, "so;so"))
        self.stage.wait(0.5)
        self.assertEqual(
            room.hears().decode(),
            "Annonce : alice a réagi au message n° 4 de bob : +1\n"
            "Annonce : bob a réagi au message n° 4 de bob : so;so\n"
            "Annonce : bob a retiré sa réaction au message n° 4 de bob : so;so\n",
        )
        room.says("/react 4 +1")
        self.stage.wait(0.5)
        self.assertEqual(room.hears().decode(), "C'est fait : dave a réagi au message n° 4 de bob : +1\n")
        self.assertEqual(self.shown(self.alice), [[("+1", ["alice", "dave"])]])
        self.bob.hears()
        lines = self.bob.says("history;").lines()
        self.assertEqual(lines[1:], ["RCT 4 alice +1", "RCT 4 dave +1", "END history 1"])

    def test_on_irc(self) -> None:
        carol = self.irc("carol", "message-tags", "echo-message")
        silent = self.irc("silent", "message-tags")
        plain = self.irc("plain")
        self.forget()
        carol.hears(), silent.hears()
        carol.says("@+draft/react=:);+draft/reply=4 TAGMSG #lobby")
        line = "@msgid=6;+draft/reply=4;+reply=4;+draft/react=:) :carol!carol@chatd TAGMSG #lobby"
        self.assertEqual([carol.lines(), silent.lines()], [[line], [line]])
        self.assertEqual(plain.lines(), [":carol!carol@chatd NOTICE #lobby :[reaction to 4 of bob] :)"])
        self.assertEqual(self.bob.lines(), ["RCT 4 carol :)"])
        silent.says("@+draft/react=:);+reply=4.2 TAGMSG #LOBBY")
        self.assertEqual(silent.lines(), [])
        self.assertEqual(self.shown(self.alice), [[(":)", ["carol", "silent"])]])
        plain.hears(), carol.hears()
        carol.says("@+draft/unreact=:);+draft/reply=4 TAGMSG #lobby")
        self.assertIn("+draft/unreact=:)", carol.lines()[0])
        self.assertEqual(
            plain.lines(), [":carol!carol@chatd NOTICE #lobby :[reaction to 4 of bob taken back] :)"]
        )
        self.alice.asks(action="send", dest="carol", msg="psst")
        carol.hears()
        carol.says("@+draft/react=ok;+draft/reply=9 TAGMSG alice")
        self.assertIn(":carol!carol@chatd TAGMSG alice", carol.lines()[0])
        self.assertEqual(self.shown(self.alice, dest="carol"), [[("ok", ["carol"])]])

    def test_what_names_no_message_is_passed_on(self) -> None:
        """As ever, and stored nowhere."""
        carol, dora = self.irc("carol", "message-tags"), self.irc("dora", "message-tags")
        carol.hears(), dora.hears()
        for id in ("99", "abc", "3", "5"):
            carol.says(f"@+draft/react=:);+draft/reply={id} TAGMSG #lobby")
            self.assertIn(f";+draft/react=:);+draft/reply={id} :carol", dora.lines()[0])
        self.assertEqual(self.bob.lines()[-1], "ARR dora")
        self.assertEqual(self.stage.rows("SELECT * FROM reactions"), [])

    def test_in_groups_and_in_private(self) -> None:
        eve = self.stage.json("eve")
        self.forget()
        self.assertEqual(self.react(self.alice, 3), "server-ack")
        self.assertEqual(self.react(self.alice, 5), "server-ack")
        self.assertEqual(self.bob.lines(), ["RCT 3 alice +1", "RCT 5 alice +1"])
        self.assertEqual(eve.objects(), [])
        self.assertIn(" reacted alice 3 +1", self.bob.says("states;wob").hears().decode())

    def test_after_a_restart(self) -> None:
        self.react(self.alice, 4, "ok")
        self.react(self.alice, 4, "+1")
        self.react(self.alice, 4, "ok", "unreact")
        self.restart()
        carol = self.stage.json("carol")
        self.assertEqual(self.shown(carol), [[("+1", ["alice"])]])
        back = self.stage.connect("json").asks(action="client-hello", from_="dan", since=5).objects()
        told = [(one["event"], one["message"], one["reaction"]) for one in back if "reaction" in one]
        self.assertEqual(told, [("reacted", 4, "ok"), ("reacted", 4, "+1"), ("unreacted", 4, "ok")])


class Refused(ReactionCase):
    """What one can't see does not exist, and nobody piles reactions up."""

    def test_codes(self) -> None:
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.alice.asks(action="gbroadcast", group="den", msg="secret")
        self.forget()
        eve = self.stage.json("eve")
        for id in (0, 1, 3, 5, 7, 99, 2**63 - 1):
            self.assertEqual(self.react(eve, id), "no_such_message", id)
            self.assertEqual(self.react(eve, id, action="unreact"), "no_such_message", id)
        self.assertEqual(self.react(eve, 4, "no way"), "bad_reaction")
        self.assertEqual(self.react(eve, 4, ""), "bad_reaction")
        self.assertEqual(self.react(eve, 4, "x" * 600), "too_long")
        self.assertEqual(self.react(eve, 4, action="unreact"), "no_such_reaction")
        self.assertEqual(self.react(eve, 4), "server-ack")
        self.assertEqual(self.react(eve, 4), "already_reacted")
        eve.asks(action="ignore", dest="bob")
        self.assertEqual(self.react(eve, 4, "ok"), "no_such_message")
        self.bob.says("delete;4")
        self.assertEqual(self.react(self.alice, 4), "no_such_message")

    def test_too_many(self) -> None:
        for number in range(MAX_DIFFERENT_REACTIONS):
            self.assertEqual(self.react(self.alice, 4, f"r{number}"), "server-ack")
        self.assertEqual(self.react(self.alice, 4, "one-more"), "too_many_reactions")
        self.bob.hears()
        self.assertEqual(self.bob.says("react;4;r0").lines(), ["ACK react bob 26 22"])
        self.react(self.alice, 4, "r1", "unreact")
        self.assertEqual(self.react(self.alice, 4, "other"), "server-ack")

    def test_who_may_not_write(self) -> None:
        self.stage.policy.operators = ("teacher",)
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.alice.asks(action="register", password=SECRET)
        self.alice.hears()
        made = self.alice.asks(action="maketoken", token="t", scope="write", groups="wob").objects()
        bot = self.stage.json("alice", password=made[-1]["secret"])
        bot.hears()
        self.assertEqual(self.react(bot, 4), "no_such_message")
        self.assertEqual(self.react(bot, 3), "server-ack")
        self.stage.chat.journal.database_bytes = 10**15
        self.assertEqual(self.react(self.alice, 4), "storage_full")
        self.stage.chat.journal.database_bytes = 0
        teacher.asks(action="mute", dest="alice")
        self.alice.hears()
        self.assertEqual(self.react(self.alice, 4), "muted")


class Privacy(ReactionCase):
    """What a user must not see of others, and what goes with a message or a user."""

    def test_those_who_ignore_the_user(self) -> None:
        self.alice.asks(action="ignore", dest="bob")
        self.alice.asks(action="client-broadcast", msg="hi").asks(action="react", id=6, reaction="ok")
        self.forget()
        self.bob.says("react;6;ok").says("react;6;fool")
        self.assertEqual(self.alice.hears(), b"")
        self.assertEqual(self.shown(self.alice), [[("ok", ["alice"])]])
        self.bob.hears()
        self.assertIn("RCT 6 bob fool", self.bob.says("history;").lines())
        self.alice.hangs_up()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", since=0)
        self.assertNotIn(b"fool", back.hears())

    def test_deleted_messages_have_none(self) -> None:
        self.react(self.alice, 4)
        self.bob.says("delete;4")
        self.assertEqual(self.shown(self.alice), [[]])
        self.assertEqual(self.stage.rows("SELECT * FROM reactions"), [])

    def test_trimmed_messages_have_none(self) -> None:
        self.stage.chat.retention.start()
        self.react(self.alice, 3)
        self.alice.asks(action="setkeep", group="wob", age="1")
        self.stage.wait(2)
        self.bob.says("bg;wob;newer")
        self.stage.wait(600)
        self.assertEqual(self.stage.rows("SELECT * FROM reactions"), [])

    def test_erased_users_have_none(self) -> None:
        """Nor have messages that were erased."""
        self.react(self.alice, 4, "secretly")
        self.bob.says("react;4;well").says("react;5;well")
        self.erase("alice")
        query = "SELECT message, reaction FROM reactions"
        self.assertEqual(self.stage.rows(query), [(4, "well"), (5, "well")])
        self.assertEqual(
            self.stage.rows("SELECT body FROM log WHERE kind = 'reacted' ORDER BY id"),
            [("",), ("well",), ("well",)],
        )
        self.bob.hears()
        lines = self.bob.says("history;").lines()
        self.assertEqual(lines[1:], ["RCT 4 bob well", "END history 1"])
        self.erase("bob")
        self.assertEqual(self.stage.rows(query), [])
        back = self.stage.connect("json").asks(action="client-hello", from_="dan", since=0).objects()
        told = [(one["message"], one["reaction"]) for one in back if one.get("event") == "reacted"]
        self.assertEqual(told, [(4, "")] * 2)

    def erase(self, nick: str) -> None:
        """Erase a user and wait for the end of it."""
        done = Deferred.fromCoroutine(self.stage.chat.eraser.erase_user(nick))
        self.stage.wait(1)
        self.stage.wait(1)
        self.successResultOf(done)
