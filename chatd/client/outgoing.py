"""The client's queue of typed lines, from a parsed line to the daemon's answer.

The full screen and the line mode share it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.images import ImageError, draw_picture
from chatd.client.implied_group import NO_NAMES_KNOWN, KnownNames
from chatd.client.language import translated_refusal
from chatd.client.outbox import Outbox, conversation_of, resend_command
from chatd.client.outbox_file import OutboxFile, UnsentMessage
from chatd.client.pending import ConnectionLost, RefusedByServer, UncertainRequest
from chatd.client.text_files import TextFileError, read_text_file
from chatd.client.typed_lines import (
    CopyMessages,
    OpenDirect,
    SendImage,
    SendTextFile,
    TypedCommand,
    message_command,
    parse_typed_line,
)
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.json_wire import objects

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_UNACKED_MESSAGES: Final = 64
"""The maximum number of messages that the client has sent and the daemon has not acked."""

Failure = Refusal | RefusedByServer | ConnectionLost | ImageError | TextFileError
"""The errors that explain why a typed line was not carried out."""


def failure_text(failure: Failure) -> str:
    """Return the reason of a failure in the user's language."""
    return translated_refusal(failure.code, failure.text) if isinstance(failure, Refusal) else str(failure)


class TypedLine(msgspec.Struct, frozen=True):
    """A line that the user has typed, after parsing.

    ``here`` is the conversation that the line applies to, unless the line names another one. ``switches_to``
    is the conversation that the command switches to, or None. ``ref`` is the ref of the message in the
    outbox, or empty if the line sends no message.
    """

    command: TypedCommand
    here: ConversationRef
    switches_to: ConversationRef | None = None
    ref: str = ""


class Display(Protocol):
    """The interface of the part of a user interface that shows the results of typed lines."""

    def image_columns(self) -> int:
        """Return the maximum width of a picture in characters."""

    def keep_picture(self, characters: str, picture: PillowImage) -> None:
        """Keep ``picture``, which is about to be sent as the text ``characters``, to show the picture in
        colour.
        """

    def progress_indicator(self) -> AbstractContextManager[None]:
        """Return a context manager that shows a progress indicator until it exits."""

    async def handle_command(self, command: c.Command) -> bool:
        """Carry out ``command`` in the user interface, if the interface has its own way for it.

        Return whether it did.
        """

    def show_answer(self, answer: objects.AnswerObject) -> None:
        """Show the daemon's answer to a command. The ack of a message is not passed to this method."""

    def show_failure(self, failure: Failure) -> None:
        """Show why a typed line was not carried out."""

    def show_send_failure(self, failure: RefusedByServer | ConnectionLost) -> None:
        """Show why a message got no ack: the daemon refused it, or the connection was lost."""

    def conversation_switch_finished(self, place: ConversationRef, succeeded: bool) -> None:
        """Show the conversation ``place`` if the command that switches to it ``succeeded``.

        After a failure, an implementation may show it as well.
        """

    def copy_messages(self, count: int) -> None:
        """Copy the last ``count`` messages of the current conversation to the clipboard."""

    def unsent_count_changed(self) -> None:
        """Show the new number of unsent messages."""


