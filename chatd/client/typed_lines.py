"""The parser for lines that the user types in the client.

A line is a ``word;field`` command, a ``/word`` command, or else a message for the current conversation.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from chatd.client.client_command_table import QUEUED_COMMANDS
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.command_usage import displayed_field_name
from chatd.client.implied_group import (
    NO_NAMES_KNOWN,
    KnownNames,
    parse_fields_with_implied_group,
    slash_usage_in_conversation,
)
from chatd.client.language import _
from chatd.core import commands as c
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.typed_commands import (
    SlashLine,
    is_command_with_secret,
    parse_semicolon_command,
    parse_slash_line,
    unescape_leading_slash,
)

LARGEST_DAEMON_LIMITS: Final = Limits(message=9_600, image=64 * 1024)
"""The largest message and image sizes, in bytes, that any daemon allows.

Each daemon also checks its own limits.
"""

MAX_COPIED_MESSAGES: Final = 100
"""The maximum number of messages that ``/copy`` copies."""

SLASH_ALIASES: Final = {
    "op": "promote",
    "deop": "demote",
    "part": "leave",
    "names": "members",
    "list": "rooms",
    "query": "msg",
}
"""The words of IRC clients that the client understands, and the slash word that each stands for."""

NICK_SLASH_WORD: Final = "nick"
"""The slash word of IRC's change of nick, which chatd does not have; the client says what to do instead."""


class SendImage(msgspec.Struct, frozen=True):
    """The client's command ``/image``, which sends the picture in the file ``path`` as text to ``place``."""

    path: str
    place: ConversationRef


class SendTextFile(msgspec.Struct, frozen=True):
    """The client's command ``/paste``, which sends the text file at ``path`` to ``place`` as one message."""

    path: str
    place: ConversationRef


class CopyMessages(msgspec.Struct, frozen=True):
    """The client's command ``/copy``, which copies the last ``count`` messages on the screen to the
    clipboard.
    """

    count: int


class OpenDirectConversation(msgspec.Struct, frozen=True):
    """The client's command ``/msg``, which opens the direct conversation with the user ``nick``.

    ``message`` is the command that sends a message to that user, or None if the line has no text.
    """

    nick: str
    message: c.Command | None = None


TypedCommand = c.Command | SendImage | SendTextFile | CopyMessages | OpenDirectConversation
"""What a typed line stands for: a command of the daemon's, or one that only the client has."""


def parse_typed_line(typed: str, here: ConversationRef, known: KnownNames = NO_NAMES_KNOWN) -> TypedCommand:
    """Return the command for ``typed``, a line that was typed in the conversation ``here``.

    ``s;bob;hello`` and ``/msg bob hello`` are commands. Any other line is a message; ``//hello`` is the
    message ``/hello``, and ``/me waves`` is an action. ``known`` are the names that tell whether the first
    word of a ``/`` command is its group: see `parse_fields_with_implied_group`. Raises `Refusal` for an
    unknown ``/`` word, for a malformed or too long line, and for a message that looks like a mistyped command
    with a password or an invitation link.
    """
    slash = parse_slash_line(typed)
    if slash is not None:
        return _slash(slash, here, known)
    word, semicolon, rest = typed.partition(";")
    command = parse_semicolon_command(f"{word.strip()}{semicolon}{rest}")
    if command is not None:
        row, values = command
        return row.build(values, LARGEST_DAEMON_LIMITS)
    if is_command_with_secret(typed):
        raise Refusal("bad_request", why=translatable_reason("password_in_message"))
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


def _slash(typed: SlashLine, here: ConversationRef, known: KnownNames) -> TypedCommand:
    word = typed.word.lower()
    if word in QUEUED_COMMANDS:
        return _client_command(word, typed.rest.strip(), here)
    if word == NICK_SLASH_WORD:
        told = _("a nick can't be changed: leave with /quit, and come back with chat --name {nick}")
        raise Refusal("bad_request", why=told.format(nick=typed.rest.strip() or "NICK"))
    action = typed.action_message(displayed_field_name)
    if action is not None:
        return message_command(here, action)
    row = SlashLine(SLASH_ALIASES.get(word, typed.word), typed.rest).declaration
    if row is None:
        raise Refusal("unknown_action", name=f"/{typed.word[:64]}")
    if row.command is c.SendToUser:
        return _open_direct(typed.rest, slash_usage_in_conversation(row, here, word))
    values = parse_fields_with_implied_group(row, typed.rest, here, known, LARGEST_DAEMON_LIMITS)
    if here.kind == "group":
        if row.name == "clients":
            return c.ListMembers(here.name)
        if row.group_defaults_to_room:
            values.setdefault("group", here.name)
    if row.name == "history" and "dest" not in values and here != LOBBY:
        values["group" if here.kind == "group" else "dest"] = here.name
    if not row.required_fields <= values.keys():
        raise Refusal(
            "bad_request",
            why=translatable_reason("usage", usage=slash_usage_in_conversation(row, here, word)),
        )
    command = row.build(values, LARGEST_DAEMON_LIMITS)
    return c.Join(command.group) if isinstance(command, c.EnterGroup) else command


def _client_command(word: str, rest: str, here: ConversationRef) -> SendImage | SendTextFile | CopyMessages:
    """Return the command of the client ``word``, one of `QUEUED_COMMANDS`, with the argument ``rest``."""
    usage = Refusal("bad_request", why=translatable_reason("usage", usage=QUEUED_COMMANDS[word].usage))
    if word == "copy":
        count = rest or "1"
        if not (count.isascii() and count.isdigit() and len(count) < 4 and int(count) > 0):
            raise usage
        return CopyMessages(min(int(count), MAX_COPIED_MESSAGES))
    if not rest:
        raise usage
    return SendImage(rest, here) if word == "image" else SendTextFile(rest, here)


def _open_direct(rest: str, usage: str) -> OpenDirectConversation:
    """Return the command ``/msg nick text``, or ``/msg nick``, which only goes to the conversation."""
    nick, *text = rest.split(None, 1)[:2] or [""]
    if not nick:
        raise Refusal("bad_request", why=translatable_reason("usage", usage=usage))
    place = ConversationRef("direct", nick)
    return OpenDirectConversation(nick, message_command(place, text[0]) if text else None)
