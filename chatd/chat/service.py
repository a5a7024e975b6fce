"""The chat service, which all sessions call: it routes each request to its decision and sends the answer.

The authority decides a command and applies it in memory at once. The answer, the refusal and the deliveries
to other clients wait in the journal's queue until the earlier changes are committed, so they leave in the
order of the log. The dispatcher sends live deliveries, the replay sends entries read from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock

from chatd.boundaries import Archive, Client, Clock, PasswordHasher, Requester
from chatd.chat.accounts import AccountCommand, AccountService, Authenticator
from chatd.chat.administration import AdministrationService
from chatd.chat.authority import Authority, OpenJournal
from chatd.chat.channels import ChannelCommand, ChannelService, is_for_lobby
from chatd.chat.commits import Committer
from chatd.chat.deletions import DeletionService
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.dispatch import Dispatcher
from chatd.chat.edits import EditService
from chatd.chat.erasure import UserEraser
from chatd.chat.fair_queue import FairQueue
from chatd.chat.fanout import DeliverToAllFunction, deliver_to_each
from chatd.chat.links import InvitationLinkCommand, InvitationLinkService
from chatd.chat.messages import MessageFinder
from chatd.chat.moderation import ModerationCommand, ModerationService
from chatd.chat.overview import Overview
from chatd.chat.presence import PresenceService
from chatd.chat.reactions import ReactionService
from chatd.chat.read_marks import ReadMarkService
from chatd.chat.replay import Replay
from chatd.chat.replies import ReplyService
from chatd.chat.retention import Retention
from chatd.chat.search import SearchService
from chatd.chat.tokens import TokenCommand, TokenService
from chatd.chat.turns import ChangeTask, ClientCoroutine, TurnQueue, not_stored_refusal, read_failed_refusal
from chatd.chat.watch_lists import WatchLists
from chatd.core import commands as c
from chatd.core.accounts import AccountPolicy, Secret
from chatd.core.answers import (
    Ack,
    AlreadyInGroup,
    Answer,
    PreparedAnswer,
    UserDescription,
    Welcome,
)
from chatd.core.audience import user_ids_not_shown_reason
from chatd.core.channel_commands import (
    Authenticate,
    BecomeOperator,
    MarkReadUntilTime,
    RegisterBeforeLogin,
    ResignOperator,
)
from chatd.core.channels import ChannelQuery
from chatd.core.counters import Counters
from chatd.core.events import AnsweredMessage, ChatEvent, LogEntry, MultiUserDelivery, User
from chatd.core.ignore_rules import decide_ignore
from chatd.core.limits import Limits
from chatd.core.login import check_claimed_sender
from chatd.core.queries import (
    LIST_QUERIES,
    answer_list_command,
    conversation_of_command,
    list_ignored_users,
    page_request_of,
    search_request_of,
)
from chatd.core.records import Snapshot
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.reply_rules import SENDING_COMMANDS
from chatd.core.requests import Request
from chatd.core.rules import CHANGE_RULES
from chatd.core.token_rules import check_command_scope, session_end_reason
from chatd.store.errors import NotStored


class Chat:
    """The chat service, shared by the sessions of all wires (protocols).

    ``now`` returns the current time in seconds since 1970. ``on_delivery(delivery, private)`` is called once
    for each delivery, in order, to write the conversation log. ``delivery_log`` logs each delivery with its
    recipients. ``passwords`` hashes and verifies passwords; ``policy`` has the settings of accounts.
    ``deliver_to_all`` puts a frame into the outboxes of several sessions.

    ``journal`` writes the log, and ``counters`` counts messages and refusals; other parts of the daemon read
    both. ``administrator`` carries out what only the administrator of the machine may ask for. ``eraser``
    erases users, and resumes interrupted erasures when it is started. ``retention`` deletes messages that are
    older than ``retention_seconds``, once it is started.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive,
        open_journal: OpenJournal,
        clock: Clock,
        now: Callable[[], float],
        limits: Limits,
        passwords: PasswordHasher,
        policy: AccountPolicy,
        on_delivery: Callable[[MultiUserDelivery, bool], None] | None = None,
        delivery_log: DeliveryLog | None = None,
        retention_seconds: int | None = None,
        deliver_to_all: DeliverToAllFunction = deliver_to_each,
    ) -> None:
        self.fair_queue = FairQueue(clock)
        self.counters = Counters()
        self._archive = archive
        self._limits = limits
        self._dispatcher = Dispatcher(clock, on_delivery, delivery_log, deliver_to_all)
        self._authority = Authority(
            snapshot,
            archive,
            open_journal,
            clock,
            now,
            limits,
            policy,
            self._dispatcher.flush_entries,
            self._end_all_sessions,
        )
        self.overview = Overview(self._authority)
        self.journal = self._authority.journal
        self._replay = Replay(
            archive,
            self.journal,
            limits,
            self.fair_queue,
            lambda: self._authority.state,
            None if delivery_log is None else delivery_log.log_sent,
        )
        self._searches = SearchService(
            archive, self.journal, self._replay, self.fair_queue, lambda: self._authority.state
        )
        self._turns = TurnQueue(self.journal, self._dispatcher)
        self._authenticator = Authenticator(self._authority, passwords, clock, limits)
        committer = self._committer = Committer(self._authority, self._dispatcher, self._turns)
        self._watch_lists = WatchLists(self._authority)
        self._read_marks = ReadMarkService(self._authority, archive, self._dispatcher, self._turns)
        self._presence = PresenceService(
            self._authority,
            self._dispatcher,
            self._watch_lists,
            committer,
            self._replay,
            self._read_marks,
            self._turns,
            self._authenticator.verify_password_or_token,
            limits,
            self.counters,
            clock,
        )
        self._channels = ChannelService(
            self._authority,
            self._dispatcher,
            self._presence,
            self._read_marks,
            self._turns,
            self._watch_lists,
            clock,
        )
        self._accounts = AccountService(
            self._authority, self._authenticator, committer, self._presence, self._turns, policy
        )
        self._tokens = TokenService(self._authority, committer, self._presence, self._turns, limits)
        self._links = InvitationLinkService(self._authority, committer, self._turns, limits)
        self._moderator = ModerationService(
            self._authority,
            self._dispatcher,
            self._authenticator,
            committer,
            self._presence,
            self._turns,
            policy,
        )
        messages, message_lock = MessageFinder(archive, committer, self._turns), DeferredLock()
        self._deletions = DeletionService(self._authority, messages, message_lock, committer, self._turns)
        self._edits = EditService(self._authority, messages, message_lock, committer, self._turns, limits)
        self._reactions = ReactionService(
            self._authority,
            archive,
            messages,
            message_lock,
            self._channels,
            committer,
            self._turns,
            limits,
        )
        self._replies = ReplyService(messages, committer, self._turns, self._change)
        self.administrator = AdministrationService(self._authority, archive, committer, policy)
        self.eraser = UserEraser(
            self._authority, archive, committer, self._presence, self._turns, clock, policy
        )
        self.retention = Retention(self._authority, archive, committer, clock, retention_seconds)
        self._stopping = False

    @property
    def last_delivered_id(self) -> int:
        """The id of the last log entry that was delivered to clients."""
        return self.journal.last_delivered_id

    @property
    def online_user_count(self) -> int:
        """The number of users who are logged in."""
        return self._authority.online_user_count

    @property
    def session_count(self) -> int:
        """The number of sessions that are logged in. A registered user may have several."""
        return self._authority.session_count

    def set_delivery_log(self, delivery_log: DeliveryLog | None) -> None:
        """Log each delivery with its recipients to ``delivery_log`` from now on, or not at all if it
        is None.
        """
        self._dispatcher.delivery_log = delivery_log
        self._replay.sent = None if delivery_log is None else delivery_log.log_sent

    # What sessions call.

    def clear_audience_cache(self) -> None:
        """Drop the cached recipients of deliveries.

        Call this method when a session has a new frame format.
        """
        self._dispatcher.clear_audience_cache()

    def submit(self, client: Client, request: Request) -> Refusal | None:
        """Decide ``request`` of ``client`` at once.

        Return its refusal, or None if it was not refused at once.

        The chat itself sends the answer or the refusal to the client, when all earlier tasks of the journal
        are completed. Therefore the caller need not send the returned refusal. A request that was not refused
        at once may still be refused later.
        """
        refused = None
        try:
            self._decide(client, request)
        except Refusal as refusal:
            refused = refusal
            self._turns.run_coroutine(client, request, self._refuse(client, request, refusal))
        if len(self.journal) >= self._limits.commit_queue:
            self._turns.run_coroutine(client, None, self._wait_for_journal(), paused=True)
        return refused

    def hold_until_others_served(self, client: Client) -> None:
        """Make the next commands of ``client`` wait until its earlier ones are answered and other clients had
        a turn.
        """
        self._turns.run_coroutine(client, None, self._wait_for_others(), paused=True)

    def end_session(self, client: Client, request: Request | None, refusal: Refusal | None = None) -> None:
        """Log ``client`` out, and close its connection when all earlier tasks of the journal are completed.

        Before the connection closes, ``request``, if given, is answered with a goodbye, and ``refusal``, if
        given, is sent. Everything that the client still sends is ignored.
        """
        self._presence.end_session(client, request, refusal)

    def log_out(self, client: Client) -> None:
        """Log out ``client``, whose connection is gone, and update the last seen id of its user.

        The last seen id moves to the last entry that the client is assumed to have received.
        """
        self._presence.log_out(client)
        user, seen = client.user, client.last_received_id
        if user is not None and seen is not None:
            self.journal.move_last_seen_id(user, seen)

    def _end_all_sessions(self) -> None:
        """Close all sessions, because they have missed entries; they come back and resume."""
        for client in self._authority.all_sessions():
            self.end_session(client, None, not_stored_refusal())

    async def close(self) -> None:
        """Write the remaining data to the database, and close the database."""
        # The last connection to be closed moves the write-ahead log into the database; a reader can't.
        self._archive.close()
        await self.journal.close()

    def refuse_new_and_drain(self) -> Deferred[None]:
        """Refuse new commands.

        Return a Deferred that fires when all accepted commands are on disk and answered.
        """
        self._stopping = True
        self.administrator.stop()
        self.eraser.stop()
        self.retention.stop()
        self._presence.stop_token_expiry()
        return self.journal.when_drained().addCallback(lambda _: self._dispatcher.flush())

    def submit_operator_command(self, requester: Requester, request: Request) -> None:
        """Decide ``request``, a command of a server operator that came over the control socket.

        ``requester`` is sent the answer or the refusal after all earlier tasks of the journal are completed.
        A command that is not declared for server operators is refused with ``unknown_action``.
        """
        try:
            command = request.command
            if isinstance(command, Refusal):
                raise command
            assert not isinstance(command, PreparedAnswer)
            if not c.COMMANDS_BY_CLASS[type(command)].is_for_server_operators:
                raise Refusal("unknown_action", name=request.command_word)
            self._check_running(command)
            self._decide_operator_command(requester, request, command)
        except Refusal as refusal:
            self._turns.run_coroutine(requester, request, self._refuse(requester, request, refusal))

    # From a request to its decision.

    def _decide(self, client: Client, request: Request) -> None:
        """Carry out ``request``, or raise `Refusal`."""
        command = request.command
        if isinstance(command, Refusal):
            if client.user is None and client.dialect.requires_login:
                raise Refusal("not_identified")
            raise command
        if isinstance(command, PreparedAnswer):
            self._turns.run_coroutine(client, request, self._answer(client, request, command))
            return
        if isinstance(command, c.Quit):
            if request.quit_or_part_message:
                client.profile = replace(client.profile, quit_message=request.quit_or_part_message)
            self.end_session(client, request)
            return
        self._check_running(command)
        if isinstance(command, c.Identify):
            command = c.Hello(command.nick, password=command.password)
        if client.user is None:
            if isinstance(command, c.Hello):
                self._presence.log_in(client, request, command)
                return
            if isinstance(command, c.PasswordBeforeHello):
                client.password = command.password
                return
            if isinstance(command, Authenticate):
                self._presence.authenticate(client, request, command)
                return
            if isinstance(command, RegisterBeforeLogin):
                self._accounts.register_before_login(client, request, command)
                return
            if c.COMMANDS_BY_CLASS[type(command)].required_role != "anyone":
                if not request.sender:
                    raise Refusal("not_identified")
                # A request that names a sender before any hello says hello with that name.
                if not self._presence.log_in(client, request, c.Hello(request.sender)):
                    return
        elif request.sender:
            check_claimed_sender(client.user, request.sender)
        self._decide_named(client, request, command)

    def _check_running(self, command: c.Command) -> None:
        """Check that the chat can decide now. Raises `Refusal` ``shutting_down`` or ``storage_failed``."""
        if self._stopping:
            raise Refusal("shutting_down")
        if self._authority.recovering:
            raise (
                read_failed_refusal()
                if c.COMMANDS_BY_CLASS[type(command)].reads_log
                else not_stored_refusal()
            )

    def _decide_named(self, client: Client, request: Request, command: c.Command) -> None:
        user = client.user
        if client.token is not None:
            ended = session_end_reason(self._authority.state, client.token, self._authority.now())
            if ended is not None:
                self._turns.run_coroutine(client, request, self._refuse(client, request, ended))
                self.end_session(client, None)
                return
            check_command_scope(self._authority.state, client.token, command)
        self._authority.expire_invitations()
        if not client.in_lobby and is_for_lobby(command):
            raise Refusal("not_member", group="lobby")
        if user is not None and type(command) in CHANGE_RULES:
            if isinstance(command, SENDING_COMMANDS) and command.reply_to is not None:
                self._replies.execute(client, request, user, command, command.reply_to)
            else:
                self._change(client, request, user, command)
        elif user is not None and c.COMMANDS_BY_CLASS[type(command)].required_role == "server_operators":
            self._decide_operator_command(client, request, command)
        elif type(command) in LIST_QUERIES:
            self._list(client, request, user, command)
        elif user is None:
            raise Refusal("not_identified")
        elif isinstance(command, c.DeleteMessage):
            self._deletions.execute(client, request, user, command)
        elif isinstance(command, c.EditMessage):
            self._edits.execute(client, request, user, command)
        elif isinstance(command, c.ReactToMessage | c.TakeReactionBack):
            self._reactions.execute(client, request, user, command)
        elif isinstance(command, c.ReplyToMessage):
            self._replies.execute(client, request, user, command, command.id)
        elif isinstance(command, c.PasswordBeforeHello | Authenticate | RegisterBeforeLogin):
            raise Refusal("already_identified", nick=user.nick)
        elif isinstance(command, c.Hello):
            if command.nick:
                check_claimed_sender(user, command.nick)
            password = command.password if isinstance(request.command, c.Identify) else None
            welcome = self._welcome_again(client, request, user, password)
            self._turns.run_coroutine(client, request, welcome, paused=password is not None)
        elif isinstance(command, AccountCommand):
            self._accounts.execute(client, request, user, command)
        elif isinstance(command, TokenCommand):
            self._tokens.execute(client, request, user, command)
        elif isinstance(command, InvitationLinkCommand):
            self._links.execute(client, request, user, command)
        elif isinstance(command, c.UseInvitationLink):
            with self._authenticator.limiting_invitation_link_guesses(user, client.client_network):
                self._change(client, request, user, command)
        elif isinstance(command, c.IgnoreUser | c.UnignoreUser):
            self._turns.run_coroutine(
                client, request, self._ignore(client, request, user, command), paused=True
            )
        elif isinstance(command, c.ListGroupMessages | c.ListGroupEvents | c.ReadHistory):
            self._read_page(client, request, user, command)
        elif isinstance(command, c.Search):
            search = search_request_of(self._authority.state, user, command)
            reading = self._searches.send_result(client, user, request, search)
            self._turns.run_coroutine(client, request, self._answer_from_log(reading), paused=True)
        elif isinstance(command, ChannelCommand):
            self._channels.execute(client, request, user, command)
        elif isinstance(command, ChannelQuery):
            shown = self._authority.answer_channel_query(user, command, client.token)
            self._turns.run_coroutine(
                client, request, self._answer_with_list(client, request, shown), paused=True
            )
        elif isinstance(command, c.MarkRead | MarkReadUntilTime):
            self._read_marks.execute(client, request, user, command)
        elif isinstance(command, BecomeOperator):
            self._moderator.become_operator(client, request, command)
        elif isinstance(command, ResignOperator):
            self._moderator.resign(client, request)
        elif isinstance(command, c.ListConversations):
            if command.after_time is None and command.before_time is None:
                reading = self._replay.send_conversation_list(client, user, request, command)
            else:
                reading = self._replay.send_active_conversations(client, user, request, command)
            self._turns.run_coroutine(client, request, self._answer_from_log(reading), paused=True)

    def _decide_operator_command(self, requester: Requester, request: Request, command: c.Command) -> None:
        """Carry out ``command``, which is declared for server operators. Raises `Refusal`.

        The commands of the wires and those of the control socket come together here.
        """
        operator = self._moderator.require_operator(requester)
        if type(command) in LIST_QUERIES:
            self._list(requester, request, operator, command)
        elif isinstance(command, c.DeleteMessage):
            self._deletions.execute_for_console(requester, request, command)
        elif isinstance(command, ModerationCommand):
            self._moderator.execute(requester, request, command)

    def _list(self, requester: Requester, request: Request, user: User | None, command: c.Command) -> None:
        state, presence = self._authority.state, self._authority.online_users
        now = self._authority.now()
        answer = answer_list_command(state, presence, user, command, now, requester.token)
        self._turns.run_coroutine(
            requester, request, self._answer_with_list(requester, request, answer), paused=True
        )

    def _read_page(
        self,
        client: Client,
        request: Request,
        user: User,
        command: c.ListGroupMessages | c.ListGroupEvents | c.ReadHistory,
    ) -> None:
        conversation = conversation_of_command(self._authority.state, user, command)
        page = page_request_of(command)
        reading = self._replay.send_page(client, user, request, conversation, page)
        self._turns.run_coroutine(client, request, self._answer_from_log(reading), paused=True)

    def _change(
        self,
        client: Client,
        request: Request,
        user: User,
        command: c.Command,
        answered: AnsweredMessage | None = None,
    ) -> None:
        """Decide ``command``, and submit what follows from it. If it sends a message, that answers
        ``answered``, unless that is None. Raises `Refusal`.
        """
        authority = self._authority
        decision = authority.decide(user, command, client.client_network, client.token)
        if client.profile.is_bot:
            events = tuple(replace(event, actor_is_bot=event.actor is user) for event in decision.events)
            decision = replace(decision, events=events)
        if answered is not None:
            (event,) = decision.events
            decision = replace(decision, events=(replace(event, answered_message=answered),))
        if (request.client_tags or request.quit_or_part_message) and decision.events:
            part_message = (
                request.quit_or_part_message if authority.may_change_profile(user, client.token) else ""
            )
            first = replace(decision.events[0], client_tags=request.client_tags, part_message=part_message)
            decision = replace(decision, events=(first, *decision.events[1:]))
        if not decision.events:
            self._turns.run_coroutine(
                client,
                request,
                self._answer(client, request, AlreadyInGroup(decision.already_joined_group_name)),
            )
            return
        records, audiences = authority.apply(decision, request.ref)
        event = decision.events[0]
        private = authority.state.is_private(event.conversation)
        channel = self._committer.channel_entered_by(event)
        self.journal.submit(ChangeTask(self, client, request, records, audiences, private, channel))

    # Coroutines that wait for their turn in the journal's queue and write nothing.

    async def _answer(self, client: Client, request: Request, answer: Answer) -> None:
        await self._turns.wait_for_turn()
        client.answer(request, answer)

    async def _refuse(self, client: Requester, request: Request, refusal: Refusal) -> None:
        self._turns.log_refusal(client, refusal)
        await self._turns.wait_for_turn()
        client.refuse(request, refusal)

    async def _welcome_again(
        self, client: Client, request: Request, user: User, password: Secret | None
    ) -> None:
        if password is not None:
            await self._authenticator.verify_password_or_token(user.nick, password, client.client_network)
        await self._turns.wait_for_turn()
        client.answer(request, Welcome(user, False, self.last_delivered_id, self.last_delivered_id))

    async def _ignore(
        self, client: Client, request: Request, user: User, command: c.IgnoreUser | c.UnignoreUser
    ) -> None:
        state = self._committer.state
        await self._committer.commit(decide_ignore(state, user, command, self._limits))
        client.answer(request, list_ignored_users(self._committer.state, user))

    async def _answer_with_list(self, client: Requester, request: Request, answer: Answer) -> None:
        """Send the list ``answer``, then wait in the fair queue: a client has one list under way."""
        try:
            await self._turns.wait_for_turn()
        except NotStored:
            raise Refusal("storage_failed", why=translatable_reason("not_answered")) from None
        turn = self.fair_queue.wait()
        client.answer(request, answer)
        await turn

    async def _answer_from_log(self, reading: ClientCoroutine) -> None:
        """Wait for all earlier tasks of the journal, then run ``reading``, which answers from the log."""
        try:
            await self._turns.wait_for_turn()
        except NotStored:
            reading.close()
            raise read_failed_refusal() from None
        await reading

    async def _wait_for_others(self) -> None:
        await self.fair_queue.wait()
        await self._wait_for_journal()

    async def _wait_for_journal(self) -> None:
        """Wait for all earlier tasks of the journal. The client is not read meanwhile."""
        with suppress(NotStored):
            await self._turns.wait_for_turn()

    # From the journal to the clients.

    def on_committed(self, change: ChangeTask, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        """Acknowledge ``change``, which is on disk, and deliver its entries unless they were stored before.

        If ``entries`` is empty, the client has used its ref (its own id of a message) for another message
        before, and the change is refused.
        """
        client, request = change.client, change.request
        if not (entries and is_newly_stored):
            self._dispatcher.flush()  # this answer must not overtake what was gathered
        if not entries:
            refusal = Refusal("ref_reused", ref=request.ref)
            self._turns.log_refusal(client, refusal)
            client.refuse(request, refusal)
            return
        # The author gets an ack instead of the first entry, but is sent the entries that follow from it.
        if is_newly_stored:
            event = entries[0].event
            self._count(client, event)
            without_reason = user_ids_not_shown_reason(self._authority.state, event)
            self._dispatcher.deliver(entries[0], change.audiences[0], client, change.private, without_reason)
        client.answer(request, Ack(entries[0], change.channel, self._receiver(client, entries[0].event)))
        if change.channel is not None:
            self._dispatcher.show_channel_in_other_sessions(entries[0], change.channel, client)
        if is_newly_stored:
            # A channel that was left is gone: its clients are not told who owns the group now.
            former = entries[0].event.actor if entries[0].event.kind == "left" else None
            for entry, audience in zip(entries[1:], change.audiences[1:], strict=True):
                self._dispatcher.deliver(entry, audience, None, change.private, former=former)

    def _receiver(self, client: Client, event: ChatEvent) -> UserDescription | None:
        """Return what ``client`` may know of the receiver of ``event``, if it is a direct message to somebody
        else and the client's dialect shows it.
        """
        if not (client.dialect.shows_groups_as_channels and event.is_message):
            return None
        receiver = event.subject
        return None if receiver is None or receiver is event.actor else self._authority.describe(receiver)

    def _count(self, client: Client, event: ChatEvent) -> None:
        if event.is_message:
            self.counters.messages[client.dialect.wire, event.conversation.kind] += 1

    def on_rolled_back(self, change: ChangeTask) -> None:
        """Refuse ``change``, whose transaction was rolled back."""
        self._dispatcher.flush()
        change.client.refuse(change.request, not_stored_refusal())
