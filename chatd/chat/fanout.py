"""Fan-out: many deliveries to one audience at a time.

Deliveries that follow each other to the same audience are encoded, framed and joined once for each encoding,
and every listener that had no part in them is given the very same bytes. An author gets the others around
the ack; a listener that arrives among them gets those after its arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Protocol

from twisted.logger import Logger

from chatd.boundaries import Encoding, Payloads
from chatd.core.events import Delivery


def frame_payloads(encoding: Encoding, payloads: Payloads) -> list[bytes]:
    """``payloads``, each in its frame."""
    return list(map(encoding.wrap, payloads))


class Listener(Protocol):
    """A session that hears deliveries: `chatd.connections.session.Session`."""

    @property
    def encoding(self) -> Encoding: ...
    def deliver(self, frame: bytes) -> None: ...
    def send(self, frame: bytes) -> None: ...


class Fanout:
    """Deliveries to one ``audience`` (ids of users; None for everyone), in order.

    Either all of them are ``stored`` (entries of the log) or none (arrivals and departures). ``sent(listener,
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
        # The frames of each delivery.
        self._frames: dict[Encoding, list[list[bytes]]] = {}
        # Per listener: how many leading deliveries to skip.
        self._skip: dict[Listener, int] = {}

    def add(
        self, delivery: Delivery, author: Listener | None = None, subject: Sequence[Listener] = ()
    ) -> None:
        """Append ``delivery``.

        The author gets everything before it now, and never ``delivery`` itself. The sessions of the user
        whom an event is about get everything before it and ``delivery`` now.
        """
        if author is not None:
            self._advance(author)
        for listener in subject:
            if listener is not author:
                self._advance(listener)
                frames = self._encode(
                    listener.encoding, listener.encoding.dialect.encode_for_subject, delivery
                )
                self._deliver(listener, frames)
                if frames and self._sent is not None:
                    self._sent(listener, delivery)
        self._deliveries.append(delivery)

    def add_listener(self, newcomer: Listener) -> None:
        """``newcomer`` belongs to the audience from here on."""
        self._skip[newcomer] = len(self._deliveries)

    def flush(self, listeners: Iterable[Listener]) -> None:
        """Send each of ``listeners``, the sessions of the audience, the deliveries that it lacks."""
        skip = self._skip
        whole: dict[Encoding, list[bytes]] = {}
        if self._sent is not None:
            listeners = list(listeners)  # iterated twice
        for listener in listeners:
            encoding = listener.encoding
            if listener in skip:
                pieces = self._pieces(encoding, skip[listener])
            elif (known := whole.get(encoding)) is not None:
                pieces = known
            else:
                pieces = whole[encoding] = self._pieces(encoding, 0)
            self._deliver(listener, pieces)
        if self._sent is not None:
            for listener in listeners:
                self._note_sent(listener, self._sent)

    def _advance(self, listener: Listener) -> None:
        """Send ``listener`` the deliveries that it lacks; it skips the one that is appended next."""
        start = self._skip.get(listener, 0)
        if start < len(self._deliveries):
            self._deliver(listener, self._pieces(listener.encoding, start))
            if self._sent is not None:
                self._note_sent(listener, self._sent)
        self._skip[listener] = len(self._deliveries) + 1

    def _deliver(self, listener: Listener, pieces: list[bytes]) -> None:
        deliver = listener.deliver if self.stored else listener.send
        for piece in pieces:
            deliver(piece)

    def _note_sent(self, listener: Listener, sent: Callable[[Any, Delivery], None]) -> None:
        start = self._skip.get(listener, 0)
        encoded = self._encoded(listener.encoding)
        for delivery, frames in zip(self._deliveries[start:], encoded[start:], strict=True):
            if frames:  # a dialect may have nothing to say about it
                sent(listener, delivery)

    def _pieces(self, encoding: Encoding, start: int) -> list[bytes]:
        """The frames of all deliveries from ``start`` on, joined if they may be."""
        encoded = self._encoded(encoding)
        frames = list(chain.from_iterable(encoded[start:] if start else encoded))
        return [b"".join(frames)] if encoding.joins and len(frames) > 1 else frames

    def _encoded(self, encoding: Encoding) -> list[list[bytes]]:
        """The frames of each delivery so far, each encoded once."""
        encoded = self._frames.setdefault(encoding, [])
        for delivery in self._deliveries[len(encoded) :]:
            encoded.append(self._encode(encoding, encoding.dialect.encode, delivery))
        return encoded

    def _encode(
        self, encoding: Encoding, encode: Callable[[Delivery], Payloads], delivery: Delivery
    ) -> list[bytes]:
        try:
            return frame_payloads(encoding, encode(delivery))
        except Exception:
            # A bug with one delivery in one dialect must not reach the others.
            self._log.failure("bug while encoding {delivery}", delivery=type(delivery).__name__)
            return []
