"""The entries of a conversation as the screen shows them, with unsent messages and a line before new ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from chatd.client.language import _
from chatd.client.memory import Conversation, Memory, ScreenEntry
from chatd.client.outbox import Outbox
from chatd.client.outbox_file import UnsentMessage
from chatd.client.render import sanitize, sanitize_to_one_line


class ShownEntries:
    """Combines a conversation's log entries in memory with the screen's own: unsent messages, "new messages".

    The screen's own entries keep their identity while they don't change, so that the screen can find them
    again. `new_line` is the entry for the line "new messages", or None if it is not shown. `has_unsent` says
    whether the last result of `entries_for` has unsent messages. `is_connected` says whether there is a
    connection; without one, all unsent messages are shown.
    """

    def __init__(self, memory: Memory, outbox: Outbox) -> None:
        self.is_connected = False
        self.new_line: ScreenEntry | None = None
        self.has_unsent = False
        self._memory = memory
        self._outbox = outbox
        self._line_place: tuple[Conversation, int] | None = None
        self._unsent: dict[UnsentMessage, ScreenEntry] = {}

    def entries_for(self, conversation: Conversation) -> Sequence[ScreenEntry]:
        """Return the entries that the screen shows for ``conversation``.

        Unsent messages are added behind the last entry, if the end of the conversation is in memory.
        """
        shown = self._with_new_line(conversation)
        unsent = self._outbox.shown_in(conversation.place, self.is_connected)
        if conversation.has_newer:
            unsent = []
        self.has_unsent = bool(unsent)
        self._unsent = {message: self._unsent.get(message) or self._entry(message) for message in unsent}
        return [*shown, *self._unsent.values()] if unsent else shown

    def _entry(self, message: UnsentMessage) -> ScreenEntry:
        """Return the entry that shows an unsent message and its state."""
        if message.failure and message.kind == "command":
            state = _("{why}; /retry or /withdraw").format(why=sanitize_to_one_line(message.failure))
        elif message.failure:
            state = _("not sent: {why}; /retry or /withdraw").format(
                why=sanitize_to_one_line(message.failure)
            )
        else:
            state = _("waiting")
        text = _("a picture") if message.kind == "image" else sanitize(message.text)
        at = datetime.fromtimestamp(message.at, UTC)
        return ScreenEntry(
            at,
            f"{text} ({state})",
            "failed" if message.failure else "pending",
            self._memory.nick,
            reply_to_id=message.reply_to,
        )

    def _with_new_line(self, conversation: Conversation) -> list[ScreenEntry]:
        entries = conversation.entries
        first_new = _first_new_index(conversation)
        if first_new is None:
            self.new_line = None
            return entries
        after = conversation.read.new_after
        assert after is not None  # there is an index
        if self.new_line is None or self._line_place != (conversation, after):
            self._line_place = conversation, after
            self.new_line = ScreenEntry(entries[first_new].time, _("new messages"), "new")
        return [*entries[:first_new], self.new_line, *entries[first_new:]]


def _first_new_index(conversation: Conversation) -> int | None:
    """Return the index of the first new message in memory.

    Return None if nothing is new, or if the first new message is before the first entry in memory.
    """
    after = conversation.read.new_after
    if after is None:
        return None
    entries = conversation.entries
    index = next((at for at, entry in enumerate(entries) if entry.log_id > after), None)
    if index is None or (conversation.has_older and not any(entry.log_id for entry in entries[:index])):
        return None
    return index
