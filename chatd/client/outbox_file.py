"""The file in which the client keeps what is not sent, for its next run: unsent messages and drafts."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final, Literal

import msgspec

from chatd.client.codec import ConversationKind
from chatd.files import make_private_folder, open_private

OUTBOX_SUFFIX: Final = ".outbox"

MAX_OUTBOX_FILE_BYTES: Final = 16 * 1024 * 1024
"""The most bytes that are read of a file that an earlier run has left."""

MAX_SETTLED_BYTES: Final = 1024 * 1024
"""The size from which the file is written anew when it has no unsent message but drafts."""

UnsentKind = Literal["message", "image", "command"]
"""The kinds of what people send: messages, images, and commands that change a message. An action is a message
whose text begins with ``/me``.
"""


class UnsentMessage(msgspec.Struct, frozen=True):
    """A message, or a command that changes a message, that the server has not acknowledged.

    ``ref`` is the client's id of the message; the server stores a message once however often it is sent under
    the same ref. ``conversation`` and ``name`` are the two parts of the `ConversationRef` that the message
    goes to. ``text`` and ``kind`` are those of the message; the text of a command is the typed line. ``at``
    is the time at which it was written, in seconds since 1970. ``reply_to`` is the id of the message that
    this one answers, or 0. ``failure`` says why the server refused the message, and is empty for a message
    that waits. ``is_sent`` is true for a command that was written to a connection: the server may have
    carried it out, so it must not be sent again.
    """

    ref: str
    conversation: ConversationKind
    name: str
    text: str
    kind: UnsentKind
    at: float
    failure: str = ""
    reply_to: int = 0
    is_sent: bool = False


class Draft(msgspec.Struct, frozen=True):
    """An unfinished input of the user.

    ``conversation`` and ``name`` are the parts of its `ConversationRef`.
    """

    conversation: ConversationKind
    name: str
    text: str


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the file: a message that was added or has changed, the ref of one that is settled, or the
    draft of a conversation, which is empty if it has none any more.
    """

    message: UnsentMessage | None = None
    settled: str = ""
    draft: Draft | None = None


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
        self._drafts: dict[tuple[str, str], Draft] = {}

    def store_message(self, message: UnsentMessage) -> None:
        """Add ``message`` to the file, or replace the message with the same ref."""
        self._append(_Line(message=message))
        self._kept.add(message.ref)

    def remove_message(self, ref: str) -> None:
        """Remove the message with the ref ``ref``, if the file has it.

        Empty the file if no message is left.
        """
        if ref not in self._kept:
            return
        self._kept.discard(ref)
        assert self._descriptor is not None  # something is kept
        small = os.fstat(self._descriptor).st_size < MAX_SETTLED_BYTES
        if self._kept or (self._drafts and small):
            self._append(_Line(settled=ref))
            return
        os.ftruncate(self._descriptor, 0)
        for draft in self._drafts.values():
            self._append(_Line(draft=draft))

    def store_draft(self, draft: Draft) -> None:
        """Keep ``draft`` in the file instead of the earlier draft of its conversation.

        An empty text removes it.
        """
        key = draft.conversation, draft.name
        if draft.text == (self._drafts[key].text if key in self._drafts else ""):
            return
        if draft.text:
            self._drafts[key] = draft
        else:
            del self._drafts[key]
        self._append(_Line(draft=draft))

    @property
    def drafts(self) -> list[Draft]:
        """The drafts in the file, at most one for each conversation."""
        return list(self._drafts.values())

    def take_over_earlier_messages(self) -> list[UnsentMessage]:
        """Move the unsent messages of earlier runs of the client to this file, and return them, the oldest
        first.

        Their drafts are moved, too. If several runs have left a draft of the same conversation, the texts are
        joined. The files of clients that are still running are left alone.
        """
        found: dict[str, UnsentMessage] = {}
        for path in sorted(self.path.parent.glob(f"{self._stem}.*{OUTBOX_SUFFIX}")):
            if path == self.path or (descriptor := _lock(path)) is None:
                continue
            try:
                messages, drafts = _read(descriptor)
                for message in messages.values():
                    self.store_message(message)
                for key, draft in drafts.items():
                    known = self._drafts.get(key)
                    text = draft.text if known is None else f"{known.text}\n{draft.text}"
                    self.store_draft(msgspec.structs.replace(draft, text=text))
                found |= messages
                path.unlink()
            finally:
                os.close(descriptor)
        return sorted(found.values(), key=lambda message: message.at)

    def close(self) -> None:
        """Close the file. Delete the file if it has no messages."""
        if self._descriptor is not None:
            if not (self._kept or self._drafts):
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


def _read(descriptor: int) -> tuple[dict[str, UnsentMessage], dict[tuple[str, str], Draft]]:
    """Return the messages in the file by their refs, and the drafts by their conversations.

    Skip lines that are damaged, as the last one after a full disk.
    """
    messages: dict[str, UnsentMessage] = {}
    drafts: dict[tuple[str, str], Draft] = {}
    for data in os.pread(descriptor, MAX_OUTBOX_FILE_BYTES, 0).split(b"\n"):
        try:
            line = msgspec.json.decode(data, type=_Line)
        except msgspec.MsgspecError:
            continue
        messages.pop(line.settled, None)
        if line.message is not None:
            messages[line.message.ref] = line.message
        if line.draft is not None:
            drafts[line.draft.conversation, line.draft.name] = line.draft
    return messages, {key: draft for key, draft in drafts.items() if draft.text}
