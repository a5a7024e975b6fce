"""The audience of an event: the users who receive it."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from msgspec.structs import replace

from chatd.core.events import MESSAGE_KINDS, REACTION_KINDS, ChatEvent, LogEntry
from chatd.core.state import NO_USER_IDS, State

Audience = tuple[int, ...] | frozenset[int] | None
"""The users who receive an event.

A tuple holds the ids of the receivers, ascending. None means all connected users. A frozenset means all
connected users except those with these ids.
"""

IGNORABLE_EVENT_KINDS: Final = MESSAGE_KINDS | REACTION_KINDS | {"invited", "edited"}
"""The kinds of events that are not sent to the users who ignore their author."""

EVENT_KINDS_WITH_IGNORABLE_REASON: Final = frozenset(("kicked", "banned", "deleted"))
"""The kinds of events that are sent without their reason to the users who ignore their author."""


def users_who_receive(state: State, event: ChatEvent) -> Audience:
    """Return the users to whom ``event`` is sent.

    Users who ignore the author of a message, an edit, a reaction or an invitation are left out.

    The result is the same before and after the event is applied to ``state``, unless the event closes the
    group. For messages in a group, the function returns the identical tuple object until the group changes,
    unless a member ignores the author. The fan-out compares audiences by identity, and sends consecutive
    deliveries to the same audience together.
    """
    addressed = _addressed(state, event)
    ignoring = state.ignored_by.get(event.actor.id)
    if not ignoring or event.kind not in IGNORABLE_EVENT_KINDS:
        return addressed
    return ignoring if addressed is None else tuple(id for id in addressed if id not in ignoring)


def user_ids_not_shown_reason(state: State, event: ChatEvent) -> frozenset[int]:
    """Return the ids of the users who ignore the author of ``event`` and therefore must not see its reason.

    The part message of a user who leaves a group counts as a reason. The result is empty if the event has no
    reason, or if its kind is not one of `EVENT_KINDS_WITH_IGNORABLE_REASON`.
    """
    if event.part_message or (event.kind in EVENT_KINDS_WITH_IGNORABLE_REASON and event.reason):
        return state.ignored_by.get(event.actor.id, NO_USER_IDS)
    return NO_USER_IDS


def without_ignored_reason(entry: LogEntry, ignored: Container[int]) -> LogEntry:
    """Return ``entry``, or a copy without its reason if one of the ``ignored`` users has written the reason.

    ``ignored`` contains the ids of users. Kicks, bans and deletions have a reason. The part message of a user
    who leaves a group counts as a reason.
    """
    event = entry.event
    if event.actor.id not in ignored:
        return entry
    has_reason = event.part_message or event.kind in EVENT_KINDS_WITH_IGNORABLE_REASON
    return without_text(entry) if has_reason else entry


def without_text(entry: LogEntry) -> LogEntry:
    """Return a copy of ``entry`` without its text.

    The text is the reason of a kick, a ban or a deletion, the part message of a user who left a group, or the
    new text of an edited message.
    """
    event = entry.event
    body = str(event.changed_message_id) if event.kind in ("deleted", "edited") else ""
    return replace(entry, event=replace(event, body=body, part_message=""))


def _addressed(state: State, event: ChatEvent) -> tuple[int, ...] | None:
    """Return the ids of the users that ``event`` is addressed to, or None for all connected users.

    An event in the lobby is addressed to all, an event in a direct conversation to its two users, and an
    event in a group to the members, the actor and the subject. The ``deleted`` event of a group goes to the
    members and the subject only: a server operator who deletes a message need not be a member.
    """
    conversation = event.conversation
    if conversation.kind == "lobby":
        return None
    if conversation.kind == "direct":
        return conversation.pair_ids
    actor, subject = event.actor, event.subject or event.actor
    group = state.group_of(conversation)
    if group is None:
        return (actor.id,)  # its creation, which is not applied yet
    if event.kind == "deleted":
        return tuple(sorted({*group.members, subject.id}))
    if actor.id in group.members and subject.id in group.members:
        return group.member_ids
    return tuple(sorted({*group.members, actor.id, subject.id}))
