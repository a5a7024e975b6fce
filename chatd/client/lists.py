"""The lists beside a conversation: the other conversations, and the users in this one."""

from __future__ import annotations

from typing import Final

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from chatd.client.codec import Place
from chatd.client.memory import Conversation, Memory
from chatd.client.render import one_line, place_label
from chatd.client.scrollback import readable_shade
from chatd.json_wire.objects import Member

ROLE_MARKS: Final = {"owner": " ★", "operator": " +"}


class PlaceOption(Option):
    """A line of the list, which leads to ``place``."""

    def __init__(self, place: Place, line: Content) -> None:
        super().__init__(line)
        self.place = place


class PlaceList(OptionList):
    """A list whose lines lead to places."""

    DEFAULT_CSS = """
    PlaceList, PlaceList:focus {
        width: 17;
        height: 100%;
        border: none;
        padding: 0 1;
        background: $surface;
        scrollbar-size-vertical: 1;
    }
    """

    FOCUS_ON_CLICK = False  # a click beside the lines would otherwise take the focus from the input box

    class Chosen(Message):
        """The user chose ``place``."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    def __init__(self, memory: Memory, id: str) -> None:
        super().__init__(id=id)
        self._memory = memory
        self._shown: list[tuple[Place, Content]] = []

    def fill(self, lines: list[tuple[Place, Content]]) -> None:
        """Replace the lines, if they differ."""
        if _drawn(lines) == _drawn(self._shown):
            return
        at = self.highlighted
        chosen = self._shown[at][0] if at is not None else None
        self._shown = lines
        self.clear_options()
        self.add_options(PlaceOption(place, line) for place, line in lines)
        self.highlighted = next((at for at, (place, _) in enumerate(lines) if place == chosen), None)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        assert isinstance(event.option, PlaceOption)
        self.post_message(self.Chosen(event.option.place))


class ConversationList(PlaceList):
    """The conversations, each with its count of unread messages."""

    def draw(self) -> None:
        """Draw the list from the memory."""
        places = self._memory.places()
        self.fill([(one.place, self._line(one)) for one in places])
        if not self.has_focus:
            self.highlighted = places.index(self._memory.shown)

    def _line(self, conversation: Conversation) -> Content:
        name = one_line(place_label(conversation.place))
        unread = conversation.unread
        return Content.styled(f"{name} {unread}", "bold") if unread else Content(name)


class PeopleList(PlaceList):
    """The users in the conversation and their presence; choosing one opens a direct conversation."""

    def draw(self) -> None:
        """Draw the list from the memory."""
        self.fill([(Place("direct", member.name), self._line(member)) for member in self._memory.people()])

    def _line(self, member: Member) -> Content:
        colour = self._memory.colours.get(member.name)
        name = one_line(member.name)
        return Content.assemble(
            "● " if member.online else "○ ",
            (name, readable_shade(colour, self.background_colors[1])) if colour else name,
            ROLE_MARKS.get(member.role, ""),
        )


def _drawn(lines: list[tuple[Place, Content]]) -> list[tuple[Place, str]]:
    """The lines with their colours, which `Content` does not compare."""
    return [(place, line.markup) for place, line in lines]
