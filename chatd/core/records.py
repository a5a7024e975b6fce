"""The values that pass between the chat and its store: records to write, rows of the log and snapshots."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from chatd.core.events import AnsweredMessage, ChatEvent, Conversation, LogEntry
from chatd.core.read_marks import ReadMarkPosition
from chatd.core.search import SearchTerm
from chatd.core.state import NO_LOG_FILTER as NO_LOG_FILTER
from chatd.core.state import LogFilter as LogFilter
from chatd.core.state import RecordedChange, State


class EntryDraft(msgspec.Struct, frozen=True, eq=False):
    """An event to append to the log, before the journal gives it an id and a seq.

    ``at`` is the time of the command's decision, in milliseconds since 1970-01-01 UTC, but not before the
    ``at`` of an earlier draft. ``ref`` is the id that the client has given to a message; None if it gave
    none, and for other events. If the same user sends a message again with the same ref, the journal does not
    store it a second time.
    """

    event: ChatEvent
    at: int
    ref: str | None = None


PageContents = Literal["messages", "events", "all"]
"""What a page of the log has: messages, events, or both in one order."""

MAX_SAME_MILLISECOND_ENTRIES: Final = 500
"""The maximum number of entries that a page has beyond its limit, so that it ends between two times."""

JournalRecord = RecordedChange | EntryDraft
"""A value that the journal writes to the database."""


class Snapshot(msgspec.Struct, frozen=True, eq=False):
    """A copy of all data that the daemon keeps in memory, read from the database in one transaction.

    ``last_id`` is the id of the last log entry, and ``last_at`` its time in milliseconds since 1970; both are
    0 if the log is empty. ``last_seqs`` maps the id of each conversation to the seq of its last entry, and
    ``last_ids`` to the id of that entry. ``last_seen_ids`` maps the id of each user to the user's last seen
    id, which is the id of the last entry that was sent to the user. ``read_marks`` maps user ids to the
    user's read marks, by conversation id; users without read marks are left out. ``database_bytes`` is the
    size of the database on the disk.
    """

    state: State
    last_id: int
    last_at: int
    last_seqs: dict[int, int]
    last_ids: dict[int, int]
    last_seen_ids: dict[int, int]
    read_marks: dict[int, dict[int, ReadMarkPosition]]
    database_bytes: int


class UnreadRange(NamedTuple):
    """The range of ids in which the unread messages of ``conversation`` are counted.

    A message is in the range if ``after_id`` < id <= ``max_id``.
    """

    conversation: Conversation
    after_id: int
    max_id: int


class PageIdWindow(msgspec.Struct, frozen=True, eq=False):
    """The bounds and the size of a page of one conversation, for the query that reads the page.

    ``contents`` says whether the page has messages, events or both. Their ids lie between ``after`` and
    ``before``, both excluded. If there are more than ``limit`` entries, the page has the first ones if
    ``reads_forward`` is true, else the last ones.

    If ``whole_milliseconds`` is true and the page would end between entries with the same time, it goes on to
    the last of them. For this purpose it may have up to `MAX_SAME_MILLISECOND_ENTRIES` entries more than
    ``limit``, and up to twice the bytes of a page.
    """

    limit: int
    before: int | None = None
    after: int | None = None
    contents: PageContents = "messages"
    reads_forward: bool = False
    whole_milliseconds: bool = False


class SearchQuery(msgspec.Struct, frozen=True, eq=False):
    """The criteria of a search, for the store.

    The search finds messages that contain all ``terms``. If ``author_id`` is not None, only messages of that
    user are found. The messages are in the conversations with the ids ``conversation_ids``, and, if
    ``direct_user_id`` is not None, in the direct conversations of that user. Messages that ``log_filter``
    hides are not found.
    """

    terms: tuple[SearchTerm, ...]
    conversation_ids: tuple[int, ...]
    log_filter: LogFilter
    direct_user_id: int | None = None
    author_id: int | None = None


class SearchStep(msgspec.Struct, frozen=True, eq=False):
    """The result of one step of a search: the ids of the messages that were found, in the order of the
    search.

    ``resume_id`` is the id at which the next step continues, or None if everything was searched.
    """

    message_ids: list[int]
    resume_id: int | None


LogTableRow = tuple[int, int, int, int, Any, int, int | None, str | None, str]
"""A row of the log table: id, conversation, seq, at, kind, actor, subject, changes, body.

The conversation and the users are given by their ids. ``changes`` is None for most entries. Else it is a JSON
array of the id of the message that this one answers, the id of that message's author, and the id of the last
edit of this message; each may be null. The body of an ``edited`` event is as in `ChatEvent`.
"""

_decode_changes = msgspec.json.Decoder(tuple[int | None, int | None, int | None]).decode


class EntrySlice(msgspec.Struct, frozen=True, eq=False):
    """A part of the log that a query has read: its rows, one for each log entry, in ascending order of ids.

    A query stops at a limit of rows, of bytes or of examined entries. ``has_more`` says whether there may be
    further rows. If the limit of examined entries was reached, ``resume_id`` is the id of the last examined
    entry, and the next query continues from there. Otherwise ``resume_id`` is None.

    For a page, ``reactions`` maps the ids of messages to their reactions, the oldest first. Each is a pair of
    the reaction and the id of the user.
    """

    rows: list[LogTableRow]
    has_more: bool
    resume_id: int | None = None
    reactions: dict[int, list[tuple[str, int]]] = {}


def entry_from_row(state: State, row: LogTableRow) -> LogEntry:
    """Return the log entry for ``row``, a row of the database's table ``log``.

    The users and the conversation are taken from ``state`` by their ids. Raises `KeyError` if ``state`` does
    not know the conversation or the actor.
    """
    id, conversation, seq, at, kind, actor, subject, changes, body = row
    about = None if subject is None else state.users.get(subject)
    author = state.user_by_id(actor)
    is_registered = actor in state.credentials and state.is_registered(author)
    event = ChatEvent(kind, state.conversations[conversation], author, about, body, False, is_registered)
    if changes is not None:
        answered, answered_author, edited = _decode_changes(changes)
        message = _answered_message(state, answered, answered_author)
        event = replace(event, answered_message=message, is_edited=edited is not None)
    return LogEntry(id, seq, at, event)


def _answered_message(state: State, id: int | None, author: int | None) -> AnsweredMessage | None:
    return None if id is None or author is None else AnsweredMessage(id, state.user_by_id(author))
