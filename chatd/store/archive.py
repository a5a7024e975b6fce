"""The queries: what is read back from the log, a page at a time, on connections that can't write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred

from chatd.core.events import LOBBY, Conversation, Event, Logged, User
from chatd.core.state import State

P = ParamSpec("P")
Result = TypeVar("Result")

Cursor = Transaction | sqlite3.Cursor

_ROW = "SELECT id, conversation, seq, at, kind, actor, subject, body FROM log"

# What somebody said, and what happened; the latter as the indexes on it have it, or else they are of no use.
_SAID = "kind IN ('message', 'image')"
_HAPPENED = "kind NOT IN ('message', 'image')"


class Snapshot(msgspec.Struct, frozen=True, eq=False):
    """What the store holds: the state, the last id, and the last seq of each conversation by its id.

    ``seen`` has the last id that went to each user before they left, by the user's id.
    """

    state: State
    last_id: int
    seqs: dict[int, int]
    seen: dict[int, int]


def load(cursor: Cursor) -> Snapshot:
    """Read everything that is kept in memory, while nobody writes.

    Its cost grows with users, conversations and events, not with messages.
    """
    state = State()
    seen: dict[int, int] = {}
    cursor.execute("SELECT id, nick, key, colour, seen FROM users ORDER BY id")
    for id, nick, key, colour, last in cursor.fetchall():
        state.admit(User(id, nick, key, colour))
        seen[id] = last
    cursor.execute(
        "SELECT id, kind, name, low, high FROM conversations WHERE id > ? ORDER BY id", (LOBBY.id,)
    )
    for id, kind, name, low, high in cursor.fetchall():
        pair = (state.users[low], state.users[high]) if kind == "direct" else ()
        state.open(Conversation(id, kind, name, pair))
    # Group by group, because that is how the index has them, and no group's events bear on another.
    cursor.execute(f"{_ROW} WHERE {_HAPPENED} ORDER BY conversation, id")
    for row in cursor.fetchall():
        state.apply(logged(state, row).event)
    cursor.execute("SELECT id, (SELECT max(seq) FROM log WHERE conversation = c.id) FROM conversations AS c")
    seqs = {id: seq for id, seq in cursor.fetchall() if seq is not None}
    cursor.execute("SELECT max(id) FROM log")
    ((last_id,),) = cursor.fetchall()
    return Snapshot(state, last_id or 0, seqs, seen)


def logged(state: State, row: Sequence[Any]) -> Logged:
    """A row of the log, with the users and the conversation that ``state`` knows by those ids."""
    id, conversation, seq, at, kind, actor, subject, body = row
    return Logged(
        id,
        seq,
        at,
        Event(kind, state.conversations[conversation], state.users[actor], state.users.get(subject), body),
    )


class Slice(msgspec.Struct, frozen=True, eq=False):
    """Rows of the log in its order, and whether more was left out for the limit."""

    rows: list[tuple[Any, ...]]
    more: bool


class Archive:
    """Pages of the log. Every method gives a Deferred and leaves the reactor free meanwhile."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def load(self) -> Deferred[Snapshot]:
        """Everything that is kept in memory, as it is on disk now."""
        return self._read(load)

    def page(
        self,
        conversation: Conversation,
        events: bool,
        before: int | None,
        after: int | None,
        limit: int,
        upto: int,
    ) -> Deferred[Slice]:
        """Messages (or else events) with ``after`` < id < ``before`` and id <= ``upto``.

        The last ``limit`` of them, or the first when ``after`` alone is given; oldest first either way.
        """
        return self._read(_page, conversation.id, events, before, after, limit, upto)

    def missed(
        self, conversations: Iterable[Conversation], after: int, limit: int, upto: int
    ) -> Deferred[list[Slice]]:
        """The last ``limit`` messages with ``after`` < id <= ``upto`` of each conversation that has any."""
        return self._read(_missed, [c.id for c in conversations], after, limit, upto)

    def following(
        self, conversations: Iterable[Conversation], user: User, after: int, limit: int, upto: int
    ) -> Deferred[Slice]:
        """The first ``limit`` entries with ``after`` < id <= ``upto`` in ``conversations`` or about ``user``.

        The latter are events, wherever they happened, with ``user`` as their subject.
        """
        return self._read(_following, [c.id for c in conversations], user.id, after, limit, upto)

    def _read(
        self, query: Callable[Concatenate[Transaction, P], Result], *arguments: P.args, **named: P.kwargs
    ) -> Deferred[Result]:
        reading: Deferred[Result] = self._pool.runInteraction(query, *arguments, **named)
        return reading

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _page(
    cursor: Transaction,
    conversation: int,
    events: bool,
    before: int | None,
    after: int | None,
    limit: int,
    upto: int,
) -> Slice:
    forward = after is not None and before is None
    cursor.execute(
        f"{_ROW} WHERE conversation = ? AND id > ? AND id <= ? AND {_HAPPENED if events else _SAID}"
        f" ORDER BY id {'ASC' if forward else 'DESC'} LIMIT ?",
        (conversation, after or 0, upto if before is None else min(upto, before - 1), limit + 1),
    )
    rows = cursor.fetchall()
    kept = rows[:limit]
    return Slice(kept if forward else kept[::-1], len(rows) > limit)


def _missed(cursor: Transaction, conversations: list[int], after: int, limit: int, upto: int) -> list[Slice]:
    slices = []
    for conversation in conversations:
        cursor.execute(
            f"{_ROW} WHERE conversation = ? AND id > ? AND id <= ? AND {_SAID} ORDER BY id DESC LIMIT ?",
            (conversation, after, upto, limit + 1),
        )
        rows = cursor.fetchall()
        if rows:
            slices.append(Slice(rows[:limit][::-1], len(rows) > limit))
    return slices


def _following(
    cursor: Transaction, conversations: list[int], user: int, after: int, limit: int, upto: int
) -> Slice:
    # A query each, merged here: SQLite would sort all that follows, for every page anew.
    found: dict[int, tuple[Any, ...]] = {}
    for where, key in (
        *(("conversation = ?", conversation) for conversation in conversations),
        (f"subject = ? AND {_HAPPENED}", user),
    ):
        cursor.execute(
            f"{_ROW} WHERE {where} AND id > ? AND id <= ? ORDER BY id LIMIT ?", (key, after, upto, limit + 1)
        )
        found.update((row[0], row) for row in cursor.fetchall())
    rows = [found[id] for id in sorted(found)]
    return Slice(rows[:limit], len(rows) > limit)
