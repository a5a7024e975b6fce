"""The rules of read marks: pure functions that say who may mark what as read, and when marks are deleted.

`chatd.chat.read_marks` carries out the command.
"""

from __future__ import annotations

from collections.abc import Iterator

from chatd.core.accounts import UserRenamed
from chatd.core.events import MEMBERSHIP_END_EVENT_KINDS, Conversation, User
from chatd.core.moderation import UserErased
from chatd.core.read_marks import ReadMarksDeleted
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision, has_closed_account, require_group_member
from chatd.core.state import State


def check_may_mark_as_read(state: State, user: User, conversation: Conversation) -> None:
    """Check that ``user`` may still mark ``conversation`` as read when the journal has completed earlier
    tasks.

    Raises `Refusal` ``no_such_group`` or ``not_member`` if the user is no longer a member of the group, and
    ``account_closed`` if the account was closed.
    """
    if has_closed_account(state, user):
        raise Refusal("account_closed", nick=user.nick)
    if not state.may_read(user, conversation):
        require_group_member(state, user, conversation.name)


def read_mark_deletions_after(decision: Decision) -> Iterator[ReadMarksDeleted]:
    """Yield the records that delete the read marks that are no longer needed after ``decision``.

    A read mark in a group is deleted when the membership ends. All read marks of a user are deleted when the
    account is closed or the user is erased.
    """
    for record in decision.records:
        if isinstance(record, UserRenamed | UserErased):
            yield ReadMarksDeleted(record.user, None)
    for event in decision.events:
        if event.kind in MEMBERSHIP_END_EVENT_KINDS:
            former = None if event.kind == "closed" else event.subject or event.actor
            yield ReadMarksDeleted(former, event.conversation)
