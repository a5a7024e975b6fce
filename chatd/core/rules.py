"""The rules of the chat: pure functions that decide the commands that change it.

A rule is given the state, the user and the command, and returns a `Decision` or raises a `Refusal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from chatd.core import commands as c
from chatd.core.accounts import CLOSED_ACCOUNT_HASH
from chatd.core.channel_commands import BanAccount
from chatd.core.events import LOBBY, ChatEvent, User
from chatd.core.names import BadName, Name, check_new_name, parse_group
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.state import Group, RecordedChange, State


class Decision(msgspec.Struct, frozen=True, eq=False):
    """The changes that an accepted command makes: records to store, and events to append to the log.

    ``records`` are stored first and do not enter the log. ``events`` are in order; the ack names the log
    entry of the first one. The caller passes the records, then the events, to `State.apply`.

    If a command to enter a group or the lobby changes nothing because the user is there already, there are no
    events. ``already_joined_group_name`` is then the name of the group, or empty for the lobby.
    """

    events: tuple[ChatEvent, ...] = ()
    records: tuple[RecordedChange, ...] = ()
    already_joined_group_name: str = ""


def decide(state: State, actor: User, command: c.Command) -> Decision:
    """Return the changes (a `Decision`) that ``command`` of the user ``actor`` makes.

    ``state`` is not changed.

    The class of ``command`` must be a key of `CHANGE_RULES`. Quotas, mutes, bans by address and tokens are
    checked elsewhere. Raises `Refusal` with one of the codes in the command's declaration.
    """
    return CHANGE_RULES[type(command)](state, actor, command)


def require_group_member(state: State, actor: User, name: str) -> Group:
    """Return the group called ``name``, if ``actor`` is a member of it.

    Raises `Refusal` ``no_such_group`` or ``not_member``.
    """
    group = state.require_visible_group(name, actor)
    if actor.id not in group.members:
        raise Refusal("not_member", group=group.name)
    return group


def require_group_operator(state: State, actor: User, name: str) -> Group:
    """Return the group called ``name``, if ``actor`` is its owner or one of its operators.

    Raises `Refusal` ``no_such_group``, ``not_member`` or ``not_operator``.
    """
    group = require_group_member(state, actor, name)
    if group.role(actor) == "member":
        raise Refusal("not_operator", group=group.name)
    return group


def require_group_owner(state: State, actor: User, name: str) -> Group:
    """Return the group called ``name``, if ``actor`` is its owner.

    Raises `Refusal` ``no_such_group``, ``not_member`` or ``not_owner``.
    """
    group = require_group_member(state, actor, name)
    if group.role(actor) != "owner":
        raise Refusal("not_owner", group=group.name)
    return group


def _user_except_owner(state: State, group: Group, nick: str) -> User:
    """Return the user called ``nick``, unless that is the owner of ``group``.

    Raises `Refusal` ``no_such_user`` or ``is_owner``.
    """
    user = state.require_user(nick)
    if group.is_owner(user):
        raise Refusal("is_owner", nick=user.nick, group=group.name)
    return user


def has_closed_account(state: State, user: User) -> bool:
    """Return whether ``user`` had an account that is closed, so that nobody can log in under the nick."""
    credential = state.credentials.get(user.id)
    return credential is not None and credential.hash == CLOSED_ACCOUNT_HASH


def user_with_open_account(state: State, nick: str) -> User:
    """Return the user called ``nick``, whether registered or not, unless the account is closed.

    Raises `Refusal` ``no_such_user``, also if the account is closed.
    """
    user = state.require_user(nick)
    if has_closed_account(state, user):
        raise Refusal("no_such_user", nick=user.nick)
    return user


def _broadcast(state: State, actor: User, command: c.SendToLobby) -> Decision:
    return Decision((ChatEvent(c.message_event_kind(command), LOBBY, actor, None, command.msg),))


def _send(state: State, actor: User, command: c.SendToUser) -> Decision:
    dest = user_with_open_account(state, command.dest)
    records: tuple[RecordedChange, ...] = ()
    conversation = state.direct_conversation(actor, dest)
    if conversation is None:
        pair = (actor, dest) if actor.id < dest.id else (dest, actor)
        conversation = state.build_conversation("direct", pair=pair)
        records = (conversation,)
    return Decision(
        (ChatEvent(c.message_event_kind(command), conversation, actor, dest, command.msg),), records
    )


def _group_broadcast(state: State, actor: User, command: c.SendToGroup) -> Decision:
    group = require_group_member(state, actor, command.group)
    return Decision((ChatEvent(c.message_event_kind(command), group.conversation, actor, None, command.msg),))


def _create(state: State, actor: User, command: c.CreateGroup) -> Decision:
    try:
        name: Name = parse_group(command.group)
    except BadName as bad:
        raise Refusal("bad_group", group=command.group, why=bad.reason) from None
    taken = state.find_group(command.group)
    if taken is not None:
        raise Refusal("group_exists", group=taken.name if taken.is_visible_to(actor) else command.group)
    try:
        check_new_name(name)
        alike = state.find_similar_group(name)
        if alike is not None:
            seen = alike.is_visible_to(actor)
            raise BadName(
                translatable_reason("look_alike", name=alike.name)
                if seen
                else translatable_reason("look_taken")
            )
    except BadName as bad:
        raise Refusal("bad_group", group=command.group, why=bad.reason) from None
    conversation = state.build_conversation("group", name.original)
    event = ChatEvent("created", conversation, actor, None, command.visibility)
    return Decision((event,), (conversation,))


def _join(state: State, actor: User, command: c.Join) -> Decision:
    # The one command that admits that a private group exists: users who know its name need the advice to ask
    # for an invitation, and `cgroupe` reveals as much anyway.
    group = state.find_group(command.group)
    if group is None or group.closed:
        raise Refusal("no_such_group", group=command.group)
    if actor.id in group.members:
        raise Refusal("already_member", nick=actor.nick, group=group.name)
    if actor.id in group.banned_user_ids:
        raise Refusal("banned", nick=actor.nick, group=command.group)
    # An owner is no member only while the group is empty, and needs no invitation to return.
    invited = actor.id in group.invitations or group.is_owner(actor)
    if group.visibility == "private" and not invited:
        raise Refusal("not_invited", group=command.group)
    joined = ChatEvent("joined", group.conversation, actor)
    if group.members:
        return Decision((joined,))
    return Decision((joined, ChatEvent("promoted", group.conversation, actor, actor, "owner")))


def _enter(state: State, actor: User, command: c.EnterGroup) -> Decision:
    if not command.group:
        return Decision()  # everyone is in the lobby
    group = state.find_group(command.group)
    if group is not None and actor.id in group.members:
        return Decision(already_joined_group_name=group.name)
    if group is None and command.missing == "create":
        return _create(state, actor, c.CreateGroup(command.group))
    return _join(state, actor, c.Join(command.group))


def _leave(state: State, actor: User, command: c.Leave) -> Decision:
    group = require_group_member(state, actor, command.group)
    left = ChatEvent("left", group.conversation, actor)
    heir = group.next_owner() if group.is_owner(actor) else None
    if heir is None:
        return Decision((left,))
    return Decision((left, ChatEvent("promoted", group.conversation, actor, heir, "owner")))


def _invite(state: State, actor: User, command: c.Invite) -> Decision:
    group = require_group_member(state, actor, command.group)
    guest = user_with_open_account(state, command.dest)
    for code, held in (
        ("already_member", group.members),
        ("banned", group.banned_user_ids),
        ("already_invited", group.invitations),
    ):
        if guest.id in held:
            raise Refusal(code, nick=guest.nick, group=group.name)
    return Decision((ChatEvent("invited", group.conversation, actor, guest),))


def _uninvite(state: State, actor: User, command: c.Uninvite) -> Decision:
    group = require_group_member(state, actor, command.group)
    guest = state.require_user(command.dest)
    invitation = group.invitations.get(guest.id)
    if invitation is None:
        raise Refusal("no_such_invitation", nick=guest.nick, group=group.name)
    if invitation.inviter_id != actor.id:
        require_group_operator(state, actor, command.group)
    return Decision((ChatEvent("uninvited", group.conversation, actor, guest),))


def _decline(state: State, actor: User, command: c.Decline) -> Decision:
    group = state.require_visible_group(command.group, actor)
    if actor.id not in group.invitations:
        raise Refusal("no_such_invitation", nick=actor.nick, group=group.name)
    return Decision((ChatEvent("declined", group.conversation, actor),))


def _kick(state: State, actor: User, command: c.Kick) -> Decision:
    group = require_group_operator(state, actor, command.group)
    subject = _user_except_owner(state, group, command.dest)
    if subject.id not in group.members:
        raise Refusal("no_such_member", nick=subject.nick, group=group.name)
    return Decision((ChatEvent("kicked", group.conversation, actor, subject, command.reason),))


def _ban(state: State, actor: User, command: c.Ban) -> Decision:
    group = require_group_operator(state, actor, command.group)
    subject = _user_except_owner(state, group, command.dest)
    if subject.id in group.banned_user_ids:
        raise Refusal("already_banned", nick=subject.nick, group=group.name)
    was_member = subject.id in group.members
    banned = ChatEvent("banned", group.conversation, actor, subject, command.reason, was_member)
    return Decision((banned,))


def _ban_account(state: State, actor: User, command: BanAccount) -> Decision:
    decision = _ban(state, actor, command)
    for event in decision.events:
        if event.subject is not None and not state.is_registered(event.subject):
            raise Refusal("not_registered", nick=event.subject.nick)
    return decision


def _unban(state: State, actor: User, command: c.Unban) -> Decision:
    group = require_group_operator(state, actor, command.group)
    subject = state.require_user(command.dest)
    if subject.id not in group.banned_user_ids:
        raise Refusal("not_banned", nick=subject.nick, group=group.name)
    return Decision((ChatEvent("unbanned", group.conversation, actor, subject),))


def _promote(state: State, actor: User, command: c.Promote) -> Decision:
    group = require_group_owner(state, actor, command.group)
    subject = _user_except_owner(state, group, command.dest)
    if subject.id not in group.members:
        raise Refusal("no_such_member", nick=subject.nick, group=group.name)
    if subject.id in group.operator_ids:
        raise Refusal("already_operator", nick=subject.nick, group=group.name)
    return Decision((ChatEvent("promoted", group.conversation, actor, subject),))


def _demote(state: State, actor: User, command: c.Demote) -> Decision:
    group = require_group_owner(state, actor, command.group)
    subject = _user_except_owner(state, group, command.dest)
    if subject.id not in group.operator_ids:
        raise Refusal("no_such_operator", nick=subject.nick, group=group.name)
    return Decision((ChatEvent("demoted", group.conversation, actor, subject),))


def _visibility(state: State, actor: User, command: c.SetVisibility) -> Decision:
    group = require_group_owner(state, actor, command.group)
    return Decision((ChatEvent("visibility", group.conversation, actor, None, command.visibility),))


def _set_history(state: State, actor: User, command: c.SetHistoryVisibility) -> Decision:
    group = require_group_owner(state, actor, command.group)
    return Decision((ChatEvent("history", group.conversation, actor, None, command.mode),))


def _set_keep(state: State, actor: User, command: c.SetRetention) -> Decision:
    group = require_group_owner(state, actor, command.group)
    keep = "" if command.age is None else str(command.age)
    return Decision((ChatEvent("keep", group.conversation, actor, None, keep),))


def _topic(state: State, actor: User, command: c.SetTopic) -> Decision:
    group = require_group_operator(state, actor, command.group)
    return Decision((ChatEvent("topic", group.conversation, actor, None, command.topic),))


# Each rule takes the command class of its own line, which the type of a dict cannot express.
CHANGE_RULES: Final[dict[type[c.Command], Callable[[State, User, Any], Decision]]] = {
    c.SendToLobby: _broadcast,
    c.SendToUser: _send,
    c.CreateGroup: _create,
    c.Join: _join,
    c.EnterGroup: _enter,
    c.SendToGroup: _group_broadcast,
    c.Leave: _leave,
    c.Invite: _invite,
    c.Uninvite: _uninvite,
    c.Decline: _decline,
    c.Kick: _kick,
    c.Ban: _ban,
    BanAccount: _ban_account,
    c.Unban: _unban,
    c.Promote: _promote,
    c.Demote: _demote,
    c.SetVisibility: _visibility,
    c.SetTopic: _topic,
    c.SetHistoryVisibility: _set_history,
    c.SetRetention: _set_keep,
}
"""The rule that decides each command class that changes the chat."""
