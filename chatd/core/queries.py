"""Queries: pure functions that answer the commands which list what the daemon has in memory.

`answer_list_command` answers the commands in `LIST_QUERIES`. `conversation_of_command` returns the
conversation that a command reads or marks as read, `page_request_of` which part of its log a command reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from chatd.core import commands as c
from chatd.core.answers import (
    Answer,
    Clients,
    GroupListItem,
    Groups,
    Help,
    IgnoredUsers,
    Member,
    Members,
    ModerationLog,
    TokenList,
)
from chatd.core.channel_commands import (
    DeleteMessageInConversation,
    MarkReadUntilTime,
    ReactInChannel,
    UnreactInChannel,
)
from chatd.core.events import LOBBY, Conversation, User
from chatd.core.records import PageContents
from chatd.core.refusals import Refusal, TranslatableText, translatable_reason
from chatd.core.rules import require_group_member
from chatd.core.search import SearchTerm, parse_search_terms
from chatd.core.state import Group, State
from chatd.core.token_rules import is_search_in_lobby, list_tokens
from chatd.core.tokens import Token, token_covers

OnlineUsersByNick = Mapping[str, User]
"""The users who are logged in, in the order of arrival, by their key."""


def answer_list_command(
    state: State,
    presence: OnlineUsersByNick,
    reader: User | None,
    command: c.Command,
    now: int,
    token: Token | None = None,
) -> Answer:
    """Return the list that answers ``command``, whose class is a key of `LIST_QUERIES`.

    ``reader`` is the user who asks, or None before the login. ``now`` is the present time, in milliseconds
    since 1970. ``token`` is the token of the session, or None. The caller has checked that the token allows
    the command (`check_command_scope`), that ``reader`` is not None unless anyone may give the command, and
    that ``reader`` is a server operator if the command needs one. Raises `Refusal` ``no_such_group``,
    ``not_member`` or ``no_such_user``.
    """
    return LIST_QUERIES[type(command)](state, presence, reader, token, now, command)


def conversation_of_command(
    state: State,
    reader: User,
    command: c.ListGroupMessages
    | c.ListGroupEvents
    | c.ReadHistory
    | c.MarkRead
    | MarkReadUntilTime
    | DeleteMessageInConversation
    | ReactInChannel
    | UnreactInChannel
    | c.Search,
) -> Conversation:
    """Return the conversation that ``command`` of the user ``reader`` is about.

    This is the conversation of ``group`` if ``command`` has a group, or the direct one with the user
    ``dest``, or the lobby if both are None. For two users who never sent each other a message, return an
    empty conversation with the id 0, which is not in ``state``. Raises `Refusal` ``no_such_group``,
    ``not_member`` or ``no_such_user``.
    """
    if command.group is not None:
        return require_group_member(state, reader, command.group).conversation
    if command.dest is None:
        return LOBBY
    friend = state.require_user(command.dest)
    pair = (reader, friend) if reader.id < friend.id else (friend, reader)
    return state.direct_conversation(reader, friend) or Conversation(0, "direct", pair=pair)


class PageRequest(msgspec.Struct, frozen=True, eq=False):
    """The bounds and the size of the page of the log that a command asks for.

    Its entries lie between the ids ``after`` and ``before`` and between the times ``after_time`` and
    ``before_time``, in milliseconds since 1970. These bounds are excluded. Instead of bounds, there may be an
    id ``around`` or a time ``around_time``: the page then has entries on both sides of it. ``limit`` is the
    maximum number of entries, or None if the command gives none. The other attributes are those of
    `PageIdWindow`.
    """

    limit: int | None
    before: int | None = None
    after: int | None = None
    around: int | None = None
    before_time: int | None = None
    after_time: int | None = None
    around_time: int | None = None
    contents: PageContents = "messages"
    reads_forward: bool = False
    whole_milliseconds: bool = False


def page_request_of(command: c.ListGroupMessages | c.ListGroupEvents | c.ReadHistory) -> PageRequest:
    """Return the bounds and the size of the page that ``command`` asks for.

    Raises `Refusal` ``bad_request`` if the command has ``around`` or ``around_time`` together with another
    bound.
    """
    if not isinstance(command, c.ReadHistory):
        contents: PageContents = "events" if isinstance(command, c.ListGroupEvents) else "messages"
        forward = command.after is not None and command.before is None
        return PageRequest(
            command.limit, command.before, command.after, contents=contents, reads_forward=forward
        )
    bounds = {name: getattr(command, name) for name in _BOUNDS}
    given = [name for name, bound in bounds.items() if bound is not None]
    if len(given) > 1 and given[-1] in _CENTRES:
        raise Refusal(
            "bad_request", why=translatable_reason("around_alone", name=TranslatableText(given[-1]))
        )
    return PageRequest(
        command.limit,
        **bounds,
        contents="all" if command.events == "all" else "messages",
        reads_forward=command.order == "oldest"
        or (command.order is None and bool(given) and set(given) <= _LOWER),
        whole_milliseconds=command.whole_milliseconds == "yes",
    )


class SearchRequest(msgspec.Struct, frozen=True, eq=False):
    """The criteria of a search for messages: the words, the conversation, the author and the bounds.

    Messages that contain all ``terms`` are found. If ``conversation`` or ``author`` is None, messages of all
    conversations or of all authors are found. ``page`` has the bounds as ids and times, and the maximum
    number of messages.
    """

    terms: tuple[SearchTerm, ...]
    conversation: Conversation | None
    author: User | None
    page: PageRequest


def search_request_of(state: State, reader: User, command: c.Search) -> SearchRequest:
    """Return the criteria of the search that ``command`` of the user ``reader`` asks for.

    Raises `Refusal` ``no_such_group``, ``not_member``, ``no_such_user``, or ``bad_request`` if the command
    names neither words nor an author nor a conversation.
    """
    conversation = None
    if is_search_in_lobby(command):
        conversation = LOBBY
    elif command.group is not None or command.dest is not None:
        conversation = conversation_of_command(state, reader, command)
    author = None if command.author is None else state.require_user(command.author)
    if not command.words and conversation is None and author is None:
        raise Refusal(
            "bad_request",
            why=translatable_reason("missing", command="search", name=TranslatableText("words")),
        )
    bounds = {
        name: getattr(command, name)
        for name in ("before", "after", "before_time", "after_time")
        if getattr(command, name) is not None
    }
    return SearchRequest(
        parse_search_terms(command.words) if command.words else (),
        conversation,
        author,
        PageRequest(command.limit, **bounds, reads_forward=bool(bounds) and bounds.keys() <= _LOWER),
    )


_CENTRES: Final = ("around", "around_time")
_LOWER: Final = {"after", "after_time"}
_BOUNDS: Final = ("before", "after", "before_time", "after_time", *_CENTRES)


def _clients(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListClients,
) -> Clients:
    return Clients(tuple(user.nick for user in list(presence.values())[command.skip :]))


def _members(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListMembers,
) -> Members:
    group = require_group_member(state, reader, command.group)
    members = list(group.members.values())[command.skip :]
    return Members(
        group.name,
        tuple(
            Member(
                user.nick, group.role(user), user.normalized_nick in presence, user.id in state.credentials
            )
            for user in members
        ),
    )


def _groups(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListGroups,
) -> Groups:
    groups = [one for one in state.groups_visible_to(reader) if token_covers(token, one.conversation)]
    lines = tuple(_group_line(state, reader, group) for group in groups[command.skip :])
    return Groups(lines, len(presence), now)


def _group_line(state: State, reader: User, group: Group) -> GroupListItem:
    owner = group.owner
    return GroupListItem(
        group.name,
        group.visibility,
        group.topic,
        len(group.members),
        group.role(reader),
        "" if owner is None else owner.nick,
        owner is not None and owner.id in state.credentials,
        group.history,
        group.created_at,
        group.topic_at if group.topic else 0,
    )


def _moderations(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListModerations,
) -> ModerationLog:
    return ModerationLog(tuple(state.moderations[::-1][command.skip :]))


def list_ignored_users(state: State, user: User) -> IgnoredUsers:
    """Return the list of the users whom ``user`` ignores."""
    return IgnoredUsers(tuple(sorted(state.users[id].nick for id in state.ignored_user_ids(user))))


def _ignored(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListIgnored,
) -> IgnoredUsers:
    return list_ignored_users(state, reader)


def _tokens(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListTokens,
) -> TokenList:
    return list_tokens(state, reader)


def _user_tokens(
    state: State,
    presence: OnlineUsersByNick,
    reader: User,
    token: Token | None,
    now: int,
    command: c.ListUserTokens,
) -> TokenList:
    return list_tokens(state, state.require_user(command.dest))


def _help(
    state: State,
    presence: OnlineUsersByNick,
    reader: User | None,
    token: Token | None,
    now: int,
    command: c.ListCommands,
) -> Help:
    return Help(tuple(c.COMMANDS.values()))


# Each query takes the command class of its own line, which the type of a dict cannot express.
_Query = Callable[[State, OnlineUsersByNick, Any, Token | None, int, Any], Answer]

LIST_QUERIES: Final[
    dict[type[c.Command], Callable[[State, OnlineUsersByNick, Any, Token | None, int, Any], Answer]]
] = {
    c.ListClients: _clients,
    c.ListMembers: _members,
    c.ListGroups: _groups,
    c.ListModerations: _moderations,
    c.ListIgnored: _ignored,
    c.ListTokens: _tokens,
    c.ListUserTokens: _user_tokens,
    c.ListCommands: _help,
}
"""The function that answers each command class that is answered from memory."""
