"""Users, conversations, events and log entries: frozen values that the whole daemon uses."""

from __future__ import annotations

from functools import cached_property
from typing import Final, Literal, NamedTuple, cast

import msgspec

EventKind = Literal[
    "message",
    "image",
    "action",
    "notice",
    "created",
    "joined",
    "left",
    "invited",
    "uninvited",
    "declined",
    "kicked",
    "banned",
    "unbanned",
    "promoted",
    "demoted",
    "visibility",
    "topic",
    "history",
    "keep",
    "closed",
    "deleted",
    "edited",
    "reacted",
    "unreacted",
]
"""The kinds of log entries: messages (`MESSAGE_KINDS`), events of groups, and changes of messages
(`MESSAGE_CHANGE_KINDS`).
"""

MESSAGE_KINDS: Final[frozenset[EventKind]] = frozenset(("message", "image", "action", "notice"))
"""The kinds of log entries that are messages. The store's SQL queries and indexes list these kinds too."""

REACTION_KINDS: Final[frozenset[EventKind]] = frozenset(("reacted", "unreacted"))
"""The kinds of log entries that say that a user has reacted to an earlier message, or takes that back."""

MESSAGE_CHANGE_KINDS: Final[frozenset[EventKind]] = frozenset(("deleted", "edited", "reacted", "unreacted"))
"""The kinds of log entries that say that an earlier message was changed. They occur in all conversations."""

ACTION_PREFIX: Final = "/me "
"""The beginning of every action: ``/me waves`` says that its author waves."""


def is_action(text: str) -> bool:
    """Return whether the message text ``text`` is an action: `ACTION_PREFIX` and a text that is not blank."""
    return text.startswith(ACTION_PREFIX) and bool(action_text_without_prefix(text).strip())


def action_text_without_prefix(body: str) -> str:
    """Return the text of an action without its prefix: ``waves`` for the body ``/me waves``."""
    return body.removeprefix(ACTION_PREFIX)


MEMBERSHIP_END_EVENT_KINDS: Final[frozenset[EventKind]] = frozenset(("left", "kicked", "banned", "closed"))
"""The kinds of events that end memberships: ``closed`` ends all memberships of a group, the others one."""


class User(msgspec.Struct, frozen=True, eq=False):
    """A user, connected or not.

    ``nick`` is the name as it is shown, and ``normalized_nick`` is the normalized nick, which identifies the
    user. ``colour`` is the colour of the nick, as ``#rrggbb``.
    """

    id: int
    nick: str
    normalized_nick: str
    colour: str


CONSOLE: Final = User(0, "@console", "@console", "#d63d3d")
"""The user that stands for the administrator of the machine, who gives commands on the control socket.

A database migration fixes its id and its nick. No client can have or take that nick: names contain no ``@``.
"""


