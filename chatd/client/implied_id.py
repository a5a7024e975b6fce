"""The message that a typed command is for if the line does not have its id: the last one that fits.

``/edit hello`` is for the user's last message, ``/reply``, ``/react`` and ``/unreact`` are for the last one
of somebody else. The id may still be given: ``/edit 17 hello``.
"""

from __future__ import annotations

from typing import Final

from chatd.client.command_usage import displayed_usage
from chatd.client.language import _
from chatd.core import commands as c
from chatd.core.declarations import CommandDeclaration
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.typed_commands import parse_slash_line

_FOR_OWN_MESSAGES: Final = (c.EditMessage,)

_FOR_MESSAGES_OF_OTHERS: Final = (c.ReplyToMessage, c.ReactToMessage, c.TakeReactionBack)


def has_implied_id(row: CommandDeclaration) -> bool:
    """Return whether the user may leave out the id of the message when typing the command ``row``."""
    return row.command in (*_FOR_OWN_MESSAGES, *_FOR_MESSAGES_OF_OTHERS)


def with_implied_message_id(typed: str, last_own_id: int | None, last_other_id: int | None) -> str:
    """Return the line ``typed`` with the id of a message, if its command needs an id and has none.

    The id is ``last_own_id``, that of the user's last message in the current conversation, or
    ``last_other_id``, that of the last message of another user, as the command requires. Either is None if it
    is not known. Any other line is returned unchanged. Raises `Refusal` if the needed id is not known.
    """
    slash = parse_slash_line(typed)
    row = None if slash is None else slash.declaration
    if slash is None or row is None or not has_implied_id(row):
        return typed
    id = last_own_id if row.command in _FOR_OWN_MESSAGES else last_other_id
    first, _blank, rest = slash.rest.partition(" ")
    if first.isdecimal() and rest.strip():  # a reaction may be a number, but not an id alone
        return typed
    if id is None:
        if row.command in _FOR_OWN_MESSAGES:
            why = _("your last message here is not sent yet, or there is none")
        else:
            why = _("nobody else has written here, or not lately")
        raise Refusal(
            "bad_request", why=translatable_reason("usage", usage=f"{displayed_usage(row)} ({why})")
        )
    return f"/{slash.word} {id} {slash.rest}"
