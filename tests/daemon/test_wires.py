"""What holds on every wire there is, whoever brought it: a toy in one file as well."""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chatd.daemon import wires
from chatd.daemon.config import Config
from chatd.daemon.wires import declared_wires
from chatd.daemon.wiring import ParsedListener, build_daemon, parse_listener
from tests.support import wire_contract as contract
from tests.support.in_memory_daemon import Peer, Stage, StageTestCase
from tests.support.toys import WithToys
from tests.support.wire_samples import SAMPLES, Sample
from tests.toys import shout, two_byte

reactor: Any = global_reactor


def _on(wire: str, sample: Sample, name: str, *mixins: type) -> None:
    title = "On_" + "_".join((wire.replace("-", "_"), *name.split()))
    base = contract.WebSocketContract if sample.subprotocol else contract.Contract
    body = {"wire": wire, "sample": sample, "__module__": __name__, "__qualname__": title}
    globals()[title] = type(title, (*mixins, base), body)


for _name, _manner in SAMPLES.items():
    for _wire in _manner.wires:
        _on(_wire, _manner, _name)


for _toy in (shout, two_byte):
    for _name, _manners in _toy.SAMPLES.items():
        _manner = Sample(**_manners)
        for _wire in _manner.wires:
            _on(_wire, _manner, _name, WithToys)


class Discovery(SynchronousTestCase):
    """Which wires there are."""

    def test_each_is_held_to_the_contract(self) -> None:
        """And each of its ways to travel has a sample."""
        self.assertEqual(
            {"auto", *(wire.name for wire in declared_wires())},
            {wire for sample in SAMPLES.values() for wire in sample.wires},
        )
        carriers: dict[str, list[str]] = {}
        for wire in declared_wires():
            carriers.setdefault(wire.name, []).append(wire.carrier_name)
        for name, ways in carriers.items():
            spoken = [sample for sample in SAMPLES.values() if name in sample.wires]
            self.assertGreaterEqual(len(spoken), len(ways), name)

    def test_no_two_modules_bring_the_same_one(self) -> None:
        """The second would hide the first."""
        brought = [
            (wire.name, wire.carrier_name, wire.subprotocol)
            for module in _modules()
            for wire in getattr(module, "WIRES", ())
        ]
        self.assertEqual(len(set(brought)), len(brought))
        self.assertEqual(
            set(brought),
            {(wire.name, wire.carrier_name, wire.subprotocol) for wire in declared_wires()},
        )
        self.assertNotIn("auto", [name for name, _, _ in brought])

    def test_a_port_for_all_shares_their_dialects(self) -> None:
        """So that what is told is encoded once, wherever somebody came from."""
        stage = Stage(Path(self.mktemp()) / "chat.db")
        self.addCleanup(lambda: stage.close())
        for wire, first in (("text", b"IAM a\n"), ("json", b'{"action":"client-hello","from":"b"}\n')):
            alone = stage.connect(wire).says(first.replace(b"a\n", b"alone\n").replace(b'"b"', b'"bob"'))
            auto = stage.connect("auto").says(first)
            stage.wait(1)
            here, there = (any_session(peer) for peer in (alone, auto))
            self.assertIs(here.dialect, there.dialect)


def any_session(peer: Peer) -> Any:
    """The session behind this client's connection, however it came about."""
    protocol: Any = peer.protocol
    return getattr(protocol, "_protocol", protocol).session


def _modules() -> list[Any]:
    return [module for name, module in sys.modules.items() if name.startswith("chatd.dialects.")]


class OneCarrier(WithToys, StageTestCase):
    """Wires that travel by the same carrier, on one port."""

    def setUp(self) -> None:
        """Have three of them at ``auto``."""
        self.patch(wires, "AUTO_WIRE_NAMES", ("text", "shout", "whisper"))
        super().setUp()

    def test_each_is_reached_by_its_opening(self) -> None:
        """The default by any other beginning."""
        peers = [self.stage.connect("auto").says(hello) for hello in (b"+a\n", b"~b\n", b"IAM c\n")]
        self.stage.wait(1)
        for peer in peers:
            peer.hears()
        peers[2].says("MSG Salut")
        self.stage.wait(1)
        self.assertEqual([peer.hears() for peer in peers], [b"c: SALUT!\n", b"c: salut...\n", b""])

    def test_no_two_wires_of_a_port_begin_alike(self) -> None:
        """Else the second could not be reached."""
        for names in (("text", "json", "tp6"), *((wire.name,) for wire in declared_wires())):
            starts = [
                opening.start for wire in declared_wires() if wire.name in names for opening in wire.openings
            ]
            for one, other in permutations(starts, 2):
                self.assertFalse(one.startswith(other), names)


class Toy(WithToys, TestCase):
    """One file more in the folder of the dialects."""

    def test_it_can_be_listened_for(self) -> None:
        """Without a word about it elsewhere."""
        for name in ("shout", "whisper", "two-byte-text", "two-byte-json"):
            self.assertEqual(parse_listener(f"{name}=unix:s"), ParsedListener(name, "unix:s", tls="never"))

    async def test_a_daemon_serves_it(self) -> None:
        """A real one, on a real socket."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        config = Config(database=str(folder / "chat.db"), listen=("shout=tcp:0", "text=tcp:0"))
        daemon = build_daemon(config, reactor)
        daemon.privilegedStartService()
        try:
            toy, text = [await _connect(port.getHost()) for port in daemon.ports]
            await toy.hears_until(b"WHO IS THERE?\n")
            toy.says(b"+alice\n")
            await toy.hears_until(b"HELLO alice!\n")
            text.says(b"IAM bob\nMSG salut\n")
            await toy.hears_until(b"bob: SALUT!\n")
            toy.says(b"bonjour\n")
            await text.hears_until(b"MSG alice bonjour\n")
        finally:
            await daemon.stopService()


class Listener(Protocol):
    """A client on a real socket."""

    transport: Any

    def __init__(self) -> None:
        self._heard = b""
        self._news: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self._heard += data
        news, self._news = self._news, Deferred()
        news.callback(None)

    def says(self, data: bytes) -> None:
        """Send it."""
        self.transport.write(data)

    async def hears_until(self, end: bytes) -> None:
        """Wait for it."""
        while end not in self._heard:
            await self._news
        self._heard = self._heard.partition(end)[2]


async def _connect(address: Any) -> Listener:
    connected = await connectProtocol(TCP4ClientEndpoint(reactor, address.host, address.port), Listener())
    assert isinstance(connected, Listener)
    return connected
