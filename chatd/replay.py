"""What is read from the log for one client: the pages it asks for, and what came while it was away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from twisted.internet.defer import Deferred

from chatd.core import commands as c
from chatd.core.answers import Answer, Page
from chatd.core.events import LOBBY, Conversation, Logged, User
from chatd.core.limits import Limits
from chatd.core.state import State
from chatd.dialects.wire import Dialect, Request
from chatd.store.archive import Archive, Slice, logged

READ_AHEAD: Final = 200
"""Entries read from the log at a time while a client catches up."""

PUSHED: Final = Request(c.History(), "history")
"""What a page that nobody asked for answers."""


class Reader(Protocol):
    """A session, as far as it reads; `chatd.session.Session` says what each part is for."""

    leaving: bool
    counts: bool

    @property
    def dialect(self) -> Dialect: ...
    def answer(self, request: Request, answer: Answer) -> None: ...
    def send(self, frame: bytes) -> None: ...
    def release(self) -> bool: ...
    def room(self) -> Deferred[None] | None: ...


class Replay:
    """Reads from ``archive`` for readers. ``state`` and ``told`` give the chat's present ones,
    ``seen`` the last id that a user got before they left.

    Whatever the store raises comes out of each coroutine.
    """

    def __init__(
        self,
        archive: Archive,
        limits: Limits,
        state: Callable[[], State],
        told: Callable[[], int],
        seen: Callable[[User], int],
    ) -> None:
        self._archive = archive
        self._limits = limits
        self._state = state
        self._told = told
        self._seen = seen

    async def page(
        self,
        reader: Reader,
        user: User,
        request: Request,
        conversation: Conversation,
        window: tuple[int | None, int | None, int | None],
        events: bool = False,
    ) -> None:
        """Answer ``request`` with the page that ``window`` (before, after, limit) names."""
        before, after, limit = window
        limit = min(limit or self._limits.page, self._limits.page_max)
        upto = self._told() if request.upto is None else request.upto
        found = await self._archive.page(conversation, events, before, after, limit, upto)
        forward = after is not None and before is None
        reader.answer(
            request, Page(conversation, self._entries(found), found.more, forward, events, reader=user)
        )

    async def catch_up(self, reader: Reader, user: User, since: int | None) -> None:
        """Send ``user``, who has just arrived and is held, what came meanwhile; then what was held back.

        A ``since`` that is further than the log is of another log, and as good as none.
        """
        upto = self._told()
        if since is not None and since <= upto:
            await self._follow(reader, user, self._readable(user), since, upto)
        elif reader.counts:
            await self._send_missed(reader, user, upto)
        while not reader.release():
            # More came than could be held back: it is read from the log instead.
            after, upto = upto, self._told()
            await self._follow(reader, user, self._readable(user), after, upto)

    async def _send_missed(self, reader: Reader, user: User, upto: int) -> None:
        """A page of each conversation, or else all private messages; then what happened to ``user``."""
        conversations = self._state().conversations_of(user)
        seen = self._seen(user)
        if reader.dialect.pages != "all":
            conversations = [conversation for conversation in conversations if conversation.pair]
        if reader.dialect.pages == "none":
            await self._follow(reader, user, conversations, seen, upto, own=False)
            return
        limit = self._limits.page
        pages = []
        if reader.dialect.pages == "all":
            pages.append(await self._archive.page(LOBBY, False, None, None, limit, upto))
        pages += await self._archive.missed(conversations, seen, limit, upto)
        for found in pages:
            entries = self._entries(found)
            if entries:
                conversation = entries[0].event.conversation
                page = Page(conversation, entries, found.more, forward=False, events=False, reader=user)
                reader.send(reader.dialect.answer(PUSHED, page))
                await _room(reader)
        await self._follow(reader, user, (), seen, upto)

    async def _follow(
        self,
        reader: Reader,
        user: User,
        conversations: Iterable[Conversation],
        after: int,
        upto: int,
        own: bool = True,
    ) -> None:
        """Send the entries with ``after`` < id <= ``upto``, as if told now.

        Those in ``conversations`` and those about ``user``; without their ``own`` if so told.
        """
        while after < upto and not reader.leaving:
            found = await self._archive.following(conversations, user, after, READ_AHEAD, upto)
            entries = self._entries(found)
            for entry in entries:
                if own or entry.event.actor.id != user.id:
                    reader.send(_as_told(reader.dialect, user, entry))
                    await _room(reader)
            after = entries[-1].id if found.more else upto

    def _readable(self, user: User) -> list[Conversation]:
        return [LOBBY, *self._state().conversations_of(user)]

    def _entries(self, found: Slice) -> tuple[Logged, ...]:
        state = self._state()
        return tuple(logged(state, row) for row in found.rows)


def _as_told(dialect: Dialect, user: User, entry: Logged) -> bytes:
    """What tells ``user`` of ``entry``."""
    event = entry.event
    is_subject = event.subject is not None and event.subject.id == user.id and not event.said
    return dialect.told_subject(entry) if is_subject else dialect.told(entry)


async def _room(reader: Reader) -> None:
    """Wait until more may be sent to ``reader``."""
    waiting = reader.room()
    if waiting is not None:
        await waiting
