"""Frames that are lines: what telnet sends."""

from __future__ import annotations

from collections import deque

from twisted.protocols.basic import LineOnlyReceiver

from chatd.boundaries import Dialect
from chatd.carriers.carrier import SessionCarrier
from chatd.connections.factory import Sessions
from chatd.core.language import N_
from chatd.core.refusals import Phrase, Refusal


class Lines(SessionCarrier, LineOnlyReceiver):
    """Cuts at LF and forgives one CR before it; an empty line says nothing, nor does one without an end.

    Twisted's LineOnlyReceiver cuts all of a read at once, whether or not it is paused; so its lines wait
    here. (LineReceiver can be paused, but copies, for each line, all that follows it.)
    """

    delimiter = b"\n"

    def __init__(self, sessions: Sessions, dialect: Dialect, accepted: bool = False) -> None:
        super().__init__(sessions, dialect, accepted)
        limits = sessions.limits
        # One more for the CR, which is no part of the line.
        self.MAX_LENGTH = limits.line + 1
        self._limit = limits.line
        self._lines: deque[bytes] = deque()

    def keep(self, data: bytes) -> None:
        """See `SessionCarrier.keep`."""
        LineOnlyReceiver.dataReceived(self, data)

    def lineReceived(self, line: bytes) -> None:
        """Keep a line until it is its turn."""
        self._lines.append(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Keep what is too long for its turn; where the next line begins is not worth finding out."""
        self._lines.append(line)

    def hand_over(self) -> bool:
        """See `SessionCarrier.hand_over`."""
        if not self._lines:
            return False
        line = self._lines.popleft().removesuffix(b"\r")
        if len(line) > self._limit:
            self.session.break_off(Refusal("too_long", what=Phrase(N_("the line")), limit=self._limit))
        elif line:
            self.session.receive(line)
        return True
