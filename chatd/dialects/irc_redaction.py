"""IRC's ``REDACT``, which deletes the text of a message, and the lines that announce a deletion.

Source: the IRCv3 specification draft/message-redaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatd.core.channel_commands import DeleteMessageInConversation
from chatd.core.commands import COMMANDS_BY_CLASS
from chatd.core.events import CONSOLE, LogEntry
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_client import (
    DAEMON_NICK,
    IrcClientState,
    channel_of_conversation,
    group_name,
    source_of,
)
from chatd.dialects.irc_lines import IrcLine, format_line, parse_message_id, without_formatting
from chatd.dialects.irc_messages import entry_tags
from chatd.dialects.irc_queries import QueryRequest

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

REDACTION_CAPABILITY: Final = "draft/message-redaction"
"""The capability of clients that understand ``REDACT``."""

CHATHISTORY_CONTEXT_TAG: Final = "draft/chathistory-context"
"""The tag of lines in a page that belong to the message before, and don't count."""

FAIL_CODES_BY_REFUSAL_CODE: Final = {
    "no_such_group": "INVALID_TARGET",
    "not_member": "INVALID_TARGET",
    "no_such_user": "INVALID_TARGET",
    "no_such_message": "UNKNOWN_MSGID",
    "not_operator": "REDACT_FORBIDDEN",
    "not_server_operator": "REDACT_FORBIDDEN",
    "out_of_scope": "REDACT_FORBIDDEN",
    "muted": "REDACT_FORBIDDEN",
    "registered_only": "REDACT_FORBIDDEN",
}
"""The codes of the standard replies that refuse a deletion. Others have the code of the refusal."""


def decode_redact(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``REDACT #wob 17 :spam``, which deletes the text of a message in a channel or a direct
    conversation.
    """
    target, msgid, *reason = line.params[:3]
    values: dict[str, object] = {
        "id": parse_message_id(msgid),
        "reason": without_formatting(reason[0]) if reason else "",
    }
    try:
        if target.startswith("#"):
            values["group"] = group_name(target) or None  # None is the lobby
        else:
            values["dest"] = target
        command = COMMANDS_BY_CLASS[DeleteMessageInConversation].build(values, dialect.limits)
    except Refusal as refusal:
        return QueryRequest(refusal, line.verb, params=(target, msgid))
    return QueryRequest(command, line.verb, params=(target, msgid))


VERB_DECODERS: Final[dict[str, tuple[Callable[[IrcDialect, IrcLine], Request], int]]] = {
    "REDACT": (decode_redact, 2)
}
"""The verb of this subject: the function that decodes a line, and the number of parameters that it needs."""


def redact_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses ``REDACT``: a standard reply, which clients with the capability
    understand.
    """
    assert isinstance(request, QueryRequest)
    code = FAIL_CODES_BY_REFUSAL_CODE.get(refusal.code, refusal.code.upper())
    context = request.params[:1] if code == "INVALID_TARGET" else request.params
    if REDACTION_CAPABILITY in client.capabilities:
        return [client.standard_reply("REDACT", code, refusal.text, *context)]
    return [client.fail_line("REDACT", code, refusal.text, *context)]


REFUSAL_ENCODERS: Final[dict[tuple[str, str], Callable[[IrcClientState, Request, Refusal], list[bytes]]]] = {
    ("REDACT", ""): redact_refusal_lines
}
"""The functions that encode the refusals of this subject."""


def redaction_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the line ``REDACT`` for ``entry``, the deletion of a message, or no line.

    There is no line for a client without the capability. There is also no line if a server operator has
    deleted a message in other users' direct conversation, because no target of ``REDACT`` would fit both
    users. In both cases the caller sends a notice instead.
    """
    event = entry.event
    conversation, actor = event.conversation, event.actor
    if not capabilities.issuperset((REDACTION_CAPABILITY, "message-tags")):
        return []
    if conversation.pair:
        if actor.id not in conversation.pair_ids:
            return []
        target = conversation.other_user(actor).nick
    elif actor is CONSOLE:
        return []
    else:
        target = channel_of_conversation(conversation)
    params = [target, str(event.changed_message_id)]
    tags = entry_tags(capabilities, entry)
    if not event.reason:
        return [format_line("REDACT", *params, source=source_of(actor.nick), tags=tags)]
    shown = replace_controls(event.reason)
    return [format_line("REDACT", *params, shown, source=source_of(actor.nick), tags=tags, trailing=True)]


def history_redaction_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the line that follows a deleted message in a page of history and says that it was deleted.

    ``entry`` is the message. There is no line in a direct conversation, and none for a client without the
    capability. The line does not say which user has deleted the message, because the page does not have that.
    """
    if entry.event.conversation.pair or not capabilities.issuperset((REDACTION_CAPABILITY, "message-tags")):
        return []
    target, tags = channel_of_conversation(entry.event.conversation), {CHATHISTORY_CONTEXT_TAG: ""}
    return [format_line("REDACT", target, str(entry.id), source=DAEMON_NICK, tags=tags)]
