"""The chat: decide, record, apply, tell.

A command is decided and applied in memory at once; whatever follows from it (an answer, a refusal,
what others are told) takes its turn in the journal, and so leaves in the order of the log, after
the commit that it rests on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import chain
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.fanout import Fanout
from chatd.chat.replay import Reader, Replay
from chatd.core import commands as c
from chatd.core import rules
from chatd.core.answers import (
    Ack,
    Answer,
    Goodbye,
    Page,
    Unchanged,
    Welcome,
)
from chatd.core.audience import Audience, audience
from chatd.core.events import Arrived, Delivery, Departed, Entry, User
from chatd.core.limits import Limits
from chatd.core.login import Login, check_sender, log_in
from chatd.core.queries import LISTS, answer_list, conversation_read
from chatd.core.refusals import Refusal, reason
from chatd.core.requests import Request
from chatd.store.archive import Archive, Snapshot
from chatd.store.journal import Draft, Journal, Record

RELOAD_RETRY_SECONDS: Final = 1.0
"""Seconds between attempts to read the store again after a failed commit."""

PRESENCE_BATCH_MIN_USERS: Final = 100
"""How many connected users are so many that arrivals and departures wait for each other to be told."""

PRESENCE_DELAY_PER_USER_SECONDS: Final = 20e-6
"""Seconds that they wait for each connected user, whom to tell takes about a quarter of that."""

PRESENCE_DELAY_MAX_SECONDS: Final = 0.1
"""Seconds that they wait at most."""


class Client(Reader, Protocol):
    """A session, as the chat sees it; `chatd.connections.session.Session` says what each part is for."""

    user: User | None
    max_id: int | None

    @property
    def seen(self) -> int | None: ...
    @property
    def peer(self) -> str: ...
    def refuse(self, request: Request | None, refusal: Refusal) -> None: ...
    def internal_error(self, request: Request | None) -> None: ...
    def deliver(self, frame: bytes) -> None: ...
    def hold(self) -> None: ...
    def ask_later(self, request: Request) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class Chat:
    """The one conversation that every wire joins.

    ``clock`` times what waits, ``now`` is the time of day in seconds since 1970: it stamps entries and
    orders nothing. ``witness`` is called with everything that is told, once, in order, and with whether it
    is private: for the conversation log. ``delivery_log`` is the log of what is received and sent.
    """

    _log = Logger()

    def __init__(
        self,
        snapshot: Snapshot,
        archive: Archive,
        clock: IReactorTime,
        now: Callable[[], float],
        limits: Limits,
        witness: Callable[[Delivery, bool], None] | None = None,
        delivery_log: DeliveryLog | None = None,
    ) -> None:
        self._state = snapshot.state
        self._archive = archive
        self._replay = Replay(
            archive,
            limits,
            clock,
            lambda: self._state,
            lambda: self._journal.last_delivered_id,
            lambda conversation: self._journal.last_in(conversation),
            None if delivery_log is None else delivery_log.sent,
        )
        self._clock = clock
        self._seconds = now
        self._limits = limits
        self._witness = witness
        self._delivery_log = delivery_log
        self._journal: Journal
        # Everyone with a name, by its key, in the order of arrival; and who can be told, by user.
        self._named: dict[str, Client] = {}
        self._present: dict[int, list[Client]] = {}
        self._fanout: Fanout | None = None
        self._recovering = False
        self._stopping = False

    def write_to(self, journal: Journal) -> None:
        """Record in ``journal``, whose failures come to `recover`."""
        self._journal = journal

    @property
    def last_delivered_id(self) -> int:
        """The id of the last entry that was told."""
        return self._journal.last_delivered_id

    def next_turn(self) -> Deferred[None]:
        """Fires in a reactor turn of its own: one page or one client that asks for much is served in it."""
        return self._replay.turns.next()

    # What clients do.

    def submit(self, client: Client, request: Request) -> Refusal | None:
        """Do what ``request`` asks, or refuse it; either answer leaves in its turn.

        Returns the refusal, if that is decided already.
        """
        refused = None
        try:
            self._obey(client, request)
        except Refusal as refusal:
            refused = refusal
            self._refuse(client, request, refusal)
        if len(self._journal) >= self._limits.queue:
            # The queue is full: hear this client again when what it said so far has had its turn.
            client.pause()
            self._journal.submit(_Turn(self, client, None, client.resume))
        return refused

    def quit(self, client: Client, request: Request | None, refusal: Refusal | None = None) -> None:
        """Let ``client`` go once everything before is answered, with an answer if it asked, or a refusal."""

        def farewell() -> None:
            user = client.user
            self.depart(client)
            if request is not None:
                client.answer(request, Goodbye(user))
            if refusal is not None:
                self._log_refusal(client, refusal)
                client.refuse(None, refusal)
            client.close()

        client.leaving = True
        self._journal.submit(_Turn(self, client, request, farewell, farewell))

    def depart(self, client: Client) -> None:
        """``client`` is gone: its nick is free, and the others learn it in their turn."""
        user = client.user
        if user is None or self._named.get(user.key) is not client:
            return
        del self._named[user.key]
        there = self._present.get(user.id, [])
        if client in there:
            there.remove(client)
            if not there:
                del self._present[user.id]
            client.max_id = self.last_delivered_id
        self._journal.submit(_Departure(self, client, Departed(user, self._now())))

    def gone(self, client: Client) -> None:
        """The connection of ``client``, which has departed, is gone: now it is known what it got."""
        user, seen = client.user, client.seen
        if user is not None and seen is not None:
            self._journal.note_seen(user, seen)

    # What the daemon does.

    def stop(self) -> Deferred[None]:
        """Refuse every new command; fires when what was accepted is on disk and answered."""
        self._stopping = True
        return self._journal.drained().addCallback(lambda _: self.end_fanout())

    def recover(self) -> None:
        """A commit failed: forget what memory holds beyond the disk, and read it anew."""
        if not self._recovering:
            self._recovering = True
            self._run(self._reload(), lambda refusal: None)

    async def _reload(self) -> None:
        while True:
            try:
                snapshot = await self._archive.load()
                break
            except sqlite3.Error as error:
                self._log.error("the database can't be read: {why}", why=str(error))
            except Exception:
                self._log.failure("the database can't be understood")
            await deferLater(self._clock, RELOAD_RETRY_SECONDS, lambda: None)
        self._state = snapshot.state
        self._journal.resume(snapshot)
        self._recovering = False

    # From a command to the journal.

    def _obey(self, client: Client, request: Request) -> None:
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
        if self._recovering:
            raise _not_read() if c.DECLARED[type(command)].reads else _not_stored()
        if client.user is None:
            if c.DECLARED[type(command)].who != "anyone":
                if not request.sender:
                    raise Refusal("not_identified")
                # Whoever names a sender before any hello says hello with it.
                if self._arrive(client, c.Hello(request.sender), None).catches_up:
                    client.ask_later(request)
                    return
        elif request.sender:
            check_sender(client.user, request.sender)
        handle = _HANDLERS.get(type(command))
        if handle is not None:
            handle(self, client, request, command)
        else:
            self._change(client, request, command)

    def _hello(self, client: Client, request: Request, command: c.Hello) -> None:
        if client.user is None:
            self._arrive(client, command, request)
            return
        user = client.user
        if command.nick:
            check_sender(user, command.nick)

        def welcome() -> None:
            client.answer(request, Welcome(user, False, self.last_delivered_id, self.last_delivered_id))

        self._journal.submit(_Turn(self, client, request, welcome))

    def _arrive(self, client: Client, hello: c.Hello, request: Request | None) -> _Arrival:
        login = log_in(self._state, self._named, hello)
        for record in login.decision.records:
            self._state.apply(record)
        user = login.user
        arrival = _Arrival(self, client, login, hello, request)
        if arrival.catches_up:
            client.pause()
        client.user = user
        client.updates_read_marker = hello.missed == "send"
        self._named[user.key] = client
        self._journal.submit(arrival)
        return arrival

    def _change(self, client: Client, request: Request, command: c.Command) -> None:
        state, user = self._state, client.user
        assert user is not None
        decision = rules.decide(state, user, command)
        if not decision.events:
            self._reply(client, request, Unchanged(decision.unchanged))
            return
        at = self._now()
        # Only messages are told apart by their ref: other commands are refused, or harmless, the second time.
        first = decision.events[0]
        ref = None if request.ref is None or not first.said else str(request.ref)
        records: list[Record] = [*decision.records]
        for record in decision.records:
            state.apply(record)
        audiences = []
        for event in decision.events:
            audiences.append(audience(state, event))
            state.apply(event)
            records.append(Draft(event, at, ref))
        # Decided now: before this is told, a private group may be made public.
        private = state.is_private(first.conversation)
        self._journal.submit(_Change(self, client, request, records, audiences, private))

    def _read(
        self, client: Client, request: Request, command: c.ListMessages | c.ListStates | c.History
    ) -> None:
        user = _named(client)
        conversation = conversation_read(self._state, user, command)
        if conversation.id not in self._state.conversations:
            self._reply(client, request, Page(conversation, (), False, False, False, user))
            return
        window = (command.before, command.after, command.limit)
        events = isinstance(command, c.ListStates)
        self._answer_from_log(
            client,
            request,
            lambda: self._replay.page(client, user, request, conversation, window, events),
        )

    def _answer_from_log(
        self, client: Client, request: Request, read: Callable[[], Coroutine[Deferred[Any], Any, None]]
    ) -> None:
        """Let ``read`` answer ``request`` in its turn; the client's next command is decided after that."""

        async def read_and_resume() -> None:
            try:
                await read()
            finally:
                client.resume()

        def begin() -> None:
            self._run(read_and_resume(), lambda refusal: client.refuse(request, refusal))

        def give_up() -> None:
            client.refuse(request, _not_read())
            client.resume()

        client.pause()
        self._journal.submit(_Turn(self, client, request, begin, give_up))

    def _list_conversations(self, client: Client, request: Request, command: c.ListConversations) -> None:
        user = _named(client)
        self._answer_from_log(
            client, request, lambda: self._replay.conversations(client, user, request, command.skip)
        )

    def _list(self, client: Client, request: Request, command: c.Command) -> None:
        presence = {key: there.user for key, there in self._named.items() if there.user is not None}
        self._answer_with_list(client, request, answer_list(self._state, presence, client.user, command))

    def _answer_with_list(self, client: Client, request: Request, answer: Answer) -> None:
        """Answer in its turn; the client's next command is decided in a reactor turn of its own.

        So each client has one list under way, however many it asks for.
        """

        def reply() -> None:
            self.next_turn().addCallback(lambda _: client.resume())
            client.answer(request, answer)

        def give_up() -> None:
            client.refuse(request, Refusal("storage_failed", why=reason("not_answered")))
            client.resume()

        client.pause()
        self._journal.submit(_Turn(self, client, request, reply, give_up))

    def _reply(self, client: Client, request: Request, answer: Answer) -> None:
        self._journal.submit(_Turn(self, client, request, lambda: client.answer(request, answer)))

    def _refuse(self, client: Client, request: Request, refusal: Refusal) -> None:
        self._log_refusal(client, refusal)
        self._journal.submit(_Turn(self, client, request, lambda: client.refuse(request, refusal)))

    def _log_refusal(self, client: Client, refusal: Refusal) -> None:
        nick = client.user.nick if client.user is not None else "-"
        self._log.info("{peer} {nick}: {code}", peer=client.peer, nick=nick, code=refusal.code)

    # From the journal to the clients.

    def arrived(self, arrival: _Arrival) -> None:
        """An arrival has had its turn: answer it, tell it, and begin to catch up."""
        client, user = arrival.client, arrival.user
        self._log.info("{nick} arrived from {peer}", nick=user.nick, peer=client.peer)
        self._tell(None, Arrived(user, arrival.returning, self._now()))
        seen = self._journal.seen(user) if arrival.returning else self.last_delivered_id
        client.missed = (seen, self.last_delivered_id if client.updates_read_marker else None)
        if arrival.request is not None:
            client.answer(arrival.request, Welcome(user, arrival.returning, self.last_delivered_id, seen))
        if self._named.get(user.key) is not client:
            return  # gone already; its departure is told next
        self._present.setdefault(user.id, []).append(client)
        self._fanout_to(None, stored=False).enter(client)
        if arrival.catches_up:
            client.hold()
            self._run(
                self._catch_up(client, user, arrival.hello),
                lambda refusal: self._give_up(client, refusal),
            )

    def departed(self, client: Client, departed: Departed) -> None:
        """A departure has had its turn: tell it."""
        if client.user is None:
            return  # its arrival was lost with a commit, so nobody knows of it
        self._log.info("{nick} left", nick=departed.user.nick)
        self._tell(None, departed)

    def not_arrived(self, arrival: _Arrival) -> None:
        """An arrival was lost with its commit: the client has no name."""
        client = arrival.client
        self.end_fanout()
        if self._named.get(arrival.user.key) is client:
            del self._named[arrival.user.key]
        client.user = None
        if arrival.catches_up:
            client.resume()
        if arrival.request is not None:
            client.refuse(arrival.request, _not_stored())

    def changed(self, change: _Change, entries: Sequence[Entry], is_new: bool) -> None:
        """A change is on disk: acknowledge it and, unless it is an old one, tell it."""
        client = change.client
        if not (entries and is_new):
            self.end_fanout()  # this answer is no part of it, and must not overtake it
        if not entries:
            refusal = Refusal("ref_reused", ref=change.request.ref)
            self._log_refusal(client, refusal)
            client.refuse(change.request, refusal)
            return
        # Its author needs no copy of what was asked for, but hears what else came of it.
        if is_new:
            self._tell(change.audiences[0], entries[0], client, change.private)
        client.answer(change.request, Ack(entries[0]))
        if is_new:
            for to, entry in zip(change.audiences[1:], entries[1:], strict=True):
                self._tell(to, entry, None, change.private)

    def _tell(
        self,
        audience: tuple[int, ...] | None,
        delivery: Delivery,
        author: Client | None = None,
        private: bool = False,
    ) -> None:
        """Tell it with what is told before and after, as long as that goes to the very same audience.

        ``private`` says whether it was private when it was decided: in a private group or between two users.
        """
        if self._witness is not None:
            self._witness(delivery, private)
        subject: Sequence[Client] = ()
        if isinstance(delivery, Entry):
            if self._delivery_log is not None:
                self._delivery_log.received(author, delivery, private)
            event = delivery.event
            about = event.subject
            if about is not None and not event.said and (audience is None or about.id in audience):
                subject = self._present.get(about.id, ())
            fanout = self._fanout_to(audience, stored=True)
        else:
            fanout = self._fanout_to(audience, stored=False)
        fanout.add(delivery, author, subject)

    def _fanout_to(self, audience: tuple[int, ...] | None, stored: bool) -> Fanout:
        fanout = self._fanout
        if fanout is None or fanout.audience is not audience or fanout.stored is not stored:
            self.end_fanout()
            sent = None if self._delivery_log is None else self._delivery_log.sent
            fanout = self._fanout = Fanout(audience, stored, sent)
            if not stored:
                there = len(self._named)
                wait = (
                    min(there * PRESENCE_DELAY_PER_USER_SECONDS, PRESENCE_DELAY_MAX_SECONDS)
                    if there >= PRESENCE_BATCH_MIN_USERS
                    else 0
                )
                self._clock.callLater(wait, self._end_wait, fanout)
        return fanout

    def _end_wait(self, fanout: Fanout) -> None:
        if self._fanout is fanout:
            self.end_fanout()

    def end_commit(self) -> None:
        """Tell what a commit brought; comes at its end."""
        if self._fanout is not None and self._fanout.stored:
            self.end_fanout()

    def end_fanout(self) -> None:
        """Tell what was gathered; comes before anything else is said."""
        fanout, self._fanout = self._fanout, None
        if fanout is not None:
            try:
                fanout.end(self._listeners(fanout.audience))
            except Exception:
                # Whose turn it is has no part in it.
                self._log.failure("a mistake in telling {audience}", audience=fanout.audience or "everyone")

    def _listeners(self, audience: tuple[int, ...] | None) -> Iterator[Client]:
        """The sessions of the audience that are here."""
        present = self._present
        return chain.from_iterable(
            present.values() if audience is None else filter(None, map(present.get, audience))
        )

    async def _catch_up(self, client: Client, user: User, hello: c.Hello) -> None:
        await self._replay.catch_up(client, user, hello)
        client.resume()

    def _give_up(self, client: Client, refusal: Refusal) -> None:
        """The log can't be read for ``client``, which can't go on with a gap: it has to come back."""
        self.quit(client, None, refusal)
        client.resume()

    def _run(self, work: Coroutine[Deferred[Any], Any, None], refuse: Callable[[Refusal], None]) -> None:
        """Let ``work`` go on by itself; the one place where what it raises ends up."""

        def fail(failure: Failure) -> None:
            if failure.check(sqlite3.Error):
                self._log.error("the database can't be read: {why}", why=failure.getErrorMessage())
                refuse(_not_read())
            else:
                self._log.failure("a mistake while reading", failure)
                refuse(Refusal("internal_error"))

        Deferred.fromCoroutine(work).addErrback(fail)

    def _now(self) -> int:
        return int(self._seconds() * 1000)


