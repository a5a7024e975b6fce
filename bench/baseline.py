"""What chatd is measured against: the chat that one writes with Twisted in ten minutes.

It keeps nothing, caps nothing and tells nobody who comes and goes. One ``sendLine`` per receiver is
how most of them are written. It speaks the text wire's ``IAM`` and ``MSG``, and one word of its own:
``JOIN room`` leaves the room one is in for another. It serves on loopback and prints its port.

With ``--direct`` it is the least that a message to a room costs in Python: one loop of ``socket.send``. What
a full socket does not take is lost then, so that is no server, but something to measure against.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

reactor: Any = installed
rooms: defaultdict[bytes, set[Any]] = defaultdict(set)


class Chatter(LineReceiver):
    """Someone connected."""

    delimiter = b"\n"
    name = b""
    room = b""
    transport: Any

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.sendLine(b"WHO")

    def lineReceived(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        if verb == b"IAM":
            self.name = rest
            rooms[self.room].add(self)
            self.sendLine(b"ARR " + rest)
        elif verb == b"JOIN":
            rooms[self.room].discard(self)
            self.room = rest
            rooms[self.room].add(self)
        elif verb == b"MSG":
            self.broadcast(b"MSG " + self.name + b" " + rest)

    def broadcast(self, line: bytes) -> None:
        for other in rooms[self.room]:
            if other is not self:
                other.sendLine(line)

    def connectionLost(self, reason: object = None) -> None:
        rooms[self.room].discard(self)


class DirectChatter(Chatter):
    """Someone who is written to past Twisted's buffers."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.send = self.transport.socket.send

    def broadcast(self, line: bytes) -> None:
        line += b"\n"
        for other in rooms[self.room]:
            if other is not self:
                other.send(line)


if __name__ == "__main__":
    protocol = DirectChatter if "--direct" in sys.argv else Chatter
    port = reactor.listenTCP(0, Factory.forProtocol(protocol), interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()
