"""What the user has typed and the server has not acknowledged: messages, changes of messages, and drafts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from itertools import count
from typing import Final, cast

import msgspec

from chatd.client import codec
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.language import _, translated_os_error
from chatd.client.outbox_file import Draft, OutboxFile, UnsentKind, UnsentMessage
from chatd.client.typed_lines import LARGEST_DAEMON_LIMITS, message_command, parse_typed_line
from chatd.core import commands as c
from chatd.core.refusals import Refusal
from chatd.core.typed_commands import is_command_with_secret

UNSENT_SHOWN_AFTER_SECONDS: Final = 1.0
"""The time after which a message without an ack is shown as waiting, while there is a connection."""


def conversation_of(message: UnsentMessage) -> ConversationRef:
    """Return the conversation that the unsent ``message`` goes to."""
    return ConversationRef(message.conversation, message.name)


class Outbox:
    """The unsent messages: those that wait for their ack, and those that the server has refused.

    The commands that change messages are kept like messages, and drafts are kept beside them. After
    `open_file`, they are kept in a file, so that the next run of the client sends them. If the file can't be
    written any more, ``warn`` is called once with the reason in the user's language, and they are kept in
    memory only. If ``keeps_refused`` is false, a refused message is removed. ``now`` returns the time in
    seconds since 1970.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        keeps_refused: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._warn = warn
        self._keeps_refused = keeps_refused
        self._now = now
        self._messages: dict[str, UnsentMessage] = {}
        self._file: OutboxFile | None = None
        token = secrets.token_hex(8)
        self._refs = (f"{token}.{number}" for number in count(1))

    def open_file(self, file: OutboxFile) -> list[UnsentMessage]:
        """Keep the unsent messages in ``file`` from now on.

        Return the unsent messages of earlier runs of the client.
        """
        self._file = file
        try:
            for message in self._messages.values():
                file.store_message(message)
            left = file.take_over_earlier_messages()
        except OSError as error:
            self._give_up_file(error)
            return []
        # Those of earlier runs come first.
        self._messages = {message.ref: message for message in left} | self._messages
        return left

    def close(self) -> None:
        """Close the file. The file remains if it has unsent messages."""
        if self._file is not None:
            self._file.close()

    def add(self, command: c.Command, here: ConversationRef, typed: str = "") -> UnsentMessage:
        """Add the message of ``command``, which was typed in the conversation ``here``, and return it with a
        new ref.

        For a command that changes a message, ``typed`` is the typed line, which has the id of the message.
        """
        assert isinstance(command, codec.COMMANDS_KEPT_ON_DISK)
        place, kind, reply_to = here, "message", 0
        text = typed if isinstance(command, codec.MESSAGE_CHANGE_COMMANDS) else command.msg
        if isinstance(command, codec.MESSAGE_CHANGE_COMMANDS):
            kind = "command"
        elif isinstance(command, c.ReplyToMessage):
            reply_to = command.id
        elif isinstance(command, c.SendToLobby):
            place, kind = LOBBY, command.kind
        elif isinstance(command, c.SendToGroup):
            place, kind = ConversationRef("group", command.group), command.kind
        else:
            place, kind = ConversationRef("direct", command.dest), command.kind
        message = UnsentMessage(
            next(self._refs),
            place.kind,
            place.name,
            text,
            cast(UnsentKind, kind),  # people send no other kind
            self._now(),
            reply_to=reply_to,
        )
        self._keep(message)
        return message

    @property
    def is_on_disk(self) -> bool:
        """Whether the unsent messages are kept in a file."""
        return self._file is not None

    def get(self, ref: str) -> UnsentMessage | None:
        """Return the unsent message with the ref ``ref``, or None if it has been sent or withdrawn."""
        return self._messages.get(ref)

    def remove(self, ref: str) -> None:
        """Remove a message that was acknowledged or withdrawn."""
        if self._messages.pop(ref, None) is not None and self._file is not None:
            try:
                self._file.remove_message(ref)
            except OSError as error:
                self._give_up_file(error)

    def mark_as_refused(self, ref: str, why: str) -> None:
        """Record that the server refused a message, with the reason ``why`` in the user's language."""
        message = self._messages.get(ref)
        if not self._keeps_refused:
            self.remove(ref)
        elif message is not None:
            self._keep(msgspec.structs.replace(message, failure=why or "?"))

    def mark_sent(self, ref: str) -> None:
        """Record that the command with the ref ``ref`` is about to be written to a connection.

        The next run of the client then does not send it again.
        """
        message = self._messages.get(ref)
        if message is not None and not message.is_sent:
            self._keep(msgspec.structs.replace(message, is_sent=True))

    def store_draft(self, place: ConversationRef, text: str) -> None:
        """Keep ``text`` on disk as the draft of the conversation ``place``.

        An empty text removes the draft.

        A text with a password is not kept.
        """
        if self._file is not None:
            kept = text if self.can_store_draft(text) else ""
            try:
                self._file.store_draft(Draft(place.kind, place.name, kept))
            except OSError as error:
                self._give_up_file(error)

    def can_store_draft(self, text: str) -> bool:
        """Return whether ``text`` can be kept on disk as a draft: there is a file, and ``text`` has no
        password.
        """
        return self._file is not None and not is_command_with_secret(text)

    @property
    def stored_drafts(self) -> list[tuple[ConversationRef, str]]:
        """The drafts that are kept on disk, with their conversations."""
        kept = [] if self._file is None else self._file.drafts
        return [(ConversationRef(one.conversation, one.name), one.text) for one in kept]

    def mark_as_waiting(self, ref: str) -> UnsentMessage:
        """Make a refused message wait to be sent again. Raises `KeyError` for an unknown ref."""
        message = msgspec.structs.replace(self._messages[ref], failure="", at=self._now(), is_sent=False)
        self._keep(message)
        return message

    def messages_for(self, place: ConversationRef) -> list[UnsentMessage]:
        """Return the unsent messages of the conversation ``place``, in the order in which they were typed."""
        if not self._messages:
            return []
        return [one for one in self._messages.values() if conversation_of(one).key == place.key]

    def shown_in(self, place: ConversationRef, is_connected: bool) -> list[UnsentMessage]:
        """Return the messages of the conversation ``place`` that the screen shows as unsent.

        While the client is connected, a message that was written a moment ago is not shown, because its ack
        is expected soon.
        """
        late = self._now() - UNSENT_SHOWN_AFTER_SECONDS
        return [one for one in self.messages_for(place) if one.failure or not is_connected or one.at <= late]

    @property
    def waiting_count(self) -> int:
        """The number of messages, and of commands that change one, that wait for their ack."""
        return sum(not one.failure for one in self._messages.values())

    @property
    def waiting_message_count(self) -> int:
        """The number of messages that wait for their ack, without the commands."""
        return sum(not one.failure and one.kind != "command" for one in self._messages.values())

    @property
    def failed_count(self) -> int:
        """The number of messages that the server refused."""
        return len(self._messages) - self.waiting_count

    def _keep(self, message: UnsentMessage) -> None:
        self._messages[message.ref] = message
        if self._file is not None:
            try:
                self._file.store_message(message)
            except OSError as error:
                self._give_up_file(error)

    def _give_up_file(self, error: OSError) -> None:
        self._file = None
        why = translated_os_error(error)
        self._warn(_("unsent messages can't be kept on disk: {why}").format(why=why))


def resend_command(message: UnsentMessage) -> c.Command:
    """Return the command that sends ``message`` again. Raises `Refusal` if the outbox file was altered."""
    if message.kind == "command":
        command = parse_typed_line(message.text, conversation_of(message))
        if not isinstance(command, codec.MESSAGE_CHANGE_COMMANDS):
            raise Refusal("unknown_action", name=message.text[:64])
        return command
    if message.reply_to:
        return c.COMMANDS["reply"].build({"id": message.reply_to, "msg": message.text}, LARGEST_DAEMON_LIMITS)
    return message_command(conversation_of(message), message.text, message.kind)
