"""Logins and new nicks by address, on every wire; this machine is not counted."""

from __future__ import annotations

from chatd.core.limits import Limits
from tests.support.in_memory_daemon import Peer, StageTestCase

HOST, OTHER = "192.0.2.1", "192.0.2.2"

HELLOS = {
    "text": "IAM {}",
    "json": '{{"action":"client-hello","from":"{}"}}',
    "tp6": "Hello|{}",
}
"""How a client gives its nick."""


class Logins(StageTestCase):
    """A login costs a token of its address, and a new nick costs one of another kind."""

    limits = Limits(logins_per_address=3, new_nicks_per_address=2)

    def log_in(self, nick: str, host: str = HOST, wire: str = "json") -> str:
        """Log in and be gone; the answer."""
        peer: Peer = self.stage.connect(wire, host).says(HELLOS[wire].format(nick))
        self.stage.wait(0.1)
        heard = peer.hears().decode()
        peer.hangs_up()
        return heard

    def test_new_nicks(self) -> None:
        """One more than the limit is refused, on each wire; known nicks and other addresses are not."""
        for number in range(2):
            self.log_in(f"nick{number}")
        for wire in HELLOS:
            heard = self.log_in("nick2", wire=wire)
            self.assertIn("rate_limited", heard, wire)
            self.assertIn("10", heard)
        self.assertEqual(self.stage.rows("SELECT nick FROM users WHERE id > 0"), [("nick0",), ("nick1",)])
        self.assertNotIn("rate_limited", self.log_in("nick0") + self.log_in("nick2", OTHER))
        self.stage.wait(10)
        self.assertNotIn("rate_limited", self.log_in("nick3"))

    def test_logins(self) -> None:
        """One more than the limit is refused, and gets in a moment later."""
        answers = [self.log_in("carol", wire=wire) for wire in ("text", "json", "tp6")]
        self.stage.reactor.rightNow -= 0.3  # as if they had come at once
        self.assertNotIn("rate_limited", "".join(answers))
        self.assertIn("rate_limited", self.log_in("carol"))
        self.assertNotIn("rate_limited", self.log_in("carol", OTHER))
        self.stage.wait(1)
        self.assertNotIn("rate_limited", self.log_in("carol"))

    def test_this_machine(self) -> None:
        """Where proxies and tunnels come from."""
        answers = [self.log_in(f"nick{number}", "127.0.0.1") for number in range(10)]
        self.assertNotIn("rate_limited", "".join(answers))

    def test_a_refused_login_is_not_counted(self) -> None:
        """Nor is a nick in use a new nick."""
        self.stage.json("taken")
        for _ in range(10):
            self.assertIn("nick_taken", self.log_in("taken"))
        self.assertNotIn("rate_limited", self.log_in("carol"))
