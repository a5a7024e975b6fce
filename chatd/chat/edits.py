"""Carries out the command that replaces the text of a message, for its author."""

from __future__ import annotations

from twisted.internet.defer import DeferredLock

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.messages import MessageFinder
from chatd.chat.turns import TurnQueue
from chatd.core.answers import Ack
from chatd.core.commands import EditMessage
from chatd.core.edit_rules import edit_message
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.quotas import check_storage
from chatd.core.requests import Request
from chatd.core.state import NO_USER_IDS


class EditService:
    """Replaces the texts of messages for their authors.

    The author is sent an ack with the event ``edited``.

    Each change of a message holds ``message_lock``, because its text is read from the database.
    """

    def __init__(
        self,
        authority: Authority,
        messages: MessageFinder,
        message_lock: DeferredLock,
        committer: Committer,
        turns: TurnQueue,
        limits: Limits,
    ) -> None:
        self._authority = authority
        self._messages = messages
        self._lock = message_lock
        self._committer = committer
        self._turns = turns
        self._limits = limits

    def execute(self, client: Client, request: Request, user: User, command: EditMessage) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer.

        Raises `Refusal` if ``user`` may not write.
        """
        self._authority.check_write_permission(user)
        self._turns.run_coroutine(client, request, self._edit(client, request, user, command), paused=True)

    async def _edit(self, client: Client, request: Request, user: User, command: EditMessage) -> None:
        async with self._lock:
            message = await self._messages.find(command.id)
            await self._messages.check_not_hidden(user, message)
            early_ids = await self._messages.user_ids_joined_before(message)
            # Meanwhile the state may have been read again, and the user muted or put out.
            self._authority.check_write_permission(user)
            state, token = self._committer.state, client.token
            decision = edit_message(state, user, message, command, token, client.last_id_at_login)
            check_storage(decision, self._authority.journal.database_bytes, self._limits)
            group = state.group_of(message.event.conversation)
            # Those who join meanwhile are members already, and not among those who were read.
            late_ids = (
                NO_USER_IDS if group is None or early_ids is None else frozenset(group.members) - early_ids
            )
            entry = await self._committer.commit_event(decision, client, late_ids)
            # At once, as clients take the entries that they are told of in the order of their ids.
            client.answer(request, Ack(entry))
        # The write-ahead log has the earlier text.
        await self._authority.journal.erase_deleted_texts()
