"""Tells the other users in a conversation that the user types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from chatd.client.memory import Memory
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.core import commands as c
from chatd.json_wire import objects

TYPING_TOLD_SECONDS: Final = 3.0
"""The seconds for which the client does not tell again that its user types."""


class TypingMarkSender:
    """Sends typing marks for the current conversation, at most one in `TYPING_TOLD_SECONDS`.

    ``ask`` sends a command to the daemon, and ``clock`` returns the time in seconds; it need not be that of
    the day. A server without typing marks is sent none: `is_supported` is false then.
    """

    def __init__(
        self,
        memory: Memory,
        ask: Callable[[c.Command], Awaitable[objects.AnswerObject]],
        clock: Callable[[], float],
    ) -> None:
        self.is_supported = True
        self._memory = memory
        self._ask = ask
        self._clock = clock
        self._told_at = -TYPING_TOLD_SECONDS

    def is_due(self, text: str) -> bool:
        """Return whether others are to be told now that the user types ``text``.

        A command is nothing that one types to others. After the result True, the mark counts as sent.
        """
        now = self._clock()
        if (
            not self.is_supported
            or not text.strip()
            or text[0] == "/"
            or now < self._told_at + TYPING_TOLD_SECONDS
        ):
            return False
        self._told_at = now
        return True

    async def send(self) -> None:
        """Tell those in the current conversation that the user types."""
        here = self._memory.here
        group, dest = (here.name if here.kind == kind else None for kind in ("group", "direct"))
        try:
            await self._ask(c.SendTyping(group, dest))
        except RefusedByServer as refused:
            self.is_supported = refused.code != "unknown_action"  # which an older daemon says
        except ConnectionLost:
            pass
