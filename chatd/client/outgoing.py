"""The client's queue of typed lines, from a parsed line to the daemon's answer.

The full screen and the line mode share it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.images import ImageError, picture_as_characters
from chatd.client.implied_group import NO_NAMES_KNOWN, KnownNames
from chatd.client.implied_id import with_implied_message_id
from chatd.client.language import _, translated_refusal
from chatd.client.outbox import Outbox, conversation_of, resend_command
from chatd.client.outbox_file import OutboxFile, UnsentMessage
from chatd.client.pending import UNCERTAIN_TEXT, ConnectionLost, RefusedByServer, UncertainRequest
from chatd.client.render import conversation_label
from chatd.client.text_files import TextFileError, read_text_file
from chatd.client.typed_lines import (
    CopyMessages,
    OpenDirectConversation,
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

LastIds = tuple[int | None, int | None]
"""The ids of the user's last message and of the last one of somebody else; None if they are not known."""

Failure = Refusal | RefusedByServer | ConnectionLost | ImageError | TextFileError
"""The errors that explain why a typed line was not carried out."""


def failure_text(failure: Failure) -> str:
    """Return the reason of a failure in the user's language."""
    return translated_refusal(failure.code, failure.text) if isinstance(failure, Refusal) else str(failure)


class TypedLine(msgspec.Struct, frozen=True):
    """A line that the user has typed, after parsing.

    ``typed`` is its text, with the id of the message that it applies to. ``conversation`` is the conversation
    that the line applies to, unless the line names another one. ``switches_to`` is the conversation that the
    command switches to, or None. ``ref`` is the ref of the message in the outbox, or empty if the line sends
    no message.
    """

    command: TypedCommand
    conversation: ConversationRef
    switches_to: ConversationRef | None = None
    ref: str = ""
    typed: str = ""


class RequestFunction(Protocol):
    """The interface of a function that sends a command to the daemon and returns an awaitable of the
    answer.
    """

    def __call__(
        self, command: c.Command, ref: str | None = None, before_sending: Callable[[], None] | None = None, /
    ) -> Awaitable[objects.AnswerObject]:
        """Send ``command``, under the ref ``ref`` if it is one of `codec.KEPT_COMMANDS`.

        ``before_sending`` is called each time before the request is written to a connection.
        """


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

    def show_send_failure(self, failure: RefusedByServer | ConnectionLost, message: UnsentMessage) -> None:
        """Show why ``message`` got no ack: the daemon refused it, or the connection was lost."""

    def conversation_switch_finished(self, place: ConversationRef, refusal: str | None) -> None:
        """Go to the conversation ``place`` if ``refusal`` is None: the command that switches to it succeeded.

        Otherwise ``refusal`` is the code with which the daemon refused the command, or an empty text if the
        connection was lost. The reason was shown before. A display says where the user still is, or goes to
        ``place`` as well.
        """

    def copy_messages(self, count: int) -> None:
        """Copy the last ``count`` messages of the current conversation to the clipboard."""

    def unsent_count_changed(self) -> None:
        """Show the new number of unsent messages."""


