"""Formats log entries, arrivals and departures as single lines of a log file."""

from __future__ import annotations

import re
from typing import Final

from chatd.core.events import (
    REACTION_KINDS,
    AccountChangeDelivery,
    Conversation,
    GroupMemberArrived,
    LogEntry,
    MultiUserDelivery,
    OperatorAnnouncement,
    ProfileChangeDelivery,
    TransientMessage,
    UserArrived,
)
from chatd.core.terminal import replace_controls

# Characters that would end a line or control the terminal that shows it.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def format_delivery_line(delivery: MultiUserDelivery, private: bool = False) -> str:
    """Return ``delivery`` as one line of a log, such as ``[group wob] alice: hello`` or ``alice arrived``.

    The brackets contain the conversation: ``lobby``, ``private`` for a direct conversation, or ``group`` and
    the name of the group. So a group called ``lobby`` can't be mistaken for the lobby. If ``private`` is
    true, a group is shown as ``private group`` and its name.
    """
    if isinstance(delivery, OperatorAnnouncement):
        return f"{delivery.user.nick} announced: {_one_line(delivery.text)}"
    if isinstance(delivery, GroupMemberArrived):
        return f"{delivery.arrived.user.nick} arrived in a group"
    if isinstance(delivery, ProfileChangeDelivery):
        return f"{delivery.user.nick} changed a profile"
    if isinstance(delivery, TransientMessage):
        return f"{delivery.user.nick} told clients something in passing"
    if isinstance(delivery, AccountChangeDelivery):
        return f"{delivery.user.nick} {'registered' if delivery.is_registered else 'unregistered'}"
    if not isinstance(delivery, LogEntry):
        return f"{delivery.user.nick} {'arrived' if isinstance(delivery, UserArrived) else 'left'}"
    event = delivery.event
    actor = event.actor.nick
    subject = f" {event.subject.nick}" if event.subject is not None else ""
    where = _where(event.conversation, private)
    body = _one_line(event.body)
    if event.kind == "edited":
        body = f"{event.changed_message_id}: {_one_line(event.edited_kind_and_text[1])}"
    elif event.kind in REACTION_KINDS:
        body = f"{event.changed_message_id}: {body}"
    if event.is_message and event.conversation.kind == "direct":
        return f"[{where}] {actor} to{subject}: {body}"
    if event.is_message:
        return f"[{where}] {actor}: {body}"
    return f"[{where}] {actor} {event.kind}{subject} {body}".rstrip()


def _one_line(text: str) -> str:
    return replace_controls(_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text))


def format_entry_without_private_parts(entry: LogEntry) -> str:
    """Return the log line of an entry in a private conversation, without its text and without the group's
    name.
    """
    event = entry.event
    actor = event.actor.nick
    if event.is_message:
        to = event.subject.nick if event.subject is not None else "a group"
        return f"[private] {actor} to {to}"
    subject = f" {event.subject.nick}" if event.subject is not None else ""
    return f"[private] {actor} {event.kind}{subject}"


def _where(conversation: Conversation, private: bool) -> str:
    if conversation.kind == "group":
        return f"private group {conversation.name}" if private else f"group {conversation.name}"
    return "private" if conversation.kind == "direct" else "lobby"
