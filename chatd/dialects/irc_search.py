"""Search on IRC: ``SEARCH`` and its answer, a batch of the messages that were found.

Source: the specification of soju.im/search. Its bounds in time are included, those of other wires are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatd.core.answers import SearchResult
from chatd.core.commands import COMMANDS
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.times import parse_rfc3339
from chatd.core.token_rules import LOBBY_NAME
from chatd.dialects.irc_batches import batch_lines
from chatd.dialects.irc_client import IrcClientState, group_name
from chatd.dialects.irc_history import lines_of_fitting_entries, max_page_entries
from chatd.dialects.irc_lines import IrcLine, format_line, unescape_tag_value
from chatd.dialects.irc_messages import message_lines
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

SEARCH_CAPABILITY: Final = "soju.im/search"
"""The capability of clients that search with ``SEARCH``, and the type of the batch that answers them."""


def decode_search(dialect: IrcDialect, line: IrcLine) -> Request:
    r"""Decode ``SEARCH in=#wob;from=bob;text=the\sexam``, which searches messages.

    Unknown attributes are ignored.
    """
    attributes: dict[str, str] = {}
    for part in line.params[0].split(";"):
        name, _, value = part.partition("=")
        attributes[name] = unescape_tag_value(value)
    most = max_page_entries(dialect.limits)
    values: dict[str, object] = {"words": "", "limit": most}
    try:
        for name, value in attributes.items():
            convert = _ATTRIBUTES.get(name)
            if convert is not None and value:
                values |= convert(value)
    except ValueError:
        text = "this is no time and no number"
        reply = dialect.client.standard_reply("SEARCH", "INVALID_PARAMS", text, line.params[0])
        return dialect.reply_request(reply)
    values["limit"] = min(int(str(values["limit"])) or most, most)
    try:
        return Request(COMMANDS["search"].build(values, dialect.limits), line.verb)
    except Refusal as refusal:
        return Request(refusal, line.verb)


def _target(value: str) -> dict[str, object]:
    if value.startswith("#"):
        return {"group": group_name(value) or LOBBY_NAME}
    return {"dest": value}


def _limit(value: str) -> dict[str, object]:
    if not (value.isascii() and value.isdigit()):
        raise ValueError("no number")
    return {"limit": int(value[:9])}


def _bound(name: str, included: int) -> Callable[[str], dict[str, object]]:
    """Return what makes the field ``name`` of a time. The bound ``included`` milliseconds further on excludes
    only what the client excludes.
    """

    def convert(value: str) -> dict[str, object]:
        time = min(max(parse_rfc3339(value) + included, 0), _LAST_TIME)
        return {name: format_rfc3339(time)}

    return convert


_LAST_TIME: Final = parse_rfc3339("9999-12-31T23:59:59.999Z")

_ATTRIBUTES: Final[dict[str, Callable[[str], dict[str, object]]]] = {
    "in": _target,
    "from": lambda value: {"author": value},
    "text": lambda value: {"words": value},
    "before": _bound("before_time", 1),
    "after": _bound("after_time", -1),
    "limit": _limit,
}
"""For each attribute of a search, what makes a field of the command of it. It raises `ValueError`."""


def search_result_lines(dialect: IrcDialect, request: Request, result: SearchResult) -> list[bytes]:
    """Return the lines of ``result``, the messages that a search has found, the oldest first."""
    client = dialect.client
    entries = result.entries if result.searches_forward else result.entries[::-1]
    lines = lines_of_fitting_entries(
        [message_lines(client.capabilities, entry, shows_time=True) for entry in entries],
        result.searches_forward,
    )
    if "batch" not in client.capabilities:
        return lines
    start = format_line("BATCH", "+search", SEARCH_CAPABILITY, source=client.server)
    return batch_lines(start, "search", lines, client.server)


def search_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses ``SEARCH``."""
    code = "INTERNAL_ERROR" if refusal.code in ("storage_failed", "internal_error") else "INVALID_PARAMS"
    return [client.standard_reply("SEARCH", code, refusal.text)]


VERB_DECODERS: Final = {"SEARCH": (decode_search, 1)}
"""What decodes the verb, and the number of parameters that it needs."""

ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    SearchResult: search_result_lines
}
"""What encodes the answer."""
