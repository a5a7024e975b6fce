"""The archive: queries of the log, a page at a time, on connections that can't write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Concatenate, Final, NoReturn, ParamSpec, TypeVar

from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatd.core.events import LOBBY, Conversation, User
from chatd.core.records import Row, Slice, Snapshot, entry_of
from chatd.core.state import State
from chatd.store.errors import ReadFailed

P = ParamSpec("P")
Result = TypeVar("Result")

Cursor = Transaction | sqlite3.Cursor

_ROW = "SELECT id, conversation, seq, at, kind, actor, subject, body FROM log"

UNREAD_SCAN_LIMIT: Final = 1000
"""The last entries of a conversation among which unread messages are counted."""

# Messages, and events; the latter in the very words of the partial indexes, or SQLite does not use them.
_SAID = "kind IN ('message', 'image')"
_HAPPENED = "kind NOT IN ('message', 'image')"


def load_snapshot(cursor: Cursor) -> Snapshot:
    """Read everything that the daemon keeps in memory, while nobody writes.

    Its cost grows with users, conversations and events, not with messages.
    """
    state = State()
    seen: dict[int, int] = {}
    cursor.execute("SELECT id, nick, key, colour, seen FROM users ORDER BY id")
    for id, nick, key, colour, last in cursor.fetchall():
        state.apply(User(id, nick, key, colour))
        seen[id] = last
    cursor.execute(
        "SELECT id, kind, name, low, high FROM conversations WHERE id > ? ORDER BY id", (LOBBY.id,)
    )
    for id, kind, name, low, high in cursor.fetchall():
        pair = (state.users[low], state.users[high]) if kind == "direct" else ()
        state.apply(Conversation(id, kind, name, pair))
    # Group by group, because that is how the index has them, and no group's events bear on another.
    cursor.execute(f"{_ROW} WHERE {_HAPPENED} ORDER BY conversation, id")
    for row in cursor.fetchall():
        state.apply(entry_of(state, row).event)
    cursor.execute(
        "SELECT log.conversation, log.id, log.seq FROM conversations AS c"
        " JOIN log ON log.id = (SELECT max(id) FROM log WHERE conversation = c.id)"
    )
    ends = cursor.fetchall()
    lasts = {conversation: id for conversation, id, _ in ends}
    seqs = {conversation: seq for conversation, _, seq in ends}
    cursor.execute("SELECT max(id) FROM log")
    ((last_id,),) = cursor.fetchall()
    return Snapshot(state, last_id or 0, seqs, lasts, seen)


class Archive:
    """Reads the log. Every method returns at once; its Deferred fails with `ReadFailed`."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def load(self) -> Deferred[Snapshot]:
        """Everything that is kept in memory, as it is on disk now."""
        return self._read(load_snapshot)

    def page(
        self,
        conversation: Conversation,
        events: bool,
        before: int | None,
        after: int | None,
        limit: int,
        size: int,
        max_id: int,
    ) -> Deferred[Slice]:
        """Messages (or else events) with ``after`` < id < ``before`` and id <= ``max_id``.

        The last ones, or the first when ``after`` alone is given; oldest first either way. At most ``limit``
        of them, with at most ``size`` bytes of bodies unless the first one alone has more.
        """
        return self._read(_page, conversation.id, events, before, after, limit, size, max_id)

    def following(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        size: int,
        max_id: int,
    ) -> Deferred[Slice]:
        """The first entries with ``after`` < id <= ``max_id`` in ``conversations`` or about ``user``.

        The latter are events, wherever they happened, with ``user`` as their subject. ``limit`` and ``size``
        are as for `page`.
        """
        return self._read(_following, [c.id for c in conversations], user.id, after, limit, size, max_id)

    def unread(
        self, conversations: Iterable[Conversation], user: User, after: int, max_id: int
    ) -> Deferred[list[int]]:
        """How many messages of others than ``user`` have ``after`` < id <= ``max_id``, for each conversation.

        Counted are those among its last `UNREAD_SCAN_LIMIT` entries up to there.
        """
        return self._read(_unread, [c.id for c in conversations], user.id, after, max_id)

    def _read(
        self, query: Callable[Concatenate[Transaction, P], Result], *arguments: P.args, **named: P.kwargs
    ) -> Deferred[Result]:
        reading: Deferred[Result] = self._pool.runInteraction(query, *arguments, **named)
        return reading.addErrback(_as_read_failed)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _as_read_failed(failure: Failure) -> NoReturn:
    """Raise `ReadFailed` for an error of the database; pass on every other one."""
    failure.trap(sqlite3.Error)
    raise ReadFailed(failure.getErrorMessage()) from failure.value


def _page(
    cursor: Transaction,
    conversation: int,
    events: bool,
    before: int | None,
    after: int | None,
    limit: int,
    size: int,
    max_id: int,
) -> Slice:
    forward = after is not None and before is None
    cursor.execute(
        f"{_ROW} WHERE conversation = ? AND id > ? AND id <= ? AND {_HAPPENED if events else _SAID}"
        f" ORDER BY id {'ASC' if forward else 'DESC'} LIMIT ?",
        (conversation, after or 0, max_id if before is None else min(max_id, before - 1), limit + 1),
    )
    found = _fetch(cursor, limit, size)
    if not forward:
        found.rows.reverse()
    return found


def _following(
    cursor: Transaction, conversations: list[int], user: int, after: int, limit: int, size: int, max_id: int
) -> Slice:
    # A query each, merged here: SQLite would sort all that follows, for every page anew. The ids are in the
    # indexes, so that no body is read but those that are returned.
    ids: set[int] = set()
    for where, key in (
        *(("conversation = ?", conversation) for conversation in conversations),
        (f"subject = ? AND {_HAPPENED}", user),
    ):
        cursor.execute(
            f"SELECT id FROM log WHERE {where} AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (key, after, max_id, limit + 1),
        )
        ids.update(id for (id,) in cursor.fetchall())
    first = sorted(ids)[: limit + 1]
    cursor.execute(f"{_ROW} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id", (json.dumps(first),))
    return _fetch(cursor, limit, size)


def _unread(cursor: Transaction, conversations: list[int], user: int, after: int, max_id: int) -> list[int]:
    counts = []
    for conversation in conversations:
        cursor.execute(
            f"SELECT count(*) FILTER (WHERE actor <> ? AND {_SAID}) FROM (SELECT actor, kind FROM log"
            " WHERE conversation = ? AND id > ? AND id <= ? ORDER BY id DESC LIMIT ?)",
            (user, conversation, after, max_id, UNREAD_SCAN_LIMIT),
        )
        counts += [count for (count,) in cursor.fetchall()]
    return counts


def _fetch(cursor: Transaction, limit: int, size: int) -> Slice:
    """The next rows of a query, row by row, so that no more are read than the limits allow."""
    rows: list[Row] = []
    while (row := cursor.fetchone()) is not None:
        size -= len(row[-1].encode())
        if len(rows) == limit or (rows and size < 0):
            return Slice(rows, True)
        rows.append(row)
    return Slice(rows, False)
