"""Shows the user's own commands on the screen: answers, failures, progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from chatd.client.codec import Place
from chatd.client.history import History
from chatd.client.memory import EntryKind, Memory
from chatd.client.outgoing import Failure, failure_text
from chatd.client.pending import Lost, Refused
from chatd.client.render import render_answer
from chatd.client.scrollback import Scrollback
from chatd.core import commands as c
from chatd.json_wire import objects


class ScreenDisplay:
    """The `Display` of the screen.

    ``add_text`` adds a line to the conversation, ``show_place`` changes to another, ``choose_room`` opens the
    dialog of rooms, and ``draw_soon`` draws the title and the lists.
    """

    def __init__(
        self,
        memory: Memory,
        scrollback: Scrollback,
        history: History,
        *,
        add_text: Callable[[str, EntryKind], None],
        show_place: Callable[[Place], None],
        choose_room: Callable[[], Awaitable[None]],
        draw_soon: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._scrollback = scrollback
        self._history = history
        self._add_text = add_text
        self._show_place = show_place
        self._choose_room = choose_room
        self._draw_soon = draw_soon

    def image_columns(self) -> int:
        """The width of the conversation."""
        return self._scrollback.scrollable_content_region.width

    def progress(self) -> AbstractContextManager[None]:
        """Show the progress bar."""
        return self._history.progress()

    async def handle_command(self, command: c.Command) -> bool:
        """The list of groups is a dialog."""
        if not isinstance(command, c.ListGroups):
            return False
        await self._choose_room()
        return True

    def show_answer(self, answer: objects.Answer) -> None:
        """Show an answer in the conversation."""
        for line in render_answer(answer, self._memory.nick):
            self._add_text(line, "answer")

    def show_failure(self, failure: Failure) -> None:
        """Show the reason in the conversation."""
        self._add_text(failure_text(failure), "trouble")

    def show_unsent(self, failure: Refused | Lost) -> None:
        """Show the reason in the conversation."""
        self.show_failure(failure)

    def switch_finished(self, place: Place, succeeded: bool) -> None:
        """Show ``place`` if the command succeeded."""
        if succeeded:
            self._show_place(place)

    def unsent_changed(self) -> None:
        """Draw the number of unsent messages."""
        self._draw_soon()
