"""The delivery side of the chat: which sessions are present, and what each of them is sent.

It is fed one ordered stream of turns: entries, arrivals, departures, and the places where something else is
said. It decides nothing and reads nothing that only the authority knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

from twisted.logger import Logger

from chatd.boundaries import Client, Clock
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.fanout import Fanout
from chatd.core.events import Arrived, Delivery, Departed, Entry, User

PRESENCE_BATCH_MIN_USERS: Final = 100
"""Sessions present from which on arrivals and departures are batched."""

PRESENCE_DELAY_PER_USER_SECONDS: Final = 20e-6
"""Batching delay per session; notifying one session costs about a quarter of it."""

PRESENCE_DELAY_MAX_SECONDS: Final = 0.1
"""Batching delay at most."""

Audience = tuple[int, ...] | None
"""The ids of the users who hear an entry; None for everyone connected."""


class Dispatcher:
    """Sends deliveries to the sessions that are present.

    ``on_delivery`` is called with each delivery once, in order, and with whether it is private: for the
    conversation log. ``delivery_log`` is None unless the log level is debug.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        on_delivery: Callable[[Delivery, bool], None] | None,
        delivery_log: DeliveryLog | None,
    ) -> None:
        self._clock = clock
        self._on_delivery = on_delivery
        self._delivery_log = delivery_log
        # Sessions by the id of their user, in the order of arrival.
        self._present: dict[int, list[Client]] = {}
        self._fanout: Fanout | None = None

    def announce_arrival(self, client: Client, user: User, arrived: Arrived) -> None:
        """Tell everyone present that ``user`` has arrived."""
        self._log.info("{nick} arrived from {peer}", nick=user.nick, peer=client.peer)
        self._announce(arrived)

    def add_client(self, client: Client, user: User) -> None:
        """Deliver to ``client`` from here on."""
        fanout = self._fanout_to(None, stored=False)  # sends what was gathered before, to those present then
        self._present.setdefault(user.id, []).append(client)
        fanout.add_listener(client)

    def remove_client(self, client: Client, user: User) -> bool:
        """Deliver nothing more to ``client``; returns whether it was present."""
        sessions = self._present.get(user.id, [])
        if client not in sessions:
            return False
        sessions.remove(client)
        if not sessions:
            del self._present[user.id]
        return True

    def announce_departure(self, departed: Departed) -> None:
        """Tell everyone present that a user has gone."""
        self._log.info("{nick} left", nick=departed.user.nick)
        self._announce(departed)

    def deliver(self, entry: Entry, audience: Audience, author: Client | None, private: bool) -> None:
        """Send ``entry`` to ``audience``, but not to ``author``, the session that asked for it.

        ``private`` says whether it was private when it was decided: in a private group or between two users.
        """
        if self._delivery_log is not None:
            self._delivery_log.log_received(author, entry, private)
        if self._on_delivery is not None:
            self._on_delivery(entry, private)
        event = entry.event
        subject: Sequence[Client] = ()
        if event.subject is not None and not event.said:
            subject = self._present.get(event.subject.id, ())
        self._fanout_to(audience, stored=True).add(entry, author, subject)

    def _announce(self, presence: Arrived | Departed) -> None:
        if self._on_delivery is not None:
            self._on_delivery(presence, False)
        self._fanout_to(None, stored=False).add(presence)

    def _fanout_to(self, audience: Audience, stored: bool) -> Fanout:
        """The open fan-out if it has the very same audience, else a new one."""
        fanout = self._fanout
        if fanout is None or fanout.audience is not audience or fanout.stored is not stored:
            self.flush()
            sent = None if self._delivery_log is None else self._delivery_log.log_sent
            fanout = self._fanout = Fanout(audience, stored, sent)
            if not stored:
                self._clock.callLater(self._presence_delay(), self._flush_presence, fanout)
        return fanout

    def _presence_delay(self) -> float:
        count = len(self._present) + 1  # with the one who arrives or has just left
        if count < PRESENCE_BATCH_MIN_USERS:
            return 0
        return min(count * PRESENCE_DELAY_PER_USER_SECONDS, PRESENCE_DELAY_MAX_SECONDS)

    def _flush_presence(self, fanout: Fanout) -> None:
        if self._fanout is fanout:
            self.flush()

    def flush_entries(self) -> None:
        """Send the entries of a commit; called at its end."""
        if self._fanout is not None and self._fanout.stored:
            self.flush()

    def flush(self) -> None:
        """Send the gathered deliveries; called before anything else is sent."""
        fanout, self._fanout = self._fanout, None
        if fanout is not None:
            try:
                fanout.flush(self._listeners(fanout.audience))
            except Exception:
                # The task whose turn it is has no part in this bug.
                self._log.failure("bug in the fan-out to {audience}", audience=fanout.audience or "everyone")

    def _listeners(self, audience: Audience) -> Iterator[Client]:
        """The present sessions of ``audience``."""
        present = self._present
        return chain.from_iterable(
            present.values() if audience is None else filter(None, map(present.get, audience))
        )
