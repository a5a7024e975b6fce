"""``chat`` as a program: on a terminal, without one, and without its extras."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.__main__ import main
from tests.client.snapshot import drawn
from tests.support.chat_process import ChatTestCase
from tests.support.daemon_process import PATIENCE, ROOT, environment
from tests.support.fork_server import Forked

COLOUR = re.compile(rb"[34]8;2;(\d+);(\d+);(\d+)")


class Terminal:
    """``chat`` on a terminal of its own.

    It is forked, unless there is more in its ``environment`` than the usual: variables count when it starts.
    """

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        stderr: IO[bytes] | None = None,
        **more: str,
    ) -> None:
        self._ours, theirs = pty.openpty()
        command = ["-m", "chatd.client", *arguments]
        env = {**environment, "COLUMNS": "80", "LINES": "24", **more}
        errors = theirs if stderr is None else stderr
        self.process: Forked | subprocess.Popen[bytes]
        if more:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                env=env,
                stdin=theirs,
                stdout=theirs,
                stderr=errors,
                start_new_session=True,
            )
        else:
            self.process = Forked(
                command, ROOT, env, stdin=theirs, stdout=theirs, stderr=errors, start_new_session=True
            )
        os.close(theirs)
        self.shown = b""

    def sees(self, text: bytes) -> Terminal:
        """Wait until it is written."""
        while text not in self.shown:
            ready, _, _ = select.select([self._ours], [], [], PATIENCE)
            assert ready, self.shown
            self.shown += os.read(self._ours, 65536)
        return self

    def presses(self, keys: bytes) -> Terminal:
        """Press these."""
        os.write(self._ours, keys)
        return self

    @property
    def echoes(self) -> bool:
        """Whether it shows what one types by itself, a line at a time, as a shell wants it."""
        flags = termios.tcgetattr(self._ours)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)

    def ends(self) -> int:
        """The exit code, once it has ended and all is read."""
        try:
            while data := os.read(self._ours, 65536):
                self.shown += data
        except OSError:
            pass  # which is how a terminal says that nobody has it open any more
        return self.process.wait(PATIENCE)

    def hangs_up(self) -> None:
        """Be gone, as a window that is closed."""
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self._ours >= 0:
            os.close(self._ours)


class OnATerminal(ChatTestCase):
    """The whole of it, as a person starts it."""

    def chats_at(self, *arguments: str, stderr: IO[bytes] | None = None, **more: str) -> Terminal:
        """Start it."""
        port = str(self.daemon.port("json"))
        terminal = Terminal([*arguments, "-p", port], self.environment, stderr, **more)
        self.addCleanup(terminal.close)
        return terminal

    def test_ctrl_c_leaves_cleanly(self) -> None:
        """The others are told, the terminal is as it was, and the log is private."""
        bob = self.text("bob")
        terminal = self.chats_at("-n", "alice").sees(b"Join a room").presses(b"\x03")
        self.assertEqual(terminal.ends(), 0)
        bob.hears_until(b"LFT alice\n")
        self.assertIn(b"\x1b[?1049l", terminal.shown)
        log = self.folder / "chatd" / "client.log"
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)

    def test_it_rings(self) -> None:
        """The terminal gets a bell and a notification, which says who wrote, and not what.

        Whoever leaves without a connection, after the question, has done nothing wrong.
        """
        bob = self.text("bob")
        terminal = self.chats_at("-n", "alice", TERM="foot").sees(b"Join a room").presses(b"\x1b[27u")
        terminal.presses(b"/notify always\r").sees(b"notifications: always")
        bob.says("s;alice;psst").hears_until(b"ACK ")
        terminal.sees(b"\x07\x1b]777;notify;chat;bob wrote to you\x1b\\").sees(b"@bob")
        self.assertNotIn(b"psst", terminal.shown)
        self.daemon.kill()
        terminal.sees(b"connecting again").presses(b"are you there\r").sees(b"(waiting)")
        terminal.presses(b"\x03").sees(b"Repeat").presses(b"\x03")
        self.assertEqual(terminal.ends(), 0)
        self.assertIn(b"chat: messages that were not sent, for the next start to send: 1", terminal.shown)

    def test_line_mode_keeps_what_was_not_sent(self) -> None:
        """For a person, as the screen does: the next start sends it, once."""
        port = self.daemon.port("json")
        terminal = self.chats_at("--plain", "-n", "alice").sees(b"* Hello alice")
        self.daemon.kill()
        terminal.sees(b"connecting again").presses(b"are you there\n/quit\n")
        self.assertEqual(terminal.ends(), 1)
        self.assertIn(b"messages that were not sent, for the next start to send: 1", terminal.shown)
        self.daemon = self.start(f"--listen=json=tcp:{port}", "--listen=text=tcp:0")
        terminal = self.chats_at("--plain", "-n", "alice").sees(b"You said: are you there")
        self.assertEqual(terminal.presses(b"/quit\n").ends(), 0)
        self.assertEqual(list((self.folder / "chatd").glob("*.outbox")), [])

    def test_what_a_terminal_sends_that_is_no_text(self) -> None:
        """Is marked as such, and what it sends in another encoding is understood in that."""
        bob = self.text("bob")
        for encoding, said in (("utf-8", "h\N{REPLACEMENT CHARACTER}llo"), ("latin-1", "h\xe9llo")):
            state = str(self.folder / encoding)  # of somebody who was never here, and is shown the rooms
            terminal = self.chats_at("-n", "alice", PYTHONIOENCODING=encoding, XDG_STATE_HOME=state)
            terminal.sees(b"Join a room")
            terminal.presses(b"\x1b").presses(b"\x1b[27uh\xe9llo\r")
            bob.hears_until(f"MSG alice {said}\n".encode())
            self.assertEqual(terminal.presses(b"\x03").ends(), 0)

    def test_what_is_written_beside(self) -> None:
        """The screen needs no standard error, which may lead elsewhere."""
        errors = self.folder / "errors"
        with errors.open("wb") as file:
            terminal = self.chats_at("-n", "alice", stderr=file).sees(b"Join a room")
        self.assertEqual((terminal.presses(b"\x03").ends(), errors.read_text()), (0, ""))

    def test_ctrl_c_at_the_door(self) -> None:
        """Leaves too."""
        terminal = self.chats_at().sees(b"Who are you?").presses(b"\x03")
        self.assertEqual(terminal.ends(), 0)

    def test_signals_that_end_it(self) -> None:
        """Their number and 128; the others are told, and the terminal is as it was."""
        bob = self.text("bob")
        for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            state = str(self.folder / str(code))
            terminal = self.chats_at("-n", "alice", XDG_STATE_HOME=state).sees(b"Join a room")
            self.assertFalse(terminal.echoes)
            terminal.process.send_signal(number)
            self.assertEqual(terminal.ends(), code)
            bob.hears_until(b"LFT alice\n")
            self.assertTrue(terminal.shown.rpartition(b"\x1b[?1049l")[1])
            self.assertTrue(terminal.echoes)

    def test_a_terminal_that_is_gone(self) -> None:
        """Takes the client with it, also one that no signal tells of it; the others are told."""
        bob = self.text("bob")
        terminal = self.chats_at("-n", "alice").sees(b"Join a room")
        terminal.hangs_up()
        self.assertIn(terminal.process.wait(PATIENCE), (129, -signal.SIGALRM))
        bob.hears_until(b"LFT alice\n")

    def test_a_mistake_of_ours(self) -> None:
        """1, and what it was, on the terminal as it was."""
        (self.folder / "sitecustomize.py").write_text(
            "from chatd.client.screen import ChatApp\nChatApp.logged_in = lambda chat, welcome: 1 / 0\n"
        )
        path = f"{self.folder}{os.pathsep}{environment()['PYTHONPATH']}"
        terminal = self.chats_at("-n", "alice", PYTHONPATH=path)
        self.assertEqual(terminal.ends(), 1)
        after = terminal.shown.rpartition(b"\x1b[?1049l")[2]
        self.assertIn(b"ZeroDivisionError", after)
        self.assertTrue(terminal.echoes)

    def test_no_daemon(self) -> None:
        """1, and why, on the terminal as it was."""
        terminal = Terminal(["-n", "alice", "-p", "1"], self.environment)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.ends(), 1)
        after = terminal.shown.rpartition(b"\x1b[?1049l")[2]
        self.assertIn(b"chat: no connection to 127.0.0.1:1: Connection refused", after)

    def test_one_that_is_for_lines(self) -> None:
        """As an editor's shell says by TERM: there is no screen, and what works instead is said."""
        terminal = self.chats_at("-n", "alice", TERM="dumb")
        self.assertEqual(terminal.ends(), 2)
        self.assertEqual(terminal.shown, b"chat: this is no terminal: chat --plain works with lines\r\n")

    def test_in_french(self) -> None:
        """By the locale."""
        terminal = self.chats_at("-n", "alice", LANGUAGE="fr").sees(b"Rejoignez un salon")
        self.assertEqual(terminal.presses(b"\x03").ends(), 0)

    def test_without_colours(self) -> None:
        """NO_COLOR is obeyed: there are greys at most."""
        terminal = self.chats_at("-n", "alice", NO_COLOR="1", COLORTERM="truecolor").sees(b"Join a room")
        self.assertEqual(terminal.presses(b"\x03").ends(), 0)
        colours = COLOUR.findall(terminal.shown)
        self.assertTrue(colours)
        self.assertEqual([colour for colour in colours if len(set(colour)) > 1], [])


