"""Queries of clients that see groups as chat channels: pure functions of the state and of who is online.

Only members see who is in a group, as on every wire. What they see of it are the members who are online.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace

from chatd.core.answers import Channel, ChannelMember, Profile, Statistics, UserDescription, UserDescriptions
from chatd.core.audience import Audience
from chatd.core.channel_commands import (
    FindUsers,
    SendTransientMessage,
    ShowChannel,
    ShowStatistics,
    ShowUsers,
)
from chatd.core.events import LOBBY, Conversation, User
from chatd.core.masks import compile_mask
from chatd.core.refusals import Refusal
from chatd.core.rules import require_group_member, user_with_open_account
from chatd.core.state import NO_USER_IDS, Group, State
from chatd.core.tokens import Token, token_covers

GetProfileFunction = Callable[[User], Profile | None]
"""A function that returns the profile of a user, or None if the user is not online."""

ChannelQuery = ShowChannel | ShowUsers | FindUsers | ShowStatistics
"""The commands that are answered from here."""

GetEarlierProfilesFunction = Callable[[User], tuple[Profile, ...]]
"""A function that returns the profiles of ended sessions of a user, the latest first."""

MAX_WATCHED_USERS: Final = 100
"""The maximum number of users in the watch list of one session."""

MAX_SHOWN_USERS: Final = 256
"""The maximum number of users that one `ShowUsers` describes: as many as an IRC line has room for."""


def show_channel(
    state: State,
    online: Iterable[User],
    profile_of: GetProfileFunction,
    reader: User,
    name: str,
    token: Token | None = None,
    operator_ids: AbstractSet[int] = NO_USER_IDS,
) -> Channel:
    """Return the group called ``name``, or the lobby if ``name`` is empty, as a channel that ``reader`` may
    see.

    ``online`` are the users who are online, in the order of their logins. ``operator_ids`` are the ids of
    those who are shown as server operators. Raises `Refusal` ``no_such_group`` if ``reader`` may see no such
    group, or if it is outside the scope of ``token``, the token of the reader's session.
    """
    if not name:
        return Channel("", members=_members(state, online, profile_of, None, operator_ids))
    group = state.require_visible_group(name, reader)
    if not token_covers(token, group.conversation):
        raise Refusal("no_such_group", group=name)
    return channel_of_group(state, profile_of, reader, group, operator_ids)


def channel_of_group(
    state: State,
    profile_of: GetProfileFunction,
    reader: User,
    group: Group,
    operator_ids: AbstractSet[int] = NO_USER_IDS,
) -> Channel:
    """Return ``group``, which ``reader`` may see, as a channel.

    ``operator_ids`` are the ids of the users who are shown as server operators.
    """
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
        _members(state, group.members.values(), profile_of, group, operator_ids) if is_member else (),
        tuple(state.users[id].nick for id in sorted(group.banned_user_ids)) if is_member else (),
    )


def channels_of(
    state: State,
    online: Iterable[User],
    profile_of: GetProfileFunction,
    reader: User,
    token: Token | None,
    in_lobby: bool,
    read_times: Mapping[int, int],
) -> tuple[Channel, ...]:
    """Return the channels of ``reader``: the reader's groups and, if ``in_lobby`` is true, the lobby.

    Conversations outside the scope of ``token``, the token of the reader's session, are left out.
    ``read_times`` maps conversation ids to the reader's read marks, as times in milliseconds since 1970.
    """
    shown: list[Channel] = []
    if in_lobby and token_covers(token, LOBBY):
        lobby = show_channel(state, online, profile_of, reader, "")
        shown.append(replace(lobby, read_mark_time=read_times.get(LOBBY.id)))
    groups = (state.group_of(one) for one in state.direct_and_group_conversations_of(reader) if not one.pair)
    shown += [
        replace(
            channel_of_group(state, profile_of, reader, group),
            read_mark_time=read_times.get(group.conversation.id),
        )
        for group in groups
        if group is not None and token_covers(token, group.conversation)
    ]
    return tuple(shown)


def show_users(
    state: State,
    profile_of: GetProfileFunction,
    earlier_profiles_of: GetEarlierProfilesFunction,
    reader: User,
    command: ShowUsers,
    token: Token | None,
    operator_ids: AbstractSet[int],
) -> UserDescriptions:
    """Return what ``reader`` may know of the users whom ``command`` names, at most `MAX_SHOWN_USERS`.

    Groups outside the scope of ``token``, the token of the reader's session, are left out. ``operator_ids``
    are the ids of the users who are shown as server operators.
    """
    found: list[UserDescription] = []
    for nick in command.nicks.split()[:MAX_SHOWN_USERS]:
        try:
            user = state.require_user(nick)
        except Refusal:
            continue
        one = describe_user(state, profile_of, user, operator_ids)
        if command.details == "groups":
            groups = tuple(_shown_groups(state, reader, user, token))
            one = replace(
                one, group_names_with_operator_flag=groups, earlier_profiles=earlier_profiles_of(user)
            )
        found.append(one)
    return UserDescriptions(tuple(found))


def find_users(
    state: State,
    online: Iterable[User],
    profile_of: GetProfileFunction,
    command: FindUsers,
    operator_ids: AbstractSet[int],
) -> UserDescriptions:
    """Return the users in ``online`` whose nicks match the mask of ``command``.

    ``operator_ids`` are the ids of the users who are shown as server operators.
    """
    matches = compile_mask(command.mask).fullmatch
    return UserDescriptions(
        tuple(
            describe_user(state, profile_of, user, operator_ids)
            for user in online
            if matches(user.normalized_nick)
        )
    )


def describe_user(
    state: State, profile_of: GetProfileFunction, user: User, operator_ids: AbstractSet[int] = NO_USER_IDS
) -> UserDescription:
    """Return what every user may know of ``user``, without groups.

    ``operator_ids`` are the ids of the users who are shown as server operators.
    """
    is_operator = user.id in operator_ids
    return UserDescription(user, profile_of(user), state.is_registered(user), is_server_operator=is_operator)


def chat_statistics(state: State, online: int, most_online: int, reader: User, now: int) -> Statistics:
    """Return the statistics for ``reader``: the numbers of users, and of the groups that the reader may see.

    ``online`` is the number of users who are online, ``most_online`` the largest such number since the daemon
    started. ``now`` is in milliseconds since 1970.
    """
    return Statistics(online, len(state.users), len(state.groups_visible_to(reader)), most_online, now)


def resolve_transient_receivers(
    state: State, sender: User, command: SendTransientMessage
) -> tuple[Conversation | None, User | None, Audience]:
    """Return the destination of the message that ``sender`` sends by ``command``, and the users who receive
    it.

    The destination is a conversation (the lobby or that of a group) or a user; the other one is None. Users
    who ignore the sender are not among the receivers. The sender may be among them. The receivers in a
    conversation are the identical object until its members change, unless a member ignores the sender. Raises
    `Refusal` ``no_such_user``, ``no_such_group`` or ``not_member``.
    """
    ignoring = state.ignored_by.get(sender.id, NO_USER_IDS)
    if command.dest is not None:
        dest = user_with_open_account(state, command.dest)
        return None, dest, () if dest.id in ignoring else (dest.id,)
    if not command.group:
        return LOBBY, None, ignoring or None
    group = require_group_member(state, sender, command.group)
    if command.receivers == "operators":
        operators = {*group.operator_ids, *(() if group.owner is None else (group.owner.id,))}
        return group.conversation, None, tuple(id for id in group.member_ids if id in operators - ignoring)
    if not ignoring:
        return group.conversation, None, group.member_ids
    return group.conversation, None, tuple(id for id in group.member_ids if id not in ignoring)


def _shown_groups(state: State, reader: User, user: User, token: Token | None) -> Iterable[tuple[str, bool]]:
    """Yield the groups that ``reader`` is in as well, each paired with whether ``user`` is an operator in
    it.
    """
    for conversation in state.direct_and_group_conversations_of(user):
        group = state.group_of(conversation)
        if group is not None and reader.id in group.members and token_covers(token, conversation):
            yield group.name, group.role(user) in ("owner", "operator")


def _members(
    state: State,
    users: Iterable[User],
    profile_of: GetProfileFunction,
    group: Group | None,
    operator_ids: AbstractSet[int],
) -> tuple[ChannelMember, ...]:
    found: list[ChannelMember] = []
    for user in users:
        profile = profile_of(user)
        if profile is not None:
            is_operator = group is not None and (user.id in group.operator_ids or group.is_owner(user))
            registered = state.is_registered(user)
            found.append(ChannelMember(user, profile, is_operator, registered, user.id in operator_ids))
    return tuple(found)
