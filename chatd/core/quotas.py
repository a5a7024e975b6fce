"""Quotas: limits for groups that a user owns, members of a group, and open invitations of a user."""

from __future__ import annotations

from chatd.core.events import Event
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State


def check_quotas(state: State, decision: Decision, limits: Limits) -> None:
    """Check that ``decision``, not yet applied to ``state``, exceeds none of the quotas in ``limits``.

    Raises `Refusal` ``too_many_groups``, ``group_full`` or ``too_many_invitations``.
    """
    for event in decision.events:
        if not event.is_message:
            _check_event(state, event, limits)


def _check_event(state: State, event: Event, limits: Limits) -> None:
    if event.kind == "created" and len(state.groups_owned_by(event.actor)) >= limits.groups_per_user:
        raise Refusal("too_many_groups", limit=limits.groups_per_user)
    group = state.group_of(event.conversation)
    if group is None:
        return
    if event.kind == "joined" and len(group.members) >= limits.members_per_group:
        raise Refusal("group_full", group=group.name, limit=limits.members_per_group)
    if event.kind == "invited" and event.subject is not None:
        if state.invitations_of(event.subject) >= limits.invitations:
            raise Refusal("too_many_invitations", nick=event.subject.nick, limit=limits.invitations)
