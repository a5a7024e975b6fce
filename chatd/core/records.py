"""What the store writes and reads: records and drafts; rows, counters and snapshots."""

from __future__ import annotations

from typing import Any

import msgspec

from chatd.core.accounts import Credential, Renamed
from chatd.core.events import Conversation, Entry, Event, User
from chatd.core.state import State


class Draft(msgspec.Struct, frozen=True, eq=False):
    """An event that has no place in the log yet.

    ``at`` is the time of the decision, in ms since 1970. ``ref`` is the author's own id of the message: it is
    stored once.
    """

    event: Event
    at: int
    ref: str | None = None


Record = User | Conversation | Credential | Renamed | Draft
"""What one change writes."""


class Snapshot(msgspec.Struct, frozen=True, eq=False):
    """What the daemon keeps in memory, as the store had it at one moment.

    ``seqs`` holds the seq and ``lasts`` the id of the last entry of each conversation, by the conversation's
    id. ``seen`` holds the read marker of each user, by the user's id: the last id that went to the user
    before they left.
    """

    state: State
    last_id: int
    seqs: dict[int, int]
    lasts: dict[int, int]
    seen: dict[int, int]


Row = tuple[int, int, int, int, Any, int, int | None, str]
"""An entry as the store has it: id, conversation, seq, at, kind, actor, subject, body.

Users and conversations are ids.
"""


class Slice(msgspec.Struct, frozen=True, eq=False):
    """Rows of the log, in its order; ``more`` says whether a limit left others out."""

    rows: list[Row]
    more: bool


def entry_of(state: State, row: Row) -> Entry:
    """The entry in ``row``, with the users and the conversation that ``state`` knows by these ids."""
    id, conversation, seq, at, kind, actor, subject, body = row
    about = None if subject is None else state.users.get(subject)
    return Entry(id, seq, at, Event(kind, state.conversations[conversation], state.users[actor], about, body))
