"""The search index on PostgreSQL: the words of the messages as ``tsvector``, with a GIN index.

As on SQLite (see `chatd.store.search_index`), the log is indexed behind the commits, in small steps, and what
is not indexed yet is searched as well. The words are cut by FTS5's tokenizer, in memory, so that a search
finds the same messages on both. PostgreSQL's own parser would take addresses, numbers and words with hyphens
for one word each.

The index has no positions, of which PostgreSQL keeps 256 for a word. So it finds which messages have all
words of a search; phrases are looked for in the texts of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from twisted.enterprise.adbapi import Transaction

from chatd.core.records import SearchQuery, SearchStep
from chatd.store.search_index import (
    INDEXED_KINDS,
    MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP,
    MAX_UNINDEXED_IDS_PER_SEARCH_STEP,
)
from chatd.store.words import SearchTermWords, WordCutter, cut_terms

MAX_MESSAGES_PER_INDEX_STEP: Final = 128
"""The maximum number of messages that are indexed in one transaction."""

MAX_CHARACTERS_PER_INDEX_STEP: Final = 16 * 1024
"""The maximum number of characters that are indexed in one transaction; a single message may have more."""

MAX_IDS_PER_INDEX_STEP: Final = 4096
"""The maximum number of log entries that are passed over in one transaction, events among them."""

MAX_IDS_PER_SEARCH_STEP: Final = 65_536
"""The maximum number of ids of indexed messages that one step of a search goes through."""

MAX_MESSAGES_PER_PHRASE_SEARCH_STEP: Final = 256
"""The maximum number of messages whose texts one step of a search reads to look for phrases."""

MAX_WORD_BYTES: Final = 2000
"""The number of bytes in UTF-8 after which an indexed word is cut: PostgreSQL takes no word of 2,046.

