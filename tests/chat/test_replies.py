"""Replies: messages that name the message which they answer."""

from __future__ import annotations

from itertools import count
from typing import Any

from chatd.chat.messages import MessageFinder
from chatd.core.events import LogEntry, User
from tests.chat.test_deletions import SECRET
from tests.support.in_memory_daemon import Peer
from tests.support.irc_case import IrcCase

NO_SUCH_MESSAGE = "ERR no_such_message there is no message with the id 3, or its text was deleted"


class ReplyCase(IrcCase):
    """alice owns the group wob, bob is a member; both are there, on JSON and on text."""

    def setUp(self) -> None:
        """Have them there. Entries 1 and 2 make the group; 3 to 5 are bob's: there, to all, and to alice."""
        super().setUp()
        self.refs = count(1)
        self.alice = self.stage.json("alice")
        self.bob = self.stage.text("bob")
        self.alice.asks(action="cgroupe", group="wob")
        self.bob.says("j;wob").says("bg;wob;tea?").says("MSG anyone?").says("s;alice;psst")
        self.forget()

    def forget(self) -> None:
        """Forget what both have heard."""
        self.alice.hears(), self.bob.hears()

    def code(self, peer: Peer, **request: Any) -> str:
        """What a request comes to: the code of its refusal, or the action of its answer."""
        ref = next(self.refs)
        (answer,) = [one for one in peer.asks(ref=ref, **request).objects() if one.get("ref") == ref]
        return str(answer.get("code", answer["action"]))

    def places(self, peer: Peer) -> list[tuple[Any, ...]]:
        """What ``peer`` hears: the group, the text, and what it answers."""
        return [
            (one.get("group", ""), one["msg"], one.get("reply_to"), one.get("reply_from"))
            for one in peer.objects()
            if one["action"] in ("server-gbroadcast", "server-broadcast", "server-send")
        ]


class Accepted(ReplyCase):
    """Wherever it can be shown, a message comes with what it answers."""

    def test_after_the_state_was_read_again(self) -> None:
        """As after a failed commit, while what is answered was being looked for."""
        authority = self.stage.chat._authority

        async def read_again(finder: MessageFinder, user: User, message: LogEntry) -> None:
            authority.state = (await authority._archive.load_snapshot()).state

        self.patch(MessageFinder, "check_not_hidden", read_again)
        for fields in (
            {"action": "gbroadcast", "group": "wob", "msg": "yes", "reply_to": 3},
            {"action": "send", "dest": "bob", "msg": "what", "reply_to": 5},
        ):
            self.assertEqual(self.code(self.alice, **fields), "server-ack", fields)

    def test_in_every_conversation(self) -> None:
        carol = self.stage.json("carol").asks(action="join", group="wob")
        self.forget()
        carol.hears()
        for fields in (
            {"action": "gbroadcast", "group": "wob", "msg": "yes", "reply_to": 3},
            {"action": "client-broadcast", "msg": "me", "reply_to": "4"},
            {"action": "send", "dest": "bob", "msg": "what", "reply_to": 5},
        ):
            self.assertEqual(self.code(self.alice, **fields), "server-ack", fields)
        self.assertEqual(
            self.bob.lines(),
            ["RPL 3 bob", "GMS wob alice yes", "RPL 4 bob", "MSG alice me", "RPL 5 bob", "PRV alice what"],
        )
        self.assertEqual(self.places(carol), [("wob", "yes", 3, "bob"), ("", "me", 4, "bob")])
        for asked in ({"group": "wob"}, {}, {"dest": "bob"}):
            (page,) = self.alice.asks(action="history", **asked).objects()
            self.assertEqual(page["messages"][-1]["reply_from"], "bob")

    def test_by_the_id_alone(self) -> None:
        """The command on every wire sends to where the message is."""
        for id in (3, 4, 5):
            self.bob.says(f"reply;{id};more;of it")
        self.assertEqual(
            self.places(self.alice),
            [("wob", "more;of it", 3, "bob"), ("", "more;of it", 4, "bob"), ("", "more;of it", 5, "bob")],
        )
        self.assertEqual(self.bob.lines(), ["ACK reply wob 6 4", "ACK reply bob 7 2", "ACK reply alice 8 2"])
        self.assertEqual(self.code(self.alice, action="reply", id=3, msg="/me nods"), "server-ack")
        self.assertEqual(self.bob.lines(), ["RPL 3 bob", "GMS wob alice /me nods"])
        room = self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        room.hears()
        room.says("/reply 4 moi aussi")
        self.stage.wait(0.5)
        self.assertEqual(room.hears(), b"")
        self.assertEqual(self.bob.lines(), ["ARR dave", "RPL 4 bob", "MSG dave moi aussi"])
        self.alice.asks(action="reply", id=4, msg="me too")
        self.alice.asks(action="reply", id=4, msg="/me runs")
        self.stage.wait(0.5)
        self.assertEqual(
            room.hears().decode(), "alice a dit (à bob, n° 4) : me too\n* alice (à bob, n° 4) runs\n"
        )
        lines = self.bob.says("history;").lines()
        self.assertEqual([lines[place] for place in (-7, -5, -3)], ["RPL 4 bob"] * 3)

    def test_they_are_exact_in_a_replay(self) -> None:
        self.alice.asks(action="gbroadcast", group="wob", msg="yes", reply_to=3)
        live = self.stage.json("carol")
        live.asks(action="client-broadcast", msg="hi", reply_to=4)
        self.restart()
        back = self.stage.connect("json").asks(action="client-hello", from_="alice", since=5)
        self.assertEqual(self.places(back), [("wob", "yes", 3, "bob"), ("", "hi", 4, "bob")])

    def test_order(self) -> None:
        """What is sent right after it comes after it."""
        self.alice.asks(action="client-broadcast", msg="one", reply_to=4)
        self.alice.asks(action="client-broadcast", msg="two").asks(action="reply", id=4, msg="three")
        self.assertEqual(
            self.bob.lines(), ["RPL 4 bob", "MSG alice one", "MSG alice two", "RPL 4 bob", "MSG alice three"]
        )

    def test_sent_twice(self) -> None:
        """It is stored once, also if the text of what it answers was deleted meanwhile."""
        ids = []
        for _ in range(2):
            answers = self.alice.asks(action="client-broadcast", msg="one", reply_to=4, ref="a").objects()
            ids.append([one["id"] for one in answers if one["action"] == "server-ack"])
            self.bob.says("delete;4")
        self.assertEqual(ids, [[6], [6]])

    def test_an_answer_to_a_deleted_message_and_to_oneself(self) -> None:
        self.bob.says("delete;4").says("reply;4;what I meant")
        self.assertEqual(self.places(self.alice), [("", "what I meant", 4, "bob")])
        self.assertEqual(self.code(self.alice, action="reply", id=7, msg="ah"), "server-ack")

    def test_the_reference_client_is_not_told(self) -> None:
        reference = self.stage.text("ref").says("LST")
        self.stage.wait(1)
        reference.hears()
        self.alice.asks(action="client-broadcast", msg="hi", reply_to=4).asks(action="edit", id=6, msg="ho")
        self.stage.wait(1)
        self.assertEqual(reference.lines(), ["MSG alice hi"])


