"""The lines of shell in examples/README.md, as they stand but for the ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import PATIENCE, ROOT, Daemon, environment

PAGE = (ROOT / "examples" / "README.md").read_text("utf-8")
LINES = re.findall(r"^```sh\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)

PORTS = {"7070": "auto", "4567": "text", "8080": "json"}

# For a machine without an ``nc``: what it does here, and no more.
NC = """\
#!{python}
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)
"""


# As the installed one is.
CHAT = """\
#!{python}
import sys
from chatd.client.__main__ import main
sys.exit(main())
"""


class OneLiners(SynchronousTestCase):
    """Each does what the page says."""

    def setUp(self) -> None:
        """A daemon, and alice in a group."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        listeners = (f"--listen={wire}=tcp:0" for wire in PORTS.values())
        self.daemon = Daemon(self.folder, "--durability=process", *listeners)
        self.addCleanup(self.daemon.kill)
        self.daemon.__enter__()
        self.alice = self.daemon.connect("text")
        self.addCleanup(self.alice.close)
        self.alice.says("IAM alice").says("cg;wob").hears_until(b"ACK cg wob 1 1\n")

    def starts(self, number: int) -> subprocess.Popen[str]:
        """Run a line of the page; it is killed in the end."""
        line = LINES[number]
        for port, wire in PORTS.items():
            line = line.replace(f" {port}", f" {self.daemon.port(wire)}")
        if shutil.which("nc") is None:
            self.write("nc", NC)
        self.write("chat", CHAT)
        shell = subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env={**environment(), "PATH": f"{os.environ['PATH']}:{self.folder}", "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(shell.communicate)
        self.addCleanup(shell.kill)
        return shell

    def runs(self, number: int) -> str:
        """Run a line of the page until it ends; what it prints."""
        shell = self.starts(number)
        said, wrong = shell.communicate(timeout=PATIENCE)
        self.assertEqual((shell.returncode, wrong), (0, ""))
        return said

    def write(self, name: str, program: str) -> None:
        """A program that the shell finds."""
        path = self.folder / name
        path.write_text(program.format(python=sys.executable))
        path.chmod(0o755)

    def test_the_page_has_no_other(self) -> None:
        self.assertEqual(len(LINES), 7)

    def test_to_everyone(self) -> None:
        self.assertEqual(self.runs(0), "WHO\nARR robot\nLFT robot\n")
        self.alice.hears_until(b"ARR robot\nMSG robot the build is green\nLFT robot\n")

    def test_what_was_said_last(self) -> None:
        self.alice.says("MSG one").says("MSG two").says("WHO").hears_until(b"END WHO 1\n")
        hello, history, goodbye = self.runs(1).splitlines()
        self.assertIn('"msg":"Hello robot"', hello)
        self.assertEqual(re.findall(r'"msg":"(\w+)"', history), ["one", "two"])
        self.assertIn('"action":"server-quit"', goodbye)

    def test_to_somebody(self) -> None:
        ack, goodbye = self.runs(2).splitlines()
        self.assertIn('"action":"server-ack","request":"client-send","to":"alice","id":2', ack)
        self.assertIn('"action":"server-quit"', goodbye)
        self.alice.hears_until(b"PRV robot good morning\n")

    def test_in_a_room(self) -> None:
        self.assertEqual(
            self.runs(3), "Annonce : robot a rejoint la chatroom\nVous êtes dans wob\nAu revoir robot\n"
        )
        self.alice.hears_until(b"GEV wob joined robot\nGMS wob robot the build is green\nLFT robot\n")

    def test_chat_send(self) -> None:
        """To a person; and what another program says, to a group."""
        self.assertEqual(self.runs(4), "")
        self.alice.hears_until(b"ARR robot\nPRV robot good morning\nLFT robot\n")
        with self.daemon.connect("text") as robot:
            robot.says("IAM robot").says("j;wob").says("BYE").hears_until(b"LFT robot\n")
        self.alice.hears_until(b"LFT robot\n")
        self.assertEqual(self.runs(5), "")
        self.assertRegex(self.alice.hears_until(b"LFT robot\n").decode(), r"GMS wob robot .*\d\d:\d\d")

    def test_chat_tail(self) -> None:
        """What is said is in the file by the time that somebody else has heard of it, or soon."""
        logger = self.starts(6)
        self.alice.hears_until(b"ARR logger\n")
        self.alice.says("MSG one").says("MSG two").says("PRV logger bye")
        file = self.folder / "lobby.json"
        with self.daemon.connect("json") as watcher:
            while file.read_text("utf-8").count("\n") < 2:
                watcher.asks(action="client-list-clients", from_="watcher").object(
                    action="server-list-clients"
                )
        self.assertEqual(re.findall(r'"msg":"(\w+)"', file.read_text("utf-8")), ["one", "two"])
        self.assertIsNone(logger.poll())
