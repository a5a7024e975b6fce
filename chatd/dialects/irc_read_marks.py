"""Read marks on IRC: ``MARKREAD``, whose marks are the times of the entries up to which a user has read.

Source: the IRCv3 specification of read-marker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatd.core.answers import ReadMark
from chatd.core.channel_commands import MarkReadUntilTime
from chatd.core.commands import COMMANDS_BY_CLASS
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_client import IrcClientState, group_name, read_mark_line
from chatd.dialects.irc_history import INVALID_TARGET_REFUSAL_CODES, parse_timestamp
from chatd.dialects.irc_lines import IrcLine

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect


def decode_markread(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``MARKREAD #wob``, which shows the read mark.

    With ``timestamp=…``, it moves the mark forward first.
    """
    if not line.params or not line.params[0]:
        text = "give a channel or a nick"
        return dialect.reply_request(dialect.client.standard_reply("MARKREAD", "NEED_MORE_PARAMS", text))
    target, *times = line.params[:2]
    context = (target, *times)
    if times and parse_timestamp(times[0]) is None:
        text = "give the time of a message: timestamp=2026-11-21T10:00:00.000Z"
        return dialect.reply_request(
            dialect.client.standard_reply("MARKREAD", "INVALID_PARAMS", text, *context)
        )
    values: dict[str, object] = {"time": times[0].partition("=")[2] if times else None}
    try:
        values["group" if target.startswith("#") else "dest"] = (
            group_name(target) or None if target.startswith("#") else target
        )
        command = COMMANDS_BY_CLASS[MarkReadUntilTime].build(values, dialect.limits)
    except Refusal as refusal:
        return Request(refusal, "MARKREAD", encoder_context=context)
    return Request(command, "MARKREAD", encoder_context=context)


def markread_answer_lines(dialect: IrcDialect, request: Request, answer: ReadMark) -> list[bytes]:
    """Return the line that answers ``MARKREAD``."""
    return [read_mark_line(request.encoder_context[0], answer.mark_time, dialect.client.server)]


def markread_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses ``MARKREAD``.

    There is no read mark in a conversation that the user may not read.
    """
    is_unknown = refusal.code in INVALID_TARGET_REFUSAL_CODES
    if is_unknown and len(request.encoder_context) == 1:
        return [read_mark_line(request.encoder_context[0], None, client.server)]
    return [
        client.standard_reply(
            "MARKREAD",
            "INVALID_PARAMS" if is_unknown else "INTERNAL_ERROR",
            refusal.text,
            request.encoder_context[0],
        )
    ]


VERB_DECODERS: Final = {"MARKREAD": (decode_markread, 0)}
"""The function that decodes the verb, and the number of parameters that the verb needs."""

ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    ReadMark: markread_answer_lines
}
"""The functions that encode each kind of answer."""
