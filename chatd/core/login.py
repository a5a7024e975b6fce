"""Login: a hello in, the user whom the client speaks as or a refusal out. Nothing changes here.

What has to be awaited before a login, such as verifying a password, is not part of this rule.
"""

from __future__ import annotations

from collections.abc import Container

import msgspec

from chatd.core.commands import Hello
from chatd.core.events import User
from chatd.core.names import BadName, Name, check_new, check_reserved, parse_nick
from chatd.core.refusals import Refusal, reason
from chatd.core.rules import Decision
from chatd.core.state import State


class Login(msgspec.Struct, frozen=True, eq=False):
    """An accepted hello.

    The client is ``user``. ``returning`` says whether the user was known before. The records of ``decision``
    hold the user who is new; it has no events.
    """

    user: User
    returning: bool
    decision: Decision


def log_in(state: State, names_in_use: Container[str], hello: Hello) -> Login:
    """Decide ``hello``; ``names_in_use`` holds the keys of the names of all live sessions.

    A hello without a nick gets a guest name that no user ever had. A known user keeps a name that new users
    may not take, unless it is reserved. Raises `Refusal` ``bad_nick`` or ``nick_taken``.
    """
    name = _requested_name(state, hello.nick) if hello.nick else _guest_name(state)
    if name.key in names_in_use:
        raise Refusal("nick_taken", nick=hello.nick)
    known = state.known(name)
    if known is not None:
        return Login(known, True, Decision())
    user = state.new_user(name)
    return Login(user, False, Decision(records=(user,)))


def check_sender(user: User, sender: str) -> None:
    """Raises `Refusal` ``not_you`` unless ``sender`` is a spelling of the name of ``user``."""
    try:
        if sender == user.nick or parse_nick(sender).key == user.key:
            return
    except BadName:
        pass
    raise Refusal("not_you", nick=user.nick)


def _requested_name(state: State, nick: str) -> Name:
    """The name that ``nick`` spells. Raises `Refusal` ``bad_nick``."""
    try:
        name = parse_nick(nick)
        check_reserved(name)
        if state.known(name) is None:
            check_new(name)
            alike = state.user_like(name)
            if alike is not None:
                raise BadName(reason("look_alike", name=alike.nick))
        return name
    except BadName as bad:
        raise Refusal("bad_nick", nick=nick, why=bad.reason) from None


def _guest_name(state: State) -> Name:
    """``guest`` and the first free number from the number of users on."""
    number = len(state.users) + 1
    while state.user_like(guest := parse_nick(f"guest{number}")) is not None:
        number += 1
    return guest
