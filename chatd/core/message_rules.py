"""The rules that commands on a message have in common: whether its user can see it, and whose it is."""

from __future__ import annotations

from chatd.core.events import LogEntry, User
from chatd.core.refusals import Refusal
from chatd.core.state import State
from chatd.core.tokens import Token, token_covers


def no_such_message_refusal(id: int) -> Refusal:
    """Return the refusal that says that there is no message ``id``, or none that the user may see."""
    return Refusal("no_such_message", id=id)


def check_may_read_conversation_of(state: State, user: User, message: LogEntry, token: Token | None) -> None:
    """Check that ``user`` may read the conversation of the log entry ``message``.

    The conversation must also be in the scope of ``token``, the session's token, if there is one. Raises
    `Refusal` ``no_such_message``.
    """
    conversation = message.event.conversation
    takes_part = not conversation.pair or user.id in conversation.pair_ids
    if not (takes_part and state.may_read(user, conversation) and token_covers(token, conversation)):
        raise no_such_message_refusal(message.id)


def is_certain_author(state: State, user: User, message: LogEntry, last_id_at_login: int) -> bool:
    """Return whether it is certain that ``user`` has written ``message``.

    Messages of the present session, with ids above ``last_id_at_login``, are certain. Older messages are
    certain only if the user was registered when they were sent, because a nick without a password proves
    nothing about the past.
    """
    if message.event.actor.id != user.id:
        return False
    if message.id > last_id_at_login:
        return True
    credential = state.credentials.get(user.id)
    return credential is not None and message.at >= (credential.registered_at or 0)
