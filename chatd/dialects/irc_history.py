"""History on IRC: pages that clients ask for with ``CHATHISTORY``, and what other clients have missed.

Source: the IRCv3 specifications of chathistory and of the chathistory batch. A ``msgid`` is the id of a log
entry. Bounds are excluded, as in ``history`` on other wires.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

from chatd.core.answers import ActiveConversations, Conversations, Page
from chatd.core.commands import COMMANDS
from chatd.core.events import LogEntry
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.times import parse_rfc3339
from chatd.dialects.irc_batches import batch_lines
from chatd.dialects.irc_client import (
    IrcClientState,
    group_name,
    target_for_reader,
    target_of_list_item,
)
from chatd.dialects.irc_deliveries import history_event_lines
from chatd.dialects.irc_lines import IrcLine, format_line
from chatd.dialects.irc_messages import message_lines
from chatd.dialects.irc_redaction import history_redaction_lines
from chatd.dialects.timestamps import format_rfc3339

if TYPE_CHECKING:
    from chatd.dialects.irc import IrcDialect

MAX_HISTORY_MESSAGES: Final = 200
"""The maximum number of entries in a page, which 005 tells clients. A larger limit is lowered to it."""

MAX_HISTORY_PAGE_BYTES: Final = 320 * 1024
"""The maximum size of the lines in a page, in bytes without the tag of the batch: it fits into an outbox."""

MAX_HISTORY_TARGETS: Final = 1000
"""The maximum number of targets in an answer to ``CHATHISTORY TARGETS``."""

DELETED_TEXT: Final = "[this message was deleted]"
"""The text in a page that stands for a message whose text was deleted."""

INVALID_TARGET_REFUSAL_CODES: Final = frozenset(
    ("no_such_group", "no_such_user", "not_member", "bad_nick", "bad_group", "out_of_scope")
)
"""The codes of the refusals that mean that there is no such target for the client."""

_MESSAGE_ID: Final = re.compile(r"([0-9]{1,18})(?:\.[0-9]{1,3})?")
_COUNT: Final = re.compile("[0-9]{1,9}")

_Values = dict[str, object]


class _Reference(NamedTuple):
    """A place in the log: a ``msgid`` with the id ``place``, or a ``timestamp`` with the time ``place`` in
    milliseconds since 1970. ``value`` is what the command is given.
    """

    kind: str
    place: int
    value: object

    def bound(self, name: str) -> _Values:
        """Return this place as the bound ``name`` of `ReadHistory`."""
        return {name if self.kind == "msgid" else f"{name}_time": self.value}


class _BadParam(Exception):
    """Raised for a parameter that is none."""


def max_page_entries(limits: Limits) -> int:
    """Return the maximum number of entries in a page of history for an IRC client."""
    return min(MAX_HISTORY_MESSAGES, limits.page_max)


def decode_chathistory(dialect: IrcDialect, line: IrcLine) -> Request:
    """Decode ``CHATHISTORY LATEST #wob * 50`` and the other subcommands of ``CHATHISTORY``.

    They read a page of the log, or list the conversations by the times of their last messages.
    """
    name, *params = line.params
    subcommand = _SUBCOMMANDS.get(name.upper())
    if subcommand is None:
        return _invalid(dialect, name, "unknown subcommand")
    decode, count = subcommand
    if len(params) != count:
        return _invalid(dialect, name, "too few parameters" if len(params) < count else "too many parameters")
    try:
        return decode(dialect, name.upper(), params)
    except _BadParam as bad:
        return _invalid(dialect, name, "this is no message id, no time and no number", *bad.args)


def _invalid(dialect: IrcDialect, subcommand: str, text: str, *context: str) -> Request:
    line = dialect.client.standard_reply("CHATHISTORY", "INVALID_PARAMS", text, subcommand, *context)
    return dialect.reply_request(line)


def _page_request(dialect: IrcDialect, name: str, target: str, bounds: _Values, limit: str) -> Request:
    """Return the request for the page of ``target`` in ``bounds``, which the subcommand ``name`` asks for.

    Whoever goes on with the time of a line must not lose others of the same millisecond, so only pages by
    message ids are cut there.
    """
    most = max_page_entries(dialect.limits)
    by_id = {"before", "after", "around"} & bounds.keys()
    values: _Values = {
        "limit": min(_count(limit) or most, most),
        "whole_milliseconds": "no" if by_id else "yes",
        "events": "all" if "draft/event-playback" in dialect.client.capabilities else "none",
        **bounds,
    }
    context = (name, target)
    try:
        values |= _conversation(target)
        return Request(
            COMMANDS["history"].build(values, dialect.limits), "CHATHISTORY", encoder_context=context
        )
    except Refusal as refusal:
        return Request(refusal, "CHATHISTORY", encoder_context=context)


def _conversation(target: str) -> _Values:
    """Return ``target`` as the fields of a command. Raises `Refusal`."""
    if not target.startswith("#"):
        return {"dest": target}
    group = group_name(target)
    return {"group": group} if group else {}


def _latest(dialect: IrcDialect, name: str, params: list[str]) -> Request:
    target, after, limit = params
    bounds: _Values = {} if after == "*" else _reference(after).bound("after")
    return _page_request(dialect, name, target, {**bounds, "order": "newest"}, limit)


def _relative(bound: str) -> Callable[[IrcDialect, str, list[str]], Request]:
    def decode(dialect: IrcDialect, name: str, params: list[str]) -> Request:
        target, place, limit = params
        return _page_request(dialect, name, target, _reference(place).bound(bound), limit)

    return decode


def _between(dialect: IrcDialect, name: str, params: list[str]) -> Request:
    target, *places, limit = params
    first, second = map(_reference, places)
    if first.kind != second.kind:
        return _invalid(dialect, name, "give two message ids, or two times", *places)
    low, high = sorted((first, second), key=lambda one: one.place)
    order = "oldest" if first.place < second.place else "newest"
    return _page_request(
        dialect, name, target, {**low.bound("after"), **high.bound("before"), "order": order}, limit
    )


def _targets(dialect: IrcDialect, name: str, params: list[str]) -> Request:
    *places, limit = params
    first, second = map(_reference, places)
    if first.kind != "timestamp" or second.kind != "timestamp":
        return _invalid(dialect, name, "give two times", *places)
    low, high = sorted((first, second), key=lambda one: one.place)
    most = min(_count(limit) or MAX_HISTORY_TARGETS, MAX_HISTORY_TARGETS)
    is_forward = first.place < second.place
    # From the second time back to the first, the last ones are asked for: those of the whole list.
    wanted = most if is_forward else MAX_HISTORY_TARGETS
    values = {"after_time": low.value, "before_time": high.value, "limit": wanted}
    command = COMMANDS["conversations"].build(values, dialect.limits)
    return Request(command, "CHATHISTORY", encoder_context=(name, "*", "" if is_forward else str(most)))


_SUBCOMMANDS: Final[dict[str, tuple[Callable[[IrcDialect, str, list[str]], Request], int]]] = {
    "LATEST": (_latest, 3),
    "BEFORE": (_relative("before"), 3),
    "AFTER": (_relative("after"), 3),
    "AROUND": (_relative("around"), 3),
    "BETWEEN": (_between, 4),
    "TARGETS": (_targets, 3),
}
"""The function that decodes each subcommand, and the number of its parameters."""


def _reference(text: str) -> _Reference:
    """Return the place that ``text`` refers to. Raises `_BadParam`."""
    kind, _, value = text.partition("=")
    found = _MESSAGE_ID.fullmatch(value)
    if kind == "msgid" and found is not None:
        return _Reference(kind, int(found[1]), int(found[1]))
    place = parse_timestamp(text)
    if place is None:
        raise _BadParam(text)
    return _Reference(kind, place, value)


def parse_timestamp(text: str) -> int | None:
    """Return the time in ``text``, such as ``timestamp=2026-11-21T10:00:00.000Z``, in milliseconds since
    1970.

    Return None if ``text`` has no such time.
    """
    kind, _, value = text.partition("=")
    try:
        return parse_rfc3339(value) if kind == "timestamp" else None
    except ValueError:
        return None


def _count(text: str) -> int:
    if _COUNT.fullmatch(text) is None:
        raise _BadParam(text)
    return int(text)


# What is answered.


def history_page_lines(dialect: IrcDialect, request: Request, page: Page) -> list[bytes]:
    """Return the lines of ``page``, a page of history that the client has requested or that it has missed."""
    if not request.encoder_context:
        return _missed_lines(dialect.client, page)
    capabilities = dialect.client.capabilities
    lines = lines_of_fitting_entries(
        [_past_lines(capabilities, entry) for entry in page.entries], page.reads_forward
    )
    return _in_batch(dialect.client, lines, "chathistory", request.encoder_context[1])


def lines_of_fitting_entries(entries: list[list[bytes]], forward: bool) -> list[bytes]:
    """Return the lines of as many of ``entries`` as fit into a page of history, and of at least one.

    ``entries`` has the lines of each entry. If ``forward`` is true, the first entries are returned, else the
    last ones. The limit is needed because long names may make many lines of a long message.
    """
    kept: list[list[bytes]] = []
    room = MAX_HISTORY_PAGE_BYTES
    for lines in entries if forward else reversed(entries):
        room -= sum(map(len, lines))
        if kept and room < 0:
            break
        kept.append(lines)
    return [line for lines in (kept if forward else reversed(kept)) for line in lines]


def _past_lines(capabilities: frozenset[str], entry: LogEntry) -> list[bytes]:
    """Return the lines of ``entry`` in a page. There is always one: a client takes a page with fewer messages
    than it has asked for as the last one.
    """
    event = entry.event
    if not event.is_message:
        return history_event_lines(capabilities, entry)
    if event.is_tombstone:
        kind = "notice" if event.kind == "notice" else "message"
        shown = replace(entry, event=replace(event, kind=kind, body=DELETED_TEXT))
        return message_lines(capabilities, shown, shows_time=True) + history_redaction_lines(
            capabilities, entry
        )
    return message_lines(capabilities, entry, shows_time=True)


def _in_batch(client: IrcClientState, lines: Iterable[bytes], name: str, *params: str) -> list[bytes]:
    if "batch" not in client.capabilities:
        return list(lines)
    start = format_line("BATCH", "+history", name, *params, source=client.server)
    return batch_lines(start, "history", lines, client.server)


def chathistory_targets_lines(
    dialect: IrcDialect, request: Request, answer: ActiveConversations
) -> list[bytes]:
    """Return the answer to ``CHATHISTORY TARGETS``: a list of conversations with the times of their last
    messages.
    """
    _, _, newest = request.encoder_context
    listed = answer.items[-int(newest) :] if newest else answer.items
    lines = (
        format_line(
            "CHATHISTORY",
            "TARGETS",
            target_of_list_item(one.kind, one.name),
            format_rfc3339(one.last_message_at),
            source=dialect.client.server,
        )
        for one in listed
    )
    return _in_batch(dialect.client, lines, "draft/chathistory-targets")


def chathistory_refusal_lines(client: IrcClientState, request: Request, refusal: Refusal) -> list[bytes]:
    """Return the line that refuses ``CHATHISTORY``."""
    code = "INVALID_TARGET" if refusal.code in INVALID_TARGET_REFUSAL_CODES else "MESSAGE_ERROR"
    if refusal.code == "bad_request":
        code = "INVALID_PARAMS"
    return [client.standard_reply("CHATHISTORY", code, refusal.text, *request.encoder_context[:2])]


# What was missed, for clients that don't ask.


def _missed_lines(client: IrcClientState, page: Page) -> list[bytes]:
    """Return the messages in ``page`` that its reader has missed.

    A client that is not told what it has sent is not told either what its user has sent in other sessions.
    """
    seen = page.last_seen_id or 0
    target = target_for_reader(page.reader, page.conversation)
    told: list[list[bytes]] = []
    for entry in page.entries:
        is_own = entry.event.actor.id == page.reader.id and "echo-message" not in client.capabilities
        if entry.id > seen and entry.event.is_message and not is_own:
            told.append(message_lines(client.capabilities, entry, shows_time=True))
    lines = lines_of_fitting_entries(told, False)
    notes: list[bytes] = []
    if page.has_more and page.entries and page.entries[0].id > seen:
        before = page.entries[0].id
        command = f"history;{target};;{before}"
        if page.conversation.kind == "group":
            command = f"messages;{page.conversation.name};;{before}"
        elif page.conversation.kind == "lobby":
            command = f"history;;;{before}"
        notes.append(client.notice(f"You may have missed more in {target}. To read on: /msg chatd {command}"))
    return [*notes, *(_in_batch(client, lines, "chathistory", target) if lines else [])]


def missed_conversations_lines(dialect: IrcDialect, request: Request, answer: Conversations) -> list[bytes]:
    """Return the notices that list conversations with missed messages that are not sent after the login."""
    client = dialect.client
    shown = [
        f"{target_of_list_item(one.kind, one.name)} ({one.unread_count})"
        for one in answer.items
        if one.unread_count
    ]
    return [
        client.notice(
            f"You have missed messages in {', '.join(shown[start : start + 5])}."
            " To read them: /msg chatd messages;GROUP or history;NICK"
        )
        for start in range(0, len(shown), 5)
    ]


VERB_DECODERS: Final = {"CHATHISTORY": (decode_chathistory, 1)}
"""The function that decodes the verb, and the number of parameters that the verb needs."""

ANSWER_ENCODERS: Final[dict[type, Callable[[IrcDialect, Request, Any], Sequence[bytes]]]] = {
    Page: history_page_lines,
    ActiveConversations: chathistory_targets_lines,
    Conversations: missed_conversations_lines,
}
"""The functions that encode each kind of answer."""
