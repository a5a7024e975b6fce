"""Deletes what is too old: messages that nobody wants to keep for longer, and expired invitation links."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from chatd.boundaries import Archive, Clock
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.core.events import Conversation
from chatd.core.link_rules import delete_expired_invitation_links
from chatd.core.moderation import ConversationTrimmed, MessageTextDeleted
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.pauses import pause
from chatd.store.errors import NotStored, ReadFailed

RETENTION_SWEEP_INTERVAL_SECONDS: Final = 600.0
"""Seconds between two sweeps through all conversations."""

FIRST_RETENTION_SWEEP_DELAY_SECONDS: Final = 5.0
"""Seconds from the start of the daemon to the first sweep."""

RETENTION_SWEEP_PAUSE_SECONDS: Final = 0.02
"""Pause in seconds after each deletion, so that clients need not wait for a sweep."""

MAX_ENTRIES_SCANNED_FOR_TRIM: Final = 500
"""Maximum number of log entries that are looked at for one deletion."""


MAX_INVITATION_LINKS_PER_DELETION: Final = 500
"""Maximum number of invitation links that are deleted in one transaction."""


class Retention:
    """Deletes old messages and expired invitation links. It checks all conversations regularly.

    A check begins every `RETENTION_SWEEP_INTERVAL_SECONDS`. ``retention_seconds`` is the age up to which
    messages are kept, or None for any age; a group may keep its messages for a shorter time. The last entry
    of a conversation is never deleted, because the next entry's sequence number (seq) is derived from it. If
    that entry is an old message, only its text is deleted.
    """

    _log = Logger()

    def __init__(
        self,
        authority: Authority,
        archive: Archive,
        committer: Committer,
        clock: Clock,
        retention_seconds: int | None,
    ) -> None:
        self._authority = authority
        self._archive = archive
        self._committer = committer
        self._clock = clock
        self._retention_seconds = retention_seconds
        self._next: IDelayedCall | None = None
        self._stopped = False
        # Whether texts were deleted that the write-ahead log may still have.
        self._must_erase = False

    def start(self) -> None:
        """Start to check all conversations regularly."""
        self._next = self._clock.callLater(FIRST_RETENTION_SWEEP_DELAY_SECONDS, self._run)

    def stop(self) -> None:
        """Start no further check, and delete nothing more."""
        self._stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _run(self) -> None:
        Deferred.fromCoroutine(self._sweep()).addErrback(
            lambda failure: self._log.failure("bug while deleting old messages", failure)
        ).addCallback(lambda _: self._schedule())

    def _schedule(self) -> None:
        if not self._stopped:
            self._next = self._clock.callLater(RETENTION_SWEEP_INTERVAL_SECONDS, self._run)

    async def _sweep(self) -> None:
        # If the database can't be used now, the next sweep goes on.
        with suppress(Refusal, NotStored, ReadFailed):
            while await self._delete_expired_links():
                pass
            for conversation in list(self._committer.state.conversations.values()):
                while await self._trim(conversation):
                    self._must_erase = True
        if self._must_erase:
            self._must_erase = False
            await self._authority.journal.erase_deleted_texts()

    async def _delete_expired_links(self) -> bool:
        """Delete some invitation links that have expired. Return whether there may be more."""
        state, now = self._committer.state, self._authority.now()
        decision = delete_expired_invitation_links(state, now, MAX_INVITATION_LINKS_PER_DELETION)
        if self._stopped or not decision.records:
            return False
        await self._committer.commit(decision)
        await pause(self._clock, RETENTION_SWEEP_PAUSE_SECONDS)
        return True

    async def _trim(self, conversation: Conversation) -> bool:
        """Delete some old messages of ``conversation``. Return whether there may be more."""
        retention_seconds = self._committer.state.retention_seconds(conversation, self._retention_seconds)
        if self._stopped or retention_seconds is None:
            return False
        before = self._authority.now() - retention_seconds * 1000
        last = self._authority.journal.last_id_in(conversation)
        trimmed = self._committer.state.trimmed_up_to_ids.get(conversation.id, 0)
        old = await self._archive.old_message_ids(conversation, trimmed, before, MAX_ENTRIES_SCANNED_FOR_TRIM)
        removed = [id for id in old if id < last]
        if removed:
            decision = Decision(records=(ConversationTrimmed(conversation, removed[-1]),))
        elif old:
            row = await self._archive.entry(last)
            if row is None or not row[-1]:
                return False
            decision = Decision(records=(MessageTextDeleted(last),))
        else:
            return False
        await self._committer.commit(decision)
        await pause(self._clock, RETENTION_SWEEP_PAUSE_SECONDS)
        return True