class OnIrc(ReplyCase):
    """IRC has tags for it."""

    def setUp(self) -> None:
        """Have carol there with tags and dora without."""
        super().setUp()
        self.carol = self.irc("carol", "message-tags", "echo-message", "batch", "draft/multiline")
        self.dora = self.irc("dora")
        self.forget()

    def forget(self) -> None:
        """Forget what all have heard."""
        super().forget()
        for peer in (getattr(self, "carol", None), getattr(self, "dora", None)):
            if peer is not None:
                peer.hears()

    def test_from_another_wire(self) -> None:
        self.alice.asks(action="client-broadcast", msg="me", reply_to=4)
        self.assertEqual(
            self.carol.lines(),
            ["@msgid=6;+draft/reply=4;+reply=4 :alice!alice@chatd PRIVMSG #lobby :me"],
        )
        self.assertEqual(self.dora.lines(), [":alice!alice@chatd PRIVMSG #lobby :bob: me"])
        self.alice.asks(action="client-broadcast", msg="Bob, me", reply_to=4)
        self.alice.asks(action="client-broadcast", msg="/me nods", reply_to=4)
        self.assertEqual(
            self.dora.lines(),
            [
                ":alice!alice@chatd PRIVMSG #lobby :Bob, me",
                ":alice!alice@chatd PRIVMSG #lobby :\x01ACTION bob: nods\x01",
            ],
        )

    def test_to_other_wires(self) -> None:
        for tag in ("+draft/reply=4", "+reply=4", "+draft/reply=4.2;+x=y"):
            self.carol.says(f"@{tag} PRIVMSG #lobby :me")
        self.assertEqual(self.places(self.alice), [("", "me", 4, "bob")] * 3)
        self.assertEqual(self.bob.lines(), ["RPL 4 bob", "MSG carol me"] * 3)
        tags = sorted(self.carol.lines()[-1].partition(" ")[0][1:].split(";"))
        self.assertEqual(tags, ["+draft/reply=4", "+reply=4", "+x=y", "msgid=8"])

    def test_of_several_lines(self) -> None:
        self.carol.says("@+draft/reply=4 BATCH +1 draft/multiline #lobby")
        self.carol.says("@batch=1 PRIVMSG #lobby :one").says("@batch=1 PRIVMSG #lobby :two").says("BATCH -1")
        self.assertEqual(self.places(self.alice), [("", "one\ntwo", 4, "bob")])

    def test_a_tag_is_worth_less_than_the_message(self) -> None:
        """One that names nothing to be answered is passed on as ever."""
        for id in ("3", "5", "99", "abc", ""):
            self.carol.says(f"@+draft/reply={id} PRIVMSG #lobby :me")
        self.assertEqual(self.places(self.alice), [("", "me", None, None)] * 5)
        self.assertEqual(
            [line.partition(" ")[0] for line in self.carol.lines()],
            [
                "@msgid=6;+draft/reply=3",
                "@msgid=7;+draft/reply=5",
                "@msgid=8;+draft/reply=99",
                "@msgid=9;+draft/reply=abc",
                "@msgid=10;+draft/reply",
            ],
        )

    def test_typed(self) -> None:
        self.carol.says("PRIVMSG chatd :reply;4;me").says("PRIVMSG chatd :reply;3;me")
        self.assertEqual(
            self.carol.lines(),
            [
                "@msgid=6;+draft/reply=4;+reply=4 :carol!carol@chatd PRIVMSG #lobby :me",
                ":chatd NOTICE carol :ACK reply carol 6 2",
                ":chatd NOTICE carol :" + NO_SUCH_MESSAGE,
            ],
        )
        self.carol.says("PART #lobby").says("PRIVMSG chatd :reply;4;me")
        self.assertIn("ERR not_member", self.carol.lines()[-1])


