"""Conversations as SPEC.md writes them: read from text, played with real sockets.

A line is one of::

    alice connects to text                  a new connection on that wire
    alice connects to json as course work   the same, sending no newline and expecting none
    alice > IAM alice                       she sends this, and the end of a line
    alice < ARR alice                       she gets exactly this next
    alice gets nothing                      and nothing more so far
    alice is disconnected                   the daemon has closed her connection
    alice hangs up                          she has closed it
    the daemon is killed                    kill -9
    the daemon is told to stop              SIGTERM
    the daemon starts                       again, on the same files, once it has ended
    # a remark

``<id>`` stands for whatever comes there, and for the same from then on, in what is sent as well;
``<ts>`` and ``<colour>`` stand for a time and a colour, each time anew, ``<sp>`` for a space at the end.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 10.0
"""Seconds until an expected line counts as missing."""

_STEP: Final = re.compile(
    r"(?P<who>\w+) (?:connects to (?P<wire>\w+)(?P<course> as course work)?"
    r"|(?P<direction>[<>]) (?P<line>.*)|(?P<end>is disconnected|hangs up|gets nothing))"
)
_HOLE: Final = re.compile(r"<([a-z][a-z0-9]*)>")
_ANEW: Final = {
    "ts": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "colour": "#[0-9a-f]{6}",
    "sp": " ",
}


class Surprise(AssertionError):
    """The daemon did not do what the conversation says; the text names the line."""


@dataclass
class Speaker:
    """One client of a conversation: a socket and what was read from it."""

    wire: str
    course: bool
    socket: socket.socket
    heard: str = ""

    def send(self, line: str) -> None:
        """Send one line, or one object without any end."""
        self.socket.sendall(line.encode() + (b"" if self.course else b"\n"))

    def hear(self) -> str | None:
        """The next line or object; None at the end of the connection. Raises `TimeoutError`."""
        while (frame := self._cut()) is None:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.heard += data.decode()
        return frame

    def pending(self) -> str:
        """What has come, without waiting for more."""
        self.socket.setblocking(False)
        try:
            self.heard += self.socket.recv(65536).decode()
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(PATIENCE)
        return self.heard

    def _cut(self) -> str | None:
        if not self.course:
            line, end, rest = self.heard.partition("\n")
            if end:
                self.heard = rest
            return line if end else None
        try:
            _, end_at = json.JSONDecoder().raw_decode(self.heard)
        except ValueError:
            return None
        frame, self.heard = self.heard[:end_at], self.heard[end_at:]
        return frame


class Play:
    """Plays a conversation.

    ``connect`` gives a socket to a wire; ``daemon`` has what to do for ``is killed`` and the like.
    """

    def __init__(
        self, connect: Callable[[str], socket.socket], daemon: Mapping[str, Callable[[], None]]
    ) -> None:
        self._connect = connect
        self._daemon = daemon
        self.speakers: dict[str, Speaker] = {}
        self._holes: dict[str, str] = {}

    def play(self, conversation: str) -> None:
        """Do every line in order. Raises `Surprise`."""
        for number, line in steps(conversation):
            try:
                self._step(line)
            except TimeoutError:
                raise Surprise(f"line {number}, {line}: nothing came") from None
            except Surprise as surprise:
                raise Surprise(f"line {number}, {line}: {surprise}") from None
        for name, speaker in self.speakers.items():
            if speaker.socket.fileno() >= 0 and speaker.pending():
                raise Surprise(f"in the end {name} got also {speaker.heard!r}")

    def close(self) -> None:
        """Close what is still open."""
        for speaker in self.speakers.values():
            speaker.socket.close()

    def _step(self, line: str) -> None:
        if line.startswith("the daemon "):
            self._daemon[line.removeprefix("the daemon ")]()
            return
        step = _STEP.fullmatch(line)
        if step is None:
            raise Surprise("no such step")
        who = step["who"]
        if step["wire"]:
            connection = self._connect(step["wire"])
            connection.settimeout(PATIENCE)
            if who in self.speakers:
                self.speakers[who].socket.close()
            self.speakers[who] = Speaker(step["wire"], bool(step["course"]), connection)
            return
        speaker = self.speakers[who]
        if step["direction"] == ">":
            speaker.send(_HOLE.sub(lambda hole: self._holes.get(hole[1], hole[0]), step["line"]))
        elif step["direction"] == "<":
            heard = speaker.hear()
            if heard is None:
                raise Surprise("the connection was closed")
            self._match(step["line"], heard)
        elif step["end"] == "hangs up":
            speaker.socket.close()
        elif step["end"] == "gets nothing":
            if speaker.pending():
                raise Surprise(f"got {speaker.heard!r}")
        elif (heard := speaker.hear()) is not None:
            raise Surprise(f"got {heard!r}")

    def _match(self, expected: str, heard: str) -> None:
        pattern = ""
        bound: set[str] = set()
        for index, part in enumerate(_HOLE.split(expected)):
            if index % 2 == 0:
                pattern += re.escape(part)
            elif part in _ANEW:
                pattern += _ANEW[part]
            elif part in self._holes:
                pattern += re.escape(self._holes[part])
            elif part in bound:
                pattern += f"(?P={part})"
            else:
                bound.add(part)
                pattern += rf"(?P<{part}>[^\s\",]+)"
        found = re.fullmatch(pattern, heard)
        if found is None:
            raise Surprise(f"got {heard!r}")
        self._holes.update(found.groupdict())


def steps(conversation: str) -> Iterator[tuple[int, str]]:
    """The lines that do something, with their numbers."""
    for number, line in enumerate(conversation.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def in_markdown(text: str) -> Iterator[tuple[str, str]]:
    """The conversations of a document, each with the line number where it begins as its name."""
    for block in re.finditer(r"^```chat\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield f"line_{text.count(chr(10), 0, block.start()) + 1}", block[1]
