"""The part of the full-screen client that shows answers, failures and progress of typed lines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from chatd.client.codec import ConversationRef
from chatd.client.history import HistoryLoader
from chatd.client.language import _
from chatd.client.memory import EntryKind, Memory
from chatd.client.outgoing import Failure, failure_text
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.render import render_answer
from chatd.client.scrollback import Scrollback
from chatd.core import commands as c
from chatd.core.events import MESSAGE_KINDS
from chatd.json_wire import objects

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class ScreenDisplay:
    """Shows the results of typed lines on the screen, as the `Display` of the queue of typed lines.

    ``add_text`` adds a line to the current conversation, ``show_place`` switches to another conversation,
    ``choose_room`` opens the dialog of groups, ``show_help`` the help, ``copy`` copies a text to the
    clipboard, and ``unsent_changed`` schedules a redraw of what shows unsent messages.
    """

    def __init__(
        self,
        memory: Memory,
        scrollback: Scrollback,
        history: HistoryLoader,
        *,
        add_text: Callable[[str, EntryKind], None],
        show_place: Callable[[ConversationRef], None],
        choose_room: Callable[[], Awaitable[None]],
        show_help: Callable[[], None],
        copy: Callable[[str], None],
        unsent_changed: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._scrollback = scrollback
        self._history = history
        self._add_text = add_text
        self._show_place = show_place
        self._choose_room = choose_room
        self._show_help = show_help
        self._copy = copy
        self._unsent_changed = unsent_changed

    def image_columns(self) -> int:
        """Return the maximum width of a picture in characters: the width of the conversation's view."""
        return self._scrollback.scrollable_content_region.width

    def keep_picture(self, characters: str, picture: PillowImage) -> None:
        """Keep the picture, which the user's own screen shows in colour."""
        self._memory.own_pictures.add(characters, picture)

    def progress_indicator(self) -> AbstractContextManager[None]:
        """Return a context manager that shows that the client is busy until it exits."""
        return self._history.progress_indicator()

    async def handle_command(self, command: c.Command) -> bool:
        """Open the dialog of groups for the command that lists the groups, or the help, and return True.

        Return False for any other command.
        """
        if isinstance(command, c.ListCommands):
            self._show_help()
            return True
        if not isinstance(command, c.ListGroups):
            return False
        await self._choose_room()
        return True

    def show_answer(self, answer: objects.AnswerObject) -> None:
        """Show the daemon's answer to a command in the current conversation."""
        for line in render_answer(answer, self._memory.nick):
            self._add_text(line, "answer")

    def show_failure(self, failure: Failure) -> None:
        """Show in the current conversation why a typed line was not carried out."""
        self._add_text(failure_text(failure), "trouble")

    def show_send_failure(self, failure: RefusedByServer | ConnectionLost) -> None:
        """Show in the current conversation why a message was refused, or that the connection was lost."""
        self.show_failure(failure)

    def conversation_switch_finished(self, place: ConversationRef, succeeded: bool) -> None:
        """Show the conversation ``place`` if the command that switches to it succeeded."""
        if succeeded:
            self._show_place(place)

    def copy_messages(self, count: int) -> None:
        """Copy the text of the last message in memory, or the last ``count`` messages with their nicks."""
        messages = [one for one in self._memory.shown_conversation.entries if one.kind in MESSAGE_KINDS]
        chosen = messages[-count:]
        if not chosen:
            self._add_text(_("there is no message to copy"), "trouble")
            return
        lines = [one.text if count == 1 else f"{one.nick}: {one.text}" for one in chosen]
        text = "\n".join(lines)
        self._copy(text)
        self._add_text(_("copied: {count} characters").format(count=len(text)), "answer")

    def unsent_count_changed(self) -> None:
        """Schedule a redraw of the unsent messages, and of their number in the title."""
        self._unsent_changed()
