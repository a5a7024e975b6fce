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

from chatd.core.events import Told
from chatd.dialects.wire import Dialect


class Listener(Protocol):
    """A session, as far as it is told what happens; `chatd.session.Session` says what each part is for."""

    @property
    def dialect(self) -> Dialect: ...
    def deliver(self, frame: bytes) -> None: ...
    def send(self, frame: bytes) -> None: ...


class Burst:
    """What is told to one ``audience`` (users' ids; None stands for everyone), in order.

    Either all of it is ``stored`` (entries of the log) or none (arrivals and departures). ``sent(listener,
    told)`` logs a delivery; it is None unless the log level is debug.
    """

    _log = Logger()

    def __init__(
        self,
        audience: tuple[int, ...] | None,
        stored: bool,
        sent: Callable[[Any, Told], None] | None = None,
    ) -> None:
        self.audience = audience
        self.stored = stored
        self._sent = sent
        self._told: list[Told] = []
        self._frames: dict[Dialect, list[bytes]] = {}
        # How many of the burst somebody needs no more: those heard, one's own, those before one came.
        self._past: dict[Listener, int] = {}

    def add(self, told: Told, author: Listener | None = None, subject: Sequence[Listener] = ()) -> None:
        """Append ``told``.

        Its author gets everything before it now, and never ``told`` itself. The sessions of its ``subject``,
        the user whom an event is about, get everything before it and ``told`` now.
        """
        if author is not None:
            self._advance(author)
        for listener in subject:
            if listener is not author:
                self._advance(listener)
                frame = self._frame(listener.dialect.told_subject, told)
                self._tell(listener, [frame])
                if frame and self._sent is not None:
                    self._sent(listener, told)
        self._told.append(told)

    def enter(self, newcomer: Listener) -> None:
        """``newcomer`` is one of the audience from here on."""
        self._past[newcomer] = len(self._told)

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
            self._tell(listener, pieces)
        if self._sent is not None:
            for listener in listeners:
                self._note_sent(listener, self._sent)

    def _advance(self, listener: Listener) -> None:
        """Send what ``listener`` has not had yet; leave out for it the entry that is appended next."""
        self._tell(listener, self._pieces(listener.dialect, self._past.get(listener, 0)))
        if self._sent is not None:
            self._note_sent(listener, self._sent)
        self._past[listener] = len(self._told) + 1

    def _tell(self, listener: Listener, pieces: list[bytes]) -> None:
        tell = listener.deliver if self.stored else listener.send
        for piece in pieces:
            if piece:
                tell(piece)

    def _note_sent(self, listener: Listener, sent: Callable[[Any, Told], None]) -> None:
        start = self._past.get(listener, 0)
        for told, frame in zip(self._told[start:], self._encoded(listener.dialect)[start:], strict=True):
            if frame:  # not every dialect has something to say about everything
                sent(listener, told)

    def _pieces(self, dialect: Dialect, start: int) -> list[bytes]:
        """All from the ``start`` on: as one, or frame by frame for who is written to at a pace."""
        frames = self._encoded(dialect)[start:]
        return frames if dialect.pace or len(frames) < 2 else [b"".join(frames)]

    def _encoded(self, dialect: Dialect) -> list[bytes]:
        """The frames of all so far, each encoded once."""
        frames = self._frames.setdefault(dialect, [])
        for told in self._told[len(frames) :]:
            frames.append(self._frame(dialect.told, told))
        return frames

    def _frame(self, tell: Callable[[Told], bytes], told: Told) -> bytes:
        try:
            return tell(told)
        except Exception:
            # A mistake of ours with one of them, in one dialect, is nothing to the others.
            self._log.failure("a mistake in telling {told}", told=type(told).__name__)
            return b""
