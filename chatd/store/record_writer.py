"""Writes records that are no log entries, such as users, conversations, credentials, tokens and links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.enterprise.adbapi import Transaction

from chatd.core.accounts import CLOSED_ACCOUNT_HASH, Credential, UserRenamed
from chatd.core.events import Conversation, User
from chatd.core.links import InvitationLink, InvitationLinkDeleted
from chatd.core.moderation import (
    BannedNetworks,
    ConversationTrimmed,
    ErasureCompleted,
    IgnoreChanged,
    MessageTextDeleted,
    ModerationEntry,
    TextsErased,
    UserErased,
)
from chatd.core.read_marks import ReadMarksDeleted
from chatd.core.state import RecordedChange
from chatd.core.tokens import Token, TokenDeleted
from chatd.store.database import Database


def write_record(cursor: Transaction, database: Database, record: RecordedChange) -> None:
    """Write ``record`` in the transaction of ``cursor``."""
    if isinstance(record, UserErased):
        _erase(cursor, database, record)
        return
    if isinstance(record, ReadMarksDeleted):
        _delete_read_marks(cursor, record)
        return
    if isinstance(record, TextsErased):
        cursor.executemany(_DELETE_REACTIONS_TO, [(id,) for id in record.entry_ids])
        cursor.executemany(_ERASE_TEXT, [(record.user.id, id) for id in record.entry_ids])
        database.remove_messages_from_index(cursor, record.entry_ids)
    statement, values = _STATEMENTS[type(record)]
    cursor.execute(statement, values(record))
    if isinstance(record, ConversationTrimmed):
        cursor.execute(f"SELECT id {_TRIMMED}", values(record))
        ids = [id for (id,) in cursor.fetchall()]
        cursor.executemany(_DELETE_REACTIONS_TO, [(id,) for id in ids])
        cursor.execute(f"DELETE {_TRIMMED}", values(record))
        database.remove_messages_from_index(cursor, ids)
    elif isinstance(record, MessageTextDeleted):
        database.remove_messages_from_index(cursor, (record.message_id,))
        cursor.execute(_DELETE_REACTIONS_TO, (record.message_id,))
    elif isinstance(record, Credential):
        cursor.execute('DELETE FROM tokens WHERE "user" = ?', (record.user.id,))


def upsert_statement(table: str, key: Sequence[str], *columns: str) -> str:
    """Return the SQL that inserts a row, or replaces the row with the same values in the columns ``key``.

    The row has the columns ``key`` and ``columns``.
    """
    names = ", ".join((*key, *columns))
    placeholders = ", ".join("?" * (len(key) + len(columns)))
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return (
        f"INSERT INTO {table} ({names}) VALUES ({placeholders})"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
    )


def _delete_read_marks(cursor: Transaction, record: ReadMarksDeleted) -> None:
    given = {'"user"': record.user, "conversation": record.conversation}
    ids = {column: owner.id for column, owner in given.items() if owner is not None}
    where = " AND ".join(f"{column} = ?" for column in ids)
    cursor.execute(f"DELETE FROM read_marks WHERE {where}", tuple(ids.values()))


def _erase(cursor: Transaction, database: Database, record: UserErased) -> None:
    user = record.user
    cursor.execute(
        "UPDATE users SET nick = ?, key = ? WHERE id = ?", (user.nick, user.normalized_nick, user.id)
    )
    database.remove_copies_of_keys(cursor)
    for statement in _DELETE_ROWS_OF_USER:
        cursor.execute(statement, (user.id,))
    write_record(cursor, database, Credential(user, CLOSED_ACCOUNT_HASH))
    cursor.executemany(
        "UPDATE moderation SET target = ?, reason = ? WHERE id = ?",
        [(act.target, act.reason, act.id) for act in record.redacted_entries],
    )
    cursor.execute(_BEGIN_ERASURE, (user.id, 0))


_BEGIN_ERASURE: Final = upsert_statement("erasures", ('"user"',), "last")

_DELETE_ROWS_OF_USER: Final = (
    'DELETE FROM ignores WHERE "user" = ?',
    "DELETE FROM ignores WHERE other = ?",
    "DELETE FROM links WHERE maker = ?",
    'DELETE FROM read_marks WHERE "user" = ?',
    'DELETE FROM reactions WHERE "user" = ?',
)
"""The statements that delete the rows of an erased user, each with the id of that user as its only value.

