"""Conversations as SPEC.md writes them: read from text, played with real sockets.

A line is one of::

    alice connects to text                  a new connection on that wire
    alice connects to json as course work   the same, sending no newline (and in JSON expecting none)
    alice connects to tp6 in frames         the same, in frames: hex pairs, and text in quotes
    alice connects to web as chatd.json     the same on a WebSocket, a message for each line
    alice > IAM alice                       she sends this, and the end of a line
    alice < ARR alice                       she gets exactly this next
    alice < … 376 alice :End                she gets this in the end, after any lines that don't match
    alice gets nothing                      and nothing more so far
    alice is disconnected                   the daemon has closed her connection
    alice hangs up                          she has closed it
    the daemon is killed                    kill -9
    the daemon is told to stop              SIGTERM
    the daemon starts                       again, on the same files, once it has ended
    # a remark

``<id>`` stands for whatever comes there, and for the same from then on, in what is sent as well;
``<ts>``, ``<hh:mm>``, ``<colour>`` and ``<rgb>`` stand for a time and a colour, ``<byte>`` for a byte of a
frame, each time anew; ``<esc>`` stands for ESC, ``<soh>`` for what encloses IRC's CTCP (01), ``<sp>`` for a
space at the end. ``(close 1000)`` is the Close frame of a WebSocket.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support import websocket

PATIENCE: Final = 10.0
"""Seconds until an expected line counts as missing."""

_STEP: Final = re.compile(
    r"(?P<who>\w+) (?:connects to (?P<wire>[\w-]+)(?: (?P<framing>as course work|in frames|as chatd\.\w+))?"
    r"|(?P<direction>[<>]) (?P<line>.*)|(?P<end>is disconnected|hangs up|gets nothing))"
)
_BYTES: Final = re.compile(r'"([^"]*)"|([0-9a-f]{2})')
_HOLE: Final = re.compile(r"<([a-z][a-z0-9:]*)>")
_ANEW: Final = {
    "ts": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "colour": "#[0-9a-f]{6}",
    "hh:mm": r"\d\d:\d\d",
    "rgb": r"\d{1,3};\d{1,3};\d{1,3}",
    "byte": "[0-9a-f]{2}",
    "esc": "\x1b",
    "soh": "\x01",
    "sp": " ",
}


LATER: Final = "… "
"""What a line begins with that other lines may precede."""


class Surprise(AssertionError):
    """The daemon did not do what the conversation says; the text names the line."""


@dataclass
class Speaker:
    """One client of a conversation: a socket and what was read from it."""

    wire: str
    framing: str | None
    socket: socket.socket
    heard: bytes = b""

    def __post_init__(self) -> None:
        """Open the WebSocket, if it is one. Raises `Surprise`."""
        self._messages: list[str] | None = None
        if self.framing is None or not self.framing.startswith("as chatd."):
            return
        self.socket.sendall(websocket.handshake(self.framing.removeprefix("as ")))
        while b"\r\n\r\n" not in self.heard:
            data = self.socket.recv(65536)
            if not data:
                raise Surprise("the WebSocket was refused")
            self.heard += data
        head, _, self.heard = self.heard.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Surprise(f"the WebSocket was refused: {head!r}")
        self._reader = websocket.FrameReader()
        self._messages = []

    def send(self, line: str) -> None:
        """Send one line, one object or chunk without any end, or one frame."""
        if self.framing == "in frames":
            self.socket.sendall(_frame(line))
        elif self._messages is not None:
            self.socket.sendall(websocket.frame(line))
        else:
            self.socket.sendall(line.encode() + (b"" if self.framing else b"\n"))

    def hear(self) -> str | None:
        """The next line, object or frame; None at the end of the connection. Raises `TimeoutError`."""
        while (frame := self._cut()) is None:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.heard += data
        return frame

    def pending(self) -> str:
        """What has come, without waiting for more."""
        self.socket.setblocking(False)
        try:
            self.heard += self.socket.recv(65536)
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(PATIENCE)
        if self._messages is not None:
            return "\n".join((*self._messages, *map(websocket.shown, self._reader.feed(self.heard))))
        return self.heard.decode()

    def _cut(self) -> str | None:
        if self.framing == "in frames":
            return self._cut_frame()
        if self._messages is not None:
            self._messages += map(websocket.shown, self._reader.feed(self.heard))
            self.heard = b""
            return self._messages.pop(0) if self._messages else None
        if self.framing and self.wire == "json":
            return self._cut_object()
        line, end, rest = self.heard.partition(b"\n")
        if end:
            self.heard = rest
        if self.wire in ("irc", "auto"):
            line = line.removesuffix(b"\r")
        return line.decode() if end else None

    def _cut_object(self) -> str | None:
        try:
            text = self.heard.decode()
            _, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return None
        self.heard = text[end:].encode()
        return text[:end]

    def _cut_frame(self) -> str | None:
        """The next frame of the daemon's, as a conversation writes it."""
        found = bytearray(self.heard)
        try:
            name = bytes(found[2 : 2 + found[1]])
            start = 2 + len(name) + (5 if self.wire == "tp6-bonus" else 0)
            mark = found[2 + len(name) : start]
            digits = found[start]
            header = found[start : start + 1 + digits]
            text = bytes(found[start + len(header) :][: int.from_bytes(header[1:])])
        except IndexError:
            return None
        if len(header) < 1 + digits or len(text) < int.from_bytes(header[1:]):
            return None
        self.heard = self.heard[start + len(header) + len(text) :]
        parts = (found[:2].hex(" "), _quoted(name), mark.hex(" "), header.hex(" "), _quoted(text))
        return " ".join(filter(None, parts))


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
            if speaker.socket.fileno() >= 0 and (more := speaker.pending()):
                raise Surprise(f"in the end {name} got also {more!r}")

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
            self.speakers[who] = Speaker(step["wire"], step["framing"], connection)
            return
        speaker = self.speakers[who]
        if step["direction"] == ">":
            speaker.send(_HOLE.sub(lambda hole: self._sent(hole[1], hole[0]), step["line"]))
        elif step["direction"] == "<":
            heard = speaker.hear()
            line = step["line"].removeprefix(LATER)
            while line != step["line"] and heard is not None and not self._matches(line, heard):
                heard = speaker.hear()
            if heard is None:
                raise Surprise("the connection was closed")
            self._match(line, heard)
        elif step["end"] == "hangs up":
            speaker.socket.close()
        elif step["end"] == "gets nothing":
            if speaker.pending():
                raise Surprise(f"got {speaker.heard!r}")
        elif (heard := speaker.hear()) is not None:
            raise Surprise(f"got {heard!r}")

    def _sent(self, name: str, otherwise: str) -> str:
        return "\x01" if name == "soh" else self._holes.get(name, otherwise)

    def _matches(self, expected: str, heard: str) -> bool:
        try:
            self._match(expected, heard)
        except Surprise:
            return False
        return True

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


def _frame(line: str) -> bytes:
    """The bytes that ``01 00 05 "salut"`` stands for; ``\\n`` is a line end."""
    return b"".join(
        bytes.fromhex(pair) if pair else text.replace("\\n", "\n").encode()
        for text, pair in _BYTES.findall(line)
    )


def _quoted(text: bytes) -> str:
    return '"{}"'.format(text.decode().replace("\n", "\\n")) if text else ""


def steps(conversation: str) -> Iterator[tuple[int, str]]:
    """The lines that do something, with their numbers."""
    for number, line in enumerate(conversation.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def in_markdown(text: str) -> Iterator[tuple[str, str]]:
    """The conversations of a document, each with the line number where it begins as its name."""
    for block in re.finditer(r"^```chat\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield f"line_{text.count(chr(10), 0, block.start()) + 1}", block[1]
