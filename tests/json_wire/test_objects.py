"""The objects of the JSON wire: what the daemon encodes, the client decodes."""

from __future__ import annotations

import json

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from chatd.json_wire import objects
from chatd.json_wire.objects import Timestamp

TS = Timestamp("2026-11-21T12:00:00.123Z")
ITEM = objects.HistoryMessage(id=1, seq=1, ts=TS, nick="bob", msg="hi", kind="message")
EVENT = objects.GroupEvent(id=2, seq=1, ts=TS, event="kicked", actor="bob", subject="eve", reason="")
ACT = objects.ModerationEntry(1, TS, "alice", "mute", "bob", TS, "loud")

TOKEN = objects.Token("deploy", "read", ["*"], TS, TS)
SAMPLES: tuple[objects.ServerObject, ...] = (
    objects.Message(action="server-broadcast", nick="bob", msg="hi", id=1, seq=1, ts=TS),
    objects.Message(
        action="server-gbroadcast", nick="bob", group="g", msg="##", kind="image", id=1, seq=1, ts=TS
    ),
    objects.Message(action="server-send", nick="bob", to="eve", msg="hi", id=1, seq=1, ts=TS),
    msgspec.structs.replace(EVENT, action="server-event", group="g"),
    objects.ServerEvent(
        action="server-event", actor="bob", ts=TS, event="arrived", returning=False, colour="#112233"
    ),
    objects.ServerEvent(action="server-event", actor="bob", ts=TS, event="left"),
    objects.Welcome(
        sender="server",
        action="server-hello",
        msg="Hello bob",
        user=objects.User(1, "bob", "#112233"),
        cursor=0,
        seen=0,
        returning=False,
        limits=objects.WelcomeLimits(1, 2, 3),
        version="1",
        ref="r",
    ),
    objects.Ack(action="server-ack", ref=1, request="kick", group="g", to="eve", id=1, seq=1, ts=TS),
    objects.AccountChanged(action="server-account", ref=1, nick="bob", registered=True),
    objects.TokenMade(action="server-token", ref=1, token=TOKEN, secret="chatd_0"),
    objects.TokenList(action="server-tokens", nick="bob", tokens=[TOKEN], more=True),
    objects.InvitationLinkMade(
        action="server-invitelink", ref=1, group="g", number=1, link="invite_0", expires=TS
    ),
    objects.InvitationLinkList(
        action="server-links", group="g", links=[objects.InvitationLink(1, "bob", TS, TS, 0)], more=True
    ),
    objects.Moderated(action="server-moderation", acts=[ACT]),
    objects.ModerationLog(action="server-modlog", acts=[ACT], more=True),
    objects.Clients(action="server-list-clients", clients=["bob"], more=True),
    objects.Members(action="server-members", group="g", members=[objects.Member("bob", "owner", True)]),
    objects.IgnoredUsers(action="server-ignored", ignored=["bob"]),
    objects.Groups(action="server-groups", groups=[objects.Group("g", "public", "", 1, "")]),
    objects.Page(action="server-history", friend="eve", seen=0, messages=[ITEM], more=True),
    objects.Page(action="server-msgs", ref="r", group="g", messages=[]),
    objects.EventPage(action="server-states", group="g", events=[EVENT]),
    objects.Conversations(
        action="server-conversations", conversations=[objects.ConversationSummary("lobby", "lobby", 0, 0, 0)]
    ),
    objects.ReadMark(action="server-read", ref=1, group="g", id=17),
    objects.Typing(action="server-typing", nick="bob", to="alice", state="active"),
    objects.ReadMark(action="server-read", friend="eve", id=0),
    objects.Page(action="server-history", messages=[ITEM], events=[EVENT]),
    objects.ActiveConversations(
        action="server-active", conversations=[objects.ActiveConversation("group", "wob", 7, TS)], more=True
    ),
    objects.SearchResult(
        action="server-search",
        messages=[
            objects.FoundMessage(
                id=7,
                seq=2,
                ts=TS,
                nick="bob",
                msg="hi",
                kind="message",
                conversation=objects.ConversationName("group", "wob"),
            )
        ],
        more=True,
        before=7,
    ),
    objects.Help(action="server-help", commands=[objects.CommandHelp("join", ["group"], "join a group")]),
    objects.Goodbye(action="server-quit", msg="Goodbye bob"),
    objects.Error(action="server-error", code="empty", msg="the text is empty", request="send", ref="r"),
)


class BothEnds(SynchronousTestCase):
    """Encoding and decoding are each other's reverse."""

    def test_a_sample_of_every_type(self) -> None:
        """None is missing."""
        self.assertEqual(
            {type(sample) for sample in SAMPLES},
            {objects.GroupEvent, objects.ServerEvent, *objects.OBJECT_TYPES_BY_ACTION.values()},
        )

    def test_what_is_encoded_is_decoded(self) -> None:
        """As the same type, with the same values."""
        for sample in SAMPLES:
            self.assertEqual(objects.decode_if_known(objects.encode(sample)), sample)

    def test_defaults_are_left_out(self) -> None:
        """What a client does not see, it can't trip over."""
        self.assertEqual(
            objects.encode(ITEM),
            b'{"id":1,"seq":1,"ts":"2026-11-21T12:00:00.123Z","from":"bob","msg":"hi","kind":"message"}',
        )

    def test_keys_that_a_later_daemon_may_add(self) -> None:
        """They are ignored, in an object and in its parts."""
        for sample in SAMPLES:
            fields = json.loads(objects.encode(sample))
            self.assertEqual(
                objects.decode_if_known(json.dumps({**fields, "later": {"x": [1]}}).encode()), sample
            )


class Decoding(SynchronousTestCase):
    """What a daemon of ours never sends."""

    def test_an_unknown_action(self) -> None:
        """It is no object of this wire."""
        self.assertIsNone(objects.decode_if_known(b'{"action":"server-dance"}'))

    def test_times(self) -> None:
        """A time is a string that names one."""
        for ts in (b"1", b'""', b'"tomorrow"', b'"2026-02-30T00:00:00Z"', b"null"):
            value = b'{"action":"server-event","actor":"bob","event":"left","ts":%b}' % ts
            self.assertRaises(msgspec.ValidationError, objects.decode_if_known, value)

    def test_a_missing_field(self) -> None:
        """It is refused rather than guessed."""
        self.assertRaises(
            msgspec.ValidationError, objects.decode_if_known, b'{"action":"server-error","code":"x"}'
        )

    def test_only_objects_are_encoded(self) -> None:
        """Nothing is turned into a string by accident."""
        self.assertRaises(TypeError, objects.encode, {"at": object()})
