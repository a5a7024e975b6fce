"""The rules of accounts: pure functions that decide registrations, password changes and unregistrations.

They return a `Decision` or raise a `Refusal`. `chatd.chat.accounts` has verified and hashed the passwords
before.
"""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from chatd.core import commands as c
from chatd.core.accounts import (
    CLOSED_ACCOUNT_HASH,
    AccountPolicy,
    Credential,
    Secret,
    UserRenamed,
    same_password_hash,
)
from chatd.core.events import User
from chatd.core.login import Login
from chatd.core.names import MAX_NICK_CODE_POINTS, BadName, Name, check_not_reserved, parse_nick
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.rules import Decision, decide, has_closed_account
from chatd.core.state import RecordedChange, State
from chatd.core.tokens import is_token_secret


def check_new_password(password: Secret, policy: AccountPolicy) -> None:
    """Check that a new password is long enough for ``policy`` and does not have the form of a token's secret.

    Raises `Refusal` ``weak_password`` or ``bad_request``.
    """
    if is_token_secret(password):
        raise Refusal("bad_request", why=translatable_reason("token_as_password"))
    if len(password) < policy.password_min:
        raise Refusal("weak_password", limit=policy.password_min)


def check_may_register(state: State, user: User) -> None:
    """Check that ``user`` may register the nick, that is, set a password for it.

    Raises `Refusal` ``already_registered``, ``bad_nick`` for a reserved nick such as that of a guest, or
    ``storage_failed`` if the login of the user was rolled back, so that another user may have the same id
    now.
    """
    current = state.users.get(user.id)
    if current is None or current.normalized_nick != user.normalized_nick:
        raise Refusal("storage_failed", why=translatable_reason("not_stored"))
    if user.id in state.credentials:
        raise Refusal("already_registered", nick=user.nick)
    try:
        check_not_reserved(Name(user.nick, user.normalized_nick))
    except BadName as bad:
        raise Refusal("bad_nick", nick=user.nick, why=bad.reason) from None


def require_credential(state: State, user: User) -> Credential:
    """Return the credential of ``user``, even if the account is closed.

    Raises `Refusal` ``not_registered`` if the user has none.
    """
    credential = state.credentials.get(user.id)
    if credential is None:
        raise Refusal("not_registered", nick=user.nick)
    return credential


def check_may_write(state: State, user: User, policy: AccountPolicy) -> None:
    """Check that ``user`` may send messages and make changes under ``policy``.

    Raises `Refusal` ``registered_only`` if only registered users may, or ``account_closed`` for a session
    whose account is closed.
    """
    if policy.names == "registered" and user.id not in state.credentials:
        raise Refusal("registered_only")
    if has_closed_account(state, user):
        raise Refusal("account_closed", nick=user.nick)


def decide_registration(state: State, user: User, hashed: Secret, now: int) -> Decision:
    """Return the changes (a `Decision`) that register ``user`` with the password hash ``hashed``.

    ``now`` is in milliseconds since 1970. Raises `Refusal` as `check_may_register` does.
    """
    check_may_register(state, user)
    return Decision(records=(Credential(user, hashed, now),))


def register_before_login(login: Login, hashed: Secret, now: int) -> Decision:
    """Return the changes (a `Decision`) that register the user of ``login`` with the password hash
    ``hashed``.

    ``login`` has been decided but not carried out, and its user may be new. Therefore the result also
    contains what the login changes, such as the record of a new user. ``now`` is in milliseconds since 1970.
    """
    decision = login.decision
    return replace(decision, records=(*decision.records, Credential(login.user, hashed, now)))


def change_password(state: State, verified_credential: Credential, hashed: Secret) -> Decision:
    """Return the changes (a `Decision`) that replace a user's password by one with the hash ``hashed``.

    ``verified_credential`` is the credential that the old password was verified against. Raises `Refusal`
    ``wrong_password`` if the user's credential has been replaced since then, by another password or because
    the account was closed.
    """
    _check_current(state, verified_credential)
    return Decision(
        records=(Credential(verified_credential.user, hashed, verified_credential.registered_at),)
    )


def decide_unregistration(state: State, verified_credential: Credential, now: int) -> Decision:
    """Return the changes (a `Decision`) that close the account of a user.

    ``verified_credential`` is the credential that the user's password was verified against. The user leaves
    all groups and is renamed, and nobody can log in under the new name. This frees the nick: a later user
    with the same nick gets none of the account's conversations, memberships and groups. If the nick was
    appointed as a server operator, it is dismissed. If chatd.toml names the nick as a server operator, the
    next user who registers the nick is a server operator. ``now`` is in milliseconds since 1970. Raises
    `Refusal` ``wrong_password`` if the credential has been replaced since it was verified.
    """
    _check_current(state, verified_credential)
    user = verified_credential.user
    groups = [
        conversation.name
        for conversation in state.direct_and_group_conversations_of(user)
        if conversation.name
    ]
    events = tuple(event for group in groups for event in decide(state, user, c.Leave(group)).events)
    renamed = with_numbered_nick(state, user, user.nick)
    records: list[RecordedChange] = [UserRenamed(renamed), Credential(renamed, CLOSED_ACCOUNT_HASH)]
    if user.normalized_nick in state.appointed_operator_nicks:
        records.append(state.build_moderation_entry(renamed, "dismiss", user.nick, now))
    return Decision(events, tuple(records))


def _check_current(state: State, verified_credential: Credential) -> None:
    if not same_password_hash(state.credentials.get(verified_credential.user.id), verified_credential):
        raise Refusal("wrong_password")


def with_numbered_nick(state: State, user: User, base_nick: str) -> User:
    """Return a copy of ``user`` with a free nick: ``base_nick``, ``~`` and a number, such as ``alice~1``.

    The number is the first one, from 1 on, that makes a nick which no user has. ``base_nick`` is shortened if
    the nick would be too long. ``state`` is not changed.
    """
    for number in count(1):
        suffix = f"~{number}"
        for length in range(MAX_NICK_CODE_POINTS - len(suffix), -1, -1):
            try:
                name = parse_nick(base_nick[:length] + suffix)
            except BadName:  # cut inside a sequence of characters that must stand together
                continue
            if state.find_user(name) is None:
                return replace(user, nick=name.original, normalized_nick=name.normalized)
            break
    raise AssertionError("there is always a free number")
