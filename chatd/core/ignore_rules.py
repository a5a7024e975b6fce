"""The rules of ignoring: pure functions that decide whose messages and invitations are kept from a user."""

from __future__ import annotations

from chatd.core import commands as c
from chatd.core.events import User
from chatd.core.limits import Limits
from chatd.core.moderation import IgnoreChanged
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.rules import Decision
from chatd.core.state import State


def decide_ignore(
    state: State, user: User, command: c.IgnoreUser | c.UnignoreUser, limits: Limits
) -> Decision:
    """Return the changes (a `Decision`) by which ``user`` ignores another user, or stops ignoring that user.

    ``command`` names the other user. The result is empty if it would change nothing. Raises `Refusal`
    ``no_such_user``, ``too_many_ignored``, or ``bad_request`` for the user's own nick.
    """
    other = state.require_user(command.dest)
    ignored = state.ignored_user_ids(user)
    ignores = isinstance(command, c.IgnoreUser)
    if other.id == user.id:
        raise Refusal("bad_request", why=translatable_reason("own_nick"))
    if (other.id in ignored) is ignores:
        return Decision()
    if ignores and len(ignored) >= limits.ignored:
        raise Refusal("too_many_ignored", limit=limits.ignored)
    return Decision(records=(IgnoreChanged(user, other, ignores),))
