"""How a client of each wire asks for any command, and reads refusals, for the tests of limits."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from websockets.frames import Opcode

from chatd.core.commands import COMMANDS
from chatd.core.refusals import REFUSAL_SENTENCES
from tests.support.websocket import FrameReader, frame
from tests.support.wire_samples import SAMPLES, Sample

Fields = dict[str, Any]
"""The fields of a command, in the order in which they are typed."""


class Told(NamedTuple):
    """A refusal as it reached a client."""

    code: str
    sentence: str
    retry_after: float | None = None


class Way(NamedTuple):
    """A way to speak on ``wire``: one says hello and talks as in ``sample``.

    ``asks(name, fields)`` is a command. ``told`` reads the refusals from what a client hears, ``told_first``
    from what it hears before it has said anything. ``language`` is that of the sentences.

    ``framing`` says which limits of size a request has; nothing but a connection is played on a wire that is
    ``undetected``. With a subprotocol in ``sample``, all is said in messages of a WebSocket.

    A message to everybody has ``overhead`` bytes besides its text, without the framing. ``more`` is in a page
    that does not have all. ``image`` is a request with an image, where there are any. ``says_when`` says
    whether refusals have ``retry_after`` besides the sentence.
    """

    wire: str
    sample: Sample
    framing: Literal["lines", "json", "frames", "json messages", "text messages", "undetected"]
    asks: Callable[[str, Fields], bytes]
    told: Callable[[bytes], Iterator[Told]]
    told_first: Callable[[bytes], Iterator[Told]]
    language: Literal["english", "french"]
    overhead: int
    more: bytes
    image: Callable[[bytes], bytes] | None = None
    says_when: bool = False


def in_lines(heard: bytes) -> Iterator[Told]:
    """The refusals in lines of the text wire. The seed's ``ERR nick`` has no sentence."""
    for line in heard.decode().splitlines():
        if found := re.fullmatch(r"ERR (\S+) ?(.*)", line):
            yield Told(found[1], found[2])


def in_objects(heard: bytes) -> Iterator[Told]:
    """The refusals in JSON objects, with anything or nothing between them."""
    decoder, stream = json.JSONDecoder(), heard.decode().lstrip()
    while stream:
        said, end = decoder.raw_decode(stream)
        stream = stream[end:].lstrip()
        if said["action"] == "server-error":
            yield Told(said["code"], said["msg"], said.get("retry_after"))


def in_french(heard: bytes) -> Iterator[Told]:
    """The refusals in lines of the chat room."""
    for found in re.finditer(r"Erreur \[(\w+)\] : (.*)", heard.decode()):
        yield Told(found[1], found[2])


def in_frames(heard: bytes) -> Iterator[Told]:
    """The refusals in frames of the chat room."""
    while heard:
        digits = 2 + heard[1]
        begin = digits + 1 + heard[digits]
        end = begin + int.from_bytes(heard[digits + 1 : begin])
        yield from in_french(heard[begin:end])
        heard = heard[end:]


def in_messages(told: Callable[[bytes], Iterator[Told]], heard: bytes) -> Iterator[Told]:
    """The refusals in messages of a WebSocket, which ``told`` reads, or in the answer that opens none."""
    if heard.startswith(b"HTTP"):
        head, _, body = heard.decode().partition("\r\n\r\n")
        code, _, sentence = body.rstrip("\n").partition(": ")
        _, _, seconds = head.lower().partition("\r\nretry-after: ")
        yield Told(code, sentence, float(seconds.partition("\r\n")[0]))
        return
    for one in FrameReader().feed(heard):
        if one.opcode is Opcode.TEXT:
            yield from told(bytes(one.data))


def in_irc_lines(heard: bytes) -> Iterator[Told]:
    """The refusals in lines of IRC: in notices of the daemon, which have the code, and in numerics, standard
    replies and errors, which have the sentence.
    """
    for line in heard.decode().splitlines():
        if found := re.fullmatch(r":chatd NOTICE \S+ :ERR (\S+) ?(.*)", line):
            yield Told(found[1], found[2])
        elif found := re.fullmatch(r"(?::chatd (?:[45]\d\d|263|904|NOTICE) .*?|ERROR) :(.*)", line):
            yield from _told(found[1])


def _told(sentence: str) -> Iterator[Told]:
    for code, template in REFUSAL_SENTENCES.items():
        if code != "bad_request" and re.search(f"{_pattern(template)}$", sentence):
            yield Told(code, sentence)
            return