class InAnotherLocale(ChatTestCase):
    """Where bytes stand for other characters."""

    def test_arguments_are_what_they_are_there(self) -> None:
        """As Python has decoded them; bytes that it could not decode are taken for UTF-8."""
        bob = self.text("bob")
        for argument, said in (
            ("h\xe9", "h\xe9"),
            ("h\udcc3\udca9", "h\xe9"),
            ("h\udce9", "h\N{REPLACEMENT CHARACTER}"),
        ):
            with patch("os.fsencode", lambda text: text.encode("latin-1", "surrogateescape")):
                self.assertEqual(
                    main(["send", "-n", "carl", "-p", str(self.daemon.port("json")), "bob", argument]), 0
                )
            bob.hears_until(f"PRV carl {said}\n".encode())


class WithoutExtras(ChatTestCase):
    """What is missing is said in a sentence, and nothing else needs it."""

    def without(self, *modules: str) -> dict[str, str]:
        """An environment where these can't be found."""
        missing = self.folder / "missing"
        missing.mkdir()
        for module in modules:
            (missing / f"{module}.py").write_text(
                f"raise ModuleNotFoundError('No module named {module}', name={module!r})\n"
            )
        return {**self.environment, "PYTHONPATH": f"{missing}{os.pathsep}{environment()['PYTHONPATH']}"}

    def test_no_textual(self) -> None:
        """Exit code 2, and how to get it; --plain works."""
        without = self.without("textual", "rich", "ascii_magic", "PIL")
        terminal = Terminal(["-n", "alice"], self.environment, PYTHONPATH=without["PYTHONPATH"])
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.ends(), 2)
        self.assertEqual(
            terminal.shown,
            b"chat: the screen needs Textual: pip install 'chatd[client]', or use chat --plain\r\n",
        )
        said = self.chat("--plain", "-n", "alice", env=without, input="hello\n/image photo.png\n")
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("You said: hello\n", said.stdout)
        self.assertIn("* images need ascii-magic: pip install 'chatd[images]'\n", said.stdout)

    def test_no_terminal(self) -> None:
        """Exit code 2, and what works instead."""
        done = self.chat("-n", "alice", input="hello\n")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "chat: this is no terminal: chat --plain works with lines\n")

    def test_the_daemon_needs_none_of_it(self) -> None:
        """Nor does it import what is there."""
        done = self.runs("-c", "import sys, chatd.tap; print(*sys.modules)")
        self.assertEqual(done.returncode, 0)
        imported = {name.partition(".")[0] for name in done.stdout.split()}
        self.assertEqual(imported & {"textual", "rich", "ascii_magic", "PIL", "babel"}, set())
        self.assertNotIn("chatd.client", done.stdout.split())


class Snapshot(SynchronousTestCase):
    """README's picture."""

    def test_it_shows_what_the_client_looks_like(self) -> None:
        """``make snapshot`` was run."""
        root = Path(__file__).resolve().parents[2]
        self.assertEqual(drawn(), (root / "docs" / "chat.svg").read_text("utf-8"))
