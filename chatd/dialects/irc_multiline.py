"""Messages of several lines that IRC clients send, as batches of lines.

Source: the IRCv3 specifications of client-initiated batches and of multiline messages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatd.core.answers import PreparedAnswer
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.dialects.irc_batches import MULTILINE_CAPABILITY
from chatd.dialects.irc_client import OpenBatch
from chatd.dialects.irc_labels import MAX_LABEL_BYTES
from chatd.dialects.irc_lines import IrcLine, parse_ctcp
from chatd.dialects.irc_messages import MAX_IRC_LINES_PER_MESSAGE, MULTILINE_CONCAT_TAG, message_request
from chatd.dialects.irc_transient import CLIENT_REF_TAG, OPERATORS_PREFIX, forwarded_tags

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MULTILINE_VERBS: Final = ("PRIVMSG", "NOTICE")
"""The verbs whose lines may be in a batch."""

MAX_TAGS_BYTES: Final = 512
"""The most bytes, keys and values, of the tags of a batch: each of its lines may be delivered with them."""

_REFERENCE: Final = re.compile("[A-Za-z0-9-]{1,64}")


def decode_batch(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``BATCH +1 draft/multiline #wob``, which begins a message of several lines, or ``BATCH -1``.

    ``BATCH -1`` ends the message and sends it.
    """
    sign, reference = line.params[0][:1], line.params[0][1:]
    tags = forwarded_tags(dialect.client, line)
    ref = ((CLIENT_REF_TAG, line.tags[CLIENT_REF_TAG]),) if CLIENT_REF_TAG in line.tags else ()
    opened = OpenBatch(reference, label=dialect.label_of(line), tags=tags + ref)
    is_begun = dialect.client.batch is not None and not dialect.client.batch.is_refused
    if sign == "-":
        return _close(dialect, line, reference)
    if len(opened.label.encode()) > MAX_LABEL_BYTES:
        text = f"a label has at most {MAX_LABEL_BYTES} bytes"
        return _refuse(dialect, OpenBatch(reference), "INVALID_LABEL", text)
    if sign != "+" or _REFERENCE.fullmatch(reference) is None:
        return _refuse(
            dialect, opened, "INVALID_REFTAG", "a batch begins with +, letters and digits", reference
        )
    if len(line.params) < 2 or line.params[1] != MULTILINE_CAPABILITY:
        name = line.params[1] if len(line.params) > 1 else "*"
        return _refuse(
            dialect, opened, "UNKNOWN_TYPE", f"a batch can only be {MULTILINE_CAPABILITY}", reference, name
        )
    if len(line.params) != 3 or not line.params[2] or "batch" in line.tags or is_begun:
        return _refuse(dialect, opened, "MULTILINE_INVALID", "begin one batch at a time, for one target")
    if sum(len(key) + len(value.encode()) for key, value in tags) > MAX_TAGS_BYTES:
        text = f"the tags have more than {MAX_TAGS_BYTES} bytes"
        return _refuse(dialect, opened, "TAGS_TOO_LONG", text, line.params[2])
    return _keep(dialect, replace(opened, target=line.params[2]))


def decode_line_of_batch(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``line``, which has the tag ``batch``, and add its text to the message that the client is
    sending.
    """
    open_batch, reference = dialect.client.batch, line.tags["batch"]
    if open_batch is None or open_batch.batch_reference != reference:
        refused = open_batch or OpenBatch(reference)
        return _refuse(dialect, refused, "MULTILINE_INVALID", "this batch was not begun")
    if open_batch.is_refused:
        return dialect.reply_request()
    is_concatenated = MULTILINE_CONCAT_TAG in line.tags
    target, text = (*line.params, "", "")[:2]
    if line.verb not in MULTILINE_VERBS or line.verb != (open_batch.verb or line.verb):
        return _refuse(dialect, open_batch, "MULTILINE_INVALID", "all lines must be PRIVMSG, or all NOTICE")
    if target != open_batch.target:
        wrong = (open_batch.target, target or "*")
        return _refuse(
            dialect, open_batch, "MULTILINE_INVALID_TARGET", "the batch is for another target", *wrong
        )
    if is_concatenated and (not text or not open_batch.line_count):
        return _refuse(dialect, open_batch, "MULTILINE_INVALID", "there is nothing to be concatenated")
    joint = "" if is_concatenated or not open_batch.line_count else "\n"
    longer = replace(
        open_batch,
        verb=line.verb,
        text=f"{open_batch.text}{joint}{text}",
        line_count=open_batch.line_count + 1,
    )
    max_bytes = dialect.limits.message
    if longer.line_count > MAX_IRC_LINES_PER_MESSAGE:
        limit = str(MAX_IRC_LINES_PER_MESSAGE)
        return _refuse(dialect, longer, "MULTILINE_MAX_LINES", f"at most {limit} lines", limit)
    if len(longer.text.encode()) > max_bytes:
        return _refuse(dialect, longer, "MULTILINE_MAX_BYTES", f"at most {max_bytes} bytes", str(max_bytes))
    return _keep(dialect, longer)


def _close(dialect: IrcDialect, line: IrcLine, reference: str) -> Request:
    closed, ended = dialect.client.batch, dialect.with_client_changes(batch=None)
    if closed is None or closed.batch_reference != reference:
        text = "this batch was not begun"
        return dialect.reply_request(dialect.client.standard_reply("BATCH", "MULTILINE_INVALID", text))
    if closed.is_refused:
        return _speaking(ended)
    if not closed.text.strip():
        failed = dialect.client.standard_reply("BATCH", "MULTILINE_INVALID", "a message must have a text")
        return replace(_speaking(ended, failed), label=closed.label)
    ctcp = parse_ctcp(closed.text)
    if closed.target.startswith(OPERATORS_PREFIX) or (ctcp is not None and ctcp[0] != "ACTION"):
        text = "only messages to a channel or a user, and actions, may have several lines"
        failed = dialect.client.standard_reply("BATCH", "MULTILINE_INVALID", text)
        return replace(_speaking(ended, failed), label=closed.label)
    sent = IrcLine(closed.verb, (closed.target, closed.text), dict(closed.tags))
    try:
        request = message_request(ended, sent, closed.target, closed.text)
    except Refusal as refusal:
        request = Request(refusal, closed.verb)
    # What the request itself changes, such as the account, was changed on top of the end of the batch.
    spoken = request.dialect_on_success or ended
    return replace(request, detected_dialect=ended, dialect_on_success=spoken, label=closed.label)


def _keep(dialect: IrcDialect, kept: OpenBatch) -> Request:
    return _speaking(dialect.with_client_changes(batch=kept))


def _refuse(dialect: IrcDialect, refused: OpenBatch, code: str, text: str, *context: str) -> Request:
    """Return the answer to a batch that can't be sent. What else comes of it is ignored."""
    failed = dialect.client.standard_reply("BATCH", code, text, *context)
    kept = OpenBatch(refused.batch_reference, is_refused=True)
    return replace(_speaking(dialect.with_client_changes(batch=kept), failed), label=refused.label)


def _speaking(dialect: IrcDialect, *lines: bytes) -> Request:
    """Return a request that is answered with ``lines``, after which the session uses ``dialect``.

    It does so even if the chat refuses the request, so that no line is lost.
    """
    return Request(PreparedAnswer(lines), detected_dialect=dialect, dialect_on_success=dialect)


VERB_DECODERS: Final = {"BATCH": (decode_batch, 1)}
"""The function that decodes the verb, and the number of parameters that the verb needs."""
