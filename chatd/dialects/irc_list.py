"""IRC's ``LIST``: the channels that a user may see, and which of them are wanted.

Source: modern.ircdocs.horse, and the conditions M, N and U of ELIST.
"""

from __future__ import annotations

import re
from typing import Final, Self

import msgspec

from chatd.core.answers import Groups
from chatd.core.masks import compile_mask
from chatd.core.requests import Request
from chatd.dialects.irc_client import LOBBY_CHANNEL, IrcClient, channel_name

MAX_CONDITIONS: Final = 10
"""The maximum number of conditions in one ``LIST``; the rest is ignored."""

MAX_LIST_BYTES: Final = 192 * 1024
"""The maximum size of a list of channels, in bytes. It is cut there."""

LOBBY_TOPIC: Final = "everyone is here"
"""What a list shows as the topic of the lobby."""

_OTHER_CONDITION: Final = re.compile("[CT]?[<>]")


class ListFilter(msgspec.Struct, frozen=True):
    """Which channels are wanted: those that match one of the masks ``names`` and none of ``unwanted``.

    They have ``more_than`` and ``fewer_than`` so many members. No names mean all.
    """

    names: tuple[re.Pattern[str], ...] = ()
    unwanted: tuple[re.Pattern[str], ...] = ()
    more_than: int = -1
    fewer_than: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the filter for ``text``: names, masks such as ``#w*`` and ``!#a*``, and ``>3`` or ``<10``.

        Other conditions are ignored.
        """
        names: list[re.Pattern[str]] = []
        unwanted: list[re.Pattern[str]] = []
        more_than, fewer_than = -1, None
        for condition in text.split(",")[:MAX_CONDITIONS]:
            number = int(condition[1:]) if condition[1:10].isdecimal() and len(condition) <= 10 else None
            if condition[:1] == ">" and number is not None:
                more_than = number
            elif condition[:1] == "<" and number is not None:
                fewer_than = number
            elif condition.startswith("!"):
                unwanted.append(compile_mask(condition[1:]))
            elif condition and not _OTHER_CONDITION.match(condition):
                names.append(compile_mask(condition))
        return cls(tuple(names), tuple(unwanted), more_than, fewer_than)

    def wants(self, channel: str, count: int) -> bool:
        """Return whether ``channel``, which has ``count`` members, is wanted."""
        if count <= self.more_than or (self.fewer_than is not None and count >= self.fewer_than):
            return False
        key = channel.casefold()
        if any(one.fullmatch(key) for one in self.unwanted):
            return False
        return not self.names or any(one.fullmatch(key) for one in self.names)


class ListRequest(Request, frozen=True, eq=False):
    """The request for a list of channels, those that are ``wanted``."""

    wanted: ListFilter = ListFilter()


def invitation_list_lines(client: IrcClient, answer: Groups) -> list[bytes]:
    """Return the list of the channels in ``answer`` that the user is invited to."""
    invited = [channel_name(one.group) for one in answer.groups if one.role == "invited"]
    return [*(client.numeric("invited", text=name) for name in invited), client.numeric("end_of_invited")]


def list_lines(client: IrcClient, request: Request, answer: Groups) -> list[bytes]:
    """Return the list of channels in ``answer`` that ``request`` wants, the lobby first."""
    wanted = request.wanted if isinstance(request, ListRequest) else ListFilter()
    # Where clients have to ask for the lobby, it is listed for nobody.
    shown = [(LOBBY_CHANNEL, answer.online_users, LOBBY_TOPIC)] if client.policy.lobby == "join" else []
    shown += ((channel_name(one.group), one.member_count, one.topic) for one in answer.groups)
    lines = [client.numeric("list_start", "Channel")]
    size = 0
    for name, count, topic in shown:
        if wanted.wants(name, count):
            lines.append(client.numeric("list", name, str(count), text=topic))
            size += len(lines[-1])
            if size > MAX_LIST_BYTES:
                break
    return [*lines, client.numeric("list_end")]
