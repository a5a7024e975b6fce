"""Logins and departures: a client is welcomed and sent the entries it has missed, and later says goodbye."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from twisted.internet.defer import Deferred

from chatd.boundaries import Client, Clock
from chatd.chat.authority import Authority
from chatd.chat.commits import AppliedDecision, Committer
from chatd.chat.dispatch import Dispatcher, GroupOfUser
from chatd.chat.read_marks import ReadMarkService
from chatd.chat.replay import Replay
from chatd.chat.token_expiry import TokenExpiry
from chatd.chat.turns import TurnQueue, not_stored_refusal, read_failed_refusal
from chatd.chat.watch_lists import WatchLists
from chatd.core.accounts import Credential, Secret
from chatd.core.answers import Authenticated, Channel, Goodbye, Welcome
from chatd.core.channel_commands import Authenticate
from chatd.core.commands import Hello, Identify
from chatd.core.counters import Counters
from chatd.core.events import (
    AccountChangeDelivery,
    Conversation,
    GroupMemberArrived,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.limits import Limits
from chatd.core.login import Login, find_certified_credential, find_credential, find_user
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.tokens import Token, is_token_secret, same_token
from chatd.store.errors import NotStored, ReadFailed

VerifyPasswordFunction = Callable[
    [str, Secret, str | None], Coroutine[Deferred[Any], Any, Credential | Token]
]
"""A coroutine function that verifies the password for a nick, given the network of the client.

