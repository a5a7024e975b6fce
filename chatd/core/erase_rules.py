"""The rules of erasure: pure functions that take the state and a user, and return a `Decision` or raise a
`Refusal`.

The texts in the log are erased afterwards, by `chatd.chat.erasure`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from chatd.core import commands as c
from chatd.core.account_rules import with_numbered_nick
from chatd.core.accounts import AccountPolicy
from chatd.core.events import CONSOLE, ChatEvent, User
from chatd.core.moderation import ModerationEntry, UserErased, parse_network
from chatd.core.moderation_rules import is_configured_operator
from chatd.core.names import parse_nick
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, decide
from chatd.core.state import RecordedChange, State

ERASED_NICK_PREFIX: Final = "erased"
"""What the nick of an erased user begins with, as in ``erased~1``."""


def check_may_erase(user: User, policy: AccountPolicy) -> None:
    """Check that ``user`` may be erased, which is not so if chatd.toml names the nick as a server operator.

    Otherwise the next user who takes the freed nick would be a server operator. Raises `Refusal`
    ``configured_operator``.
    """
    if is_configured_operator(user.normalized_nick, policy):
        raise Refusal("configured_operator", nick=user.nick)


def decide_erasure(state: State, user: User, now: int) -> Decision:
    """Return the changes (a `Decision`) that begin the erasure of ``user``. The user must have no session.

    The user gets a neutral nick that nobody can log in with, leaves all groups, and declines all invitations.
    An appointment as a server operator ends. Topics that the user has set are removed. The user's nick and
    reasons are removed from the moderation log. The user's texts in the chat log are erased afterwards, in
    steps, by `chatd.chat.erasure`. ``now`` is in milliseconds since 1970. Call `check_may_erase` before.
    """
    renamed = with_numbered_nick(state, user, ERASED_NICK_PREFIX)
    acts = tuple(_without(state, user, renamed))
    record = state.build_moderation_entry(CONSOLE, "erase", "", now)
    records: list[RecordedChange] = [UserErased(renamed, acts), record]
    if user.normalized_nick in state.appointed_operator_nicks:
        dismissal = state.build_moderation_entry(CONSOLE, "dismiss", renamed.nick, now)
        records.append(replace(dismissal, id=record.id + 1))
    return Decision(tuple(_leaving_events(state, user)), tuple(records))


def _leaving_events(state: State, user: User) -> Iterator[ChatEvent]:
    """Yield the events by which ``user`` leaves all groups, and those that remove the topics of the user."""
    for group in state.all_groups():
        if group.topic and group.topic_author == user.id:
            yield ChatEvent("topic", group.conversation, CONSOLE)
        if user.id in group.members:
            yield from decide(state, user, c.Leave(group.name)).events
        elif user.id in group.invitations:
            yield ChatEvent("declined", group.conversation, user)


def _without(state: State, user: User, renamed: User) -> Iterator[ModerationEntry]:
    """Yield redacted copies of the moderation entries that name ``user`` or contain text of the user.

    The nick is replaced by that of ``renamed``; the reason is removed. The ids stay.
    """
    mentioned = re.compile(rf"(?<!\w){re.escape(user.nick)}(?!\w)", re.IGNORECASE)
    for act in state.moderations:
        words = act.target.split(" ")
        place = _place_of_nick(act)
        if place is not None and parse_nick(words[place]).normalized == user.normalized_nick:
            words[place] = renamed.nick
            if act.kind == "revokeusertoken":
                del words[1:]  # the user has named the token
            yield replace(act, target=" ".join(words), reason="")
        elif act.reason and (act.operator.id == user.id or mentioned.search(act.reason)):
            yield replace(act, reason="")


def _place_of_nick(act: ModerationEntry) -> int | None:
    """Return which word of the target of ``act`` is a nick, or None if none is."""
    if act.kind == "give" or (act.kind == "export" and act.target.startswith("user ")):
        return 1
    if act.kind in ("block", "unblock"):
        return 0 if parse_network(act.target) is None else None
    return None if act.kind in ("close", "delete", "announce", "export", "erase") else 0
