"""README's session, as it stands, with real sockets."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import ROOT, Client, Daemon

PAGE = (ROOT / "README.md").read_text("utf-8")
SESSION = PAGE[PAGE.index("## A session to copy") : PAGE.index("Each wire also has its own port")]
BLOCKS = [block.split("\n") for block in re.findall(r"(?:^    .*\n)+", SESSION, re.MULTILINE)]
LOG = re.findall(r"^    …:\d\d\+0000 (.+)$", PAGE, re.MULTILINE)
"""What the log at its level debug is said to have, without times."""

SAID = re.findall(r"`(MSG [^`]+)`", SESSION)
"""What the text between the blocks has alice type."""

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
TIME = re.escape("2026-11-26T10:00:00.000Z")


class Session(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def test_as_it_stands(self) -> None:
        self.daemon = self.enterContext(Daemon(self.folder))
        telnet, nc, alice_reads, bob_reads, tp6 = BLOCKS
        alice, bob = self.connects(), self.connects()
        self.plays(alice, telnet)
        self.plays(bob, nc)
        self.plays(alice, alice_reads)
        alice.says(SAID[0])
        self.plays(bob, bob_reads)
        said = re.search(r"printf '([^']+)'", tp6[0])
        assert said is not None
        carol = self.connects().says(said[1].encode())
        self.plays(carol, tp6[:2])
        alice.says(SAID[1])
        self.plays(carol, tp6[2:])

    def test_the_log_is_that_of_such_a_session(self) -> None:
        daemon = self.enterContext(Daemon(self.folder, "--log-level=debug"))
        alice, bob = daemon.connect("text"), daemon.connect("text")
        for client, nick in ((alice, "alice"), (bob, "bob")):
            self.enterContext(client).says(f"IAM {nick}")
            self.assertEqual([client.line(), client.line()], ["WHO", f"ARR {nick}"])
        self.assertEqual(alice.line(), "ARR bob")
        alice.says("MSG hello")
        self.assertEqual(bob.line(), "MSG alice hello")
        bob.says("PRV alice and me?")
        self.assertEqual(alice.line(), "PRV bob and me?")
        bob.says("BYE")
        self.assertEqual(alice.line(), "LFT bob")
        daemon.wait_for("disconnected\n")
        heard = re.findall(
            r"^\S+ (\[chatd\.\S*(?:Sessions|Dispatcher|DeliveryLog)#.*)$", daemon.log, re.MULTILINE
        )
        ports = re.compile(r"127\.0\.0\.1:\d+")
        shown = [ports.sub("…", line) for line in LOG]
        self.assertEqual(sorted(ports.sub("…", line) for line in heard), sorted(shown))

    def connects(self) -> Client:
        """A new client of the port that takes every wire."""
        client = self.daemon.connect("auto")
        self.addCleanup(client.close)
        return client

    def plays(self, client: Client, block: list[str]) -> None:
        """Send the lines with ``>`` and expect those with ``<``."""
        for line in block:
            mark, _, text = line.strip().partition(" ")
            if mark == ">":
                client.says(text)
            elif mark == "<":
                pattern = re.escape(text).replace(ELLIPSIS, ".*").replace(TIME, ".*")
                self.assertRegex(client.line(), rf"\A{pattern}\Z")
