"""The answers to the commands of a client: frozen values that each dialect encodes in its own format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from chatd.core.accounts import Secret
from chatd.core.declarations import CommandDeclaration
from chatd.core.events import Conversation, LogEntry, TransientMessage, User
from chatd.core.moderation import ModerationEntry


class PreparedAnswer(msgspec.Struct, frozen=True, eq=False):
    """The answer to a request that the dialect answers by itself, such as IRC's ``PING``.

    ``payloads`` are the encoded answer, which may have no payload. They are sent when all earlier requests
    are answered.
    """

    payloads: tuple[bytes, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """What a client has said about its user, for IRC clients to show. It is not stored.

    ``username`` and ``realname`` are those of IRC's ``USER``. ``away`` says why the user is away; it is empty
    if the user is not away. ``quit_message`` is what the user has said when quitting. ``is_bot`` says whether
    a program uses this session.
    """

    username: str = ""
    realname: str = ""
    away: str = ""
    quit_message: str = ""
    is_bot: bool = False


class ChannelMember(msgspec.Struct, frozen=True, eq=False):
    """A member of a `Channel` who is online. The owner of a group counts as an operator.

    ``is_server_operator`` says whether the user is shown as one; it is False except in the answer to
    `ShowChannel`.
    """

    user: User
    profile: Profile
    is_operator: bool
    is_registered: bool
    is_server_operator: bool = False


class Channel(msgspec.Struct, frozen=True, eq=False):
    """A group, or the lobby if ``group`` is empty, as a chat channel: with its members who are online.

    ``topic`` was set by the user with the nick ``topic_author`` at ``topic_at``; it is empty if there is no
    topic. ``created_at`` is when the group was created; 0 for the lobby. Times are in milliseconds since
    1970. ``members`` are in the order in which they joined. ``banned`` are the nicks of the banned users. A
    reader who is no member (``is_member`` is false) is shown neither members nor bans. ``read_at`` is the
    reader's read mark as a time. It is None if the reader has set no mark, and in the answer to a command.
    """

    group: str
    is_private: bool = False
    is_member: bool = True
    topic: str = ""
    topic_author: str = ""
    topic_at: int = 0
    created_at: int = 0
    members: tuple[ChannelMember, ...] = ()
    banned: tuple[str, ...] = ()
    read_at: int | None = None


class TransientMessageSent(msgspec.Struct, frozen=True, eq=False):
    """The answer to `SendTransientMessage`. ``sent`` is the transient that was sent."""

    sent: TransientMessage


class MissedEvent(msgspec.Struct, frozen=True, eq=False):
    """A notice to a client that shows channels: it has missed ``entry``, an event about its user."""

    entry: LogEntry


class LobbyEntered(msgspec.Struct, frozen=True, eq=False):
    """The answer to `EnterLobby`: this session of ``user`` has entered the lobby, which is ``channel``."""

    user: User
    channel: Channel


class LobbyLeft(msgspec.Struct, frozen=True, eq=False):
    """The answer to `LeaveLobby`: this session of ``user`` has left the lobby."""

    user: User


class ChannelClosed(msgspec.Struct, frozen=True, eq=False):
    """A notice to a client that shows groups as channels: a server operator has closed ``group``.

    The user was a member of the group. ``reason`` is why it was closed; it may be empty.
    """

    group: str
    reason: str


class UserDescription(msgspec.Struct, frozen=True, eq=False):
    """What the reader may know of ``user``, who is offline if ``profile`` is None.

    ``channels`` are pairs of the name of a group and whether the user is an operator in it, for the groups in
    which the reader may know the user to be. ``earlier_profiles`` are the remembered profiles of sessions
    that have ended, the latest first. ``is_server_operator`` says whether the user is shown as a server
    operator.
    """

    user: User
    profile: Profile | None
    is_registered: bool
    channels: tuple[tuple[str, bool], ...] = ()
    earlier_profiles: tuple[Profile, ...] = ()
    is_server_operator: bool = False


class UserDescriptions(msgspec.Struct, frozen=True, eq=False):
    """The answer to `ShowUsers`, a description of each known user in the order of the nicks, and to
    `FindUsers`.
    """

    users: tuple[UserDescription, ...]


class WatchedUsers(msgspec.Struct, frozen=True, eq=False):
    """The answer to `WatchUsers`, or the notice that a watched user has come or gone.

    - ``online`` are watched users who are online.
    - ``offline`` are watched nicks of users who are offline, or of nobody.
    - ``listed`` are the nicks in the watch list, if the command asked for them.
    - ``refused`` are the nicks that did not fit into the watch list, which has room for ``limit`` nicks.
    """

    online: tuple[User, ...] = ()
    offline: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    limit: int = 0


class ProfileChanged(msgspec.Struct, frozen=True, eq=False):
    """The answer to `SetProfile`, with the profile as it is now."""

    user: User
    profile: Profile


class Statistics(msgspec.Struct, frozen=True, eq=False):
    """The numbers of the users who are online, of all users ever known, and of the groups that the reader may
    know of.

    ``most_online`` is the largest number of users who were online at once since the daemon was started.
    ``at`` is the present time, in milliseconds since 1970-01-01 UTC.
    """

    online_users: int
    known_users: int
    groups: int
    most_online: int
    at: int


class Ack(msgspec.Struct, frozen=True, eq=False):
    """The ack of a command: ``entry`` is the log entry that the command has made. It is on disk.

    If a client sends a message twice with the same ref, both acks have the entry of the first message. For a
    dialect with channels, ``channel`` is the group that the command has made the user a member of, and
    ``receiver`` is what is known of the receiver of a direct message. Otherwise they are None.
    """

    entry: LogEntry
    channel: Channel | None = None
    receiver: UserDescription | None = None


class Unchanged(msgspec.Struct, frozen=True, eq=False):
    """The answer to a command that changes nothing: to enter a group that the user is in already.

    ``group`` is the name of the group, empty for the lobby.
    """

    group: str


class Welcome(msgspec.Struct, frozen=True, eq=False):
    """The welcome: the client is logged in as ``user``. ``returning`` is true if the user was known before.

    ``cursor`` is the last id of the log. The client can give it as ``since`` in a later hello.
    ``last_seen_id`` is the user's last seen id: the entries that the user has missed have larger ids.
    ``channels`` are the lobby and the groups of the user, for a dialect with channels; otherwise none.
    ``is_registered`` says whether the nick has a password.
    """

    user: User
    returning: bool
    cursor: int
    last_seen_id: int
    channels: tuple[Channel, ...] = ()
    is_registered: bool = False


class Authenticated(msgspec.Struct, frozen=True, eq=False):
    """The answer to `Authenticate`: the client has proved to be the registered ``user``.

    It is not logged in yet: a login with the nick of ``user`` needs no password now.
    """

    user: User


class AccountChanged(msgspec.Struct, frozen=True, eq=False):
    """The answer to a successful account command. ``registered`` says whether ``nick`` has a password now."""

    nick: str
    registered: bool


class OperatorRights(msgspec.Struct, frozen=True, eq=False):
    """The answer to `BecomeOperator` and to `ResignOperator`: whether the session has the rights of a server
    operator's account now.
    """

    has_rights: bool


class TokenListItem(msgspec.Struct, frozen=True, eq=False):
    """A token in a list of tokens.

    ``scope`` is its access: read or write. ``groups`` are the names of the groups to which the token is
    limited, ``lobby`` for the lobby; ``*`` alone means all conversations. ``made`` and ``expires`` are times
    in milliseconds since 1970; ``expires`` is None for a token that holds until it is revoked.
    """

    name: str
    scope: str
    groups: tuple[str, ...]
    made: int
    expires: int | None


class TokenMade(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``maketoken``: the token, and its ``secret``, which is shown only here."""

    token: TokenListItem
    secret: Secret


