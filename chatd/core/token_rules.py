"""The rules of tokens: pure functions that decide who has which token, and what sessions with tokens may do.

They return a `Decision` or a list, or raise a `Refusal`. `chatd.chat.tokens` carries out the commands.
"""

from __future__ import annotations

from typing import Final

from chatd.core import commands as c
from chatd.core.account_rules import require_credential
from chatd.core.accounts import Secret
from chatd.core.answers import TokenList, TokenListItem
from chatd.core.events import LOBBY, MESSAGE_KINDS, EventKind, User
from chatd.core.limits import Limits
from chatd.core.names import BadName, Name, parse_group
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, has_closed_account, require_group_member
from chatd.core.state import State
from chatd.core.tokens import Token, TokenDeleted

ALL_CONVERSATIONS_NAME: Final = "*"
"""The group list of an unlimited token, in commands and in answers. No group can have this name."""

LOBBY_NAME: Final = "lobby"
"""The name of the lobby in the group list of a token, in commands and in answers. No group can have this
name.
"""

EVENT_KINDS_ALLOWED_WITH_TOKEN: Final[frozenset[EventKind]] = MESSAGE_KINDS | {"joined"}
"""The kinds of events that a command of a session with a token can lead to."""

_FREE_OF_PLACE: Final = (
    c.Hello,
    c.PasswordBeforeHello,
    c.ListGroups,
    c.ListConversations,
    c.ListCommands,
    c.DeleteMessage,
    c.EditMessage,
    c.ReplyToMessage,
    c.ReactToMessage,
    c.TakeReactionBack,
)
"""The commands that name no conversation, as a search does if it is for all of them. Their lists are limited
to the scope of the token; so are the commands on a message, once it is known where that is.
"""


def make_token(
    state: State, user: User, command: c.MakeToken, digest: Secret, limits: Limits, now: int
) -> Decision:
    """Return the changes (a `Decision`) that make the token that ``command`` describes, for ``user``.

    ``digest`` is the digest of its secret; ``now`` is in milliseconds since 1970. The changes also delete the
    user's expired tokens. The user must be a member of the groups to which the token is limited. Raises
    `Refusal` ``not_registered``, ``account_closed``, ``bad_request`` for an invalid name, ``token_exists``,
    ``too_many_tokens``, ``no_such_group`` or ``not_member``.
    """
    require_credential(state, user)
    if has_closed_account(state, user):
        raise Refusal("account_closed", nick=user.nick)
    name = _parse_name(command.token)
    expired = [token for token in state.tokens_of(user) if token.has_expired(now)]
    kept = [token for token in state.tokens_of(user) if not token.has_expired(now)]
    if any(parse_group(token.name).normalized == name.normalized for token in kept):
        raise Refusal("token_exists", name=name.original)
    if len(kept) >= limits.tokens_per_user:
        raise Refusal("too_many_tokens", limit=limits.tokens_per_user)
    token = Token(
        user,
        name.original,
        digest,
        command.scope,
        _conversations(state, user, command.groups),
        now,
        None if command.duration is None else now + command.duration * 1000,
    )
    return Decision(records=(*map(TokenDeleted, expired), token))


def revoke_token(state: State, user: User, name: str) -> Decision:
    """Return the changes (a `Decision`) that delete the token called ``name`` of ``user``.

    Raises `Refusal` ``no_such_token``.
    """
    try:
        key = parse_group(name).normalized
    except BadName:
        key = ""
    for token in state.tokens_of(user):
        if parse_group(token.name).normalized == key:
            return Decision(records=(TokenDeleted(token),))
    raise Refusal("no_such_token", name=name)


def list_tokens(state: State, user: User) -> TokenList:
    """Return the list of the tokens of ``user``, the oldest first. Expired tokens are included."""
    return TokenList(user.nick, tuple(token_list_item(state, token) for token in state.tokens_of(user)))


def token_list_item(state: State, token: Token) -> TokenListItem:
    """Return ``token`` as an item of a list of tokens, with the names of its groups."""
    places: tuple[str, ...] = (ALL_CONVERSATIONS_NAME,)
    if token.conversation_ids is not None:
        found = (state.conversations[id] for id in sorted(token.conversation_ids))
        places = tuple(conversation.name or LOBBY_NAME for conversation in found)
    return TokenListItem(token.name, token.access, places, token.made_at, token.expires_at)


def session_end_reason(state: State, token: Token, now: int) -> Refusal | None:
    """Return the refusal that ends a session that has logged in with ``token``, or None if it may go on.

    The code of the refusal is ``token_expired`` or ``token_revoked``. ``now`` is in milliseconds since 1970.
    """
    if token.has_expired(now):
        return Refusal("token_expired", nick=token.user.nick)
    return None if token.digest in state.tokens else Refusal("token_revoked", nick=token.user.nick)


def check_command_scope(state: State, token: Token, command: c.Command) -> None:
    """Check that a session that has logged in with ``token`` may give ``command``.

    `check_decision_scope` later checks the changes of the command. Raises `Refusal` ``out_of_scope``. If the
    token is limited to some conversations, raises ``no_such_group`` for an unknown group and for a private
    one outside the scope alike, because the token must not reveal that the group exists.
    """
    needed = c.COMMANDS_BY_CLASS[type(command)].required_access
    if needed == "password" or (needed == "write" and token.access == "read"):
        raise Refusal("out_of_scope")
    if not token.is_limited_to_conversations or type(command) in _FREE_OF_PLACE:
        return
    name = getattr(command, "group", None)
    if isinstance(command, c.Search):
        if name is None and command.dest is None:
            return
        name = None if is_search_in_lobby(command) else name
    if not name:
        if getattr(command, "dest", None) is not None or not token.covers(LOBBY.id):
            raise Refusal("out_of_scope")
        return
    group = state.find_group(name)
    if group is None or not (token.covers(group.conversation.id) or group.is_public):
        raise Refusal("no_such_group", group=name)
    if not token.covers(group.conversation.id):
        raise Refusal("out_of_scope")


def is_search_in_lobby(command: c.Search) -> bool:
    """Return whether ``command`` searches only the lobby, which a search names as if it were a group."""
    return command.group is not None and command.group.casefold() == LOBBY_NAME


def check_decision_scope(token: Token, decision: Decision) -> None:
    """Check that ``token`` allows the events of ``decision``. Raises `Refusal` ``out_of_scope``.

    This check is needed for ``enter``, which every token may use. For a member of the group the command
    changes nothing, but for others it may join or create the group.
    """
    for event in decision.events:
        if token.access == "read" or event.kind not in EVENT_KINDS_ALLOWED_WITH_TOKEN:
            raise Refusal("out_of_scope")


def _parse_name(text: str) -> Name:
    try:
        return parse_group(text)
    except BadName as bad:
        raise Refusal("bad_request", why=bad.reason) from None


def _conversations(state: State, user: User, groups: str) -> frozenset[int] | None:
    """Return the ids of the conversations that ``groups`` lists, None for all. Raises `Refusal`."""
    if groups.strip() in ("", ALL_CONVERSATIONS_NAME):
        return None
    return frozenset(
        LOBBY.id if name.casefold() == LOBBY_NAME else require_group_member(state, user, name).conversation.id
        for name in map(str.strip, groups.split(","))
    )
