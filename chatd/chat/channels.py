"""Carries out the commands of clients that show groups as channels, as IRC clients do.

These commands are not stored: they change one session, or are passed on from one client to others.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from msgspec.structs import replace

from chatd.boundaries import Client, Clock
from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.presence import PresenceService
from chatd.chat.read_marks import ReadMarkService
from chatd.chat.token_buckets import TokenBuckets
from chatd.chat.turns import TurnQueue
from chatd.chat.watch_lists import WatchLists
from chatd.core.answers import (
    AlreadyInGroup,
    Answer,
    LobbyEntered,
    LobbyLeft,
    ProfileChanged,
    TransientMessageSent,
)
from chatd.core.audience import Audience
from chatd.core.channel_commands import EnterLobby, LeaveLobby, SendTransientMessage, SetProfile, WatchUsers
from chatd.core.channels import resolve_transient_receivers
from chatd.core.commands import Command, SendToLobby, SendTyping
from chatd.core.events import LOBBY, TYPING_TAG, ProfileChangeDelivery, TransientMessage, User
from chatd.core.profiles import changed_profile
from chatd.core.refusals import Refusal, rate_limited_refusal, translatable_reason
from chatd.core.requests import Request
from chatd.core.state import NO_USER_IDS
from chatd.core.tokens import token_covers
from chatd.store.errors import NotStored

CLIENT_TO_CLIENT_QUERY_BURST: Final = 20
"""The number of questions and answers from client to client that one user may be sent at once."""

CLIENT_TO_CLIENT_QUERY_TOKEN_REFILL_SECONDS: Final = 1.0
"""The seconds after which a user may be sent another one."""

TYPING_NOTICE_BURST: Final = 5
"""The number of typing marks that one user may send at once by `SendTyping`."""

TYPING_NOTICE_TOKEN_REFILL_SECONDS: Final = 1.0
"""The seconds after which a user may send another one."""

ChannelCommand = SetProfile | EnterLobby | LeaveLobby | SendTransientMessage | SendTyping | WatchUsers


class ChannelService:
    """Carries out the commands that only clients with channels, such as IRC clients, can send.

    These commands change the profile of a session, let a session enter or leave the lobby, change its watch
    list, or send messages to other clients that are not stored.
    """

    def __init__(
        self,
        authority: Authority,
        dispatcher: Dispatcher,
        presence: PresenceService,
        read_marks: ReadMarkService,
        turns: TurnQueue,
        watch_lists: WatchLists,
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._dispatcher = dispatcher
        self._presence = presence
        self._read_marks = read_marks
        self._turns = turns
        self._watch_lists = watch_lists
        self._journal = authority.journal
        # Clients answer such questions by themselves, which uses up the credit of their users.
        self._questions = TokenBuckets(
            clock, lambda: CLIENT_TO_CLIENT_QUERY_BURST, CLIENT_TO_CLIENT_QUERY_TOKEN_REFILL_SECONDS
        )
        self._typing_marks = TokenBuckets(
            clock, lambda: TYPING_NOTICE_BURST, TYPING_NOTICE_TOKEN_REFILL_SECONDS
        )
        self._transient_message_numbers = count(1)

    def execute(self, client: Client, request: Request, user: User, command: ChannelCommand) -> None:
        """Carry out ``command`` of ``user``, and answer ``request``. Raises `Refusal`."""
        if isinstance(command, SetProfile):
            self._authority.check_write_permission(user)
            self._turns.run_coroutine(client, request, self._set_profile(client, request, user, command))
        elif isinstance(command, EnterLobby | LeaveLobby):
            self._enter_lobby(client, request, user, isinstance(command, EnterLobby))
        elif isinstance(command, SendTransientMessage):
            self._send_transient_message(client, request, user, command)
        elif isinstance(command, SendTyping):
            self._send_typing(client, request, user, command)
        else:
            self._turns.run_coroutine(client, request, self._watch(client, request, command))

    def _enter_lobby(self, client: Client, request: Request, user: User, in_lobby: bool) -> None:
        """Have ``client`` enter or leave the lobby. The answer to who enters shows it as a channel."""
        if client.in_lobby is in_lobby:
            if not in_lobby:
                raise Refusal("not_member", group="lobby")
            answer: Answer = AlreadyInGroup("")
        elif in_lobby:
            if not token_covers(client.token, LOBBY):
                raise Refusal("out_of_scope")
            answer = LobbyEntered(user, self._authority.channel(user, ""))
        else:
            answer = LobbyLeft(user)
        self._turns.run_coroutine(
            client, request, self._set_in_lobby(client, request, user, in_lobby, answer), paused=True
        )

    def _send_typing(self, client: Client, request: Request, user: User, command: SendTyping) -> None:
        """Send what IRC clients tell each other by a tag. Raises `Refusal`."""
        wait = self._typing_marks.seconds_until_token(user.id)
        if wait > 0:
            raise rate_limited_refusal(translatable_reason("many_typing_marks"), wait)
        self._typing_marks.take_token(user.id)
        dest = None if command.group else command.dest
        tags = ((TYPING_TAG, command.state),)
        self._send_transient_message(
            client, request, user, SendTransientMessage(command.group or "", dest, tags=tags)
        )

    def _send_transient_message(
        self, client: Client, request: Request, user: User, command: SendTransientMessage
    ) -> None:
        self._authority.check_write_permission(user)
        state = self._authority.state
        conversation, dest, audience = resolve_transient_receivers(state, user, command)
        if command.text and dest is not None:
            wait = self._questions.seconds_until_token(dest.id)
            if wait > 0:
                raise rate_limited_refusal(translatable_reason("many_questions"), wait)
            self._questions.take_token(dest.id)
        now = self._authority.now()
        number = next(self._transient_message_numbers)
        for_operators = command.receivers == "operators"
        sent = TransientMessage(
            command.kind, user, conversation, dest, command.tags, command.text, now, number, for_operators
        )
        self._turns.run_coroutine(
            client, request, self._deliver_transient_message(client, request, sent, audience)
        )

    async def _deliver_transient_message(
        self, client: Client, request: Request, sent: TransientMessage, audience: Audience
    ) -> None:
        # Unlike other answers, it does not send what was gathered: many of these are sent at once.
        is_gathered = not (client.dialect.shows_own_messages or request.label)
        try:
            await self._journal.submit_records()
        except NotStored:
            is_gathered = False
            raise
        finally:
            if not is_gathered:
                self._dispatcher.flush()
        client.answer(request, TransientMessageSent(sent))
        self._dispatcher.send_transient_message(sent, audience)

    async def _set_profile(self, client: Client, request: Request, user: User, command: SetProfile) -> None:
        await self._turns.wait_for_turn()
        before = self._authority.profile_of(user)
        client.profile = changed_profile(client.profile, command)
        client.answer(request, ProfileChanged(user, client.profile))
        after = self._authority.profile_of(user)
        if before is None or after is None or not self._dispatcher.has_channel_clients:
            return
        if (before.away, before.realname) == (after.away, after.realname):
            return
        announced = ProfileChangeDelivery(
            user,
            after.away if after.away != before.away else None,
            after.realname if after.realname != before.realname else None,
            self._authority.now(),
            self._authority.state.is_registered(user),
        )
        groups, watchers = self._presence.memberships(user), self._watch_lists.watchers_of(user)
        ignoring = self._authority.state.ignored_by.get(user.id, NO_USER_IDS)
        self._dispatcher.announce_change(announced, client, groups, watchers, ignoring)

    async def _set_in_lobby(
        self, client: Client, request: Request, user: User, in_lobby: bool, answer: Answer
    ) -> None:
        if isinstance(answer, LobbyEntered) and LOBBY in self._read_marks.marked_conversations(user, client):
            times = await self._read_marks.times_of_marks(user, [LOBBY])
            shown = replace(self._authority.channel(user, ""), read_mark_time=times.get(LOBBY.id))
            answer = LobbyEntered(user, shown)
        await self._turns.wait_for_turn()
        client.answer(request, answer)
        if not client.is_closed:
            self._dispatcher.set_in_lobby(client, user, in_lobby)

    async def _watch(self, client: Client, request: Request, command: WatchUsers) -> None:
        await self._turns.wait_for_turn()
        if not client.is_closed:
            client.answer(request, self._watch_lists.execute(client, command))


def is_for_lobby(command: Command) -> bool:
    """Return whether ``command`` sends a message to the lobby, which the client must have entered before."""
    if isinstance(command, SendTransientMessage):
        return command.dest is None and not command.group
    return isinstance(command, SendToLobby)
