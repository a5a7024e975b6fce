"""The archive: it reads pages of the log from the database, on connections that can't write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Concatenate, Final, NoReturn, ParamSpec, TypeVar

from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatd.core.accounts import Credential, Secret
from chatd.core.events import CONSOLE, LOBBY, Conversation, User
from chatd.core.moderation import Moderation
from chatd.core.records import EntryRow, EntrySlice, Snapshot, entry_from_row
from chatd.core.state import State
from chatd.store.errors import ReadFailed

P = ParamSpec("P")
Result = TypeVar("Result")

Cursor = Transaction | sqlite3.Cursor

_ROW = "SELECT id, conversation, seq, at, kind, actor, subject, body FROM log"

UNREAD_SCAN_LIMIT: Final = 1000
"""Maximum number of entries, the last ones of a conversation, among which unread messages are counted."""

# Messages, and events; the latter in the very words of the partial indexes, or SQLite does not use them.
_SAID = "kind IN ('message', 'image')"
_HAPPENED = "kind NOT IN ('message', 'image')"


def load_snapshot(cursor: Cursor) -> Snapshot:
    """Return a snapshot of the state that the daemon keeps in memory, read from the database.

    Nothing may be written meanwhile. The cost grows with the number of users, conversations and group events,
    not with the number of messages.
    """
    state = State()
    seen: dict[int, int] = {}
    cursor.execute("SELECT id, nick, key, colour, seen FROM users WHERE id > ? ORDER BY id", (CONSOLE.id,))
    for id, nick, key, colour, last in cursor.fetchall():
        state.apply(User(id, nick, key, colour))
        seen[id] = last
    cursor.execute("SELECT user, hash FROM credentials")
    for user, hashed in cursor.fetchall():
        state.apply(Credential(state.users[user], Secret(hashed)))
    cursor.execute("SELECT id, at, operator, kind, target, until, reason FROM moderation ORDER BY id")
    for id, at, operator, act, target, until, reason in cursor.fetchall():
        state.apply(Moderation(id, at, state.author(operator), act, target, until, reason))
    cursor.execute(
        "SELECT id, kind, name, low, high FROM conversations WHERE id > ? ORDER BY id", (LOBBY.id,)
    )
    for id, kind, name, low, high in cursor.fetchall():
        pair = (state.users[low], state.users[high]) if kind == "direct" else ()
        state.apply(Conversation(id, kind, name, pair))
    # Group by group, because that is how the index has them, and no group's events bear on another.
    cursor.execute(f"{_ROW} WHERE {_HAPPENED} ORDER BY conversation, id")
    for row in cursor.fetchall():
        state.apply(entry_from_row(state, row).event)
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
    """Reads the log from the database. Every query returns a Deferred, which fails with `ReadFailed`."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def load(self) -> Deferred[Snapshot]:
        """Build the state that the daemon keeps in memory from the database. Return a Deferred of it."""
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
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of one page of ``conversation``, oldest entry first.

        The page contains messages, or the group's events if ``events`` is true, with ``after`` < id <
        ``before`` and id <= ``max_id``. If only ``after`` is given, the page contains the first of these,
        else the last. It has at most ``limit`` entries and ``size`` bytes of bodies; a single entry may have
        more bytes.
        """
        return self._read(_page, conversation.id, events, before, after, limit, size, max_id)

    def entries_after(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        size: int,
        max_id: int,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries after the id ``after``, up to the id ``max_id``.

        The entries are those in ``conversations``, and events of any conversation with ``user`` as their
        subject. There are at most ``limit`` entries with at most ``size`` bytes of bodies; a single entry may
        have more bytes.
        """
        return self._read(_following, [c.id for c in conversations], user.id, after, limit, size, max_id)

    def unread_counts(
        self, conversations: Iterable[Conversation], user: User, after: int, max_id: int
    ) -> Deferred[list[int]]:
        """Return a Deferred of the number of messages unread by ``user`` in each conversation, as a list.

        Unread are messages by other users with ``after`` < id <= ``max_id``. They are counted among the last
        `UNREAD_SCAN_LIMIT` entries in that range.
        """
        return self._read(_unread, [c.id for c in conversations], user.id, after, max_id)

    def _read(
        self, query: Callable[Concatenate[Transaction, P], Result], *arguments: P.args, **named: P.kwargs
    ) -> Deferred[Result]:
        reading: Deferred[Result] = self._pool.runInteraction(query, *arguments, **named)
        return reading.addErrback(_as_read_failed)

    def close(self) -> None:
        """Close the connections to the database."""
        self._pool.close()


def _as_read_failed(failure: Failure) -> NoReturn:
    """Raise `ReadFailed` if ``failure`` is an SQLite error; raise every other error unchanged."""
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
) -> EntrySlice:
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
) -> EntrySlice:
    # A query for each conversation, merged afterwards: one query would make SQLite sort all later entries for
    # every page. The ids are in the indexes, so that only the bodies that are returned are read.
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


def _fetch(cursor: Transaction, limit: int, size: int) -> EntrySlice:
    """Return the next rows of a query, at most ``limit`` rows with at most ``size`` bytes of bodies.

    The rows are fetched one by one, so that SQLite reads no more rows than the limits allow.
    """
    rows: list[EntryRow] = []
    while (row := cursor.fetchone()) is not None:
        size -= len(row[-1].encode())
        if len(rows) == limit or (rows and size < 0):
            return EntrySlice(rows, True)
        rows.append(row)
    return EntrySlice(rows, False)
