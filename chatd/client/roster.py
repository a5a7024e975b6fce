"""Keeps the screen's lists of users, groups and members up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from typing import Any

import msgspec

from chatd.client import codec
from chatd.client.codec import Place
from chatd.client.memory import Memory
from chatd.core import commands as c
from chatd.json_wire import objects

AskFunction = Callable[[c.Command, Container[str]], Awaitable[objects.Answer | None]]
"""Asks the daemon. A refusal gives None; one with a code in the second argument gives an empty answer and is
not shown to the user."""


class Roster:
    """Reads the lists that ``memory`` holds. ``changed`` has the screen drawn again."""

    def __init__(
        self, memory: Memory, ask: AskFunction, changed: Callable[[], None], interval: float
    ) -> None:
        self.member_changes = 0
        self._memory = memory
        self._ask = ask
        self._changed = changed
        self._interval = interval

    def count_member_change(self) -> int:
        """Somebody joined or left the shown group; returns how many did since it was last read."""
        self.member_changes += 1
        return self.member_changes

    async def read_users(self) -> None:
        """Read who is connected."""
        self._memory.online = set(await self._read_all(c.ListClients()))

    async def read_groups(self, joined: bool = False) -> list[objects.Group]:
        """Read the groups that the user may see; with ``joined`` list the user's own as conversations."""
        groups: list[objects.Group] = await self._read_all(c.ListGroups())
        self._memory.rooms = {group.group for group in groups}
        self._memory.topics |= {Place("group", group.group).key: group.topic for group in groups}
        for group in groups:
            if joined and group.role not in (None, "", "invited"):
                self._memory.conversation(Place("group", group.group))
        return groups

    async def read_members(self) -> None:
        """Read the members of the shown group, and again if `member_changes` grew meanwhile.

        When many join at once, the list is thus read a few times, not once for each.
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
        """A whole list, in as many answers as it takes."""
        found: list[Any] = []
        while True:
            answer = await self._ask(msgspec.structs.replace(command, skip=len(found)), allowed)
            if not isinstance(answer, objects.Clients | objects.Members | objects.Groups):
                return found
            found += codec.list_items(answer)
            if not answer.more:
                return found
