"""What is asked before one is in the chat, and in it: who one is, and which room to go into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from chatd.client.codec import LOBBY, Group
from chatd.client.keys import Line
from chatd.client.language import _
from chatd.client.render import counted, note, where


class Choice(OptionList):
    """A list to choose from, whatever room there is; Textual's turns pages only of what it can draw."""

    def action_page_up(self) -> None:
        """Move up by as much as can be seen."""
        if self.scrollable_content_region:
            super().action_page_up()

    def action_page_down(self) -> None:
        """Move down by as much as can be seen."""
        if self.scrollable_content_region:
            super().action_page_down()


Answer = TypeVar("Answer")


class Question(ModalScreen[Answer]):
    """A question in front of the chat, which is answered once."""

    DEFAULT_CSS = """
    Question {
        align: center middle;
        & > Vertical {
            width: 60;
            max-width: 100%;
            height: auto;
            max-height: 100%;
            border: round $accent;
            padding: 0 1;
            background: $surface;
        }
        Label {
            width: 100%;
            color: $text-muted;
        }
        OptionList, OptionList:focus {
            height: auto;
            max-height: 12;
            border: none;
            padding: 0;
            margin: 1 0;
            background: $surface;
        }
        #why {
            color: $text-error;
        }
        &.-low, &.-flat {
            & > Vertical {
                height: 100%;
                border: none;
                overflow-y: auto;
                scrollbar-size-vertical: 0;
            }
            OptionList, OptionList:focus {
                height: 1fr;
                min-height: 1;
                margin: 0;
            }
            #question {
                height: 1;
            }
        }
        &.-low Line {
            dock: bottom;
        }
        &.-flat Label {
            display: none;
        }
    }
    """

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Take ``result`` for the answer, unless there was one: Enter may come twice at once."""
        return super().dismiss(result) if self.is_current else AwaitComplete.nothing()


class ConnectDialog(Question[str]):
    """Asks for a nick; the answer is that nick. ``why`` says what was wrong with the last one."""

    def __init__(self, address: str, nick: str = "", why: str = "") -> None:
        super().__init__()
        self._address = address
        self._nick = nick
        self._why = why

    def compose(self) -> ComposeResult:
        """See `Screen.compose`."""
        with Vertical():
            yield Label(
                _("Who are you? The daemon is at {address}.").format(address=self._address),
                id="question",
                markup=False,
            )
            if self._why:
                yield Label(note(self._why), id="why", markup=False)
            yield Line(self._nick, placeholder=_("nick"), compact=True)

    @on(Input.Submitted)
    def answered(self, event: Input.Submitted) -> None:
        """Go in, with a nick."""
        if event.value.strip():
            self.dismiss(event.value.strip())


class Rooms(Question[str | None]):
    """Lists the rooms; the answer is what one could have typed to go into one, or nothing for the lobby.

    Escape stays where one is, which is an empty text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", priority=True)]

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """See `Screen.compose`."""
        with Vertical():
            yield Label(
                _("Join a room, or name a new one. Tab goes from one to the other."),
                id="question",
                markup=False,
            )
            yield Choice(
                Option(Content(where(LOBBY))), *(Option(Content(_described(group))) for group in self._groups)
            )
            yield Line(placeholder=_("new room: NAME, or NAME private"), compact=True)

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Go there."""
        if event.option_index:
            self.dismiss(f"/join {self._groups[event.option_index - 1].group}")
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def named(self, event: Input.Submitted) -> None:
        """Create it."""
        if event.value.strip():
            self.dismiss(f"/create {event.value.strip()}")


def _described(group: Group) -> str:
    """``wob  2, private, invited: the weather``"""
    private = _("private") if group.visibility == "private" else ""
    remarks = filter(None, (counted(group), private, _(group.role) if group.role else ""))
    return note(f"{group.group}  {', '.join(remarks)}" + (f": {group.topic}" if group.topic else ""))
