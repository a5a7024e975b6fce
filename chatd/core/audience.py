"""The audience of an event: the users who receive it."""

from __future__ import annotations

from chatd.core.events import Event
from chatd.core.state import State

Audience = tuple[int, ...] | None
"""The ids of the users who receive an event, in ascending order; None stands for everyone connected."""


def audience(state: State, event: Event) -> Audience:
    """Return the ids of the users who receive ``event``, or None for everyone connected.

    An event in the lobby goes to everyone connected, an event in a direct conversation to its two users, and
    an event in a group to its members, the actor and the subject; only the deletion of a message not to its
    actor, a server operator, who may be no member. The result is equal before and after the
    event is applied to ``state``, unless it closes the group.

    For messages in a group, the function returns the same tuple object each time until the group changes. The
    fan-out compares audiences by identity, and sends consecutive deliveries to the same audience together.
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
    if event.kind == "deleted":
        return tuple(sorted({*group.members, subject.id}))
    if actor.id in group.members and subject.id in group.members:
        return group.audience
    return tuple(sorted({*group.members, actor.id, subject.id}))
