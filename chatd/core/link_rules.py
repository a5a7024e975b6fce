"""The rules of invitation links: pure functions that decide who makes, uses, sees and revokes which link.

They return a `Decision` or a list, or raise a `Refusal`. Times are in milliseconds since 1970.
`chatd.chat.links` carries out the commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec.structs import replace

from chatd.core import commands as c
from chatd.core.accounts import Secret
from chatd.core.answers import InvitationLinkList, InvitationLinkListItem
from chatd.core.events import MEMBERSHIP_END_EVENT_KINDS, ChatEvent, User
from chatd.core.limits import Limits
from chatd.core.links import InvitationLink, InvitationLinkDeleted, invitation_link_digest
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.rules import Decision, require_group_member
from chatd.core.state import Group, State

MAX_INVITATION_LINK_LIFETIME_DAYS: Final = 365
"""The longest lifetime of a link, in days."""

_DAY_SECONDS: Final = 86_400


def make_invitation_link(
    state: State, user: User, command: c.MakeInvitationLink, digest: Secret, limits: Limits, now: int
) -> Decision:
    """Return the changes (a `Decision`) that make the invitation link of ``command``, with ``user`` as its
    maker.

    ``digest`` is the digest of the link's secret. Links of the group that have expired are deleted. ``now``
    is in milliseconds since 1970. Raises `Refusal` ``no_such_group``, ``not_member``, ``bad_request`` for a
    lifetime that is too long, or ``too_many_links``.
    """
    group = require_group_member(state, user, command.group)
    days = min(limits.invitation_days, MAX_INVITATION_LINK_LIFETIME_DAYS)
    lifetime = days * _DAY_SECONDS if command.lifetime is None else command.lifetime
    if lifetime > MAX_INVITATION_LINK_LIFETIME_DAYS * _DAY_SECONDS:
        raise Refusal(
            "bad_request", why=translatable_reason("long_lifetime", limit=MAX_INVITATION_LINK_LIFETIME_DAYS)
        )
    links = state.invitation_links_of(group.conversation)
    expired = [link for link in links if link.has_expired(now)]
    if len(links) - len(expired) >= limits.links_per_group:
        raise Refusal("too_many_links", group=group.name, limit=limits.links_per_group)
    number = links[-1].number + 1 if links else 1
    link = InvitationLink(digest, group.conversation, number, user.id, now, now + lifetime * 1000)
    return Decision(records=(*map(InvitationLinkDeleted, expired), link))


def use_invitation_link(state: State, user: User, command: c.UseInvitationLink, now: int) -> Decision:
    """Return the changes (a `Decision`) by which ``user`` joins the group of the invitation link in
    ``command``.

    The group need not be public. The changes are an ``invited`` event of the maker of the link, then a
    ``joined`` event. Quotas and bans by address are not checked here. ``now`` is in milliseconds since 1970.
    Raises `Refusal` ``bad_link`` if the link is unknown, expired or deleted, without telling which;
    ``already_member``; ``banned``.
    """
    link = state.invitation_links.get(invitation_link_digest(command.link))
    group = None if link is None or link.has_expired(now) else state.group_of(link.conversation)
    if link is None or group is None:
        raise Refusal("bad_link")
    for code, held in (("already_member", group.members), ("banned", group.banned_user_ids)):
        if user.id in held:
            raise Refusal(code, nick=user.nick, group=group.name)
    invited = ChatEvent("invited", group.conversation, state.users[link.maker_id], user)
    joined = ChatEvent("joined", group.conversation, user)
    return Decision((invited, joined), (replace(link, use_count=link.use_count + 1),))


def list_invitation_links(state: State, user: User, name: str, now: int) -> InvitationLinkList:
    """Return the list of the invitation links of the group called ``name`` that ``user`` may see, the oldest
    first.

    ``now`` is in milliseconds since 1970. Raises `Refusal` ``no_such_group`` or ``not_member``.
    """
    group = require_group_member(state, user, name)
    return InvitationLinkList(
        group.name,
        tuple(invitation_link_list_item(state, link) for link in _visible_links(state, user, group, now)),
    )


def invitation_link_list_item(state: State, link: InvitationLink) -> InvitationLinkListItem:
    """Return the invitation ``link`` as an item of a list of links, without its secret."""
    maker = state.users[link.maker_id].nick
    return InvitationLinkListItem(
        link.conversation.name, link.number, maker, link.made_at, link.expires_at, link.use_count
    )


def revoke_invitation_link(state: State, user: User, command: c.RevokeInvitationLink, now: int) -> Decision:
    """Return the changes (a `Decision`) that delete the invitation link of ``command``, which ``user`` may
    see.

    ``now`` is in milliseconds since 1970. Raises `Refusal` ``no_such_group``, ``not_member`` or
    ``no_such_link``.
    """
    group = require_group_member(state, user, command.group)
    for link in _visible_links(state, user, group, now):
        if link.number == command.number:
            return Decision(records=(InvitationLinkDeleted(link),))
    raise Refusal("no_such_link", number=command.number, group=group.name)


def invitation_link_deletions_after(
    state: State, events: Iterable[ChatEvent]
) -> Iterator[InvitationLinkDeleted]:
    """Yield the records that delete the invitation links that end with ``events``.

    ``events`` are not applied to ``state`` yet. A link ends when its maker leaves the group or is removed
    from it. When a group is closed, all its links end.
    """
    for event in events:
        if event.kind in MEMBERSHIP_END_EVENT_KINDS:
            former = (event.subject or event.actor).id
            for link in state.invitation_links_of(event.conversation):
                if event.kind == "closed" or link.maker_id == former:
                    yield InvitationLinkDeleted(link)


def delete_expired_invitation_links(state: State, now: int, limit: int) -> Decision:
    """Return the changes (a `Decision`) that delete expired invitation links, at most ``limit`` of them.

    ``now`` is in milliseconds since 1970.
    """
    expired = (
        InvitationLinkDeleted(link) for link in state.invitation_links.values() if link.has_expired(now)
    )
    return Decision(records=tuple(islice(expired, limit)))


def _visible_links(state: State, user: User, group: Group, now: int) -> list[InvitationLink]:
    """Return the unexpired links of ``group`` that the member ``user`` may see.

    The owner and the operators see all links, other members only their own.
    """
    sees_all = group.role(user) != "member"
    links = state.invitation_links_of(group.conversation)
    return [link for link in links if not link.has_expired(now) and (sees_all or link.maker_id == user.id)]
