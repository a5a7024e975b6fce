"""What IRC clients tell each other in passing: ``TAGMSG``, the tags of messages, and CTCP questions and
answers. Nothing is stored.

Sources: the IRCv3 specifications of message tags, typing and reactions, and modern.ircdocs.horse/ctcp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from chatd.core.answers import TransientMessageSent
from chatd.core.channel_commands import ReactInChannel, SendTransientMessage, UnreactInChannel
from chatd.core.commands import COMMANDS_BY_CLASS, Command
from chatd.core.events import TransientMessage
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_client import IrcClientState, channel_of_conversation, group_name, source_of
from chatd.dialects.irc_lines import (
    IrcLine,
    format_ctcp,
    format_line,
    parse_ctcp,
    parse_message_id,
    without_formatting,
)
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

CLIENT_REF_TAG: Final = "+chatd.dev/ref"
"""The tag with a client's own id of a message. A message that is sent again with the same id is stored once.

The tag is not passed on to other clients.
"""

REPLY_TAGS: Final = ("+draft/reply", "+reply")
"""The tags with the id of the message that a message answers, before and since the specification was
ratified. A client may send either; it is sent both.
"""

REACT_TAG: Final = "+draft/react"
"""The tag of a ``TAGMSG`` with a reaction to the message that one of `REPLY_TAGS` names."""

UNREACT_TAG: Final = "+draft/unreact"
"""The tag of a ``TAGMSG`` with a reaction that is taken back."""

OPERATORS_PREFIX: Final = "@"
"""The prefix of a channel in the target of a message to its owner and its operators only."""

# Only these keys are the clients' own; so nobody can forge msgid, time or account.
_CLIENT_TAG: Final = re.compile(r"\+(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9-]+")

ClientTags = tuple[tuple[str, str], ...]
"""Tags of a client for other clients, as pairs of a key and a value."""


def forwarded_tags(client: IrcClientState, line: IrcLine) -> ClientTags:
    """Return the tags of ``line`` that are forwarded to other clients.

    There are none if the client has not requested ``message-tags``.
    """
    if not line.tags or "message-tags" not in client.capabilities:
        return ()
    return tuple(
        (key, value)
        for key, value in line.tags.items()
        if key != CLIENT_REF_TAG and _CLIENT_TAG.fullmatch(key)
    )


def answered_message_id(tags: ClientTags) -> int | None:
    """Return the id of the message that a message with ``tags`` answers, or None if it answers none."""
    return next((id for key, value in tags if key in REPLY_TAGS and (id := parse_message_id(value))), None)


def decode_tagmsg(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``TAGMSG #wob``, which reacts to a message, or forwards tags such as that the user is typing."""
    client = dialect.client
    if "message-tags" not in client.capabilities:
        return dialect.reply_request(client.numeric_line("unknown_command", line.verb))
    target = line.params[0]
    if "," in target:
        return dialect.reply_request(client.numeric_line("too_many_targets", target))
    tags = forwarded_tags(client, line)
    if not tags:
        return dialect.reply_request()
    passed = SendTransientMessage(dest=target, tags=tags)
    if target.startswith("#"):
        passed = SendTransientMessage(group_name(target), tags=tags)
    reaction = _reaction(dialect, target, tags)
    return (
        Request(passed, line.verb)
        if reaction is None
        else Request(reaction, line.verb, fallback_command=passed)
    )


def _reaction(dialect: IrcDialect, target: str, tags: ClientTags) -> Command | None:
    """Return the command to react to a message in ``target``, or to take a reaction back, if ``tags`` say so.

    If there is no such message, they are passed on. Raises `Refusal`.
    """
    kinds = {REACT_TAG: ReactInChannel, UNREACT_TAG: UnreactInChannel}
    id = answered_message_id(tags)
    for key, value in tags:
        if key in kinds and id is not None:
            values: dict[str, object] = {"id": id, "reaction": value}
            if target.startswith("#"):
                values["group"] = group_name(target) or None  # None is the lobby
            else:
                values["dest"] = target
            return COMMANDS_BY_CLASS[kinds[key]].build(values, dialect.limits)
    return None


