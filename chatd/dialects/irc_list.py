"""IRC's ``LIST``: the channels that a user may see, and which of them are wanted.

Source: modern.ircdocs.horse, also for the conditions C, M, N, T and U of ELIST.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Self

import msgspec

from chatd.core.answers import Groups
from chatd.core.masks import compile_mask
from chatd.core.requests import Request
from chatd.dialects.irc_client import LOBBY_CHANNEL, IrcClientState, channel_name

MAX_CONDITIONS: Final = 10
"""The maximum number of conditions in one ``LIST``; the rest is ignored."""

MAX_LIST_BYTES: Final = 192 * 1024
"""The maximum size of a list of channels, in bytes. It is cut there."""

LOBBY_TOPIC: Final = "everyone is here"
"""The topic of the lobby in a list of channels."""

_MINUTE_MILLISECONDS: Final = 60_000
_BOUND: Final = re.compile("([CT]?)([<>])([0-9]{0,9})")


class ElistBound(msgspec.Struct, frozen=True):
    """A condition of ``LIST`` on a channel, such as ``>3``: its measure is more than ``number``, or less.

    ``is_lower`` is true for more than ``number``. ``kind`` is the measure: ``""`` for the number of members,
    ``C`` for the minutes since the channel was created, ``T`` for the minutes since its topic was set.
    """

    kind: str
    is_lower: bool
    number: int

    def is_met_by(self, measures: Mapping[str, float]) -> bool:
        """Return whether a channel meets the condition. ``measures`` has its measures by their kinds.

        A channel without the measure does not meet the condition.
        """
        measure = measures.get(self.kind)
        if measure is None:
            return False
        return measure > self.number if self.is_lower else measure < self.number


class ListFilter(msgspec.Struct, frozen=True):
    """The filter of ``LIST``, which decides which channels are listed.

    A channel must match one of the masks ``names`` and none of the masks ``excluded_names``, and must meet
    all ``bounds``. If ``names`` is empty, all names match.
    """

    names: tuple[re.Pattern[str], ...] = ()
    excluded_names: tuple[re.Pattern[str], ...] = ()
    bounds: tuple[ElistBound, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the filter in ``text``, the parameter of ``LIST``.

        The parameter has names, masks such as ``#w*`` and ``!#a*``, and bounds such as ``>3``, ``C<10`` or
        ``T>60``. A bound without a number is ignored.
        """
        names: list[re.Pattern[str]] = []
        unwanted: list[re.Pattern[str]] = []
        bounds: list[ElistBound] = []
        for condition in text.split(",")[:MAX_CONDITIONS]:
            bound = _BOUND.match(condition)
            if bound is not None:
                kind, sign, number = bound.groups()
                if number and bound.end() == len(condition):
                    bounds.append(ElistBound(kind, sign == ">", int(number)))
            elif condition.startswith("!"):
                unwanted.append(compile_mask(condition[1:]))
            elif condition:
                names.append(compile_mask(condition))
        return cls(tuple(names), tuple(unwanted), tuple(bounds))

    def matches(self, channel: str, measures: Mapping[str, float]) -> bool:
        """Return whether ``channel`` passes the filter.

        ``measures`` has its measures by the kinds of `ElistBound`.
        """
        if not all(bound.is_met_by(measures) for bound in self.bounds):
            return False
        key = channel.casefold()
        if any(one.fullmatch(key) for one in self.excluded_names):
            return False
        return not self.names or any(one.fullmatch(key) for one in self.names)


class ListRequest(Request, frozen=True, eq=False):
    """The request of a ``LIST`` line. ``list_filter`` decides which channels are listed."""

    list_filter: ListFilter = ListFilter()


def invitation_list_lines(client: IrcClientState, answer: Groups) -> list[bytes]:
    """Return the answer to ``INVITE`` without parameters: the channels in ``answer`` that the user is invited
    to.
    """
    invited = [channel_name(one.group) for one in answer.items if one.role == "invited"]
    return [
        *(client.numeric_line("invited", text=name) for name in invited),
        client.numeric_line("end_of_invited"),
    ]


def filtered_channel_list_lines(client: IrcClientState, request: Request, answer: Groups) -> list[bytes]:
    """Return the lines that list the channels in ``answer`` that pass the filter of ``request``, the lobby
    first.
    """
    list_filter = request.list_filter if isinstance(request, ListRequest) else ListFilter()
    lines = [client.numeric_line("list_start", "Channel")]
    size = 0
    for name, count, topic, measures in _listed(client, answer):
        if list_filter.matches(name, measures):
            lines.append(client.numeric_line("list", name, str(count), text=topic))
            size += len(lines[-1])
            if size > MAX_LIST_BYTES:
                break
    return [*lines, client.numeric_line("list_end")]


def _listed(client: IrcClientState, answer: Groups) -> Iterator[tuple[str, int, str, dict[str, float]]]:
    """Yield the name, the number of members, the topic and the measures of each channel in ``answer``."""
    # Where clients have to ask for the lobby, it is listed for nobody.
    if client.policy.lobby == "join":
        yield LOBBY_CHANNEL, answer.online_user_count, LOBBY_TOPIC, {"": answer.online_user_count}
    for group in answer.items:
        measures: dict[str, float] = {"": group.member_count}
        for kind, at in (("C", group.created_at), ("T", group.topic_at)):
            if at:
                measures[kind] = (answer.at - at) / _MINUTE_MILLISECONDS
        yield channel_name(group.group), group.member_count, group.topic, measures
