"""The lists beside the conversation on the screen: all conversations, and the users in the current one."""

from __future__ import annotations

from typing import Final

from textual import on
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from chatd.client.codec import ConversationRef
from chatd.client.language import _
from chatd.client.memory import Conversation, Memory
from chatd.client.outbox import Outbox
from chatd.client.render import conversation_label, sanitize_to_one_line
from chatd.client.scrollback import readable_shade
from chatd.json_wire.objects import Member

ROLE_MARKS: Final = {"owner": " ★", "operator": " +"}


def conversation_name(conversation: Conversation) -> str:
    """Return the name of ``conversation`` for a list, with a remark if the user is only invited to it."""
    name = sanitize_to_one_line(conversation_label(conversation.place))
    return _("{group} invited").format(group=name) if conversation.is_invitation else name


class ConversationOption(Option):
    """A line in a list on the screen.

    When the user chooses the line, the client opens the conversation ``place``.
    """

    def __init__(self, place: ConversationRef, line: Content) -> None:
        super().__init__(line)
        self.place = place


class NameList(OptionList):
    """A list of names on the screen.

    When the user chooses a name, the client opens the conversation of that name.
    """

    DEFAULT_CSS = """
    NameList, NameList:focus {
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
        """A Textual message: the user has chosen the conversation ``place`` in a list."""

        def __init__(self, place: ConversationRef) -> None:
            super().__init__()
            self.place = place

    def __init__(self, memory: Memory, id: str) -> None:
        super().__init__(id=id)
        self._memory = memory
        self._shown: list[tuple[ConversationRef, Content]] = []

    def fill(self, lines: list[tuple[ConversationRef, Content]]) -> None:
        """Replace the lines of the list if they have changed. The same conversation stays highlighted."""
        if _drawn(lines) == _drawn(self._shown):
            return
        at = self.highlighted
        chosen = self._shown[at][0] if at is not None else None
        self._shown = lines
        self.clear_options()
        self.add_options(ConversationOption(place, line) for place, line in lines)
        self.highlighted = next((at for at, (place, _) in enumerate(lines) if place == chosen), None)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        assert isinstance(event.option, ConversationOption)
        self.post_message(self.Chosen(event.option.place))


class ConversationList(NameList):
    """The list of the user's conversations on the screen, with the number of unread messages of each.

    A pencil marks a conversation with a draft. ``!`` marks a conversation with a refused message in
    ``outbox``.
    """

    def __init__(self, memory: Memory, outbox: Outbox, id: str) -> None:
        super().__init__(memory, id)
        self._outbox = outbox

    def draw(self) -> None:
        """Redraw the list of conversations.

        Highlight the current one, unless the list has the keyboard focus.
        """
        places = self._memory.listed_conversations()
        self.fill([(one.place, self._line(one)) for one in places])
        if not self.has_focus:
            self.highlighted = places.index(self._memory.shown_conversation)

    def _line(self, conversation: Conversation) -> Content:
        name = conversation_name(conversation)
        if conversation.place.key in self._memory.drafts:
            name += " \N{LOWER RIGHT PENCIL}"
        if any(message.failure for message in self._outbox.messages_for(conversation.place)):
            name += " !"
        if not conversation.has_news:
            return Content(name)
        label = conversation.unread_label
        if self._memory.settings.is_muted(conversation.place):
            return Content.styled(f"{name} {label}", "$text-muted")
        is_personal = conversation.unread_personal_count > 0
        if self.app.no_color:
            style = "bold underline" if is_personal else "bold"
        else:
            # A variable in a style would keep its value when the theme changes.
            colour = self.app.theme_variables["warning" if is_personal else "primary"]
            style = f"bold {readable_shade(colour, self.background_colors[1])}"
        return Content.assemble((name, "bold"), " ", (label, style))


class MemberList(NameList):
    """The list of the users in the current conversation, which shows who is online.

    Choosing a user opens the direct conversation with that user. On a narrow screen the list is shown while
    it has the class ``-open``, which it loses with the keyboard focus.
    """

    def on_blur(self) -> None:
        """Hide the list again where there is no room for it."""
        self.remove_class("-open")

    def draw(self) -> None:
        """Redraw the list of the users in the current conversation."""
        self.fill(
            [
                (ConversationRef("direct", member.name), self._line(member))
                for member in self._memory.participants()
            ]
        )

    def _line(self, member: Member) -> Content:
        # Without colours, the greys that stand for them would have less contrast.
        colour = None if self.app.no_color else self._memory.colours.get(member.name)
        name = sanitize_to_one_line(member.name)
        return Content.assemble(
            "● " if member.online else "○ ",
            (name, readable_shade(colour, self.background_colors[1])) if colour else name,
            ROLE_MARKS.get(member.role, ""),
        )


def _drawn(lines: list[tuple[ConversationRef, Content]]) -> list[tuple[ConversationRef, str]]:
    """Return the lines as markup, to compare them with their colours, which `Content` does not compare."""
    return [(place, line.markup) for place, line in lines]
