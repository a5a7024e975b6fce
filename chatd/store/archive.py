"""The archive: it reads pages of the log from the database, on connections that can't write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Concatenate, Final, NoReturn, ParamSpec, TypeVar

from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatd.core.accounts import Credential, Secret
from chatd.core.audience import IGNORABLE_EVENT_KINDS
from chatd.core.declarations import MAX_ID_VALUE
from chatd.core.events import CONSOLE, LOBBY, MESSAGE_CHANGE_KINDS, MESSAGE_KINDS, Conversation, User
from chatd.core.links import InvitationLink
from chatd.core.moderation import (
    BannedNetworks,
    ConversationTrimmed,
    IgnoreChanged,
    ModerationEntry,
    TextsErased,
)
from chatd.core.reaction_rules import MAX_REACTIONS
from chatd.core.read_marks import ReadMarkPosition
from chatd.core.records import (
    MAX_SAME_MILLISECOND_ENTRIES,
    NO_LOG_FILTER,
    EntrySlice,
    LogFilter,
    LogTableRow,
    PageContents,
    PageIdWindow,
    SearchQuery,
    SearchStep,
    Snapshot,
    UnreadRange,
    entry_from_row,
)
from chatd.core.state import State
from chatd.core.tokens import Token
from chatd.store.database import Database, SqlCursor
from chatd.store.errors import ReadFailed

P = ParamSpec("P")
Result = TypeVar("Result")

# An event of an edit has the text of the message, unless that was changed again since.
_ROW = (
    "SELECT id, conversation, seq, at, kind, actor, subject,"
    " CASE WHEN answered IS NOT NULL OR edited IS NOT NULL"
    " THEN '[' || coalesce(CAST(answered AS TEXT), 'null') || ','"
    " || coalesce(CAST(answered_author AS TEXT), 'null') || ','"
    " || coalesce(CAST(edited AS TEXT), 'null') || ']' END,"
    " CASE kind WHEN 'edited' THEN body || coalesce((SELECT ' ' || message.kind || ' ' || message.body"
    " FROM log AS message WHERE message.id = CAST(log.body AS BIGINT) AND message.edited = log.id"
    " AND message.body <> ''), '') ELSE body END FROM log"
)

# The indexes of columns in a row.
_AT = 3
_KIND = 4

MAX_MESSAGES_SCANNED_FOR_UNREAD_COUNT: Final = 1000
"""Maximum number of messages, the last ones of a conversation, among which unread ones are counted."""

MAX_MESSAGES_SCANNED_FOR_LAST_MESSAGE: Final = 1000
"""Maximum number of messages, the last ones of a conversation, among which the last visible one is looked
for.
"""

MAX_ENTRIES_SCANNED_FOR_PAGE: Final = 10_000
"""Maximum number of entries that one query for a page looks at, if the reader ignores users."""

MAX_ENTRIES_SCANNED_FOR_REPLAY: Final = 10_000
"""The maximum number of entries that one query for a replay examines, if the reader ignores users.

