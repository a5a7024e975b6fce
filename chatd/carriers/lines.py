"""Frames that are lines: what telnet sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from chatd.carriers.carrier import SessionCarrier
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.session import Session


class Lines(SessionCarrier):
    """Cuts at LF and forgives one CR before it; an empty line says nothing, nor does one without an end.

    Not Twisted's LineReceiver: it has pauses of its own, and for each line copies all that follows it.
    """

    def __init__(self, open_session: Callable[[Any], Session], clock: IReactorTime, limits: Limits) -> None:
        super().__init__(open_session)
        self._limit = limits.line
        self._buffer = bytearray()
        self._start = 0

    def keep(self, data: bytes) -> None:
        """See `SessionCarrier.keep`."""
        del self._buffer[: self._start]
        self._start = 0
        self._buffer += data

    def hand_over(self) -> bool:
        """See `SessionCarrier.hand_over`."""
        end = self._buffer.find(b"\n", self._start)
        if end < 0:
            # One more for the CR, which is no part of the line.
            if len(self._buffer) - self._start > self._limit + 1:
                self._refuse()
            return False
        line = bytes(self._buffer[self._start : end]).removesuffix(b"\r")
        self._start = end + 1
        if len(line) > self._limit:
            self._refuse()
        elif line:
            self.session.receive(line)
        return True

    def _refuse(self) -> None:
        # Where the next line begins is not worth finding out.
        self.session.break_off(Refusal("too_long", what="the line", limit=self._limit))
