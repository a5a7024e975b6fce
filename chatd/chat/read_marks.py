"""Carries out the commands with which users mark conversations as read."""

from __future__ import annotations

from collections.abc import Sequence

from chatd.boundaries import Archive, Client
from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.turns import TurnQueue
from chatd.core.answers import ReadMark
from chatd.core.channel_commands import MarkReadUntil
from chatd.core.commands import MarkRead
from chatd.core.events import LOBBY, Conversation, ReadMarkMoved, User
from chatd.core.queries import requested_conversation
from chatd.core.read_mark_rules import check_may_mark
from chatd.core.requests import Request


class ReadMarkService:
    """Moves the read marks of users forward, and tells the user's other sessions.

    A mark is an id. Dialects with channels name the time of that entry instead, which ``archive`` looks up.
    """

    def __init__(
        self, authority: Authority, archive: Archive, dispatcher: Dispatcher, turns: TurnQueue
    ) -> None:
        self._authority = authority
        self._archive = archive
        self._dispatcher = dispatcher
        self._turns = turns

    def execute(
        self, client: Client, request: Request, user: User, command: MarkRead | MarkReadUntil
    ) -> None:
        """Carry out ``command`` of ``user``. Raises `Refusal`."""
        conversation = requested_conversation(self._authority.state, user, command)
        if isinstance(command, MarkRead):
            moving = self._move(client, request, user, conversation, command.upto)
            self._turns.run_coroutine(client, request, moving)
        else:
            moving = self._move_to_time(client, request, user, conversation, command.time)
            self._turns.run_coroutine(client, request, moving, paused=True)

    def marked_conversations(self, user: User, client: Client) -> list[Conversation]:
        """Return the lobby and the groups of ``user`` in which the user has set a read mark; none for a
        ``client`` that does not show them as channels, or has a token.
        """
        if not client.dialect.has_channels or client.token is not None:
            return []
        readable = [LOBBY, *self._authority.state.direct_and_group_conversations_of(user)]
        mark_in = self._authority.journal.get_read_mark
        return [one for one in readable if not one.pair and mark_in(user, one)]

    async def times_of_marks(self, user: User, conversations: Sequence[Conversation]) -> dict[int, int]:
        """Return the times of the read marks of ``user`` in ``conversations``, by the ids of these.

        The time of a mark is that of the last entry up to it, in milliseconds since 1970. Raises
        `ReadFailed`.
        """
        marks = [(one, self._authority.journal.get_read_mark(user, one)) for one in conversations]
        times = await self._archive.entry_times(marks, self._authority.state.log_filter(user))
        return {one.id: at for one, at in zip(conversations, times, strict=True) if at is not None}

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
        if not moved:
            return
        others = [one for one in self._dispatcher.sessions_of(user) if one is not client]
        at = None
        if any(one.dialect.has_channels for one in others):
            at = (await self.times_of_marks(user, [conversation])).get(conversation.id)
        self._tell_others(client, user, conversation, mark, at)

    async def _move_to_time(
        self, client: Client, request: Request, user: User, conversation: Conversation, time: int | None
    ) -> None:
        await self._turns.wait_for_turn()
        check_may_mark(self._authority.state, user, conversation)
        journal = self._authority.journal
        moved = False
        if time is not None:
            (later,) = await self._archive.first_ids_since([time + 1], journal.last_delivered_id)
            await self._turns.wait_for_turn()
            check_may_mark(self._authority.state, user, conversation)
            upto = min(later - 1, journal.last_id_in(conversation))
            moved = journal.move_read_mark(user, conversation, upto)
        mark = -1
        while mark != journal.get_read_mark(user, conversation):  # another session may move it meanwhile
            mark = journal.get_read_mark(user, conversation)
            at = (await self.times_of_marks(user, [conversation])).get(conversation.id)
        client.answer(request, ReadMark(user, conversation, mark, at))
        if moved:
            self._tell_others(client, user, conversation, mark, at)

    def _tell_others(
        self, client: Client, user: User, conversation: Conversation, mark: int, at: int | None
    ) -> None:
        """Send the user's other sessions the mark, unless it has moved on and they are told of that."""
        if mark == self._authority.journal.get_read_mark(user, conversation):
            moved = ReadMarkMoved(user, conversation, mark, at)
            self._dispatcher.deliver_to_other_sessions(moved, client)
