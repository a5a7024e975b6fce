"""The file in which the client keeps unsent messages, so that they are sent by its next run."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from chatd.client.codec import ConversationKind
from chatd.files import make_private_folder, open_private

OUTBOX_SUFFIX: Final = ".outbox"

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""The most bytes that are read of a file that an earlier run has left."""

SentKind = Literal["message", "image"]
"""The kinds of messages that people send. An action is a message whose text begins with ``/me``."""


class UnsentMessage(msgspec.Struct, frozen=True):
    """A message that the server has not acknowledged.

    ``ref`` is the client's id of the message; the server stores a message once however often it is sent under
    the same ref. ``conversation`` and ``name`` are the two parts of the `ConversationRef` that the message
    goes to. ``text`` and ``kind`` are those of the message, and ``at`` is the time at which it was written,
    in seconds since 1970. ``reply_to`` is the id of the message that this one answers, or 0. ``failure`` says
    why the server refused the message, and is empty for a message that waits.
    """

    ref: str
    conversation: ConversationKind
    name: str
    text: str
    kind: SentKind
    at: float
    failure: str = ""
    reply_to: int = 0


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the file: a message that was added or has changed, or the ref of one that is settled."""

    message: UnsentMessage | None = None
    settled: str = ""


class OutboxFile:
    """The file in which one running client keeps its unsent messages.

    Each change is appended as a line of JSON.

    The file is in ``folder``; its name is ``stem`` with a random part. A lock keeps other clients of the same
    user from taking over the file while this client runs. The file is readable only by its owner, and is
    created for the first unsent message. Methods raise `OSError` if the file can't be read or written.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.path = folder / f"{stem}.{secrets.token_hex(8)}{OUTBOX_SUFFIX}"
        self._stem = stem
        self._descriptor: int | None = None
        self._kept: set[str] = set()

    def keep(self, message: UnsentMessage) -> None:
        """Add ``message`` to the file, or replace the message with the same ref."""
        self._append(_Line(message=message))
        self._kept.add(message.ref)

    def settle(self, ref: str) -> None:
        """Remove the message with the ref ``ref``, if the file has it.

        Empty the file if no message is left.
        """
        if ref not in self._kept:
            return
        self._kept.discard(ref)
        if self._kept:
            self._append(_Line(settled=ref))
        elif self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)

    def take_over(self) -> list[UnsentMessage]:
        """Move the unsent messages of earlier runs of the client to this file, and return them, the oldest
        first.

        The files of clients that are still running are left alone.
        """
        found: dict[str, UnsentMessage] = {}
        for path in sorted(self.path.parent.glob(f"{self._stem}.*{OUTBOX_SUFFIX}")):
            if path == self.path or (descriptor := _lock(path)) is None:
                continue
            try:
                messages = {message.ref: message for message in _read(descriptor)}
                for message in messages.values():
                    self.keep(message)
                found |= messages
                path.unlink()
            finally:
                os.close(descriptor)
        return sorted(found.values(), key=lambda message: message.at)

    def close(self) -> None:
        """Close the file. Delete the file if it has no messages."""
        if self._descriptor is not None:
            if not self._kept:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, line: _Line) -> None:
        if self._descriptor is None:
            make_private_folder(self.path.parent)
            self._descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        data = msgspec.json.encode(line) + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]


def _lock(path: Path) -> int | None:
    """Open and lock the file at ``path``. Return None if a running client has it, or has taken it over."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path), os.fstat(descriptor)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _read(descriptor: int) -> Iterator[UnsentMessage]:
    """Yield the messages in the file. Skip lines that are damaged, as the last one after a full disk."""
    messages: dict[str, UnsentMessage] = {}
    for data in os.pread(descriptor, MAX_FILE_BYTES, 0).split(b"\n"):
        try:
            line = msgspec.json.decode(data, type=_Line)
        except msgspec.MsgspecError:
            continue
        messages.pop(line.settled, None)
        if line.message is not None:
            messages[line.message.ref] = line.message
    yield from messages.values()
