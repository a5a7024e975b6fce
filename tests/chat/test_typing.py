"""Typing marks: who types, told to JSON clients that ask for it and to IRC clients, and stored nowhere."""

from __future__ import annotations

from typing import Any

from chatd.chat.channels import TYPING_NOTICE_BURST
from tests.chat.test_deletions import SECRET
from tests.support.in_memory_daemon import Peer
from tests.support.irc_case import IrcCase


class Typing(IrcCase):
    def setUp(self) -> None:
        """alice, who owns wob, and bob, a member, are shown who types; carol, a member too, is not."""
        super().setUp()
        self.alice = self.stage.json("alice", typing="show")
        self.bob = self.stage.json("bob", typing="show")
        self.carol = self.stage.json("carol")
        self.alice.asks(action="cgroupe", group="wob")
        for peer in (self.bob, self.carol):
            peer.asks(action="join", group="wob")
        self.forget()

    def forget(self) -> None:
        """Forget what all have heard."""
        for peer in (self.alice, self.bob, self.carol):
            peer.hears()

    def told(self, peer: Peer) -> list[tuple[Any, ...]]:
        """Who types where, as ``peer`` is told."""
        return [
            (one["from"], one.get("group", one.get("to", "")), one["state"])
            for one in peer.objects()
            if one["action"] == "server-typing" and "ref" not in one
        ]

    def code(self, peer: Peer, **fields: Any) -> str:
        """What a mark comes to."""
        (answer,) = [one for one in peer.asks(action="typing", ref="t", **fields).objects() if "ref" in one]
        return str(answer.get("code", answer["action"]))

    def test_everywhere(self) -> None:
        text, room = self.stage.text("dora"), self.stage.connect("tp6").says("Hello|dave")
        self.stage.wait(0.5)
        self.forget()
        text.hears(), room.hears()
        (answer,) = self.alice.asks(action="typing", group="wob", ref=1).objects()
        self.assertEqual(
            answer,
            {"action": "server-typing", "ref": 1, "from": "alice", "group": "wob", "state": "active"},
        )
        self.assertEqual(self.code(self.alice, state="paused"), "server-typing")
        self.assertEqual(self.code(self.alice, dest="bob", state="done"), "server-typing")
        self.stage.wait(0.5)
        self.assertEqual(
            self.told(self.bob),
            [("alice", "wob", "active"), ("alice", "", "paused"), ("alice", "bob", "done")],
        )
        self.assertEqual(self.carol.hears() + text.hears() + room.hears(), b"")
        self.assertEqual(self.alice.hears(), b"")
        self.assertEqual(self.stage.rows("SELECT kind FROM log WHERE id > 3"), [])

    def test_to_and_from_irc(self) -> None:
        irc, plain = self.irc("irc", "message-tags"), self.irc("plain")
        self.forget()
        irc.hears()
        self.alice.asks(action="typing")
        self.stage.wait(0)
        self.assertRegex(irc.lines()[0], r"^@msgid=[0-9-]+;\+typing=active :alice!alice@chatd TAGMSG #lobby$")
        self.assertEqual(plain.hears(), b"")
        for tags in ("+typing=paused", "+typing=asleep", "+x=y"):
            irc.says(f"@{tags} TAGMSG #lobby")
        self.stage.wait(0)
        self.assertEqual(self.told(self.bob), [("alice", "", "active"), ("irc", "", "paused")])

    def test_a_client_asks_for_it(self) -> None:
        """By any request, also of a client that says later that it takes lines; course work gets none."""
        carol = self.carol.asks(action="client-list-clients", typing="show")
        late = self.stage.connect("json")
        late.says(b'{"action":"client-hello","from":"late","framing":"lines","typing":"show"}')
        course = self.stage.connect("json")
        course.says(b'{"action":"client-hello","from":"course","typing":"show"}')
        self.stage.wait(1)
        carol.hears(), late.hears(), course.hears()
        self.alice.asks(action="typing")
        self.stage.wait(1)
        self.assertEqual(self.told(carol), [("alice", "", "active")])
        self.assertEqual(self.told(late), [("alice", "", "active")])
        self.assertEqual(course.hears(), b"")

    def test_those_who_ignore_the_user(self) -> None:
        self.bob.asks(action="ignore", dest="alice")
        self.forget()
        for fields in ({}, {"group": "wob"}, {"dest": "bob"}):
            self.assertEqual(self.code(self.alice, **fields), "server-typing")
        self.stage.wait(0)
        self.assertEqual(self.told(self.bob), [])

    def test_refused(self) -> None:
        self.alice.asks(action="cgroupe", group="den", visibility="private")
        self.forget()
        self.assertEqual(self.code(self.bob, group="den"), "no_such_group")
        self.assertEqual(self.code(self.bob, dest="nobody"), "no_such_user")
        self.assertEqual(self.code(self.bob, state="asleep"), "bad_request")
        self.stage.policy.operators = ("teacher",)
        teacher = self.stage.json("teacher").asks(action="register", password=SECRET)
        teacher.asks(action="mute", dest="bob")
        self.bob.hears()
        self.assertEqual(self.code(self.bob), "muted")

    def test_not_too_many(self) -> None:
        codes = [self.code(self.alice) for _ in range(TYPING_NOTICE_BURST + 1)]
        self.assertEqual(codes, ["server-typing"] * TYPING_NOTICE_BURST + ["rate_limited"])
        self.assertEqual(self.code(self.bob), "server-typing")
        self.stage.wait(1)
        self.alice.hears()
        self.assertEqual(self.code(self.alice), "server-typing")

    def test_within_the_scope_of_a_token(self) -> None:
        self.alice.asks(action="register", password=SECRET)
        self.alice.hears()
        made = self.alice.asks(action="maketoken", token="t", scope="write", groups="wob").objects()
        bot = self.stage.json("alice", password=made[-1]["secret"], typing="show")
        bot.hears()
        self.assertEqual(self.code(bot), "out_of_scope")
        self.assertEqual(self.code(bot, dest="bob"), "out_of_scope")
        self.assertEqual(self.code(bot, group="wob"), "server-typing")
        for fields in ({}, {"group": "wob"}):
            self.bob.asks(action="typing", **fields)
        self.stage.wait(0)
        self.assertEqual(self.told(bot), [("bob", "wob", "active")])