class Conversation(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A conversation: the lobby, that of a group, or the direct one of two users.

    The log entries of a conversation are numbered without gaps (``seq``). ``name`` is the name of the group
    as it is shown, and empty for other conversations. ``pair`` holds the two users of a direct conversation,
    the one with the lower id first. For notes to oneself, it holds the same user twice.
    """

    id: int
    kind: Literal["lobby", "group", "direct"]
    name: str = ""
    pair: tuple[User, ...] = ()

    @cached_property
    def pair_ids(self) -> tuple[int, ...]:
        """The ids of the users in ``pair``, ascending: one id for notes to oneself, else two.

        It is empty for the lobby and for groups. The property returns the identical tuple object each time.
        """
        return tuple(sorted({user.id for user in self.pair}))

    def other_user(self, user: User) -> User:
        """Return the user with whom ``user`` has this conversation, which must be a direct one.

        For a user's notes to themselves, return ``user``.
        """
        low, high = self.pair
        return high if low.id == user.id else low

    def name_for(self, user: User) -> str:
        """Return the name under which ``user`` sees this conversation in a list: that of the group, the nick
        of the other user, or ``lobby``.
        """
        return self.other_user(user).nick if self.pair else self.name or self.kind


LOBBY = Conversation(1, "lobby")
"""The lobby, the conversation of everyone connected. The first database migration fixes its id."""


class AnsweredMessage(NamedTuple):
    """The message that another message answers, or that a reaction belongs to: its log id ``message_id`` and
    its ``author``.
    """

    message_id: int
    author: User


class ChatEvent(msgspec.Struct, frozen=True, eq=False):
    """A message, a change of a group, or a change of a message, without its id and seq in the log.

    ``actor`` is the author. ``subject`` is the user whom the event is about, such as the kicked user, or the
    receiver of a direct message. A ``deleted`` event is in the conversation of the deleted message; its actor
    is the user who has deleted the message, its subject the author of the message. An ``edited`` event is in
    the conversation of the edited message; its actor is the author of the message, its subject the receiver
    of a direct message.

    ``check_may_answer`` is the message that this one answers, or that a reaction belongs to; else None.
    ``is_edited`` says whether the text of the message has been changed. Both are stored.

    The following attributes are known when the event is decided, and are not stored:

    - ``subject_was_member``: whether a ``banned`` event has removed a member.
    - ``actor_is_registered``: whether the author had a password. For an event that is read from the log, it
      says whether the author has a password at that time.
    - ``actor_is_bot``: whether the session in which the event was decided is a program's.
    - ``actor_realname``, ``actor_away_reason``, ``actor_is_offline``: the profile of the new member in a
      ``created`` or ``joined`` event. ``actor_away_reason`` is empty if the member is not away.
      ``actor_is_offline`` is true if no client of that user is connected.
    - ``former_owner``: the owner before a ``promoted`` event that makes a new owner, if that user is still a
      member.
    - ``client_tags``: the tags that an IRC client has given to a message for other IRC clients, as pairs of a
      key and a value.
    - ``part_message``: the part message of a ``left`` event. It is empty if there is none, or if it may not
      be shown.

    ``body`` depends on the kind of the event:

    - ``message``: the text, empty once it is deleted or erased.
    - ``image``: the lines of the image, empty once they are deleted or erased.
    - ``action``: the text with `ACTION_PREFIX`, empty once it is deleted or erased.
    - ``notice``: the text, as for ``message``; a program that receives a notice must not answer it
      automatically.
    - ``kicked``, ``banned``, ``closed``: the reason, or empty.
    - ``created``, ``visibility``: the visibility.
    - ``topic``: the topic.
    - ``history``: what members can read, ``all`` or ``since_joining``.
    - ``keep``: the age in seconds after which messages are deleted, empty for no limit.
    - ``promoted``, ``demoted``: ``owner`` if the subject becomes the owner, or was the owner; else empty.
    - ``deleted``: the id of the message, and if a reason was given, a space and the reason.
    - ``edited``: the id of the message, its kind and its new text, separated by spaces. Only the id is
      stored, because the log has the text once, with the message. Therefore an event that is read from the
      log has the last text of the message. It has the id alone if this was not the last edit, or if the text
      was deleted.
    - ``reacted``, ``unreacted``: the reaction, empty once it is erased.
    - other kinds: empty.
    """

    kind: EventKind
    conversation: Conversation
    actor: User
    subject: User | None = None
    body: str = ""
    subject_was_member: bool = False
    actor_is_registered: bool = False
    actor_is_bot: bool = False
    actor_realname: str = ""
    actor_away_reason: str = ""
    actor_is_offline: bool = False
    former_owner: User | None = None
    client_tags: tuple[tuple[str, str], ...] = ()
    part_message: str = ""
    answered_message: AnsweredMessage | None = None
    is_edited: bool = False

    @property
    def is_message(self) -> bool:
        """Whether the event is a message of any kind, and not a change of a group or of a message."""
        return self.kind in MESSAGE_KINDS

    @property
    def is_tombstone(self) -> bool:
        """Whether the event is a message whose text was deleted."""
        return not self.body and self.is_message

    @property
    def changed_message_id(self) -> int:
        """The id of the message that an edit, a deletion or a reaction changes.

        Only events of `MESSAGE_CHANGE_KINDS` have such an id. The attribute must not be read for other
        events.
        """
        return (
            int(self.body.partition(" ")[0])
            if self.answered_message is None
            else self.answered_message.message_id
        )

    @property
    def edited_kind_and_text(self) -> tuple[EventKind, str]:
        """The kind and the new text of the message that an ``edited`` event is about.

        The text is empty if the event has none. The attribute must not be read for other kinds of events.
        """
        kind, _, text = self.body.partition(" ")[2].partition(" ")
        return cast("EventKind", kind or "message"), text

    @property
    def reason(self) -> str:
        """The reason for a kick, a ban, a close or a deletion; empty if none was given."""
        if self.kind == "deleted":
            return self.body.partition(" ")[2]
        return self.body if self.kind in ("kicked", "banned", "closed") else ""


class LogEntry(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """An entry of the log: a `ChatEvent` with its ids and its time.

    ``id`` numbers the entries of the whole log, ``seq`` the entries of one conversation. ``at`` is the time
    at which the event was decided, in milliseconds since 1970-01-01 UTC.
    """

    id: int
    seq: int
    at: int
    event: ChatEvent


class UserArrived(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A notice, never stored, that ``user`` has come online.

    ``is_returning_user`` is true if the user was known before. ``at`` is the time in milliseconds since
    1970-01-01 UTC. ``realname`` is the realname in the client's profile, and ``is_registered`` says whether
    the nick has a password.
    """

    user: User
    is_returning_user: bool
    at: int
    realname: str = ""
    is_registered: bool = False


class GroupMemberArrived(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A notice, never stored, to the members of a group that another member has come online.

    It follows the `UserArrived` of the same user, for dialects that show which members of a group are online.
    ``conversation`` is that of the group. ``is_operator`` says whether the user is the owner or an operator
    of the group.
    """

    arrived: UserArrived
    conversation: Conversation
    is_operator: bool

    @property
    def user(self) -> User:
        """The user who has come online."""
        return self.arrived.user

    @property
    def at(self) -> int:
        """The time at which the user came online, in milliseconds since 1970-01-01 UTC."""
        return self.arrived.at


class TransientMessage(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A message of ``user`` that is delivered but never stored.

    Examples are a typing notice, a reaction of an IRC client, and a question of one client to another (CTCP).
    If ``dest`` is given, only that user receives the message. Otherwise everyone in ``conversation`` does:
    the members of its group, or everyone if it is the lobby. If ``is_for_operators_only`` is true, only the
    owner and the operators of the group do.

    ``tags`` are IRC tags, as pairs of a key and a value. ``text`` is the text of a message or a notice, as
    ``kind`` says; it is empty if there are only tags. ``at`` is the time in milliseconds since 1970-01-01
    UTC. ``serial_number`` identifies the message among all transient messages since the daemon started.
    """

    kind: Literal["tags", "message", "notice"]
    user: User
    conversation: Conversation | None
    dest: User | None
    tags: tuple[tuple[str, str], ...]
    text: str
    at: int
    serial_number: int = 0
    is_for_operators_only: bool = False


TYPING_TAG: Final = "+typing"
"""The key of the tag of a `TransientMessage` that says whether its user types, by one of `TYPING_STATES`."""

TYPING_STATES: Final = ("active", "paused", "done")
"""The values of `TYPING_TAG`: a user types, has stopped, or has sent or deleted the text."""


class ProfileChangeDelivery(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A notice, never stored, that ``user`` has changed the profile, at ``at`` in milliseconds since 1970.

    ``away`` says why the user is away, and is empty if the user is back. ``realname`` is the new realname.
    Each of the two is None if it has not changed. ``is_registered`` says whether the nick has a password.
    """

    user: User
    away: str | None
    realname: str | None
    at: int
    is_registered: bool = False


class AccountChangeDelivery(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A notice, never stored, that ``user`` has registered (``is_registered`` is true) or unregistered the
    nick.

    ``at`` is the time in milliseconds since 1970-01-01 UTC.
    """

    user: User
    is_registered: bool
    at: int


class UserDeparted(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A notice, never stored, that ``user`` has gone offline, at ``at`` in milliseconds since 1970-01-01 UTC.

    ``is_registered`` says whether the nick has a password. ``quit_message`` is the message with which the
    user has quit, and may be empty.
    """

    user: User
    at: int
    is_registered: bool = False
    quit_message: str = ""


class OperatorAnnouncement(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """An announcement that the server operator ``user`` sends to every connected user.

    It is not stored in the log.

    ``text`` is the announcement, and ``at`` is the time in milliseconds since 1970-01-01 UTC.
    """

    user: User
    text: str
    at: int


JOINING_EVENT_KINDS: Final[frozenset[EventKind]] = frozenset(("created", "joined"))
"""The kinds of events by which their actor becomes a member of a group."""

DELIVERY_TYPES_FOR_CHANNEL_CLIENTS: Final = (
    GroupMemberArrived,
    ProfileChangeDelivery,
    AccountChangeDelivery,
    TransientMessage,
)
"""The classes of deliveries that only clients that see groups as chat channels are told of."""

MultiUserDelivery = (
    LogEntry
    | UserArrived
    | GroupMemberArrived
    | UserDeparted
    | ProfileChangeDelivery
    | AccountChangeDelivery
    | TransientMessage
    | OperatorAnnouncement
)
"""A delivery that several users may be sent: a log entry, or a delivery that is never in the log."""


class ReadMarkMoved(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A notice, never stored in the log, to the other sessions of ``user`` that a read mark has moved.

    The read mark in ``conversation`` is now at the entry id ``entry_id``. ``mark_time`` is the mark as a time
    in milliseconds since 1970, for clients that show times. It is None if no other session needs the time.

    The notice is not sent to other users, and no log file mentions it, because it is private what a user has
    read.
    """

    user: User
    conversation: Conversation
    entry_id: int
    mark_time: int | None = None


Delivery = MultiUserDelivery | ReadMarkMoved
"""A value that is sent to sessions without a request."""
