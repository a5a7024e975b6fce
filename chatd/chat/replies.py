"""Sends messages that answer others: it reads what they answer before they are decided."""

from __future__ import annotations

from typing import Protocol

from chatd.boundaries import Client
from chatd.chat.channels import is_for_lobby
from chatd.chat.commits import Committer
from chatd.chat.messages import MessageFinder
from chatd.chat.turns import TurnQueue
from chatd.core.commands import ReplyToMessage, SendToGroup, SendToUser
from chatd.core.events import LOBBY, AnsweredMessage, Conversation, User
from chatd.core.message_rules import no_such_message_refusal
from chatd.core.refusals import Refusal
from chatd.core.reply_rules import (
    SENDING_COMMANDS,
    SendingCommand,
    check_may_answer,
    sending_command_of_reply,
)
from chatd.core.requests import Request
from chatd.core.rules import require_group_member


class SendMessage(Protocol):
    """The interface of a function that decides, stores and delivers a message.

    `chatd.chat.service.Chat` implements it.
    """

    def __call__(
        self,
        client: Client,
        request: Request,
        user: User,
        command: SendingCommand,
        answered: AnsweredMessage | None,
        /,
    ) -> None: ...


class ReplyService:
    """Sends answers to messages: it finds the message that a user answers, and passes the answer to
    ``send``.
    """

    def __init__(
        self, messages: MessageFinder, committer: Committer, turns: TurnQueue, send: SendMessage
    ) -> None:
        self._messages = messages
        self._committer = committer
        self._turns = turns
        self._send = send

    def execute(
        self, client: Client, request: Request, user: User, command: SendingCommand | ReplyToMessage, id: int
    ) -> None:
        """Send the answer of ``user``, which is in ``command``, to the message with the log id ``id``.

        The client's next command is decided after this one.
        """
        self._turns.run_coroutine(client, request, self._reply(client, request, user, command, id), True)

    async def _reply(
        self, client: Client, request: Request, user: User, command: SendingCommand | ReplyToMessage, id: int
    ) -> None:
        answered = None
        try:
            message = await self._messages.find(id)
            await self._messages.check_not_hidden(user, message)
            if not isinstance(command, ReplyToMessage):
                place = self._conversation(user, command)
                if place is None or place.id != message.event.conversation.id:
                    raise no_such_message_refusal(id)
            answered = check_may_answer(self._committer.state, user, message, client.token)
            if isinstance(command, ReplyToMessage):
                command = sending_command_of_reply(user, message, command)
                if is_for_lobby(command) and not client.in_lobby:
                    raise Refusal("not_member", group="lobby")
        except Refusal as refusal:
            if refusal.code != "no_such_message" or not isinstance(
                request.fallback_command, SENDING_COMMANDS
            ):
                raise
            command, answered = request.fallback_command, None
        self._send(client, request, user, command, answered)

    def _conversation(self, user: User, command: SendingCommand) -> Conversation | None:
        """Return the conversation that ``command`` sends to, or None if it is not there yet.

        Raises `Refusal` if ``user`` may not send to it.
        """
        state = self._committer.state
        if isinstance(command, SendToGroup):
            return require_group_member(state, user, command.group).conversation
        if isinstance(command, SendToUser):
            return state.direct_conversation(user, state.require_user(command.dest))
        return LOBBY
