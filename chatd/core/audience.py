"""Who is told an event: a pure function of the state and the event."""

from __future__ import annotations

from chatd.core.events import Event
from chatd.core.state import State


def audience(state: State, event: Event) -> tuple[int, ...] | None:
    """The ids of the users who are told ``event``; None for everyone connected.

    The same users before and after the event is applied: a group's members, its actor and its subject. The
    members of a group are the very same tuple until the group changes.
    """
    conversation = event.conversation
    if conversation.kind == "lobby":
        return None
    if conversation.kind == "direct":
        low, high = conversation.pair
        return (low.id,) if low.id == high.id else (low.id, high.id)
    group = state.group_of(conversation)
    if group is None:
        return (event.actor.id,)
    outsiders = [
        user.id for user in (event.actor, event.subject) if user is not None and user.id not in group.members
    ]
    return (*group.audience, *dict.fromkeys(outsiders)) if outsiders else group.audience
