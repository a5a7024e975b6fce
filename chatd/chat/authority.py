"""The authority: it holds the chat's state and the nicks in use, and decides every command.

The consequences of its decisions reach clients through the journal's queue, so that all clients see them in
one order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatd.boundaries import Archive, Client, Clock, Journal
from chatd.chat.earlier_profiles import EarlierProfiles
from chatd.chat.login_guard import LoginGuard
from chatd.chat.operator_sessions import OperatorSessions
from chatd.chat.storage_watch import StorageWatch
from chatd.core import commands as c
from chatd.core.account_rules import check_may_write
from chatd.core.accounts import AccountPolicy, Credential
from chatd.core.answers import Answer, Channel, Profile, UserDescription
from chatd.core.audience import Audience, users_who_receive
from chatd.core.channel_commands import BanAccount, SetProfile, ShowChannel, ShowStatistics, ShowUsers
from chatd.core.channels import (
    ChannelQuery,
    channels_of,
    chat_statistics,
    describe_user,
    find_users,
    show_channel,
    show_users,
)
from chatd.core.events import JOINING_EVENT_KINDS, ChatEvent, User
from chatd.core.group_bans import check_not_banned_by_network, with_banned_networks
from chatd.core.limits import Limits
from chatd.core.link_rules import invitation_link_deletions_after, use_invitation_link
from chatd.core.login import Login, decide_login
from chatd.core.moderation_rules import check_not_blocked, check_not_muted
from chatd.core.profiles import make_profile
from chatd.core.quotas import check_quotas, check_storage
from chatd.core.read_mark_rules import read_mark_deletions_after
from chatd.core.records import EntryDraft, JournalRecord, Snapshot
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.token_rules import check_command_scope, check_decision_scope
from chatd.core.tokens import Token
from chatd.pauses import pause
from chatd.store.errors import StoreError

STATE_RELOAD_RETRY_SECONDS: Final = 1.0
"""Pause in seconds between attempts to read the database again after a failed transaction."""

DAY_MILLISECONDS: Final = 86_400_000
"""The milliseconds of a day."""

JOIN_COMMANDS: Final = frozenset((c.Join, c.EnterGroup, c.UseInvitationLink))
"""The commands that make a user a member of a group, which a ban by address forbids."""

BAN_COMMANDS: Final = frozenset((c.Ban, BanAccount, c.Unban))
"""The commands that change which addresses are banned from a group."""

CLOCK_SET_BACK_WARNING_MILLISECONDS: Final = 10_000
"""By how much the clock may be behind the last entry of the log before a warning is logged.

Small corrections of the clock are ordinary.
"""

MAX_REMEMBERED_CLIENT_NETWORKS: Final = 10_000
"""Maximum number of departed users whose address is remembered, for a ban."""

OpenJournal = Callable[[Callable[[], None], Callable[[], None]], Journal]
"""A function that creates the journal from two callbacks.

