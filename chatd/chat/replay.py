"""Reads log entries for one client: the pages that it asks for, and the entries that it has missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Final

from msgspec.structs import replace

from chatd.boundaries import Archive, Client, Journal
from chatd.chat.fair_queue import FairQueue
from chatd.core import commands as c
from chatd.core.answers import (
    ActiveConversation,
    ActiveConversations,
    ConversationListItem,
    Conversations,
    HistoryHint,
    Page,
    Reaction,
)
from chatd.core.audience import without_ignored_reason
from chatd.core.events import LOBBY, Conversation, LogEntry, User
from chatd.core.limits import Limits
from chatd.core.queries import PageRequest
from chatd.core.read_marks import NO_READ_MARK, ReadMarkPosition
from chatd.core.records import EntrySlice, PageIdWindow, UnreadRange, entry_from_row
from chatd.core.requests import Request
from chatd.core.rules import require_group_member
from chatd.core.state import State
from chatd.core.tokens import token_covers

CATCH_UP_PAGE_ENTRIES: Final = 800
"""Maximum number of missed entries that are read from the log at a time for one client."""

CATCH_UP_PAGE_BYTES: Final = 64 * 1024
"""Maximum size in bytes of the bodies of missed entries that are read from the log at a time for one client.
"""

MAX_LOGIN_PAGES: Final = 20
"""Maximum number of pages sent to a returning client: one for each of its most recent conversations."""

MAX_LOGIN_PAGES_BYTES: Final = 256 * 1024
"""Maximum size in bytes of the bodies in all pages that are sent to a returning client at its login."""

MAX_LISTED_CONVERSATIONS: Final = 100
"""Maximum number of conversations in one list that is sent to a client."""

MAX_ACTIVE_CONVERSATIONS: Final = 1000
"""Maximum number of conversations in a list of those whose last messages were sent between two times."""

PLACEHOLDER_HISTORY_REQUEST: Final = Request(c.ReadHistory(), "history")
"""The request that the daemon pretends to answer when it sends a page or a list that no client asked for."""


class Replay:
    """Reads log entries from ``archive`` and sends them to clients: pages of history, lists, missed entries.

    In its methods, ``reader`` is the client. ``state`` returns the present state of the chat. ``sent(reader,
    what)`` is called to log each entry or page that was sent. It is None unless the log level is debug, and
    is replaced when the level changes. Each coroutine raises `ReadFailed` if the archive can't be read.
    """

    def __init__(
        self,
        archive: Archive,
        journal: Journal,
        limits: Limits,
        fair_queue: FairQueue,
        state: Callable[[], State],
        sent: Callable[[Client, LogEntry | Page], None] | None = None,
    ) -> None:
        self._archive = archive
        self._journal = journal
        self._limits = limits
        self._fair_queue = fair_queue
        self._state = state
        self.sent = sent

    async def send_page(
        self,
        reader: Client,
        user: User,
        request: Request,
        conversation: Conversation,
        asked: PageRequest,
    ) -> None:
        """Answer ``request`` with a page of ``conversation``. ``asked`` has its bounds and its size.

        Raises `Refusal` if ``user`` may not read ``conversation`` when the page is read. Nothing is sent if
        the connection is gone.
        """
        max_id = self._journal.last_delivered_id if request.max_id is None else request.max_id
        self.check_may_read(user, conversation)  # the user may have been put out meanwhile
        size = reader.dialect.max_list_bytes
        window, around = await self.page_window(asked, max_id)
        if around is None:
            found = await self._read_page(reader, user, conversation, window, size, max_id)
        else:
            found = await self._read_around(reader, user, conversation, window, around, size, max_id)
        await self._fair_queue.wait()
        if reader.is_closed:
            return
        self.check_may_read(user, conversation)
        page = Page(
            conversation,
            self.entries_shown_to(found, user),
            found.has_more,
            window.reads_forward,
            window.contents == "events",
            user,
            trimmed_up_to_id=self._trimmed(conversation),
            reactions=self._reactions(found),
        )
        reader.answer(request, page)
        if self.sent is not None:
            self.sent(reader, page)

    async def send_conversation_list(
        self, reader: Client, user: User, request: Request, command: c.ListConversations
    ) -> None:
        """Answer ``request`` with a list of the conversations of ``user``, most recent first.

        ``command`` has the number of conversations to leave out at the beginning, and the maximum number to
        list.
        """
        conversations = self._most_recent(self.readable_conversations(reader, user))[command.skip :]
        limit = min(command.limit or MAX_LISTED_CONVERSATIONS, MAX_LISTED_CONVERSATIONS)
        listed = await self._list(reader, user, conversations, limit)
        await self._fair_queue.wait()
        if not reader.is_closed:
            reader.answer(request, listed)

    async def send_active_conversations(
        self, reader: Client, user: User, request: Request, command: c.ListConversations
    ) -> None:
        """Answer ``request`` with the conversations of ``user`` whose last messages are in a range of time.

        ``command`` has the range, the number of conversations to leave out at the beginning, and the maximum
        number to list. Messages that ``user`` may not read, and those of ignored users, do not count as last
        messages.
        """
        max_id = self._journal.last_delivered_id
        first, end = await self._ids_between(command.after_time, command.before_time, max_id)
        # Those without a later entry need not be looked for in the database.
        candidates = [
            one for one in self.readable_conversations(reader, user) if self._journal.last_id_in(one) >= first
        ]
        log_filter = self._state().log_filter(user)
        active: list[tuple[int, int, Conversation]] = []
        for start in range(0, len(candidates), MAX_LISTED_CONVERSATIONS):
            some = candidates[start : start + MAX_LISTED_CONVERSATIONS]
            lasts = await self._archive.last_messages(some, max_id, log_filter)
            active += [(*last, one) for one, last in zip(some, lasts, strict=True) if last is not None]
            await self._fair_queue.wait()
            if reader.is_closed:
                return
        active = [one for one in active if first <= one[0] < end and self._state().may_read(user, one[2])]
        active.sort(key=itemgetter(0))
        end_of_list = command.skip + min(command.limit or MAX_ACTIVE_CONVERSATIONS, MAX_ACTIVE_CONVERSATIONS)
        listed = tuple(
            ActiveConversation(one.kind, one.name_for(user), id, at)
            for id, at, one in active[command.skip : end_of_list]
        )
        reader.answer(request, ActiveConversations(listed, has_more=len(active) > end_of_list))

    async def send_missed_entries(self, reader: Client, user: User, hello: c.Hello) -> None:
        """Send the entries that ``user`` has missed, then the live deliveries that were held back meanwhile.

        Call `Client.hold_deliveries` before. If ``hello`` has a ``since``, all readable entries with larger
        ids are sent. A ``since`` above the last id of the log is ignored, because it belongs to another log.

        Without a valid ``since``, only a session that moves the user's last seen id is sent missed entries:
        those that `Dialect.login_history_scope` names, or only events about ``user`` if ``hello`` asks for no
        history.
        """
        max_id = self._journal.last_delivered_id
        if hello.since is not None and hello.since <= max_id:
            await self._follow(reader, user, self.readable_conversations(reader, user), hello.since, max_id)
        elif reader.updates_last_seen_id:
            await self._send_history(reader, user, max_id, pages=hello.history == "send")
        while not reader.release_deliveries():
            # More came than could be held back: it is read from the log instead.
            after, max_id = max_id, self._journal.last_delivered_id
            # The fanout has called `sent` for these entries when it delivered them to be held back.
            await self._follow(
                reader, user, self.readable_conversations(reader, user), after, max_id, counted=True
            )

    async def _send_history(self, reader: Client, user: User, max_id: int, pages: bool) -> None:
        """Send a returning client its conversations' last messages, and the events about ``user``.

        The dialect chooses between pages of conversations and all missed private messages. If ``pages`` is
        false, only the events about ``user`` are sent.
        """
        seen, _ = reader.missed_range
        conversations = self.readable_conversations(reader, user)
        directs = [conversation for conversation in conversations if conversation.pair]
        if not pages or reader.dialect.login_history_scope == "nothing":
            await self._follow(reader, user, (), seen, max_id)
        elif reader.dialect.login_history_scope == "none":
            await self._follow(reader, user, directs, seen, max_id, own=False)
            if any(map(self._journal.last_id_in, conversations)):
                reader.push_answer(PLACEHOLDER_HISTORY_REQUEST, HistoryHint())
        else:
            if reader.dialect.login_history_scope == "directs":
                conversations = directs
            if reader.dialect.login_history_scope != "all":
                conversations = [one for one in conversations if self._journal.last_id_in(one) > seen]
            await self._send_pages(reader, user, self._most_recent(conversations), seen, max_id)
            await self._follow(reader, user, (), seen, max_id)
            if reader.dialect.login_history_scope == "directs" and any(
                map(self._journal.last_id_in, self.readable_conversations(reader, user))
            ):
                reader.push_answer(PLACEHOLDER_HISTORY_REQUEST, HistoryHint())

    async def _send_pages(
        self, reader: Client, user: User, conversations: list[Conversation], seen: int, max_id: int
    ) -> None:
        """Send the last page of each of ``conversations``, up to the limits, and a list of the others."""
        room = MAX_LOGIN_PAGES_BYTES
        sent = 0
        for conversation in conversations[:MAX_LOGIN_PAGES]:
            sent += 1
            if not self._state().may_read(user, conversation):
                continue
            size = min(room, reader.dialect.max_list_bytes)
            # A client that is sent nothing but what was missed can't scroll back for the rest.
            is_missed = reader.dialect.login_history_scope == "missed"
            window = PageIdWindow(self._limits.page_max if is_missed else self._limits.page)
            found = await self._read_page(reader, user, conversation, window, size, max_id)
            await self._fair_queue.wait()
            if reader.is_closing:
                return
            if not self._state().may_read(user, conversation):
                continue  # the user was put out of the group meanwhile
            entries = self.entries_shown_to(found, user)
            trimmed, reactions = self._trimmed(conversation), self._reactions(found)
            page = Page(conversation, entries, found.has_more, False, False, user, seen, trimmed, reactions)
            reader.push_answer(PLACEHOLDER_HISTORY_REQUEST, page)
            if self.sent is not None:
                self.sent(reader, page)
            await _room(reader)
            room -= sum(len(entry.event.body.encode()) for entry in entries)
            if room <= 0:
                break
        others = [one for one in conversations[sent:] if self._state().may_read(user, one)]
        if others:
            listed = await self._list(reader, user, others, MAX_LISTED_CONVERSATIONS)
            await self._fair_queue.wait()
            if not reader.is_closing:
                reader.push_answer(PLACEHOLDER_HISTORY_REQUEST, listed)

    async def _read_page(
        self,
        reader: Client,
        user: User,
        conversation: Conversation,
        window: PageIdWindow,
        size: int,
        max_id: int,
    ) -> EntrySlice:
        """Return the page in ``window`` as ``user`` sees it, with at most ``size`` bytes of bodies.

        If the page takes several queries, because ``user`` ignores many entries, those of other readers are
        answered in between. The page is incomplete if ``reader`` is closed.
        """
        log_filter = self._state().log_filter(user)
        found = await self._archive.page(conversation, window, size, max_id, log_filter)
        while found.resume_id is not None and not reader.is_closed:
            found = await self._archive.page(conversation, window, size, max_id, log_filter, found)
        return found

    async def _read_around(
        self,
        reader: Client,
        user: User,
        conversation: Conversation,
        window: PageIdWindow,
        around: int,
        size: int,
        max_id: int,
    ) -> EntrySlice:
        """Return a page like `_read_page`, with entries on both sides of the id ``around``.

        Half of the entries come before it, unless one side has too few: then the other has more. So it is
        with the ``size``.
        """
        half = window.limit // 2
        newer = replace(window, after=around - 1, limit=window.limit - half, reads_forward=True)
        found = await self._read_page(reader, user, conversation, newer, size // 2, max_id)
        room = size - _body_bytes(found)
        # With a limit of 0, only to know whether there are any.
        limit = max(half, window.limit - len(found.rows)) if room > 0 else 0
        older = replace(window, before=around, limit=limit, reads_forward=False)
        earlier = await self._read_page(reader, user, conversation, older, room, max_id)
        room = size - _body_bytes(earlier)
        missing = window.limit - len(earlier.rows) - len(found.rows)
        if found.has_more and missing > 0 and room > _body_bytes(found):
            newer = replace(newer, limit=len(found.rows) + missing)
            found = await self._read_page(reader, user, conversation, newer, room, max_id)
        reactions = {**earlier.reactions, **found.reactions}
        return EntrySlice(earlier.rows + found.rows, earlier.has_more or found.has_more, None, reactions)

    async def page_window(self, asked: PageRequest, max_id: int) -> tuple[PageIdWindow, int | None]:
        """Return the bounds and the size of the page that ``asked`` describes, for the query in the archive.

        The second item is the log id around which the page is, or None. Log ids above ``max_id`` are
        excluded.
        """
        first, end = await self._ids_between(asked.after_time, asked.before_time, max_id)
        around = asked.around
        if asked.around_time is not None:
            (around,) = await self._archive.first_ids_since([asked.around_time], max_id)
        window = PageIdWindow(
            min(asked.limit or self._limits.page, self._limits.page_max),
            end if asked.before is None else min(end, asked.before),
            first - 1 if asked.after is None else max(first - 1, asked.after),
            asked.contents,
            asked.reads_forward,
            asked.whole_milliseconds,
        )
        return window, around

    async def _ids_between(
        self, after_time: int | None, before_time: int | None, max_id: int
    ) -> tuple[int, int]:
        """Return the first id that an entry between two times may have, and the first that is too large.

        Both times are excluded, in milliseconds since 1970; None is no bound.
        """
        times = [] if after_time is None else [after_time + 1]
        times += [] if before_time is None else [before_time]
        ids = await self._archive.first_ids_since(times, max_id) if times else []
        return 1 if after_time is None else ids[0], max_id + 1 if before_time is None else ids[-1]

    async def _list(
        self,
        reader: Client,
        user: User,
        conversations: list[Conversation],
        limit: int,
    ) -> Conversations:
        """Return a list of the first ``limit`` of ``conversations``, with an unread count for each.

        Unread are the messages after the read mark of ``user``; where the user has set none, those that the
        user has missed.
        """
        listed = conversations[:limit]
        # A session with a token has no part in what its user has read.
        mark_in = self._journal.get_read_mark
        marks = {one: mark_in(user, one) if reader.token is None else NO_READ_MARK for one in listed}
        # Read before the counts: a client counts by itself what is later than the last entry in the list.
        lasts = {one: self._journal.last_id_in(one) for one in listed}
        ranges = [found for one in listed if (found := self._unread_range(reader, one, marks[one]))]
        log_filter = self._state().log_filter(user)
        counts = await self._archive.unread_counts(ranges, user, log_filter)
        unread = {one.conversation: count for one, count in zip(ranges, counts, strict=True)}
        return Conversations(
            tuple(
                ConversationListItem(
                    one.kind,
                    one.name_for(user),
                    lasts[one],
                    unread.get(one, 0),
                    None if marks[one] == NO_READ_MARK else marks[one].entry_id,
                )
                for one in listed
            ),
            has_more=len(conversations) > limit,
        )

    def _unread_range(
        self, reader: Client, conversation: Conversation, mark: ReadMarkPosition
    ) -> UnreadRange | None:
        """Return the range of unread messages for ``reader``, whose user has the read mark ``mark`` in
        ``conversation``. Return None if all messages count as read.
        """
        last = self._journal.last_id_in(conversation)
        if mark != NO_READ_MARK:
            return UnreadRange(conversation, mark.entry_id, last)
        # A dialect without pages was sent the missed private messages: they count as read.
        if conversation.pair and reader.dialect.login_history_scope == "none" and reader.updates_last_seen_id:
            return None
        after, max_id = reader.missed_range
        return UnreadRange(conversation, after, last if max_id is None else max_id)

    async def _follow(
        self,
        reader: Client,
        user: User,
        conversations: Iterable[Conversation],
        after: int,
        max_id: int,
        own: bool = True,
        counted: bool = False,
    ) -> None:
        """Send the entries with ``after`` < id <= ``max_id`` like live deliveries.

        The entries are those in ``conversations`` and those about ``user``. If ``own`` is false, the entries
        written by ``user`` are left out, unless they are about ``user``. ``counted`` says that the deliveries
        are in the debug log already.
        """
        while after < max_id and not reader.is_closing:
            log_filter = self._state().log_filter(user)
            # Those without a later entry need not be looked for in the database.
            readable = [
                one
                for one in conversations
                if self._journal.last_id_in(one) > after and self._state().may_read(user, one)
            ]
            found = await self._archive.entries_after(
                readable, user, after, CATCH_UP_PAGE_ENTRIES, CATCH_UP_PAGE_BYTES, max_id, log_filter
            )
            await self._fair_queue.wait()
            wanted = self._wanted_entries(reader, user, found, own)
            log_sent = self.sent
            if log_sent is None or counted:
                reader.send_missed_entries(wanted, None)
            else:
                reader.send_missed_entries(wanted, partial(log_sent, reader))
            await _room(reader)
            if not found.has_more:
                return
            after = found.rows[-1][0] if found.resume_id is None else found.resume_id

    def _wanted_entries(
        self, reader: Client, user: User, found: EntrySlice, own: bool
    ) -> Iterator[tuple[LogEntry, bool]]:
        """Yield the entries of ``found`` to send to ``reader``, each paired with whether it is an event about
        ``user``.

        Entries that ``user`` may no longer read are left out, and those outside the scope of the session's
        token. If ``own`` is false, the entries written by ``user`` are left out, unless they are about
        ``user``.
        """
        state, token = self._state(), reader.token
        ignored = state.ignored_user_ids(user)
        for row in found.rows:
            entry = entry_from_row(state, row)
            event = entry.event
            is_subject = event.subject is not None and _is_about(entry, user)
            if (
                (own or is_subject or event.actor.id != user.id)
                and (token is None or token.covers(event.conversation.id))
                and (is_subject or state.may_read(user, event.conversation))
            ):
                yield without_ignored_reason(entry, ignored) if ignored else entry, is_subject

    def check_may_read(self, user: User, conversation: Conversation) -> None:
        """Check that ``user`` may read ``conversation`` now.

        Raises `Refusal` ``no_such_group`` or ``not_member``.
        """
        if not self._state().may_read(user, conversation):
            require_group_member(self._state(), user, conversation.name)

    def _trimmed(self, conversation: Conversation) -> int:
        return self._state().trimmed_up_to_ids.get(conversation.id, 0)

    def readable_conversations(self, reader: Client, user: User) -> list[Conversation]:
        """Return the conversations of ``user`` that the session ``reader`` may read.

        A token may limit the session to some of them.
        """
        conversations = [LOBBY, *self._state().direct_and_group_conversations_of(user)]
        return [
            one
            for one in conversations
            if token_covers(reader.token, one)
            and (reader.in_lobby or one is not LOBBY)
            # Where nobody has written yet, the mark of one user must not show the other that there is one.
            and not (one.pair and self._journal.last_id_in(one) == 0)
        ]

    def _most_recent(self, conversations: list[Conversation]) -> list[Conversation]:
        return sorted(conversations, key=self._journal.last_id_in, reverse=True)

    def entries_shown_to(self, found: EntrySlice, user: User) -> tuple[LogEntry, ...]:
        """Return the log entries that were ``found`` by a query, in the form in which ``user`` may see
        them.
        """
        state = self._state()
        ignored = state.ignored_user_ids(user)
        return tuple(without_ignored_reason(entry_from_row(state, row), ignored) for row in found.rows)

    def _reactions(self, found: EntrySlice) -> dict[int, list[Reaction]]:
        state = self._state()
        shown: dict[int, list[Reaction]] = {}
        for id, reactions in found.reactions.items():
            nicks: dict[str, list[str]] = {}
            for reaction, user in reactions:
                nicks.setdefault(reaction, []).append(state.user_by_id(user).nick)
            shown[id] = [Reaction(*one) for one in nicks.items()]
        return shown


def _body_bytes(found: EntrySlice) -> int:
    return sum(len(row[-1].encode()) for row in found.rows)


def _is_about(entry: LogEntry, user: User) -> bool:
    """Return whether ``entry`` is an event about ``user``."""
    event = entry.event
    return event.subject is not None and event.subject.id == user.id and not event.is_message


async def _room(reader: Client) -> None:
    """Wait until the outbox of ``reader`` has room for more frames."""
    waiting = reader.wait_until_writable()
    if waiting is not None:
        await waiting
