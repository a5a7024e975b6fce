"""The search index: the words of the messages, in tables of SQLite's FTS5.

The log is indexed behind the commits, in small steps (`index_messages`). It is cut into blocks of ids, each
with a table of its own, for two reasons:

- A search reads one block after the other, and stops when it has enough. So the work of each step has a
  bound, also for a prefix that most words have.
- When a text is deleted, the table of its block is emptied in the same transaction
  (`remove_messages_from_index`), and filled anew later. FTS5 itself only notes what was deleted, and keeps
  the words in its file until it happens to rewrite them (the option ``secure-delete`` of SQLite 3.42 and
  later is better, but leaves copies where SQLite has moved a row to another page). To empty a table takes
  some milliseconds.

What is not indexed, because it is too new or its block was emptied, is searched as well: it is indexed in a
temporary table in memory, which has the same words by construction.

An indexed message has three columns: ``body``, its text; ``place``, a word such as ``c17`` for its
conversation and, in a direct one, two words such as ``u5`` for its users; and ``author``, a word such as
``u5``. So FTS5 itself leaves out what the reader may not see.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from twisted.enterprise.adbapi import Transaction

from chatd.core.records import SearchQuery, SearchStep
from chatd.core.search import SearchTerm

MAX_INDEX_BLOCK_CHARACTERS: Final = 2 * 1024 * 1024
"""The size at which a block is full: the characters of its messages, and
`INDEXED_MESSAGE_OVERHEAD_CHARACTERS` for each.
"""

INDEXED_MESSAGE_OVERHEAD_CHARACTERS: Final = 64
"""The size that a message counts for in a block besides its characters, so that a block has 32,768 messages
at most.
"""

MAX_MESSAGES_PER_INDEX_STEP: Final = 128
"""The maximum number of messages that are indexed in one transaction."""

MAX_CHARACTERS_PER_INDEX_STEP: Final = 16 * 1024
"""The maximum number of characters that are indexed in one transaction; a single message may have more."""

MAX_IDS_PER_INDEX_STEP: Final = 4096
"""The maximum number of log entries that are passed over in one transaction, events among them."""

MAX_INDEX_BLOCKS_PER_SEARCH_STEP: Final = 4
"""The maximum number of blocks that one step of a search reads."""

MAX_UNINDEXED_IDS_PER_SEARCH_STEP: Final = 2048
"""The maximum number of log entries without index that one step of a search reads."""

MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP: Final = 128 * 1024
"""The maximum number of characters without index that one step of a search reads; the message that exceeds it
is read, too. To index messages of rare words takes half a microsecond a character.
"""

_BLOCK: Final = "SELECT first, last, indexed, size FROM search_blocks"

INDEXED_KINDS: Final = "kind IN ('message', 'action', 'notice')"
"""The SQL condition that an entry is a message whose text is indexed."""

# SQLite's tokenizer knows Unicode 6.1, and takes what came later for letters: a word next to a newer emoji
# would be another word. These are the blocks with emoji that have grown since.
_EMOJI: Final = "".join(
    map(
        chr,
        chain(
            range(0x1F300, 0x1F650),
            range(0x1F680, 0x1F700),
            range(0x1F780, 0x1F800),
            range(0x1F900, 0x1FA00),
            range(0x1FA70, 0x1FB00),
        ),
    )
)

FTS5_TOKENIZER_OPTION: Final = f"tokenize=\"unicode61 remove_diacritics 2 separators '{_EMOJI}'\""
"""The option of FTS5 that says how texts are cut into words."""

_COLUMNS: Final = f"fts5(body, place, author, content='', columnsize=0, {FTS5_TOKENIZER_OPTION})"

_INSERT: Final = (
    "INSERT INTO {table} (rowid, body, place, author) SELECT log.id, log.body, 'c' || log.conversation ||"
    " CASE c.kind WHEN 'direct' THEN ' u' || c.low || ' u' || c.high ELSE '' END, 'u' || log.actor"
    f" FROM log JOIN conversations AS c ON c.id = log.conversation WHERE log.id >= ? AND log.id <= ?"
    f" AND log.{INDEXED_KINDS} AND log.body <> '' ORDER BY log.id"
)

_SCAN_TABLE: Final = "search_unindexed"


def prepare_search_connection(connection: sqlite3.Connection) -> None:
    """Create the temporary table in memory that `run_search_step` needs, on ``connection``, which reads the
    database.

    Call this function once for each connection.
    """
    # The temporary table with texts must not get to the disk.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"CREATE VIRTUAL TABLE temp.{_SCAN_TABLE} USING {_COLUMNS}")


# The writer's side.


def index_messages(cursor: Transaction) -> bool:
    """Add some messages that are not indexed yet to the search index. Return whether there are more.

    The function uses a transaction of its own, which does not wait for the disk. After a power failure,
    messages may be missing from the index; they are then indexed again.
    """
    ((durability,),) = cursor.execute("PRAGMA synchronous").fetchall()
    cursor.execute("PRAGMA synchronous = NORMAL")
    try:
        cursor.execute("BEGIN IMMEDIATE")
        more = _index_some(cursor)
        cursor.execute("COMMIT")
        return more
    except BaseException:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise
    finally:
        cursor.execute(f"PRAGMA synchronous = {durability}")


def _index_some(cursor: Transaction) -> bool:
    cursor.execute(f"{_BLOCK} WHERE indexed < last ORDER BY first DESC LIMIT 1")
    block = cursor.fetchone()
    if block is None:  # the last block grows
        cursor.execute("SELECT coalesce(max(id), 0) FROM log")
        ((last_id,),) = cursor.fetchall()
        cursor.execute(f"{_BLOCK} ORDER BY first DESC LIMIT 1")
        block = cursor.fetchone() or (1, 0, 0, MAX_INDEX_BLOCK_CHARACTERS)
        if block[1] >= last_id:
            return False
    else:
        last_id = block[1]
    first, last, indexed, size = block
    if (
        size >= MAX_INDEX_BLOCK_CHARACTERS
    ):  # what is not indexed of it, or nothing, becomes a block of its own
        cursor.execute("UPDATE search_blocks SET last = indexed WHERE first = ?", (first,))
        first, size = indexed + 1, 0
        cursor.execute(f"CREATE VIRTUAL TABLE {_table(first)} USING {_COLUMNS}")
        cursor.execute("INSERT INTO search_blocks VALUES (?, ?, ?, ?)", (first, last, indexed, size))
    end, added = _next_messages(cursor, indexed, last_id, MAX_INDEX_BLOCK_CHARACTERS - size)
    cursor.execute(_INSERT.format(table=_table(first)), (indexed + 1, end))
    cursor.execute(
        "UPDATE search_blocks SET last = ?, indexed = ?, size = ? WHERE first = ?",
        (max(last, end), end, size + added, first),
    )
    return True


def _next_messages(cursor: Transaction, indexed: int, last_id: int, room: int) -> tuple[int, int]:
    """Return up to which id the log is indexed next, after the id ``indexed``, and the size of that.

    It is at most ``room``, but one message may be larger.
    """
    end = min(last_id, indexed + MAX_IDS_PER_INDEX_STEP)
    cursor.execute(
        f"SELECT id, length(body) FROM log WHERE id > ? AND id <= ? AND {INDEXED_KINDS} ORDER BY id LIMIT ?",
        (indexed, end, MAX_MESSAGES_PER_INDEX_STEP + 1),
    )
    size = characters = 0
    messages = cursor.fetchall()
    for count, (_, length) in enumerate(messages):
        is_too_much = (
            characters + length > MAX_CHARACTERS_PER_INDEX_STEP
            or size >= room
            or count == MAX_MESSAGES_PER_INDEX_STEP
        )
        if count and is_too_much:
            return messages[count - 1][0], size
        characters += length
        size += length + INDEXED_MESSAGE_OVERHEAD_CHARACTERS
    return end, size


def remove_messages_from_index(cursor: Transaction, ids: Iterable[int]) -> None:
    """Remove the words of the messages with the ids ``ids`` from the search index.

    Call this function in the transaction in which their texts are deleted. The blocks of the index that have
    these messages are emptied, and are indexed again later. Blocks that edits have made too large are then
    split.
    """
    last = 0
    for id in sorted(ids):
        if id <= last:
            continue
        first, last, indexed, _ = _block_before(cursor, id)
        if indexed >= id:
            cursor.execute(f"INSERT INTO {_table(first)} ({_table(first)}) VALUES ('delete-all')")
            cursor.execute("UPDATE search_blocks SET indexed = first - 1, size = 0 WHERE first = ?", (first,))


def _block_before(cursor: Transaction, id: int) -> tuple[int, int, int, int]:
    """Return the last block that begins with ``id`` or a smaller id: its first id, its last id, the id up to
    which it is indexed, and its size. Before the first message is indexed, it is an empty one.
    """
    cursor.execute(f"{_BLOCK} WHERE first <= ? ORDER BY first DESC LIMIT 1", (id,))
    block: tuple[int, int, int, int] = cursor.fetchone() or (1, 0, 0, 0)
    return block


def find_index_problems(connection: sqlite3.Connection) -> list[str]:
    """Return the problems of the search index, as sentences. A sound index has none.

    In a sound index, each block has exactly the messages that it is recorded to have.
    """
    problems = []
    expected = 1
    blocks = connection.execute(f"{_BLOCK} ORDER BY first").fetchall()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for first, last, indexed, _ in blocks:
        table = _table(first)
        if first != expected or last < first - 1 or not first - 1 <= indexed <= last or table not in tables:
            problems.append(
                f"the search index has no block that begins with the id {expected}, or a broken one"
            )
            break
        expected = last + 1
        found = connection.execute(
            f"SELECT rowid FROM {table} WHERE {table} MATCH 'author : u *' ORDER BY rowid"
        )
        stored = connection.execute(
            f"SELECT id FROM log WHERE id >= ? AND id <= ? AND {INDEXED_KINDS} AND body <> '' ORDER BY id",
            (first, indexed),
        )
        if found.fetchall() != stored.fetchall():
            problems.append(f"the search index of the ids {first} to {indexed} does not fit to the log")
    return problems


# The reader's side.


def run_search_step(
    cursor: Transaction, query: SearchQuery, hidden_up_to: Mapping[int, int], start: int, end: int, limit: int
) -> SearchStep:
    """Search a part of the log for ``query``, in one read transaction that the caller has begun.

    The search goes from the id ``start`` to the id ``end``, both included, and downwards if ``end`` is
    smaller. The step ends when ``limit`` messages are found, or after `MAX_INDEX_BLOCKS_PER_SEARCH_STEP`
    blocks of the index, or after `MAX_UNINDEXED_IDS_PER_SEARCH_STEP` entries or
    `MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP` characters that are not indexed. ``hidden_up_to`` maps each
    conversation that the reader may not read completely to the last id that is hidden.
    """
    forward = end > start
    low, high = sorted((start, end))
    ids: list[int] = []
    blocks_left = MAX_INDEX_BLOCKS_PER_SEARCH_STEP
    place = start
    while blocks_left and low <= place <= high and len(ids) < limit:
        table, first, last = _part_at(cursor, place)
        first, last = max(first, low), min(last, high)
        if table:
            blocks_left -= 1
        else:
            first, last = _scanned_ids(cursor, first, last, forward)
            blocks_left = 0
            table = _SCAN_TABLE
            cursor.execute(_INSERT.format(table=table), (first, last))
        ids += _find(cursor, table, query, hidden_up_to, first, last, forward, limit - len(ids))
        if table == _SCAN_TABLE:
            cursor.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")
        place = last + 1 if forward else first - 1
    return SearchStep(ids, place if low <= place <= high else None)


def _part_at(cursor: Transaction, id: int) -> tuple[str, int, int]:
    """Return the part of the log that contains ``id``: the FTS5 table that has all of its messages, or an
    empty text if no table has any, its first id and its last id.
    """
    first, last, indexed, _ = _block_before(cursor, id)
    if id <= indexed:
        return _table(first), first, indexed
    return ("", indexed + 1, last) if id <= last else ("", last + 1, _NO_END)


_NO_END: Final = 2**63 - 1


def _scanned_ids(cursor: Transaction, first: int, last: int, forward: bool) -> tuple[int, int]:
    """Return the first and the last id of the entries that one step reads of those without index, which are
    the ones from ``first`` to ``last``: the first of them if ``forward``, else the last.
    """
    if forward:
        last = min(last, first + MAX_UNINDEXED_IDS_PER_SEARCH_STEP - 1)
    else:
        first = max(first, last - MAX_UNINDEXED_IDS_PER_SEARCH_STEP + 1)
    order = "ASC" if forward else "DESC"
    cursor.execute(
        f"SELECT id FROM (SELECT id, sum(length(body)) OVER (ORDER BY id {order}) AS characters FROM log"
        f" WHERE id >= ? AND id <= ? AND {INDEXED_KINDS}) WHERE characters > ? ORDER BY id {order} LIMIT 1",
        (first, last, MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP),
    )
    for (id,) in cursor.fetchall():
        return (first, id) if forward else (id, last)
    return first, last


def _find(
    cursor: Transaction,
    table: str,
    query: SearchQuery,
    hidden_up_to: Mapping[int, int],
    first: int,
    last: int,
    forward: bool,
    limit: int,
) -> list[int]:
    """Return the ids of the first ``limit`` messages in ``table`` with ``first`` <= id <= ``last`` that
    ``query`` finds.
    """
    conversations = [id for id in query.conversation_ids if hidden_up_to.get(id, 0) < last]
    partly_hidden = {id: hidden_up_to[id] for id in conversations if hidden_up_to.get(id, 0) >= first}
    expression = fts5_match_expression(query, conversations)
    if not expression:
        return []
    # The ids are values: SQLite does not take a condition for each of a thousand conversations.
    unless_hidden = (
        f" AND NOT EXISTS (SELECT 1 FROM log JOIN hidden ON hidden.conversation = log.conversation"
        f" WHERE log.id = {table}.rowid AND log.id <= hidden.last)"
    )
    cursor.execute(
        "WITH hidden (conversation, last) AS MATERIALIZED"
        " (SELECT CAST(key AS INTEGER), value FROM json_each(?))"
        f" SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid >= ? AND rowid <= ?"
        f"{unless_hidden if partly_hidden else ''} ORDER BY rowid {'ASC' if forward else 'DESC'} LIMIT ?",
        (json.dumps(partly_hidden), expression, first, last, limit),
    )
    return [id for (id,) in cursor.fetchall()]


def fts5_match_expression(query: SearchQuery, conversation_ids: Iterable[int]) -> str:
    """Return the FTS5 expression for ``query`` in the conversations with the ids ``conversation_ids``.

    The direct conversations that the query names are included. The expression is empty if there is no
    conversation. The words to search for are quoted strings in it, so nothing in them is syntax; FTS5 splits
    them into words as it has split the messages.
    """
    places = [f"c{id}" for id in conversation_ids]
    if query.direct_user_id is not None:
        places.append(f"u{query.direct_user_id}")
    if not places:
        return ""
    parts = [f"place : ({' OR '.join(places)})", *map(_term_expression, query.terms)]
    if query.author_id is not None:
        parts.append(f"author : u{query.author_id}")
    expression = " AND ".join(parts)
    ignored = " OR ".join(f"u{id}" for id in query.log_filter.ignored_user_ids)
    return f"({expression}) NOT author : ({ignored})" if ignored else expression


def _term_expression(term: SearchTerm) -> str:
    # SQLite takes a NUL for the end of the expression.
    text = term.text.replace("\0", " ").replace('"', " ")
    return f'body : "{text}"{" *" if term.is_prefix else ""}'


def _table(first: int) -> str:
    """Return the name of the FTS5 table of the block that begins with the id ``first``."""
    return f"search_{first}"
