"""Figures and lists for the administrator of the machine, which no user of the chat is shown."""

from __future__ import annotations

import msgspec

from chatd.chat.authority import Authority
from chatd.core.accounts import CLOSED_ACCOUNT_HASH
from chatd.core.events import User


class ChatCounts(msgspec.Struct, frozen=True):
    """Statistics of the chat, for the administrator.

    ``logged_in`` is the number of sessions that are logged in, and ``online`` that of their users. ``users``
    is the number of all users ever known, and ``accounts`` that of the registered ones. ``groups`` is the
    number of groups, including private and empty ones. ``last_id`` is the id of the last delivered log entry,
    and ``journal_queue`` is the number of tasks that wait for the next transaction.
    """

    logged_in: int
    online: int
    users: int
    accounts: int
    groups: int
    last_id: int
    journal_queue: int


class GroupOverview(msgspec.Struct, frozen=True):
    """A group with the number of its members and of its log entries.

    ``entries`` counts deleted log entries, too.
    """

    group: str
    visibility: str
    members: int
    owner: str
    entries: int


class Overview:
    """Reads the statistics of the chat from ``authority``, for the administrator.

    The control socket shows them. No user of the chat sees them.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def counts(self) -> ChatCounts:
        """Return the present statistics of the chat."""
        authority, state = self._authority, self._authority.state
        closed = sum(credential.hash == CLOSED_ACCOUNT_HASH for credential in state.credentials.values())
        return ChatCounts(
            logged_in=authority.session_count,
            online=authority.online_user_count,
            users=len(state.users),
            accounts=len(state.credentials) - closed,
            groups=len(state.all_groups()),
            last_id=authority.journal.last_delivered_id,
            journal_queue=len(authority.journal),
        )

    def groups(self) -> list[GroupOverview]:
        """Return all groups with their numbers of members and entries, sorted by name."""
        return [
            GroupOverview(
                group.name,
                group.visibility,
                len(group.members),
                "" if group.owner is None else group.owner.nick,
                self._authority.journal.last_seq_in(group.conversation),
            )
            for group in self._authority.state.all_groups()
        ]

    def is_registered(self, user: User) -> bool:
        """Return whether ``user`` has an account.

        A closed account, to which nobody can log in, counts, too.
        """
        return user.id in self._authority.state.credentials
