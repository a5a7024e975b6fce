"""What is unread at a screen, against a real daemon: it follows the eyes, and is kept on the daemon."""

from __future__ import annotations

from unittest.mock import patch

from textual.events import AppBlur, AppFocus

from chatd.client import read_marks
from chatd.client.codec import LOBBY, ConversationRef
from tests.support.client_daemon import Person, ScreenTestCase
from tests.support.daemon_process import Client

BOB = ConversationRef("direct", "bob")


class Unread(ScreenTestCase):
    """A restart, another session, a window without the focus, and keys."""

    def setUp(self) -> None:
        """Have marks sent without a pause that a test would wait for."""
        super().setUp()
        self.patch(read_marks, "READ_MARK_SEND_INTERVAL_SECONDS", 0.05)

    def bot(self, nick: str) -> Client:
        """Somebody who speaks JSON."""
        bot = self.daemon.connect("json")
        self.addCleanup(bot.close)
        bot.asks(action="client-hello", from_=nick, ref="hello").object(ref="hello")
        return bot

    def say(self, bot: Client, *texts: str, **where: str) -> None:
        """Send these, and wait until they are stored."""
        action = "gbroadcast" if "group" in where else "send" if "dest" in where else "client-broadcast"
        for number, text in enumerate(texts):
            bot.asks(action=action, msg=text, ref=f"{text[:20]}{number}", **where)
        bot.object(ref=f"{texts[-1][:20]}{len(texts) - 1}")

    async def leave(self, person: Person) -> None:
        """Press Ctrl-C, and wait until the client has gone."""
        await person.presses("ctrl+c")
        await person.until(lambda: person.app._exit)

    def test_what_was_not_looked_at_is_unread_after_a_restart(self) -> None:
        """Private messages too, the very first one of the log included, until they were looked at."""

        async def story() -> None:
            bob = self.bot("bob")
            async with self.at_screen("alice") as alice:
                await alice.sees("● bob")
                self.say(bob, "psst", dest="alice")
                await alice.sees("@bob 1")
                await self.leave(alice)
            for _ in range(2):
                async with self.at_screen("alice") as alice:
                    await alice.sees("@bob 1")
                    await self.leave(alice)
            self.say(bob, "again", dest="alice")
            async with self.at_screen("alice") as alice:
                await alice.sees("@bob 2")
                await alice.presses("f6")
                await alice.sees("bob said: psst", "bob said: again", "── new messages ──")
                await alice.until(lambda: "@bob 2" not in alice.screen)
                await self.leave(alice)
            self.say(bob, "news")
            async with self.at_screen("alice") as alice:
                await alice.sees("bob said: again", "lobby 1")
                await alice.presses("f6")
                await alice.sees("── new messages ──", "bob said: news")
                await alice.until(lambda: alice.app.memory.conversation(BOB).read.server_mark == 2)
                self.assertEqual(alice.app.memory.conversation(BOB).unread_count, 0)

        self.play(story)

    def test_another_session_reads(self) -> None:
        """It is read here too; what came later is not; and what is read here is read there."""

        async def story() -> None:
            bob = self.bot("bob")
            self.say(bob, "x")
            async with self.at_screen("alice") as alice:
                await alice.types("/register correct-horse-battery")
                await alice.sees("alice is registered")
                phone = self.daemon.connect("json")
                self.addCleanup(phone.close)
                phone.asks(action="client-hello", from_="alice", password="correct-horse-battery", ref="in")
                phone.object(ref="in")
                self.say(bob, "one", "two", dest="alice")
                await alice.sees("@bob 2")
                phone.asks(action="markread", dest="bob", upto=2, ref="mark").object(ref="mark")
                await alice.sees("@bob 1")
                phone.asks(action="markread", dest="bob", ref="all").object(ref="all")
                await alice.until(lambda: "@bob 1" not in alice.screen)
                self.say(bob, "three", dest="alice")
                await alice.sees("@bob 1")
                await alice.presses("f6")
                await alice.until(lambda: alice.app.memory.conversation(BOB).read.server_mark == 4)
                self.assertEqual(phone.object(action="server-read", id=4)["with"], "bob")

        self.play(story)

    def test_an_invitation_is_one_key_away(self) -> None:
        """It is at the end of the list, also after a restart; Enter joins."""

        async def story() -> None:
            bob = self.bot("bob")
            for group in ("den", "zoo"):
                bob.asks(action="cgroupe", group=group, visibility="private", ref=group).object(ref=group)
            async with self.at_screen("alice") as alice:
                await alice.sees("● bob")
                self.say(bob, "psst", group="den")
                for group in ("den", "zoo"):
                    bob.asks(action="invite", group=group, dest="alice", ref="invite").object(ref="invite")
                await alice.sees("bob invited alice to den", "den invited", "zoo invited")
                await alice.presses("f6")
                await alice.sees("bob invited alice to den: Enter")
                await alice.presses("enter")
                await alice.sees("alice joined den", "bob said: psst")
                await alice.until(lambda: "den invited" not in alice.screen)
                await self.leave(alice)
            async with self.at_screen("alice") as alice:
                await alice.presses("f6")
                await alice.sees("you are invited to zoo")
                await alice.types("/decline zoo")
                await alice.until(lambda: "zoo invited" not in alice.screen)

        self.play(story)

    def test_it_rings_for_what_concerns_the_user(self) -> None:
        """Unless the user is there, or wants none from there; that is kept over a restart."""

        async def story() -> None:
            bob = self.bot("bob")
            async with self.at_screen("alice") as alice:
                await alice.sees("● bob")
                with patch.object(alice.app._notifier, "_ring") as ring:
                    self.say(bob, "alice is here")
                    await alice.sees("bob said: alice is here")
                    alice.app.post_message(AppBlur())
                    await alice.until(lambda: not alice.app.app_focus)
                    self.say(bob, "hello")
                    await alice.sees("lobby 1")
                    ring.assert_not_called()
                    self.say(bob, "are you there, alice?", "alice!")
                    await alice.sees("lobby 3 @2")
                    ring.assert_called_once_with()
                await alice.types("/quiet", "/notify bell", "/notify loud")
                await alice.sees("does not ring", "notifications: bell", "usage: /notify off|bell|on|always")
                await self.leave(alice)
            async with self.at_screen("alice") as alice:
                self.assertTrue(alice.app.memory.settings.is_muted(LOBBY))
                self.assertEqual(alice.app.memory.settings.notify_mode, "bell")

        self.play(story)

    def test_a_window_without_the_focus(self) -> None:
        """Sees nothing: what arrives is unread, with a line where it begins. So it is behind a dialog."""

        async def story() -> None:
            bob = self.bot("bob")
            async with self.at_screen("alice") as alice:
                await alice.sees("● bob")
                self.say(bob, "before")
                await alice.sees("bob said: before")
                alice.app.post_message(AppBlur())
                await alice.until(lambda: not alice.app.app_focus)
                self.say(bob, "one", "two")
                await alice.sees("lobby 2", "bob said: two")
                lines = alice.view
                rule = next(at for at, line in enumerate(lines) if "new messages" in line)
                self.assertIn(" bob before", lines[rule - 1])
                self.assertIn(" bob one", lines[rule + 1])
                alice.app.post_message(AppFocus())
                await alice.until(lambda: "lobby 2" not in alice.screen)
                await alice.until(lambda: alice.app.memory.conversation(LOBBY).read.server_mark == 3)
                await alice.presses("f2")
                await alice.sees("Join a room")
                self.say(bob, "three")
                await alice.until(lambda: alice.app.memory.conversation(LOBBY).unread_count == 1)
                await alice.presses("escape")
                await alice.until(lambda: not alice.app.memory.conversation(LOBBY).unread_count)

        self.play(story)

    def test_a_mention_among_two_thousand_lines(self) -> None:
        """Is counted apart, comes first, and is found by a key, whether or not one was there."""

        async def story() -> None:
            bob = self.bot("bob")
            bob.asks(action="cgroupe", group="wob", ref="wob").object(ref="wob")
            self.bot("carol")
            lines = [f"line {number}" for number in range(999)]
            said = ("bobalice", *lines, "Alice, look", *lines)
            async with self.at_screen("alice") as alice:
                await alice.types("/join wob")
                await alice.sees("alice joined wob")
                alice.app.switch_conversation(LOBBY)
                self.say(bob, *said, group="wob")
                self.say(bob, "hello")
                self.say(bob, "psst", dest="carol")
                await alice.sees("wob 2000 @1")
                await self.leave(alice)
            async with self.at_screen("alice") as alice:
                # The daemon counts among the last 1,000.
                await alice.sees("wob 1000+ @1")
                await alice.presses("f6")
                await alice.sees("line 998")
                await alice.presses("f7")
                await alice.until(lambda: "wob 1000+" not in alice.screen)
                await alice.sees("── new messages ──", "bob said: bobalice", "bob said: line 15")
                await alice.presses("f7")
                await alice.until(lambda: alice.found == "Alice, look")
                await alice.sees("line 998", "Alice, look", "line 3")

        self.play(story)
