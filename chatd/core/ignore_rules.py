"""The rules of ignoring: whose messages and invitations a user does not want to get."""

from __future__ import annotations

from chatd.core import commands as c
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.moderation import Ignore
from chatd.core.refusals import Refusal, reason
from chatd.core.rules import Decision
from chatd.core.state import State


def decide_ignore(
    state: State, user: User, command: c.IgnoreUser | c.UnignoreUser, limits: Limits
) -> Decision:
    """Return the decision that ``user`` ignores another user or does so no more. It is empty if that is so.

    Raises `Refusal` ``no_such_user``, ``too_many_ignored``, or ``bad_request`` for the user's own nick.
    """
    other = state.user(command.dest)
    ignored = state.ignored_users(user)
    ignores = isinstance(command, c.IgnoreUser)
    if other.id == user.id:
        raise Refusal("bad_request", why=reason("own_nick"))
    if (other.id in ignored) is ignores:
        return Decision()
    if ignores and len(ignored) >= limits.ignored:
        raise Refusal("too_many_ignored", limit=limits.ignored)
    return Decision(records=(Ignore(user, other, ignores),))
