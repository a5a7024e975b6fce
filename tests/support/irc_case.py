"""Tests in which clients come by IRC."""

from __future__ import annotations

from tests.support.in_memory_daemon import Peer, StageTestCase


class IrcCase(StageTestCase):
    """A stage for IRC clients."""

    def irc(self, nick: str, *capabilities: str, username: str = "u", realname: str = "R") -> Peer:
        """An IRC client that has logged in as ``nick``, with everything heard so far forgotten."""
        peer = self.stage.connect("irc")
        if capabilities:
            peer.says(f"CAP REQ :{' '.join(capabilities)}").says("CAP END")
        peer.says(f"NICK {nick}").says(f"USER {username} 0 * :{realname}")
        self.assertIn(" 001 ", peer.hears().decode())
        return peer

    def asks(self, peer: Peer, *lines: str) -> list[str]:
        """What ``peer`` hears after it has sent ``lines``; the daemon's name and the nick are left out of
        numerics.
        """
        peer.hears()
        for line in lines:
            peer.says(line)
        return [_short(line) for line in peer.lines()]


def _short(line: str) -> str:
    source, _, rest = line.partition(" ")
    code, _, params = rest.partition(" ")
    return f"{code} {params.partition(' ')[2]}" if source == ":chatd" and code.isdecimal() else line
