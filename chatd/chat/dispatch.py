"""The dispatcher: it knows which sessions are logged in, and sends them entries, arrivals and departures.

Its methods are called in the order of the journal's queue. It decides no command and does not read the state
of the chat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from twisted.logger import Logger

from chatd.boundaries import Client, Clock
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.fanout import Fanout
from chatd.core.audience import Audience, without_ignored_reason
from chatd.core.events import (
    LOBBY,
    AccountAnnounced,
    Announced,
    Arrived,
    Departed,
    LogEntry,
    MemberArrived,
    ProfileAnnounced,
    ReadMarkMoved,
    SharedDelivery,
    User,
)
from chatd.core.state import NO_USER_IDS

PRESENCE_BATCH_MIN_USERS: Final = 100
"""Number of connected users from which on arrivals and departures are sent in batches."""

PRESENCE_DELAY_PER_USER_SECONDS: Final = 20e-6
"""Seconds by which a batch of arrivals and departures is delayed for each connected user.

To notify one session takes about a quarter of that time.
"""

PRESENCE_DELAY_MAX_SECONDS: Final = 0.1
"""The maximum delay of a batch of arrivals and departures, in seconds."""


class Dispatcher:
    """Sends entries, arrivals and departures to the sessions that are logged in.

    Consecutive deliveries to one audience are gathered. They are sent when a delivery to another audience
    follows or `flush` is called. Log entries are sent by `flush_entries` too; arrivals, departures and
    announcements after a short delay.

    ``on_delivery(delivery, private)`` is called once for each delivery, in order, to write the conversation
    log. ``delivery_log`` logs each delivery with its recipients; it is None unless the log level is debug,
    which may change.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        on_delivery: Callable[[SharedDelivery, bool], None] | None,
        delivery_log: DeliveryLog | None,
    ) -> None:
        self._clock = clock
        self._on_delivery = on_delivery
        self.delivery_log = delivery_log
        # Sessions by the id of their user, in the order of arrival.
        self._present: dict[int, list[Client]] = {}
        # Likewise those whose token is limited to some conversations, which the others need not be asked for.
        self._limited: dict[int, list[Client]] = {}
        self._fanout: Fanout | None = None
        self._channel_clients = 0

    @property
    def has_channel_clients(self) -> bool:
        """Whether any session shows groups as chat channels."""
        return self._channel_clients > 0

    def announce_arrival(self, client: Client, user: User, arrived: Arrived) -> None:
        """Send the arrival of ``user`` to all sessions that were added before."""
        self._log.info("{nick} arrived from {peer}", nick=user.nick, peer=client.peer)
        self._announce(arrived)

    def announce_to_members(self, delivery: MemberArrived, audience: Audience) -> None:
        """Send the arrival of a member to the sessions of ``audience``, the members of the group."""
        self._fanout_to(audience, False, delivery.conversation.id).add(delivery)

    def announce_profile(self, delivery: ProfileAnnounced) -> None:
        """Send what a user says to be to all sessions."""
        self._fanout_to(None, False, LOBBY.id).add(delivery)

    def announce_account(self, delivery: AccountAnnounced, author: Client) -> None:
        """Send that a user has registered or unregistered to all sessions except ``author``."""
        self._fanout_to(None, False, LOBBY.id).add(delivery, author)

    def sessions_of(self, user: User) -> list[Client]:
        """Return the sessions of ``user`` that are sent deliveries."""
        return [*self._present.get(user.id, ()), *self._limited.get(user.id, ())]

    def add_client(self, client: Client, user: User) -> None:
        """Send ``client``, a session of ``user``, all deliveries from now on."""
        # This sends what was gathered before, to those present then.
        fanout = self._fanout_to(None, stored=False, place=LOBBY.id)
        self._sessions_like(client).setdefault(user.id, []).append(client)
        fanout.add_recipient(client)
        self._channel_clients += client.dialect.has_channels

    def remove_client(self, client: Client, user: User) -> bool:
        """Send no further deliveries to ``client``. Return False if the client was never added."""
        present = self._sessions_like(client)
        sessions = present.get(user.id, [])
        if client not in sessions:
            return False
        sessions.remove(client)
        self._channel_clients -= client.dialect.has_channels
        if not sessions:
            del present[user.id]
        return True

    def _sessions_like(self, client: Client) -> dict[int, list[Client]]:
        return self._limited if client.token is not None and client.token.is_limited else self._present

    def announce_departure(self, departed: Departed) -> None:
        """Send the departure of a user to all sessions that are logged in."""
        self._log.info("{nick} left", nick=departed.user.nick)
        self._announce(departed)

    def broadcast_announcement(self, announced: Announced) -> None:
        """Send an announcement of a server operator to all logged-in sessions. The scopes of tokens do not
        apply.
        """
        self._announce(announced, None)

    def deliver_to_other_sessions(self, moved: ReadMarkMoved, client: Client) -> None:
        """Send ``moved`` to the sessions of its user, except ``client`` and those with a token, at once.

        Sessions with a token have no part in what their user has read.
        """
        sessions = self._present.get(moved.user.id, ())
        fanout = Fanout(None, stored=False)
        fanout.add(moved)
        fanout.flush([one for one in sessions if one is not client and one.token is None])

    def deliver(
        self,
        entry: LogEntry,
        audience: Audience,
        author: Client | None,
        private: bool,
        without_reason: frozenset[int] = NO_USER_IDS,
    ) -> None:
        """Gather ``entry`` for the sessions of ``audience``, except ``author``, the session that asked for
        it.

        ``private`` says whether the entry was in a private group or a direct conversation when it was
        decided. Recipients whose ids are in ``without_reason`` get the entry without its reason, because they
        ignore the user who wrote it. The sessions of the user whom an event is about are sent it at once.
        """
        if self.delivery_log is not None:
            self.delivery_log.log_received(author, entry, private)
        if self._on_delivery is not None:
            self._on_delivery(entry, private)
        if without_reason and isinstance(audience, tuple):
            if ignoring := tuple(id for id in audience if id in without_reason):
                self._add(without_ignored_reason(entry, (entry.event.actor.id,)), ignoring, author)
                audience = tuple(id for id in audience if id not in without_reason)
        self._add(entry, audience, author)

    def _add(self, entry: LogEntry, audience: Audience, author: Client | None) -> None:
        event = entry.event
        subject: Sequence[Client] = ()
        # An invitation is not sent to a user who ignores its author.
        if event.subject is not None and not event.is_message and event.subject.id in (audience or ()):
            subject = self._present.get(event.subject.id, ())
            if self._limited:
                limited = self._limited_to(event.conversation.id, (event.subject.id,))
                subject = (*subject, *limited)
        without: Sequence[Client] = ()
        if event.is_message and self._channel_clients:
            own = self.sessions_of(event.actor)
            without = [one for one in own if one is not author and not one.dialect.shows_own_messages]
        self._fanout_to(audience, True, event.conversation.id).add(entry, author, subject, without)

    def _announce(self, delivery: Arrived | Departed | Announced, place: int | None = LOBBY.id) -> None:
        if self._on_delivery is not None:
            self._on_delivery(delivery, False)
        self._fanout_to(None, stored=False, place=place).add(delivery)

    def _fanout_to(self, audience: Audience, stored: bool, place: int | None) -> Fanout:
        """Return a fan-out to which deliveries for ``audience`` can be added.

        That is the current fan-out if it has the identical audience, kind (``stored`` entries, or arrivals,
        departures and announcements) and ``place``: the id of the conversation that the deliveries belong to,
        None if they are for everyone whatever the scope of the session. Otherwise the current fan-out is sent
        and a new one begun.
        """
        fanout = self._fanout
        if (
            fanout is None
            or fanout.audience is not audience
            or fanout.stored is not stored
            or fanout.place != place
        ):
            self.flush()
            sent = None if self.delivery_log is None else self.delivery_log.log_sent
            fanout = self._fanout = Fanout(audience, stored, sent, place)
            if not stored:
                self._clock.callLater(self._presence_delay(), self._flush_presence, fanout)
        return fanout

    def _presence_delay(self) -> float:
        count = len(self._present) + 1  # with the user who arrives or has just left
        if count < PRESENCE_BATCH_MIN_USERS:
            return 0
        return min(count * PRESENCE_DELAY_PER_USER_SECONDS, PRESENCE_DELAY_MAX_SECONDS)

    def _flush_presence(self, fanout: Fanout) -> None:
        if self._fanout is fanout:
            self.flush()

    def flush_entries(self) -> None:
        """Send the gathered log entries. The journal calls this at the end of each commit."""
        if self._fanout is not None and self._fanout.stored:
            self.flush()

    def flush(self) -> None:
        """Send all gathered deliveries. To keep the order, this is called before anything else is sent."""
        fanout, self._fanout = self._fanout, None
        if fanout is not None:
            try:
                fanout.flush(self._recipients(fanout.audience, fanout.place))
            except Exception:
                # The journal's task that is completed now has no part in this bug.
                self._log.failure("bug in the fan-out to {audience}", audience=fanout.audience or "everyone")

    def _recipients(self, audience: Audience, place: int | None) -> Iterator[Client]:
        """Return the logged-in sessions of the users in ``audience`` that may get what is in ``place``.

        ``place`` is the id of a conversation, or None for everywhere.
        """
        recipients = _sessions_of(audience, self._present)
        return chain(recipients, self._limited_to(place, audience)) if self._limited else recipients

    def _limited_to(self, place: int | None, audience: Audience) -> Iterator[Client]:
        """Return those among the recipients whose token is limited, to ``place`` among others."""
        return (
            client
            for client in _sessions_of(audience, self._limited)
            if place is None or (client.token is not None and client.token.covers(place))
        )


def _sessions_of(audience: Audience, present: Mapping[int, list[Client]]) -> Iterator[Client]:
    """Return the sessions in ``present`` of the users in ``audience``."""
    if audience is None:
        return chain.from_iterable(present.values())
    if isinstance(audience, frozenset):
        return chain.from_iterable(sessions for id, sessions in present.items() if id not in audience)
    return chain.from_iterable(filter(None, map(present.get, audience)))
