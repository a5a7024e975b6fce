"""The line that says on a narrow screen, which hides the list of conversations, what is unread."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from chatd.client.language import _
from chatd.client.memory import Memory
from chatd.client.render import conversation_label, one_line


class UnreadLine(Static):
    """One line with the conversations that have unread messages, direct ones first, and their numbers."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(id="unread", markup=False)
        self._memory = memory

    def draw(self) -> None:
        """Show what is unread elsewhere, or nothing if all is read."""
        here = self._memory.here.key
        unread = [one for one in self._memory.conversations.values() if one.unread and one.place.key != here]
        unread.sort(key=lambda one: (one.place.kind != "direct", -one.unread))
        self.set_class(bool(unread), "-shown")
        names = [f"{one_line(conversation_label(one.place))} {one.unread}" for one in unread]
        self.update(Content(_("unread: {places}").format(places="  ".join(names))))
