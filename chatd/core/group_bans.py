"""Bans from a group by address: the ban of an unregistered user applies to the user's addresses as well.

An origin is the IPv4 address or the IPv6 network (/64) of a client. The daemon's own machine has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from chatd.core.events import User
from chatd.core.moderation import BanOrigins
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State


def check_not_banned_by_origin(state: State, decision: Decision, origin: str | None) -> None:
    """Check that ``decision`` lets no unregistered user from a banned ``origin`` join a group.

    Raises `Refusal` ``banned``.
    """
    for event in decision.events:
        group = state.group_of(event.conversation) if event.kind == "joined" else None
        if group is not None and event.actor.id not in state.credentials and group.is_banned_origin(origin):
            raise Refusal("banned", nick=event.actor.nick, group=group.name)


def with_ban_origins(
    state: State, decision: Decision, origins_of: Callable[[User], Iterable[str]]
) -> Decision:
    """Return ``decision`` with a record for each ban in it: the origins that the ban applies to.

    ``origins_of`` returns the known origins of a user. The ban of a registered user applies to none. The
    record of a ban that is lifted has none either, so that no address is kept for longer than the ban.
    """
    records = []
    for event in decision.events:
        if event.kind in ("banned", "unbanned") and event.subject is not None:
            applies = event.kind == "banned" and event.subject.id not in state.credentials
            origins = tuple(sorted(origins_of(event.subject))) if applies else ()
            records.append(BanOrigins(event.conversation, event.subject, origins))
    return replace(decision, records=(*decision.records, *records)) if records else decision