class TokenList(msgspec.Struct, frozen=True, eq=False):
    """The list of the tokens of the user ``nick``, the oldest first."""

    nick: str
    tokens: tuple[TokenListItem, ...]


class InvitationLinkListItem(msgspec.Struct, frozen=True, eq=False):
    """An invitation link in a list of the links of ``group``.

    ``number`` identifies the link among those of the group, ``maker`` is a nick. ``made`` and ``expires`` are
    times in milliseconds since 1970. ``use_count`` is the number of users who have joined by the link.
    """

    group: str
    number: int
    maker: str
    made: int
    expires: int
    use_count: int


class InvitationLinkMade(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``invitelink``: ``link`` describes the new link as lists do, and ``secret`` is the link
    itself.

    No later answer contains the secret.
    """

    link: InvitationLinkListItem
    secret: Secret


class InvitationLinkList(msgspec.Struct, frozen=True, eq=False):
    """The list of the links of ``group`` that the user may see, the oldest first."""

    group: str
    links: tuple[InvitationLinkListItem, ...]


class Moderated(msgspec.Struct, frozen=True, eq=False):
    """The answer to a moderation command. ``entries`` are the entries, at least one, that it added to the
    moderation log.
    """

    entries: tuple[ModerationEntry, ...]


class ModerationLog(msgspec.Struct, frozen=True, eq=False):
    """The entries of the moderation log, the latest first."""

    entries: tuple[ModerationEntry, ...]


class IgnoredUsers(msgspec.Struct, frozen=True, eq=False):
    """The list of the nicks that the user ignores, sorted."""

    nicks: tuple[str, ...]


class Clients(msgspec.Struct, frozen=True, eq=False):
    """The list of the connected users' nicks, in the order of arrival."""

    nicks: tuple[str, ...]


class Member(msgspec.Struct, frozen=True, eq=False):
    """A member in a list of a group's members.

    ``role`` is owner, operator or member. ``online`` says whether the user is connected, ``registered``
    whether the nick has a password. A user who is not registered loses the role of owner or operator at the
    next login.
    """

    nick: str
    role: str
    online: bool
    registered: bool


class Members(msgspec.Struct, frozen=True, eq=False):
    """The list of the members of ``group``, in the order in which they joined."""

    group: str
    members: tuple[Member, ...]


class GroupListItem(msgspec.Struct, frozen=True, eq=False):
    """A group in a list of groups.

    ``group`` is its name, ``visibility`` public or private. ``member_count`` is the number of members.
    ``role`` is the role of the user who asks for the list: owner, operator, member, invited, or empty for no
    role. ``owner`` is the nick of the owner, empty if the group has none; ``owner_is_registered`` says
    whether the owner is registered. ``history`` says what members can read of the log: ``all``, or what came
    ``since_joining``. ``created_at`` is when the group was created and ``topic_at`` when its topic was set,
    in milliseconds since 1970; ``topic_at`` is 0 if there is no topic.
    """

    group: str
    visibility: str
    topic: str
    member_count: int
    role: str
    owner: str
    owner_is_registered: bool
    history: str
    created_at: int = 0
    topic_at: int = 0


class Groups(msgspec.Struct, frozen=True, eq=False):
    """The list of the groups that are visible to the user who asks, sorted by name.

    ``online_users`` is the number of users who are online, all of whom are in the lobby. ``at`` is the time
    of the list, in milliseconds since 1970.
    """

    groups: tuple[GroupListItem, ...]
    online_users: int = 0
    at: int = 0


class Reaction(NamedTuple):
    """A ``reaction`` to a message, such as an emoji, with the ``nicks`` of those who reacted so, in the order
    in which they did.
    """

    reaction: str
    nicks: list[str]


class Page(msgspec.Struct, frozen=True, eq=False):
    """A page of the log of one conversation for the user ``reader``, oldest entry first.

    If there are more entries than the page can have, it has the first ones if ``forward`` is true, else the
    last ones. ``more`` says whether entries were left out for that reason. For a page around an entry or a
    time, they may be on either side. ``is_event_page`` is true for a page of a group's events. It is false
    for a page of messages, which also contains events if the request asks for them.

    ``last_seen_id`` is the reader's last seen id on a page that is sent at a login: entries with larger ids
    are those that the reader has missed. It is None on a page that answers a command. ``trimmed_up_to_id`` is
    the largest id of the messages that retention has deleted from the conversation, 0 if there are none.
    ``reactions`` has the reactions to the messages of the page, by their ids.
    """

    conversation: Conversation
    entries: tuple[LogEntry, ...]
    more: bool
    forward: bool
    is_event_page: bool
    reader: User
    last_seen_id: int | None = None
    trimmed_up_to_id: int = 0
    reactions: Mapping[int, Sequence[Reaction]] = {}


class SearchResult(msgspec.Struct, frozen=True, eq=False):
    """The messages that a search of the user ``reader`` has found, the newest first; if ``forward``, the
    oldest.

    ``resume_id`` is the bound with which the search goes on, as its ``before``, or ``after`` if ``forward``.
    It is None if everything was searched; otherwise there may be more.
    """

    reader: User
    entries: tuple[LogEntry, ...]
    forward: bool
    resume_id: int | None


class ConversationListItem(msgspec.Struct, frozen=True, eq=False):
    """A conversation in a list of a user's conversations.

    ``kind`` is lobby, group or direct. ``name`` is the group's name, the other user's nick, or "lobby".
    ``last_id`` is the id of the last entry, 0 if there is none. ``read_mark`` is the user's read mark in the
    conversation, None if there is none. ``unread`` is the number of other users' messages after that mark, or
    without one, after the user's last seen id; it is counted among the last 1,000 messages.
    """

    kind: str
    name: str
    last_id: int
    unread: int
    read_mark: int | None


class ReadMark(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``markread``: the read mark of ``reader`` in ``conversation``.

    ``id`` is the id of the last entry that is marked as read. It is 0 if no entry is marked.

    ``at`` is the same mark as a time, in milliseconds since 1970: the time that a client has given, or the
    time of the last entry up to ``id``, whichever is later. It is None if there is no mark, or if the command
    did not ask for the time.
    """

    reader: User
    conversation: Conversation
    id: int
    at: int | None = None


class Conversations(msgspec.Struct, frozen=True, eq=False):
    """The list of a user's conversations, the most recent first. ``more`` says whether more follow."""

    conversations: tuple[ConversationListItem, ...]
    more: bool


class ActiveConversation(msgspec.Struct, frozen=True, eq=False):
    """A conversation in a list of those whose last messages were sent between two times.

    ``kind`` and ``name`` are those of `ConversationListItem`. ``last_message_id`` and ``last_message_at`` are
    the id and the time, in milliseconds since 1970, of the last message that the user can read.
    """

    kind: str
    name: str
    last_message_id: int
    last_message_at: int


class ActiveConversations(msgspec.Struct, frozen=True, eq=False):
    """The list of a user's conversations whose last messages were sent between two times, the oldest first.

    ``more`` says whether more follow.
    """

    conversations: tuple[ActiveConversation, ...]
    more: bool


class HistoryHint(msgspec.Struct, frozen=True, eq=False):
    """The hint that tells a returning user which command reads the missed messages.

    It is sent in dialects that do not send a page of every conversation at the login.
    """


class Help(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``help``: the declarations of all commands, with their fields and help texts."""

    commands: tuple[CommandDeclaration, ...]


class Goodbye(msgspec.Struct, frozen=True, eq=False):
    """The last answer to a client, before its connection closes. ``user`` is None if it never logged in."""

    user: User | None


Answer = (
    PreparedAnswer
    | Ack
    | Unchanged
    | Welcome
    | Authenticated
    | AccountChanged
    | OperatorRights
    | TokenMade
    | TokenList
    | InvitationLinkMade
    | InvitationLinkList
    | Moderated
    | ModerationLog
    | IgnoredUsers
    | Clients
    | Members
    | Groups
    | Page
    | SearchResult
    | Conversations
    | ReadMark
    | ActiveConversations
    | HistoryHint
    | Channel
    | ChannelClosed
    | LobbyEntered
    | LobbyLeft
    | MissedEvent
    | TransientMessageSent
    | UserDescriptions
    | WatchedUsers
    | ProfileChanged
    | Statistics
    | Help
    | Goodbye
)
