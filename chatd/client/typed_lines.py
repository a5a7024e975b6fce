"""The parser for lines that the user types in the client.

A line is a ``word;field`` command, a ``/word`` command, or else a message for the current conversation.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.language import _
from chatd.core import commands as c
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, refusal_reason
from chatd.core.typed_commands import (
    SlashLine,
    is_command_with_secret,
    parse_semicolon_command,
    parse_slash_fields,
    parse_slash_line,
    unescape_leading_slash,
)

LARGEST_DAEMON_LIMITS: Final = Limits(message=9_600, image=64 * 1024)
"""The largest message and image sizes, in bytes, that any daemon allows.

Each daemon also checks its own limits.
"""

IMAGE_SLASH_WORD: Final = "image"
"""The name of the slash command that only the client has: ``/image``."""


class SendImage(msgspec.Struct, frozen=True):
    """The client's command ``/image``: turn the picture at ``path`` into text and send it to ``place``."""

    path: str
    place: ConversationRef


def parse_typed_line(typed: str, here: ConversationRef) -> c.Command | SendImage:
    """Return the command that the line ``typed`` stands for in the conversation ``here``.

    ``s;bob;hello`` and ``/msg bob hello`` are commands. Any other line is a message; ``//hello`` is the
    message ``/hello``, and ``/me waves`` an action. Raises `Refusal` for an unknown ``/word``, a malformed or
    too long line, and a message that looks like a command with a password or link.
    """
    slash = parse_slash_line(typed)
    if slash is not None:
        return _slash(slash, here)
    word, semicolon, rest = typed.partition(";")
    command = parse_semicolon_command(f"{word.strip()}{semicolon}{rest}")
    if command is not None:
        row, values = command
        return row.build(values, LARGEST_DAEMON_LIMITS)
    if is_command_with_secret(typed):
        raise Refusal("bad_request", why=refusal_reason("password_in_message"))
    return message_command(here, unescape_leading_slash(typed))


def message_command(
    place: ConversationRef, text: str, kind: Literal["message", "image"] = "message"
) -> c.Command:
    """Return the command that sends ``text`` to the conversation ``place``.

    Raises `Refusal` if ``text`` is not allowed.
    """
    fields = {"msg": text, "kind": kind}
    if place == LOBBY:
        return c.COMMANDS["broadcast"].build(fields, LARGEST_DAEMON_LIMITS)
    if place.kind == "group":
        return c.COMMANDS["gbroadcast"].build({"group": place.name, **fields}, LARGEST_DAEMON_LIMITS)
    return c.COMMANDS["send"].build({"dest": place.name, **fields}, LARGEST_DAEMON_LIMITS)


def _slash(typed: SlashLine, here: ConversationRef) -> c.Command | SendImage:
    if typed.word.lower() == IMAGE_SLASH_WORD:
        path = typed.rest.strip()
        if not path:
            raise Refusal("bad_request", why=refusal_reason("usage", usage=f"/{IMAGE_SLASH_WORD} file"))
        return SendImage(path, here)
    action = typed.action_message(_)
    if action is not None:
        return message_command(here, action)
    row = typed.declaration
    if row is None:
        raise Refusal("unknown_action", name=f"/{typed.word[:64]}")
    values = parse_slash_fields(row, typed.rest)
    if here.kind == "group":
        if row.name == "clients":
            return c.ListMembers(here.name)
        if row.group_defaults_to_room:
            values.setdefault("group", here.name)
    if row.name == "history" and "dest" not in values and here != LOBBY:
        values["group" if here.kind == "group" else "dest"] = here.name
    if not row.required <= values.keys():
        raise Refusal("bad_request", why=refusal_reason("usage", usage=row.translated_slash_usage(_)))
    command = row.build(values, LARGEST_DAEMON_LIMITS)
    return c.Join(command.group) if isinstance(command, c.EnterGroup) else command


def with_message_id(typed: str, last_own_id: int | None, last_other_id: int | None) -> str:
    """Return the line ``typed`` with an id, if it is a command on a message without one.

    ``/edit`` is then for the user's last message in the current conversation, which has the id
    ``last_own_id``; ``/reply``, ``/react`` and ``/unreact`` are for the last one of somebody else,
    ``last_other_id``. If that is None, and for any other line, the line is returned unchanged.
    """
    slash = parse_slash_line(typed)
    row = None if slash is None else slash.declaration
    to_others = (c.ReplyToMessage, c.ReactToMessage, c.TakeReactionBack)
    ids: dict[type[c.Command], int | None] = {c.EditMessage: last_own_id}
    ids |= dict.fromkeys(to_others, last_other_id)
    id = None if row is None else ids.get(row.command)
    if slash is None or id is None:
        return typed
    first, _blank, rest = slash.rest.partition(" ")
    if first.isdecimal() and rest.strip():  # a reaction may be a number, but an id has something behind it
        return typed
    return f"/{slash.word} {id} {slash.rest}"
