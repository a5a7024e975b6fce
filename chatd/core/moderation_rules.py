"""The rules of server operators: pure functions that decide what operators and the administrator do.

They return a `Decision` or a value, or raise a `Refusal`; the state does not change. Times, as in ``now``,
are in milliseconds since 1970. `chatd.chat.moderation` and `chatd.chat.administration` carry out the acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from msgspec.structs import replace

from chatd.core import commands as c
from chatd.core.account_rules import require_credential
from chatd.core.accounts import AccountPolicy, Credential, Secret
from chatd.core.events import CONSOLE, ChatEvent, User
from chatd.core.moderation import (
    ModerationEntry,
    ServerOperator,
    is_in_network,
    mute_or_block_target_key,
    parse_network,
)
from chatd.core.names import BadName, check_not_reserved, parse_nick
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.rules import Decision, has_closed_account, user_with_open_account
from chatd.core.state import State
from chatd.core.token_rules import revoke_token
from chatd.core.tokens import TokenDeleted


def is_server_operator(state: State, user: User, policy: AccountPolicy) -> bool:
    """Return whether ``user`` is a server operator.

    Server operators are `CONSOLE` (the control socket), and each registered user whose nick is configured or
    was appointed as an operator, unless the account is closed.
    """
    if user.id == CONSOLE.id:
        return True
    is_named = user.normalized_nick in state.appointed_operator_nicks or is_configured_operator(
        user.normalized_nick, policy
    )
    return is_named and user.id in state.credentials and not has_closed_account(state, user)


def is_configured_operator(key: str, policy: AccountPolicy) -> bool:
    """Return whether the configuration names the nick with the normalized form ``key`` as a server
    operator.
    """
    return any(parse_nick(nick).normalized == key for nick in policy.operators)


def appoint_server_operator(state: State, nick: str, policy: AccountPolicy, now: int) -> Decision:
    """Return the changes (a `Decision`) that appoint ``nick`` as a server operator.

    The appointment takes effect once the nick is registered. ``now`` is in milliseconds since 1970. Raises
    `Refusal` ``bad_nick``, ``already_server_operator``, or ``no_such_user`` for a closed account.
    """
    try:
        name = parse_nick(nick)
        check_not_reserved(name)
    except BadName as bad:
        raise Refusal("bad_nick", nick=nick, why=bad.reason) from None
    if name.normalized in state.appointed_operator_nicks or is_configured_operator(name.normalized, policy):
        raise Refusal("already_server_operator", nick=nick)
    known = state.find_user(name)
    if known is not None and has_closed_account(state, known):
        raise Refusal("no_such_user", nick=nick)
    shown = name.original if known is None else known.nick
    return Decision(records=(state.build_moderation_entry(CONSOLE, "appoint", shown, now),))


def dismiss_server_operator(state: State, nick: str, policy: AccountPolicy, now: int) -> Decision:
    """Return the changes (a `Decision`) that dismiss ``nick``, an appointed server operator.

    ``now`` is in milliseconds since 1970. Raises `Refusal` ``configured_operator`` if only chatd.toml names
    the nick, else ``not_appointed``.
    """
    try:
        key = parse_nick(nick).normalized
    except BadName:
        raise Refusal("not_appointed", nick=nick) from None
    if key not in state.appointed_operator_nicks:
        raise Refusal(
            "configured_operator" if is_configured_operator(key, policy) else "not_appointed", nick=nick
        )
    return Decision(
        records=(state.build_moderation_entry(CONSOLE, "dismiss", state.appointed_operator_nicks[key], now),)
    )


def list_operators(state: State, policy: AccountPolicy) -> list[ServerOperator]:
    """Return the configured and the appointed server operators, sorted by the keys of their nicks."""
    configured = {parse_nick(nick).normalized: nick for nick in policy.operators}
    operators = []
    for key, nick in sorted({**configured, **state.appointed_operator_nicks}.items()):
        user = state.find_user(parse_nick(nick))
        in_force = user is not None and is_server_operator(state, user, policy)
        shown = nick if user is None else user.nick
        operators.append(
            ServerOperator(shown, key in configured, key in state.appointed_operator_nicks, in_force)
        )
    return operators


def server_operator_ids(state: State, policy: AccountPolicy) -> set[int]:
    """Return the ids of all users who are server operators. `CONSOLE` is not among them."""
    named = (
        state.find_user(parse_nick(nick))
        for nick in (*policy.operators, *state.appointed_operator_nicks.values())
    )
    return {user.id for user in named if user is not None and is_server_operator(state, user, policy)}


def check_not_muted(state: State, user: User, now: int) -> None:
    """Check that ``user`` is not muted. ``now`` is in milliseconds since 1970. Raises `Refusal` ``muted``."""
    mute = state.latest_mute_or_block("mute", user.normalized_nick)
    if mute is not None and mute.is_active(now):
        raise Refusal("muted", why=_why(mute), **_time_left(mute, now))


def check_not_blocked(state: State, key: str, client_network: str | None, now: int) -> None:
    """Check that neither the nick with the normalized form ``key`` nor ``client_network`` is blocked.

    ``client_network`` is None for the daemon's own machine, and ``now`` is in milliseconds since 1970. Raises
    `Refusal` ``blocked``.
    """
    block = state.latest_mute_or_block("block", key)
    if block is not None and block.is_active(now):
        raise Refusal("blocked", why=_why(block), **_time_left(block, now))
    for network, block in state.blocked_networks.items() if client_network is not None else ():
        if block.is_active(now) and client_network is not None and is_in_network(client_network, network):
            raise Refusal("blocked", why=_why(block), **_time_left(block, now))


def decide_moderation(
    state: State,
    operator: User,
    command: c.Mute
    | c.Unmute
    | c.DisconnectUser
    | c.Block
    | c.Unblock
    | c.AssignGroupOwner
    | c.CloseGroup
    | c.Announce,
    policy: AccountPolicy,
    now: int,
) -> Decision:
    """Return the changes (a `Decision`) of ``command``, which the server operator ``operator`` has given.

    The caller has checked that ``operator`` is a server operator. ``now`` is in milliseconds since 1970.
    Raises `Refusal` with one of the codes in the command's declaration.
    """
    if isinstance(command, c.Mute):
        target = require_user_to_moderate(state, command.dest, policy)
        until = _end(command.duration, now)
        record = state.build_moderation_entry(operator, "mute", target.nick, now, until, command.reason)
        return Decision(records=(record,))
    if isinstance(command, c.Unmute):
        target = state.require_user(command.dest)
        mute = state.latest_mute_or_block("mute", target.normalized_nick)
        if mute is None or not mute.is_active(now):
            raise Refusal("not_muted", nick=target.nick)
        return Decision(records=(state.build_moderation_entry(operator, "unmute", target.nick, now),))
    if isinstance(command, c.DisconnectUser):
        target = require_user_to_moderate(state, command.dest, policy)
        record = state.build_moderation_entry(operator, "disconnect", target.nick, now, reason=command.reason)
        return Decision(records=(record,))
    if isinstance(command, c.Block):
        return decide_blocks(state, operator, [_block_target(state, command.target, policy)], command, now)
    if isinstance(command, c.Unblock):
        return _unblock(state, operator, command, now)
    if isinstance(command, c.CloseGroup):
        return _close_group(state, operator, command, now)
    if isinstance(command, c.Announce):
        return Decision(
            records=(state.build_moderation_entry(operator, "announce", "", now, reason=command.msg),)
        )
    return _give_group(state, operator, command, now)


def decide_blocks(
    state: State, operator: User, targets: Sequence[str], command: c.Block | c.BlockAddressesOfUser, now: int
) -> Decision:
    """Return the changes (a `Decision`) that block ``targets``, each a nick or a network in CIDR notation.

    Each target gets an entry of the moderation log, with the duration and reason of ``command``. The caller
    has checked that no target is a server operator. ``now`` is in milliseconds since 1970.
    """
    until = _end(command.duration, now)
    records = []
    for number, target in enumerate(targets):
        record = state.build_moderation_entry(operator, "block", target, now, until, command.reason)
        records.append(replace(record, id=record.id + number))
    return Decision(records=tuple(records))


def reset_password(
    state: State, operator: User, nick: str, hashed: Secret, policy: AccountPolicy, now: int
) -> Decision:
    """Return the changes (a `Decision`) that replace the password of ``nick`` by one with the hash
    ``hashed``.

    ``operator`` is the server operator who resets it, and ``now`` is in milliseconds since 1970. Raises
    `Refusal` ``no_such_user`` if the user is unknown or the account is closed, ``is_server_operator``, or
    ``not_registered``.
    """
    user = require_user_to_moderate(state, user_with_open_account(state, nick).nick, policy)
    since = require_credential(state, user).registered_at
    record = state.build_moderation_entry(operator, "resetpassword", user.nick, now)
    return Decision(records=(Credential(user, hashed, since), record))


def revoke_user_token(
    state: State, operator: User, command: c.RevokeUserToken, policy: AccountPolicy, now: int
) -> Decision:
    """Return the changes (a `Decision`) that revoke the token of ``command``, with an entry of the moderation
    log.

    ``operator`` is the server operator who revokes it, and ``now`` is in milliseconds since 1970. Raises
    `Refusal` ``no_such_user``, ``is_server_operator`` for an operator's token, or ``no_such_token``.
    """
    user = require_user_to_moderate(state, command.dest, policy)
    (revoked,) = revoke_token(state, user, command.token).records
    assert isinstance(revoked, TokenDeleted)
    name = f"{user.nick} {revoked.token.name}"
    record = state.build_moderation_entry(operator, "revokeusertoken", name, now)
    return Decision(records=(revoked, record))


def require_user_to_moderate(state: State, nick: str, policy: AccountPolicy) -> User:
    """Return the user called ``nick``, on whom a server operator may act: not another server operator.

    Raises `Refusal` ``no_such_user`` or ``is_server_operator``.
    """
    user = state.require_user(nick)
    if is_server_operator(state, user, policy):
        raise Refusal("is_server_operator", nick=user.nick)
    return user


def record_export(state: State, kind: str, name: str, now: int) -> Decision:
    """Return the entry of the moderation log (in a `Decision`) about the export of a user's or a group's
    data.

    ``kind`` is ``user`` or ``group``, ``name`` is the nick or the name of the group, and ``now`` is in
    milliseconds since 1970.
    """
    return Decision(records=(state.build_moderation_entry(CONSOLE, "export", f"{kind} {name}", now),))


def _block_target(state: State, target: str, policy: AccountPolicy) -> str:
    """Return the nick, in the known spelling, or the network to block. Raises `Refusal`."""
    network = parse_network(target)
    if network is not None:
        return network
    try:
        name = parse_nick(target)
    except BadName as bad:
        raise Refusal("bad_nick", nick=target, why=bad.reason) from None
    known = state.find_user(name)
    return name.original if known is None else require_user_to_moderate(state, known.nick, policy).nick


def _unblock(state: State, operator: User, command: c.Unblock, now: int) -> Decision:
    target = parse_network(command.target) or command.target
    try:
        block = state.latest_mute_or_block("block", mute_or_block_target_key("block", target))
    except BadName:
        block = None
    if block is None or not block.is_active(now):
        raise Refusal("not_blocked", nick=target)
    return Decision(records=(state.build_moderation_entry(operator, "unblock", block.target, now),))


def _give_group(state: State, operator: User, command: c.AssignGroupOwner, now: int) -> Decision:
    group = state.find_group(command.group)
    if group is None:
        raise Refusal("no_such_group", group=command.group)
    user = user_with_open_account(state, command.dest)
    if group.role(user) == "owner":
        raise Refusal("is_owner", nick=user.nick, group=group.name)
    events = [ChatEvent("promoted", group.conversation, operator, user, "owner")]
    if user.id not in group.members:
        events.insert(0, ChatEvent("joined", group.conversation, user))
    record = state.build_moderation_entry(operator, "give", f"{group.name} {user.nick}", now)
    return Decision(tuple(events), (record,))


def _close_group(state: State, operator: User, command: c.CloseGroup, now: int) -> Decision:
    group = state.find_group(command.group)
    if group is None or group.closed:
        raise Refusal("no_such_group", group=command.group)
    event = ChatEvent("closed", group.conversation, operator, None, command.reason)
    record = state.build_moderation_entry(operator, "close", group.name, now, reason=command.reason)
    return Decision((event,), (record,))


def _end(duration: int | None, now: int) -> int | None:
    """Return when a mute or block of ``duration`` seconds ends, in milliseconds since 1970."""
    return None if duration is None else now + duration * 1000


def _why(mute_or_block: ModerationEntry) -> str:
    return mute_or_block.reason or translatable_reason("no_reason")


def _time_left(mute_or_block: ModerationEntry, now: int) -> dict[str, int]:
    """Return the seconds until ``mute_or_block`` ends, as a detail of a refusal; nothing if it has no end."""
    return {} if mute_or_block.until is None else {"seconds": ceil((mute_or_block.until - now) / 1000)}
