"""Everybody hears everybody, whatever they speak: every wire to every wire, over real sockets."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon_process import Client, Daemon

END = "the end"


class Fact(NamedTuple):
    """Something that somebody heard: what ``who`` did and, for what was said, where and which words."""

    what: str
    who: str
    text: str


# Everybody says one thing of each kind, which names its place; images are said where they can be. An action
# goes to where one is.
def text(act: str, *fields: str) -> str:
    """A line of the text wire."""
    return {
        "lobby": "MSG {}",
        "action": "MSG {}",
        "group": "bg;wob;{}",
        "private": "s;{};{}",
        "kick": "kick;wob;victim;loud",
        "leave": "leave;wob",
        "join": "j;wob",
    }[act].format(*fields)


def said_in_json(act: str, *fields: str) -> str:
    """An object of the JSON wire."""
    to, msg = fields[:1], fields[-1:]
    asked: dict[str, dict[str, str | tuple[str, ...]]] = {
        "lobby": {"action": "client-broadcast", "msg": msg},
        "action": {"action": "client-broadcast", "msg": msg},
        "image": {"action": "client-broadcast", "msg": msg, "kind": "image"},
        "group": {"action": "gbroadcast", "group": "wob", "msg": msg},
        "private": {"action": "client-send", "to": to, "msg": msg},
        "kick": {"action": "kick", "group": "wob", "dest": "victim", "reason": "loud"},
        "leave": {"action": "leave", "group": "wob"},
        "join": {"action": "join", "group": "wob"},
    }
    return json.dumps({key: "".join(value) for key, value in asked[act].items()})


def typed(act: str, *fields: str) -> str:
    """What is typed in the chat room's lobby."""
    return {
        "lobby": "{}",
        "action": "{}",
        "group": "/say wob {}",
        "private": "/msg {} {}",
        "kick": "/kick wob victim loud",
        "leave": "/leave wob",
        "join": "/join wob",
    }[act].format(*fields)


def typed_in_room(act: str, *fields: str) -> str:
    """What is typed in the room."""
    return {"lobby": "/all {}", "group": "{}", "leave": "/leave"}.get(act, typed(act, *fields)).format(
        *fields
    )


def in_irc(act: str, *fields: str) -> str:
    """A line of IRC."""
    return {
        "lobby": "PRIVMSG #lobby :{}",
        "group": "PRIVMSG #wob :{}",
        "action": "PRIVMSG #lobby :\x01ACTION {}\x01",
        "private": "PRIVMSG {} :{}",
        "kick": "KICK #wob victim :loud",
        "leave": "PART #wob",
        "join": "JOIN #wob",
    }[act].format(*(field.removeprefix("/me ") for field in fields))


def framed(what: str, image: bool = False) -> bytes:
    """A frame with this in it."""
    body = what.encode()
    return (b"\x03\x02" if image else b"\x01") + len(body).to_bytes(2) + body


# What each hears.


def heard_in_text(heard: bytes) -> Iterator[Fact]:
    """The facts in lines of the text wire, where an image is text."""
    for line in heard.decode().splitlines():
        if found := re.fullmatch(r"(?:MSG|GMS wob|PRV) (\w+) (.*)", line):
            yield Fact("said", found[1], found[2])
        elif found := re.fullmatch(r"GEV wob (joined|left|kicked) (\w+)(?: victim loud)?", line):
            yield Fact(found[1], found[2], "")


def heard_in_json(heard: bytes) -> Iterator[Fact]:
    """The facts in objects, with anything or nothing between them."""
    decoder, stream = json.JSONDecoder(), heard.decode()
    while stream := stream.lstrip():
        said, end = decoder.raw_decode(stream)
        stream = stream[end:]
        if "msg" in said and "from" in said and said["from"] != "server":
            yield Fact(said.get("kind", "said"), said["from"], said["msg"])
        elif said.get("group") == "wob" and said["action"] == "server-event":
            yield Fact(said["event"], said["actor"], "")


