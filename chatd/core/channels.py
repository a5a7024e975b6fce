"""Queries of clients that see groups as chat channels: pure functions of the state and of who is online.

Only members see who is in a group, as on every wire. What they see of it are the members who are online.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from chatd.core.answers import Channel, ChannelMember, Profile, Statistics, UserDescription, UserDescriptions
from chatd.core.channel_commands import ShowChannel, ShowStatistics, ShowUsers
from chatd.core.events import LOBBY, User
from chatd.core.refusals import Refusal
from chatd.core.state import Group, State
from chatd.core.tokens import Token, token_covers

ProfileOf = Callable[[User], Profile | None]
"""A function that returns the profile of a user, or None if the user is not online."""

CHANNEL_QUERIES: Final = (ShowChannel, ShowUsers, ShowStatistics)
"""The classes of the commands that are answered from here."""

MAX_SHOWN_USERS: Final = 32
"""The maximum number of users that one `ShowUsers` describes."""


def show_channel(
    state: State,
    online: Iterable[User],
    profile_of: ProfileOf,
    reader: User,
    name: str,
    token: Token | None = None,
) -> Channel:
    """Return the group called ``name``, or the lobby if ``name`` is empty, as ``reader`` may see it.

    ``online`` are the users who are online, in the order of arrival. Raises `Refusal` ``no_such_group``, also
    if the ``token`` of the reader's session is not for the group.
    """
    if not name:
        return Channel("", members=_members(state, online, profile_of, None))
    group = state.group(name, reader)
    if not token_covers(token, group.conversation):
        raise Refusal("no_such_group", group=name)
    return channel_of_group(state, profile_of, reader, group)


def channel_of_group(state: State, profile_of: ProfileOf, reader: User, group: Group) -> Channel:
    """Return ``group``, which ``reader`` may see, as a channel."""
    author = None if group.topic_author is None else state.users.get(group.topic_author)
    is_member = reader.id in group.members
    return Channel(
        group.name,
        group.visibility == "private",
        is_member,
        group.topic,
        "" if author is None else author.nick,
        group.topic_at,
        group.created_at,
        _members(state, group.members.values(), profile_of, group) if is_member else (),
        tuple(state.users[id].nick for id in sorted(group.banned)) if is_member else (),
    )


def channels_of(
    state: State, online: Iterable[User], profile_of: ProfileOf, reader: User, token: Token | None
) -> tuple[Channel, ...]:
    """Return the lobby and the groups of ``reader``, those that the ``token`` of the session is for."""
    shown = [show_channel(state, online, profile_of, reader, "")] if token_covers(token, LOBBY) else []
    groups = (state.group_of(one) for one in state.direct_and_group_conversations_of(reader) if not one.pair)
    shown += [
        channel_of_group(state, profile_of, reader, group)
        for group in groups
        if group is not None and token_covers(token, group.conversation)
    ]
    return tuple(shown)


def show_users(state: State, profile_of: ProfileOf, reader: User, command: ShowUsers) -> UserDescriptions:
    """Return what ``reader`` may know of the users whom ``command`` names, at most `MAX_SHOWN_USERS`."""
    found: list[UserDescription] = []
    for nick in command.nicks.split()[:MAX_SHOWN_USERS]:
        try:
            user = state.user(nick)
        except Refusal:
            continue
        found.append(
            UserDescription(
                user,
                profile_of(user),
                user.id in state.credentials,
                tuple(_shown_groups(state, reader, user)),
            )
        )
    return UserDescriptions(tuple(found))


def count_users(state: State, online: int, reader: User) -> Statistics:
    """Return the numbers of users, ``online`` of whom are online, and of groups that ``reader`` may see."""
    return Statistics(online, len(state.users), len(state.groups_visible_to(reader)))


def _shown_groups(state: State, reader: User, user: User) -> Iterable[tuple[str, bool]]:
    """Yield the groups that ``reader`` is in as well, with whether ``user`` is an operator there."""
    for conversation in state.direct_and_group_conversations_of(user):
        group = state.group_of(conversation)
        if group is not None and reader.id in group.members:
            yield group.name, group.role(user) in ("owner", "operator")


def _members(
    state: State, users: Iterable[User], profile_of: ProfileOf, group: Group | None
) -> tuple[ChannelMember, ...]:
    found: list[ChannelMember] = []
    for user in users:
        profile = profile_of(user)
        if profile is not None:
            is_operator = group is not None and (user.id in group.operators or group.is_owner(user))
            found.append(ChannelMember(user, profile, is_operator, user.id in state.credentials))
    return tuple(found)
