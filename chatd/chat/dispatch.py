"""The dispatcher: it knows which sessions are logged in, and sends them entries, arrivals and departures.

Its methods are called in the order of the journal's queue. It decides no command and does not read the state
of the chat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from twisted.logger import Logger

from chatd.boundaries import Client, Clock
from chatd.chat.delivery_log import DeliveryLog
from chatd.chat.fanout import (
    DeliverToAllFunction,
    Fanout,
    RecipientsByFrameFormat,
    deliver_to_each,
    frame_payloads,
    group_by_frame_format,
)
from chatd.core.answers import Answer, Channel, ChannelClosed
from chatd.core.audience import Audience, without_text
from chatd.core.channel_commands import ShowChannel
from chatd.core.events import (
    LOBBY,
    AccountChangeDelivery,
    Conversation,
    GroupMemberArrived,
    LogEntry,
    MultiUserDelivery,
    OperatorAnnouncement,
    ProfileChangeDelivery,
    ReadMarkMoved,
    TransientMessage,
    User,
    UserArrived,
    UserDeparted,
)
from chatd.core.requests import Request
from chatd.core.state import NO_USER_IDS
from chatd.core.tokens import token_covers

PLACEHOLDER_CHANNEL_REQUEST: Final = Request(ShowChannel(), "channel")
"""The request that the daemon pretends to answer when it tells a client that its user has entered a channel
elsewhere, or that a channel was closed.
"""

NO_CONVERSATION_ID: Final = 0
"""The id of no conversation: no token that is limited to some conversations covers it."""

MAX_REMEMBERED_AUDIENCES: Final = 1_000
"""Number of audiences whose sessions are remembered until somebody logs in or out."""

PRESENCE_BATCH_MIN_USERS: Final = 100
"""Number of connected users from which on arrivals and departures are sent in batches."""

PRESENCE_DELAY_PER_USER_SECONDS: Final = 80e-6
"""Seconds by which a batch of arrivals and departures is delayed for each connected user.

