"""Tells the other users in a conversation that the user types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from chatd.client.memory import Memory
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.core import commands as c
from chatd.json_wire import objects

TYPING_NOTICE_INTERVAL_SECONDS: Final = 3.0
"""The seconds for which the client does not tell again that its user types."""


class TypingMarkSender:
    """Tells the daemon that the user is typing in the current conversation.

    A typing mark is sent at most once in `TYPING_NOTICE_INTERVAL_SECONDS`. ``ask`` sends a command to the
    daemon, and ``clock`` returns a monotonic time in seconds. If the server does not support typing marks,
    `is_supported` is false and none are sent.
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
        self._told_at = -TYPING_NOTICE_INTERVAL_SECONDS

    def is_due(self, text: str) -> bool:
        """Return whether a typing mark must be sent now that the input box has ``text``.

        If so, it counts as sent.

        A line that begins with ``/`` needs no mark, because it is a command and no message.
        """
        now = self._clock()
        if (
            not self.is_supported
            or not text.strip()
            or text[0] == "/"
            or now < self._told_at + TYPING_NOTICE_INTERVAL_SECONDS
        ):
            return False
        self._told_at = now
        return True

    async def send(self) -> None:
        """Send a typing mark for the current conversation to the daemon."""
        here = self._memory.here
        group, dest = (here.name if here.kind == kind else None for kind in ("group", "direct"))
        try:
            await self._ask(c.SendTyping(group, dest))
        except RefusedByServer as refused:
            self.is_supported = refused.code != "unknown_action"  # which an older daemon says
        except ConnectionLost:
            pass