class OutgoingQueue:
    """The queue of typed lines, which are carried out in the order in which they were typed.

    After a command, the next line waits for the answer; after a message, it does not wait for the ack. Each
    line applies to the conversation in which the user will be after all earlier lines. ``ask`` sends a
    command to the daemon, with a ref if it is a message. ``outbox`` keeps the messages until their acks.
    ``queue_size`` is the maximum number of queued lines; 0 means no limit. ``known`` returns the names that
    the client knows. If ``known`` is None, as for a program that writes lines, ``/msg`` does not switch the
    conversation.
    """

    def __init__(
        self,
        ask: Callable[[c.Command, str | None], Awaitable[objects.AnswerObject]],
        display: Display,
        outbox: Outbox,
        queue_size: int = 0,
        known: Callable[[], KnownNames] | None = None,
    ) -> None:
        self._files_waiting = 0
        self._ask = ask
        self._display = display
        self._outbox = outbox
        self._known = known
        self._queue: asyncio.Queue[TypedLine | Refusal] = asyncio.Queue(queue_size)
        self._queued_switches: deque[ConversationRef] = deque()
        self._slots = asyncio.Semaphore(MAX_UNACKED_MESSAGES)
        self._sending: dict[str, asyncio.Task[bool]] = {}

    @property
    def unsent(self) -> int:
        """The number of messages without an ack, plus that of the files that are about to be sent as
        messages.
        """
        return self._outbox.waiting_count + self._files_waiting

    def prepare_line(self, text: str, here: ConversationRef) -> TypedLine:
        """Parse a line that was typed in the conversation ``here``, and return the result.

        If the line switches to another conversation, later lines are parsed for that one, so the caller must
        add the returned line to the queue. Raises `Refusal` if the line is malformed.
        """
        place = self._queued_switches[-1] if self._queued_switches else here
        command = parse_typed_line(text, place, self._known() if self._known else NO_NAMES_KNOWN)
        if isinstance(command, OpenDirect) and self._known is None and command.message is not None:
            command = command.message
        destination = _destination(command, place)
        if destination is not None:
            self._queued_switches.append(destination)
        return TypedLine(command, place, destination)

    def add(self, line: TypedLine) -> None:
        """Add a parsed line to the queue.

        Raises `asyncio.QueueFull` if the queue is full. `add_when_free` waits instead.
        """
        self._queue.put_nowait(self._recorded(line))

    async def add_when_free(self, line: TypedLine | Refusal) -> None:
        """Add a parsed line, or the refusal of a malformed line, to the queue as soon as the queue has
        room.
        """
        await self._queue.put(self._recorded(line) if isinstance(line, TypedLine) else line)

    def open_file(self, file: OutboxFile) -> list[UnsentMessage]:
        """Keep unsent messages in ``file`` from now on, and send the unsent messages of earlier runs of the
        client.

        Return all unsent messages of earlier runs, those that the server has refused included.
        """
        left = self._outbox.open_file(file)
        for message in left:
            if not message.failure:
                self.resend(message)
        return left

    def resend(self, message: UnsentMessage) -> None:
        """Queue an unsent ``message`` of the outbox for sending.

        The message is one of an earlier run of the client, or one that the server has refused.
        """
        try:
            command = resend_command(message)
        except Refusal as refusal:
            self._outbox.fail(message.ref, failure_text(refusal))
            return
        self._queue.put_nowait(TypedLine(command, conversation_of(message), ref=message.ref))

    def withdraw(self, ref: str) -> None:
        """Remove the message with the ref ``ref`` from the outbox, so that it is not sent.

        A message that was already written to a connection may still arrive.
        """
        self._outbox.remove(ref)
        if ref in self._sending:
            self._sending[ref].cancel()
        self._display.unsent_count_changed()

    def cancel_queued_switches(self) -> None:
        """Keep queued lines from switching the conversation, because the user has chosen another one by hand.

        The lines themselves stay in the queue.
        """
        self._queued_switches.clear()

    async def run(self) -> None:
        """Carry out the queued lines in order, and return at the quit command, which is not sent.

        Acks of sent messages may be missing then. `wait_for_acks` waits for them.
        """
        while True:
            line = await self._queue.get()
            if isinstance(line, Refusal):
                self._display.show_failure(line)
                continue
            command = line.command
            if isinstance(command, c.Quit):
                return
            if isinstance(command, SendImage | SendTextFile):
                await self._send_file(command)
            elif isinstance(command, CopyMessages):
                self._display.copy_messages(command.count)
            elif isinstance(command, OpenDirect):
                await self._open_direct(command, line.ref, line.switches_to)
            elif isinstance(command, codec.MESSAGE_COMMANDS):
                await self._send(command, line.ref)
            else:
                await self._run_command(command, line.switches_to)

    async def wait_for_acks(self) -> None:
        """Wait until each sent message is acknowledged or refused, or lost with the connection."""
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    def cancel(self) -> None:
        """Stop waiting for the acks of sent messages."""
        for sending in self._sending.values():
            sending.cancel()

    def _recorded(self, line: TypedLine) -> TypedLine:
        """Put a message into the outbox, and return its line with its ref. Return any other line as it is."""
        message = line.command.message if isinstance(line.command, OpenDirect) else line.command
        if isinstance(message, SendImage | SendTextFile):
            self._files_waiting += 1
        elif isinstance(message, codec.MESSAGE_COMMANDS):
            line = msgspec.structs.replace(line, ref=self._outbox.add(message, line.here).ref)
        else:
            return line
        self._display.unsent_count_changed()
        return line

    async def _send_file(self, file: SendImage | SendTextFile) -> None:
        columns = self._display.image_columns()
        try:
            if isinstance(file, SendImage):
                with self._display.progress_indicator():
                    drawn, picture = await asyncio.to_thread(draw_picture, file.path, columns)
                self._display.keep_picture(drawn, picture)
                command = message_command(file.place, drawn, "image")
            else:
                command = message_command(file.place, await asyncio.to_thread(read_text_file, file.path))
        except (ImageError, TextFileError, Refusal) as failure:
            self._files_waiting -= 1
            self._display.show_failure(failure)
            self._display.unsent_count_changed()
        else:
            message = self._outbox.add(command, file.place)
            self._files_waiting -= 1
            await self._send(command, message.ref)

    async def _open_direct(self, opened: OpenDirect, ref: str, destination: ConversationRef | None) -> None:
        """Go to a direct conversation if its user exists, after sending the message, if there is one."""
        if opened.message is not None:
            succeeded = await self._send_and_wait(opened.message, ref)
        else:
            succeeded = await self._is_known(opened.nick)
        self._finish_switch(destination, succeeded)

    async def _send_and_wait(self, command: c.Command, ref: str) -> bool:
        """Send a message, and return whether its ack came. It may be withdrawn meanwhile."""
        await self._send(command, ref)
        sending = self._sending.get(ref)
        if sending is None:
            return False
        await asyncio.wait([sending])
        return not sending.cancelled() and sending.result()

    async def _is_known(self, nick: str) -> bool:
        """Return whether there is a user ``nick``, and show why if there is not."""
        try:
            await self._ask(c.ReadHistory(dest=nick, limit=1), None)
        except (RefusedByServer, ConnectionLost) as failure:
            if isinstance(failure, RefusedByServer) and failure.code == "unknown_action":
                return True  # a course-work server, which has no history, may know the user
            self._display.show_failure(failure)
            return False
        return True

    async def _send(self, command: c.Command, ref: str) -> None:
        await self._slots.acquire()
        if self._outbox.get(ref) is None:  # withdrawn
            self._slots.release()
            return
        sending = asyncio.create_task(self._await_ack(self._ask(command, ref), ref))
        self._sending[ref] = sending
        sending.add_done_callback(lambda _sent: self._sending.pop(ref, None))

    async def _await_ack(self, asked: Awaitable[objects.AnswerObject], ref: str) -> bool:
        """Wait for the ack of a message, and return whether it came."""
        try:
            await asked
        except (RefusedByServer, UncertainRequest) as failure:
            if isinstance(failure, RefusedByServer) and failure.code == "no_such_user":
                self._outbox.remove(ref)  # there is no conversation that could show it
            else:
                self._outbox.fail(ref, str(failure))
            self._display.show_send_failure(failure)
            return False
        except ConnectionLost as failure:  # the client ends, and the message waits for its next run
            self._display.show_send_failure(failure)
            return False
        else:
            self._outbox.remove(ref)
            return True
        finally:
            self._slots.release()
            self._display.unsent_count_changed()

    async def _run_command(self, command: c.Command, destination: ConversationRef | None) -> None:
        if await self._display.handle_command(command):
            return
        succeeded = True
        try:
            self._display.show_answer(await self._ask(command, None))
        except (RefusedByServer, ConnectionLost) as failure:
            already_there = isinstance(failure, RefusedByServer) and failure.code == "already_member"
            succeeded = destination is not None and already_there
            if not succeeded:
                self._display.show_failure(failure)
        self._finish_switch(destination, succeeded)

    def _finish_switch(self, destination: ConversationRef | None, succeeded: bool) -> None:
        if destination in self._queued_switches:
            self._display.conversation_switch_finished(self._queued_switches.popleft(), succeeded)


def _destination(command: TypedCommand, here: ConversationRef) -> ConversationRef | None:
    """Return the conversation that ``command``, typed in the conversation ``here``, switches to, or None."""
    if isinstance(command, (c.Join, c.CreateGroup)):
        return ConversationRef("group", command.group)
    if isinstance(command, OpenDirect):
        return ConversationRef("direct", command.nick)
    if isinstance(command, c.Leave) and ConversationRef("group", command.group).key == here.key:
        return LOBBY
    return None
