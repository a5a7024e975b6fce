"""Messages without an ack and drafts at a screen, against a real daemon."""

from __future__ import annotations

import asyncio
import stat
from functools import partial

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.composer import Composer
from tests.support.client_daemon import Person, ScreenTestCase

WOB = ConversationRef("group", "wob")


def typed(person: Person) -> str:
    """What is in the input box."""
    return person.app.query_one(Composer).text


class Unsent(ScreenTestCase):
    """Nothing that was written is lost, or sent to somebody else."""

    async def restart(self, port: int) -> None:
        """Start the daemon again, where it was."""
        again = partial(self.start, "--listen=text=tcp:0", f"--listen=json=tcp:{port}")
        self.daemon = await asyncio.to_thread(again)

    def test_what_is_typed_while_away_is_sent_by_the_next_start(self) -> None:
        """Once, and in its order; what was withdrawn is not. Only its owner can read the file."""
        port = self.daemon.port("json")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/create wob", "in wob")
                await alice.sees("You said: in wob")
                await asyncio.to_thread(self.daemon.kill)
                await alice.sees("no connection")
                await alice.types("/reply 2 an answer", "one", "two", "nonsense", "/withdraw")
                await alice.sees("You said: > alice in wob an answer (waiting)", "You said: two (waiting)")
                self.assertEqual(typed(alice), "nonsense")
                await alice.presses(*["backspace"] * 8)
                alice.app.switch_conversation(LOBBY)
                await alice.types("hello", "/passwd old-password new-password")
                await alice.presses("ctrl+c")
                await alice.sees("messages for the next start to send:")
                await alice.presses("ctrl+c")
                await alice.until(lambda: alice.app._exit)
                self.assertEqual((alice.app.unsent_at_exit, alice.app.has_confirmed_leaving), (4, True))
            (kept,) = (self.folder / "state").glob("*.outbox")
            self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
            self.assertNotIn(b"password", kept.read_bytes())
            self.assertEqual(kept.stat().st_mode & 0o077, kept.parent.stat().st_mode & 0o077)
            await self.restart(port)
            async with self.at_screen("alice") as alice:
                await alice.sees("sending messages of your last", "You said: hello")
                await alice.until(lambda: not alice.app.outbox.waiting_count)
                alice.app.switch_conversation(WOB)
                await alice.sees("You said: > alice in wob an answer", "You said: one", "You said: two")
                self.assertNotIn("nonsense", alice.screen)
                await alice.presses("ctrl+c")
                await alice.until(lambda: alice.app._exit)
            self.assertEqual(self.stored(), ["hello"])
            self.assertEqual(list((self.folder / "state").glob("*.outbox")), [])

        self.play(story)

    def test_a_refused_message_stays_and_can_be_sent_again(self) -> None:
        """It is told why, over a restart too; leaving asks once."""
        owner = self.text("owner")
        owner.says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/join wob")
                await alice.sees("alice joined wob")
                owner.says("kick;wob;alice").hears_until(b"ACK kick ")
                await alice.sees("owner kicked alice")
                await alice.types("but")
                await alice.sees("You said: but (not sent: you are", "1 not sent")
                await alice.presses("ctrl+c")
                await alice.sees("refused messages: 1.")
                await alice.presses("ctrl+c")
                await alice.until(lambda: alice.app._exit)
            async with self.at_screen("alice") as alice:
                await alice.sees("1 not sent", "wob !")
                await alice.types("/retry")
                await alice.sees("no message was refused here")
                await alice.types("/join wob", "/retry")
                await alice.until(lambda: not alice.app.outbox.failed_count)
                await alice.sees("You said: but")
                self.assertNotIn("not sent:", alice.screen)

        self.play(story)

    def test_a_draft_stays_in_its_conversation(self) -> None:
        """It is there again when one comes back; leaving asks once. What is wrong is selected."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types("/create wob")
                await alice.sees("alice created wob")
                await alice.presses(*"for wob")
                await alice.presses("ctrl+p")
                await alice.until(lambda: alice.lines[0].startswith(" lobby "))
                self.assertEqual(typed(alice), "")
                await alice.sees("wob \N{LOWER RIGHT PENCIL}")
                await alice.presses("x", "ctrl+n")
                await alice.until(lambda: typed(alice) == "for wob")
                await alice.presses("!", "ctrl+p")
                await alice.until(lambda: typed(alice) == "x")
                await alice.presses("backspace", *"/fly", "enter")
                await alice.sees("unknown command: /fly")
                await alice.presses(*"/who", "enter")
                await alice.sees("connected: alice")
                await alice.presses(*"/register secret", "ctrl+c")
                await alice.sees("drafts that will be lost: 1.")
                self.assertFalse(alice.app._exit)
                await alice.presses("y")
                await alice.presses("ctrl+c")
                self.assertFalse(alice.app._exit)
                await alice.presses("ctrl+c")
                await alice.until(lambda: alice.app._exit)
            (kept,) = (self.folder / "state").glob("*.outbox")
            self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
            self.assertNotIn(b"secret", kept.read_bytes())
            async with self.at_screen("alice") as alice:
                await alice.sees("wob \N{LOWER RIGHT PENCIL}")
                await alice.presses("o", "n", "ctrl+n")
                await alice.until(lambda: typed(alice) == "for wob!")
                await alice.presses("?", "ctrl+c")
                await alice.until(lambda: alice.app._exit)
            async with self.at_screen("alice") as alice:
                await alice.until(lambda: typed(alice) == "for wob!?")
                await alice.presses("enter", "ctrl+p")
                await alice.until(lambda: typed(alice) == "on")
                await alice.presses("backspace", "backspace", "ctrl+c")
                await alice.until(lambda: alice.app._exit)
            self.assertEqual(list((self.folder / "state").glob("*.outbox")), [])
            self.assertEqual((self.stored(), self.stored("wob")), ([], ["for wob!?"]))

        self.play(story)

    def test_what_is_typed_behind_a_join_goes_along(self) -> None:
        """It was meant for where the command leads."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.fanouts("/create wob\rnext words")
                await alice.until(lambda: alice.lines[0].startswith(" wob "))
                self.assertEqual(typed(alice), "next words")
                await alice.presses("ctrl+p")
                await alice.types("/join wob")
                await alice.until(lambda: typed(alice) == "next words")
                await alice.types("/join nope")
                await alice.sees("unknown group: nope", "you are still in wob; /create nope")
                await alice.types("for nope only")
                await alice.sees("not sent: you are in wob, not in")
                self.assertEqual(alice.app.query_one(Composer).selected_text, "for nope only")
                await alice.presses("x", "up")
                await alice.until(lambda: typed(alice) == "for nope only")
                self.assertEqual(self.stored("wob"), [])
                await alice.presses("enter")
                await alice.sees("You said: for nope only")

        self.play(story)
