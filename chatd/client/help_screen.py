"""The help of the full-screen client: its keys, and the commands with examples for the room on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from chatd.client.client_command_table import CLIENT_COMMANDS
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.implied_group import has_implied_group
from chatd.client.implied_id import has_implied_id
from chatd.client.language import _
from chatd.client.render import conversation_label, sanitize_to_one_line
from chatd.core.commands import COMMANDS, Identify
from chatd.core.declarations import CommandDeclaration
from chatd.core.language import N_
from chatd.core.typed_commands import (
    ME_HELP,
    parse_semicolon_command,
    parse_slash_fields,
    parse_slash_line,
    parse_text_verb_fields,
)

MAX_LEFT_COLUMN_WIDTH: Final = 30
"""The maximum width of the left column, with what is typed."""

KEYS_WITH_HELP: Final = (
    ("Enter", N_("send; Ctrl-J begins a new line; with nothing typed, join the room that invites you")),
    ("Tab", N_("complete a command, a nick or a group; again for the next one")),
    ("\N{UPWARDS ARROW} \N{DOWNWARDS ARROW}", N_("what you typed before")),
    ("Ctrl-K", N_("go to a room, a person or a command by a few letters")),
    ("Ctrl-N Ctrl-P", N_("the next conversation, the previous one")),
    ("PgUp PgDn", N_("scroll; Ctrl-Home to the first message, Ctrl-End to the last")),
    ("F2", N_("list the rooms, join or create one")),
    ("F3", N_("search; Enter or \N{UPWARDS ARROW} further back, \N{DOWNWARDS ARROW} forward again")),
    ("F4", N_("choose a person")),
    ("F5", N_("light or dark")),
    ("F6 Alt-A", N_("go to the next unread conversation: private messages and mentions first")),
    ("F7", N_("go to the first new message; again to each one that mentions you")),
    ("Esc", N_("back to what you are typing")),
    ("Ctrl-C", N_("leave the chat; while text is selected, copy it")),
)
"""The keys, as they are written on keyboards, with what they do."""

OWNER_NOTE: Final = N_("without a password (/register), you own a room only until your connection ends")
"""What one has to know about the rooms that one makes."""

COMMAND_HELP_SECTIONS: Final = (
    (
        N_("Talk"),
        (
            *("send", "broadcast", "gbroadcast", "reply", "react", "unreact", "edit", "delete"),
            *("search", "history", "conversations", "markread"),
        ),
    ),
    (N_("Rooms"), ("groups", "cgroupe", "enter", "leave", "members", "invite", "decline", "uselink")),
    (
        N_("In a room"),
        (
            *("topic", "kick", "ban", "unban", "uninvite", "promote", "demote", "visibility", "sethistory"),
            *("setkeep", "states", "msgs", "invitelink", "links", "revokelink"),
        ),
    ),
    (N_("People"), ("clients", "ignore", "unignore", "ignored")),
    (
        N_("Your nick"),
        ("register", "passwd", "unregister", "regain", "maketoken", "tokens", "revoketoken"),
    ),
)
"""The commands that people use, by subject. Those that are not listed follow after them."""


def slash_example(row: CommandDeclaration, here: ConversationRef, nick: str) -> str:
    """Return an example of a ``/`` line for the command ``row``, such as ``/kick carol``.

    The example comes from the declaration of the command. The group is left out if ``here``, the conversation
    on the screen, implies it; so is the id of a message. ``nick`` replaces the nick of the example unless
    ``nick`` is empty. A password is shown as the name of its field, because blanks in a password would
    separate fields.
    """
    semicolon, slash = parse_semicolon_command(row.example), parse_slash_line(row.example)
    if semicolon is not None:
        values = semicolon[1]
    elif slash is not None:
        values = parse_slash_fields(row, slash.rest)
    else:
        values = parse_text_verb_fields(row, row.example.partition(" ")[2])
    if has_implied_group(row, here):
        values.pop("group", None)
    if has_implied_id(row):
        values.pop("id", None)
    if nick and "dest" in values:
        values["dest"] = nick
    shown = (_(name) if row.fields[name].value_kind == "secret" else str(values[name]) for name in values)
    return " ".join((f"/{row.slash_word}", *shown))


def help_sections(here: ConversationRef, nick: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the sections of the help: a heading, and pairs of what the user types or presses and its effect.

    The examples use the conversation ``here`` and the nick ``nick``, unless ``nick`` is empty.
    """
    yield _("Keys"), [(keys, _(help)) for keys, help in KEYS_WITH_HELP]
    yield (
        _("Typed lines"),
        [
            ("/me waves", _(ME_HELP)),
            *((one.example, _(one.help)) for one in CLIENT_COMMANDS.values()),
            ("//help", _("send the text /help")),
        ],
    )
    rows = {name: row for name, row in COMMANDS.items() if row.slash_word and row.command is not Identify}
    for heading, names in COMMAND_HELP_SECTIONS:
        notes = [("\N{BLACK STAR}", _(OWNER_NOTE))] if heading == "Rooms" else []
        yield _(heading), [*(_line(rows.pop(name), here, nick) for name in names), *notes]
    operators = [row for row in rows.values() if row.required_role == "server_operators"]
    others = [row for row in rows.values() if row.required_role != "server_operators"]
    yield _("Others"), [_line(row, here, nick) for row in others]
    yield _("For operators of the server"), [_line(row, here, nick) for row in operators]


