"""The carrier of JSON values that follow each other in a stream, with or without white space between them."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from chatd.boundaries import Dialect, FrameWrapper
from chatd.carriers.carrier import SessionCarrier, wrap_line
from chatd.connections.factory import Sessions
from chatd.connections.login_deadlines import ConnectionBeforeDetection
from chatd.core.language import N_
from chatd.core.refusals import Refusal, TranslatableText, translatable_reason
from chatd.json_wire.scanner import JsonScanner, ScanFault

NEWLINE_WAIT_SECONDS: Final = 0.04
"""Seconds that a newline after the client's first JSON value may take to arrive, if it is sent in a segment
of its own.
"""


@runtime_checkable
class DialectWithNewlineVariant(Protocol):
    """The interface of a dialect with a variant for clients that end each JSON value with a newline."""

    newline_delimited: bool
    """Whether this dialect object is the variant with newlines."""

    @property
    def newline_delimited_variant(self) -> Dialect:
        """The variant of this dialect for clients that end each JSON value with a newline."""


def payload_as_frame(payload: bytes) -> bytes:
    """Return ``payload`` unchanged: a JSON value needs no delimiter."""
    return payload


class JsonStreamCarrier(SessionCarrier):
    """A carrier whose frames are JSON values.

    If the client ends its first value with a newline, the session switches to the newline-delimited variant
    of its dialect, if the dialect has one.
    """

    def __init__(
        self, sessions: Sessions, dialect: Dialect, detector: ConnectionBeforeDetection | None = None
    ) -> None:
        super().__init__(sessions, dialect, detector)
        limits = sessions.limits
        self._clock = sessions.clock
        self._limits = limits
        self._values = JsonScanner(limits.json, limits.depth)
        self._first: bytes | ScanFault | None = None
        self._decided = False
        self._timer: IDelayedCall | None = None

    @staticmethod
    def wrapper_for(dialect: Dialect) -> FrameWrapper:
        """Return the function that puts a payload of ``dialect`` into a frame.

        The function appends a newline if the dialect is newline-delimited. Otherwise it changes nothing.
        """
        return (
            wrap_line
            if isinstance(dialect, DialectWithNewlineVariant) and dialect.newline_delimited
            else payload_as_frame
        )

    def buffer(self, data: bytes) -> None:
        """Feed ``data``, bytes from the client, to the JSON scanner."""
        self._values.feed(data)

    def dispatch_next_frame(self) -> bool:
        """Pass the next JSON value to the session, or refuse bytes that are no JSON value.

        Return False if no value is complete.
        """
        if self.may_be_http:
            return False  # each word of a request line would be refused by itself
        if not self._decided and not self._decide():
            return False
        value, self._first = self._first or self._values.next_value(), None
        if value is None:
            return False
        if isinstance(value, bytes):
            self.session.receive(value)
        elif value.kind == "too_long":
            self.session.refuse_and_close(
                Refusal("too_long", what=TranslatableText(N_("a JSON value")), limit=self._limits.json)
            )
        elif value.kind == "too_deep":
            why = translatable_reason("too_deep", limit=self._limits.depth)
            self.session.refuse_and_close(Refusal("bad_json", why=why))
        else:
            self.session.reject_frame(Refusal("bad_json", why=translatable_reason("cut_off")))
        return True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the timer and end the session."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        super().connectionLost(reason)

    def _decide(self) -> bool:
        """Find out from the bytes after the first JSON value whether the client ends values with a newline.
        Return False while that is unknown.
        """
        if self._first is None:
            self._first = self._values.next_value()
            if self._first is None:
                return False
        else:
            self._values.skip_blanks()
        if isinstance(self._first, bytes) and self._values.newline_may_follow and not self.input_ended:
            if self._timer is None:
                self._timer = self._clock.callLater(NEWLINE_WAIT_SECONDS, self.dispatch_frames)
            if self._timer.active():
                return False
        self._decided = True
        dialect = self.session.dialect
        if self._values.newline_seen and isinstance(dialect, DialectWithNewlineVariant):
            self.session.set_dialect(dialect.newline_delimited_variant)
        return True
