"""What the client shows of answers that are about accounts and the moderation log."""

from __future__ import annotations

import os
import time
from unittest.mock import patch

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.render import render_answer, render_message
from chatd.dialects.tp6_phrases import _ACTS
from chatd.json_wire import objects
from chatd.json_wire.objects import Timestamp
from tests.support.languages import speak

TS, END = Timestamp("2026-11-21T12:00:00.123Z"), Timestamp("2026-11-22T13:30:00.000Z")


class Messages(SynchronousTestCase):
    """What others said and did, for alice."""

    def test_each_kind(self) -> None:
        speak(self, "en")
        for kind, text, shown in (
            ("message", "/me waves", "You said: /me waves"),
            ("action", "/me waves", "* alice waves"),
            ("action", "/me waves\n* bob nods\x1b[2J", "* alice waves\n    * bob nods\ufffd[2J"),
            ("notice", "done", "-alice- done"),
            ("notice", "a\nb", "-alice-\n    a\n    b"),
        ):
            message = objects.Message(id=1, ts=TS, nick="alice", msg=text, kind=kind)
            self.assertEqual(render_message(message, "alice").partition("] ")[2], shown)
        deleted = objects.Message(id=1, ts=TS, nick="bob", msg="", kind="action", deleted=True)
        self.assertTrue(render_message(deleted, "alice").endswith("bob: (deleted)"))

    def test_edits_and_answers(self) -> None:
        speak(self, "en")
        for fields, shown in (
            ({"edited": True}, "You said: hi (edited)"),
            ({"reply_to": 7, "reply_from": "bob"}, "You said: (to bob) hi"),
            ({"reply_to": 7}, "You said: (to 7) hi"),
            ({"reply_to": 7, "reply_from": "b\x1b", "edited": True}, "You said: (to b\ufffd) hi (edited)"),
            ({"reply_to": 7, "reply_from": "bob", "kind": "action"}, "* alice (to bob) hi"),
        ):
            message = replace(objects.Message(id=9, ts=TS, nick="alice", msg="hi"), **fields)
            self.assertEqual(render_message(message, "alice").partition("] ")[2], shown)


class Found(SynchronousTestCase):
    """What a search has found."""

    def test_lines(self) -> None:
        speak(self, "en")

        def found(id: int, nick: str, msg: str, kind: str, place: str, name: str) -> objects.FoundMessage:
            conversation = objects.ConversationName(place, name)
            return objects.FoundMessage(
                id=id, seq=1, ts=TS, nick=nick, msg=msg, kind=kind, conversation=conversation
            )

        messages = [
            found(9, "bob", "first\nsecond\x1b[2J", "message", "direct", "bob"),
            found(8, "alice", "/me waves", "action", "group", "wob"),
            found(7, "alice", "hi", "message", "lobby", "lobby"),
        ]
        answer = objects.SearchResult(action="server-search", messages=messages, more=True, before=7)
        lines = [line.partition(":")[2][3:] for line in render_answer(answer, "alice")[:3]]
        self.assertEqual(
            lines,
            [
                "@bob #9 bob said: first\n    second\ufffd[2J",
                "wob #8 * alice waves",
                "lobby #7 You said: hi",
            ],
        )
        self.assertEqual(render_answer(answer, "alice")[3:], ["there may be more: add before:7 to search on"])
        forward = objects.SearchResult(action="server-search", messages=[], more=True, after=7)
        self.assertEqual(render_answer(forward, "alice"), ["there may be more: add after:7 to search on"])
        nothing = objects.SearchResult(action="server-search", messages=[])
        self.assertEqual(render_answer(nothing, "alice"), ["no message was found"])


class ModerationEntry(SynchronousTestCase):
    def setUp(self) -> None:
        """Show times in UTC, and sentences in English."""
        clock = patch.dict(os.environ, TZ="UTC")
        clock.start()
        self.addCleanup(time.tzset)
        self.addCleanup(clock.stop)
        time.tzset()
        speak(self, "en")

    def shown(self, *acts: objects.ModerationEntry) -> list[str]:
        """The lines of a moderation log."""
        return render_answer(objects.ModerationLog(acts=list(acts)), "alice")

    def test_a_sentence_for_each_act(self) -> None:
        """With its end and its reason, if it has any; one that a later daemon knows is shown as it is."""
        self.assertEqual(
            self.shown(
                objects.ModerationEntry(2, TS, "teacher", "mute", "bob", END, "shouting"),
                objects.ModerationEntry(1, TS, "teacher", "give", "wob carol"),
                objects.ModerationEntry(3, TS, "teacher", "praise", "bob\x1b[1m"),
            ),
            [
                "[12:00] teacher muted bob, until 2026-11-22 13:30 (shouting)",
                "[12:00] teacher gave wob carol",
                "[12:00] teacher praise bob\N{REPLACEMENT CHARACTER}[1m",
            ],
        )
        for act in _ACTS:
            (line,) = self.shown(objects.ModerationEntry(1, TS, "teacher", act, "bob"))
            self.assertNotIn(f" {act} ", line)

    def test_an_empty_log(self) -> None:
        self.assertEqual(self.shown(), ["nothing yet"])

    def test_tokens(self) -> None:
        everywhere = objects.Token("a\x1b", "write", ["*"], TS)
        limited = objects.Token("b", "read", ["lobby", "wob"], TS, TS)
        made = objects.TokenMade(token=everywhere, secret="chatd_0")
        self.assertEqual(
            render_answer(made, "alice"),
            [
                "a\ufffd (to read and write, all conversations)",
                "its secret, which is shown only now: chatd_0",
            ],
        )
        (shown,) = render_answer(objects.TokenList(nick="alice", tokens=[limited]), "alice")
        self.assertRegex(shown, r"^b \(to read, lobby, wob, until \d{4}-\d\d-\d\d \d\d:\d\d\)$")
        self.assertEqual(render_answer(objects.TokenList(nick="alice", tokens=[]), "alice"), ["no tokens"])

    def test_links(self) -> None:
        made = objects.InvitationLinkMade(group="w\x1b", number=2, link="invite_0", expires=TS)
        (shown,) = render_answer(made, "alice")
        self.assertRegex(
            shown, r"^link 2 to w\ufffd, until \d{4}-\d\d-\d\d \d\d:\d\d, shown only now: invite_0$"
        )
        (shown,) = render_answer(
            objects.InvitationLinkList(group="wob", links=[objects.InvitationLink(2, "b\x1b", TS, TS, 3)]), ""
        )
        self.assertRegex(shown, r"^2 \(b\ufffd, until \d{4}-\d\d-\d\d \d\d:\d\d, used: 3\)$")
        self.assertEqual(
            render_answer(objects.InvitationLinkList(group="wob", links=[]), "alice"), ["no links"]
        )

    def test_accounts(self) -> None:
        for registered, shown in ((True, "alice is registered"), (False, "alice is no longer registered")):
            answer = objects.AccountChanged(nick="alice", registered=registered)
            self.assertEqual(render_answer(answer, "alice"), [shown])