def _line(row: CommandDeclaration, here: ConversationRef, nick: str) -> tuple[str, str]:
    return slash_example(row, here, nick), _(row.help)


class HelpScreen(ModalScreen[None]):
    """The screen that shows the help. It covers the chat, which does not change.

    The examples use ``here``, the conversation that was on the screen, and ``nick``, another user in that
    conversation (empty for none).
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter", "dismiss", priority=True),
        Binding("pageup", "turn(-1)", priority=True),
        Binding("pagedown,space", "turn(1)", priority=True),
    ]

    DEFAULT_CSS = """
    HelpScreen {
        background: $background;
        & VerticalScroll {
            padding: 0 1;
            scrollbar-size-vertical: 1;
        }
        & #keys {
            height: 1;
            dock: bottom;
            padding: 0 1;
            background: $primary-darken-2;
            color: auto 100%;
        }
    }
    """

    def __init__(self, here: ConversationRef, nick: str) -> None:
        super().__init__()
        self._here = here
        self._nick = nick
        self._body = VerticalScroll()

    def compose(self) -> ComposeResult:
        """Yield the widgets: the help as a table that scrolls, and a line with the keys that close the
        help.
        """
        columns = min(MAX_LEFT_COLUMN_WIDTH, self.app.size.width * 2 // 5)
        with self._body:
            place = _("the lobby") if self._here == LOBBY else conversation_label(self._here)
            yield Static(Text(sanitize_to_one_line(_("The examples are for {place}.").format(place=place))))
            for heading, lines in help_sections(self._here, self._nick):
                yield Static(Text(f"\n{heading}", "bold underline"))
                yield Static(_table(lines, columns))
        yield Static(_("Esc: back to the chat   PgUp PgDn: scroll"), id="keys", markup=False)

    def on_mount(self) -> None:
        """Give the help the keyboard focus, so that the arrow keys scroll it."""
        self._body.focus()

    def action_turn(self, pages: int) -> None:
        """Scroll by ``pages`` screen pages, up if ``pages`` is negative."""
        self._body.scroll_relative(y=pages * max(1, self._body.size.height - 1), animate=False)


def _table(lines: list[tuple[str, str]], typed_columns: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=typed_columns, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for typed, help in lines:
        table.add_row(Text(sanitize_to_one_line(typed), "bold"), Text(sanitize_to_one_line(help)))
    return table
