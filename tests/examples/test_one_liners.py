"""The lines of shell in examples/README.md, as they stand but for the ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.daemon_process import PATIENCE, ROOT, Daemon

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

    def runs(self, number: int) -> str:
        """Run a line of the page; what it prints."""
        line = LINES[number]
        for port, wire in PORTS.items():
            line = line.replace(f" {port}", f" {self.daemon.port(wire)}")
        if shutil.which("nc") is None:
            nc = self.folder / "nc"
            nc.write_text(NC.format(python=sys.executable))
            nc.chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env={**os.environ, "PATH": f"{os.environ['PATH']}:{self.folder}"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_the_page_has_no_other(self) -> None:
        self.assertEqual(len(LINES), 4)

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
