"""The rules of deletions: pure functions that decide who may delete the text of which message.

They return a `Decision` or raise a `Refusal`. `chatd.chat.deletions` carries out the command.
"""

from __future__ import annotations

from chatd.core import commands as c
from chatd.core.events import ChatEvent, LogEntry, User
from chatd.core.message_rules import (
    check_may_read_conversation_of,
    is_certain_author,
    no_such_message_refusal,
)
from chatd.core.moderation import MessageTextDeleted
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State
from chatd.core.tokens import Token


def delete_as_server_operator(
    state: State, operator: User, message: LogEntry, command: c.DeleteMessage, now: int
) -> Decision:
    """Return the changes (a `Decision`) by which a server operator deletes ``message``.

    ``message`` is the log entry that ``command`` names. The changes include an entry of the moderation log.
    ``now`` is in milliseconds since 1970. Raises `Refusal` ``no_such_message`` if the log entry is not a
    message, or has no text any more.
    """
    decision = _deletion(operator, message, command)
    record = state.build_moderation_entry(operator, "delete", str(message.id), now, reason=command.reason)
    return Decision(decision.events, (*decision.records, record))


def delete_as_user(
    state: State,
    user: User,
    message: LogEntry,
    command: c.DeleteMessage,
    token: Token | None,
    last_id_at_login: int,
) -> Decision:
    """Return the changes (a `Decision`) by which ``user`` deletes ``message``, the log entry that ``command``
    names.

    Users may delete their own messages. The owner and the operators of a group may delete all messages in it.
    `delete_as_server_operator` is for server operators. A session with a ``token`` may delete only messages
    of its user. ``last_id_at_login`` is as for `is_certain_author`.

    Raises `Refusal` ``no_such_message`` if the entry is not a message, has no text any more, or is in a
    conversation that the user may not read or that is outside the scope of ``token``. For a message that the
    user may read but not delete, raises ``out_of_scope`` with a token, else ``not_operator`` in a group, else
    ``not_server_operator``.
    """
    check_may_read_conversation_of(state, user, message, token)
    decision = _deletion(user, message, command)
    if is_certain_author(state, user, message, last_id_at_login):
        return decision
    if token is not None:
        raise Refusal("out_of_scope")
    group = state.group_of(message.event.conversation)
    if group is None:
        raise Refusal("not_server_operator")
    if group.role(user) == "member":
        raise Refusal("not_operator", group=group.name)
    return decision


def _deletion(user: User, message: LogEntry, command: c.DeleteMessage) -> Decision:
    said = message.event
    if not said.is_message or said.is_tombstone:
        raise no_such_message_refusal(command.id)
    deleted = f"{message.id} {command.reason}".rstrip()
    event = ChatEvent("deleted", said.conversation, user, said.actor, deleted)
    return Decision((event,), (MessageTextDeleted(message.id),))
