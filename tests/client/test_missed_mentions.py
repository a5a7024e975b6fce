"""Mentions among the messages that are unread at the login."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from chatd.client.codec import ConversationRef
from chatd.client.history import HistoryLoader
from chatd.client.memory import Memory, ScreenEntry
from chatd.client.missed_mentions import find_missed_mentions

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
WOB = ConversationRef("group", "wob")


class MissedMentions(SynchronousTestCase):
    def test_only_messages_mention_the_user(self) -> None:
        """The line of an event that names the user, such as ``alice owns wob no more``, is no mention."""
        memory = Memory("alice")
        wob = memory.conversation(WOB)
        wob.read.record_unread_count(2, 4)
        entries = [
            ScreenEntry(AT, "bob joined wob", log_id=1),
            ScreenEntry(AT, "hello alice", "message", "bob", 2),
            ScreenEntry(AT, "alice owns wob no more", log_id=3),
            ScreenEntry(AT, "waves", "action", "bob", 4),
        ]
        wob.replace_entries(entries, has_older=False, has_newer=False)
        asyncio.run(find_missed_mentions(memory, cast(HistoryLoader, None)))
        self.assertEqual(wob.unread_label, "2 @1")
