"""The lines of the screen around the conversation: the title above it, the search line and the hint below."""

from __future__ import annotations

from time import monotonic
from typing import Final

from textual.widgets import Static

from chatd.client.connection import Address
from chatd.client.keys import LineInput, focus
from chatd.client.language import _
from chatd.client.memory import Memory
from chatd.client.render import conversation_label, one_line

MAX_TYPING_NICKS: Final = 3
"""The maximum number of nicks of those who type that the title shows."""


def typing_text(nicks: list[str]) -> str:
    """Return the text that says who types: ``bob is typing…``, for several ``bob, carol are typing…``."""
    shown = ", ".join(nicks[:MAX_TYPING_NICKS]) + (", …" if len(nicks) > MAX_TYPING_NICKS else "")
    return (_("{nick} is typing…") if len(nicks) == 1 else _("{nick} are typing…")).format(nick=shown)


class TitleLine(Static):
    """The top line of the screen: the conversation, its topic, who types, the nick, the server, and what is
    not sent yet.
    """

    def __init__(self, memory: Memory, address: Address) -> None:
        super().__init__(id="title", markup=False)
        self._memory = memory
        self._address = address

    def show(self, unsent: int, refused: int, is_lost: bool) -> None:
        """Show the conversation, the address and the state of the connection.

        ``unsent`` is the number of typed messages without an ack, ``refused`` that of the messages that the
        server has refused. ``is_lost`` means that there is no
        connection.
        """
        here = self._memory.here
        parts = [conversation_label(here)]
        if topic := self._memory.topics.get(here.key):
            parts.append(topic)
        if nicks := self._memory.typing_nicks(monotonic()):
            parts.append(typing_text(nicks))
        parts.append(f"{self._memory.nick} @ {self._address}")
        if unsent:
            parts.append(_("{count} waiting").format(count=unsent))
        if refused:
            parts.append(_("{count} not sent").format(count=refused))
        if is_lost:
            parts.append(_("no connection"))
        self.update(one_line(" · ".join(parts)))


class SearchLine(LineInput):
    """The input line for a search text. It is visible only while the user searches."""

    def __init__(self) -> None:
        placeholder = _("search, Enter for the next one back")
        super().__init__(id="search", placeholder=placeholder, compact=True)

    def open(self) -> None:
        """Show the search line and give it the keyboard focus."""
        self.add_class("-shown")
        focus(self)

    def close(self) -> None:
        """Hide the search line."""
        self.remove_class("-shown")


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

    def show_unread(self, elsewhere: bool, here: bool) -> None:
        """Have the list of keys begin with those that go to unread conversations and to new messages."""
        if (elsewhere, here) != (self._is_unread_elsewhere, self._has_new_messages):
            self._is_unread_elsewhere, self._has_new_messages = elsewhere, here
            self._draw()

    def _draw(self) -> None:
        keys = [_("F1 help  F2 rooms  F3 search  F4 people  F5 light/dark  ^N ^P go  ^C leave")]
        if self._has_new_messages:
            keys.insert(0, _("F7 first new message"))
        if self._is_unread_elsewhere:
            keys.insert(0, _("F6 next unread"))
        self.update(one_line(self._text or "  ".join(keys)))
