"""Carries out the commands by which users react to messages, and take reactions back."""

from __future__ import annotations

from twisted.internet.defer import DeferredLock

from chatd.boundaries import Archive, Client
from chatd.chat.authority import Authority
from chatd.chat.channels import ChannelService
from chatd.chat.commits import Committer
from chatd.chat.messages import MessageFinder
from chatd.chat.turns import TurnQueue
from chatd.core.answers import Ack
from chatd.core.channel_commands import ReactInChannel, SendTransientMessage, UnreactInChannel
from chatd.core.commands import ReactToMessage, TakeReactionBack
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.message_rules import no_such_message_refusal
from chatd.core.queries import conversation_of_command
from chatd.core.quotas import check_storage
from chatd.core.reaction_rules import decide_reaction
from chatd.core.refusals import Refusal
from chatd.core.requests import Request


class ReactionService:
    """Stores and removes reactions.

    Their author is sent an ack with the event ``reacted`` or ``unreacted``.

    Each change of a message holds ``message_lock``, because the reactions to it are read from the database.
    ``channels`` forwards reactions of IRC clients to messages that are not in the log.
    """

    def __init__(
        self,
        authority: Authority,
        archive: Archive,
        messages: MessageFinder,
        message_lock: DeferredLock,
        channels: ChannelService,
        committer: Committer,
        turns: TurnQueue,
        limits: Limits,
    ) -> None:
        self._authority = authority
        self._archive = archive
        self._messages = messages
        self._lock = message_lock
        self._channels = channels
        self._committer = committer
        self._turns = turns
        self._limits = limits

    def execute(
        self, client: Client, request: Request, user: User, command: ReactToMessage | TakeReactionBack
    ) -> None:
        """Carry out ``command`` of ``user``. The client's next command waits for the answer.

        Raises `Refusal` if ``user`` may not write, or if the command names a conversation that the user may
        not see.
        """
        self._authority.check_write_permission(user)
        if isinstance(command, ReactInChannel | UnreactInChannel):
            conversation_of_command(self._committer.state, user, command)
        self._turns.run_coroutine(client, request, self._react(client, request, user, command), paused=True)

    async def _react(
        self, client: Client, request: Request, user: User, command: ReactToMessage | TakeReactionBack
    ) -> None:
        try:
            async with self._lock:
                await self._store(client, request, user, command)
        except Refusal as refusal:
            if refusal.code != "no_such_message" or not isinstance(
                request.fallback_command, SendTransientMessage
            ):
                raise
            self._channels.execute(client, request, user, request.fallback_command)

    async def _store(
        self, client: Client, request: Request, user: User, command: ReactToMessage | TakeReactionBack
    ) -> None:
        message = await self._messages.find(command.id)
        state = self._committer.state
        if isinstance(command, ReactInChannel | UnreactInChannel):
            if conversation_of_command(state, user, command).id != message.event.conversation.id:
                raise no_such_message_refusal(command.id)
        await self._messages.check_not_hidden(user, message)
        reactions = await self._archive.reactions_to(message.id)
        # Meanwhile the state may have been read again, and the user muted or put out.
        self._authority.check_write_permission(user)
        decision = decide_reaction(self._committer.state, user, message, command, client.token, reactions)
        check_storage(decision, self._authority.journal.database_bytes, self._limits)
        entry = await self._committer.commit_event(decision, client)
        client.answer(request, Ack(entry))
