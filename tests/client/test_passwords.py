"""A registered nick in the client: its password is asked for, remembered and never kept."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

from chatd.client.connection import Address
from chatd.client.options import PASSWORD_ENVIRONMENT_VARIABLE
from chatd.client.pending import ConnectionLost
from chatd.client.reconnecting_client import ReconnectingClient
from chatd.core import commands as c
from chatd.core.accounts import Secret
from chatd.core.typed_commands import is_command_with_secret
from tests.client.test_main import Terminal
from tests.client.test_reconnecting_client import Ear
from tests.support.client_daemon import ScreenTestCase

SECRET = "correct horse battery"
OTHER = "staple of nine"


class AtTheScreen(ScreenTestCase):
    """The full-screen client, line mode and scripts, against a real daemon."""

    def test_registering_and_coming_back(self) -> None:
        """The password is asked for until it is right; Escape asks for another nick."""

        async def story() -> None:
            async with self.at_screen("alice") as alice:
                await alice.types(f"/register {SECRET}", "hello")
                await alice.sees("alice is registered", "You said: hello")
                await alice.presses("up")
                await alice.presses("up")
                self.assertNotIn(SECRET, alice.screen)
            async with self.at_screen() as alice:
                await alice.sees("Who are you?")
                await alice.presses(*"alice", "enter")
                await alice.sees("alice is registered: log in with its password")
                await alice.presses(*"wrong", "enter")
                await alice.sees("wrong nick or password")
                self.assertNotIn("wrong ", alice.screen.replace("wrong nick", ""))
                await alice.presses("escape")
                await alice.sees("Who are you?")
                await alice.presses("enter")
                await alice.sees("alice is registered: log in")
                await alice.presses(*SECRET.replace(" ", "_"), "enter")
                await alice.sees("wrong nick or password")
                await alice.presses(*[key if key != " " else "space" for key in SECRET], "enter")
                await alice.sees("Welcome back alice !")
            self.assertNotIn(SECRET, (self.folder / "alice.log").read_text())

        self.play(story)

    def test_line_mode_and_scripts(self) -> None:
        """By a variable, which no other user sees; without one the exit code says that it was refused."""
        done = self.chat("--plain", "-n", "alice", input=f"/register {SECRET}\n")
        self.assertIn("alice is registered", done.stdout)
        self.assertNotIn(SECRET, done.stdout)
        for arguments in (("--plain", "-n", "alice"), ("send", "-n", "alice", "--lobby", "hi")):
            refused = self.chat(*arguments, input="hello\n")
            self.assertEqual(refused.returncode, 3)
            self.assertIn("chat: password_required: alice is registered", refused.stderr)
            given = {**self.environment, PASSWORD_ENVIRONMENT_VARIABLE: SECRET}
            self.assertEqual(self.chat(*arguments, input="hello\n", env=given).returncode, 0)

    def test_it_is_asked_for_before_anything_else(self) -> None:
        self.assertEqual(self.chat("--plain", "-n", "alice", input=f"/register {SECRET}\n").returncode, 0)
        terminal = Terminal(
            ["--ask-password", "-n", "alice", "-p", str(self.daemon.port("json"))], self.environment
        )
        self.addCleanup(terminal.close)
        terminal.sees(b"Password: ").presses(f"{SECRET}\r".encode()).sees(b"Join a room").presses(b"\x03")
        self.assertEqual(terminal.ends(), 0)
        self.assertNotIn(SECRET.encode(), terminal.shown)


class OverALink(ScreenTestCase):
    """The password that is set or changed is that of the next connection."""

    def client(self, password: str = "") -> ReconnectingClient:
        """A client of alice, which reconnects at once."""
        address = Address("127.0.0.1", self.daemon.port("json"))
        return ReconnectingClient(address, "alice", Ear(), password=password, pause=lambda longest: 0.0)

    async def log_in(self, client: ReconnectingClient) -> asyncio.Task[None]:
        """Start ``client`` and wait until it is logged in."""
        running = asyncio.create_task(client.run())
        await client.ask(c.ListCommands())
        return running

    async def break_connection(self, client: ReconnectingClient) -> None:
        """Cut the connection, and wait for the next login."""
        session = client._session
        assert session is not None
        session._connection.writer.transport.abort()  # type: ignore[attr-defined]
        while client._session in (session, None):
            await asyncio.sleep(0)
        await client.ask(c.ListCommands())

    def test_it_comes_back_with_the_new_password(self) -> None:
        async def story() -> None:
            client = self.client()
            running = await self.log_in(client)
            await client.ask(c.Register(Secret(SECRET)))
            await self.break_connection(client)
            await client.ask(c.ChangePassword(Secret(SECRET), Secret(OTHER)))
            await self.break_connection(client)
            await client.quit()
            await running

        self.play(story)

    def test_a_session_that_was_ended_stays_ended(self) -> None:
        """By the user, from another session; and by giving the nick up."""

        async def story() -> None:
            first = self.client()
            ended = await self.log_in(first)
            await first.ask(c.Register(Secret(SECRET)))
            second = self.client(SECRET)
            running = await self.log_in(second)
            await second.ask(c.EndOtherSessions())
            with self.assertRaises(ConnectionLost) as lost:
                await ended
            self.assertIn("another session of alice", str(lost.exception))
            await second.ask(c.Unregister(Secret(SECRET)))
            await running

        with patch("chatd.client.reconnecting_client.MIN_RECONNECT_DELAY_SECONDS", 0.0):
            self.play(story)


class Typed(ScreenTestCase):
    """Which lines the client does not keep."""

    def test_lines_with_a_password(self) -> None:
        for typed in ("/register x", "/passwd", "register;x", "  UNREGISTER ;x", "identify;alice;x"):
            self.assertTrue(is_command_with_secret(typed), typed)
        for typed in ("hello", "/who", "s;bob;register;x", "//register x", "register", "IAM bob", ""):
            self.assertFalse(is_command_with_secret(typed), typed)
