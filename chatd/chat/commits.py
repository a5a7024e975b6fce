"""Decisions that are stored while a coroutine waits: those on accounts, and those of server operators."""

from __future__ import annotations

from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.turns import TurnQueue, not_stored_refusal
from chatd.core.requests import Request
from chatd.core.rules import Decision
from chatd.core.state import State


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

    async def commit(self, request: Request, decision: Decision) -> None:
        """Apply ``decision`` to the state, store its records and deliver its events. Raises `NotStored`."""
        state = self._authority.state
        private = [state.is_private(event.conversation) for event in decision.events]
        records, audiences = self._authority.apply(request, decision)
        entries = await self._turns.store(*records)
        for entry, audience, is_private in zip(entries, audiences, private, strict=True):
            self._dispatcher.deliver(entry, audience, None, is_private)
        self._dispatcher.flush()
