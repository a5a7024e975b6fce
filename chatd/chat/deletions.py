"""Carries out the command that deletes the text of a message, for its author and for operators."""

from __future__ import annotations

from twisted.internet.defer import DeferredLock

from chatd.boundaries import Client, Requester
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.messages import MessageFinder
from chatd.chat.turns import TurnQueue
from chatd.core.answers import Ack, Answer, Moderated
from chatd.core.channel_commands import DeleteMessageInConversation
from chatd.core.commands import DeleteMessage
from chatd.core.deletion_rules import delete_as_server_operator, delete_as_user
from chatd.core.events import CONSOLE, LogEntry, User
from chatd.core.message_rules import no_such_message_refusal
from chatd.core.moderation import ModerationEntry
from chatd.core.queries import conversation_of_command
from chatd.core.refusals import Refusal
from chatd.core.requests import Request


class DeletionService:
    """Deletes the texts of messages for their authors, for group operators and for server operators.

    A deletion by a server operator adds an entry to the moderation log, and is answered like the other
    commands of server operators. Any other user is sent an ack with the event ``deleted``.

    Each change of a message holds ``message_lock``, because it is read from the database whether the message
    still has a text.
    """

    def __init__(
        self,
        authority: Authority,
        messages: MessageFinder,
        message_lock: DeferredLock,
        committer: Committer,
        turns: TurnQueue,
    ) -> None:
        self._authority = authority
        self._messages = messages
        self._committer = committer
        self._turns = turns
        self._lock = message_lock

    def execute_for_console(self, requester: Requester, request: Request, command: DeleteMessage) -> None:
        """Carry out ``command`` of the administrator, which came over the control socket.

        The next command of ``requester`` waits for the answer.
        """
        self._turns.run_coroutine(
            requester, request, self._delete_as_operator(requester, request, CONSOLE, command), paused=True
        )

    def execute(self, client: Client, request: Request, user: User, command: DeleteMessage) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer.

        Raises `Refusal` if the command names a group or user that ``user`` may not see, or if ``user`` may
        not write, and `Refusal` ``storage_failed`` while the state is reloaded after a failed transaction.
        Refusals that are found later are sent to the client.
        """
        state = self._committer.state
        if isinstance(command, DeleteMessageInConversation):
            conversation_of_command(state, user, command)
        if self._authority.operator_sessions.operator_of(client) is not None:
            work = self._delete_as_operator(client, request, user, command)
        else:
            self._authority.check_write_permission(user)
            work = self._delete_as_user(client, request, user, command)
        self._turns.run_coroutine(client, request, work, paused=True)

    async def _delete_as_operator(
        self, requester: Requester, request: Request, user: User, command: DeleteMessage
    ) -> None:
        async with self._lock:
            message = await self._message(user, command)
            # Meanwhile the state may have been read again, and the operator dismissed or erased.
            state = self._committer.state
            operator = self._authority.operator_sessions.operator_of(requester)
            if operator is None:
                raise Refusal("not_server_operator")
            decision = delete_as_server_operator(state, operator, message, command, self._authority.now())
            await self._committer.commit_event(decision, None)
        acts = tuple(record for record in decision.records if isinstance(record, ModerationEntry))
        await self._erase(requester, request, Moderated(acts))

    async def _delete_as_user(
        self, client: Client, request: Request, user: User, command: DeleteMessage
    ) -> None:
        async with self._lock:
            message = await self._message(user, command)
            await self._messages.check_not_hidden(user, message)
            # Meanwhile the state may have been read again, and the user muted or put out.
            self._authority.check_write_permission(user)
            decision = delete_as_user(
                self._committer.state, user, message, command, client.token, client.last_id_at_login
            )
            entry = await self._committer.commit_event(decision, client)
        await self._erase(client, request, Ack(entry))

    async def _erase(self, requester: Requester, request: Request, answer: Answer) -> None:
        """Empty the write-ahead log, which has the deleted text, and send ``answer``."""
        await self._authority.journal.erase_deleted_texts()
        requester.answer(request, answer)

    async def _message(self, user: User, command: DeleteMessage) -> LogEntry:
        """Return the log entry that ``command`` of ``user`` names.

        Raises `Refusal` ``no_such_message`` if there is none, or if it is not where the command says.
        """
        message = await self._messages.find(command.id)
        state = self._committer.state
        if isinstance(command, DeleteMessageInConversation):
            if conversation_of_command(state, user, command).id != message.event.conversation.id:
                raise no_such_message_refusal(command.id)
        return message
