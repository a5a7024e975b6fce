"""The entries of a conversation as the screen shows them, with the line "new messages" among them."""

from __future__ import annotations

from collections.abc import Iterator

from chatd.client.language import _
from chatd.client.memory import Conversation, ScreenEntry


class NewMessagesLine:
    """The line in front of the first new message of the conversation on the screen.

    `entry` is the same object as long as the line stays in its place, so that the screen can find it again.
    """

    def __init__(self) -> None:
        self._place: tuple[Conversation, int] | None = None
        self.entry: ScreenEntry | None = None

    def shown_entries(self, conversation: Conversation) -> Iterator[ScreenEntry]:
        """Yield the entries in memory of ``conversation``, and the line where its new messages begin.

        There is no line if nothing is new, or if its place is before the first entry in memory.
        """
        entries = conversation.entries
        first_new = self._index(conversation)
        if first_new is None:
            self.entry = None
            yield from entries
            return
        after = conversation.read.new_after
        assert after is not None  # there is an index
        if self.entry is None or self._place != (conversation, after):
            self._place = conversation, after
            self.entry = ScreenEntry(entries[first_new].at, _("new messages"), "new")
        yield from entries[:first_new]
        yield self.entry
        yield from entries[first_new:]

    def _index(self, conversation: Conversation) -> int | None:
        """Return the index of the first new message in memory, or None if there is no line."""
        after = conversation.read.new_after
        if after is None:
            return None
        index = next((at for at, entry in enumerate(conversation.entries) if entry.id > after), None)
        if index is None or (conversation.has_older and not any(e.id for e in conversation.entries[:index])):
            return None
        return index
