"""The rules of replies: pure functions that decide which message a message may answer, and where.

`chatd.chat.replies` carries out the commands.
"""

from __future__ import annotations

from typing import Final

from chatd.core import commands as c
from chatd.core.events import AnsweredMessage, LogEntry, User
from chatd.core.message_rules import check_may_read_conversation_of, no_such_message_refusal
from chatd.core.state import State
from chatd.core.tokens import Token

SENDING_COMMANDS: Final = (c.SendToLobby, c.SendToUser, c.SendToGroup)
"""The classes of the commands that send a message, which may answer another one."""

SendingCommand = c.SendToLobby | c.SendToUser | c.SendToGroup
"""A command of one of the `SENDING_COMMANDS`."""


def check_may_answer(state: State, user: User, answered: LogEntry, token: Token | None) -> AnsweredMessage:
    """Return a reference to the message ``answered``, if ``user`` may answer it.

    Its text may have been deleted.

    ``token`` is that of the session, or None. Raises `Refusal` ``no_such_message`` if the entry is not a
    message, if the user ignores its author, or if it is in a conversation that the user may not read or that
    is outside the scope of the token.
    """
    check_may_read_conversation_of(state, user, answered, token)
    author = answered.event.actor
    if not answered.event.is_message or author.id in state.ignored_user_ids(user):
        raise no_such_message_refusal(answered.id)
    return AnsweredMessage(answered.id, author)


def sending_command_of_reply(user: User, answered: LogEntry, command: c.ReplyToMessage) -> SendingCommand:
    """Return the command that sends the text of ``command`` as a message to the conversation of
    ``answered``.
    """
    conversation = answered.event.conversation
    if conversation.kind == "group":
        return c.SendToGroup(conversation.name, command.msg, reply_to=answered.id)
    if conversation.kind == "direct":
        return c.SendToUser(conversation.other_user(user).nick, command.msg, reply_to=answered.id)
    return c.SendToLobby(command.msg, reply_to=answered.id)
