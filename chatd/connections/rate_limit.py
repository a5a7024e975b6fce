"""Limits how fast one client's requests are read."""

from __future__ import annotations

from typing import Final

import chatd.core.channel_commands  # noqa: F401  # it declares commands
from chatd.core.commands import COMMANDS_BY_CLASS
from chatd.core.limits import Limits

READING_COMMANDS: Final = frozenset(
    command for command, row in COMMANDS_BY_CLASS.items() if row.reads_log or row.reads_presence
)
"""The commands that read from the log, or look through the users who are online."""

COMMANDS_WITH_SECRET: Final = frozenset(
    command
    for command, row in COMMANDS_BY_CLASS.items()
    if any(field.value_kind == "secret" for field in row.fields.values()) and row.name != "hello"
)
"""The commands with a secret field: a password, which takes tens of milliseconds to hash, or an invitation
link.

``hello`` is excluded.
"""


class RateLimit:
    """The rate limit of one client, as a credit in seconds.

    Requests use up the credit, and time restores it.

    A request uses ``1 / requests_per_second`` seconds, plus its size divided by ``bytes_per_second``. A
    command of `READING_COMMANDS` uses ``1 / reads_per_second`` seconds more, and a command with a password
    one second more. The whole credit is ``burst_seconds`` seconds.
    """

    __slots__ = ("_full_at", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # When the credit is whole again.
        self._full_at = 0.0

    def charge(self, now: float, size: int, command: type | None) -> float:
        """Charge a request of ``size`` bytes.

        Return how much of the credit is used afterwards, in seconds.

        ``now`` is the time of a monotonic clock in seconds. ``command`` is the class of the request's
        command, or None. Pass the result to `wait_seconds`.
        """
        limits = self._limits
        full_at = max(now, self._full_at)
        full_at += 1 / limits.requests_per_second + size / limits.bytes_per_second
        if command in READING_COMMANDS:
            full_at += 1 / limits.reads_per_second
        elif command in COMMANDS_WITH_SECRET:
            full_at += 1
        self._full_at = full_at
        return full_at - now

    def wait_seconds(self, used_credit: float) -> float:
        """Return the number of seconds to wait before the client's next request is read.

        ``used_credit`` is the result of `charge`. The number is zero or less if there is credit left.
        """
        return used_credit - self._limits.burst_seconds