The journal calls the first callback after a failed transaction, and the second after each commit, once all
tasks of the commit are completed.
"""


class Authority:
    """Decides whether commands are accepted, and applies the accepted ones to the state in memory at once.

    ``now`` returns the current time in seconds since 1970, for new log entries. No entry gets an earlier time
    than the entry before it, even if the clock was set back. Entries are ordered by id, not by time.
    ``on_commit`` is called after each commit, when all tasks of the commit are completed.
    ``on_missed_entries`` is called if there are entries on the disk that no session was sent: another daemon
    has written to the database while this one could not, or a commit had succeeded that seemed to fail.
    """

    _log = Logger()

    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive,
        open_journal: OpenJournal,
        clock: Clock,
        now: Callable[[], float],
        limits: Limits,
        policy: AccountPolicy,
        on_commit: Callable[[], None],
        on_missed_entries: Callable[[], None],
    ) -> None:
        self.state = snapshot.state
        self._on_commit = on_commit
        self._on_missed_entries = on_missed_entries
        self.journal = open_journal(self._recover, self._after_commit)
        self.recovering = False
        """Whether the state is being read again after a failed transaction, and nothing can be decided."""
        self._archive = archive
        self._clock = clock
        self._now = now
        self._last_at = snapshot.last_at
        self._clock_is_behind = False
        self._limits = limits
        self._policy = policy
        self._login_guard = LoginGuard(clock, limits)
        self._storage_watch = StorageWatch(limits)
        self._storage_watch.log_size_change(snapshot.database_bytes)
        # The sessions that hold each nick, by the key of the nick, in the order of arrival. Only a registered
        # user has several.
        self._names: dict[str, list[Client]] = {}
        # The addresses of the users who left last, by the user's id.
        self._last_networks: dict[int, str | None] = {}
        self.earlier_profiles = EarlierProfiles()
        self.operator_sessions = OperatorSessions(lambda: self.state, policy)
        self._most_online = 0

    @property
    def online_users(self) -> dict[str, User]:
        """The users who are logged in, by their normalized nicks, in the order of their logins."""
        users = ((key, sessions[0].user) for key, sessions in self._names.items())
        return {key: user for key, user in users if user is not None}

    @property
    def online_user_count(self) -> int:
        """The number of users who are logged in."""
        return len(self._names)

    @property
    def session_count(self) -> int:
        """The number of sessions that are logged in."""
        return sum(map(len, self._names.values()))

    def now(self) -> int:
        """Return the current time in milliseconds since 1970-01-01 UTC."""
        return int(self._now() * 1000)

    def log_in(self, client: Client, hello: c.Hello, verified_credential: Credential | Token | None) -> Login:
        """Log ``client`` in under the nick that ``hello`` asks for, and return the accepted login.

        ``verified_credential`` is the credential of a user, or the token, that the password of the hello was
        verified against. It is None if the hello has no password. The caller must apply and store the
        ``decision`` of the login. Raises `Refusal` if the login is not accepted.
        """
        token = verified_credential if isinstance(verified_credential, Token) else None
        login = decide_login(
            self.state, self._names, hello, verified_credential, client.client_certificate_name
        )
        check_not_blocked(self.state, login.user.normalized_nick, client.client_network, self.now())
        self._login_guard.check_login(client.client_network, is_new=not login.is_returning_user)
        # What a program has read, its user has not.
        # Whoever may not change the realname later may not bring one along either: arrivals show it.
        says_more = self.may_change_profile(login.user, token)
        names = (hello.username, hello.realname) if says_more else ()
        client.profile = make_profile(login.user.nick, *names)
        client.log_in(login.user, hello.missed == "send" and token is None, token)
        self._names.setdefault(login.user.normalized_nick, []).append(client)
        self._most_online = max(self._most_online, len(self._names))
        return login

    def decide_login_for_registration(self, client: Client, nick: str) -> Login:
        """Decide whether ``client`` may register ``nick`` before its login, and return the login that would
        follow.

        Nothing is changed, and the client is not logged in. Raises `Refusal` like `log_in`.
        """
        login = decide_login(self.state, self._names, c.Hello(nick))
        check_not_blocked(self.state, login.user.normalized_nick, client.client_network, self.now())
        return login

    def count_registration_as_login(self, client: Client, login: Login) -> None:
        """Count a registration before the login as a login, for the limits of the client's network.

        The limits are those of logins and of new nicks. ``login`` is the result of
        `decide_login_for_registration`. Raises `Refusal` ``rate_limited`` if a limit is exceeded.
        """
        self._login_guard.check_login(client.client_network, is_new=not login.is_returning_user)

    def expire_invitations(self) -> None:
        """Remove the invitations that are older than the configured limit."""
        if self.state.invitation_times:
            self.state.expire_invitations(self.now() - self._limits.invitation_days * DAY_MILLISECONDS)

    def sessions_of(self, user: User) -> list[Client]:
        """Return the sessions of ``user`` that are logged in, the oldest first."""
        return list(self._names.get(user.normalized_nick, ()))

    def profile_of(self, user: User) -> Profile | None:
        """Return the profile of the latest session of ``user``, or None if the user is not online.

        A user with several sessions is away only if all sessions are.
        """
        sessions = self._names.get(user.normalized_nick)
        if not sessions:
            return None
        profile = sessions[-1].profile
        if profile.away and not all(one.profile.away for one in sessions):
            return replace(profile, away="")
        return profile

    def channel(self, reader: User, name: str, token: Token | None = None) -> Channel:
        """Return the group called ``name``, or the lobby if ``name`` is empty, as a channel with its online
        members.

        Raises `Refusal` ``no_such_group`` if ``reader`` may see no such group, or if it is outside the scope
        of ``token``, the token of the reader's session.
        """
        return show_channel(self.state, self.online_users.values(), self.profile_of, reader, name, token)

    def answer_channel_query(self, reader: User, command: ChannelQuery, token: Token | None) -> Answer:
        """Return the answer to ``command``, by which ``reader`` asks about a channel, about users or for
        statistics.

        ``token`` is the token of the reader's session, or None. Raises `Refusal` ``no_such_group``.
        """
        if isinstance(command, ShowStatistics):
            return chat_statistics(self.state, self.online_user_count, self._most_online, reader, self.now())
        operator_ids = self.operator_sessions.user_ids()
        if isinstance(command, ShowChannel):
            online = self.online_users.values()
            return show_channel(
                self.state, online, self.profile_of, reader, command.group, token, operator_ids
            )
        if isinstance(command, ShowUsers):
            earlier = self.earlier_profiles.profiles_of
            return show_users(self.state, self.profile_of, earlier, reader, command, token, operator_ids)
        online = self.online_users.values()
        return find_users(self.state, online, self.profile_of, command, operator_ids)

    def describe(self, user: User) -> UserDescription:
        """Return what every user may know of ``user``, without groups."""
        return describe_user(self.state, self.profile_of, user)

    def channels_of(
        self, reader: User, token: Token | None, in_lobby: bool, read_times: Mapping[int, int]
    ) -> tuple[Channel, ...]:
        """Return the groups of ``reader`` as channels, with their online members.

        If ``in_lobby`` is true, the lobby is among them. Conversations outside the scope of ``token``, the
        token of the reader's session, are left out. ``read_times`` maps conversation ids to the reader's read
        marks, as times in milliseconds since 1970.
        """
        online = self.online_users.values()
        return channels_of(self.state, online, self.profile_of, reader, token, in_lobby, read_times)

    def all_sessions(self) -> list[Client]:
        """Return all sessions that are logged in."""
        return [client for sessions in self._names.values() for client in sessions]

    def remove_session(self, client: Client) -> bool:
        """Remove ``client`` from the sessions of its user. Return whether the client was logged in.

        The nick becomes free if no other session has it.
        """
        user = client.user
        sessions = self._names.get(user.normalized_nick, []) if user is not None else []
        if client not in sessions:
            return False
        sessions.remove(client)
        self.operator_sessions.remove(client)
        if user is not None:
            self.earlier_profiles.remember(user, client.profile)
        if user is not None and not sessions:
            del self._names[user.normalized_nick]
            self._last_networks.pop(user.id, None)
            self._last_networks[user.id] = client.client_network
            if len(self._last_networks) > MAX_REMEMBERED_CLIENT_NETWORKS:
                del self._last_networks[next(iter(self._last_networks))]
        return True

    def _networks_of(self, user: User) -> set[str]:
        """Return the networks from which ``user`` is connected or, as far as known, was connected last."""
        sessions = self._names.get(user.normalized_nick, ())
        networks = {client.client_network for client in sessions} or {self._last_networks.get(user.id)}
        return {network for network in networks if network is not None}

    def undo_login(self, client: Client) -> None:
        """Free the nick of ``client`` and unset its user, because the login was rolled back."""
        user = client.user
        self.remove_session(client)
        if user is not None:
            self.earlier_profiles.forget(user)  # somebody else may get the same id
        client.undo_login()

    def decide(
        self, user: User, command: c.Command, client_network: str | None, token: Token | None = None
    ) -> Decision:
        """Return the changes (a `Decision`) that ``command`` of ``user`` makes. They are not applied yet.

        The command is checked against the account policy, the state, the quotas, and ``client_network``, the
        address or network of the client (None for the daemon's own machine). If the client has logged in with
        ``token``, the changes must be within the token's scope. Raises `Refusal` if the command is not
        accepted.
        """
        state = self.state
        self.check_write_permission(user, is_leave=isinstance(command, c.Leave))
        if isinstance(command, c.UseInvitationLink):
            decision = use_invitation_link(state, user, command, self.now())
        else:
            decision = decide(state, user, command)
        if token is not None:
            check_decision_scope(token, decision)
        check_quotas(state, decision, self._limits)
        check_storage(decision, self.journal.database_bytes, self._limits)
        if type(command) in JOIN_COMMANDS:
            check_not_banned_by_network(state, decision, client_network)
        elif type(command) in BAN_COMMANDS:
            return with_banned_networks(state, decision, self._networks_of)
        return decision

    def check_write_permission(self, user: User, is_leave: bool = False) -> None:
        """Check that ``user`` may change anything or send messages.

        Raises `Refusal` ``registered_only`` or ``account_closed`` because of the account policy, and
        ``muted`` if the user is muted. If ``is_leave`` is true, the command leaves a group, which a muted
        user may do.
        """
        if self.state.credentials or self._policy.names == "registered":
            check_may_write(self.state, user, self._policy)
        if self.state.mutes_and_blocks and not is_leave:
            check_not_muted(self.state, user, self.now())

    def apply(
        self, decision: Decision, sent_ref: str | int | None = None
    ) -> tuple[list[JournalRecord], list[Audience]]:
        """Apply ``decision`` to the state. Return the records to store, and the audience of each event.

        The records include those that delete invitation links and read marks that are no longer valid.
        ``sent_ref`` is the client's own id of the request, which is stored with a message.
        """
        state = self.state
        changes = (*decision.records, *read_mark_deletions_after(decision))
        if state.invitation_links:
            changes = (*changes, *invitation_link_deletions_after(state, decision.events))
        for change in changes:
            state.apply(change)
        self.operator_sessions.remove_lapsed()
        records: list[JournalRecord] = [*changes]
        # Only messages are told apart by their ref: other commands are refused, or harmless, the second time.
        ref = None
        if sent_ref is not None and decision.events and decision.events[0].is_message:
            ref = str(sent_ref)
        audiences: list[Audience] = []
        at = self._next_entry_at() if decision.events else 0
        for event in map(self._describe_users, decision.events):
            audiences.append(users_who_receive(state, event))
            state.apply(event, at)
            records.append(EntryDraft(event, at, ref))
        return records, audiences

    def visible_quit_message(self, client: Client, user: User) -> str:
        """Return the quit message of ``client``, the last session of ``user``, as other users may see it.

        It is empty if the session may not change its profile. It is also empty if any user ignores ``user``,
        because all users are sent the same notice of the logout.
        """
        quit_message = client.profile.quit_message
        if not quit_message or self.state.ignored_by.get(user.id):
            return ""
        return quit_message if self.may_change_profile(user, client.token) else ""

    def may_change_profile(self, user: User, token: Token | None) -> bool:
        """Return whether a session of ``user`` with ``token`` may change the profile that others see."""
        try:
            if token is not None:
                check_command_scope(self.state, token, SetProfile())
            self.check_write_permission(user)
        except Refusal:
            return False
        return True

    def _describe_users(self, event: ChatEvent) -> ChatEvent:
        """Return ``event``, which is not applied yet, with what its receivers are told about its users.

        That is not stored. If anybody ignores a user, the receivers are not told the texts in the user's
        profile.
        """
        if bool(self.state.credentials) and self.state.is_registered(event.actor):
            event = replace(event, actor_is_registered=True)
        if event.kind in JOINING_EVENT_KINDS:
            profile = self.profile_of(event.actor)
            if profile is None:
                return replace(event, actor_is_offline=True)
            if self.state.ignored_by.get(event.actor.id):
                return replace(event, actor_realname=event.actor.nick)
            return replace(event, actor_realname=profile.realname, actor_away_reason=profile.away)
        if event.kind == "promoted" and event.body == "owner":
            group = self.state.group_of(event.conversation)
            if group is not None and group.owner is not None:
                return replace(event, former_owner=group.members.get(group.owner.id))
        return event

    def _next_entry_at(self) -> int:
        """Return the time of the next entries: the present one, but not earlier than that of the last entry.

        So an entry can be found by its time.
        """
        now = self.now()
        if now < self._last_at - CLOCK_SET_BACK_WARNING_MILLISECONDS and not self._clock_is_behind:
            self._clock_is_behind = True
            self._log.warn(
                "the clock is {seconds} s behind the last entry of the log: until it has caught up, entries"
                " get the time of that entry",
                seconds=(self._last_at - now) // 1000,
            )
        elif now >= self._last_at:
            self._last_at = now
            self._clock_is_behind = False
        return self._last_at

    def _after_commit(self) -> None:
        self._on_commit()
        self._storage_watch.log_size_change(self.journal.database_bytes)

    def _recover(self) -> None:
        """Start to read the state from the database again, because a transaction has failed."""
        if not self.recovering:
            self.recovering = True
            Deferred.fromCoroutine(self._reload()).addErrback(
                lambda failure: self._log.failure("bug while reading the store again", failure)
            )

    async def _reload(self) -> None:
        while True:
            try:
                snapshot = await self._archive.load_snapshot()
                break
            except StoreError as error:
                self._log.error("can't read the database: {why}", why=str(error))
            except Exception:
                self._log.failure("can't understand the database")
            await pause(self._clock, STATE_RELOAD_RETRY_SECONDS)
        has_missed_entries = snapshot.last_id != self.journal.last_delivered_id
        self.state = snapshot.state
        self._last_at = snapshot.last_at
        self.journal.resume_from(snapshot)
        self.recovering = False
        if has_missed_entries:
            self._on_missed_entries()
