"""Hostile clients on every wire: ``python -m tests.support.fuzz [--chunks 100000] [--seed 1] [--wire json]``.

Each round is a chatd of its own on the in-memory stage, and a few clients that send chunks: conversations as
they should be, the same bent and broken, and noise. Nothing may go wrong, whatever they send: see `Round`. A
round that does is played again with the ``--round`` that its failure names.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, Final, Self

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from websockets.frames import Frame, Opcode
from zope.interface import implementer

from chatd.carriers.carrier import SessionCarrier
from chatd.carriers.detection import MAX_BYTES_BEFORE_DETECTION, Detector
from chatd.core.commands import COMMANDS
from chatd.core.declarations import CommandDeclaration
from chatd.core.limits import Limits
from chatd.daemon.wires import wire_names
from chatd.json_wire.scanner import JsonScanner
from chatd.web.connection import MAX_HEAD_BYTES, HttpConnection
from tests.support.in_memory_daemon import Peer, Stage
from tests.support.websocket import frame, handshake
from tests.support.wire_samples import SAMPLES, Sample

LIMITS: Final = Limits(line=1024, json=4096, message=512, note=64, commit_queue=16)
"""Small ones, so that they are met."""

READ: Final = 65_536
"""Bytes that a transport reads at once."""

ROUND: Final = 1000
"""Chunks in a round."""

CLIENTS: Final = 6
"""Who is connected at once, at most."""

_NAMES: Final = ("alice", "bob", "wob", "é", "Ａlice", "a b", "#x", "", "n" * 40, "server", "\u202e", "1")
_TEXTS: Final = (
    "salut",
    "",
    " ",
    "l'été\n2",
    "\x1b[2J",
    "x" * 600,
    "\u2028",
    "{",
    "/rooms",
    "0",
    "-1",
    "9" * 30,
)

_IDS: Final = ("0", "1", "2", "3", "5", "8", "13", "21")
"""Of messages and events, once there are some."""

_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "lines",
    [],
    {},
    {"action": "groups"},
    "x" * 200,
)
_ROWS: Final = tuple(COMMANDS.values())

_NOISE: Final[tuple[bytes, ...]] = (
    b"\x00",
    b"\xff\xfe",
    b"\xc3",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\n\n\n",
    b" ",
    b"\x1b[2J",
    bytes(range(256)),
    b"[" * 100,
    b'{"a":' * 40,
    b'{"action":[[[[',
    b'"\\ud800"',
    b'{"action":"client-broadcast","msg":"\\ud800"}',
    b'{"a":1,"a":2}',
    b"NaN 1e999 -0",
    b'{"action":"groups","limit":' + b"9" * 500 + b"}",
    b"\xef\xbb\xbf",
    b"\x01\xff\xff",
    b"\x01\x00\x00",
    b"\x02\x00",
    b"\x02\xff",
    b"\x02\x04\xff\xff\xff\xff",
    b"\x02\xff" + bytes(254) + b"\x01x",
    b"\x03\x02\x08\x00" + b"#" * 2048,
    b"\x01\x00\x04" + "été!".encode(),
    b"\x04",
    b"x" * 1100,
    b"x" * 5000,
    b'{"' + b"x" * 5000,
    b"Hello",
    b"Hello|",
    b"Hello|a|b|c\n",
    b"//x\n/\n/!\\\n/who\n",
    b"/me\n/me  \n/ME x\n//me x\nMSG /me x\n",
    b'{"action":"client-broadcast","msg":"/me x","kind":"action"}\n',
    b"GET / HTTP/1.1\r\n\r\n",
    b"NICK x\r\n",
    b"CAP LS 302\r\nNICK x\r\nUSER x 0 * :x\r\nCAP END\r\n",
    b"@label=1;x=\\: JOIN #x,#y,#lobby\r\nMODE #x +oob-b x y z!*@*\r\nTOPIC #x :\r\nKICK #x x,y\r\n",
    b"CAP REQ :message-tags labeled-response echo-message\r\nPRIVMSG #x :\x01ACTION \x02\r\nNAMES #x\r\n",
    b"@+draft/reply=1;+draft/react=x TAGMSG #lobby\r\n@+reply=2;+draft/unreact=x TAGMSG #lobby\r\n",
    b"@+draft/reply=1 PRIVMSG #lobby :x\r\n@+reply=2.2 PRIVMSG alice :x\r\nREDACT #lobby 1\r\n",
    b"PRIVMSG chatd :edit;1;x\r\nPRIVMSG chatd :reply;1;x\r\nPRIVMSG chatd :react;1;x\r\n",
    b'{"action":"typing","typing":"show"}\n{"action":"reply","id":1,"msg":"x","typing":[]}\n',
    b"\x16\x03\x01\x02\x00\x01",
    b";;;\n",
    b"LST\nLST\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
    handshake("chatd.json"),
    frame(b"x" * 5000),
    frame(b""),
    frame(b"", fin=False) * 300,
    frame(b"", Opcode.PING) * 300,
    frame(b"\x03\xe8", Opcode.CLOSE),
    b"\x81\xff\x00\x00\x01\x00\x00\x00\x00\x00mask",
    b"\x89\x05hello",
)


class Failure(AssertionError):
    """Something went wrong; the text says where."""


def _message(random: Random, sample: Sample) -> bytes:
    return sample.says(random.choice(_TEXTS).encode())


def _typed(random: Random, sample: Sample) -> bytes:
    row = random.choice(_ROWS)
    return ";".join((row.semicolon_word or row.text_verb, *_values(random, row))).encode() + b"\n"


def _slash(random: Random, sample: Sample) -> bytes:
    row = random.choice(_ROWS)
    return sample.says(" ".join((f"/{row.slash_word or row.name}", *_values(random, row))).encode())


def _request(random: Random, sample: Sample) -> bytes:
    row = random.choice(_ROWS)
    asked: dict[str, Any] = {"action": random.choice(row.json_actions or ("nonsense",))}
    asked.update(zip(row.fields, _values(random, row), strict=True))
    if random.random() < 0.3:
        asked[random.choice((*asked, "ref", "from", "framing", "messageFormat"))] = random.choice(_ODD)
    return json.dumps(asked).encode() + random.choice((b"", b"\n"))


def _values(random: Random, row: CommandDeclaration) -> list[str]:
    return [
        random.choice(_IDS if field.value_kind == "id" else _NAMES)
        if random.random() < 0.7
        else random.choice(_TEXTS)
        for field in row.fields.values()
    ]


def _in_frame(make: Callable[[Random, Sample], bytes]) -> Callable[[Random, Sample], bytes]:
    return lambda random, sample: frame(make(random, sample).rstrip(b"\n"))


_COMMANDS: Final = {
    "text": _typed,
    "json": _request,
    "json course": _request,
    "web json": _in_frame(_request),
    "web text": _in_frame(_typed),
    "tp6": _slash,
    "tp6 frames": _slash,
    "tp6 bonus": _slash,
    "tp6 bonus frames": _slash,
}
"""How one asks for what else there is, by the name of a sample, where that is known."""


def conversation(random: Random, name: str) -> bytes:
    """Something that a client could mean, in the sample of that ``name``."""
    sample = SAMPLES[name]
    match random.randrange(8):
        case 0:
            return sample.hello(random.choice(_NAMES).encode())
        case 1 | 2:
            return _message(random, sample)
        case _:
            return _COMMANDS.get(name, _message)(random, sample)


def bent(random: Random, said: bytes) -> bytes:
    """``said``, with something wrong in it."""
    data = bytearray(said)
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(data))
        match random.randrange(5):
            case 0:
                data[at : at + 1] = bytes((random.randrange(256),))
            case 1:
                del data[at : at + random.randint(1, 8)]
            case 2:
                data[at:at] = random.choice(_NOISE)
            case 3:
                del data[at:]
            case _:
                data[at:at] = data[max(0, at - 16) : at]
    return bytes(data)


def chunk(random: Random, name: str) -> bytes:
    """Whatever a client of that sample sends at once; now and then it mistakes the wire."""
    if random.random() < 0.1:
        name = random.choice(tuple(SAMPLES))
    match random.randrange(10):
        case 0:
            return random.choice(_NOISE)
        case 1:
            return random.randbytes(random.choice((1, 2, 10, 100, 3000)))
        case 2:
            return b"".join(random.choice(_NOISE) for _ in range(random.randint(2, 30)))[:READ]
        case 3:
            return b"".join(conversation(random, name) for _ in range(random.randint(2, 40)))[:READ]
        case 4 | 5:
            return bent(random, conversation(random, name))
        case _:
            return conversation(random, name)


class Round:
    """One chatd, and clients on one of its wires.

    While they send, no exception comes out, and no buffer is over its cap. After they have gone nothing was
    logged as an error, no session and no timer of theirs is left, and a new client is served.
    """

    def __init__(self, folder: Path, wire: str) -> None:
        self.stage = Stage(folder / "chat.db", LIMITS)
        self.wire = wire
        self.samples = [name for name, sample in SAMPLES.items() if wire in sample.wires]
        self.peers: dict[Peer, str] = {}
        self.most = 0
        self._mistakes = Mistakes()

    def __enter__(self) -> Self:
        globalLogPublisher.addObserver(self._mistakes)
        return self

    def __exit__(self, *_: object) -> None:
        globalLogPublisher.removeObserver(self._mistakes)
        self.stage.close()

    def play(self, random: Random, chunks: int) -> None:
        """Have some clients send that many. Raises `Failure`."""
        for _ in range(chunks):
            if not self.peers or (len(self.peers) < CLIENTS and random.random() < 0.2):
                self.comes(random)
            peer = random.choice(list(self.peers))
            self.send(peer, chunk(random, self.peers[peer]))
            self._look_away(random, peer)
        self.ends()

    def comes(self, random: Random) -> None:
        """One more client, which mostly says hello."""
        name = random.choice(self.samples)
        subprotocol = SAMPLES[name].subprotocol if random.random() < 0.8 else ""
        peer = self.stage.connect(self.wire, subprotocol=subprotocol)
        self.peers[peer] = name
        if random.random() < 0.8:
            self.send(peer, SAMPLES[name].hello(b"n%d" % random.randrange(8)))

    def send(self, peer: Peer, data: bytes) -> None:
        """Have ``peer`` send this, unless its connection is not read just now, and measure what is kept.

        What a client sends then is kept by the kernel.
        """
        if not peer.closed and peer.wire.producerState == "producing":
            peer.says(data)
        self.check(peer)
        for other in self.peers:
            if not other.wire.stuck:
                other.hears()

    def check(self, peer: Peer) -> None:
        """No more is kept for ``peer`` than may be. Raises `Failure`."""
        carrier: Any = peer.protocol
        if isinstance(carrier, Detector):
            if carrier._protocol is None:
                self.check_kept(len(carrier._read), MAX_BYTES_BEFORE_DETECTION, "an undecided connection")
                return
            carrier = carrier._protocol
        if isinstance(carrier, HttpConnection):
            self.check_kept(len(carrier._read), MAX_HEAD_BYTES + READ, "an HTTP connection")
            return
        session = carrier.session
        self.check_kept(held(carrier), READ + LIMITS.json + LIMITS.image, f"the carrier of {session.peer}")
        if session.outbox_bytes > LIMITS.outbox:
            raise Failure(f"{session.outbox_bytes} bytes wait for {session.peer}")

    def check_kept(self, kept: int, limit: int, by: str) -> None:
        """Raises `Failure` if more than ``limit`` bytes are kept."""
        self.most = max(self.most, kept)
        if kept > limit:
            raise Failure(f"{kept} bytes are kept by {by}")

    def ends(self) -> None:
        """Everybody goes. Raises `Failure`."""
        for peer in self.peers:
            peer.hangs_up()
        self.stage.wait(30)
        self.peers.clear()
        if len(self.stage.sessions):
            raise Failure(f"{len(self.stage.sessions)} sessions are left")
        if left := self.stage.reactor.getDelayedCalls():
            raise Failure(f"timers are left: {left}")
        if self._mistakes:
            raise Failure(f"logged as an error: {self._mistakes[0]}")
        for name in self.samples:
            self._serves(SAMPLES[name])

    def _serves(self, sample: Sample) -> None:
        told = self.stage.text("fresh")
        peer = self.stage.connect(self.wire, subprotocol=sample.subprotocol)
        peer.says(sample.hello(b"newcomer"))
        self.stage.wait(1)
        peer.says(sample.says(b"salut"))
        self.stage.wait(1)
        if told.lines()[-1:] != ["MSG newcomer salut"]:
            raise Failure("a new client is not served")
        peer.hangs_up()
        told.hangs_up()

    def _look_away(self, random: Random, peer: Peer) -> None:
        """Now and then time passes, or a client reads nothing, half closes or is gone."""
        match random.randrange(30):
            case 0:
                peer.hangs_up()
            case 1:
                if not peer.closed:
                    IHalfCloseableProtocol(peer.protocol).readConnectionLost()
                    self.stage.settle()
            case 2:
                peer.wire.stuck = True
            case 3:
                for other in self.peers:
                    other.wire.unstick()
            case 4 | 5:
                self.stage.wait(random.choice((0.01, 0.03, 0.6, 3)))
        self.peers = {peer: name for peer, name in self.peers.items() if not peer.closed}


@implementer(ILogObserver)
class Mistakes(list[LogEvent]):
    """What is logged as an error."""

    def __call__(self, event: LogEvent) -> None:
        """Note it, if it is one."""
        if event["log_level"] >= LogLevel.error:
            self.append(event)


def held(carrier: object) -> int:
    """Bytes that a carrier keeps, in whatever it has that can hold some."""
    total = 0
    for value in vars(carrier).values():
        if isinstance(value, bytes | bytearray):
            total += len(value)
        elif isinstance(value, deque):
            total += sum(len(item.data if isinstance(item, Frame) else item) for item in value)
        elif isinstance(value, SessionCarrier | JsonScanner):
            total += held(value)
    return total


def play(wire: str, seed: int, number: int, chunks: int) -> int:
    """One round; the most bytes that any carrier kept. Raises whatever went wrong, with the round's name."""
    random = Random(f"{seed} {wire} {number}")
    with tempfile.TemporaryDirectory() as folder, Round(Path(folder), wire) as played:
        try:
            played.play(random, chunks)
        except BaseException as error:
            error.add_note(f"python -m tests.support.fuzz --wire {wire} --seed {seed} --round {number}")
            raise
        return played.most


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.fuzz", description="Hostile bytes on every wire."
    )
    parser.add_argument("--chunks", type=int, default=100_000, help="for each wire")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wire", choices=wire_names(), action="append", help="only this one")
    parser.add_argument("--round", type=int, help="only this one, as a failure names it")
    asked = parser.parse_args(arguments)
    for wire in asked.wire or wire_names():
        began = perf_counter()
        rounds = range(asked.chunks // ROUND) if asked.round is None else (asked.round,)
        most = max(play(wire, asked.seed, number, ROUND) for number in rounds)
        taken = perf_counter() - began
        kept = f"at most {most:,} bytes kept by a carrier"
        sys.stdout.write(f"{wire}: {len(rounds) * ROUND:,} chunks in {taken:.0f} s, {kept}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