class Refused(ReplyCase):
    """What can't be answered is refused, and nothing is sent."""

    def test_what_is_not_there(self) -> None:
        """An event, no entry, and a message of another conversation."""
        for id in (0, 1, 3, 5, 99, 2**63 - 1):
            self.assertEqual(
                self.code(self.alice, action="client-broadcast", msg="x", reply_to=id), "no_such_message", id
            )
        for fields in (
            {"action": "gbroadcast", "group": "wob", "reply_to": 4},
            {"action": "send", "dest": "bob", "reply_to": 4},
            {"action": "send", "dest": "alice", "reply_to": 5},
            {"action": "reply", "id": 2},
        ):
            self.assertEqual(self.code(self.alice, msg="x", **fields), "no_such_message", fields)
        self.assertEqual(self.code(self.alice, action="reply", id=2**63, msg="x"), "bad_request")
        self.assertEqual(self.code(self.alice, action="reply", id=4, msg=" "), "empty")
        self.assertEqual(self.code(self.alice, action="reply", id=4, msg="x" * 8193), "too_long")
        self.assertEqual(self.code(self.alice, action="broadcast", msg="x", reply_to="x"), "bad_request")
        self.assertEqual(self.bob.hears(), b"")

    def test_what_one_can_not_read(self) -> None:
        """A private group, others' talk, what came before one joined, and what one ignores."""
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.alice.asks(action="gbroadcast", group="den", msg="secret")
        self.alice.asks(action="sethistory", group="wob", mode="since_joining")
        eve = self.stage.json("eve").asks(action="join", group="wob").asks(action="ignore", dest="bob")
        eve.hears()
        self.forget()
        for id in (3, 4, 5, 7):
            self.assertEqual(self.code(eve, action="reply", id=id, msg="x"), "no_such_message", id)
        self.assertEqual(
            self.code(eve, action="gbroadcast", group="wob", msg="x", reply_to=3), "no_such_message"
        )
        self.assertEqual(
            self.code(eve, action="gbroadcast", group="den", msg="x", reply_to=7), "no_such_group"
        )
        self.assertEqual(self.bob.hears() + self.alice.hears(), b"")

    def test_what_refuses_a_message_refuses_an_answer(self) -> None:
        """Mutes, full databases, tokens, and a group that was left meanwhile."""
        self.stage.policy.operators = ("teacher",)
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        self.alice.asks(action="register", password=SECRET)
        self.alice.hears()
        made = self.alice.asks(action="maketoken", token="t", scope="write", groups="wob").objects()
        bot = self.stage.json("alice", password=made[-1]["secret"])
        bot.hears()
        self.assertEqual(self.code(bot, action="reply", id=4, msg="x"), "no_such_message")
        self.assertEqual(self.code(bot, action="broadcast", msg="x", reply_to=4), "out_of_scope")
        self.assertEqual(self.code(bot, action="reply", id=3, msg="x"), "server-ack")
        self.forget()
        self.stage.chat.journal.database_bytes = 10**15
        self.assertEqual(self.code(self.alice, action="reply", id=3, msg="x"), "storage_full")
        self.stage.chat.journal.database_bytes = 0
        self.stage.readers.held = True
        self.alice.asks(action="reply", id=3, msg="x", ref="m")
        teacher.asks(action="mute", dest="alice")
        self.stage.readers.held = False
        self.stage.readers.run_next()
        self.stage.settle()
        self.assertEqual(self.alice.objects()[-1]["code"], "muted")
        self.bob.says("leave;wob")
        self.assertIn("ERR no_such_message", self.bob.says("reply;3;x").lines()[-1])
