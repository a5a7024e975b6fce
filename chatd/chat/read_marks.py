"""Carries out the commands with which users mark conversations as read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatd.boundaries import Archive, Client
from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.turns import TurnQueue, not_stored_refusal
from chatd.core.answers import ReadMark
from chatd.core.channel_commands import MarkReadUntilTime
from chatd.core.commands import MarkRead
from chatd.core.events import LOBBY, Conversation, ReadMarkMoved, User
from chatd.core.queries import conversation_of_command
from chatd.core.read_mark_rules import check_may_mark_as_read
from chatd.core.read_marks import NO_READ_MARK, ReadMarkPosition
from chatd.core.requests import Request
from chatd.core.rules import Decision, user_with_open_account

READ_MARK_TIME_BEFORE_ALL_ENTRIES: Final = 1
"""The time of a mark at the id 0, in milliseconds since 1970. It tells the mark from none."""


class ReadMarkService:
    """Moves the read marks of users forward, and tells the user's other sessions.

    Clients that show channels send and receive a mark as a time instead of an entry id. This is the time that
    such a client has given, or the time of the last entry up to the mark, whichever is later. ``archive``
    looks up the time of the entry.
    """

    def __init__(
        self, authority: Authority, archive: Archive, dispatcher: Dispatcher, turns: TurnQueue
    ) -> None:
        self._authority = authority
        self._archive = archive
        self._dispatcher = dispatcher
        self._turns = turns

    def execute(
        self, client: Client, request: Request, user: User, command: MarkRead | MarkReadUntilTime
    ) -> None:
        """Carry out ``command`` of ``user``, and answer ``request``. Raises `Refusal`."""
        conversation = conversation_of_command(self._authority.state, user, command)
        if isinstance(command, MarkRead):
            moving = self._move(client, request, user, conversation, command.upto)
            self._turns.run_coroutine(client, request, moving)
        else:
            moving = self._move_to_time(client, request, user, conversation, command.time)
            self._turns.run_coroutine(client, request, moving, paused=True)

    def marked_conversations(self, user: User, client: Client) -> list[Conversation]:
        """Return the conversations among the lobby and the user's groups in which ``user`` has set a read
        mark.

        The result is empty if ``client`` does not show channels, because such a client shows no read marks at
        the login. It is also empty if ``client`` has logged in with a token, because programs must not know
        what their user has read.
        """
        if not client.dialect.shows_groups_as_channels or client.token is not None:
            return []
        readable = [LOBBY, *self._authority.state.direct_and_group_conversations_of(user)]
        mark_in = self._authority.journal.get_read_mark
        return [one for one in readable if not one.pair and mark_in(user, one) != NO_READ_MARK]

    async def times_of_marks(self, user: User, conversations: Sequence[Conversation]) -> dict[int, int]:
        """Return the read marks of ``user`` in ``conversations`` as times, by conversation id.

        The time of a mark is the one that a client has given, or the time of the last entry up to the mark,
        whichever is later, in milliseconds since 1970. Conversations without such a time are left out. Raises
        `ReadFailed`.
        """
        marks = [self._authority.journal.get_read_mark(user, one) for one in conversations]
        places = [(one, mark.entry_id) for one, mark in zip(conversations, marks, strict=True)]
        times = await self._archive.entry_times(places, self._authority.state.log_filter(user))
        shown = [max(mark.client_time, at or 0) for mark, at in zip(marks, times, strict=True)]
        return {one.id: at for one, at in zip(conversations, shown, strict=True) if at}

    async def _move(
        self, client: Client, request: Request, user: User, conversation: Conversation, upto: int | None
    ) -> None:
        await self._turns.wait_for_turn()
        check_may_mark_as_read(self._authority.state, user, conversation)
        journal = self._authority.journal
        last = journal.last_id_in(conversation)
        if upto == 0 and last:
            moved = journal.move_read_mark(user, conversation, 0, READ_MARK_TIME_BEFORE_ALL_ENTRIES)
        else:
            moved = journal.move_read_mark(user, conversation, last if upto is None else min(upto, last))
        mark = journal.get_read_mark(user, conversation)
        client.answer(request, ReadMark(user, conversation, mark.entry_id))
        if not moved:
            return
        others = [one for one in self._dispatcher.sessions_of(user) if one is not client]
        at = None
        if any(one.dialect.shows_groups_as_channels for one in others):
            at = (await self.times_of_marks(user, [conversation])).get(conversation.id)
        self._tell_others(client, user, conversation, mark, at)

    async def _move_to_time(
        self, client: Client, request: Request, user: User, conversation: Conversation, time: int | None
    ) -> None:
        await self._turns.wait_for_turn()
        check_may_mark_as_read(self._authority.state, user, conversation)
        journal = self._authority.journal
        before = journal.get_read_mark(user, conversation)
        moved = False
        if time is not None and time > 0:
            (later,) = await self._archive.first_ids_since([time + 1], journal.last_delivered_id)
            conversation = await self._stored(user, conversation)
            check_may_mark_as_read(self._authority.state, user, conversation)
            upto = min(later - 1, journal.last_id_in(conversation))
            before = journal.get_read_mark(user, conversation)
            at = min(time, self._authority.now())
            moved = journal.move_read_mark(user, conversation, upto, at)
        mark = journal.get_read_mark(user, conversation)
        times = await self.times_of_marks(user, [conversation])
        while mark != journal.get_read_mark(user, conversation):  # another session has moved it meanwhile
            mark = journal.get_read_mark(user, conversation)
            times = await self.times_of_marks(user, [conversation])
        shown_at = times.get(conversation.id)
        client.answer(request, ReadMark(user, conversation, mark.entry_id, shown_at))
        if moved:
            only_time = mark.entry_id == before.entry_id
            self._tell_others(client, user, conversation, mark, shown_at, only_time)

    async def _stored(self, user: User, conversation: Conversation) -> Conversation:
        """Return ``conversation`` as it is on disk, when all earlier tasks of the journal are completed.

        Two users who never sent each other a message have no conversation on disk. It is made, if ``user``
        may write, so that the mark can be stored: clients expect to get back what they have set. Raises
        `Refusal` and `NotStored`.
        """
        authority = self._authority
        if not conversation.pair:
            await self._turns.wait_for_turn()
            return conversation
        if authority.recovering:
            raise not_stored_refusal()
        other = conversation.other_user(user)
        found = authority.state.direct_conversation(user, other)
        if found is not None:
            await self._turns.wait_for_turn()
            return found
        authority.check_write_permission(user)
        user_with_open_account(authority.state, other.nick)
        made = authority.state.build_conversation("direct", pair=conversation.pair)
        records, _ = authority.apply(Decision(records=(made,)))
        await self._turns.store(*records)
        return made

    def _tell_others(
        self,
        client: Client,
        user: User,
        conversation: Conversation,
        mark: ReadMarkPosition,
        at: int | None,
        only_time: bool = False,
    ) -> None:
        """Send the mark to the user's other sessions, unless it has moved again and they are sent the later
        one.

        If ``only_time`` is true, the mark has a new time and the same id.
        """
        if mark == self._authority.journal.get_read_mark(user, conversation):
            moved = ReadMarkMoved(user, conversation, mark.entry_id, at)
            self._dispatcher.send_read_mark_to_other_sessions(moved, client, only_time)
