"""What an IRC client believes: its channels and who is in them, from nothing but the lines it was sent."""

from __future__ import annotations

from typing import NamedTuple

from tests.support.in_memory_daemon import Peer, Stage


class Heard(NamedTuple):
    """A line that a client was sent: its tags, the nick of its source, its verb and its parameters."""

    tags: dict[str, str]
    nick: str
    verb: str
    params: list[str]


def heard(line: str) -> Heard:
    """The parts of ``line``, cut without any code of the daemon."""
    tags: dict[str, str] = {}
    if line.startswith("@"):
        section, _, line = line[1:].partition(" ")
        tags = dict(tag.partition("=")[::2] for tag in section.split(";"))
    source = ""
    if line.startswith(":"):
        source, _, line = line[1:].partition(" ")
    before, colon, last = line.partition(" :")
    verb, *params = before.split()
    return Heard(tags, source.partition("!")[0], verb, [*params, last] if colon else params)


class IrcView:
    """A client that follows what it is told, as strictly as can be: nobody joins twice, or is there unseen.

    ``channels`` maps each channel that it is in to the nicks there, and these to whether they are operators.
    """

    def __init__(self, stage: Stage, nick: str, capabilities: str = "", password: str = "") -> None:
        self.nick = nick
        self.channels: dict[str, dict[str, bool]] = {}
        self.lines: list[Heard] = []
        self._listing: set[str] = set()
        self.peer: Peer = stage.connect("irc")
        if capabilities:
            self.peer.says(f"CAP REQ :{capabilities}\r\n".encode())
        if password:
            self.peer.says(f"PASS {password}\r\n".encode())
        self.peer.says(f"NICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\nCAP END\r\n".encode())

    def says(self, line: str) -> IrcView:
        """Send ``line``."""
        self.peer.says(f"{line}\r\n".encode())
        return self

    def hears(self) -> list[Heard]:
        """Read and follow what has come; return it."""
        data = self.peer.hears()
        assert not data or data.endswith(b"\r\n"), data
        found = [heard(line) for line in data.decode().split("\r\n")[:-1]]
        for line in found:
            self._follow(line)
        self.lines += found
        return found

    def _follow(self, line: Heard) -> None:
        follow = getattr(self, f"_hear_{line.verb.lower()}", None)
        if follow is not None:
            follow(line)

    def _hear_join(self, line: Heard) -> None:
        channel = line.params[0]
        if line.nick == self.nick:
            assert channel not in self.channels, line
            self.channels[channel] = {}
            return
        assert line.nick not in self.channels[channel], (self.nick, line)
        self.channels[channel][line.nick] = False

    def _hear_353(self, line: Heard) -> None:
        channel, names = line.params[2], line.params[3].split()
        if channel not in self._listing:
            self._listing.add(channel)
            self.channels[channel] = {}
        for name in names:
            self.channels[channel][name.lstrip("@").partition("!")[0]] = name.startswith("@")

    def _hear_366(self, line: Heard) -> None:
        self._listing.discard(line.params[1])

    def _hear_part(self, line: Heard) -> None:
        self._remove(line.params[0], line.nick, line)

    def _hear_kick(self, line: Heard) -> None:
        self._remove(line.params[0], line.params[1], line)

    def _remove(self, channel: str, nick: str, line: Heard) -> None:
        assert channel in self.channels, (self.nick, line)
        if nick == self.nick:
            del self.channels[channel]
        else:
            self.channels[channel].pop(nick, None)  # a member who is not online can leave, too

    def _hear_quit(self, line: Heard) -> None:
        assert any(line.nick in members for members in self.channels.values()), (self.nick, line)
        for members in self.channels.values():
            members.pop(line.nick, None)

    def _hear_mode(self, line: Heard) -> None:
        channel, mode, *nicks = line.params
        assert channel in self.channels, (self.nick, line)
        if mode in ("+o", "-o") and nicks[0] in self.channels[channel]:
            self.channels[channel][nicks[0]] = mode == "+o"