def ctcp_request(dialect: IrcDialect, line: IrcLine, target: str, text: str, tags: ClientTags) -> Request:
    """Return the request that forwards a CTCP query or reply to the user ``target``.

    ``line`` is a ``PRIVMSG`` or ``NOTICE``, ``text`` is its CTCP message, and ``tags`` are forwarded as well.
    A channel as ``target`` is refused, because every client in it would answer.
    """
    if target.startswith("#"):
        return dialect.fail_request(
            line.verb, "CTCP_TO_CHANNEL", "only CTCP ACTION is passed on in channels", target
        )
    kind: Literal["message", "notice"] = "notice" if line.verb == "NOTICE" else "message"
    return Request(SendTransientMessage(dest=target, kind=kind, tags=tags, text=text), line.verb)


def operators_message_request(
    dialect: IrcDialect, line: IrcLine, channel: str, text: str, tags: ClientTags
) -> Request:
    """Return the request to send ``text`` to the owner and the operators of the group of ``channel``.

    ``line`` is a ``PRIVMSG`` or ``NOTICE`` to ``@#wob``, and ``tags`` are forwarded as well. Raises
    `Refusal`.
    """
    ctcp = parse_ctcp(text)
    if ctcp is not None and ctcp[0] != "ACTION":
        return dialect.fail_request(
            line.verb, "CTCP_TO_CHANNEL", "only CTCP ACTION is passed on in channels", channel
        )
    said = replace_controls(without_formatting(text if ctcp is None else ctcp[1]))
    group = group_name(channel)
    if not said.strip():
        return dialect.reply_request(dialect.client.numeric_line("no_text"))
    if not group:
        raise Refusal("no_such_group", group=f"{OPERATORS_PREFIX}{channel}")
    kind: Literal["message", "notice"] = "notice" if line.verb == "NOTICE" else "message"
    shown = said if ctcp is None else format_ctcp(ctcp[0], said)
    return Request(
        SendTransientMessage(group, kind=kind, receivers="operators", tags=tags, text=shown), line.verb
    )


def transient_message_lines(capabilities: frozenset[str], sent: TransientMessage) -> list[bytes]:
    """Return the line of ``sent``, a message that is not stored.

    There is no line if the message has only tags and the client lacks ``message-tags``.
    """
    target = sent.dest.nick if sent.dest is not None else ""
    if sent.conversation is not None:
        prefix = OPERATORS_PREFIX if sent.is_for_operators_only else ""
        target = prefix + channel_of_conversation(sent.conversation)
    source = source_of(sent.user.nick)
    tags = {"time": format_rfc3339(sent.at)} if "server-time" in capabilities else {}
    if "message-tags" in capabilities:
        tags = {"msgid": f"{sent.at}-{sent.serial_number}", **tags, **dict(sent.tags)}
    if sent.kind != "tags":
        verb = "NOTICE" if sent.kind == "notice" else "PRIVMSG"
        return [format_line(verb, target, sent.text, source=source, tags=tags, trailing=True)]
    if "message-tags" not in capabilities:
        return []
    return [format_line("TAGMSG", target, source=source, tags=tags)]


def echoed_transient_message_lines(
    dialect: IrcDialect, request: Request, answer: TransientMessageSent
) -> list[bytes]:
    """Return the line that shows a client its own message that is not stored, if it has ``echo-message``."""
    capabilities = dialect.client.capabilities
    return transient_message_lines(capabilities, answer.sent) if "echo-message" in capabilities else []


ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], list[bytes]]]] = {
    TransientMessageSent: echoed_transient_message_lines
}
"""The functions that encode the answers to these verbs."""
