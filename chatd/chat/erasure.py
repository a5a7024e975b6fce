"""Erases users: first the user, in one transaction, then all texts of the user in the log, step by step."""

from __future__ import annotations

from typing import Final

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from chatd.boundaries import Archive, Clock
from chatd.chat.authority import Authority
from chatd.chat.commits import Committer
from chatd.chat.presence import PresenceService
from chatd.chat.turns import TurnQueue, not_stored_refusal
from chatd.core import erase_rules as rules
from chatd.core.accounts import AccountPolicy
from chatd.core.events import User
from chatd.core.moderation import ErasureCompleted, TextsErased
from chatd.core.refusals import Refusal
from chatd.core.rules import Decision
from chatd.pauses import pause
from chatd.store.errors import NotStored, ReadFailed

ERASE_STEP_ENTRIES: Final = 200
"""Maximum number of log entries whose texts are erased in one transaction."""

MAX_ENTRIES_SCANNED_FOR_ERASURE: Final = 10_000
"""Maximum number of log entries that are looked at for one step."""

ERASE_STEP_PAUSE_SECONDS: Final = 0.02
"""Pause in seconds after each step, so that clients need not wait for an erasure."""

ERASE_RETRY_SECONDS: Final = 5.0
"""Pause in seconds after a step that failed."""

WAL_CHECKPOINT_RETRY_SECONDS: Final = 600.0
"""Seconds until the daemon tries again to empty the write-ahead log, after an erasure that could not."""


class ErasureResult(msgspec.Struct, frozen=True):
    """The result of an erasure: the user's new neutral nick ``name``, and the number of erased ``entries``.

    ``complete`` is false if older pages may still be in the write-ahead log of the database. The daemon then
    tries again later, also after a restart.
    """

    name: str
    entries: int
    complete: bool


class UserEraser:
    """Erases the data of users, one user at a time.

    The daemon resumes an interrupted erasure when it starts.
    """

    _log = Logger()

    def __init__(
        self,
        authority: Authority,
        archive: Archive,
        committer: Committer,
        presence: PresenceService,
        turns: TurnQueue,
        clock: Clock,
        policy: AccountPolicy,
    ) -> None:
        self._authority = authority
        self._archive = archive
        self._committer = committer
        self._presence = presence
        self._turns = turns
        self._clock = clock
        self._policy = policy
        self._one_at_a_time = DeferredLock()
        self._next: IDelayedCall | None = None
        self._stopped = False

    def start(self) -> None:
        """Resume the erasures that are not complete."""
        self._next = None
        if self._authority.state.erased_up_to_ids:
            Deferred.fromCoroutine(self._resume()).addErrback(
                lambda failure: self._log.failure("bug while erasing a user", failure)
            )

    def stop(self) -> None:
        """Start no further erasure, and no further step of the current one."""
        self._stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()

    async def erase_user(self, nick: str) -> ErasureResult:
        """End the sessions of the user ``nick``, and erase all data of that user in the database.

        Return the result.

        Raises `Refusal` ``no_such_user``, ``configured_operator``, ``shutting_down`` or ``storage_failed``.
        If the erasure had begun, it is resumed later.
        """
        self._check_running()
        try:
            user = await self._end_sessions(nick)
            if user.id not in self._committer.state.erased_up_to_ids:
                decision = rules.decide_erasure(self._committer.state, user, self._authority.now())
                await self._committer.commit(decision)
        except NotStored:
            raise not_stored_refusal() from None
        return await self._finish(user.id)

    async def _end_sessions(self, nick: str) -> User:
        """End all sessions of the user ``nick``, and return the user, who has none then. Raises `Refusal`."""
        while True:
            user = self._committer.state.require_user(nick)
            rules.check_may_erase(user, self._policy)
            if not self._authority.sessions_of(user):
                self._authority.earlier_profiles.forget(user)
                return user
            self._presence.end_sessions(user, None, Refusal("account_closed", nick=user.nick))
            await self._turns.wait_for_turn()
            self._check_running()

    async def _resume(self) -> None:
        for id in list(self._authority.state.erased_up_to_ids):
            try:
                await self._finish(id)
            except Refusal:  # the daemon stops
                return

    async def _finish(self, id: int) -> ErasureResult:
        """Erase the texts of the user with the id ``id``, who has the neutral nick already.

        Raises `Refusal` ``shutting_down``.
        """
        await self._one_at_a_time.acquire()
        try:
            return await self._erase_texts(id)
        finally:
            self._one_at_a_time.release()

    async def _erase_texts(self, id: int) -> ErasureResult:
        entries = after = 0
        last = self._authority.journal.last_delivered_id
        while True:
            self._check_running()
            try:
                state = self._committer.state
                user = state.users[id]
                after = max(after, state.erased_up_to_ids.get(id, last))
                if after >= last:
                    complete = await self._complete(user)
                    return ErasureResult(user.nick, entries, complete)
                end = min(after + MAX_ENTRIES_SCANNED_FOR_ERASURE, last)
                found = await self._archive.entry_ids_to_erase(user, after, ERASE_STEP_ENTRIES, end)
                if found:
                    self._check_running()
                    await self._committer.commit(Decision(records=(TextsErased(user, tuple(found)),)))
                    entries += len(found)
                await pause(self._clock, ERASE_STEP_PAUSE_SECONDS)
                after = found[-1] if len(found) == ERASE_STEP_ENTRIES else end
            except (Refusal, NotStored, ReadFailed) as error:
                self._check_running()
                self._log.warn("an erasure waits for the disk: {why}", why=str(error))
                await pause(self._clock, ERASE_RETRY_SECONDS)

    async def _complete(self, user: User) -> bool:
        """Empty the write-ahead log, then mark the erasure of ``user`` as complete. Return whether it is."""
        if user.id not in self._committer.state.erased_up_to_ids:
            return True
        if not await self._authority.journal.erase_deleted_texts():
            if self._next is None and not self._stopped:
                self._next = self._clock.callLater(WAL_CHECKPOINT_RETRY_SECONDS, self.start)
            return False
        self._check_running()
        await self._committer.commit(Decision(records=(ErasureCompleted(user),)))
        self._log.info("the erasure of {name} is complete", name=user.nick)
        return True

    def _check_running(self) -> None:
        """Raise `Refusal` ``shutting_down`` if the daemon stops."""
        if self._stopped:
            raise Refusal("shutting_down")
