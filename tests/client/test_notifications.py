"""When the client rings, and what it writes to the terminal then."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import LOBBY, ConversationRef, News
from chatd.client.memory import Memory
from chatd.client.notifications import (
    RING_INTERVAL_SECONDS,
    USER_IDLE_AFTER_SECONDS,
    Notifier,
    notification_sequence,
    personal_notification_text,
)
from chatd.json_wire import objects

TS = objects.Timestamp("2026-11-21T10:00:00Z")


def said(text: str, nick: str = "bob", group: str = "", to: str = "") -> objects.Message:
    """A message."""
    return objects.Message(id=1, ts=TS, nick=nick, msg=text, group=group, to=to)


INVITED = objects.GroupEvent(id=1, ts=TS, event="invited", actor="bob", subject="alice", group="wob")


class Notices(SynchronousTestCase):
    def test_what_concerns_the_user(self) -> None:
        """No notice says what was written."""
        for news, notice in (
            (said("psst", to="alice"), "bob wrote to you"),
            (said("hi Alice!", group="wob"), "bob mentioned you in wob"),
            (said("hi @alice"), "bob mentioned you in lobby"),
            (said("hi malice"), None),
            (said("alice", nick="alice"), None),
            (said("psst", nick="alice", to="bob"), None),
            (INVITED, "bob invites you to wob"),
        ):
            self.assertEqual(personal_notification_text(news, "alice"), notice, news)

    def test_the_sequence_of_each_terminal(self) -> None:
        """What is not known to show notifications gets none."""
        for environment, sequence in (
            ({"TERM": "foot"}, "\x1b]777;notify;chat;bob wrote\x1b\\"),
            ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;chat;bob wrote\x1b\\"),
            ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "\x1b]9;bob wrote\x07"),
            ({"TERM": "xterm-kitty"}, "\x1b]9;bob wrote\x07"),
            ({"TERM": "xterm-256color", "WT_SESSION": "1"}, "\x1b]9;bob wrote\x07"),
            ({"TERM": "screen-256color"}, ""),
            ({}, ""),
        ):
            self.assertEqual(notification_sequence("bob wrote", environment), sequence, environment)

    def test_no_text_ends_the_sequence(self) -> None:
        """Neither a control character nor a long name."""
        for term, begin, end in (
            ("foot", "\x1b]777;notify;chat;", "\x1b\\"),
            ("xterm-kitty", "\x1b]9;", "\x07"),
        ):
            found = notification_sequence("\x07\x1b\\;\x9c\n" + "x" * 1_000, {"TERM": term})
            text = found.removeprefix(begin).removesuffix(end)
            self.assertNotRegex(text, "[\x00-\x1f\x7f-\x9f;]")
            self.assertLess(len(text), 200)


class Ringing(SynchronousTestCase):
    def setUp(self) -> None:
        """Alice at a terminal that reports no focus."""
        self.clock = Clock()
        self.rung = 0
        self.written: list[str] = []
        self.memory = Memory("alice")
        self.notifier = Notifier(
            self.memory, self.ring, self.written.append, self.clock.seconds, {"TERM": "foot"}
        )

    def ring(self) -> None:
        """Count it."""
        self.rung += 1

    def rings(self, news: News = INVITED) -> int:
        """How often it rings for that, long after the last time."""
        self.clock.advance(RING_INTERVAL_SECONDS)
        before = self.rung
        self.notifier.announce(news)
        return self.rung - before

    def test_by_the_keys(self) -> None:
        """Where the terminal reports no focus, who has not typed for long is away."""
        self.assertEqual(self.rings(), 0)
        self.clock.advance(USER_IDLE_AFTER_SECONDS)
        self.assertEqual(self.rings(), 1)
        self.notifier.key_pressed()
        self.assertEqual(self.rings(), 0)

    def test_by_the_focus(self) -> None:
        """What the terminal reports counts, whatever is typed elsewhere."""
        self.notifier.focus_changed(False)
        self.assertEqual(self.rings(), 1)
        self.assertEqual(len(self.written), 1)
        self.notifier.focus_changed(True)
        self.clock.advance(USER_IDLE_AFTER_SECONDS * 2)
        self.assertEqual(self.rings(), 0)

    def test_the_settings(self) -> None:
        self.notifier.focus_changed(False)
        self.memory.settings.set_notify_mode("off")
        self.assertEqual(self.rings(), 0)
        self.memory.settings.set_notify_mode("bell")
        self.assertEqual((self.rings(), self.written), (1, []))
        self.memory.settings.set_notify_mode("always")
        self.notifier.focus_changed(True)
        self.assertEqual(self.rings(), 1)

    def test_what_is_muted_is_quiet(self) -> None:
        self.notifier.focus_changed(False)
        for place, news in (
            (LOBBY, said("alice")),
            (ConversationRef("group", "WOB"), said("alice", group="wob")),
            (ConversationRef("group", "wob"), INVITED),
            (ConversationRef("direct", "bob"), said("psst", to="alice")),
        ):
            self.memory.settings.set_muted(place, True)
            self.assertEqual(self.rings(news), 0)
            self.memory.settings.set_muted(place, False)
            self.assertEqual(self.rings(news), 1)

    def test_nobody_keeps_it_ringing(self) -> None:
        """A hundred messages in a second ring once."""
        self.notifier.focus_changed(False)
        for _ in range(100):
            self.notifier.announce(said("psst", to="alice"))
            self.clock.advance(0.01)
        self.assertEqual(self.rung, 1)