class _Turn:
    """A turn that writes nothing. When what it rests on was lost, the request is refused, if there is one."""

    __slots__ = ("_chat", "_client", "_do", "_otherwise", "_request")

    records: Sequence[Record] = ()

    def __init__(
        self,
        chat: Chat,
        client: Client,
        request: Request | None,
        do: Callable[[], None],
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        self._chat = chat
        self._client = client
        self._request = request
        self._do = do
        self._otherwise = otherwise

    def committed(self, logged: Sequence[Entry], is_new: bool) -> None:
        self._chat.end_fanout()
        self._do()

    def aborted(self) -> None:
        self._chat.end_fanout()  # as on disk: what was told before it must not be overtaken
        if self._otherwise is not None:
            self._otherwise()
        elif self._request is not None:
            self._client.refuse(self._request, _not_stored())
        else:
            self._do()

    def crashed(self) -> None:
        self._client.internal_error(self._request)


class _Arrival:
    """A client's arrival, with the user to be written when it is a new one."""

    __slots__ = ("_chat", "client", "hello", "records", "request", "returning", "user")

    def __init__(
        self,
        chat: Chat,
        client: Client,
        login: Login,
        hello: c.Hello,
        request: Request | None,
    ) -> None:
        self.records: Sequence[Record] = login.decision.records
        self._chat = chat
        self.client = client
        self.user = login.user
        self.returning = login.returning
        self.hello = hello
        self.request = request

    @property
    def catches_up(self) -> bool:
        """Whether something has to be read from the log for it."""
        return self.hello.since is not None or (self.returning and self.hello.missed == "send")

    def committed(self, logged: Sequence[Entry], is_new: bool) -> None:
        self._chat.arrived(self)

    def aborted(self) -> None:
        self._chat.not_arrived(self)

    def crashed(self) -> None:
        self.client.internal_error(self.request)
        # Half arrived: it hears nothing and may be paused, so it has to come back.
        self._chat.quit(self.client, None)


class _Departure:
    """A client's departure."""

    __slots__ = ("_chat", "_client", "_departed")

    records: Sequence[Record] = ()

    def __init__(self, chat: Chat, client: Client, departed: Departed) -> None:
        self._chat = chat
        self._client = client
        self._departed = departed

    def committed(self, logged: Sequence[Entry], is_new: bool) -> None:
        self._chat.departed(self._client, self._departed)

    def aborted(self) -> None:
        self._chat.departed(self._client, self._departed)

    def crashed(self) -> None:
        self._client.internal_error(None)


class _Change:
    """A command that the log records, with the audience of each of its events."""

    __slots__ = ("_chat", "audiences", "client", "private", "records", "request")

    def __init__(
        self,
        chat: Chat,
        client: Client,
        request: Request,
        records: Sequence[Record],
        audiences: Sequence[Audience],
        private: bool,
    ) -> None:
        self._chat = chat
        self.client = client
        self.request = request
        self.records = records
        self.audiences = audiences
        self.private = private

    def committed(self, logged: Sequence[Entry], is_new: bool) -> None:
        self._chat.changed(self, logged, is_new)

    def aborted(self) -> None:
        self._chat.end_fanout()
        self.client.refuse(self.request, _not_stored())

    def crashed(self) -> None:
        self.client.internal_error(self.request)


# Each handler takes the command of its own line, which is more than the type of a dict can say.
_HANDLERS: Final[dict[type[c.Command], Callable[[Chat, Client, Request, Any], None]]] = {
    c.Hello: Chat._hello,
    c.ListMessages: Chat._read,
    c.ListStates: Chat._read,
    c.History: Chat._read,
    c.ListConversations: Chat._list_conversations,
    **dict.fromkeys(LISTS, Chat._list),
}


def _not_stored() -> Refusal:
    return Refusal("storage_failed", why=reason("not_stored"))


def _not_read() -> Refusal:
    return Refusal("storage_failed", why=reason("not_read"))


def _named(client: Client) -> User:
    user = client.user
    assert user is not None, "commands of the nameless are refused before this"
    return user
