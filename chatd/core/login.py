"""The rules of logins: pure functions that decide whether a client may log in, and as which user.

`chatd.chat.accounts` has verified the password before, and TLS the client's certificate.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec

from chatd.core.accounts import CLOSED_ACCOUNT_HASH, Credential, same_password_hash
from chatd.core.commands import Hello
from chatd.core.events import ChatEvent, User
from chatd.core.names import BadName, Name, check_new_nick, check_not_reserved, parse_nick
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.rules import Decision
from chatd.core.state import State
from chatd.core.tokens import Token


class Login(msgspec.Struct, frozen=True, eq=False):
    """The result of an accepted login command: the client may log in as ``user``.

    ``is_returning_user`` says whether the user was known before, and ``has_other_session`` whether another
    session of the user is open. ``decision`` holds what the login changes: a record for a new user; a
    ``demoted`` event for each role that a returning, unregistered user loses; else nothing.
    """

    user: User
    is_returning_user: bool
    has_other_session: bool
    decision: Decision


def decide_login(
    state: State,
    nick_keys_in_use: Container[str],
    hello: Hello,
    verified_credential: Credential | Token | None = None,
    client_certificate_name: str = "",
) -> Login:
    """Decide whether the login command ``hello`` is accepted, and return the accepted login.

    ``nick_keys_in_use`` holds the normalized nicks of all open sessions. ``verified_credential`` is the
    credential or the token that the password of the hello was verified against. It is None for a hello
    without a password. ``client_certificate_name`` is the common name in the client's verified TLS
    certificate, or empty. If it equals the registered nick, letter by letter, no password is needed.

    A hello without a nick logs in as a guest, with a name that no user has had. A returning user may keep a
    nick that is no longer allowed for new users, unless it is reserved. A registered user may have several
    sessions. A returning user who is not registered loses the role of owner or operator in all groups,
    because the client may belong to somebody else.

    Raises `Refusal` ``bad_nick``, ``password_required`` or ``wrong_password``, or ``nick_taken`` if an
    unregistered user has a session already. ``wrong_password`` also means that ``verified_credential``
    belongs to another user, or was replaced or deleted since it was verified.
    """
    name = _requested_name(state, hello.nick) if hello.nick else _guest_name(state)
    known, online = state.find_user(name), name.normalized in nick_keys_in_use
    credential = None if known is None else state.credentials.get(known.id)
    if isinstance(verified_credential, Token):
        if (
            known is None
            or known.id != verified_credential.user.id
            or verified_credential.digest not in state.tokens
        ):
            raise Refusal("wrong_password", nick=hello.nick)
        verified_credential = credential
    if (
        verified_credential is None
        and known is not None
        and _is_certified(known, credential, client_certificate_name)
    ):
        verified_credential = credential
    if not same_password_hash(credential, verified_credential):
        raise Refusal(
            "password_required" if verified_credential is None else "wrong_password", nick=hello.nick
        )
    if online and credential is None:
        raise Refusal("nick_taken", nick=hello.nick)
    if known is not None:
        events = () if credential is not None else _lost_roles(state, known)
        return Login(known, True, online, Decision(events))
    user = state.build_user(name)
    return Login(user, False, online, Decision(records=(user,)))


def check_claimed_sender(user: User, sender: str) -> None:
    """Check that ``sender``, the nick that a request names as its sender, is the nick of ``user``.

    Spellings that differ in case or width are the same nick. Raises `Refusal` ``not_you``.
    """
    try:
        if sender == user.nick or parse_nick(sender).normalized == user.normalized_nick:
            return
    except BadName:
        pass
    raise Refusal("not_you", nick=user.nick)


def find_user(state: State, nick: str) -> User | None:
    """Return the user with the nick ``nick``, or None if there is none, or ``nick`` is no valid nick."""
    try:
        return state.find_user(parse_nick(nick))
    except BadName:
        return None


def find_credential(state: State, nick: str) -> Credential | None:
    """Return the credential of the user with the nick ``nick``, even if the account is closed.

    Return None if there is no such user, the user is not registered, or ``nick`` is no valid nick.
    """
    user = find_user(state, nick)
    return None if user is None else state.credentials.get(user.id)


def find_certified_credential(state: State, nick: str, client_certificate_name: str) -> Credential:
    """Return the credential of the registered user whose nick is the name in the client's TLS certificate.

    ``client_certificate_name`` is the common name in the certificate. ``nick`` is the nick that the client
    gives, or empty. Raises `Refusal` ``wrong_password`` if no registered user has this name, or if ``nick``
    is another user's.
    """
    credential = find_credential(state, client_certificate_name)
    if credential is None or not _is_certified(credential.user, credential, client_certificate_name):
        raise Refusal("wrong_password")
    if nick and find_credential(state, nick) is not credential:
        raise Refusal("wrong_password")
    return credential


def _lost_roles(state: State, user: User) -> tuple[ChatEvent, ...]:
    """Return the events by which ``user`` loses the role of owner and operator in all groups."""
    return tuple(
        ChatEvent("demoted", group.conversation, user, user, role)
        for role, groups in (("owner", state.groups_owned_by(user)), ("", state.groups_operated_by(user)))
        for group in groups
    )


def _is_certified(user: User, credential: Credential | None, client_certificate_name: str) -> bool:
    """Return whether a certificate with ``client_certificate_name`` proves that a client is the registered
    ``user``.

    Other spellings of the nick prove nothing: the CA may have signed ``ALICE`` for somebody else.
    """
    is_open = credential is not None and credential.hash != CLOSED_ACCOUNT_HASH
    return is_open and client_certificate_name == user.nick


def _requested_name(state: State, nick: str) -> Name:
    """Return the name that ``nick`` spells, if a user may log in with it. Raises `Refusal` ``bad_nick``."""
    try:
        name = parse_nick(nick)
        check_not_reserved(name)
        if state.find_user(name) is None:
            check_new_nick(name)
            alike = state.find_similar_user(name)
            if alike is not None:
                raise BadName(translatable_reason("look_alike", name=alike.nick))
        return name
    except BadName as bad:
        raise Refusal("bad_nick", nick=nick, why=bad.reason) from None


def _guest_name(state: State) -> Name:
    """Return the name ``guest`` with the first free number that is larger than the number of users."""
    number = len(state.users) + 1
    while state.find_similar_user(guest := parse_nick(f"guest{number}")) is not None:
        number += 1
    return guest
