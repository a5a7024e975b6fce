"""Telling an audience many messages at once.

The messages of one commit that go to one audience are joined, once a dialect, for everyone who wrote
none of them: a hundred readers of sixty-four messages are given sixty-four messages once each, as the
very same bytes. Who wrote one of them gets the others one by one, in their places around the ack.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from chatd.core.events import Logged
from chatd.dialects.wire import Dialect


class Listener(Protocol):
    """A session, as far as it is told messages."""

    @property
    def dialect(self) -> Dialect: ...
    def deliver(self, frame: bytes) -> None: ...


class Burst:
    """Messages for one ``audience`` (users' ids; None stands for everyone), in the order of the log."""

    def __init__(self, audience: tuple[int, ...] | None) -> None:
        self.audience = audience
        self._messages: list[Logged] = []
        self._frames: dict[Dialect, list[bytes]] = {}
        self._authors: set[Listener] = set()

    def add(self, message: Logged, author: Listener) -> None:
        """Append a message; every author so far has all of the burst that is not their own, up to it."""
        if author not in self._authors:
            for frame in self._encoded(author.dialect):
                author.deliver(frame)
            self._authors.add(author)
        self._messages.append(message)
        for other in self._authors:
            if other is not author:
                other.deliver(self._encoded(other.dialect)[-1])

    def end(self, listeners: Iterable[Listener]) -> None:
        """Tell everyone else; ``listeners`` are the sessions of the audience."""
        joined: dict[Dialect, tuple[bytes, ...]] = {}
        for listener in listeners:
            if listener in self._authors:
                continue
            dialect = listener.dialect
            frames = joined.get(dialect)
            if frames is None:
                encoded = self._encoded(dialect)
                # Who is written to at a pace gets frame by frame.
                frames = joined[dialect] = tuple(encoded) if dialect.pace else (b"".join(encoded),)
            for frame in frames:
                listener.deliver(frame)

    def _encoded(self, dialect: Dialect) -> list[bytes]:
        """The frames of all messages so far, each encoded once."""
        frames = self._frames.setdefault(dialect, [])
        frames += map(dialect.told, self._messages[len(frames) :])
        return frames
