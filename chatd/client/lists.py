"""The lists beside a conversation: which others there are, and who is in it."""

from __future__ import annotations

from typing import Final

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from chatd.client.codec import Member, Place
from chatd.client.memory import Conversation, Memory
from chatd.client.render import note, where
from chatd.client.scrollback import readable

MARKS: Final = {"owner": " ★", "operator": " +"}


class PlaceOption(Option):
    """A line that stands for ``place``."""

    def __init__(self, place: Place, line: Content) -> None:
        super().__init__(line)
        self.place = place


class PlaceList(OptionList):
    """A list of which each line stands for a place to go to."""

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

    FOCUS_ON_CLICK = False  # or what is typed after a click beside the lines would be for nobody

    class Chosen(Message):
        """Go to ``place``."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    def __init__(self, memory: Memory, id: str) -> None:
        super().__init__(id=id)
        self._memory = memory
        self._shown: list[tuple[Place, Content]] = []

    def fill(self, lines: list[tuple[Place, Content]]) -> None:
        """Show these, unless they are there already."""
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


class Places(PlaceList):
    """The conversations, with how much in each is unread."""

    def draw(self) -> None:
        """Show them as they are now."""
        places = self._memory.places()
        self.fill([(one.place, self._line(one)) for one in places])
        if not self.has_focus:
            self.highlighted = places.index(self._memory.shown)

    def _line(self, conversation: Conversation) -> Content:
        name = note(where(conversation.place))
        unread = conversation.unread
        return Content.styled(f"{name} {unread}", "bold") if unread else Content(name)


class People(PlaceList):
    """Who is in the conversation, and whether they are connected; to choose one is to talk to them alone."""

    def draw(self) -> None:
        """Show them as they are now."""
        self.fill([(Place("direct", member.name), self._line(member)) for member in self._memory.people()])

    def _line(self, member: Member) -> Content:
        colour = self._memory.colours.get(member.name)
        name = note(member.name)
        return Content.assemble(
            "● " if member.online else "○ ",
            (name, readable(colour, self.background_colors[1])) if colour else name,
            MARKS.get(member.role, ""),
        )


def _drawn(lines: list[tuple[Place, Content]]) -> list[tuple[Place, str]]:
    """What `Content` alone does not compare: its colours."""
    return [(place, line.markup) for place, line in lines]