No word of a search is that long, so that a longer word is found by how it begins, as it should be.
"""

_ADD: Final = (
    "INSERT INTO search_words (id, conversation, actor, words) VALUES (%s, %s, %s, CAST(%s AS tsvector))"
)


class SearchWords:
    """The search index in a PostgreSQL database, as one thread uses it."""

    def __init__(self) -> None:
        self._cutter = WordCutter()

    # The writer's side.

    def index_messages(self, cursor: Transaction) -> bool:
        """Add some messages that are not indexed yet to the search index.

        Return whether there may be more.
        """
        cursor.execute("SELECT indexed, (SELECT coalesce(max(id), 0) FROM log) FROM search_progress")
        indexed, last = cursor.fetchone()
        if indexed >= last:
            return False
        end = min(last, indexed + MAX_IDS_PER_INDEX_STEP)
        cursor.execute(
            "SELECT id, conversation, actor, body FROM (SELECT id, conversation, actor, body,"
            " coalesce(sum(length(body)) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),"
            f" 0) AS before FROM log WHERE id > %s AND id <= %s AND {INDEXED_KINDS} ORDER BY id LIMIT %s)"
            " AS next WHERE before < %s ORDER BY id",
            (indexed, end, MAX_MESSAGES_PER_INDEX_STEP + 1, MAX_CHARACTERS_PER_INDEX_STEP),
        )
        messages = cursor.fetchall()
        # What was left out by a limit is for the next step.
        if len(messages) > MAX_MESSAGES_PER_INDEX_STEP:
            messages.pop()
            end = messages[-1][0]
        elif messages:
            cursor.execute(
                f"SELECT count(*) FROM log WHERE id > %s AND id <= %s AND {INDEXED_KINDS}",
                (messages[-1][0], end),
            )
            if cursor.fetchone()[0]:
                end = messages[-1][0]
        self._add(cursor, messages)
        cursor.execute("UPDATE search_progress SET indexed = %s", (end,))
        return True

    def remove_messages_from_index(self, cursor: Transaction, ids: Iterable[int]) -> None:
        """Remove the old words of the messages with the log ids ``ids`` from the search index, and index them
        again.

        Their texts were deleted or changed in the same transaction.
        """
        changed = list(ids)
        cursor.execute("DELETE FROM search_words WHERE id = ANY(%s)", (changed,))
        cursor.execute(
            f"SELECT id, conversation, actor, body FROM log WHERE id = ANY(%s) AND {INDEXED_KINDS}"
            " AND id <= (SELECT indexed FROM search_progress)",
            (changed,),
        )
        self._add(cursor, cursor.fetchall())

    def _add(self, cursor: Transaction, messages: Sequence[tuple[int, int, int, str]]) -> None:
        words = self._cutter.cut([body for *_, body in messages])
        rows = [
            (*message[:3], " ".join(f"'{_stored(word)}'" for word in set(words_of_one)))
            for message, words_of_one in zip(messages, words, strict=True)
            if message[3]
        ]
        if rows:
            cursor.executemany(_ADD, rows)

    # The reader's side.

    def run_search_step(
        self,
        cursor: Transaction,
        query: SearchQuery,
        hidden_up_to: Mapping[int, int],
        start: int,
        end: int,
        limit: int,
    ) -> SearchStep:
        """Search a part of the log for ``query`` (see `chatd.store.database.Database.run_search_step`).

        The step ends when ``limit`` messages are found, after `MAX_IDS_PER_SEARCH_STEP` ids with index or
        `MAX_UNINDEXED_IDS_PER_SEARCH_STEP` without, or when the texts of
        `MAX_MESSAGES_PER_PHRASE_SEARCH_STEP`, or `MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP` of texts without
        index, were read.
        """
        terms = cut_terms(self._cutter, query.terms)
        condition, values = _readable(query, hidden_up_to)
        low, high = sorted((start, end))
        if not condition or len(terms) < len(query.terms):  # nothing contains a term without words
            return SearchStep([], None)
        cursor.execute("SELECT indexed FROM search_progress")
        (indexed,) = cursor.fetchone()
        forward = end > start
        is_indexed = start <= indexed
        if is_indexed:
            first, last = _cut(low, min(high, indexed), MAX_IDS_PER_SEARCH_STEP, forward)
            ids, stopped = self._search_index(cursor, terms, condition, values, first, last, forward, limit)
        else:
            first, last = _cut(max(low, indexed + 1), high, MAX_UNINDEXED_IDS_PER_SEARCH_STEP, forward)
            ids, stopped = self._scan(cursor, terms, condition, values, first, last, forward, limit)
        if stopped is None:
            stopped = last if forward else first
        place = stopped + 1 if forward else stopped - 1
        return SearchStep(ids, place if low <= place <= high else None)

    def _search_index(
        self,
        cursor: Transaction,
        terms: list[SearchTermWords],
        condition: str,
        values: list[object],
        first: int,
        last: int,
        forward: bool,
        limit: int,
    ) -> tuple[list[int], int | None]:
        """Return the ids that are found among those from ``first`` to ``last``, and the last one that was
        looked at, None if all were.
        """
        phrases = [term for term in terms if len(term.words) > 1]
        most = MAX_MESSAGES_PER_PHRASE_SEARCH_STEP if phrases else limit
        body = "(SELECT body FROM log WHERE log.id = message.id)" if phrases else "''"
        words = "words @@ CAST(%s AS tsquery) AND" if terms else ""
        cursor.execute(
            f"SELECT id, {body} FROM search_words AS message WHERE {words} id >= %s AND id <= %s"
            f" AND {condition} ORDER BY id {'ASC' if forward else 'DESC'} LIMIT %s",
            (*([_ts_query(terms)] if terms else []), first, last, *values, most),
        )
        rows = cursor.fetchall()
        if not phrases:
            return [id for id, _ in rows], rows[-1][0] if len(rows) == most else None
        return self._filter(rows, phrases, limit, len(rows) == most)

    def _scan(
        self,
        cursor: Transaction,
        terms: list[SearchTermWords],
        condition: str,
        values: list[object],
        first: int,
        last: int,
        forward: bool,
        limit: int,
    ) -> tuple[list[int], int | None]:
        """Like `_search_index`, for messages that are not indexed."""
        order = "ASC" if forward else "DESC"
        cursor.execute(
            "SELECT id, body FROM (SELECT id, body, sum(length(body)) OVER"
            f" (ORDER BY id {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM log AS"
            f" message WHERE id >= %s AND id <= %s AND {INDEXED_KINDS} AND body <> '' AND {condition})"
            " AS texts"
            f" WHERE coalesce(before, 0) <= %s ORDER BY id {order}",
            (first, last, *values, MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP),
        )
        rows = cursor.fetchall()
        is_cut = sum(len(body) for _, body in rows) > MAX_UNINDEXED_CHARACTERS_PER_SEARCH_STEP
        return self._filter(rows, terms, limit, is_cut)

    def _filter(
        self, rows: list[tuple[int, str]], terms: list[SearchTermWords], limit: int, is_cut: bool
    ) -> tuple[list[int], int | None]:
        texts = self._cutter.cut([body for _, body in rows])
        found = [
            id for (id, _), words in zip(rows, texts, strict=True) if all(term.is_in(words) for term in terms)
        ]
        if len(found) >= limit:
            return found[:limit], found[limit - 1]
        return found, rows[-1][0] if is_cut else None


def find_index_problems(cursor: Any) -> list[str]:
    """Return the problems of the search index, as sentences. A sound index has none.

    A sound index has exactly the messages that it should have.
    """
    cursor.execute(
        "SELECT count(*) FROM (SELECT id, conversation, actor FROM search_words EXCEPT"
        f" SELECT id, conversation, actor FROM log WHERE {INDEXED_KINDS} AND body <> ''"
        " AND id <= (SELECT indexed FROM search_progress)) AS too_many"
    )
    ((too_many,),) = cursor.fetchall()
    cursor.execute(
        f"SELECT count(*) FROM (SELECT id FROM log WHERE {INDEXED_KINDS} AND body <> ''"
        " AND id <= (SELECT indexed FROM search_progress) EXCEPT SELECT id FROM search_words) AS missing"
    )
    ((missing,),) = cursor.fetchall()
    if not too_many and not missing:
        return []
    return [f"the search index does not fit to the log: {missing} messages are missing, {too_many} too many"]


def _cut(first: int, last: int, most: int, forward: bool) -> tuple[int, int]:
    """Return the range from ``first`` to ``last``, or its first ``most`` ids if ``forward``, else its last
    ones.
    """
    return (first, min(last, first + most - 1)) if forward else (max(first, last - most + 1), last)


def _stored(word: str) -> str:
    """Return ``word`` as it is indexed."""
    return word.encode()[:MAX_WORD_BYTES].decode(errors="ignore") if len(word) > MAX_WORD_BYTES // 4 else word


def _ts_query(terms: Iterable[SearchTermWords]) -> str:
    """Return the query that finds what has all words of ``terms``, in any order."""
    return " & ".join(
        f"'{_stored(word)}'{':*' if term.is_prefix and place == len(term.words) else ''}"
        for term in terms
        for place, word in enumerate(term.words, 1)
    )


def _readable(query: SearchQuery, hidden_up_to: Mapping[int, int]) -> tuple[str, list[object]]:
    """Return the SQL condition on a ``message`` that ``query`` may find, by its conversation and its author,
    and the values in it. The condition is empty if there is none that may.
    """
    values: list[object] = []
    places = []
    if query.conversation_ids:
        places.append("message.conversation = ANY(%s)")
        values.append(list(query.conversation_ids))
    if query.direct_user_id is not None:
        places.append(
            "message.conversation IN (SELECT id FROM conversations WHERE kind = 'direct'"
            " AND (low = %s OR high = %s))"
        )
        values += [query.direct_user_id] * 2
    if not places:
        return "", []
    parts = [f"({' OR '.join(places)})"]
    hidden = {id: last for id, last in hidden_up_to.items() if last}
    if hidden:
        parts.append(
            "NOT EXISTS (SELECT 1 FROM unnest(CAST(%s AS bigint[]), CAST(%s AS bigint[])) AS hidden (place,"
            " last) WHERE hidden.place = message.conversation AND message.id <= hidden.last)"
        )
        values += [list(hidden), list(hidden.values())]
    if query.author_id is not None:
        parts.append("message.actor = %s")
        values.append(query.author_id)
    if query.log_filter.ignored_user_ids:
        parts.append("message.actor <> ALL(%s)")
        values.append(list(query.log_filter.ignored_user_ids))
    return " AND ".join(parts), values
