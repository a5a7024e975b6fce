"""Who receives an event: a pure function of the state and the event."""

from __future__ import annotations

from chatd.core.events import Event
from chatd.core.state import State

Audience = tuple[int, ...] | None
"""The ids of users, ascending; None stands for everyone connected."""


def audience(state: State, event: Event) -> Audience:
    """The users who receive ``event``, equal before and after the event is applied to ``state``.

    An event of the lobby goes to everyone connected, one of a direct conversation to its two users, one of a
    group to the members, the actor and the subject.

    For messages this is the same tuple each time, until the group changes: the fan-out joins what has
    the identical audience.
    """
    conversation = event.conversation
    if conversation.kind == "lobby":
        return None
    if conversation.kind == "direct":
        return conversation.participants
    actor, subject = event.actor, event.subject or event.actor
    group = state.group_of(conversation)
    if group is None:
        return (actor.id,)  # its creation, which is not applied yet
    if actor.id in group.members and subject.id in group.members:
        return group.audience
    return tuple(sorted({*group.members, actor.id, subject.id}))
