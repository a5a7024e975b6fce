"""The control socket of a daemon in memory, and of a process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address

from chatd.daemon.config import Config
from chatd.daemon.control import ControlFactory, ControlSocket
from chatd.daemon.reload import ConfigReloader
from tests.support.in_memory_daemon import Stage, Wire


class ControlDesk:
    """The control socket of a `Stage`: requests go in, answers come out."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.config = Config(limits=stage.limits, accounts=stage.policy)
        self.file = self.config
        self.levels: list[str] = []
        self.stops: list[str] = []
        reloader = ConfigReloader(self.config, lambda: self.file, None, self.levels.append)
        passwords: Any = stage.passwords
        self.control = ControlSocket(
            folder / "control", stage.reactor, stage.chat, stage.sessions, stage.store, passwords, reloader
        )
        self.control.list_ports = lambda: [("text=tcp:0", "127.0.0.1:1")]
        self.control.stop = lambda: self.stops.append("stopped")
        self._factory = ControlFactory(self.control)

    def connect(self) -> Wire:
        """A new connection, with nothing sent yet."""
        wire = Wire(IPv4Address("TCP", "127.0.0.1", 1), self.stage.reactor)
        wire.protocol = self._factory.buildProtocol(None)
        wire.protocol.makeConnection(wire)
        return wire

    def says(self, data: bytes) -> list[dict[str, Any]]:
        """The objects of the answer to ``data``, sent on a connection of its own."""
        wire = self.connect()
        assert wire.protocol is not None
        wire.protocol.dataReceived(data)
        self.stage.settle()
        return heard(wire)

    def asks(self, action: str, **fields: object) -> dict[str, Any]:
        """The last object of the answer to a request."""
        return self.says(json.dumps({"action": action, **fields}).encode() + b"\n")[-1]


def heard(wire: Wire) -> list[dict[str, Any]]:
    """The objects that ``wire`` was sent."""
    return [json.loads(line) for line in wire.value().splitlines()]
