"""The rule of edits: a pure function that decides who may replace the text of which message.

`chatd.chat.edits` carries out the command.
"""

from __future__ import annotations

from chatd.core import commands as c
from chatd.core.events import ChatEvent, EventKind, LogEntry, User, is_action
from chatd.core.message_rules import (
    check_may_read_conversation_of,
    is_certain_author,
    no_such_message_refusal,
)
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State
from chatd.core.tokens import Token


def edit_message(
    state: State,
    user: User,
    message: LogEntry,
    command: c.EditMessage,
    token: Token | None,
    last_id_at_login: int,
) -> Decision:
    """Return the changes (a `Decision`) by which ``user`` replaces the text of ``message``.

    ``message`` is the log entry that ``command`` names. The journal replaces its old text by the new text in
    the event. Only the author may edit a message; ``last_id_at_login`` is as for `is_certain_author`.
    ``token`` is that of the session, or None.

    Raises `Refusal` ``no_such_message`` if the entry is not a message, has no text any more, or is in a
    conversation that the user may not read or that is outside the scope of ``token``; else ``not_author``,
    ``not_editable`` for an image, and ``same_text`` if nothing would change.
    """
    check_may_read_conversation_of(state, user, message, token)
    said = message.event
    if not said.is_message or said.is_tombstone:
        raise no_such_message_refusal(message.id)
    if not is_certain_author(state, user, message, last_id_at_login):
        raise Refusal("not_author")
    if said.kind == "image":
        raise Refusal("not_editable")
    if said.body == command.msg:
        raise Refusal("same_text", id=message.id)
    body = f"{message.id} {_edited_kind(said.kind, command.msg)} {command.msg}"
    return Decision((ChatEvent("edited", said.conversation, user, said.subject, body),))


def _edited_kind(kind: EventKind, text: str) -> EventKind:
    """Return the kind that a message of the ``kind`` has with the new ``text``."""
    if kind == "notice":
        return kind
    return "action" if is_action(text) else "message"