def heard_in_irc(nick: str, heard: bytes) -> Iterator[Fact]:
    """The facts in lines of IRC, where ``nick`` is told what it has done; of an image there is its size."""
    verbs = {"JOIN": "joined", "PART": "left", "KICK": "kicked"}
    for line in heard.decode().splitlines():
        if found := re.fullmatch(r":(\w+)!\S+ PRIVMSG \S+ :\x01ACTION (.*)\x01", line):
            yield Fact("action", found[1], f"/me {found[2]}")
        elif found := re.fullmatch(r":(\w+)!\S+ PRIVMSG \S+ :(\[an image of .*)?(.*)", line):
            yield Fact("image" if found[2] else "said", found[1], found[3])
        elif found := re.fullmatch(r":(\w+)!\S+ (JOIN|PART|KICK) #wob(?: victim loud)?", line):
            if found[1] != nick:
                yield Fact(verbs[found[2]], found[1], "")


def heard_in_words(line: str) -> Iterator[Fact]:
    """The fact in a sentence of the chat room's."""
    if found := re.fullmatch(r"(\w+) (?:a|vous) dit( en image)? :\s+(.*)", line):
        yield Fact("image" if found[2] else "said", found[1], found[3])
    elif found := re.fullmatch(r"\* (\w+) (.*)", line):
        yield Fact("action", found[1], f"/me {found[2]}")
    elif found := re.fullmatch(r"Annonce : (\w+) a (rejoint|quitté|exclu victim de) wob(?: : loud)?", line):
        yield Fact({"rejoint": "joined", "quitté": "left"}.get(found[2], "kicked"), found[1], "")


def heard_in_lines(heard: bytes) -> Iterator[Fact]:
    """The facts in lines of the chat room's."""
    for message in re.split(r"\n(?!  )", heard.decode()):
        yield from heard_in_words(message)


def heard_in_frames(heard: bytes) -> Iterator[Fact]:
    """The facts in frames."""
    while heard:
        name, rest = heard[2 : 2 + heard[1]].decode(), heard[2 + heard[1] :]
        size = int.from_bytes(rest[1 : 1 + rest[0]])
        words = rest[1 + rest[0] : 1 + rest[0] + size].decode()
        if name:
            yield Fact("image" if heard[0] == 3 else "said", name, words.strip())
        else:
            yield from heard_in_words(words)
        heard = rest[1 + rest[0] + size :]


class Way(NamedTuple):
    """How somebody comes in on a wire, says what they do (as bytes), and what they hear means."""

    wire: str
    hello: bytes
    says: Callable[..., bytes]
    hears: Callable[[bytes], Iterator[Fact]]
    images: bool


WAYS = {
    "texty": Way("text", b"IAM texty\n", lambda *said: f"{text(*said)}\n".encode(), heard_in_text, False),
    "liny": Way(
        "json",
        b'{"from":"liny","action":"client-hello"}\n',
        lambda *said: f"{said_in_json(*said)}\n".encode(),
        heard_in_json,
        True,
    ),
    "coursy": Way(
        "json",
        b'{"from":"coursy","action":"client-hello"}',
        lambda *said: said_in_json(*said).encode(),
        heard_in_json,
        True,
    ),
    "ircy": Way(
        "irc",
        b"NICK ircy\r\nUSER ircy 0 * :Ircy\r\n",
        lambda *said: f"{in_irc(*said)}\r\n".encode(),
        partial(heard_in_irc, "ircy"),
        False,
    ),
    "chunky": Way(
        "tp6", b"Hello|chunky\n", lambda *said: f"{typed(*said)}\n".encode(), heard_in_lines, False
    ),
    "framy": Way(
        "tp6",
        framed("Hello|framy|wob"),
        lambda act, *said: (
            framed(said[0], image=True) if act == "image" else framed(typed_in_room(act, *said))
        ),
        heard_in_frames,
        True,
    ),
}
"""By nick."""

PLACES = {"chunky": "lobby", "framy": "wob"}
"""Where those in the chat room are, and what they hear; the others hear both."""

SHOWN_KINDS: Final[dict[str, Callable[[Fact], Fact]]] = {
    "texty": lambda fact: fact._replace(what="said") if fact.what in ("image", "action") else fact,
    "ircy": lambda fact: fact._replace(text="") if fact.what == "image" else fact,
}
"""What those hear who are not shown every kind of message as what it is."""


def events(nick: str) -> list[Fact]:
    """What somebody does in the group, in the end."""
    return [Fact("kicked", nick, ""), Fact("left", nick, ""), Fact("joined", nick, "")]


