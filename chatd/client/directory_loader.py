"""Loads the lists of users, groups and group members that the screen shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Container, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from chatd.client import codec
from chatd.client.codec import ConversationRef
from chatd.client.language import _
from chatd.client.memory import Memory, ScreenEntry
from chatd.core import commands as c
from chatd.json_wire import objects

AskFunction = Callable[[c.Command, Container[str]], Awaitable[objects.AnswerObject | None]]
"""A function that sends a command to the daemon and returns the answer.

After a refusal or a lost connection it shows the reason to the user and returns None. If the second argument
contains the refusal's code, it shows nothing and returns an empty answer.
"""


class DirectoryLoader:
    """Loads the lists of online users, of groups and of a group's members from the daemon into ``memory``.

    ``ask`` sends a command to the daemon, and ``changed`` redraws the screen. ``interval`` is the time in
    seconds between two requests for a group's members.
    """

    def __init__(
        self, memory: Memory, ask: AskFunction, changed: Callable[[], None], interval: float
    ) -> None:
        self.member_changes = 0
        self._memory = memory
        self._ask = ask
        self._changed = changed
        self._interval = interval

    def record_member_change(self) -> int:
        """Count a change of the members of the group on the screen.

        Return the number of changes that the loaded list of members does not show yet.
        """
        self.member_changes += 1
        return self.member_changes

    async def read_users(self) -> None:
        """Load the list of online users from the daemon into memory.

        If a request fails halfway, the part that was loaded replaces the old list.
        """
        self._memory.online = set(await self._read_all(c.ListClients()))

    async def read_groups(self) -> list[objects.Group]:
        """Load the groups that the user may see from the daemon, store their names and topics, and return
        them.

        If a request fails halfway, the part that was loaded is stored and returned.
        """
        groups: list[objects.Group] = await self._read_all(c.ListGroups())
        self._memory.group_names = {group.group for group in groups}
        self._memory.topics |= {ConversationRef("group", group.group).key: group.topic for group in groups}
        return groups

    def add_conversations(self, groups: Collection[objects.Group]) -> None:
        """Add those of ``groups`` that the user is a member of, or invited to, to the conversations.

        Mark other groups among the conversations as such that the user may not write to.
        """
        for group in groups:
            place = ConversationRef("group", group.group)
            if group.role == "invited":
                invited = _("you are invited to {group}").format(group=group.group)
                self._memory.add_invitation(place, ScreenEntry(datetime.now(UTC), invited))
            elif _is_member(group):
                self._memory.conversation(place).membership_end = None
        joined = joined_group_keys(groups)
        for conversation in self._memory.conversations.values():
            if conversation.place.kind == "group" and conversation.place.key not in joined:
                conversation.membership_end = conversation.membership_end or "removed"

    async def read_members(self) -> None:
        """Load the members of the group on the screen, until the list shows all changes that were counted.

        Do nothing if `member_changes` is 0. In the lobby or a direct conversation, only redraw the screen.
        When many users join at once, the list is loaded a few times and not once for each user.
        """
        place = self._memory.here
        while self.member_changes:
            known = self.member_changes
            if place.kind == "group":
                members = await self._read_all(
                    c.ListMembers(place.name), ("not_member", "no_such_group", "no_answer")
                )
                if place is self._memory.here:
                    self._memory.set_members(members)
            self._changed()
            if self.member_changes == known:
                self.member_changes = 0
            else:
                await asyncio.sleep(self._interval)

    async def _read_all(
        self, command: c.ListClients | c.ListMembers | c.ListGroups, allowed: Container[str] = ()
    ) -> list[Any]:
        """Return a whole list, which the daemon may send in several answers."""
        found: list[Any] = []
        while True:
            answer = await self._ask(msgspec.structs.replace(command, skip=len(found)), allowed)
            if not isinstance(answer, objects.Clients | objects.Members | objects.Groups):
                return found
            found += codec.list_items(answer)
            if not answer.more:
                return found


def joined_group_keys(groups: Iterable[objects.Group]) -> set[tuple[str, str]]:
    """Return the keys of the conversations of those ``groups`` that the user is a member of."""
    return {ConversationRef("group", group.group).key for group in groups if _is_member(group)}


def _is_member(group: objects.Group) -> bool:
    return group.role not in (None, "", "invited")