It returns the credential of the nick, or a token of its user. Raises `Refusal`.
"""


class PresenceService:
    """Handles the logins and logouts of clients.

    ``verify_password`` verifies the password of a hello (login request).
    """

    def __init__(
        self,
        authority: Authority,
        dispatcher: Dispatcher,
        watch_lists: WatchLists,
        committer: Committer,
        replay: Replay,
        read_marks: ReadMarkService,
        turns: TurnQueue,
        verify_password: VerifyPasswordFunction,
        limits: Limits,
        counters: Counters,
        clock: Clock,
    ) -> None:
        self._authority = authority
        self._journal = authority.journal
        self._dispatcher = dispatcher
        self._watch_lists = watch_lists
        self._committer = committer
        self._replay = replay
        self._read_marks = read_marks
        self._turns = turns
        self._verify_password = verify_password
        self._limits = limits
        self._counters = counters
        self._token_expiry = TokenExpiry(
            clock, authority, lambda client, why: self.end_session(client, None, why)
        )

    def log_in(self, client: Client, request: Request, hello: Hello) -> bool:
        """Start the login of ``client``. Return True if the caller must decide ``request`` now.

        ``hello`` is the command of ``request``. If ``request`` has another command and names its sender
        before any login, ``hello`` is a login with the sender's nick. If the result is False, the caller has
        nothing more to do: a hello is answered later, and any other request is submitted again after the
        login.

        Raises `Refusal`. A refusal that is found later, such as that of a wrong password, is sent to the
        client.
        """
        user = find_user(self._authority.state, hello.nick)
        marked = [] if user is None else self._read_marks.marked_conversations(user, client)
        if user is not None and marked:
            looking_up = self._log_in_with_marks(client, request, hello, user, marked)
            self._turns.run_coroutine(client, request, looking_up, paused=True)
            return False
        with self._counting_refusals():
            return self._begin_login(client, request, hello, {})

    async def _log_in_with_marks(
        self, client: Client, request: Request, hello: Hello, user: User, marked: list[Conversation]
    ) -> None:
        """Look up the times of the read marks of ``user`` in ``marked``, then begin to log ``client`` in.

        The times must be known before the login is decided, because its welcome contains them and must not
        wait.
        """
        read_times = await self._read_marks.times_of_marks(user, marked)
        if self._authority.recovering:
            raise not_stored_refusal()
        with self._counting_refusals():
            if not client.is_closing and self._begin_login(client, request, hello, read_times):
                client.submit_after_pause(request)

    @contextmanager
    def _counting_refusals(self) -> Iterator[None]:
        """Count the login that is refused in the block, if it is."""
        try:
            yield
        except Refusal as refusal:
            self._counters.refused_logins[refusal.code] += 1
            raise

    def _begin_login(
        self, client: Client, request: Request, hello: Hello, read_times: Mapping[int, int]
    ) -> bool:
        """Log ``client`` in, or begin to verify the password of ``hello``; see `log_in`.

        ``read_times`` are the times of the user's read marks, by the ids of the conversations.
        """
        password, client.password = hello.password or client.password, None
        # A nick that is not registered has no password; some course-work clients send one with every hello.
        credential = find_credential(self._authority.state, hello.nick)
        verified_credential = client.verified_credential
        if password is None and verified_credential is not None and credential is not None:
            is_same_user = verified_credential.user.id == credential.user.id
            return self._decide(
                client, request, hello, verified_credential if is_same_user else None, read_times
            )
        needs_user = credential is not None or isinstance(request.command, Identify)
        if password is None or not (needs_user or is_token_secret(password)):
            return self._decide(client, request, hello, None, read_times)
        verifying = self._log_in_later(client, request, hello, password, read_times)
        self._turns.run_coroutine(client, request, verifying, paused=True)
        return False

    def authenticate(self, client: Client, request: Request, command: Authenticate) -> None:
        """Start to verify the password or certificate with which ``client`` proves who its user is.

        If it is valid, the session remembers this: its next login with the same nick needs no password.
        """
        verifying = self._verify_client(client, request, command)
        self._turns.run_coroutine(client, request, verifying, paused=True)

    async def _verify_client(self, client: Client, request: Request, command: Authenticate) -> None:
        verified_credential: Credential | Token
        with self._counting_refusals():
            if command.password is None:
                name = client.client_certificate_name
                verified_credential = find_certified_credential(self._authority.state, command.nick, name)
            else:
                verified_credential = await self._verify_password(
                    command.nick, command.password, client.client_network
                )
        await self._turns.wait_for_turn()
        client.verified_credential = verified_credential
        client.answer(request, Authenticated(verified_credential.user))

    async def _log_in_later(
        self,
        client: Client,
        request: Request,
        hello: Hello,
        password: Secret,
        read_times: Mapping[int, int],
    ) -> None:
        with self._counting_refusals():
            verified_credential = await self._verify_password(hello.nick, password, client.client_network)
            if self._authority.recovering:
                raise not_stored_refusal()
            if not client.is_closing and self._decide(
                client, request, hello, verified_credential, read_times
            ):
                client.submit_after_pause(request)

    def _decide(
        self,
        client: Client,
        request: Request,
        hello: Hello,
        verified_credential: Credential | Token | None,
        read_times: Mapping[int, int],
    ) -> bool:
        login = self._authority.log_in(client, hello, verified_credential)
        applied = self._committer.apply(login.decision)
        sessions = [one for one in self._authority.sessions_of(login.user) if not one.is_closing]
        for other in sessions:
            if other is not client and other.last_received_id is not None:
                self._journal.move_last_seen_id(login.user, other.last_received_id)
        # Programs with tokens must not end the sessions of their user, nor of each other.
        alike = [one for one in sessions if same_token(one.token, client.token)]
        for oldest in alike[: -self._limits.sessions_per_user]:
            self.end_session(oldest, None, Refusal("session_replaced", nick=login.user.nick))
        if client.token is not None and client.token.expires_at is not None:
            self._token_expiry.watch()
        catches_up = hello.since is not None or (login.is_returning_user and client.updates_last_seen_id)
        is_hello = isinstance(request.command, Hello | Identify)
        channels: tuple[Channel, ...] = ()
        if client.dialect.shows_groups_as_channels:
            # A session with a token has no part in what its user has read.
            times = read_times if client.token is None else {}
            channels = self._authority.channels_of(login.user, client.token, client.in_lobby, times)
        arrival = self._arrive(
            client,
            request if is_hello else None,
            hello,
            login,
            applied,
            channels,
            self.memberships(login.user),
            catches_up,
        )
        self._turns.run_coroutine(client, request if is_hello else None, arrival, paused=catches_up)
        if catches_up and not is_hello:
            client.submit_after_pause(request)
        return not is_hello and not catches_up

    async def _arrive(
        self,
        client: Client,
        request: Request | None,
        hello: Hello,
        login: Login,
        applied: AppliedDecision,
        channels: tuple[Channel, ...],
        memberships: list[GroupOfUser],
        catches_up: bool,
    ) -> None:
        """Wait until the login is stored. Then announce and welcome ``client``, and send missed entries."""
        try:
            entries = await self._journal.submit_records(*applied.records)
        except NotStored:
            self._dispatcher.flush()
            self._authority.undo_login(client)
            if not self._authority.sessions_of(login.user):
                self._watch_lists.announce(login.user, False)
            raise
        try:
            self._committer.deliver(applied, entries)
            self._welcome(client, request, login, channels, memberships)
            if catches_up and not client.is_closed:
                client.hold_deliveries()
                await self._replay.send_missed_entries(client, login.user, hello)
        except ReadFailed as error:
            # The client can't go on with a gap: it has to come back.
            self._turns.log_read_failure(error)
            self.end_session(client, None, read_failed_refusal())
        except Exception:
            # The client has half arrived: it has to come back.
            client.internal_error(request)
            self.end_session(client, None)

    def _welcome(
        self,
        client: Client,
        request: Request | None,
        login: Login,
        channels: tuple[Channel, ...],
        memberships: list[GroupOfUser],
    ) -> None:
        user, returning = login.user, login.is_returning_user
        if not login.has_other_session:
            self._announce_arrival(client, login, memberships)
        cursor = client.last_id_at_login = self._journal.last_delivered_id
        # A session with a token has no part in the last seen id of its user.
        seen = self._journal.get_last_seen_id(user) if returning and client.token is None else cursor
        client.missed_range = (seen, cursor if client.updates_last_seen_id else None)
        if request is not None:
            is_registered = self._authority.state.is_registered(user)
            client.answer(request, Welcome(user, returning, cursor, seen, channels, is_registered))
        if not client.is_closed:
            self._dispatcher.add_client(client, user)

    def memberships(self, user: User) -> list[GroupOfUser]:
        """Return the groups of ``user``, with their present members.

        Later changes do not change the result.
        """
        return [
            GroupOfUser(group.conversation, group.member_ids, group.role(user) in ("owner", "operator"))
            for group in self._authority.state.groups_of(user)
        ]

    def _announce_arrival(self, client: Client, login: Login, memberships: list[GroupOfUser]) -> None:
        user = login.user
        is_registered = self._authority.state.is_registered(user)
        now = self._authority.now()
        # An arrival is sent to everyone, those who ignore the user among them.
        realname = user.nick if self._authority.state.ignored_by.get(user.id) else client.profile.realname
        arrived = UserArrived(user, login.is_returning_user, now, realname, is_registered)
        self._dispatcher.announce_arrival(client, user, arrived)
        self._watch_lists.announce(user, True)
        if self._dispatcher.has_channel_clients:
            for conversation, audience, is_operator in memberships:
                member = GroupMemberArrived(arrived, conversation, is_operator)
                self._dispatcher.announce_to_members(member, audience)

    def announce_account(self, client: Client, user: User, is_registered: bool) -> None:
        """Tell other users that ``user`` has registered or unregistered in the session ``client``."""
        if self._dispatcher.has_channel_clients:
            announced = AccountChangeDelivery(user, is_registered, self._authority.now())
            watchers = self._watch_lists.watchers_of(user)
            self._dispatcher.announce_change(announced, client, self.memberships(user), watchers)

    def end_session(self, client: Client, request: Request | None, refusal: Refusal | None = None) -> None:
        """Log ``client`` out, and close its connection when all earlier tasks of the journal are completed.

        Before the connection closes, ``request``, if given, is answered with a goodbye, and ``refusal``, if
        given, is sent. Everything that the client still sends is ignored.
        """
        client.ignore_input()
        self._turns.run_coroutine(client, request, self._say_goodbye(client, request, refusal))

    async def _say_goodbye(self, client: Client, request: Request | None, refusal: Refusal | None) -> None:
        with suppress(NotStored):
            await self._turns.wait_for_turn()
        user = client.user
        self.log_out(client)
        if request is not None:
            client.answer(request, Goodbye(user))
        if refusal is not None:
            self._turns.log_refusal(client, refusal)
            client.refuse(None, refusal)
        client.close()

    def end_sessions(self, user: User, kept: Client | None, refusal: Refusal) -> None:
        """Send ``refusal`` to all sessions of ``user`` except ``kept``, and close them."""
        for client in self._authority.sessions_of(user):
            # While an account is closed, somebody else may have taken the nick.
            if client is not kept and client.user is not None and client.user.id == user.id:
                self.end_session(client, None, refusal)

    def end_token_sessions(self, token: Token, refusal: Refusal) -> None:
        """Send ``refusal`` to all sessions that have logged in with ``token``, and close them."""
        for client in self._authority.sessions_of(token.user):
            if same_token(client.token, token):
                self.end_session(client, None, refusal)

    def stop_token_expiry(self) -> None:
        """Stop the timer that ends sessions whose token has expired."""
        self._token_expiry.stop()

    def log_out(self, client: Client) -> None:
        """Log out ``client``, and free its nick at once unless its user has other sessions.

        The other clients are told when all earlier tasks of the journal are completed.
        """
        user = client.user
        if user is None or not self._authority.remove_session(client):
            return
        self._watch_lists.forget(client)
        if self._dispatcher.remove_client(client, user):
            client.last_id_at_departure = self._journal.last_delivered_id
        if self._authority.sessions_of(user):
            return
        is_registered = self._authority.state.is_registered(user)
        quit_message = self._authority.visible_quit_message(client, user)
        departed = UserDeparted(user, self._authority.now(), is_registered, quit_message)
        groups = self.memberships(user) if self._dispatcher.has_channel_clients else []
        self._turns.run_coroutine(client, None, self._announce_departure(client, departed, groups))

    async def _announce_departure(
        self, client: Client, departed: UserDeparted, groups: list[GroupOfUser]
    ) -> None:
        with suppress(NotStored):
            await self._journal.submit_records()
        # Without a user its arrival was rolled back, so that nobody knows of it.
        if client.user is not None:
            self._dispatcher.announce_departure(departed, groups)
            self._watch_lists.announce(departed.user, False)
