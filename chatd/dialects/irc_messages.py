"""Messages on IRC: those that a client sends, and the lines that a log entry makes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatd.core.answers import PreparedAnswer
from chatd.core.events import ACTION_PREFIX, ChatEvent, LogEntry, action_text_without_prefix
from chatd.core.reply_rules import SENDING_COMMANDS
from chatd.core.requests import Request
from chatd.core.terminal import LINE_END_PATTERN, replace_controls
from chatd.dialects.irc_accounts import with_account_after_registration
from chatd.dialects.irc_batches import MULTILINE_CAPABILITY, batch_lines
from chatd.dialects.irc_channels import chain_requests, request_for_each_target
from chatd.dialects.irc_client import (
    DAEMON_NICK,
    MIN_MESSAGE_TEXT_BYTES_PER_LINE,
    IrcClientState,
    channel_of_conversation,
    group_name,
    shortened_source,
    source_of,
)
from chatd.dialects.irc_lines import (
    MAX_LINE_BYTES,
    IrcLine,
    format_ctcp,
    format_line,
    parse_ctcp,
    split_text,
    split_text_losslessly,
    with_tags,
    without_formatting,
)
from chatd.dialects.irc_transient import (
    CLIENT_REF_TAG,
    OPERATORS_PREFIX,
    REACT_TAG,
    REPLY_TAGS,
    UNREACT_TAG,
    answered_message_id,
    ctcp_request,
    forwarded_tags,
    operators_message_request,
)
from chatd.dialects.irc_typed_commands import decode_typed_command, is_typed_command
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MAX_IRC_LINES_PER_MESSAGE: Final = 128
"""The maximum number of lines that one message makes, and that a client may send as one message."""

EDITED_MARK: Final = "(edited)"
"""What is behind the text of a message in history if that is another one than it was sent with."""

MULTILINE_CONCAT_TAG: Final = "draft/multiline-concat"
"""The tag of a line in a multiline batch that goes on where the line before ends."""

_MULTILINE_CAPABILITIES: Final = frozenset((MULTILINE_CAPABILITY, "batch"))

_TAG_CAPABILITIES: Final = frozenset(("message-tags", "server-time", "account-tag"))

MAX_CACHED_MESSAGES: Final = 256
"""The number of messages whose lines are kept, for clients with other capabilities. It is more than a commit
has, as a rule.
"""

MAX_REF_CHARACTERS: Final = 64
"""The maximum number of characters of a client's own id of a message."""

MAX_MESSAGE_TARGETS: Final = 4
"""The maximum number of targets of one message; the rest is refused. 005 tells clients so."""


