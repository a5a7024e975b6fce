"""Quotas: limits for the groups that a user owns, the members of a group, the open invitations of a user, and
the size of the database.
"""

from __future__ import annotations

from typing import Final

from chatd.core.events import ChatEvent, EventKind
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State

EVENT_KINDS_STORED_WHEN_FULL: Final[frozenset[EventKind]] = frozenset(
    (
        "left",
        "kicked",
        "banned",
        "unbanned",
        "uninvited",
        "declined",
        "promoted",
        "demoted",
        "visibility",
        "history",
        "keep",
    )
)
"""The kinds of events that are stored even if the database is full: those by which users leave a group, and
those that keep order in it.
"""


def check_quotas(state: State, decision: Decision, limits: Limits) -> None:
    """Check that ``decision``, not yet applied to ``state``, exceeds none of the quotas in ``limits``.

    An invitation link creates an invitation that the same decision uses up. Such an invitation is not
    counted. Raises `Refusal` ``too_many_groups``, ``group_full`` or ``too_many_invitations``.
    """
    for event in decision.events:
        if not event.is_message and not _is_used_up(decision, event):
            _check_event(state, event, limits)


def _is_used_up(decision: Decision, event: ChatEvent) -> bool:
    """Return whether ``event`` is an invitation of a user who joins by the same decision."""
    return event.kind == "invited" and any(
        other.kind == "joined" and other.actor is event.subject for other in decision.events
    )


def _check_event(state: State, event: ChatEvent, limits: Limits) -> None:
    if event.kind == "created" and state.count_groups_charged_to(event.actor) >= limits.groups_per_user:
        raise Refusal("too_many_groups", limit=limits.groups_per_user)
    group = state.group_of(event.conversation)
    if group is None:
        return
    if event.kind == "joined" and len(group.members) >= limits.members_per_group:
        raise Refusal("group_full", group=group.name, limit=limits.members_per_group)
    if event.kind == "invited" and event.subject is not None:
        if state.count_invitations_to(event.subject) >= limits.invitations:
            raise Refusal("too_many_invitations", nick=event.subject.nick, limit=limits.invitations)


def check_storage(decision: Decision, database_bytes: int, limits: Limits) -> None:
    """Check that ``decision`` may be stored, given that the database has ``database_bytes`` bytes.

    If the size exceeds ``limits.database_size``, only decisions without events, and those whose first event
    is one of the `EVENT_KINDS_STORED_WHEN_FULL`, may be stored. Raises `Refusal` ``storage_full``.
    """
    if database_bytes > limits.database_size and decision.events:
        if decision.events[0].kind not in EVENT_KINDS_STORED_WHEN_FULL:
            raise Refusal("storage_full")
