"""The part of the full-screen client that shows answers, failures and progress of typed lines."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from chatd.client.clipboard import copy_result_text
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.history import HistoryLoader
from chatd.client.language import _
from chatd.client.memory import EntryKind, Memory
from chatd.client.outbox import Outbox, conversation_of
from chatd.client.outbox_file import UnsentMessage
from chatd.client.outgoing import Failure, failure_text
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.client.render import conversation_label, render_answer
from chatd.client.scrollback import Scrollback
from chatd.core import commands as c
from chatd.core.events import MESSAGE_KINDS
from chatd.json_wire import objects

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class ScreenDisplay:
    """The `Display` of the full-screen client, which shows the results of typed lines.

    ``add_text`` adds a line to the current conversation, ``show_place`` switches to another conversation,
    ``choose_room`` opens the dialog of groups, ``show_help`` opens the help, and ``copy`` copies a text to
    the clipboard. ``unsent_changed`` schedules a redraw of the unsent messages.
    """

    def __init__(
        self,
        memory: Memory,
        scrollback: Scrollback,
        history: HistoryLoader,
        outbox: Outbox,
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
        self._outbox = outbox
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
        """Keep ``picture``, so that the user's own screen can show it in colour."""
        self._memory.own_pictures.add(characters, picture)

    def progress_indicator(self) -> AbstractContextManager[None]:
        """Return a context manager that shows that the client is busy until it exits."""
        return self._history.progress_indicator()

    async def handle_command(self, command: c.Command) -> bool:
        """Carry out what the screen does itself, and return True; return False for any other command.

        That is to open the dialog of groups or the help, and to close a group after the end of a membership.
        """
        if isinstance(command, c.Leave):
            return self._close_left_group(ConversationRef("group", command.group))
        if isinstance(command, c.ListCommands):
            self._show_help()
            return True
        if not isinstance(command, c.ListGroups):
            return False
        await self._choose_room()
        return True

    def _close_left_group(self, place: ConversationRef) -> bool:
        """Remove the group ``place`` from the conversations if the user's membership has ended, and return
        whether it has.
        """
        conversation = self._memory.conversations.get(place.key)
        if conversation is None or conversation.membership_end is None:
            return False
        if place.key == self._memory.here.key:
            self._show_place(LOBBY)
        if self._outbox.messages_for(place):
            kept = _("{place} stays in the list, because it has messages that were not sent: /withdraw them")
            self._add_text(kept.format(place=conversation_label(place)), "trouble")
        else:
            self._memory.drop_conversation(place)
        return True

    def show_answer(self, answer: objects.AnswerObject) -> None:
        """Show the daemon's answer to a command in the current conversation."""
        for line in render_answer(answer, self._memory.nick):
            self._add_text(line, "answer")

    def show_failure(self, failure: Failure) -> None:
        """Show in the current conversation why a typed line was not carried out."""
        self._add_text(failure_text(failure), "trouble")

    def show_send_failure(self, failure: RefusedByServer | ConnectionLost, message: UnsentMessage) -> None:
        """Show in the current conversation why a message was refused, or that the connection was lost.

        A refused message that stays is shown with the reason, in its own conversation; so nothing is added
        there.
        """
        place = conversation_of(message)
        if message.kind == "command":
            self._add_text(f"{message.text}: {failure_text(failure)}", "trouble")
        elif self._outbox.get(message.ref) is None:
            self.show_failure(failure)
        elif place.key != self._memory.here.key:
            self._memory.conversation(place)  # to have it in the list, where it is marked
            told = _("not sent to {place}: {why}")
            self._add_text(told.format(place=conversation_label(place), why=failure_text(failure)), "trouble")

    def conversation_switch_finished(self, place: ConversationRef, refusal: str | None) -> None:
        """Show the conversation ``place``, or say where the user still is and how to make a new group."""
        if refusal is None:
            self._show_place(place)
            return
        told = _("you are still in {here}").format(here=conversation_label(self._memory.here))
        if place.kind == "group" and refusal == "no_such_group":
            told = _("{told}; {command} makes the group").format(told=told, command=f"/create {place.name}")
        self._add_text(told, "trouble")

    def copy_messages(self, count: int) -> None:
        """Copy the last ``count`` messages in memory to the clipboard, with their authors' nicks.

        A single message is copied without the nick.
        """
        messages = [one for one in self._memory.shown_conversation.entries if one.kind in MESSAGE_KINDS]
        chosen = messages[-count:]
        if not chosen:
            self._add_text(_("there is no message to copy"), "trouble")
            return
        lines = [one.text if count == 1 else f"{one.nick}: {one.text}" for one in chosen]
        text = "\n".join(lines)
        self._copy(text)
        self._add_text(copy_result_text(text, os.environ), "answer")

    def unsent_count_changed(self) -> None:
        """Schedule a redraw of the unsent messages, and of their number in the title."""
        self._unsent_changed()