To notify one session takes about a sixteenth of that time.
"""

PRESENCE_DELAY_MAX_SECONDS: Final = 0.4
"""The maximum delay of a batch of arrivals and departures, in seconds."""


class GroupOfUser(NamedTuple):
    """One group of a user: its conversation, the ids of its members, and whether the user is an operator of
    it.
    """

    conversation: Conversation
    audience: tuple[int, ...]
    is_operator: bool


class Dispatcher:
    """Sends log entries, and notices of logins, logouts and announcements, to the sessions that are logged
    in.

    Consecutive deliveries to the same audience are collected and sent together. They are sent when a delivery
    to another audience follows, or when `flush` is called. Log entries are sent by `flush_entries` at the
    latest, other deliveries after a short delay.

    ``on_delivery(delivery, private)`` is called once for each delivery, in order, and writes the conversation
    log. ``delivery_log`` logs the recipients of each delivery. It is None unless the log level is debug, and
    is replaced when the level changes. ``deliver_to_all`` puts a frame into the outboxes of several sessions.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        on_delivery: Callable[[MultiUserDelivery, bool], None] | None,
        delivery_log: DeliveryLog | None,
        deliver_to_all: DeliverToAllFunction = deliver_to_each,
    ) -> None:
        self._clock = clock
        self._deliver_to_all = deliver_to_all
        self._on_delivery = on_delivery
        self.delivery_log = delivery_log
        # Sessions by the id of their user, in the order of arrival.
        self._present: dict[int, list[Client]] = {}
        # Likewise those that are not in the lobby, or whose token is limited to some conversations. The
        # others need not be asked for either.
        self._limited: dict[int, list[Client]] = {}
        # The sessions of audiences, by the id of the conversation, with the audience itself.
        self._groups: dict[int | None, tuple[Audience, RecipientsByFrameFormat]] = {}
        self._fanout: Fanout | None = None
        self._channel_clients = 0

    @property
    def has_channel_clients(self) -> bool:
        """Whether any session shows groups as channels."""
        return self._channel_clients > 0

    def announce_arrival(self, client: Client, user: User, arrived: UserArrived) -> None:
        """Send ``arrived``, the notice that ``user`` has logged in with ``client``, to all sessions added
        before.
        """
        self._log.info("{nick} arrived from {peer}", nick=user.nick, peer=client.peer)
        self._announce(arrived)

    def announce_to_members(self, delivery: GroupMemberArrived, audience: Audience) -> None:
        """Send ``delivery``, the notice that a group member has logged in, to ``audience``, the members of
        the group.
        """
        self._fanout_to(audience, False, delivery.conversation.id).add(delivery)

    def send_transient_message(self, transient: TransientMessage, audience: Audience) -> None:
        """Send ``transient``, a message that is not stored, to the sessions of ``audience``.

        A message to a conversation is not sent to the sessions of its author. A message to a user is not sent
        to sessions whose token is limited to some conversations.
        """
        conversation_id = NO_CONVERSATION_ID if transient.conversation is None else transient.conversation.id
        own = self.sessions_of(transient.user) if transient.dest is None else ()
        self._fanout_to(audience, False, conversation_id).add(transient, without=own)

    def announce_change(
        self,
        delivery: ProfileChangeDelivery | AccountChangeDelivery,
        author: Client,
        groups: Sequence[GroupOfUser],
        watchers: Collection[Client],
        ignoring: frozenset[int] = NO_USER_IDS,
    ) -> None:
        """Send the notice that a user has changed the profile, has registered, or has unregistered.

        - ``author`` is the session in which the user did so. The notice is not sent to it.
        - ``ignoring`` are the ids of the users who ignore the user. The notice is not sent to them, because a
          profile may contain words of the user.
        - ``groups`` are the groups of the user, and ``watchers`` the sessions that watch the user.

        All other sessions in the lobby are sent the notice. A session outside the lobby is sent it if the
        session shows one of ``groups`` as a channel, or if the session is one of ``watchers`` and its dialect
        has notices of watched users.
        """
        self._fanout_to(ignoring or None, False, LOBBY.id).add(delivery, author)
        watching = {one for one in watchers if one.dialect.receives_watched_user_changes}
        self._send_outside_lobby(delivery, groups, author, watching, ignoring)

    def sessions_of(self, user: User) -> list[Client]:
        """Return the sessions of ``user`` that receive deliveries."""
        return [*self._present.get(user.id, ()), *self._limited.get(user.id, ())]

    def add_client(self, client: Client, user: User) -> None:
        """Send all deliveries from now on to ``client``, a session of ``user``."""
        # This sends what was gathered before, to those present then.
        fanout = self._fanout_to(None, stored=False, conversation_id=LOBBY.id)
        self._sessions_like(client).setdefault(user.id, []).append(client)
        self.clear_audience_cache()
        fanout.add_recipient(client)
        self._channel_clients += client.dialect.shows_groups_as_channels

    def remove_client(self, client: Client, user: User) -> bool:
        """Send no further deliveries to ``client``. Return False if the client was never added."""
        present = self._sessions_like(client)
        sessions = present.get(user.id, [])
        if client not in sessions:
            return False
        sessions.remove(client)
        self.clear_audience_cache()
        self._channel_clients -= client.dialect.shows_groups_as_channels
        if not sessions:
            del present[user.id]
        return True

    def clear_audience_cache(self) -> None:
        """Drop the cached recipients, so that they are determined again for the next delivery.

        Call this method when a session was added or removed, or has a new frame format.
        """
        self._groups.clear()

    def _sessions_like(self, client: Client) -> dict[int, list[Client]]:
        is_limited_to_conversations = client.token is not None and client.token.is_limited_to_conversations
        return self._limited if is_limited_to_conversations or not client.in_lobby else self._present

    def set_in_lobby(self, client: Client, user: User, in_lobby: bool) -> None:
        """Record that ``client``, a session of ``user``, has entered the lobby, or has left it."""
        self.flush()
        if self.remove_client(client, user):
            client.in_lobby = in_lobby
            self.add_client(client, user)
        client.in_lobby = in_lobby

    def announce_departure(self, departed: UserDeparted, groups: Sequence[GroupOfUser] = ()) -> None:
        """Send ``departed``, the notice that a user has logged out, to all sessions that are logged in.

        A session outside the lobby is sent the notice if it shows one of ``groups``, the user's groups, as a
        channel.
        """
        self._log.info("{nick} left", nick=departed.user.nick)
        self._announce(departed)
        self._send_outside_lobby(departed, groups)

    def _send_outside_lobby(
        self,
        delivery: UserDeparted | ProfileChangeDelivery | AccountChangeDelivery,
        groups: Sequence[GroupOfUser],
        author: Client | None = None,
        watching: Collection[Client] = (),
        ignoring: frozenset[int] = NO_USER_IDS,
    ) -> None:
        """Send ``delivery``, which is about a member of ``groups``, to sessions outside the lobby.

        These are the sessions that show one of ``groups`` as a channel, or are in ``watching``. ``author``
        and the sessions of users with ids in ``ignoring`` are left out.
        """
        if not (self._channel_clients and self._limited):
            return
        places = [(one.conversation.id, frozenset(one.audience)) for one in groups]
        outside = [
            client
            for client in chain.from_iterable(self._limited.values())
            if client is not author
            and client.user is not None
            and client.user.id not in ignoring
            and client.dialect.shows_groups_as_channels
            and not _covers(client, LOBBY.id)
            and (
                client in watching
                or any(
                    client.user.id in ids and _covers(client, conversation_id)
                    for conversation_id, ids in places
                )
            )
        ]
        if outside:
            self.flush()
            fanout = Fanout(None, stored=False)
            fanout.add(delivery)
            fanout.flush(outside)

    def broadcast_announcement(self, announced: OperatorAnnouncement) -> None:
        """Send an announcement of a server operator to all logged-in sessions, whatever the scopes of their
        tokens.
        """
        self._announce(announced, None)

    def send_read_mark_to_other_sessions(self, moved: ReadMarkMoved, client: Client, only_time: bool) -> None:
        """Send ``moved``, a new read mark, at once to the other sessions of its user.

        It is not sent to ``client``, in which the mark was moved, or to sessions with a token, because
        programs must not know what their user has read. If ``only_time`` is true, the mark has a new time and
        the same id. In that case it is sent only to sessions that show channels, because only they show the
        time.
        """
        sessions = self.sessions_of(moved.user)
        if only_time:
            sessions = [one for one in sessions if one.dialect.shows_groups_as_channels]
        fanout = Fanout(None, stored=False)
        fanout.add(moved)
        fanout.flush([one for one in sessions if one is not client and one.token is None])

    def deliver(
        self,
        entry: LogEntry,
        audience: Audience,
        author: Client | None,
        private: bool,
        without_text_for: frozenset[int] = NO_USER_IDS,
        former: User | None = None,
    ) -> None:
        """Collect ``entry`` for the sessions of ``audience``, except ``author``, whose command has caused the
        entry.

        - ``private`` says whether the conversation was a private group or a direct one when the entry was
          decided.
        - ``without_text_for`` are the ids of users who are sent the entry without its text: they ignore its
          author, or may not read the message that it is about.
        - ``former`` is a user who has just left the group. Sessions of that user that show channels are not
          sent the entry.

        The sessions of the user whom an event is about are sent the entry at once.
        """
        if self.delivery_log is not None:
            self.delivery_log.log_received(author, entry, private)
        if self._on_delivery is not None:
            self._on_delivery(entry, private)
        if without_text_for and audience is None:
            self._add(without_text(entry), tuple(without_text_for), author)
            audience = without_text_for
        elif without_text_for and isinstance(audience, tuple):
            if some := tuple(id for id in audience if id in without_text_for):
                self._add(without_text(entry), some, author)
                audience = tuple(id for id in audience if id not in without_text_for)
        self._add(entry, audience, author, former)
        if entry.event.kind == "closed" and self._channel_clients:
            self._close_channel(entry, audience)

    def show_channel_in_other_sessions(
        self, entry: LogEntry, channel: Channel, author: Client | None
    ) -> None:
        """Send ``channel`` to the other sessions of the actor of ``entry``, if they show channels.

        ``channel`` is the group that the actor has joined by ``entry``, in the session ``author``.
        """
        self.flush()
        for client in self.sessions_of(entry.event.actor):
            if (
                client is not author
                and client.dialect.shows_groups_as_channels
                and token_covers(client.token, entry.event.conversation)
            ):
                _tell(client, channel)

    def _close_channel(self, entry: LogEntry, audience: Audience) -> None:
        """Tell the sessions of ``audience`` that show channels that ``entry`` has closed one of them."""
        self.flush()
        event = entry.event
        for client in list(self._recipients(audience, event.conversation.id)):
            if client.dialect.shows_groups_as_channels:
                _tell(client, ChannelClosed(event.conversation.name, event.body))

    def _add(
        self, entry: LogEntry, audience: Audience, author: Client | None, former: User | None = None
    ) -> None:
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
        elif former is not None:
            without = [one for one in self.sessions_of(former) if one.dialect.shows_groups_as_channels]
        self._fanout_to(audience, True, event.conversation.id).add(entry, author, subject, without)

    def _announce(
        self,
        delivery: UserArrived | UserDeparted | OperatorAnnouncement,
        conversation_id: int | None = LOBBY.id,
    ) -> None:
        if self._on_delivery is not None:
            self._on_delivery(delivery, False)
        self._fanout_to(None, stored=False, conversation_id=conversation_id).add(delivery)

    def _fanout_to(self, audience: Audience, stored: bool, conversation_id: int | None) -> Fanout:
        """Return a fan-out to which deliveries for ``audience`` can be added.

        That is the current fan-out if it has the identical audience, kind (``stored`` entries, or arrivals,
        departures and announcements) and ``conversation_id``: the id of the conversation that the deliveries
        belong to, None if they are for everyone whatever the scope of the session. Otherwise the current
        fan-out is sent and a new one begun.
        """
        fanout = self._fanout
        if (
            fanout is None
            or fanout.audience is not audience
            or fanout.stored is not stored
            or fanout.conversation_id != conversation_id
        ):
            self.flush()
            sent = None if self.delivery_log is None else self.delivery_log.log_sent
            fanout = self._fanout = Fanout(audience, stored, sent, conversation_id, self._deliver_to_all)
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
        """Send the collected log entries. The journal calls this method at the end of each commit."""
        if self._fanout is not None and self._fanout.stored:
            self.flush()

    def flush(self) -> None:
        """Send all collected deliveries. To keep the order, this is called before anything else is sent."""
        fanout, self._fanout = self._fanout, None
        if fanout is not None:
            try:
                fanout.flush_by_frame_format(self._recipient_groups(fanout.audience, fanout.conversation_id))
            except Exception:
                # The journal's task that is completed now has no part in this bug.
                self._log.failure("bug in the fan-out to {audience}", audience=fanout.audience or "everyone")

    def _recipient_groups(self, audience: Audience, conversation_id: int | None) -> RecipientsByFrameFormat:
        """Return the sessions of `_recipients` by their frame format.

        They are remembered: most audiences are the identical object from one message to the next.
        """
        known = self._groups.get(conversation_id)
        if known is not None and known[0] is audience:
            return known[1]
        groups = group_by_frame_format(self._recipients(audience, conversation_id))
        if len(self._groups) >= MAX_REMEMBERED_AUDIENCES:
            self._groups.clear()
        self._groups[conversation_id] = (audience, groups)
        return groups

    def _recipients(self, audience: Audience, conversation_id: int | None) -> Iterator[Client]:
        """Return the logged-in sessions of the users in ``audience`` that may receive deliveries in
        ``conversation_id``.

        ``conversation_id`` is the id of a conversation, or None for all conversations.
        """
        recipients = _sessions_of(audience, self._present)
        return chain(recipients, self._limited_to(conversation_id, audience)) if self._limited else recipients

    def _limited_to(self, conversation_id: int | None, audience: Audience) -> Iterator[Client]:
        """Return the sessions among the recipients that are outside the lobby or have a limited token.

        Only those are returned that may receive deliveries in ``conversation_id``.
        """
        return (
            client
            for client in _sessions_of(audience, self._limited)
            if conversation_id is None or _covers(client, conversation_id)
        )


def _covers(client: Client, conversation_id: int) -> bool:
    """Return whether ``client`` may receive deliveries of the conversation with that id."""
    return (client.in_lobby or conversation_id != LOBBY.id) and (
        client.token is None or client.token.covers(conversation_id)
    )


def _tell(client: Client, answer: Answer) -> None:
    """Send ``answer``, which nobody has asked for, to ``client`` in the order of the log."""
    for frame in frame_payloads(
        client.frame_format, client.dialect.encode_answer(PLACEHOLDER_CHANNEL_REQUEST, answer)
    ):
        client.send_stored(frame)


def _sessions_of(audience: Audience, present: Mapping[int, list[Client]]) -> Iterator[Client]:
    """Return the sessions in ``present`` of the users in ``audience``."""
    if audience is None:
        return chain.from_iterable(present.values())
    if isinstance(audience, frozenset):
        return chain.from_iterable(sessions for id, sessions in present.items() if id not in audience)
    return chain.from_iterable(filter(None, map(present.get, audience)))
