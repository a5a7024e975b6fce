"""Carries out the command with which users mark conversations as read."""

from __future__ import annotations

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.turns import TurnQueue
from chatd.core.answers import ReadMark
from chatd.core.commands import MarkRead
from chatd.core.events import Conversation, ReadMarkMoved, User
from chatd.core.queries import requested_conversation
from chatd.core.read_mark_rules import check_may_mark
from chatd.core.requests import Request


class ReadMarkService:
    """Moves the read marks of users forward, and tells the user's other sessions."""

    def __init__(self, authority: Authority, dispatcher: Dispatcher, turns: TurnQueue) -> None:
        self._authority = authority
        self._dispatcher = dispatcher
        self._turns = turns

    def execute(self, client: Client, request: Request, user: User, command: MarkRead) -> None:
        """Carry out ``command`` of ``user``. Raises `Refusal`."""
        conversation = requested_conversation(self._authority.state, user, command)
        moving = self._move(client, request, user, conversation, command.upto)
        self._turns.run_coroutine(client, request, moving)

    async def _move(
        self, client: Client, request: Request, user: User, conversation: Conversation, upto: int | None
    ) -> None:
        await self._turns.wait_for_turn()
        check_may_mark(self._authority.state, user, conversation)
        journal = self._authority.journal
        last = journal.last_id_in(conversation)
        moved = journal.move_read_mark(user, conversation, last if upto is None else min(upto, last))
        mark = journal.get_read_mark(user, conversation)
        client.answer(request, ReadMark(user, conversation, mark))
        if moved:
            self._dispatcher.deliver_to_other_sessions(ReadMarkMoved(user, conversation, mark), client)