The number is divided equally among the index ranges that the query reads; each range gets at least the
maximum number of entries of the result.
"""

MAX_REACTIONS_PER_PAGE: Final = 20 * MAX_REACTIONS
"""Maximum number of reactions that one query for a page reads. A page with more ends before that message."""

# Messages, events and joins, each in the very words of a partial index, or SQLite does not use it.
_SAID = "kind IN ('message', 'image', 'action', 'notice')"
_HAPPENED = "kind NOT IN ('message', 'image', 'action', 'notice')"
_JOINED = "kind IN ('created', 'joined')"

_CONDITIONS: Final[dict[PageContents, tuple[str, ...]]] = {
    "messages": (_SAID,),
    "events": (_HAPPENED,),
    "all": (_SAID, _HAPPENED),
}

_CHANGES_OF_MESSAGES = ", ".join(f"'{kind}'" for kind in sorted(MESSAGE_CHANGE_KINDS))

# The kinds that are hidden if their author is ignored.
_INVISIBLE = ", ".join(f"'{kind}'" for kind in sorted(IGNORABLE_EVENT_KINDS))

_Source = tuple[int, str, str, int]
"""A range of an index: its first id, the column and the kinds of the index, and the value of the column."""

JSON_IDS_SQL: Final = "SELECT value FROM json_each(?)"
"""SQL whose rows are the ids in a list, which is one value: a JSON array."""

JSON_PAIRS_SQL: Final = (
    "SELECT json_extract(value, '$[0]') AS place, json_extract(value, '$[1]') AS above FROM json_each(?)"
)
"""SQL whose rows are the pairs of ids in a list, which is one value: a JSON array of arrays."""

_FIRST_ID = "(SELECT id FROM log WHERE conversation = place AND {} AND id > above ORDER BY id LIMIT 1)"

# For pairs of a conversation and an id: the conversation, its first message and first event after the id.
_FIRST_IDS = (
    f"SELECT place, {_FIRST_ID.format(_SAID)}, {_FIRST_ID.format(_HAPPENED)} FROM ({JSON_PAIRS_SQL}) AS pairs"
)


def load_snapshot(cursor: SqlCursor, database: Database) -> Snapshot:
    """Return a copy of all data that the daemon keeps in memory, read from the database.

    Nothing may be written meanwhile. The cost grows with the number of users, conversations and group events,
    not with the number of messages.
    """
    state = State()
    seen: dict[int, int] = {}
    cursor.execute("SELECT id, nick, key, colour, seen FROM users WHERE id > ? ORDER BY id", (CONSOLE.id,))
    for id, nick, key, colour, last in cursor.fetchall():
        state.apply(User(id, nick, key, colour))
        seen[id] = last
    cursor.execute('SELECT "user", hash, since FROM credentials')
    for user, hashed, since in cursor.fetchall():
        state.apply(Credential(state.users[user], Secret(hashed), since))
    cursor.execute(
        'SELECT "user", name, digest, access, conversations, made, expires FROM tokens ORDER BY id'
    )
    for user, name, digest, access, ids, made, expires in cursor.fetchall():
        conversations = None if ids is None else frozenset(map(int, ids.split()))
        state.apply(Token(state.users[user], name, Secret(digest), access, conversations, made, expires))
    cursor.execute("SELECT id, at, operator, kind, target, until, reason FROM moderation ORDER BY id")
    for id, at, operator, act, target, until, reason in cursor.fetchall():
        state.apply(ModerationEntry(id, at, state.user_by_id(operator), act, target, until, reason))
    cursor.execute(
        "SELECT id, kind, name, low, high FROM conversations WHERE id > ? ORDER BY id", (LOBBY.id,)
    )
    for id, kind, name, low, high in cursor.fetchall():
        pair = (state.users[low], state.users[high]) if kind == "direct" else ()
        state.apply(Conversation(id, kind, name, pair))
    # Group by group, because that is how the index has them, and no group's events bear on another.
    cursor.execute(
        f"{_ROW} WHERE {_HAPPENED} AND kind NOT IN ({_CHANGES_OF_MESSAGES}) ORDER BY conversation, id"
    )
    for row in cursor.fetchall():
        entry = entry_from_row(state, row)
        state.apply(entry.event, entry.at)
    cursor.execute("SELECT conversation, last FROM trimmed")
    for conversation, last in cursor.fetchall():
        state.apply(ConversationTrimmed(state.conversations[conversation], last))
    cursor.execute('SELECT "user", other FROM ignores WHERE ignored')
    for user, other in cursor.fetchall():
        state.apply(IgnoreChanged(state.users[user], state.users[other], True))
    cursor.execute('SELECT "user", last FROM erasures')
    for user, last in cursor.fetchall():
        state.apply(TextsErased(state.users[user], (last,)))
    cursor.execute('SELECT conversation, "user", origins FROM ban_origins')
    for conversation, user, networks in cursor.fetchall():
        state.apply(
            BannedNetworks(state.conversations[conversation], state.users[user], tuple(networks.split()))
        )
    cursor.execute("SELECT digest, conversation, number, maker, made, expires, uses FROM links")
    for digest, conversation, number, maker, made, expires, uses in cursor.fetchall():
        place = state.conversations[conversation]
        state.apply(InvitationLink(Secret(digest), place, number, maker, made, expires, uses))
    marks: dict[int, dict[int, ReadMarkPosition]] = {}
    cursor.execute('SELECT "user", conversation, last, at FROM read_marks')
    for user, conversation, *mark in cursor.fetchall():
        marks.setdefault(user, {})[conversation] = ReadMarkPosition(*mark)
    cursor.execute(
        "SELECT log.conversation, log.id, log.seq FROM conversations AS c JOIN log"
        " ON log.id = (SELECT id FROM log WHERE conversation = c.id ORDER BY seq DESC LIMIT 1)"
    )
    ends = cursor.fetchall()
    lasts = {conversation: id for conversation, id, _ in ends}
    seqs = {conversation: seq for conversation, _, seq in ends}
    cursor.execute("SELECT id, at FROM log WHERE id = (SELECT max(id) FROM log)")
    last_id, last_at = cursor.fetchone() or (0, 0)
    return Snapshot(
        state, last_id, last_at, seqs, lasts, seen, marks, database.measure_database_bytes(cursor)
    )


def _load_snapshot_at_once(cursor: Transaction, database: Database) -> Snapshot:
    database.begin_read_transaction(cursor)
    return load_snapshot(cursor, database)


class Archive:
    """Reads the log from the database, on connections that can't write.

    Every query returns a Deferred, which fails with `ReadFailed` if the database can't be read. Searches use
    ``search_pool``, where they wait for each other; all other queries use ``pool``.
    """

    def __init__(self, pool: ConnectionPool, search_pool: ConnectionPool, database: Database) -> None:
        self._pool = pool
        self._database = database
        self._search_pool = search_pool

    def load_snapshot(self) -> Deferred[Snapshot]:
        """Return a Deferred of all data that the daemon keeps in memory, as they are in the database.

        Nothing may be written until the Deferred has fired.
        """
        return self._read(_load_snapshot_at_once, self._database)

    def page(
        self,
        conversation: Conversation,
        window: PageIdWindow,
        max_body_bytes: int,
        max_id: int,
        log_filter: LogFilter = NO_LOG_FILTER,
        partial_page: EntrySlice | None = None,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of one page of ``conversation``, oldest entry first.

        The page contains the entries in ``window`` whose id is at most ``max_id``. The texts of all its
        entries have at most ``max_body_bytes`` bytes; a single entry may have more. Entries that
        ``log_filter`` hides are left out.

        If the page has a ``resume_id``, it is incomplete, because the query has stopped after
        `MAX_ENTRIES_SCANNED_FOR_PAGE` entries. To continue, call this method again with the same arguments
        and this page as ``partial_page``.
        """
        return self._read(
            _page,
            self._database,
            conversation.id,
            window,
            max_body_bytes,
            max_id,
            log_filter,
            partial_page,
        )

    def first_ids_since(self, times: Sequence[int], max_id: int) -> Deferred[list[int]]:
        """Return a Deferred of a list that has, for each of ``times``, the id at which later log entries
        begin.

        The times are in milliseconds since 1970. Entries with smaller ids are earlier than the time. Entries
        from this id up to ``max_id`` have that time or a later one. If all entries up to ``max_id`` are
        earlier, the id is ``max_id`` + 1. There need not be an entry with this id.

        Some old entries may not be in the order of time, because the clock was set back. In that case only
        the last entry before the id is sure to be earlier, and only the first entry from the id on is sure
        not to be.
        """
        return self._read(_first_ids_since, times, max_id)

    def entries_after(
        self,
        conversations: Iterable[Conversation],
        user: User,
        after: int,
        limit: int,
        max_body_bytes: int,
        max_id: int,
        log_filter: LogFilter = NO_LOG_FILTER,
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries with ``after`` < id <= ``max_id``.

        The entries are those in ``conversations``, and events of any conversation with ``user`` as their
        subject. There are at most ``limit`` entries, whose texts have at most ``max_body_bytes`` bytes; a
        single entry may have more. Entries that ``log_filter`` hides are left out. If the filter has ignored
        users, the query examines only about `MAX_ENTRIES_SCANNED_FOR_REPLAY` entries, or more if ``limit``
        needs more. If it stops there, the result has a ``resume_id``; to continue, pass it as ``after``.
        """
        ids = [c.id for c in conversations]
        return self._read(_following, ids, user.id, after, limit, max_body_bytes, max_id, log_filter)

    def conversation_entries(
        self, conversation: Conversation, after: int, limit: int, max_body_bytes: int, max_id: int
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries of ``conversation`` with ``after`` < id <= ``max_id``.

        There are at most ``limit`` entries, whose texts have at most ``max_body_bytes`` bytes; a single entry
        may have more.
        """
        return self._read(
            _conversation_entries, self._database, conversation.id, after, limit, max_body_bytes, max_id
        )

    def user_entries(
        self, user: User, after: int, limit: int, max_body_bytes: int, max_id: int
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the first entries with ``user`` as actor or subject.

        Their ids are larger than ``after`` and at most ``max_id``. There are at most ``limit`` entries, whose
        texts have at most ``max_body_bytes`` bytes; a single entry may have more. The query examines the
        entries of all users in the range, because no index has the authors. Therefore the range must be
        short.
        """
        return self._read(_user_entries, user.id, after, limit, max_body_bytes, max_id)

    def entry_ids_to_erase(self, user: User, after: int, limit: int, max_id: int) -> Deferred[list[int]]:
        """Return a Deferred of the ids of the entries that still have a text to erase for ``user``.

        This is a text that the user wrote, or one that was written about the user, such as the reason of a
        ban. The ids are the first ones with ``after`` < id <= ``max_id``, at most ``limit``. The query
        examines every entry in the range.
        """
        return self._read(_texts_to_erase, user.id, after, limit, max_id)

    def reactions_to(self, id: int) -> Deferred[list[tuple[str, int]]]:
        """Return a Deferred of the reactions to the message with the log id ``id``, the oldest first.

        Each is a pair of the reaction and the id of the user.
        """
        return self._read(_reactions_to, id)

    def user_ids_joined_before(self, conversation: Conversation, id: int) -> Deferred[list[int]]:
        """Return a Deferred of the ids of the users who joined a group before the log entry ``id``.

        The group is that of ``conversation``. If a user joined several times, the last time counts.
        """
        return self._read(_joined_before, conversation.id, id)

    def entry(self, id: int) -> Deferred[LogTableRow | None]:
        """Return a Deferred of the log entry with the id ``id``, or of None if there is none."""
        return self._read(_entry, id)

    def old_message_ids(
        self, conversation: Conversation, after: int, sent_before: int, limit: int
    ) -> Deferred[list[int]]:
        """Return a Deferred of the ids of old messages of ``conversation``, oldest first.

        Examine at most ``limit`` messages with ids larger than ``after``, in the order of ids. Return those
        before the first that was sent at ``sent_before`` (milliseconds since 1970) or later.
        """
        return self._read(_old_messages, conversation.id, after, sent_before, limit)

    def unread_counts(
        self, ranges: Iterable[UnreadRange], user: User, log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[list[int]]:
        """Return a Deferred of the number of unread messages of ``user`` in each of ``ranges``.

        The numbers are a list in the order of ``ranges``. They count messages of other users in the range
        that ``log_filter`` does not hide. Only the last `MAX_MESSAGES_SCANNED_FOR_UNREAD_COUNT` messages of a
        range are examined.
        """
        return self._read(_unread, list(ranges), user.id, log_filter)

    def last_messages(
        self, conversations: Iterable[Conversation], max_id: int, log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[list[tuple[int, int] | None]]:
        """Return a Deferred of a list that has, for each of ``conversations``, the id and the time of its
        last message.

        The times are in milliseconds since 1970. Only the last `MAX_MESSAGES_SCANNED_FOR_LAST_MESSAGE`
        messages with id <= ``max_id`` are examined. Messages that ``log_filter`` hides are skipped. An item
        is None if no such message is found.
        """
        return self._read(_last_messages, [c.id for c in conversations], max_id, log_filter)

    def entry_times(
        self, places: Iterable[tuple[Conversation, int]], log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[list[int | None]]:
        """Return a Deferred of a list that has, for each of ``places``, a time in milliseconds since 1970.

        Each of ``places`` is a pair of a conversation and an entry id. The time is that of the last entry of
        the conversation with this id or a smaller one. An item is None if there is no such entry, or if the
        entry is hidden because it was made before the reader of ``log_filter`` joined. Entries of ignored
        users are not skipped.
        """
        return self._read(_entry_times, [(one.id, id) for one, id in places], log_filter)

    def search(self, query: SearchQuery, start: int, end: int, limit: int) -> Deferred[SearchStep]:
        """Return a Deferred of a search step: the ids of the first ``limit`` messages that ``query`` matches.

        The search goes from the id ``start`` to the id ``end``, both included, and downwards if ``end`` is
        smaller. If the result has a ``resume_id``, the search has not reached ``end``; to continue, call this
        method again with the ``resume_id`` as ``start``.
        """
        step: Deferred[SearchStep] = self._search_pool.runInteraction(
            _search, self._database, query, start, end, limit
        )
        return step.addErrback(self._as_read_failed)

    def found_messages(
        self, ids: Sequence[int], max_body_bytes: int, log_filter: LogFilter = NO_LOG_FILTER
    ) -> Deferred[EntrySlice]:
        """Return a Deferred of the messages with the log ids ``ids``, which a search has found, in that
        order.

        Messages that ``log_filter`` hides, and those whose text has been deleted meanwhile, are left out. The
        texts have at most ``max_body_bytes`` bytes; a single message may have more.
        """
        return self._read(_found_messages, self._database, ids, max_body_bytes, log_filter)

    def _read(
        self, query: Callable[Concatenate[Transaction, P], Result], *arguments: P.args, **named: P.kwargs
    ) -> Deferred[Result]:
        def read_again(failure: Failure) -> Deferred[Result]:
            if not self._database.has_lost_connection(failure.value):
                failure.raiseException()
            again: Deferred[Result] = self._pool.runInteraction(query, *arguments, **named)
            return again

        reading: Deferred[Result] = self._pool.runInteraction(query, *arguments, **named)
        return reading.addErrback(read_again).addErrback(self._as_read_failed)

    def _as_read_failed(self, failure: Failure) -> NoReturn:
        """Raise `ReadFailed` if ``failure`` is an error of the database; raise every other error
        unchanged.
        """
        failure.trap(self._database.driver_error_type)
        raise ReadFailed(" ".join(failure.getErrorMessage().split())) from failure.value

    def close(self) -> None:
        """Close the connections to the database."""
        self._pool.close()
        self._search_pool.close()


def _search(
    cursor: Transaction, database: Database, query: SearchQuery, start: int, end: int, limit: int
) -> SearchStep:
    database.begin_read_transaction(cursor)  # the blocks of the index must fit to the log
    limited = query.log_filter.conversation_ids_readable_since_joining
    hidden = {
        id: _hidden_up_to(cursor, id, query.log_filter) for id in query.conversation_ids if id in limited
    }
    return database.run_search_step(cursor, query, hidden, start, end, limit)


def _found_messages(
    cursor: Transaction,
    database: Database,
    ids: Sequence[int],
    max_body_bytes: int,
    log_filter: LogFilter,
) -> EntrySlice:
    database.begin_read_transaction(cursor)
    cursor.execute(
        f"{_ROW} WHERE id IN ({JSON_IDS_SQL}) AND {_SAID} AND body <> ''"
        f"{_unless_ignored(log_filter.ignored_user_ids, _SAID)}",
        (json.dumps(ids),),
    )
    rows = {row[0]: row for row in cursor.fetchall()}
    hidden = {
        conversation: _hidden_up_to(cursor, conversation, log_filter)
        for conversation in {row[1] for row in rows.values()}
    }
    kept: list[LogTableRow] = []
    room = max_body_bytes
    for id in ids:
        row = rows.get(id)
        if row is None or id <= hidden[row[1]]:
            continue
        room -= len(row[-1].encode())
        if kept and room < 0:
            return EntrySlice(kept, True)
        kept.append(row)
    return EntrySlice(kept, False)


def _joined_before(cursor: Transaction, conversation: int, id: int) -> list[int]:
    cursor.execute(
        f"SELECT actor FROM log WHERE conversation = ? AND {_JOINED} GROUP BY actor HAVING max(id) < ?",
        (conversation, id),
    )
    return [user for (user,) in cursor.fetchall()]


def _entry(cursor: Transaction, id: int) -> LogTableRow | None:
    cursor.execute(f"{_ROW} WHERE id = ?", (id,))
    row: LogTableRow | None = cursor.fetchone()
    return row


def _old_messages(
    cursor: Transaction, conversation: int, after: int, sent_before: int, limit: int
) -> list[int]:
    cursor.execute(
        f"SELECT id, at FROM log WHERE conversation = ? AND id > ? AND {_SAID} ORDER BY id LIMIT ?",
        (conversation, after, limit),
    )
    return [id for id, _ in takewhile(lambda row: row[1] < sent_before, cursor.fetchall())]


def _page(
    cursor: Transaction,
    database: Database,
    conversation: int,
    window: PageIdWindow,
    max_body_bytes: int,
    max_id: int,
    log_filter: LogFilter,
    partial_page: EntrySlice | None,
) -> EntrySlice:
    forward, limit = window.reads_forward, window.limit
    hidden = _hidden_up_to(cursor, conversation, log_filter)
    above = max(window.after or 0, hidden)
    below = max_id + 1 if window.before is None else min(max_id + 1, window.before)
    rows = [] if partial_page is None else partial_page.rows
    if partial_page is not None and partial_page.resume_id is not None:
        above, below = (
            (max(above, partial_page.resume_id), below) if forward else (above, partial_page.resume_id)
        )
    # Messages and events have an index each; the database merges what it finds in both.
    indexes = _CONDITIONS[window.contents]
    order = f"ORDER BY id {'ASC' if forward else 'DESC'}"
    end = None
    if log_filter.ignored_user_ids:
        each = "SELECT id FROM log WHERE conversation = ? AND id > ? AND id < ? AND "
        selects = [each + kinds for kinds in indexes]
        values = (conversation, above, below) * len(indexes)
        offset = MAX_ENTRIES_SCANNED_FOR_PAGE - 1
        cursor.execute(*database.merge_selects(selects, values, order, 1, offset))
        for (end,) in cursor.fetchall():
            above, below = (above, end + 1) if forward else (end - 1, below)
    each = f"{_ROW} WHERE conversation = ? AND id > ? AND id < ? AND "
    selects = [each + kinds + _unless_ignored(log_filter.ignored_user_ids, kinds) for kinds in indexes]
    extra = MAX_SAME_MILLISECOND_ENTRIES if window.whole_milliseconds else 0
    values = (conversation, above, below) * len(indexes)
    cursor.execute(*database.merge_selects(selects, values, order, limit + extra + 1 - len(rows)))
    found = _fetch(cursor, limit, max_body_bytes, rows if forward else rows[::-1], extra)
    if not forward:
        found.rows.reverse()
    if hidden:
        found.rows[:] = [_without_hidden_text(row, hidden) for row in found.rows]
    messages = [row[0] for row in found.rows if row[_KIND] in MESSAGE_KINDS]
    reactions, cut = _reactions(cursor, messages, log_filter.ignored_user_ids, forward)
    if cut is not None:
        kept = [row for row in found.rows if (row[0] < cut if forward else row[0] > cut)]
        return EntrySlice(kept, True, None, reactions)
    if found.has_more or end is None:
        return EntrySlice(found.rows, found.has_more, None, reactions)
    return EntrySlice(found.rows, True, end, reactions)


def _reactions(
    cursor: Transaction, messages: list[int], ignored: Iterable[int] = (), forward: bool = True
) -> tuple[dict[int, list[tuple[str, int]]], int | None]:
    """Return the reactions to ``messages``, except those of the users with the ids ``ignored``, as
    `EntrySlice` has them, and the first of the messages that is left out, or None.

    Messages are left out after `MAX_REACTIONS_PER_PAGE` reactions: the last ones if ``forward`` is true, else
    the first ones.
    """
    if not messages:
        return {}, None
    cursor.execute(
        'SELECT message, entry, reaction, "user" FROM reactions WHERE message IN'
        f' ({JSON_IDS_SQL}) AND "user" NOT IN ({_list(ignored)})'
        f" ORDER BY message {'ASC' if forward else 'DESC'} LIMIT {MAX_REACTIONS_PER_PAGE + 1}",
        (json.dumps(messages),),
    )
    rows = cursor.fetchall()
    cut = rows[-1][0] if len(rows) > MAX_REACTIONS_PER_PAGE else None
    found: dict[int, list[tuple[str, int]]] = {}
    for message, _, reaction, user in sorted(rows):
        if message != cut:
            found.setdefault(message, []).append((reaction, user))
    return found, cut


def _reactions_to(cursor: Transaction, message: int) -> list[tuple[str, int]]:
    return _reactions(cursor, [message])[0].get(message, [])


def _without_hidden_texts(found: EntrySlice, hidden: Mapping[int, int]) -> EntrySlice:
    """Return ``found``, without the texts of edits of messages that are hidden.

    ``hidden`` maps the ids of conversations to the id up to which their entries are hidden, 0 for none.
    """
    if not any(hidden.values()):
        return found
    return EntrySlice(
        [_without_hidden_text(row, hidden.get(row[1], 0)) for row in found.rows], found.has_more
    )


def _without_hidden_text(row: LogTableRow, hidden_up_to: int) -> LogTableRow:
    """Return ``row``, without the text if it is the edit of a message with an id up to ``hidden_up_to``."""
    if row[_KIND] == "edited":
        id = row[-1].partition(" ")[0]
        return (*row[:-1], id) if int(id) <= hidden_up_to else row
    return row


def _first_ids_since(cursor: Transaction, times: Sequence[int], max_id: int) -> list[int]:
    return [_first_id_since(cursor, time, max_id) for time in times]


def _first_id_since(cursor: Transaction, time: int, max_id: int) -> int:
    # A binary search, because times never go back from one id to the next. An index of the times would take
    # room for every entry. All entries up to `below` are earlier than `time`, none from `first` on is.
    below, first = 0, max_id + 1
    while below + 1 < first:
        middle = (below + first) // 2
        cursor.execute("SELECT id, at FROM log WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", (middle, first))
        row = cursor.fetchone()
        if row is None or row[1] >= time:
            first = middle
        else:
            below = row[0]
    return first


def _last_messages(
    cursor: Transaction, conversations: list[int], max_id: int, log_filter: LogFilter
) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for conversation in conversations:
        cursor.execute(
            f"SELECT id, at FROM log WHERE id = (SELECT id FROM (SELECT id, actor FROM log WHERE"
            f" conversation = ? AND {_SAID} AND id > ? AND id <= ? ORDER BY id DESC LIMIT ?) AS last_ones"
            f" WHERE actor NOT IN ({_list(log_filter.ignored_user_ids)}) LIMIT 1)",
            (
                conversation,
                _hidden_up_to(cursor, conversation, log_filter),
                max_id,
                MAX_MESSAGES_SCANNED_FOR_LAST_MESSAGE,
            ),
        )
        found.append(cursor.fetchone())
    return found


def _entry_times(
    cursor: Transaction, places: list[tuple[int, int]], log_filter: LogFilter
) -> list[int | None]:
    # A lookup in each of the two indexes.
    last = "(SELECT max(id) FROM log WHERE conversation = ? AND id > ? AND id <= ? AND {})"
    query = (
        f"SELECT at FROM log WHERE id IN ({last.format(_SAID)}, {last.format(_HAPPENED)}) ORDER BY id DESC"
        " LIMIT 1"
    )
    found: list[int | None] = []
    for conversation, id in places:
        place = (conversation, _hidden_up_to(cursor, conversation, log_filter), id)
        cursor.execute(query, place * 2)
        row = cursor.fetchone()
        found.append(None if row is None else row[0])
    return found


def _following(
    cursor: Transaction,
    conversations: list[int],
    user: int,
    after: int,
    limit: int,
    max_body_bytes: int,
    max_id: int,
    log_filter: LogFilter,
) -> EntrySlice:
    # A query for each conversation and each index, merged: one query would make SQLite sort all later entries
    # for every page. Those with the earliest entries are read first, so that few ids of the others, or none,
    # are read. The ids are in the indexes, so that only the bodies that are returned are read.
    hidden = {one: _hidden_up_to(cursor, one, log_filter) for one in conversations}
    above = [(one, max(after, hidden_up_to)) for one, hidden_up_to in hidden.items()]
    cursor.execute(_FIRST_IDS, (json.dumps(above),))
    sources: list[_Source] = []
    for conversation, message, event in cursor.fetchall():
        sources += [(message, "conversation", _SAID, conversation)] if message is not None else []
        sources += [(event, "conversation", _HAPPENED, conversation)] if event is not None else []
    cursor.execute(
        f"SELECT id FROM log WHERE subject = ? AND {_HAPPENED} AND id > ? ORDER BY id LIMIT 1", (user, after)
    )
    sources += [(about, "subject", _HAPPENED, user) for (about,) in cursor.fetchall()]
    if not sources:
        return EntrySlice([], False)
    sources.sort()
    end = None
    if not log_filter.ignored_user_ids:
        run = _run_of_first_source(cursor, sources, limit, max_body_bytes, max_id)
        if run is not None:
            return _without_hidden_texts(run, hidden)
    else:
        looked_at = max(limit, MAX_ENTRIES_SCANNED_FOR_REPLAY // len(sources))
        for first, column, kinds, key in sources:
            if first > max_id:
                break
            cursor.execute(
                f"SELECT id FROM log WHERE {column} = ? AND {kinds} AND id >= ? AND id <= ?"
                " ORDER BY id LIMIT 1 OFFSET ?",
                (key, first, max_id, looked_at - 1),
            )
            for (end,) in cursor.fetchall():
                max_id = end
    ids: list[int] = []
    for first, column, kinds, key in sources:
        last = max_id if len(ids) <= limit else ids[limit]
        if first > last:
            break
        cursor.execute(
            f"SELECT id FROM log WHERE {column} = ? AND {kinds} AND id >= ? AND id <= ?"
            f"{_unless_ignored(log_filter.ignored_user_ids, kinds)} ORDER BY id LIMIT ?",
            (key, first, last, limit + 1),
        )
        ids = sorted({*ids, *(id for (id,) in cursor.fetchall())})[: limit + 1]
    cursor.execute(f"{_ROW} WHERE id IN ({JSON_IDS_SQL}) ORDER BY id", (json.dumps(ids),))
    found = _fetch(cursor, limit, max_body_bytes, [])
    found = _without_hidden_texts(found, hidden)
    return found if found.has_more or end is None else EntrySlice(found.rows, True, end)


def _conversation_entries(
    cursor: Transaction,
    database: Database,
    conversation: int,
    after: int,
    limit: int,
    max_body_bytes: int,
    max_id: int,
) -> EntrySlice:
    # Two indexes, one with the messages and one with the events, which the database merges.
    each = f"{_ROW} WHERE conversation = ? AND id > ? AND id <= ? AND "
    values = (conversation, after, max_id) * 2
    selects = [each + kinds for kinds in _CONDITIONS["all"]]
    cursor.execute(*database.merge_selects(selects, values, "ORDER BY id", limit + 1))
    return _fetch(cursor, limit, max_body_bytes, [])


def _user_entries(
    cursor: Transaction, user: int, after: int, limit: int, max_body_bytes: int, max_id: int
) -> EntrySlice:
    # The plus signs keep SQLite from the index of subjects, which would have it sort.
    cursor.execute(
        f"{_ROW} WHERE id > ? AND id <= ? AND (+actor = ? OR +subject = ?) ORDER BY id LIMIT ?",
        (after, max_id, user, user, limit + 1),
    )
    return _fetch(cursor, limit, max_body_bytes, [])


def _texts_to_erase(cursor: Transaction, user: int, after: int, limit: int, max_id: int) -> list[int]:
    cursor.execute(
        "SELECT id FROM log WHERE id > ? AND id <= ? AND (body <> '' OR ref IS NOT NULL)"
        f" AND ((+actor = ? AND ({_SAID} OR kind IN ('topic', 'kicked', 'banned', 'closed', 'deleted',"
        " 'reacted', 'unreacted')))"
        " OR (+subject = ? AND kind IN ('kicked', 'banned', 'deleted')))"
        " ORDER BY id LIMIT ?",
        (after, max_id, user, user, limit),
    )
    return [id for (id,) in cursor.fetchall()]


def _hidden_up_to(cursor: Transaction, conversation: int, log_filter: LogFilter) -> int:
    """Return the id up to which ``log_filter`` hides the entries of ``conversation``, 0 if it hides none."""
    if conversation not in log_filter.conversation_ids_readable_since_joining:
        return 0
    cursor.execute(
        f"SELECT max(id) FROM log WHERE conversation = ? AND actor = ? AND {_JOINED}",
        (conversation, log_filter.user_id),
    )
    ((joined,),) = cursor.fetchall()
    return MAX_ID_VALUE if joined is None else joined - 1


def _unless_ignored(ignored: tuple[int, ...], kinds: str) -> str:
    """Return an SQL condition that excludes messages and invitations by the users with the ids ``ignored``.

    The result is empty if there are none. ``kinds`` is the condition on the kind that the query has already,
    `_SAID` or `_HAPPENED`. With `_SAID` the result tests the column ``actor`` only, which the index contains.
    """
    hidden = "" if kinds == _SAID else f"kind IN ({_INVISIBLE}) AND "
    return f" AND NOT ({hidden}actor IN ({_list(ignored)}))" if ignored else ""


def _list(ids: Iterable[int]) -> str:
    # No user has the id -1. PostgreSQL takes no empty list.
    return ", ".join(map(str, ids)) or "-1"


def _unread(cursor: Transaction, ranges: list[UnreadRange], user: int, log_filter: LogFilter) -> list[int]:
    counts = []
    for place, after, max_id in ranges:
        conversation = place.id
        cursor.execute(
            f"SELECT count(*) FILTER (WHERE actor NOT IN ({_list((user, *log_filter.ignored_user_ids))}))"
            f" FROM (SELECT actor FROM log WHERE conversation = ? AND {_SAID} AND id > ? AND id <= ?"
            " ORDER BY id DESC LIMIT ?) AS last_ones",
            (
                conversation,
                max(after, _hidden_up_to(cursor, conversation, log_filter)),
                max_id,
                MAX_MESSAGES_SCANNED_FOR_UNREAD_COUNT,
            ),
        )
        counts += [count for (count,) in cursor.fetchall()]
    return counts


def _run_of_first_source(
    cursor: Transaction, sources: list[_Source], limit: int, max_body_bytes: int, max_id: int
) -> EntrySlice | None:
    """Return the entries of the first of ``sources`` before those of the second one begin.

    They need not be merged, and most of a long replay is such entries. Return None if they may be fewer than
    the result should have.
    """
    (first, column, kinds, key), *others = sources
    last = min(max_id, others[0][0] - 1) if others else max_id
    if last < max_id and last - first < limit:
        return None
    cursor.execute(
        f"{_ROW} WHERE {column} = ? AND {kinds} AND id >= ? AND id <= ? ORDER BY id LIMIT ?",
        (key, first, last, limit + 1),
    )
    found = _fetch(cursor, limit, max_body_bytes, [])
    return found if found.has_more or last == max_id else None


def _fetch(
    cursor: Transaction, limit: int, max_body_bytes: int, before: list[LogTableRow], extra: int = 0
) -> EntrySlice:
    """Return the rows ``before`` and the next rows of a query.

    In all there are at most ``limit`` rows with at most ``max_body_bytes`` bytes of bodies; a single row may
    have more. Up to ``extra`` more rows, with as many bytes again, follow while they have the time of the row
    before them. The rows are fetched one by one, so that SQLite reads no more rows than the limits allow.
    """
    rows = [*before]
    room = max_body_bytes - sum(len(row[-1].encode()) for row in rows)
    fetch_row = cursor.fetchone  # looked up once: an adbapi cursor finds each method by a call
    while (row := fetch_row()) is not None:
        room -= len(row[-1].encode())
        if len(rows) >= limit or (rows and room < 0):
            is_same_time = bool(rows) and row[_AT] == rows[-1][_AT]
            if not extra or not is_same_time or len(rows) >= limit + extra or room + max_body_bytes < 0:
                return EntrySlice(rows, True)
        rows.append(row)
    return EntrySlice(rows, False)