A table with rows that belong to a user needs a statement here, unless an erased user keeps the row, or the
new credential deletes it, as it does with tokens.
"""

_TRIMMED: Final = (
    "FROM log WHERE conversation = ? AND id <= ? AND kind IN ('message', 'image', 'action', 'notice')"
)
_DELETE_REACTIONS_TO: Final = "DELETE FROM reactions WHERE message = ?"

# The text that a user has written, or that was written about the user; what a deletion is about stays.
_ERASE_TEXT: Final = (
    "UPDATE log SET"
    " body = CASE kind WHEN 'deleted' THEN substr(body, 1, instr(body || ' ', ' ') - 1) ELSE '' END,"
    " ref = CASE actor WHEN ? THEN NULL ELSE ref END WHERE id = ?"
)


_ADD_TOKEN: Final = (
    'INSERT INTO tokens (digest, "user", name, access, conversations, made, expires)'
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def _conversation_values(record: Conversation) -> tuple[object, ...]:
    low, high = record.pair or (None, None)
    return record.id, record.kind, record.name, low and low.id, high and high.id


def _moderation_values(record: ModerationEntry) -> tuple[object, ...]:
    operator = record.operator.id
    return record.id, record.at, operator, record.kind, record.target, record.until, record.reason


def _token_values(record: Token) -> tuple[object, ...]:
    ids = record.conversation_ids
    conversations = None if ids is None else " ".join(map(str, sorted(ids)))
    digest, user = str(record.digest), record.user.id
    return digest, user, record.name, record.access, conversations, record.made_at, record.expires_at


def _link_values(record: InvitationLink) -> tuple[object, ...]:
    digest, conversation = str(record.digest), record.conversation.id
    return (
        digest,
        conversation,
        record.number,
        record.maker_id,
        record.made_at,
        record.expires_at,
        record.use_count,
    )


_STATEMENTS: Final[dict[type[RecordedChange], tuple[str, Callable[[Any], tuple[object, ...]]]]] = {
    User: (
        "INSERT INTO users (id, nick, key, colour) VALUES (?, ?, ?, ?)",
        lambda record: (record.id, record.nick, record.normalized_nick, record.colour),
    ),
    Conversation: (
        "INSERT INTO conversations (id, kind, name, low, high) VALUES (?, ?, ?, ?, ?)",
        _conversation_values,
    ),
    Credential: (
        upsert_statement("credentials", ('"user"',), "hash", "since"),
        lambda record: (record.user.id, str(record.hash), record.registered_at),
    ),
    Token: (
        _ADD_TOKEN,
        _token_values,
    ),
    TokenDeleted: ("DELETE FROM tokens WHERE digest = ?", lambda record: (str(record.token.digest),)),
    InvitationLink: (
        upsert_statement("links", ("digest",), "conversation", "number", "maker", "made", "expires", "uses"),
        _link_values,
    ),
    InvitationLinkDeleted: ("DELETE FROM links WHERE digest = ?", lambda record: (str(record.link.digest),)),
    UserRenamed: (
        "UPDATE users SET nick = ?, key = ? WHERE id = ?",
        lambda record: (record.user.nick, record.user.normalized_nick, record.user.id),
    ),
    ModerationEntry: (
        "INSERT INTO moderation (id, at, operator, kind, target, until, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        _moderation_values,
    ),
    BannedNetworks: (
        upsert_statement("ban_origins", ("conversation", '"user"'), "origins"),
        lambda record: (record.conversation.id, record.user.id, " ".join(record.networks)),
    ),
    IgnoreChanged: (
        upsert_statement("ignores", ('"user"', "other"), "ignored"),
        lambda record: (record.user.id, record.other_user.id, record.is_ignored),
    ),
    ConversationTrimmed: (
        upsert_statement("trimmed", ("conversation",), "last"),
        lambda record: (record.conversation.id, record.last_id),
    ),
    TextsErased: (
        'UPDATE erasures SET last = ? WHERE "user" = ?',
        lambda record: (record.entry_ids[-1], record.user.id),
    ),
    ErasureCompleted: ('DELETE FROM erasures WHERE "user" = ?', lambda record: (record.user.id,)),
    MessageTextDeleted: ("UPDATE log SET body = '' WHERE id = ?", lambda record: (record.message_id,)),
}
"""For each type of record, the SQL statement and the function that returns its values."""