class OutgoingQueue:
    """The queue of typed lines, which are carried out in the order in which they were typed.

    The next line waits for the answer to a command, but not for the ack of a message. Each line applies to
    the conversation that the user will be in after all earlier lines. If the user may believe to be in
    another one, after a refused switch or one that nobody has asked for, a line that depends on the
    conversation is taken only when it is submitted for the second time. ``ask`` sends a command to the
    daemon, under a ref if it is kept. ``outbox`` keeps the messages until their acks. ``queue_size`` is the
    maximum number of queued lines; 0 means no limit. ``known`` returns the names that the client knows.
    Without it, as for programs that write lines, ``/msg`` goes to no other conversation. While
    ``is_disconnected`` returns True, only what is kept on disk is taken, because other commands would be lost
    if the user left.
    """

    def __init__(
        self,
        ask: RequestFunction,
        display: Display,
        outbox: Outbox,
        queue_size: int = 0,
        known: Callable[[], KnownNames] | None = None,
        is_disconnected: Callable[[], bool] = lambda: False,
    ) -> None:
        self._files_waiting = 0
        self._commands_waiting = 0
        self._is_disconnected = is_disconnected
        self._ask = ask
        self._display = display
        self._outbox = outbox
        self._known = known
        self._queue: asyncio.Queue[TypedLine | Refusal] = asyncio.Queue(queue_size)
        self._queued_switches: deque[ConversationRef] = deque()
        self._unreached: ConversationRef | None = None  # where the user may believe to be
        self._held_text = ""
        self._slots = asyncio.Semaphore(MAX_UNACKED_MESSAGES)
        self._sending: dict[str, asyncio.Task[str | None]] = {}

    @property
    def unsent_count(self) -> int:
        """The number of messages and changes that wait for their acks, and of files that are about to become
        messages.
        """
        return self._outbox.waiting_count + self._files_waiting

    @property
    def has_unsent_message(self) -> bool:
        """Whether a message waits for its ack, so that its log id is not known yet."""
        return self._outbox.waiting_message_count + self._files_waiting > 0

    @property
    def waiting_command_count(self) -> int:
        """The number of commands that wait for their answers and are not kept on disk."""
        return self._commands_waiting

    def prepare_line(
        self,
        text: str,
        here: ConversationRef,
        last_own_id: int | None = None,
        last_other_id: int | None = None,
    ) -> TypedLine:
        """Parse a line that was typed in the conversation ``here``, and return it.

        ``last_own_id`` and ``last_other_id`` are the messages that commands without an id are for, see
        `with_implied_message_id`. If the command switches to another conversation, that conversation is
        recorded, and later lines are parsed for it; so the caller must add the returned line to the queue.
        Raises `Refusal` if the line is malformed, or if it may be meant for a conversation that the user
        could not go to; it is taken if it comes again.
        """
        place = self._queued_switches[-1] if self._queued_switches else here
        last_ids = last_own_id, last_other_id
        if self._unreached is not None and not self._queued_switches:
            self._check_intended_place(text, place, self._unreached, last_ids)
        command = self._parse(text, place, last_ids)
        destination = _destination(command, place)
        if self._is_disconnected() and not _can_wait(command):
            self._unreached, self._held_text = destination or self._unreached, ""
            why = _("there is no connection: only messages and their changes can wait. Enter it again later")
            raise Refusal("bad_request", why=why)
        if destination is not None:
            self._queued_switches.append(destination)
        return TypedLine(command, place, destination, typed=with_implied_message_id(text, *last_ids))

    def _parse(self, text: str, place: ConversationRef, last_ids: LastIds) -> TypedCommand:
        known = self._known() if self._known else NO_NAMES_KNOWN
        command = parse_typed_line(with_implied_message_id(text, *last_ids), place, known)
        if (
            isinstance(command, OpenDirectConversation)
            and self._known is None
            and command.message is not None
        ):
            return command.message
        return command

    def _check_intended_place(
        self, text: str, here: ConversationRef, wanted: ConversationRef, last_ids: LastIds
    ) -> None:
        """Raise `Refusal` if ``text`` does in the conversation ``here`` what it would not do in ``wanted``.

        Do nothing if it is submitted for the second time.
        """
        if text == self._held_text:
            self._unreached, self._held_text = None, ""
            return
        command = self._parse(text, here, last_ids)
        if isinstance(command, OpenDirectConversation | CopyMessages):
            return  # it names its place, or sends nothing
        if isinstance(command, c.Command) and c.COMMANDS_BY_CLASS[type(command)].answer != "ack":
            return  # it only reads
        try:
            is_same = _are_equal(command, self._parse(text, wanted, (None, None)))
        except Refusal:
            is_same = False
        if not is_same:
            self._held_text = text
            held = _("not sent: you are in {here}, not in {wanted}. Enter it again if it is meant for {here}")
            why = held.format(here=conversation_label(here), wanted=conversation_label(wanted))
            raise Refusal("bad_request", why=why)

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
            if message.is_sent and not message.failure:
                self._outbox.mark_as_refused(message.ref, _(UNCERTAIN_TEXT))
                self._display.show_send_failure(UncertainRequest(_(UNCERTAIN_TEXT)), message)
            elif not message.failure:
                self.resend(message)
        return left

    def resend(self, message: UnsentMessage) -> None:
        """Queue an unsent ``message`` of the outbox for sending.

        The message is one of an earlier run of the client, or one that the server has refused.
        """
        try:
            command = resend_command(message)
        except Refusal as refusal:
            self._outbox.mark_as_refused(message.ref, failure_text(refusal))
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
        self._unreached, self._held_text = None, ""

    def record_forced_switch(self, left: ConversationRef) -> None:
        """Record that the user is in another conversation than before without having asked for that.

        A group that is closed leaves the screen, for instance. The next line may still be meant for ``left``.
        """
        self._unreached, self._held_text = left, ""

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
            elif isinstance(command, OpenDirectConversation):
                await self._open_direct(command, line.ref, line.switches_to)
            elif isinstance(command, codec.COMMANDS_KEPT_ON_DISK):
                await self._send(command, line.ref)
            else:
                await self._run_command(command, line.switches_to)
                self._commands_waiting -= 1

    async def wait_for_acks(self) -> None:
        """Wait until each sent message is acknowledged or refused, or lost with the connection."""
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    def cancel(self) -> None:
        """Stop waiting for the acks of sent messages. The messages stay in the outbox."""
        for sending in self._sending.values():
            sending.cancel()

    def _recorded(self, line: TypedLine) -> TypedLine:
        """Put a message, or a change of one, into the outbox, and return its line with its ref.

        Return any other line as it is.
        """
        message = line.command.message if isinstance(line.command, OpenDirectConversation) else line.command
        if isinstance(message, SendImage | SendTextFile):
            self._files_waiting += 1
        elif isinstance(message, codec.COMMANDS_KEPT_ON_DISK):
            line = msgspec.structs.replace(
                line, ref=self._outbox.add(message, line.conversation, line.typed).ref
            )
        else:
            self._commands_waiting += isinstance(message, c.Command) and not isinstance(message, c.Quit)
            return line
        self._display.unsent_count_changed()
        return line

    async def _send_file(self, file: SendImage | SendTextFile) -> None:
        columns = self._display.image_columns()
        try:
            if isinstance(file, SendImage):
                with self._display.progress_indicator():
                    drawn, picture = await asyncio.to_thread(picture_as_characters, file.path, columns)
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

    async def _open_direct(
        self, opened: OpenDirectConversation, ref: str, destination: ConversationRef | None
    ) -> None:
        """Go to a direct conversation if its user exists, after sending the message, if there is one."""
        if opened.message is not None:
            refusal = await self._send_and_wait(opened.message, ref)
        else:
            refusal = await self._check_known(opened.nick)
        self._finish_switch(destination, refusal)

    async def _send_and_wait(self, command: c.Command, ref: str) -> str | None:
        """Send a message, and return None if its ack came, else the code of its refusal.

        The code is empty if the connection was lost, or if the message was withdrawn meanwhile.
        """
        await self._send(command, ref)
        sending = self._sending.get(ref)
        if sending is None:
            return ""
        await asyncio.wait([sending])
        return "" if sending.cancelled() else sending.result()

    async def _check_known(self, nick: str) -> str | None:
        """Return None if there is a user ``nick``. Else show why not, and return the code of the refusal."""
        try:
            await self._ask(c.ReadHistory(dest=nick, limit=1))
        except (RefusedByServer, ConnectionLost) as failure:
            code = _code(failure)
            if code == "unknown_action":
                return None  # a course-work server, which has no history, may know the user
            self._display.show_failure(failure)
            return code
        return None

    async def _send(self, command: c.Command, ref: str) -> None:
        await self._slots.acquire()
        if self._outbox.get(ref) is None:  # withdrawn
            self._slots.release()
            return
        is_change = isinstance(command, codec.MESSAGE_CHANGE_COMMANDS)
        before_sending = partial(self._outbox.mark_sent, ref) if is_change else None
        sending = asyncio.create_task(self._await_ack(self._ask(command, ref, before_sending), ref))
        self._sending[ref] = sending
        sending.add_done_callback(lambda _sent: self._sending.pop(ref, None))

    async def _await_ack(self, asked: Awaitable[objects.AnswerObject], ref: str) -> str | None:
        """Wait for the ack of a message, and return None if it came, else the code of the refusal, which is
        empty if the connection was lost.
        """
        message = self._outbox.get(ref)
        assert message is not None
        try:
            await asked
        except (RefusedByServer, UncertainRequest) as failure:
            code = _code(failure)
            if code == "no_such_user" or (code and message.kind == "command"):
                self._outbox.remove(ref)  # there is no conversation that could show it, or nothing to keep
            else:
                self._outbox.mark_as_refused(ref, str(failure))
            self._display.show_send_failure(failure, message)
            return code
        except ConnectionLost as failure:  # the client ends, and the message waits for its next run
            self._display.show_send_failure(failure, message)
            return ""
        else:
            self._outbox.remove(ref)
            return None
        finally:
            self._slots.release()
            self._display.unsent_count_changed()

    async def _run_command(self, command: c.Command, destination: ConversationRef | None) -> None:
        if await self._display.handle_command(command):
            self._finish_switch(destination, None)
            return
        refusal = None
        try:
            self._display.show_answer(await self._ask(command))
        except (RefusedByServer, ConnectionLost) as failure:
            refusal = _code(failure)
            if destination is not None and refusal == "already_member":
                refusal = None
            else:
                self._display.show_failure(failure)
        self._finish_switch(destination, refusal)

    def _finish_switch(self, destination: ConversationRef | None, refusal: str | None) -> None:
        if destination not in self._queued_switches:
            return
        place = self._queued_switches.popleft()
        self._unreached, self._held_text = (None if refusal is None else place), ""
        self._display.conversation_switch_finished(place, refusal)


def _code(failure: RefusedByServer | ConnectionLost) -> str:
    """Return the code of a refusal, or an empty text for a lost connection."""
    return failure.code if isinstance(failure, RefusedByServer) else ""


def _can_wait(command: TypedCommand) -> bool:
    """Return whether ``command`` can wait for a connection, over a restart too, or needs none."""
    if isinstance(command, OpenDirectConversation):
        return command.message is not None
    local = (c.Quit, c.ListCommands, SendImage, SendTextFile, CopyMessages)
    return isinstance(command, (*codec.COMMANDS_KEPT_ON_DISK, *local))


def _are_equal(one: TypedCommand, other: TypedCommand) -> bool:
    return type(one) is type(other) and msgspec.structs.asdict(one) == msgspec.structs.asdict(other)


def _destination(command: TypedCommand, here: ConversationRef) -> ConversationRef | None:
    """Return the conversation that ``command``, typed in the conversation ``here``, switches to, or None."""
    if isinstance(command, (c.Join, c.CreateGroup)):
        return ConversationRef("group", command.group)
    if isinstance(command, OpenDirectConversation):
        return ConversationRef("direct", command.nick)
    if isinstance(command, c.Leave) and ConversationRef("group", command.group).key == here.key:
        return LOBBY
    return None
