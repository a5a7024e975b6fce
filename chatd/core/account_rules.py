"""The rules of accounts: a state, a user and a password's hash in, a `Decision` or a `Refusal` out.

Nothing changes here. Passwords are verified and hashed before, by `chatd.chat.accounts`.
"""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from chatd.core import commands as c
from chatd.core.accounts import CLOSED_ACCOUNT_HASH, AccountPolicy, Credential, Renamed, Secret, same_password
from chatd.core.events import User
from chatd.core.names import NICK_LIMIT, BadName, Name, check_reserved, parse_nick
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.state import State


def check_password(password: Secret, policy: AccountPolicy) -> None:
    """Check a new password. Raises `Refusal` ``weak_password``."""
    if len(password) < policy.password_min:
        raise Refusal("weak_password", limit=policy.password_min)


def check_unregistered(state: State, user: User) -> None:
    """Check that ``user`` may register.

    Raises `Refusal` ``already_registered``, or ``bad_nick`` for a guest.
    """
    if user.id in state.credentials:
        raise Refusal("already_registered", nick=user.nick)
    try:
        check_reserved(Name(user.nick, user.key))
    except BadName as bad:
        raise Refusal("bad_nick", nick=user.nick, why=bad.reason) from None


def credential_of(state: State, user: User) -> Credential:
    """Return the credential of ``user``. Raises `Refusal` ``not_registered``."""
    credential = state.credentials.get(user.id)
    if credential is None:
        raise Refusal("not_registered", nick=user.nick)
    return credential


def check_may_write(state: State, user: User, policy: AccountPolicy) -> None:
    """Check that ``user`` may write under ``policy``. Raises `Refusal` ``registered_only``."""
    if policy.names == "registered" and user.id not in state.credentials:
        raise Refusal("registered_only")


def register(state: State, user: User, hashed: Secret) -> Decision:
    """Give ``user`` a password with the hash ``hashed``. Raises `Refusal` ``already_registered``."""
    check_unregistered(state, user)
    return Decision(records=(Credential(user, hashed),))


def change_password(state: State, verified: Credential, hashed: Secret) -> Decision:
    """Replace the password that was verified by one with the hash ``hashed``.

    Raises `Refusal` ``wrong_password`` if the password was changed meanwhile.
    """
    _check_current(state, verified)
    return Decision(records=(Credential(verified.user, hashed),))


def unregister(state: State, verified: Credential) -> Decision:
    """Close the account whose credential was verified.

    The user leaves all groups and is renamed, and nobody can log in under the new name. So the nick is free,
    and whoever takes it has none of the conversations, memberships and groups of the account.
    Raises `Refusal` ``wrong_password`` if the password was changed meanwhile.
    """
    _check_current(state, verified)
    user = verified.user
    groups = [conversation.name for conversation in state.conversations_of(user) if conversation.name]
    events = tuple(event for group in groups for event in decide(state, user, c.Leave(group)).events)
    renamed = _former(state, user)
    return Decision(events, (Renamed(renamed), Credential(renamed, CLOSED_ACCOUNT_HASH)))


def _check_current(state: State, verified: Credential) -> None:
    if not same_password(state.credentials.get(verified.user.id), verified):
        raise Refusal("wrong_password")


def _former(state: State, user: User) -> User:
    """Return ``user`` under the first free name of ``alice~1``, ``alice~2`` …"""
    for number in count(1):
        suffix = f"~{number}"
        name = parse_nick(user.nick[: NICK_LIMIT - len(suffix)] + suffix)
        if state.find_user(name) is None:
            break
    return replace(user, nick=name.shown, key=name.key)