def _pattern(template: str) -> str:
    return re.sub(r"\\\{\w+\\\}", ".*", re.escape(template))


def to_the_daemon(name: str, fields: Fields) -> bytes:
    """A command as it is typed to the daemon on IRC, or a password by SASL."""
    if name == "identify":
        nick, password = fields.values()
        response = b64encode(f"\0{nick}\0{password}".encode()).decode()
        chunks = [response[start : start + 400] for start in range(0, len(response), 400)]
        return "".join(f"AUTHENTICATE {chunk}\n" for chunk in ("PLAIN", *chunks)).encode()
    return b"PRIVMSG chatd :" + with_semicolons(name, fields)


def with_semicolons(name: str, fields: Fields) -> bytes:
    """A command as it is typed on the text wire."""
    return f"{';'.join((COMMANDS[name].semicolon_word, *_typed(name, fields)))}\n".encode()


def as_object(end: bytes, name: str, fields: Fields) -> bytes:
    """A command as a JSON object with ``end`` behind it."""
    given = {"from" if key == "nick" else key: value for key, value in fields.items()}
    return json.dumps({"action": COMMANDS[name].json_actions[0], **given}).encode() + end


def with_slash(name: str, fields: Fields) -> bytes:
    """A command as it is typed in the chat room, where one joins a group by entering it."""
    name = "enter" if name == "join" else name
    return " ".join((f"/{COMMANDS[name].slash_word}", *_typed(name, fields))).encode()


def _typed(name: str, fields: Fields) -> list[str]:
    typed = list(COMMANDS[name].typeable_fields)
    assert list(fields) == typed[: len(fields)], name
    return list(fields.values())


def _framed(start: bytes, body: bytes) -> bytes:
    return start + len(body).to_bytes(2) + body


def _json(sample: str, end: bytes) -> Way:
    return Way(
        "json",
        SAMPLES[sample],
        "json",
        partial(as_object, end),
        in_objects,
        in_objects,
        "english",
        len(as_object(b"", "broadcast", {"msg": ""})),
        b'"more":true',
        lambda text: as_object(end, "broadcast", {"msg": text.decode(), "kind": "image"}),
        says_when=True,
    )


def _on_websocket(way: Way, sample: str, framing: Literal["json messages", "text messages"]) -> Way:
    """The same with a message of a WebSocket for each line."""
    told, asks, image = partial(in_messages, way.told), way.asks, way.image
    return way._replace(
        wire="web",
        sample=SAMPLES[sample],
        framing=framing,
        asks=lambda name, fields: frame(asks(name, fields).rstrip(b"\n")),
        told=told,
        told_first=told,
        image=None if image is None else lambda text: frame(image(text)),
    )


_TEXT: Final = Way(
    "text", SAMPLES["text"], "lines", with_semicolons, in_lines, in_lines, "english", len("MSG "), b" more"
)

_JSON: Final = _json("json", b"\n")

WAYS: Final = {
    "text": _TEXT,
    "irc": Way(
        "irc",
        SAMPLES["irc"],
        "lines",
        to_the_daemon,
        in_irc_lines,
        in_irc_lines,
        "english",
        len("PRIVMSG #lobby :"),
        b" more",
    ),
    "json": _JSON,
    "json course": _json("json course", b""),
    "tp6": Way(
        "tp6",
        SAMPLES["tp6"],
        "lines",
        lambda name, fields: with_slash(name, fields) + b"\n",
        in_french,
        in_french,
        "french",
        0,
        b"(et plus)",
    ),
    "tp6 frames": Way(
        "tp6",
        SAMPLES["tp6 frames"],
        "frames",
        lambda name, fields: _framed(b"\x01", with_slash(name, fields)),
        in_frames,
        in_french,
        "french",
        1,
        b"(et plus)",
        lambda image: _framed(b"\x03\x02", image),
    ),
    "web json": _on_websocket(_JSON, "web json", "json messages"),
    "web text": _on_websocket(_TEXT, "web text", "text messages"),
    "auto": _TEXT._replace(wire="auto", framing="undetected"),
}
"""Every way to speak on which the limits are played. What a client at ``auto`` says shows its wire; before
that it is told the refusals of the text wire.

There is none on the wire tp6-bonus, whose dialect, carriers and so refusals are those of tp6.
"""
