"""Telling an audience many things at once.

What falls due to one audience without anything between is joined, once a dialect, for everyone who had
no part in it: a hundred readers of sixty-four messages are given sixty-four messages once each, as the
very same bytes. Who wrote one of them gets the others in their places around the ack, and who arrives
among others hears of those who come after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from twisted.logger import Logger

from chatd.boundaries import Dialect
from chatd.core.events import Delivery


class Listener(Protocol):
    """A session that receives deliveries: `chatd.connections.session.Session`."""

    @property
    def dialect(self) -> Dialect: ...
    def deliver(self, frame: bytes) -> None: ...
    def send(self, frame: bytes) -> None: ...


class Fanout:
    """What is told to one ``audience`` (users' ids; None stands for everyone), in order.

    Either all of it is ``stored`` (entries of the log) or none (arrivals and departures). ``sent(listener,
    delivery)`` logs a delivery; it is None unless the log level is debug.
    """

    _log = Logger()

    def __init__(
        self,
        audience: tuple[int, ...] | None,
        stored: bool,
        sent: Callable[[Any, Delivery], None] | None = None,
    ) -> None:
        self.audience = audience
        self.stored = stored
        self._sent = sent
        self._deliveries: list[Delivery] = []
        self._frames: dict[Dialect, list[bytes]] = {}
        # How many of the fanout somebody needs no more: those heard, one's own, those before one came.
        self._past: dict[Listener, int] = {}

    def add(
        self, delivery: Delivery, author: Listener | None = None, subject: Sequence[Listener] = ()
    ) -> None:
        """Append the delivery.

        Its author gets everything before it now, and never the delivery itself. The sessions of its
        ``subject``, the user whom an event is about, get everything before it and the delivery now.
        """
        if author is not None:
            self._advance(author)
        for listener in subject:
            if listener is not author:
                self._advance(listener)
                frame = self._frame(listener.dialect.encode_for_subject, delivery)
                self._deliver(listener, [frame])
                if frame and self._sent is not None:
                    self._sent(listener, delivery)
        self._deliveries.append(delivery)

    def enter(self, newcomer: Listener) -> None:
        """``newcomer`` is one of the audience from here on."""
        self._past[newcomer] = len(self._deliveries)

    def end(self, listeners: Iterable[Listener]) -> None:
        """Tell everyone what they have not heard; ``listeners`` are the sessions of the audience."""
        past = self._past
        whole: dict[Dialect, list[bytes]] = {}
        if self._sent is not None:
            listeners = list(listeners)  # they are gone through twice
        for listener in listeners:
            dialect = listener.dialect
            if listener in past:
                pieces = self._pieces(dialect, past[listener])
            elif dialect in whole:
                pieces = whole[dialect]
            else:
                pieces = whole[dialect] = self._pieces(dialect, 0)
            self._deliver(listener, pieces)
        if self._sent is not None:
            for listener in listeners:
                self._note_sent(listener, self._sent)

    def _advance(self, listener: Listener) -> None:
        """Send what ``listener`` has not had yet; leave out for it the entry that is appended next."""
        self._deliver(listener, self._pieces(listener.dialect, self._past.get(listener, 0)))
        if self._sent is not None:
            self._note_sent(listener, self._sent)
        self._past[listener] = len(self._deliveries) + 1

    def _deliver(self, listener: Listener, pieces: list[bytes]) -> None:
        tell = listener.deliver if self.stored else listener.send
        for piece in pieces:
            if piece:
                tell(piece)

    def _note_sent(self, listener: Listener, sent: Callable[[Any, Delivery], None]) -> None:
        start = self._past.get(listener, 0)
        for delivery, frame in zip(
            self._deliveries[start:], self._encoded(listener.dialect)[start:], strict=True
        ):
            if frame:  # not every dialect has something to say about everything
                sent(listener, delivery)

    def _pieces(self, dialect: Dialect, start: int) -> list[bytes]:
        """All from the ``start`` on: as one, or frame by frame for who is written to at a pace."""
        frames = self._encoded(dialect)[start:]
        return frames if dialect.pace or len(frames) < 2 else [b"".join(frames)]

    def _encoded(self, dialect: Dialect) -> list[bytes]:
        """The frames of all so far, each encoded once."""
        frames = self._frames.setdefault(dialect, [])
        for delivery in self._deliveries[len(frames) :]:
            frames.append(self._frame(dialect.encode, delivery))
        return frames

    def _frame(self, encode: Callable[[Delivery], bytes], delivery: Delivery) -> bytes:
        try:
            return encode(delivery)
        except Exception:
            # A mistake of ours with one of them, in one dialect, is nothing to the others.
            self._log.failure("a mistake in telling {delivery}", delivery=type(delivery).__name__)
            return b""
