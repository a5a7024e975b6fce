"""Keeps the user's read marks on the daemon, at a bounded rate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from chatd.client import codec
from chatd.client.codec import ConversationRef
from chatd.client.memory import Memory
from chatd.client.pending import ConnectionLost, RefusedByServer
from chatd.core import commands as c
from chatd.json_wire import objects

READ_MARK_SEND_INTERVAL_SECONDS: Final = 2.0
"""The pause between two rounds of read marks. A round has at most one mark for each conversation."""

FINAL_READ_MARKS_TIMEOUT_SECONDS: Final = 1.0
"""The time limit for sending the last read marks before the client leaves."""

MAX_LISTED_CONVERSATIONS: Final = 2_000
"""The most conversations of the daemon's list that are read at a login."""


class ReadMarkKeeper:
    """Reads the unread counts of the user's conversations from the daemon, and stores read marks on the
    daemon.

    A read mark is the id of the last entry that the user has read in a conversation. The counts are put into
    ``memory``. ``ask`` sends a command to the daemon, and ``changed`` redraws the lists. The keeper does
    nothing with a course-work server, which has no read marks, or with a daemon that does not know the
    commands.

    `has_counts` is true once the counts were read, or once it is known that they can't be read. Before that,
    no message may be marked as read, because it is not known where the unread messages begin.
    """

    def __init__(
        self,
        memory: Memory,
        ask: Callable[[c.Command], Awaitable[objects.AnswerObject]],
        changed: Callable[[], None],
    ) -> None:
        self.is_supported = False
        self.has_counts = False
        self._memory = memory
        self._ask = ask
        self._changed = changed
        self._moved = asyncio.Event()
        self._seen = self._cursor = 0

    def start_session(self, welcome: objects.Welcome) -> None:
        """Start to read counts in the session that ``welcome`` opened.

        In a conversation without a read mark, the last seen id of the welcome takes its place.
        """
        self.is_supported = not isinstance(welcome, codec.CourseworkWelcome)
        self.has_counts = self.has_counts or not self.is_supported
        self._seen, self._cursor = welcome.seen, welcome.cursor

    async def read_counts(self) -> None:
        """Read the user's conversations, with their read marks and unread counts, from the daemon."""
        listed = 0
        while self.is_supported and listed < MAX_LISTED_CONVERSATIONS:
            try:
                answer = await self._ask(c.ListConversations(skip=listed))
            except RefusedByServer as refused:
                self.is_supported = refused.code != "unknown_action"
                break
            except ConnectionLost:
                return
            if not isinstance(answer, objects.Conversations):
                break
            for summary in answer.conversations:
                conversation = self._memory.conversation(codec.conversation_of_summary(summary))
                conversation.read.apply_summary(summary, self._seen, self._cursor)
            listed += len(answer.conversations)
            if not answer.more or not answer.conversations:
                break
        self.has_counts = True
        self._changed()

    def apply_mark(self, mark: objects.ReadMark) -> bool:
        """Store ``mark``, a read mark that another session of the same user has moved.

        Return False if the number of unread messages behind the mark must be read from the daemon.
        """
        if mark.group:
            place = ConversationRef("group", mark.group)
        else:
            place = ConversationRef("direct", mark.friend) if mark.friend else codec.LOBBY
        conversation = self._memory.conversations.get(place.key)
        return conversation is None or conversation.read.move_mark(mark.id)

    def schedule_sending(self) -> None:
        """Make `run` send the read marks that have moved, within `READ_MARK_SEND_INTERVAL_SECONDS`."""
        self._moved.set()

    async def run(self) -> None:
        """Send the read marks that have moved to the daemon, again and again, until the task is cancelled."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            if await self._send_marks():
                await asyncio.sleep(READ_MARK_SEND_INTERVAL_SECONDS)

    async def send_last_marks(self) -> None:
        """Send the read marks that the daemon does not have yet, before the client ends.

        This takes at most `FINAL_READ_MARKS_TIMEOUT_SECONDS`.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINAL_READ_MARKS_TIMEOUT_SECONDS):
                await self._send_marks()

    async def _send_marks(self) -> bool:
        """Send the daemon each read mark that it has not got. Return whether there was any."""
        found = False
        for conversation in list(self._memory.conversations.values()):
            upto = conversation.read.mark_to_send if self.is_supported else None
            if upto is not None:
                found = True
                if not await self._send_mark(conversation.place, upto):
                    break
        return found

    async def _send_mark(self, place: ConversationRef, upto: int) -> bool:
        """Send one mark. Return False if no further mark can be sent now."""
        group = place.name if place.kind == "group" else None
        dest = place.name if place.kind == "direct" else None
        try:
            answer = await self._ask(c.MarkRead(group=group, dest=dest, upto=upto))
        except RefusedByServer as refused:
            self.is_supported = refused.code not in ("unknown_action", "out_of_scope")
            # Another refusal concerns this conversation alone: the user has left it, for example.
            answer = objects.ReadMark(id=upto)
        except ConnectionLost:
            return False
        found = self._memory.conversations.get(place.key)
        if found is not None and isinstance(answer, objects.ReadMark):
            found.read.server_mark = max(answer.id, upto, found.read.server_mark or 0)
        return self.is_supported
