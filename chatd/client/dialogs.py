"""The dialogs of the full-screen client: they ask for the nick, for its password, and for the room to
join.
"""

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

from chatd.client.codec import LOBBY
from chatd.client.keys import LineInput
from chatd.client.language import _
from chatd.client.render import conversation_label, member_count_text, sanitize_to_one_line
from chatd.core.language import N_
from chatd.json_wire.objects import Group


class DialogOptionList(OptionList):
    """An option list that ignores the page keys if a very small screen leaves no height for the list.

    Textual's own `OptionList` raises an exception in this case.
    """

    def action_page_up(self) -> None:
        """Move the highlight up by the visible height of the list."""
        if self.scrollable_content_region:
            super().action_page_up()

    def action_page_down(self) -> None:
        """Move the highlight down by the visible height of the list."""
        if self.scrollable_content_region:
            super().action_page_down()


Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A dialog in front of the chat. It returns one result to the screen when it closes.

    `keys_help` says in its frame, in English, which keys close it.
    """

    keys_help: ClassVar[str]

    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        & > Vertical {
            width: 60;
            max-width: 100%;
            height: auto;
            max-height: 100%;
            border: round $accent;
            border-subtitle-color: $foreground;
            border-subtitle-background: $surface;
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
        &.-low LineInput {
            dock: bottom;
        }
        &.-flat Label {
            display: none;
        }
    }
    """

    def on_mount(self) -> None:
        """Show the keys in the frame of the dialog."""
        self.query_one(Vertical).border_subtitle = Content(_(self.keys_help))

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close the dialog with ``result``.

        Do nothing if the dialog is already closed, because two presses of Enter may be handled at once.
        """
        return super().dismiss(result) if self.is_current else AwaitComplete.nothing()


class NickDialog(Dialog[str]):
    """A dialog that asks for a nick to log in with at the server ``address``. The result is the nick.

    ``nick`` is the suggested nick. ``why`` says why the server refused the last nick; ``why`` is empty at
    first.
    """

    keys_help = N_("F1 help  Ctrl-C leave")

    def __init__(self, address: str, nick: str = "", why: str = "") -> None:
        super().__init__()
        self._address = address
        self._nick = nick
        self._why = why

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog, from top to bottom."""
        with Vertical():
            yield Label(
                _("Who are you? The daemon is at {address}.").format(address=self._address),
                id="question",
                markup=False,
            )
            if self._why:
                yield Label(sanitize_to_one_line(self._why), id="why", markup=False)
            yield LineInput(self._nick, placeholder=_("nick"), compact=True)

    @on(Input.Submitted)
    def submit_nick(self, event: Input.Submitted) -> None:
        """Close the dialog with the nick that was entered. Do nothing if the input is blank."""
        if event.value.strip():
            self.dismiss(event.value.strip())


class PasswordDialog(Dialog[str]):
    """A dialog that asks for the password of a registered nick. The result is the password.

    ``why`` says why the server refused the login. After Escape the result is an empty text.
    """

    keys_help = N_("Esc another nick  F1 help  Ctrl-C leave")

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", priority=True)]

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog, from top to bottom."""
        with Vertical():
            yield Label(sanitize_to_one_line(self._why), id="why", markup=False)
            yield LineInput(placeholder=_("password"), password=True, compact=True)

    @on(Input.Submitted)
    def submit_password(self, event: Input.Submitted) -> None:
        """Close the dialog with the password that was entered. Do nothing if the input is blank."""
        if event.value.strip():
            self.dismiss(event.value)


class RoomsDialog(Dialog[str | None]):
    """A dialog that lists the lobby and ``groups``.

    The result is a command line that enters the chosen room.

    The result is ``/join GROUP``, or ``/create GROUP`` for a new group. It is None for the lobby. After
    Escape the result is an empty text, and the user stays in the current conversation.
    """

    keys_help = N_("Esc back to the chat  F1 help")

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", priority=True)]

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog, from top to bottom."""
        with Vertical():
            yield Label(
                _("Join a room, or name a new one. Tab goes from one to the other."),
                id="question",
                markup=False,
            )
            yield DialogOptionList(
                Option(Content(conversation_label(LOBBY))),
                *(Option(Content(_described(group))) for group in self._groups),
            )
            yield LineInput(placeholder=_("new room: NAME, or NAME private"), compact=True)

    @on(OptionList.OptionSelected)
    def join_chosen_room(self, event: OptionList.OptionSelected) -> None:
        """Close the dialog with the command that joins the chosen room as its result.

        For the lobby, which every user is in, the result is None.
        """
        if event.option_index:
            self.dismiss(f"/join {self._groups[event.option_index - 1].group}")
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def create_named_room(self, event: Input.Submitted) -> None:
        """Close the dialog with the command that creates the group whose name was entered.

        ``private`` behind the name makes the group private. Do nothing if the input is blank.
        """
        if event.value.strip():
            self.dismiss(f"/create {event.value.strip()}")


def _described(group: Group) -> str:
    """Return the line for ``group`` in the room list, such as ``wob  2, private, invited: the weather``."""
    private = _("private") if group.visibility == "private" else ""
    remarks = filter(None, (member_count_text(group), private, _(group.role) if group.role else ""))
    return sanitize_to_one_line(
        f"{group.group}  {', '.join(remarks)}" + (f": {group.topic}" if group.topic else "")
    )
