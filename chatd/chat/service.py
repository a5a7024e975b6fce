"""The service: what sessions ask for, from the request to the answer in its turn.

The authority decides a command and applies it in memory at once. What follows from it (an answer, a refusal,
deliveries to others) takes its turn in the journal. So it leaves in the order of the log, after its commit.
The dispatcher and the replay deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from twisted.internet.defer import Deferred

from chatd.boundaries import Archive, Client, Clock
from chatd.chat.authority import Authority, OpenJournal
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.dispatch import Dispatcher
from chatd.chat.fair_queue import FairQueue
from chatd.chat.presence import Authenticate, Presence
from chatd.chat.replay import Replay
from chatd.chat.turns import Change, ClientCoroutine, TurnQueue, not_read_refusal, not_stored_refusal
from chatd.core import commands as c
from chatd.core.answers import Ack, Answer, Unchanged, Welcome
from chatd.core.events import Delivery, Entry, User
from chatd.core.limits import Limits
from chatd.core.login import check_sender
from chatd.core.queries import LISTS, answer_list, conversation_read
from chatd.core.records import Snapshot
from chatd.core.refusals import Refusal, reason
from chatd.core.requests import Request
from chatd.core.rules import CHANGES
from chatd.store.errors import NotStored


class Chat:
    """The chat, shared by the clients of all wires.

    ``now`` is the time of day in seconds since 1970. ``on_delivery`` is called with each delivery once, in
    order, and with whether it is private: for the conversation log. ``delivery_log`` logs deliveries.
    ``authenticate`` verifies each hello; without it all hellos are trusted.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive,
        open_journal: OpenJournal,
        clock: Clock,
        now: Callable[[], float],
        limits: Limits,
        on_delivery: Callable[[Delivery, bool], None] | None = None,
        delivery_log: DeliveryLog | None = None,
        authenticate: Authenticate | None = None,
    ) -> None:
        self.fair_queue = FairQueue(clock)
        self._archive = archive
        self._limits = limits
        self._dispatcher = Dispatcher(clock, on_delivery, delivery_log)
        self._authority = Authority(
            snapshot, archive, open_journal, clock, now, limits, self._dispatcher.flush_entries
        )
        self._journal = self._authority.journal
        self._replay = Replay(
            archive,
            self._journal,
            limits,
            self.fair_queue,
            lambda: self._authority.state,
            None if delivery_log is None else delivery_log.log_sent,
        )
        self._turns = TurnQueue(self._journal, self._dispatcher)
        self._presence = Presence(self._authority, self._dispatcher, self._replay, self._turns, authenticate)
        self._stopping = False

    @property
    def last_delivered_id(self) -> int:
        """The id of the last entry that was delivered."""
        return self._journal.last_delivered_id

    # What sessions call.

    def submit(self, client: Client, request: Request) -> Refusal | None:
        """Decide ``request``; the answer leaves in its turn. Returns the refusal, if it is refused now."""
        refused = None
        try:
            self._decide(client, request)
        except Refusal as refusal:
            refused = refusal
            self._turns.run(client, request, self._refuse(client, request, refusal))
        if len(self._journal) >= self._limits.queue:
            self._turns.run(client, None, self._wait_for_journal(), paused=True)
        return refused

    def quit(self, client: Client, request: Request | None, refusal: Refusal | None = None) -> None:
        """Close ``client`` in its turn, with an answer to ``request`` or with ``refusal``."""
        self._presence.quit(client, request, refusal)

    def depart(self, client: Client) -> None:
        """The connection of ``client`` is gone; its read marker moves to the last id that surely arrived."""
        self._presence.depart(client)
        user, seen = client.user, client.seen
        if user is not None and seen is not None:
            self._journal.note_seen(user, seen)

    async def close(self) -> None:
        """Write what is left to write, and close the store."""
        # The last connection to be closed moves the write-ahead log into the database; a reader can't.
        self._archive.close()
        await self._journal.close()

    def stop(self) -> Deferred[None]:
        """Refuse every new command; fires when what was accepted is on disk and answered."""
        self._stopping = True
        return self._journal.drained().addCallback(lambda _: self._dispatcher.flush())

    # From a request to its decision.

    def _decide(self, client: Client, request: Request) -> None:
        """Do what ``request`` asks, or raise `Refusal`."""
        command = request.command
        if isinstance(command, Refusal):
            if client.user is None and client.dialect.requires_login:
                raise Refusal("not_identified")
            raise command
        if isinstance(command, c.Quit):
            self.quit(client, request)
            return
        if self._stopping:
            raise Refusal("shutting_down")
        if self._authority.recovering:
            raise not_read_refusal() if c.DECLARED[type(command)].reads else not_stored_refusal()
        if client.user is None:
            if isinstance(command, c.Hello):
                self._presence.log_in(client, request, command)
                return
            if c.DECLARED[type(command)].who != "anyone":
                if not request.sender:
                    raise Refusal("not_identified")
                # A request that names a sender before any hello says hello with that name.
                if not self._presence.log_in(client, request, c.Hello(request.sender)):
                    return
        elif request.sender:
            check_sender(client.user, request.sender)
        self._decide_named(client, request, command)

    def _decide_named(self, client: Client, request: Request, command: c.Command) -> None:
        user = client.user
        if user is not None and type(command) in CHANGES:
            self._change(client, request, user, command)
        elif type(command) in LISTS:
            answer = answer_list(self._authority.state, self._authority.presence, user, command)
            self._turns.run(client, request, self._answer_with_list(client, request, answer), paused=True)
        elif user is None:
            raise Refusal("not_identified")
        elif isinstance(command, c.Hello):
            if command.nick:
                check_sender(user, command.nick)
            self._turns.run(client, request, self._welcome_again(client, request, user))
        elif isinstance(command, c.ListMessages | c.ListStates | c.History):
            self._read_page(client, request, user, command)
        elif isinstance(command, c.ListConversations):
            reading = self._replay.send_conversations(client, user, request, command.skip)
            self._turns.run(client, request, self._answer_from_log(reading), paused=True)

    def _read_page(
        self, client: Client, request: Request, user: User, command: c.ListMessages | c.ListStates | c.History
    ) -> None:
        conversation = conversation_read(self._authority.state, user, command)
        window = (command.before, command.after, command.limit)
        events = isinstance(command, c.ListStates)
        reading = self._replay.send_page(client, user, request, conversation, window, events)
        self._turns.run(client, request, self._answer_from_log(reading), paused=True)

    def _change(self, client: Client, request: Request, user: User, command: c.Command) -> None:
        authority = self._authority
        decision = authority.decide(user, command)
        if not decision.events:
            self._turns.run(client, request, self._answer(client, request, Unchanged(decision.unchanged)))
            return
        records, audiences = authority.apply(request, decision)
        private = authority.state.is_private(decision.events[0].conversation)
        self._journal.submit(Change(self, client, request, records, audiences, private))

    # Turns that write nothing.

    async def _answer(self, client: Client, request: Request, answer: Answer) -> None:
        await self._turns.wait()
        client.answer(request, answer)

    async def _refuse(self, client: Client, request: Request, refusal: Refusal) -> None:
        self._turns.log_refusal(client, refusal)
        await self._turns.wait()
        client.refuse(request, refusal)

    async def _welcome_again(self, client: Client, request: Request, user: User) -> None:
        await self._turns.wait()
        client.answer(request, Welcome(user, False, self.last_delivered_id, self.last_delivered_id))

    async def _answer_with_list(self, client: Client, request: Request, answer: Answer) -> None:
        """The client's next command is decided in a reactor turn of its own: it has one list under way."""
        try:
            await self._turns.wait()
        except NotStored:
            raise Refusal("storage_failed", why=reason("not_answered")) from None
        turn = self.fair_queue.wait()
        client.answer(request, answer)
        await turn

    async def _answer_from_log(self, reading: ClientCoroutine) -> None:
        """Wait for a turn, then run ``reading``, which answers."""
        try:
            await self._turns.wait()
        except NotStored:
            reading.close()
            raise not_read_refusal() from None
        await reading

    async def _wait_for_journal(self) -> None:
        """The queue is full: the client is read again when all its commands so far have had their turns."""
        with suppress(NotStored):
            await self._turns.wait()

    # From the journal to the clients.

    def on_committed(self, change: Change, entries: Sequence[Entry], is_new: bool) -> None:
        """``change`` is on disk: acknowledge it and, unless it was stored before, deliver it."""
        client, request = change.client, change.request
        if not (entries and is_new):
            self._dispatcher.flush()  # this answer must not overtake what was gathered
        if not entries:
            refusal = Refusal("ref_reused", ref=request.ref)
            self._turns.log_refusal(client, refusal)
            client.refuse(request, refusal)
            return
        # The author needs no copy of what was asked for, but hears what else came of it.
        if is_new:
            self._dispatcher.deliver(entries[0], change.audiences[0], client, change.private)
        client.answer(request, Ack(entries[0]))
        if is_new:
            for entry, audience in zip(entries[1:], change.audiences[1:], strict=True):
                self._dispatcher.deliver(entry, audience, None, change.private)

    def on_rolled_back(self, change: Change) -> None:
        """``change`` was rolled back: refuse it."""
        self._dispatcher.flush()
        change.client.refuse(change.request, not_stored_refusal())
