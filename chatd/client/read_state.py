"""What the user has read of one conversation, and what is unread in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chatd.json_wire.objects import ConversationSummary

MAX_TRACKED_IDS: Final = 2_000
"""The most ids of unread messages that are kept for one conversation. Older ones are only counted."""

MAX_COUNTED_MESSAGES: Final = 1_000
"""The messages at the end of a conversation among which the daemon counts the unread ones."""


class ReadState:
    """How far the user has read one conversation, and how many messages behind that are unread.

    ``read_id`` is the id of the last entry that counts as read. ``server_mark`` is the user's read mark on
    the daemon, as far as the client knows it, or None if there is none. ``new_after`` is the id of the entry
    below which the screen shows the line "new messages", or None if that line is not shown.

    The daemon counts the unread messages at the login. The client counts messages that arrive later.
    """

    def __init__(self) -> None:
        self.read_id = 0
        self.server_mark: int | None = None
        self.new_after: int | None = None
        self._counted = 0
        self._counted_up_to = 0
        self._arrived: list[int] = []
        self._mentioned: list[int] = []
        self._new_mentions: list[int] = []
        self._seen_id = 0
        self._is_first_summary = True
        self._jumps: list[tuple[bool, int]] = []
        self._next_jump = 0
        self._last_id = 0
        self._last_id_of_others = -1

    @property
    def unread_count(self) -> int:
        """The number of unread messages of other users."""
        return self._counted + len(self._arrived)

    @property
    def is_lower_bound(self) -> bool:
        """Whether `unread_count` may be too small, because the daemon counts only up to a limit."""
        return self._counted >= MAX_COUNTED_MESSAGES

    @property
    def mention_ids(self) -> list[int]:
        """The ids of the unread messages that mention the user, among the messages that the client has
        loaded.
        """
        return self._mentioned

    @property
    def mark_to_send(self) -> int | None:
        """The id that the client must store on the daemon as the user's read mark, or None if nothing must be
        stored.

        A conversation in which no other user wrote needs no mark. A conversation with unread messages and
        without a mark needs one, because the daemon would count what it has delivered as read.
        """
        mark = -1 if self.server_mark is None else self.server_mark
        return self.read_id if self.read_id > mark and self._last_id_of_others > mark else None

    def record_arrival(self, id: int, is_own: bool, mentions_user: bool, is_seen: bool) -> None:
        """Record that the message with the id ``id`` has arrived.

        ``is_seen`` says whether the user is looking at the end of the conversation. ``is_own`` and
        ``mentions_user`` say whether the user wrote the message, and whether it mentions the user.
        """
        if not is_own:
            self._last_id_of_others = max(self._last_id_of_others, id)
        if not is_own and not is_seen:
            if not self.unread_count:
                self.read_id = max(self.read_id, id - 1)
                self.new_after = self.read_id if self.new_after is None else self.new_after
            if len(self._arrived) == MAX_TRACKED_IDS:
                self._counted += 1
                self._counted_up_to = max(self._counted_up_to, self._arrived.pop(0))
            self._arrived.append(id)
            if mentions_user:
                self._add_mentions([id])
        self._last_id = max(self._last_id, id)

    def record_missed(self, ids: list[int], seen: int | None, last_id: int) -> None:
        """Record a page of messages that the daemon sent after the login.

        ``ids`` are the ids of the missed messages of other users on the page, ``seen`` is the last seen id of
        the page, and ``last_id`` the id of its last message.
        """
        self.read_id = max(self.read_id, ids[0] - 1 if seen is None and ids else seen or 0)
        self._arrived = sorted({*self._arrived, *ids})
        self._last_id = max(self._last_id, last_id)
        self._last_id_of_others = max([self._last_id_of_others, *ids])

    def add_mentions(self, ids: Iterable[int]) -> None:
        """Record that the messages with the ids ``ids`` mention the user.

        Ids of read messages are ignored.
        """
        if self.unread_count:
            self._add_mentions(id for id in ids if id > self.read_id)

    def record_unread_count(self, unread: int, last: int) -> None:
        """Record the number of unread messages, ``unread``, from the daemon's list of conversations after the
        login.

        ``last`` is the id of the conversation's last message. The messages themselves are not loaded.
        """
        self._set_count(unread, last)

    def apply_summary(self, summary: ConversationSummary, seen: int, cursor: int) -> None:
        """Record the read mark and the number of unread messages in ``summary``, the daemon's item of the
        conversation.

        If the daemon has no mark, its number counts the messages between the last seen id ``seen`` and
        ``cursor``, the last id of the log at the login. If the client's own mark is further ahead, it stays,
        because it has not been sent to the daemon yet.
        """
        self._last_id = max(self._last_id, summary.last)
        if summary.read or summary.marked is True:
            self.server_mark = max(summary.read, self.server_mark or 0)
            if self.server_mark >= self._seen_id:
                self.read_id = self.server_mark
                self._set_count(summary.unread, summary.last)
        elif self._is_first_summary and not self._seen_id:
            self.read_id = seen
            self._set_count(summary.unread, cursor)
        self._is_first_summary = False
        if self.unread_count:  # the last of them may be the last entry
            self._last_id_of_others = max(self._last_id_of_others, summary.last)

    def move_mark(self, id: int) -> bool:
        """Record that the user's read mark on the daemon is now ``id``.

        Return False if the client does not know how many messages behind ``id`` are unread, so that the
        number must be read from the daemon.
        """
        self.server_mark = max(self.server_mark or 0, id)
        if id <= self.read_id:
            return True
        self.read_id = id
        self._arrived = [one for one in self._arrived if one > id]
        self._mentioned = [one for one in self._mentioned if one > id]
        if id >= self._counted_up_to:
            self._counted = 0
        return not self._counted

    def mark_all_as_read(self) -> bool:
        """Record that the user has seen the end of the conversation. Return whether anything was unread."""
        had_unread = self.unread_count > 0
        self.read_id = max(self.read_id, self._last_id, self._counted_up_to if self._counted else 0)
        self._seen_id = self.read_id
        self._counted = 0
        self._arrived.clear()
        self._mentioned.clear()
        return had_unread

    def place_new_messages_line(self) -> None:
        """Put the line "new messages" in front of the first unread message, because the conversation is now
        shown.
        """
        self.new_after = self.read_id if self.unread_count else None
        self._jumps, self._next_jump = [], 0

    def next_new_position(self) -> tuple[bool, int] | None:
        """Return the next position that the user can jump to, or None if nothing in the conversation is new.

        ``(True, id)`` is the line "new messages" behind the entry ``id``, and ``(False, id)`` is the message
        ``id``, which mentions the user. After the last position, the first one follows.
        """
        if self.new_after is None:
            return None
        self._jumps = self._jumps or [(True, self.new_after), *((False, id) for id in self._new_mentions)]
        jump = self._jumps[self._next_jump % len(self._jumps)]
        self._next_jump += 1
        return jump

    def remove_new_messages_line(self) -> None:
        """Remove the line "new messages" when the conversation leaves the screen, unless messages below it
        are unread.
        """
        if not self.unread_count:
            self.new_after = None
            self._new_mentions = []

    def _set_count(self, unread: int, up_to: int) -> None:
        self._counted, self._counted_up_to = unread, up_to
        self._arrived = [one for one in self._arrived if one > max(up_to, self.read_id)]
        self._mentioned = [one for one in self._mentioned if one > self.read_id]
        if not self.unread_count:
            self._mentioned.clear()

    def _add_mentions(self, ids: Iterable[int]) -> None:
        found = list(ids)
        self._mentioned = sorted({*self._mentioned, *found})[-MAX_TRACKED_IDS:]
        self._new_mentions = sorted({*self._new_mentions, *found})[-MAX_TRACKED_IDS:]
        self._jumps, self._next_jump = [], 0
