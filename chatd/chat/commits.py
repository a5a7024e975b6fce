"""Applies, stores and delivers decisions that are made inside coroutines: logins, account commands and
commands of server operators.

Other changes are stored by `chatd.chat.turns.ChangeTask`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.turns import TurnQueue, not_stored_refusal
from chatd.core.audience import Audience
from chatd.core.events import LogEntry
from chatd.core.records import Record
from chatd.core.rules import Decision
from chatd.core.state import State


class AppliedDecision(msgspec.Struct, frozen=True, eq=False):
    """A decision that was applied to the state in memory and has to be stored.

    ``records`` are the records to store. ``audiences`` and ``private_flags`` have an item for each event: the
    users who receive it, and whether its conversation was private when it was decided.
    """

    records: list[Record]
    audiences: list[Audience]
    private_flags: list[bool]


class Committer:
    """Applies decisions, stores their records and delivers their events."""

    def __init__(self, authority: Authority, dispatcher: Dispatcher, turns: TurnQueue) -> None:
        self._authority = authority
        self._dispatcher = dispatcher
        self._turns = turns

    @property
    def state(self) -> State:
        """The state of the chat.

        Raises `Refusal` ``storage_failed`` while the state is read again after a failed transaction.
        """
        if self._authority.recovering:
            raise not_stored_refusal()
        return self._authority.state

    def apply(self, decision: Decision) -> AppliedDecision:
        """Apply ``decision`` to the state in memory, and return what has to be stored and delivered.

        The caller has to store its ``records`` in the journal, and then to call `deliver` with the log
        entries.
        """
        state = self._authority.state
        private = [state.is_private(event.conversation) for event in decision.events]
        return AppliedDecision(*self._authority.apply(decision), private)

    def deliver(self, applied: AppliedDecision, entries: Sequence[LogEntry]) -> None:
        """Deliver ``entries``, the log entries of the events of ``applied``, which are on disk."""
        for entry, audience, private in zip(entries, applied.audiences, applied.private_flags, strict=True):
            self._dispatcher.deliver(entry, audience, None, private)

    async def commit(self, decision: Decision) -> None:
        """Apply ``decision`` to the state, wait until its records are on disk, and deliver its events.

        Raises `NotStored` if the transaction, or an earlier one, was rolled back; then its events are not
        delivered.
        """
        applied = self.apply(decision)
        self.deliver(applied, await self._turns.store(*applied.records))
        self._dispatcher.flush()
