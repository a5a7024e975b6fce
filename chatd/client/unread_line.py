"""The line that says on a narrow screen, which hides the list of conversations, what is unread."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from chatd.client.language import _
from chatd.client.lists import conversation_name
from chatd.client.memory import Memory
from chatd.client.unread_navigation import unread_rank


class UnreadLine(Static):
    """A line of the screen that lists the conversations with unread messages, in the order in which F6 visits
    them.
    """

    def __init__(self, memory: Memory) -> None:
        super().__init__(id="unread", markup=False)
        self._memory = memory

    def draw(self) -> None:
        """Redraw the line. It is empty if no other conversation has unread messages."""
        memory = self._memory
        here = memory.here.key
        unread = [one for one in memory.conversations.values() if one.has_news and one.place.key != here]
        unread.sort(key=lambda one: (unread_rank(memory, one), -one.unread_count))
        self.set_class(bool(unread), "-shown")
        names = [f"{conversation_name(one)} {one.unread_label}".strip() for one in unread]
        self.update(Content(_("unread: {places}").format(places="  ".join(names))))
