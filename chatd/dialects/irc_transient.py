"""What IRC clients tell each other in passing: ``TAGMSG``, and CTCP questions and answers. Nothing is stored.

Sources: the IRCv3 specifications of message tags, typing and reactions, and modern.ircdocs.horse/ctcp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from chatd.core.answers import TransientSent
from chatd.core.channel_commands import SendTransient
from chatd.core.events import Transient
from chatd.core.requests import Request
from chatd.core.terminal import replace_controls
from chatd.dialects.irc_client import channel_of, group_name, source_of
from chatd.dialects.irc_lines import IrcLine, format_ctcp, format_line
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

PASSED_TAGS: Final = ("+typing", "+draft/reply", "+draft/react", "+draft/unreact")
"""The client-only tags that ``TAGMSG`` passes on. On messages none is: the log does not keep them."""

MAX_TAGS_BYTES: Final = 512
"""The maximum number of bytes of the tags that are passed on, keys and values."""


def tagmsg(dialect: IrcDialect, line: IrcLine) -> Request:
    """``TAGMSG #wob``: pass tags on, such as that the user types."""
    client = dialect.client
    if "message-tags" not in client.capabilities:
        return dialect.reply(client.numeric("unknown_command", line.verb))
    target = line.params[0]
    if "," in target:
        return dialect.reply(client.numeric("too_many_targets", target))
    tags = tuple((key, line.tags[key]) for key in PASSED_TAGS if key in line.tags)
    if not tags:
        return dialect.reply()
    if sum(len(key) + len(value.encode()) for key, value in tags) > MAX_TAGS_BYTES:
        text = f"the tags have more than {MAX_TAGS_BYTES} bytes"
        return dialect.fail(line.verb, "TAGS_TOO_LONG", text, target)
    if not target.startswith("#"):
        return Request(SendTransient(dest=target, tags=tags), line.verb)
    return Request(SendTransient(group_name(target), tags=tags), line.verb)


def ask_client(dialect: IrcDialect, line: IrcLine, target: str, verb: str, rest: str) -> Request:
    """``PRIVMSG`` or ``NOTICE`` with the CTCP question or answer ``verb`` and ``rest``: pass it on to a user,
    never to a channel, where each client would answer.
    """
    if target.startswith("#"):
        return dialect.fail(line.verb, "CTCP_TO_CHANNEL", "only CTCP ACTION is passed on in channels", target)
    text = format_ctcp(replace_controls(verb), replace_controls(rest))
    command = SendTransient(dest=target, kind="notice" if line.verb == "NOTICE" else "message", text=text)
    return Request(command, line.verb)


def transient_lines(capabilities: frozenset[str], sent: Transient) -> list[bytes]:
    """Return the line of ``sent``; none if it is tags that the client does not know."""
    target = sent.dest.nick if sent.dest is not None else ""
    if sent.conversation is not None:
        target = channel_of(sent.conversation)
    source = source_of(sent.user.nick)
    tags = {"time": format_rfc3339(sent.at)} if "server-time" in capabilities else {}
    if sent.kind != "tags":
        verb = "NOTICE" if sent.kind == "notice" else "PRIVMSG"
        return [format_line(verb, target, sent.text, source=source, tags=tags, trailing=True)]
    if "message-tags" not in capabilities:
        return []
    return [format_line("TAGMSG", target, source=source, tags={**tags, **dict(sent.tags)})]


def sent_lines(dialect: IrcDialect, request: Request, answer: TransientSent) -> list[bytes]:
    """Return what was passed on, for a client that is shown its own lines."""
    capabilities = dialect.client.capabilities
    return transient_lines(capabilities, answer.sent) if "echo-message" in capabilities else []


ANSWERS: Final[dict[type, Callable[[IrcDialect, Request, Any], list[bytes]]]] = {TransientSent: sent_lines}
"""What encodes the answer to these verbs."""
