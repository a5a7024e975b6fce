"""The input box of the full-screen client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from textual import events
from textual.message import Message
from textual.widgets import TextArea

from chatd.client.codec import ConversationRef
from chatd.client.completion import completions, usage_hint
from chatd.client.implied_group import KnownNames
from chatd.client.keys import run_key_binding_now
from chatd.client.render import sanitize
from chatd.core.typed_commands import is_command_with_secret

MAX_REMEMBERED_INPUTS: Final = 200
"""The number of earlier inputs that the Up key can bring back."""


class Composer(TextArea):
    """The input box of the full-screen client.

    Enter submits the input, Tab completes a word, Up and Down bring back earlier inputs, and Ctrl-J begins a
    new line. A pasted text of several lines is one message. Enter calls ``take`` with the input. If ``take``
    returns False because the input is malformed, the input stays in the box for correction. ``known`` returns
    the names that Tab completes, and ``here`` returns the conversation on the screen. An input with a
    password can't be brought back.
    """

    DEFAULT_CSS = """
    Composer, Composer:focus {
        height: auto;
        max-height: 6;
        padding: 0;
        background: $surface;
        scrollbar-size-vertical: 1;
    }
    """

    class HintChanged(Message):
        """A Textual message: the hint line must show ``hint``, the usage of the typed command or completions.

        ``hint`` is empty if there is nothing to show.
        """

        def __init__(self, hint: str) -> None:
            super().__init__()
            self.hint = hint

    class EmptySubmitted(Message):
        """A Textual message: the user has pressed Enter while the input box was empty."""

    def __init__(
        self,
        take: Callable[[str], bool],
        known: Callable[[], KnownNames],
        here: Callable[[], ConversationRef],
        id: str,
    ) -> None:
        super().__init__(id=id, compact=True, highlight_cursor_line=False)
        self._take = take
        self._known = known
        self._here = here
        self._typed: deque[str] = deque(maxlen=MAX_REMEMBERED_INPUTS)
        self._back = 0
        self._cycle: list[str] = []
        self._draft = ""

    async def _on_key(self, event: events.Key) -> None:
        act = {
            "enter": self._submit,
            "ctrl+j": self._new_line,
            "tab": self._complete,
            "up": self._earlier if self.cursor_at_first_line else None,
            "down": self._later if self.cursor_at_last_line else None,
        }.get(event.key)
        if event.key != "tab":
            self._cycle = []
        if act is not None:
            event.stop()
            event.prevent_default()
            act()
        else:
            await run_key_binding_now(self, event)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        pasted = sanitize(event.text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n")
        self._cycle = []
        self.replace(pasted, *self.selection, maintain_selection_offset=False)

    def on_text_area_changed(self) -> None:
        """Scroll the input box to the cursor, and post the usage of the typed command as the hint.

        While Tab steps through completions, the hint stays as it is.
        """
        self.scroll_cursor_visible()
        if not self._cycle:
            self.post_message(self.HintChanged(usage_hint(self.text, self._here())))

    def on_resize(self) -> None:
        """Scroll to the cursor after the lines have wrapped to the new width of the input box."""
        self.call_after_refresh(self.scroll_cursor_visible)

    def _submit(self) -> None:
        if not self.text.strip():
            self.post_message(self.EmptySubmitted())
            return
        if not is_command_with_secret(self.text) and (not self._typed or self._typed[-1] != self.text):
            self._typed.append(self.text)
        if not self._take(self.text):
            self.select_all()  # the next word replaces it; the Up key brings it back
            return
        self.replace_input("")
        self._back = 0

    def exchange_draft(self, text: str) -> str:
        """Replace the input by the draft ``text``, put the cursor at its end, and return the previous
        input.
        """
        before = self.text
        self._back = 0
        self._draft = text
        self.replace_input(text)
        return before

    @property
    def is_draft_changed(self) -> bool:
        """Whether the user has changed the input since a draft was put into the box."""
        return self.text != self._draft

    def _new_line(self) -> None:
        self.replace("\n", *self.selection, maintain_selection_offset=False)

    def _complete(self) -> None:
        """Complete the word before the cursor; each further Tab offers the next completion."""
        if not self._cycle:
            head, tail = self._around_cursor()
            start, words = completions(head, self._known(), self._here())
            if not words:
                return
            self._cycle = [head[:start] + word + tail for word in words]
            if len(words) > 1:
                self.post_message(self.HintChanged("  ".join(word.strip(" ;") for word in words)))
        completed = self._cycle.pop(0)
        if self._cycle:
            self._cycle.append(completed)
        self.replace_input(completed, keep_cycle=True)

    def _around_cursor(self) -> tuple[str, str]:
        row, column = self.cursor_location
        lines = self.text.split("\n")
        return "\n".join((*lines[:row], lines[row][:column])), "\n".join(
            (lines[row][column:], *lines[row + 1 :])
        )

    def _earlier(self) -> None:
        self._recall(self._back + 1)

    def _later(self) -> None:
        self._recall(self._back - 1)

    def _recall(self, back: int) -> None:
        if 0 <= back <= len(self._typed):
            self._back = back
            self.replace_input(self._typed[-back] if back else "")

    def replace_input(self, text: str, keep_cycle: bool = False) -> None:
        """Replace the input by ``text``, and put the cursor at its end.

        If ``keep_cycle`` is true, the next Tab shows the next completion.
        """
        if not keep_cycle:
            self._cycle = []
        self.text = text
        self.move_cursor(self.document.end)
