"""The switcher of the full-screen client: it finds a conversation, a user or a command by a few letters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar, Final

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input
from textual.widgets.option_list import Option

from chatd.client.client_command_table import CLIENT_COMMANDS
from chatd.client.codec import ConversationRef
from chatd.client.dialogs import Dialog, DialogOptionList
from chatd.client.implied_group import slash_usage_in_conversation
from chatd.client.keys import LineInput
from chatd.client.language import _
from chatd.client.memory import Memory
from chatd.client.render import conversation_label, sanitize_to_one_line
from chatd.client.typed_lines import SLASH_ALIASES
from chatd.client.unread_navigation import unread_rank
from chatd.core.commands import COMMANDS, Identify
from chatd.core.language import N_
from chatd.core.typed_commands import COMMANDS_BY_SLASH_WORD

MAX_SHOWN_SWITCH_TARGETS: Final = 50
"""The maximum number of lines that the switcher shows."""


class SwitchTarget(msgspec.Struct, frozen=True):
    """An entry of the switcher, the dialog in which a user finds conversations and commands by a few letters.

    A target with a ``place`` opens that conversation. A target without one has ``typed_line``, which is a
    whole line that is carried out (``is_complete_line``), or the beginning of a command that is put into the
    input box. ``name`` is the text that is searched, and ``remark`` is shown behind it.
    """

    name: str
    remark: str = ""
    place: ConversationRef | None = None
    typed_line: str = ""
    is_complete_line: bool = False


def match_rank(sought: str, name: str) -> tuple[int, int, int] | None:
    """Return how well ``name`` matches the typed letters ``sought``: the smaller, the better.

    None is no match.

    The best match is a name that begins with the letters, followed by a name with a word that begins with
    them, a name that contains them, and a name that has them in the same order with other letters between.
    The time is linear in the length of the name, because other users choose the names.
    """
    sought, name = sought.casefold(), name.casefold()
    at = name.find(sought)
    if at >= 0:
        begins_word = not name[at - 1 : at].isalnum()
        return (0 if at == 0 else 1 if begins_word else 2), at, len(name)
    first = at = name.find(sought[0])
    for letter in sought[1:]:
        if at < 0:
            break
        at = name.find(letter, at + 1)
    return None if at < 0 else (3, at - first, len(name))


def matching_switch_targets(sought: str, targets: Iterable[SwitchTarget]) -> list[SwitchTarget]:
    """Return at most `MAX_TARGETS` of ``targets`` that match the typed letters ``sought``, the best first.

    Equally good matches keep their order. If ``sought`` is empty, return the first targets.
    """
    sought = sought.strip()
    if not sought:
        return list(targets)[:MAX_SHOWN_SWITCH_TARGETS]
    ranked = [(rank, one) for one in targets if (rank := match_rank(sought, one.name)) is not None]
    ranked.sort(key=lambda pair: pair[0])
    return [one for _rank, one in ranked[:MAX_SHOWN_SWITCH_TARGETS]]


def all_switch_targets(memory: Memory) -> list[SwitchTarget]:
    """Return all entries of the switcher.

    The user's conversations come first, in the order of `unread_rank`, followed by other users, other groups
    and commands.
    """
    listed = sorted(memory.listed_conversations(), key=partial(unread_rank, memory))
    known = memory.known_names()
    conversations = {one.place.key for one in listed}
    places = [
        SwitchTarget(
            conversation_label(one.place),
            _("{count} unread").format(count=one.unread_label) if one.unread_count else "",
            place=one.place,
        )
        for one in listed
    ]
    users = [
        SwitchTarget(conversation_label(place), _("online") if nick in memory.online else "", place=place)
        for nick in sorted(known.nicks, key=str.casefold)
        if (place := ConversationRef("direct", nick)).key not in conversations
    ]
    groups = [
        SwitchTarget(name, _("join"), typed_line=f"/join {name}", is_complete_line=True)
        for name in sorted(known.groups or (), key=str.casefold)
        if ConversationRef("group", name).key not in conversations
    ]
    own = [
        SwitchTarget(
            f"/{word}", f"{one.usage.partition(' ')[2]}  {_(one.help)}".strip(), typed_line=f"/{word} "
        )
        for word, one in CLIENT_COMMANDS.items()
    ]
    words = [(row.slash_word, row) for row in COMMANDS.values() if row.command is not Identify]
    words += [(alias, COMMANDS_BY_SLASH_WORD[word]) for alias, word in SLASH_ALIASES.items()]
    commands = [
        SwitchTarget(
            f"/{word}",
            f"{slash_usage_in_conversation(row, memory.here).partition(' ')[2]}  {_(row.help)}".strip(),
            typed_line=f"/{word} ",
        )
        for word, row in words
        if word
    ]
    return [*places, *users, *groups, *commands, *own]


class SwitcherDialog(Dialog[SwitchTarget | None]):
    """A dialog that lists those of ``targets`` that match the letters that the user types.

    The result is the chosen target, or None after Escape.
    """

    keys_help = N_("Esc back to the chat  F1 help")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+k", "dismiss(None)", priority=True),
        Binding("down,tab,ctrl+n", "move(1)", priority=True),
        Binding("up,shift+tab,ctrl+p", "move(-1)", priority=True),
    ]

    DEFAULT_CSS = """
    SwitcherDialog OptionList, SwitcherDialog OptionList:focus {
        height: 12;
        margin: 0;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def __init__(self, targets: list[SwitchTarget]) -> None:
        super().__init__()
        self._targets = targets
        self._found: list[SwitchTarget] = []
        self._list = DialogOptionList()

    def compose(self) -> ComposeResult:
        """Yield the widgets of the dialog, from top to bottom."""
        self._list.can_focus = False
        with Vertical():
            yield LineInput(placeholder=_("go to: room, person or command"), compact=True)
            yield self._list

    def on_mount(self) -> None:
        """Show the first targets, and the keys."""
        super().on_mount()
        self._show("")

    @on(Input.Changed)
    def show_matches(self, event: Input.Changed) -> None:
        """Show the targets that match what was typed."""
        self._show(event.value)

    def _show(self, sought: str) -> None:
        self._found = matching_switch_targets(sought, self._targets)
        self._list.clear_options()
        self._list.add_options(
            Option(
                Content.assemble(
                    sanitize_to_one_line(one.name), (f"  {sanitize_to_one_line(one.remark)}", "$text-muted")
                )
            )
            for one in self._found
        )
        self._list.highlighted = 0 if self._found else None

    def action_move(self, step: int) -> None:
        """Move the highlight down by one line, or up if ``step`` is -1."""
        if self._found:
            self._list.highlighted = ((self._list.highlighted or 0) + step) % len(self._found)

    @on(Input.Submitted)
    def choose_highlighted(self) -> None:
        """Close the dialog with the highlighted target. Do nothing if nothing matches."""
        if self._found:
            self.dismiss(self._found[self._list.highlighted or 0])

    @on(DialogOptionList.OptionSelected)
    def choose_clicked(self, event: DialogOptionList.OptionSelected) -> None:
        """Close the dialog with the target that was clicked."""
        self.dismiss(self._found[event.option_index])
