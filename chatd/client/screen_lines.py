"""The lines of the screen around the conversation: the title above it, the search line and the hint below."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar, Final

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Static

from chatd.client.connection import Address
from chatd.client.keys import LineInput, focus_now
from chatd.client.language import _
from chatd.client.memory import Conversation, Memory
from chatd.client.render import conversation_label, sanitize_to_one_line

MAX_TYPING_NICKS: Final = 3
"""The maximum number of nicks of those who type that the title shows."""

READING_SHOWN_AFTER_SECONDS: Final = 0.3
"""The time after which the client shows that it still reads. Most pages come sooner: the line would then only
move the conversation up and down.
"""


def typing_text(nicks: list[str]) -> str:
    """Return the text that names the users who are typing, such as ``bob is typing…`` or ``bob, carol are
    typing…``.
    """
    shown = ", ".join(nicks[:MAX_TYPING_NICKS]) + (", …" if len(nicks) > MAX_TYPING_NICKS else "")
    return (_("{nick} is typing…") if len(nicks) == 1 else _("{nick} are typing…")).format(nick=shown)


class TitleLine(Static):
    """The top line of the screen.

    It shows the conversation, the number of unsent messages, the users who are typing, the topic, the nick
    and the server.
    """

    def __init__(self, memory: Memory, address: Address) -> None:
        super().__init__(id="title", markup=False)
        self._memory = memory
        self._address = address

    def show(self, unsent: int, refused: int, is_lost: bool) -> None:
        """Redraw the line. What changes often stands first, because a narrow screen cuts off the end.

        ``unsent`` is the number of messages without an ack, and ``refused`` the number of messages that the
        server has refused. ``is_lost`` says that there is no connection.
        """
        here = self._memory.here
        parts = [conversation_label(here)]
        if is_lost:
            parts.append(_("no connection"))
        if unsent:
            parts.append(_("{count} waiting").format(count=unsent))
        if refused:
            parts.append(_("{count} not sent").format(count=refused))
        if nicks := self._memory.typing_nicks(monotonic()):
            parts.append(typing_text(nicks))
        if topic := self._memory.topics.get(here.key):
            parts.append(topic)
        parts.append(f"{self._memory.nick} @ {self._address}")
        self.update(sanitize_to_one_line(" · ".join(parts)))


def composer_placeholder(conversation: Conversation) -> str:
    """Return what the input box shows while it is empty: where a message goes, or why none can be sent."""
    name = conversation_label(conversation.place)
    if conversation.membership_end == "banned":
        text = _("you are banned from {group}: /leave closes it").format(group=name)
    elif conversation.membership_end is not None and not conversation.is_invitation:
        text = _("you are no longer in {group}: /join {group}, or /leave").format(group=name)
    else:
        text = _("message to {place}").format(place=name)
    return sanitize_to_one_line(text)


class SearchInput(LineInput):
    """The input field for a search text. Up and Down move from match to match."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.step_search(1)"),
        Binding("down", "app.step_search(-1)"),
    ]


class SearchLine(Horizontal):
    """The line with the input field for a search text and the number of matches.

    It is visible during a search.
    """

    def __init__(self) -> None:
        super().__init__(id="search-line")
        self._input = SearchInput(
            id="search",
            placeholder=_("search, Enter or \N{UPWARDS ARROW} for the next one back"),
            compact=True,
        )
        self._state = Static(id="search-state", markup=False)

    def compose(self) -> ComposeResult:
        """Yield the widgets of the line: the input field and the state of the search."""
        yield self._input
        yield self._state

    @property
    def is_open(self) -> bool:
        """Whether the line is visible."""
        return self.has_class("-shown")

    @property
    def text(self) -> str:
        """The text that the user searches for."""
        return self._input.value.strip()

    def open(self) -> None:
        """Show the search line and give it the keyboard focus."""
        self.add_class("-shown")
        focus_now(self._input)

    def close(self) -> None:
        """Hide the search line."""
        self.remove_class("-shown")
        self.show_state("")

    def show_state(self, text: str) -> None:
        """Show ``text``, such as ``2/14`` for the second of 14 matches, at the end of the line."""
        self._state.update(text)

    @on(LineInput.Changed)
    def clear_state(self) -> None:
        """Clear the state of the search, which belongs to an earlier search text."""
        self.show_state("")


def items_that_fit(items: list[str], columns: int) -> str:
    """Return as many of the first ``items`` as fit into a line of ``columns`` characters, joined, but at
    least one.
    """
    line = items[0]
    for item in items[1:]:
        longer = f"{line}  {item}"
        if cell_len(longer) > columns:
            break
        line = longer
    return line


def progress_bar(share: float | None, columns: int) -> str:
    """Return a progress bar of ``columns`` characters for ``share``, from 0 to 1, with the percentage.

    If ``share`` is None, the progress is not known.
    """
    percent = "  \N{HORIZONTAL ELLIPSIS}" if share is None else f"{share:5.0%}"
    columns = max(0, columns - len(percent))
    bar = "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * round(columns * (share or 0))
    return bar.ljust(columns, "\N{BOX DRAWINGS LIGHT HORIZONTAL}") + percent


class ReadingLine(Static):
    """The line that shows how far the client has loaded a conversation back.

    It is visible if loading takes long.
    """

    def __init__(self) -> None:
        super().__init__(id="progress", markup=False)
        self._share: float | None = None
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Show the line after `READING_SHOWN_AFTER_SECONDS`, unless `end` is called before."""
        self._share = None
        if self._timer is None:
            self._timer = self.set_timer(READING_SHOWN_AFTER_SECONDS, lambda: self.add_class("-shown"))

    def show_share(self, share: float) -> None:
        """Show that ``share`` of the conversation, from 0 to 1, has been read."""
        self._share = share
        self.refresh()

    def end(self) -> None:
        """Hide the line, because loading has ended."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.remove_class("-shown")

    def render(self) -> str:
        """Return the progress bar."""
        return progress_bar(self._share, self.content_size.width)


class HintLine(Static):
    """The bottom line of the screen: the usage of the typed command, completions, or the list of keys."""

    def __init__(self) -> None:
        super().__init__(id="hint", markup=False)
        self._text = ""
        self._is_unread_elsewhere = self._has_new_messages = False

    def on_mount(self) -> None:
        """Show the list of keys."""
        self.show("")

    def show(self, text: str) -> None:
        """Show ``text``, or the list of keys if ``text`` is empty."""
        self._text = text
        self._draw()

    def show_keys_for_unread(self, elsewhere: bool, here: bool) -> None:
        """Start the list of keys with those that go to unread messages.

        ``elsewhere`` says whether other conversations have unread messages, and ``here`` whether the current
        one has new messages.
        """
        if (elsewhere, here) != (self._is_unread_elsewhere, self._has_new_messages):
            self._is_unread_elsewhere, self._has_new_messages = elsewhere, here
            self._draw()

    def _draw(self) -> None:
        self.refresh()

    def render(self) -> str:
        """Return the hint, or as many of the keys as fit into the line."""
        if self._text:
            return sanitize_to_one_line(self._text)
        keys = _("F1 help  ^K go to  ^C leave  F2 rooms  F3 search  F4 people  F5 light/dark").split("  ")
        if self._has_new_messages:
            keys.insert(0, _("F7 first new message"))
        if self._is_unread_elsewhere:
            keys.insert(0, _("F6 next unread"))
        return items_that_fit(keys, self.content_size.width)