class Matrix(SynchronousTestCase):
    """Six who each speak another way, one who owns the group, and one who is put out of it."""

    def setUp(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        listen = (f"--listen={wire}=tcp:0" for wire in ("text", "json", "tp6", "irc"))
        self.daemon = self.enterContext(Daemon(folder, "--durability=process", *listen))
        self.owner = self.comes("json", b'{"from":"owner","action":"client-hello"}\n')
        self.asks(action="cgroupe", group="wob")
        self.victim = self.comes("text", b"IAM victim\nj;wob\n")
        self.wait_for("joined", "victim")
        # Chunky was in the room once, and comes back into the lobby.
        self.comes("tp6", b"Hello|chunky|wob\n").close()
        self.wait_for("joined", "chunky")
        self.owner.object(event="left", actor="chunky")
        self.clients = {nick: self.comes(way.wire, way.hello) for nick, way in WAYS.items()}
        for nick in ("texty", "liny", "coursy", "ircy"):
            self.says(nick, "join")
            self.wait_for("joined", nick)
        for nick in WAYS:
            self.asks(action="promote", group="wob", dest=nick)

    def comes(self, wire: str, hello: bytes) -> Client:
        """Somebody who says hello."""
        return self.enterContext(self.daemon.connect(wire)).says(hello)

    def asks(self, **request: str) -> None:
        """Have the owner do something, and wait until it is done."""
        self.owner.asks(**request).object(action="server-ack", request=request["action"])

    def says(self, nick: str, *said: str) -> None:
        """Have one of the six do something."""
        self.clients[nick].says(WAYS[nick].says(*said))

    def wait_for(self, event: str, actor: str) -> None:
        """Wait until that has happened."""
        self.owner.object(event=event, actor=actor, group="wob")

    def test_each_hears_each_once_and_nobody_themselves(self) -> None:
        expected: dict[str, Counter[Fact]] = {nick: Counter() for nick in WAYS}
        places = dict(PLACES)
        before = {nick: len(list(self.facts(nick, "ready"))) for nick in WAYS}
        self.assertEqual(set(before), set(WAYS))
        for nick, way in WAYS.items():
            others = [other for other in WAYS if other != nick]
            facts = {
                Fact("said", nick, f"lobby-{nick}"): "lobby",
                **dict.fromkeys((Fact("said", nick, f"group-{nick}"), *events(nick)), "wob"),
            }
            self.says(nick, "lobby", f"lobby-{nick}")
            self.says(nick, "group", f"group-{nick}")
            for other in others:
                self.says(nick, "private", other, f"for-{other}")
                expected[other][Fact("said", nick, f"for-{other}")] += 1
            self.says(nick, "action", f"/me acts-{nick}")
            facts[Fact("action", nick, f"/me acts-{nick}")] = places.get(nick, "lobby")
            if way.images:
                self.says(nick, "image", f"art-{nick}")
                facts[Fact("image", nick, f"art-{nick}")] = places.get(nick, "lobby")
            self.says(nick, "kick")
            self.wait_for("kicked", nick)
            self.victim.says("j;wob")
            self.wait_for("joined", "victim")
            self.says(nick, "leave")
            self.wait_for("left", nick)
            self.says(nick, "join")
            self.wait_for("joined", nick)
            for other in others:
                shown = SHOWN_KINDS.get(other, lambda fact: fact)
                expected[other].update(
                    shown(fact) for fact, place in facts.items() if places.get(other, place) == place
                )
            if nick == "chunky":
                places[nick] = "wob"  # where it has joined again
        for nick in WAYS:
            heard = [fact for fact in self.facts(nick, END) if fact.who in WAYS]
            self.assertEqual(Counter(heard), expected[nick], nick)
        self.assertEqual(self.daemon.terminate(), 0)
        self.assertNotIn("Traceback", self.daemon.log)

    def facts(self, nick: str, end: str) -> Iterator[Fact]:
        """What one has heard, up to a private message of the owner's."""
        self.asks(action="send", dest=nick, msg=end)
        heard = self.clients[nick].hears_until(end.encode())
        if WAYS[nick].wire == "json":
            heard += self.clients[nick].hears_until(b"}")
        return WAYS[nick].hears(heard)
