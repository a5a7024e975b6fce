"""The JSON wire from the client's side: what it takes for something said, and what not."""

from __future__ import annotations

import json

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import (
    LOBBY,
    ConversationRef,
    conversation_of_summary,
    decode_object,
    encode_request,
    entry_from_ack,
)
from chatd.client.render import describe_event, render_message
from chatd.core import commands as c
from chatd.core.commands import Hello
from chatd.json_wire.objects import Ack, Conversations, GroupEvent, Message, Timestamp


def told(**fields: str) -> Message | None:
    """A message to everyone as the client understands it, if it does."""
    said = {"action": "server-broadcast", "id": 1, "from": "bob", "msg": "x", "ts": "2026-11-21T10:00:00Z"}
    heard = decode_object(json.dumps({**said, **fields}).encode())
    assert heard is None or isinstance(heard, Message)
    return heard


class Welcomes(SynchronousTestCase):
    """What follows a welcome."""

    def test_a_list_of_conversations(self) -> None:
        """With whatever else it says of them."""
        summaries = [
            {"kind": "group", "name": "wob", "last": 7, "unread": 2},
            {"kind": "lobby", "last": 9, "unread": 0, "muted": True},
        ]
        heard = decode_object(
            json.dumps({"action": "server-conversations", "conversations": summaries}).encode()
        )
        assert isinstance(heard, Conversations)
        self.assertEqual(
            [(conversation_of_summary(one), one.unread) for one in heard.conversations],
            [(ConversationRef("group", "wob"), 2), (LOBBY, 0)],
        )
        self.assertFalse(heard.more)

    def test_a_hello_says_no_more_than_it_has_to(self) -> None:
        """A server may know no other field."""
        self.assertEqual(encode_request(Hello("alice")), b'{"action":"client-hello","from":"alice"}\n')
        self.assertEqual(encode_request(Hello(), "again"), b'{"action":"client-hello","ref":"again"}\n')
        self.assertEqual(
            encode_request(Hello("alice", 0, "keep"), "hello"),
            b'{"action":"client-hello","from":"alice","since":0,"missed":"keep","ref":"hello"}\n',
        )


class Odd(SynchronousTestCase):
    """What no daemon of ours says."""

    def test_colours_that_are_none_are_not_understood(self) -> None:
        """So nobody who draws has to look at them again."""
        for colour in ("red", "#12345", "#1234567", "#12345g", "on #112233", "#112233\n"):
            self.assertIsNone(told(colour=colour), colour)
        for colour in ("#aAbBcC", ""):
            self.assertEqual(getattr(told(colour=colour), "colour", None), colour)

    def test_times_beyond_all_time(self) -> None:
        """Are shown as they came, since no other zone has them."""
        for ts in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"):
            said = told(ts=ts)
            assert said is not None
            self.assertEqual(render_message(said, "alice"), f"[{ts[11:16]}] bob said: x")


class OwnActs(SynchronousTestCase):
    """The author of an act gets only its ack, and sees the act as all others do."""

    def test_each_act_on_a_group_has_an_entry(self) -> None:
        ack = Ack(request="", id=7, ts=Timestamp("2026-11-27T10:00:00.000Z"), group="wob")
        for command, event, field, value in (
            (c.Kick("wob", "bob", "too loud"), "kicked", "reason", "too loud"),
            (c.Uninvite("wob", "bob"), "uninvited", "subject", "bob"),
            (c.Decline("wob"), "declined", "actor", "alice"),
            (c.SetHistoryVisibility("wob", "since_joining"), "history", "history", "since_joining"),
            (c.SetRetention("wob", 3600), "keep", "keep", 3600),
            (c.SetRetention("wob"), "keep", "keep", 0),
        ):
            entry = entry_from_ack(command, ack, "alice")
            assert isinstance(entry, GroupEvent)
            self.assertEqual((entry.event, entry.group, getattr(entry, field)), (event, "wob", value))
            self.assertTrue(describe_event(entry))

    def test_a_deletion(self) -> None:
        """It says which message, and whose: in a group it may be somebody else's."""
        ack = Ack(request="", id=7, ts=Timestamp("2026-11-27T10:00:00.000Z"), group="wob", to="bob")
        entry = entry_from_ack(c.DeleteMessage(5, "spam"), ack, "alice")
        assert isinstance(entry, GroupEvent)
        self.assertEqual((entry.id, entry.deleted, entry.actor, entry.subject), (7, 5, "alice", "bob"))
        self.assertEqual(describe_event(entry), "alice deleted a message of bob (spam)")
        own = msgspec.structs.replace(entry, actor="bob")
        self.assertEqual(describe_event(own), "bob deleted one of their messages (spam)")

    def test_an_edit_and_reactions(self) -> None:
        """They say which message, and what became of it."""
        ack = Ack(request="", id=7, ts=Timestamp("2026-11-27T10:00:00.000Z"), group="wob")
        for command, sentence in (
            (c.EditMessage(5, "better"), "alice edited a message: better"),
            (c.ReactToMessage(5, "+1"), "alice reacted to a message: +1"),
            (c.TakeReactionBack(5, "+1"), "alice took a reaction back: +1"),
        ):
            entry = entry_from_ack(command, ack, "alice")
            assert isinstance(entry, GroupEvent)
            self.assertEqual((entry.id, entry.edited or entry.message, entry.group), (7, 5, "wob"))
            self.assertEqual(describe_event(entry), sentence)
        edited = entry_from_ack(c.EditMessage(5, "/me waves"), ack, "alice")
        assert isinstance(edited, GroupEvent)
        self.assertEqual((edited.kind, edited.msg), ("action", "/me waves"))
        self.assertEqual(describe_event(msgspec.structs.replace(edited, msg=None)), "alice edited a message")

    def test_a_topic(self) -> None:
        ack = Ack(request="", id=7, ts=Timestamp("2026-11-27T10:00:00.000Z"), group="wob")
        for topic, sentence in (
            ("rain", "alice set the topic of wob: rain"),
            ("", "alice removed the topic of wob"),
        ):
            entry = entry_from_ack(c.SetTopic("wob", topic), ack, "alice")
            assert isinstance(entry, GroupEvent)
            self.assertEqual(describe_event(entry), sentence)

    def test_an_answer(self) -> None:
        """It is a message where the message that it answers is."""
        ack = Ack(request="", id=7, ts=Timestamp("2026-11-27T10:00:00.000Z"), to="bob")
        entry = entry_from_ack(c.ReplyToMessage(5, "/me nods"), ack, "alice")
        assert isinstance(entry, Message)
        self.assertEqual((entry.to, entry.msg, entry.kind, entry.reply_to), ("bob", "/me nods", "action", 5))
