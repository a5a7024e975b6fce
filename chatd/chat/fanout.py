"""Fan-out: deliveries to one audience are gathered, then sent to every session of that audience.

Consecutive deliveries to an audience are encoded, framed and joined once for each frame format (an encoder
and its framing), and all sessions with that frame format are given the same bytes object. The author of an
entry gets an ack instead of the entry, between the deliveries before and after it. A session that logs in
meanwhile gets only the later deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Protocol

from twisted.logger import Logger

from chatd.boundaries import FrameFormat, Payloads
from chatd.core.audience import Audience
from chatd.core.events import Delivery


def frame_payloads(frame_format: FrameFormat, payloads: Payloads) -> list[bytes]:
    """Return ``payloads``, each wrapped in a frame of ``frame_format``."""
    return list(map(frame_format.wrap, payloads))


class Recipient(Protocol):
    """The interface of a session that can be sent deliveries: `chatd.connections.session.Session`.

    ``send_stored`` is for frames that contain log entries, which may be held back while the client is sent
    missed entries. ``send_unstored`` is for other frames.
    """

    @property
    def frame_format(self) -> FrameFormat: ...
    def send_stored(self, frame: bytes) -> None: ...
    def send_unstored(self, frame: bytes) -> None: ...


RecipientsByFrameFormat = list[tuple[FrameFormat, list[Any]]]
"""The recipients (each a `Recipient`) of one audience, by their frame format."""

DeliverToAllFunction = Callable[[Sequence[Any], bytes, bool], None]
"""A function like `deliver_to_each`."""


def group_by_frame_format(recipients: Iterable[Recipient]) -> RecipientsByFrameFormat:
    """Return pairs of a frame format and the list of those ``recipients`` that have it."""
    groups: dict[FrameFormat, list[Any]] = {}
    for recipient in recipients:
        groups.setdefault(recipient.frame_format, []).append(recipient)
    return list(groups.items())


def deliver_to_each(recipients: Sequence[Recipient], frame: bytes, stored: bool) -> None:
    """Send ``frame``, which is not empty, to each of ``recipients``.

    ``stored`` says whether it contains log entries. `chatd.connections.outbox.FlushQueue.deliver_to_all` has
    the same effect, and is faster.
    """
    for recipient in recipients:
        if stored:
            recipient.send_stored(frame)
        else:
            recipient.send_unstored(frame)


class Fanout:
    """Collects deliveries for the same ``audience``, to send them together.

    If ``stored`` is true, all of them are log entries, else none is. ``conversation_id`` is the id of the
    conversation to which all of them belong, or None if they are for everyone. ``sent(recipient, delivery)``
    logs that a delivery was sent to a session; it is None unless the log level is debug.
    """

    _log = Logger()

    def __init__(
        self,
        audience: Audience,
        stored: bool,
        sent: Callable[[Any, Delivery], None] | None = None,
        conversation_id: int | None = None,
        deliver_to_all: DeliverToAllFunction = deliver_to_each,
    ) -> None:
        self._deliver_to_all = deliver_to_all
        self.conversation_id = conversation_id
        self.audience = audience
        self.stored = stored
        self._sent = sent
        self._deliveries: list[Delivery] = []
        # The frames of each delivery.
        self._frames: dict[FrameFormat, list[list[bytes]]] = {}
        # Per recipient: how many leading deliveries to skip.
        self._skip: dict[Recipient, int] = {}

    def add(
        self,
        delivery: Delivery,
        author: Recipient | None = None,
        subject: Sequence[Recipient] = (),
        without: Sequence[Recipient] = (),
    ) -> None:
        """Add ``delivery`` to the collected deliveries.

        - ``author`` is the session that caused the delivery, and ``without`` are further sessions. They are
          not sent ``delivery``, but are sent at once the deliveries that were collected before.
        - ``subject`` are the sessions of the user whom the event is about. They are sent at once the
          deliveries that were collected before, and then ``delivery``.
        """
        if author is not None:
            self._advance(author)
        for recipient in without:
            self._advance(recipient)
        for recipient in subject:
            if recipient is not author:
                self._advance(recipient)
                frames = self._encode(
                    recipient.frame_format, recipient.frame_format.encoder.encode_for_subject, delivery
                )
                self._deliver(recipient, frames)
                if frames and self._sent is not None:
                    self._sent(recipient, delivery)
        self._deliveries.append(delivery)

    def add_recipient(self, newcomer: Recipient) -> None:
        """Add the session ``newcomer`` to the audience. It is sent only the deliveries added from now on."""
        self._skip[newcomer] = len(self._deliveries)

    def flush(self, recipients: Iterable[Recipient]) -> None:
        """Send all collected deliveries to ``recipients``, the sessions of the audience.

        A session is not sent what it was sent before.
        """
        self.flush_by_frame_format(group_by_frame_format(recipients))

    def flush_by_frame_format(self, groups: RecipientsByFrameFormat) -> None:
        """Send all collected deliveries, like `flush`, to recipients that are already grouped by frame
        format.
        """
        skip = self._skip
        for frame_format, recipients in groups:
            whole = [one for one in recipients if one not in skip] if skip else recipients
            if len(whole) < len(recipients):
                for recipient in recipients:
                    if recipient in skip:
                        self._deliver(recipient, self._pieces(frame_format, skip[recipient]))
            if whole:
                for piece in self._pieces(frame_format, 0):
                    self._deliver_to_all(whole, piece, self.stored)
        if self._sent is not None:
            for _, recipients in groups:
                for recipient in recipients:
                    self._note_sent(recipient, self._sent)

    def _advance(self, recipient: Recipient) -> None:
        """Send ``recipient`` the gathered deliveries that it was not sent before.

        The delivery that is added next is not sent to ``recipient``.
        """
        start = self._skip.get(recipient, 0)
        if start < len(self._deliveries):
            self._deliver(recipient, self._pieces(recipient.frame_format, start))
            if self._sent is not None:
                self._note_sent(recipient, self._sent)
        self._skip[recipient] = len(self._deliveries) + 1

    def _deliver(self, recipient: Recipient, pieces: list[bytes]) -> None:
        deliver = recipient.send_stored if self.stored else recipient.send_unstored
        for piece in pieces:
            deliver(piece)

    def _note_sent(self, recipient: Recipient, sent: Callable[[Any, Delivery], None]) -> None:
        start = self._skip.get(recipient, 0)
        encoded = self._encoded(recipient.frame_format)
        for delivery, frames in zip(self._deliveries[start:], encoded[start:], strict=True):
            if frames:  # a dialect may have nothing to say about it
                sent(recipient, delivery)

    def _pieces(self, frame_format: FrameFormat, start: int) -> list[bytes]:
        """Return the frames of all deliveries from index ``start`` on, joined if the format allows it."""
        encoded = self._encoded(frame_format)
        frames = list(chain.from_iterable(encoded[start:] if start else encoded))
        return [b"".join(frames)] if frame_format.frames_may_be_joined and len(frames) > 1 else frames

    def _encoded(self, frame_format: FrameFormat) -> list[list[bytes]]:
        """Return a list with the frames of each delivery added so far. Each delivery is encoded only once."""
        encoded = self._frames.setdefault(frame_format, [])
        for delivery in self._deliveries[len(encoded) :]:
            encoded.append(self._encode(frame_format, frame_format.encoder.encode_delivery, delivery))
        return encoded

    def _encode(
        self, frame_format: FrameFormat, encode: Callable[[Delivery], Payloads], delivery: Delivery
    ) -> list[bytes]:
        try:
            return frame_payloads(frame_format, encode(delivery))
        except Exception:
            # A bug with one delivery in one encoder must not reach the others.
            self._log.failure("bug while encoding {delivery}", delivery=type(delivery).__name__)
            return []