def decode_privmsg(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``PRIVMSG #wob,bob :text``, which sends a message to each of the channels and users."""
    client = dialect.client
    targets = tuple(dict.fromkeys(filter(None, line.params[0].split(",")))) if line.params else ()
    if not targets:
        return dialect.reply_request(client.numeric_line("no_recipient"))
    text = line.params[1] if len(line.params) > 1 else ""
    if len(targets) == 1:
        return _line_request(dialect, line, targets[0], text)
    if line.tags.get(CLIENT_REF_TAG):
        return dialect.fail_request(line.verb, "INVALID_REF", "a message with a ref has one target")
    messages = [(target, text) for target in targets]
    return request_for_each_target(dialect, line, _one_of_several, messages, MAX_MESSAGE_TARGETS)


def _one_of_several(dialect: IrcDialect, line: IrcLine, target: str, text: str) -> Request:
    if target.casefold() == DAEMON_NICK:  # a command is no message
        return dialect.reply_request(dialect.client.numeric_line("too_many_targets", target))
    return _line_request(dialect, line, target, text)


def _line_request(dialect: IrcDialect, line: IrcLine, target: str, text: str) -> Request:
    """Return the request to send ``text``, all of the message of ``line``, to ``target``. Raises `Refusal`.

    It is refused if it is too long for one line, except that an action becomes several.
    """
    if target.casefold() != DAEMON_NICK and not _fits(dialect.client, line.verb, target, text):
        return dialect.reply_request(dialect.client.numeric_line("line_too_long"))
    return message_request(dialect, line, target, text)


def _fits(client: IrcClientState, verb: str, target: str, text: str) -> bool:
    """Return whether ``text`` is one line, or an action that may become several. Its receivers are told more
    than the client has written: who its author is.
    """
    # Most messages are short: a character has 4 bytes at most, and what else is in the line fewer than 64.
    if 4 * (len(client.nick) + len(target) + len(text)) <= MAX_LINE_BYTES - 64:
        return True
    ctcp = parse_ctcp(text)
    if ctcp is not None and ctcp[0] == "ACTION" and not target.startswith(OPERATORS_PREFIX):
        return True
    if ctcp is None:
        shown = replace_controls(without_formatting(text))
    else:
        shown = format_ctcp(*map(replace_controls, ctcp))
    return len(shown.encode()) <= _source_and_room(client.nick, f"{verb} {target} :")[1]


def message_request(dialect: IrcDialect, line: IrcLine, target: str, text: str) -> Request:
    """Return the request of ``line`` to send ``text`` to ``target``, a channel or a nick.

    Raises `Refusal`.

    The verb of ``line`` says whether it is a message or a notice.
    """
    kind = "notice" if line.verb == "NOTICE" else "message"
    if target.casefold() == DAEMON_NICK:
        return with_account_after_registration(dialect, decode_typed_command(text, dialect.limits))
    tags = forwarded_tags(dialect.client, line)
    if target.startswith(f"{OPERATORS_PREFIX}#"):
        return operators_message_request(dialect, line, target[1:], text, tags)
    ctcp = parse_ctcp(text)
    if ctcp is not None:
        verb, rest = ctcp
        if verb != "ACTION":
            shown = format_ctcp(replace_controls(verb), replace_controls(rest))
            return ctcp_request(dialect, line, target, shown, tags)
        text = ACTION_PREFIX + rest
    text = without_formatting(text)
    if not text.strip():
        return dialect.reply_request(dialect.client.numeric_line("no_text"))
    ref = line.tags.get(CLIENT_REF_TAG) or None
    if ref is not None and len(ref) > MAX_REF_CHARACTERS:
        return dialect.fail_request(
            line.verb, "INVALID_REF", f"a ref has at most {MAX_REF_CHARACTERS} characters"
        )
    request = _message(dialect, line, target, text, kind, answered_message_id(tags))
    # A message is worth more than a tag, which may also refer to what is no message.
    command = request.command
    if isinstance(command, SENDING_COMMANDS) and command.reply_to is not None:
        request = replace(request, fallback_command=replace(command, reply_to=None))
    return replace(request, ref=ref, client_tags=tags) if ref is not None or tags else request


def decode_notice(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``NOTICE``, which sends a message that must never be answered automatically.

    The client is not told if it can't be sent.
    """
    request = decode_privmsg(dialect, line)
    each = (replace(request, further_requests=()), *request.further_requests)
    return chain_requests(_silent(dialect, one) for one in each)


def _silent(dialect: IrcDialect, request: Request) -> Request:
    return (
        dialect.reply_request()
        if is_typed_command(request) or isinstance(request.command, PreparedAnswer)
        else request
    )


def _message(
    dialect: IrcDialect, line: IrcLine, target: str, text: str, kind: str, reply_to: int | None
) -> Request:
    values: dict[str, object] = {"msg": text, "kind": kind, "reply_to": reply_to}
    if not target.startswith("#"):
        return dialect.command_request(line, "send", dest=target, **values)
    group = group_name(target)
    if not group:
        return dialect.command_request(line, "broadcast", **values)
    return dialect.command_request(line, "gbroadcast", group=group, **values)


def is_to_oneself(event: ChatEvent) -> bool:
    """Return whether ``event`` is a direct message whose author is also its receiver."""
    return event.is_message and event.subject is not None and event.subject.id == event.actor.id


def target_of_message(event: ChatEvent) -> str:
    """Return the IRC target of ``event``, a message: its channel, or the nick of its receiver."""
    if event.conversation.kind == "direct":
        return (event.subject or event.actor).nick
    return channel_of_conversation(event.conversation)


def capabilities_that_change_messages(capabilities: frozenset[str]) -> frozenset[str]:
    """Return those of ``capabilities`` that change the lines of a message.

    In practice, clients have about three different sets of these, so a message is encoded about three times.
    """
    multiline = _MULTILINE_CAPABILITIES if capabilities.issuperset(_MULTILINE_CAPABILITIES) else frozenset()
    return capabilities & _TAG_CAPABILITIES | multiline


@lru_cache(MAX_CACHED_MESSAGES)
def live_message_lines(capabilities: frozenset[str], entry: LogEntry) -> tuple[bytes, ...]:
    """Return the lines of ``entry``, a message that has just been sent.

    ``capabilities`` are the result of `capabilities_that_change_messages` for the clients.
    """
    line = _short_line(entry)
    if line is None:
        return tuple(message_lines(capabilities, entry))
    return (with_tags(line, entry_tags(capabilities, entry)),)


@lru_cache(MAX_CACHED_MESSAGES)
def _short_line(entry: LogEntry) -> bytes | None:
    """Return ``entry``, a message, as one line without tags, or None if that takes more than a line or more
    thought: most messages don't.
    """
    event = entry.event
    text = event.body
    if event.kind != "message" or not text or event.answered_message is not None or not text.isprintable():
        return None
    line = f":{source_of(event.actor.nick)} PRIVMSG {target_of_message(event)} :{text}".encode()
    return line if len(line) <= MAX_LINE_BYTES else None


def message_lines(capabilities: frozenset[str], entry: LogEntry, shows_time: bool = False) -> list[bytes]:
    """Return the lines of ``entry``, a message, with the tags that the client's ``capabilities`` allow.

    Several lines form a batch if ``capabilities`` include it. ``shows_time`` is true for messages of the
    past: if no tag has the time of the message, the text begins with the time.
    """
    event = entry.event
    if event.is_tombstone:
        return []
    verb, target = "NOTICE" if event.kind == "notice" else "PRIVMSG", target_of_message(event)
    source, room = _source_and_room(event.actor.nick, f"{verb} {target} :")
    text = event.body
    if event.kind == "image":
        count = text.count("\n") + 1
        text = f"[an image of {count} lines, number {entry.id}: a client of another wire shows it]"
    if event.is_edited:
        text = f"{text} {EDITED_MARK}"
    is_action = event.kind == "action"
    if is_action:
        text, room = text.removeprefix(ACTION_PREFIX), room - len("\x01ACTION \x01")
    if event.answered_message is not None and "message-tags" not in capabilities:
        text = _addressed(text, event.answered_message.author.nick)
    time = format_rfc3339(entry.at)
    if shows_time and "server-time" not in capabilities:
        text = f"[{time[11:16]}] {text}"
    # Else a message of another wire could be a CTCP question, or change the colours of the client.
    text = "\n".join(map(replace_controls, LINE_END_PATTERN.split(text)))
    if not is_action and capabilities.issuperset(_MULTILINE_CAPABILITIES):
        pieces = split_text_losslessly(text, room, MAX_IRC_LINES_PER_MESSAGE)
        if len(pieces) > 1:
            return _multiline(capabilities, entry, source, verb, target, pieces)
    lines: list[bytes] = []
    for number, piece in enumerate(split_text(text, room, MAX_IRC_LINES_PER_MESSAGE), 1):
        shown = format_ctcp("ACTION", piece) if is_action else piece
        tags = entry_tags(capabilities, entry, number)
        lines.append(format_line(verb, target, shown, source=source, tags=tags, trailing=True))
    return lines


def edit_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the lines that tell clients of ``entry``, an edit of a message.

    IRC has no verb for edits, so the lines are notices of the author, which programs must not answer. They
    have the id of the message, and the new text unless the text has been changed again since.
    """
    event = entry.event
    kind, text = event.edited_kind_and_text
    shown = f"* {event.actor.nick} {action_text_without_prefix(text)}" if kind == "action" else text
    said = f"[edited {event.changed_message_id}] {shown}".rstrip()
    return message_lines(capabilities, replace(entry, event=replace(event, kind="notice", body=said)))


def reaction_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the line that tells clients of ``entry``, which adds or removes a reaction to a message.

    The line is a ``TAGMSG`` for clients that know tags, else a notice of the user who reacted.
    """
    event = entry.event
    assert event.answered_message is not None
    is_taken_back = event.kind == "unreacted"
    if "message-tags" in capabilities:
        tags = entry_tags(capabilities, entry)
        tags[UNREACT_TAG if is_taken_back else REACT_TAG] = event.body
        source = source_of(event.actor.nick)
        return [format_line("TAGMSG", target_of_message(event), source=source, tags=tags)]
    ending = " taken back" if is_taken_back else ""
    answered = event.answered_message
    said = f"[reaction to {answered.message_id} of {answered.author.nick}{ending}] {event.body}"
    shown = replace(event, kind="notice", body=said, answered_message=None)
    return message_lines(capabilities, replace(entry, event=shown))


def _addressed(text: str, nick: str) -> str:
    """Return ``text``, an answer to the user ``nick``, with the nick in front, unless it begins so already:
    many clients write it by themselves.
    """
    return text if text.casefold().startswith(nick.casefold()) else f"{nick}: {text}"


def _source_and_room(nick: str, between: str) -> tuple[str, int]:
    """Return the source of a message by the user ``nick``, and the bytes that a line has for its text, where
    ``between`` is what stands between them.
    """
    source = shortened_source(nick, between, MIN_MESSAGE_TEXT_BYTES_PER_LINE)
    return source, MAX_LINE_BYTES - len(f":{source} {between}".encode())


def _multiline(
    capabilities: frozenset[str],
    entry: LogEntry,
    source: str,
    verb: str,
    target: str,
    pieces: list[tuple[str, bool]],
) -> list[bytes]:
    """Return the batch that is the message ``entry``, in ``pieces`` as `split_text_losslessly` makes them."""
    reference = f"m{entry.id}"
    tags = entry_tags(capabilities, entry)
    start = format_line("BATCH", f"+{reference}", MULTILINE_CAPABILITY, target, source=source, tags=tags)
    lines: list[bytes] = []
    for piece, is_continued in pieces:
        of_line = {"batch": reference, MULTILINE_CONCAT_TAG: ""} if is_continued else {"batch": reference}
        lines.append(format_line(verb, target, piece, source=source, tags=of_line, trailing=True))
    return batch_lines(start, reference, lines, DAEMON_NICK)


def entry_tags(capabilities: frozenset[str], entry: LogEntry, number: int = 1) -> dict[str, str]:
    """Return the tags of the line with the number ``number`` of ``entry``, as far as ``capabilities`` allow.

    The tags are the time, the account of the author, the mark of a bot, the id of the message that it
    answers, the tags of the author's client, and, on the first line, the id of the entry.
    """
    tags: dict[str, str] = {}
    if number == 1 and "message-tags" in capabilities:
        tags["msgid"] = str(entry.id)
    if "server-time" in capabilities:
        tags["time"] = format_rfc3339(entry.at)
    if entry.event.actor_is_bot and "message-tags" in capabilities:
        tags["bot"] = ""
    if entry.event.actor_is_registered and "account-tag" in capabilities:
        tags["account"] = entry.event.actor.nick
    if entry.event.client_tags and "message-tags" in capabilities:
        tags.update(entry.event.client_tags)
    if entry.event.answered_message is not None and "message-tags" in capabilities:
        tags.update(dict.fromkeys(REPLY_TAGS, str(entry.event.answered_message.message_id)))
    return tags
