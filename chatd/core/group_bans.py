"""Bans from a group by address: the ban of an unregistered user applies to the user's addresses as well.

The network of a client is its IPv4 address, or its IPv6 network (/64). The daemon's own machine has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from chatd.core.events import User
from chatd.core.moderation import BannedNetworks
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.core.state import State


def check_not_banned_by_network(state: State, decision: Decision, client_network: str | None) -> None:
    """Check that ``decision`` lets no unregistered user from a banned network join a group.

    ``client_network`` is the network of the client, or None on the daemon's own machine. Raises `Refusal`
    ``banned``.
    """
    for event in decision.events:
        group = state.group_of(event.conversation) if event.kind == "joined" else None
        if (
            group is not None
            and event.actor.id not in state.credentials
            and group.is_banned_network(client_network)
        ):
            raise Refusal("banned", nick=event.actor.nick, group=group.name)


def with_banned_networks(
    state: State, decision: Decision, networks_of: Callable[[User], Iterable[str]]
) -> Decision:
    """Return ``decision`` with one `BannedNetworks` record for each ban or unban in it.

    The record of a ban of an unregistered user has the user's known networks, as ``networks_of(user)``
    returns them. The record of a ban of a registered user, or of an unban, has no networks. Storing the
    record deletes the networks of an earlier ban of that user.
    """
    records = []
    for event in decision.events:
        if event.kind in ("banned", "unbanned") and event.subject is not None:
            applies = event.kind == "banned" and event.subject.id not in state.credentials
            networks = tuple(sorted(networks_of(event.subject))) if applies else ()
            records.append(BannedNetworks(event.conversation, event.subject, networks))
    return replace(decision, records=(*decision.records, *records)) if records else decision
