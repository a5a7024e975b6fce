"""Messages on IRC: those that a client sends, and the lines that a log entry makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatd.core.events import ACTION_PREFIX, ChatEvent, LogEntry
from chatd.core.requests import Request
from chatd.dialects.irc_accounts import with_account
from chatd.dialects.irc_client import SERVER_NAME, channel_of, group_name, source_of
from chatd.dialects.irc_lines import (
    MAX_LINE_BYTES,
    IrcLine,
    format_ctcp,
    format_line,
    parse_ctcp,
    split_text,
    without_formatting,
)
from chatd.dialects.irc_typed import decode_typed
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MAX_LINES_PER_MESSAGE: Final = 128
"""The maximum number of lines that one message makes."""


def privmsg(dialect: IrcDialect, line: IrcLine) -> Request:
    """``PRIVMSG`` and ``NOTICE``: send a message to the lobby, a group or a user."""
    client = dialect.client
    if not line.params or not line.params[0]:
        return dialect.reply(client.numeric("no_recipient"))
    target, *texts = line.params
    if "," in target:
        return dialect.reply(client.numeric("too_many_targets", target))
    kind = "notice" if line.verb == "NOTICE" else "message"
    text = texts[0] if texts else ""
    if target.casefold() == SERVER_NAME:
        return with_account(dialect, decode_typed(text, dialect.limits))
    ctcp = parse_ctcp(text)
    if ctcp is not None:
        verb, rest = ctcp
        if verb != "ACTION":
            return dialect.fail(line.verb, "CTCP_IS_OFF", "only CTCP ACTION is passed on here", target)
        text = ACTION_PREFIX + rest
    text = without_formatting(text)
    if not text.strip():
        return dialect.reply(client.numeric("no_text"))
    if not target.startswith("#"):
        return dialect.request(line, "send", dest=target, msg=text, kind=kind)
    group = group_name(target)
    if not group:
        return dialect.request(line, "broadcast", msg=text, kind=kind)
    return dialect.request(line, "gbroadcast", group=group, msg=text, kind=kind)


def target_of(event: ChatEvent) -> str:
    """Return the target of the lines of ``event``, a message: a channel, or the nick of the receiver."""
    if event.conversation.kind == "direct":
        return (event.subject or event.actor).nick
    return channel_of(event.conversation)


def message_lines(capabilities: frozenset[str], entry: LogEntry, shows_time: bool = False) -> list[bytes]:
    """Return the lines of ``entry``, a message, with the tags that the ``capabilities`` allow.

    With ``shows_time``, for messages of the past, the text begins with the time if no tag says it.
    """
    event = entry.event
    if event.is_tombstone:
        return []
    source, target = source_of(event.actor.nick), target_of(event)
    verb = "NOTICE" if event.kind == "notice" else "PRIVMSG"
    room = MAX_LINE_BYTES - len(f":{source} {verb} {target} :".encode())
    text = event.body
    if event.kind == "image":
        count = text.count("\n") + 1
        text = f"[an image of {count} lines, number {entry.id}: a client of another wire shows it]"
    is_action = event.kind == "action"
    if is_action:
        text, room = text.removeprefix(ACTION_PREFIX), room - len("\x01ACTION \x01")
    time = format_rfc3339(entry.at)
    if shows_time and "server-time" not in capabilities:
        text = f"[{time[11:16]}] {text}"
    lines: list[bytes] = []
    for number, piece in enumerate(split_text(text, room, MAX_LINES_PER_MESSAGE), 1):
        shown = format_ctcp("ACTION", piece) if is_action else piece
        tags = entry_tags(capabilities, entry, number)
        lines.append(format_line(verb, target, shown, source=source, tags=tags, trailing=True))
    return lines


def entry_tags(capabilities: frozenset[str], entry: LogEntry, number: int = 1) -> dict[str, str]:
    """Return the tags of line ``number`` of ``entry``: its id, its time and the account of its author, if the
    client knows such tags.
    """
    tags: dict[str, str] = {}
    if "message-tags" in capabilities:
        tags["msgid"] = str(entry.id) if number == 1 else f"{entry.id}.{number}"
    if "server-time" in capabilities:
        tags["time"] = format_rfc3339(entry.at)
    if entry.event.actor_is_registered and "account-tag" in capabilities:
        tags["account"] = entry.event.actor.nick
    return tags
