"""Applies, stores and delivers decisions that are made inside coroutines: logins, account commands and
commands of server operators.

Other changes are stored by `chatd.chat.turns.ChangeTask`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chatd.boundaries import Client
from chatd.chat.authority import Authority
from chatd.chat.dispatch import Dispatcher
from chatd.chat.turns import TurnQueue, not_stored_refusal
from chatd.core.answers import Channel
from chatd.core.audience import Audience, user_ids_not_shown_reason
from chatd.core.events import JOINING_EVENT_KINDS, ChatEvent, LogEntry
from chatd.core.records import JournalRecord
from chatd.core.rules import Decision
from chatd.core.state import NO_USER_IDS, State


class AppliedDecision(msgspec.Struct, frozen=True, eq=False):
    """A decision that was applied to the state in memory and still must be stored and delivered.

    ``records`` are the records to store. The other attributes have one item for each event of the decision:

    - ``audiences``: the users who receive the event.
    - ``private_conversation_flags``: whether the conversation of the event was private when the event was
      decided.
    - ``joined_channels``: the group that the actor has joined by the event, if a session of the actor shows
      channels; else None.
    """

    records: list[JournalRecord]
    audiences: list[Audience]
    private_conversation_flags: list[bool]
    joined_channels: list[Channel | None]


class Committer:
    """Applies decisions to the state, stores their records on disk, and delivers their events to clients."""

    def __init__(self, authority: Authority, dispatcher: Dispatcher, turns: TurnQueue) -> None:
        self._authority = authority
        self._dispatcher = dispatcher
        self._turns = turns

    @property
    def state(self) -> State:
        """The state of the chat.

        Raises `Refusal` ``storage_failed`` while the state is reloaded after a failed transaction.
        """
        self.check_state()
        return self._authority.state

    def check_state(self) -> None:
        """Raise `Refusal` ``storage_failed`` if the state is being reloaded after a failed transaction."""
        if self._authority.recovering:
            raise not_stored_refusal()

    def apply(self, decision: Decision) -> AppliedDecision:
        """Apply ``decision`` to the state in memory, and return the records to store and the events to
        deliver.

        The caller must store the ``records`` of the result in the journal, and then call `deliver` with the
        log entries.
        """
        state = self._authority.state
        private = [state.is_private(event.conversation) for event in decision.events]
        records, audiences = self._authority.apply(decision)
        return AppliedDecision(
            records, audiences, private, list(map(self.channel_entered_by, decision.events))
        )

    def channel_entered_by(self, event: ChatEvent) -> Channel | None:
        """Return the group that the actor of ``event`` has joined by it, as a channel, or None.

        ``event`` must have been applied. The result is None if nobody joins a group by the event, or if no
        session of the actor shows channels.
        """
        if event.kind in JOINING_EVENT_KINDS and any(
            client.dialect.shows_groups_as_channels for client in self._authority.sessions_of(event.actor)
        ):
            return self._authority.channel(event.actor, event.conversation.name)
        return None

    def deliver(self, applied: AppliedDecision, entries: Sequence[LogEntry]) -> None:
        """Deliver ``entries``, the log entries of the events of ``applied``. They are on disk."""
        details = zip(
            applied.audiences, applied.private_conversation_flags, applied.joined_channels, strict=True
        )
        for entry, (audience, private, channel) in zip(entries, details, strict=True):
            self._dispatcher.deliver(entry, audience, None, private)
            if channel is not None:
                self._dispatcher.show_channel_in_other_sessions(entry, channel, None)

    async def commit(self, decision: Decision) -> None:
        """Apply ``decision`` to the state, wait until its records are on disk, and deliver its events.

        Raises `NotStored` if the transaction, or an earlier one, was rolled back; then its events are not
        delivered.
        """
        applied = self.apply(decision)
        self.deliver(applied, await self._turns.store(*applied.records))
        self._dispatcher.flush()

    async def commit_event(
        self, decision: Decision, author: Client | None, without_text_for: frozenset[int] = NO_USER_IDS
    ) -> LogEntry:
        """Apply and store ``decision``, which has one event, and deliver the event. Return the log entry.

        The event is not delivered to the session ``author``. It is delivered without its text to the users
        with the ids ``without_text_for``, and, if it has a reason, to users who ignore its author. Raises
        `NotStored` like `commit`.
        """
        applied = self.apply(decision)
        (entry,) = await self._turns.store(*applied.records)
        hidden = without_text_for | user_ids_not_shown_reason(self._authority.state, entry.event)
        (audience,), (private,) = applied.audiences, applied.private_conversation_flags
        self._dispatcher.deliver(entry, audience, author, private, hidden)
        self._dispatcher.flush()
        return entry
