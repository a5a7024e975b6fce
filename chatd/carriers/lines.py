"""Frames that are lines, as telnet sends them."""

from __future__ import annotations

from collections import deque

from twisted.protocols.basic import LineOnlyReceiver

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.connections.factory import Sessions
from chatd.core.language import N_
from chatd.core.refusals import Phrase, Refusal


class LineCarrier(SessionCarrier, LineOnlyReceiver):
    """Cuts at LF and accepts one CR before it. Empty lines, and a last line without an end, are ignored.

    Twisted's LineOnlyReceiver cuts all of a read at once, whether or not it is paused, so the lines wait in a
    queue here. (LineReceiver can be paused, but copies the rest of the read for each line.)
    """

    delimiter = b"\n"

    def __init__(self, sessions: Sessions, dialect: Dialect, accepted: bool = False) -> None:
        super().__init__(sessions, dialect, accepted)
        limits = sessions.limits
        # One more for the CR, which is no part of the line.
        self.MAX_LENGTH = limits.line + 1
        self._limit = limits.line
        self._lines: deque[bytes] = deque()

    def buffer(self, data: bytes) -> None:
        """Cut ``data`` into lines, which wait for their turn."""
        LineOnlyReceiver.dataReceived(self, data)

    def lineReceived(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.append(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Queue the line: it is refused in its turn, and the connection ends there."""
        self._lines.append(line)

    def dispatch_next_frame(self) -> bool:
        """Hand over the next line without its CR, unless it is empty; False when there is none."""
        if not self._lines:
            return False
        line = self._lines.popleft().removesuffix(b"\r")
        if len(line) > self._limit:
            self.session.break_off(Refusal("too_long", what=Phrase(N_("the line")), limit=self._limit))
        elif line:
            self.session.receive(line)
        return True
