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
    """An answer that the dialect has made itself while decoding the request, such as the answer to IRC's
    ``PING``.

    ``payloads`` are the encoded answer; there may be none. They are sent after the answers to all earlier
    requests.
    """

    payloads: tuple[bytes, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """What a client has told about its user, as IRC clients show it. The profile is not stored.

    ``username`` and ``realname`` are those of IRC's ``USER`` command. ``away`` says why the user is away, and
    is empty if the user is not away. ``quit_message`` is the message with which the user has quit. ``is_bot``
    says whether a program uses the session.
    """

    username: str = ""
    realname: str = ""
    away: str = ""
    quit_message: str = ""
    is_bot: bool = False


class ChannelMember(msgspec.Struct, frozen=True, eq=False):
    """A member of a `Channel` who is online.

    The owner of a group counts as an operator. ``is_server_operator`` says whether the user is shown as a
    server operator; it is always False except in the answer to `ShowChannel`.
    """

    user: User
    profile: Profile
    is_operator: bool
    is_registered: bool
    is_server_operator: bool = False


class Channel(msgspec.Struct, frozen=True, eq=False):
    """A group, or the lobby if ``group`` is empty, in the form of an IRC channel, with its members who are
    online.

    ``topic`` was set by the user with the nick ``topic_author`` at ``topic_at``; ``topic`` is empty if none
    is set. ``created_at`` is the time at which the group was created, and 0 for the lobby. Times are in
    milliseconds since 1970. ``members`` are in the order in which they joined. ``banned_nicks`` are the nicks
    of the banned users. If ``reader_is_member`` is false, the reader is not a member, and ``members`` and
    ``banned_nicks`` are empty. ``read_mark_time`` is the reader's read mark as a time; it is None if the
    reader has set no mark, and in the answer to a command.
    """

    group: str
    is_private: bool = False
    reader_is_member: bool = True
    topic: str = ""
    topic_author: str = ""
    topic_at: int = 0
    created_at: int = 0
    members: tuple[ChannelMember, ...] = ()
    banned_nicks: tuple[str, ...] = ()
    read_mark_time: int | None = None


class TransientMessageSent(msgspec.Struct, frozen=True, eq=False):
    """The answer to `SendTransientMessage`.

    ``sent`` is the message that was sent; such messages are not stored.
    """

    sent: TransientMessage


class MissedEvent(msgspec.Struct, frozen=True, eq=False):
    """A notice to a client that shows channels: ``entry``, an event about its user, happened while it was
    offline.
    """

    entry: LogEntry


class LobbyEntered(msgspec.Struct, frozen=True, eq=False):
    """The answer to `EnterLobby`: this session of ``user`` has entered the lobby.

    ``channel`` describes the lobby.
    """

    user: User
    channel: Channel


class LobbyLeft(msgspec.Struct, frozen=True, eq=False):
    """The answer to `LeaveLobby`: this session of ``user`` has left the lobby."""

    user: User


class ChannelClosed(msgspec.Struct, frozen=True, eq=False):
    """A notice to a client that shows groups as channels: a server operator has closed ``group``.

    The client's user was a member of the group. ``reason`` says why it was closed, and may be empty.
    """

    group: str
    reason: str


class UserDescription(msgspec.Struct, frozen=True, eq=False):
    """What the reader, the user who asks, may know of ``user``.

    If ``profile`` is None, ``user`` is offline.

    ``group_names_with_operator_flag`` are pairs of a group's name and whether the user is an operator of that
    group, for the groups in which the reader may know the user to be. ``earlier_profiles`` are the remembered
    profiles of sessions that have ended, the latest first. ``is_server_operator`` says whether the user is
    shown as a server operator.
    """

    user: User
    profile: Profile | None
    is_registered: bool
    group_names_with_operator_flag: tuple[tuple[str, bool], ...] = ()
    earlier_profiles: tuple[Profile, ...] = ()
    is_server_operator: bool = False


class UserDescriptions(msgspec.Struct, frozen=True, eq=False):
    """The answer to `ShowUsers` and to `FindUsers`: a description of each user that was found.

    The answer to `ShowUsers` has the order of the nicks in the command, without unknown nicks.
    """

    users: tuple[UserDescription, ...]


class WatchedUsers(msgspec.Struct, frozen=True, eq=False):
    """The answer to `WatchUsers`, or the notice that a watched user has logged in or out.

    - ``online_users`` are the watched users who are online.
    - ``offline_nicks`` are the watched nicks whose users are offline or unknown.
    - ``listed_nicks`` are the nicks in the watch list, if the command asked for the list.
    - ``refused_nicks`` are the nicks that did not fit into the watch list, which has room for ``max_nicks``
      nicks.
    """

    online_users: tuple[User, ...] = ()
    offline_nicks: tuple[str, ...] = ()
    listed_nicks: tuple[str, ...] = ()
    refused_nicks: tuple[str, ...] = ()
    max_nicks: int = 0


class ProfileChanged(msgspec.Struct, frozen=True, eq=False):
    """The answer to `SetProfile`: the profile after the change."""

    user: User
    profile: Profile


class Statistics(msgspec.Struct, frozen=True, eq=False):
    """The numbers of users who are online, of all users ever known, and of the groups that the reader may
    see.

    ``max_online_user_count`` is the largest number of users who were online at once since the daemon was
    started. ``at`` is the present time, in milliseconds since 1970-01-01 UTC.
    """

    online_user_count: int
    known_user_count: int
    group_count: int
    max_online_user_count: int
    at: int


class Ack(msgspec.Struct, frozen=True, eq=False):
    """The ack of a command. ``entry`` is the log entry that the daemon has stored for the command.

    If a client sends a message twice with the same ref, both acks have the entry of the first message. For a
    dialect that shows channels, ``channel`` is the group that the user has joined by the command, and
    ``receiver`` is the description of the receiver of a direct message. Otherwise they are None.
    """

    entry: LogEntry
    channel: Channel | None = None
    receiver: UserDescription | None = None


class AlreadyInGroup(msgspec.Struct, frozen=True, eq=False):
    """The answer to a command that changes nothing, because the user is in the group already.

    ``group`` is the name of the group, empty for the lobby.
    """

    group: str


class Welcome(msgspec.Struct, frozen=True, eq=False):
    """The answer to a login: the client is logged in as ``user``.

    ``is_returning_user`` is true if the user was known before. ``cursor`` is the id of the last log entry;
    the client can give it as ``since`` in a later hello. ``last_seen_id`` is the user's last seen id: the
    entries that the user has missed have larger ids. ``channels`` are the lobby and the groups of the user
    for a dialect that shows channels, else empty. ``is_registered`` says whether the nick has a password.
    """

    user: User
    is_returning_user: bool
    cursor: int
    last_seen_id: int
    channels: tuple[Channel, ...] = ()
    is_registered: bool = False


class Authenticated(msgspec.Struct, frozen=True, eq=False):
    """The answer to `Authenticate`: the client has proved to be the registered ``user``.

    The client is not logged in yet. A login under the nick of ``user`` now needs no password.
    """

    user: User


class AccountChanged(msgspec.Struct, frozen=True, eq=False):
    """The answer to a successful account command. ``is_registered`` says whether ``nick`` has a
    password now.
    """

    nick: str
    is_registered: bool


class OperatorRights(msgspec.Struct, frozen=True, eq=False):
    """The answer to `BecomeOperator` and to `ResignOperator`.

    It says whether the session now has the rights of a server operator's account.
    """

    has_rights: bool


class TokenListItem(msgspec.Struct, frozen=True, eq=False):
    """A token in a list of tokens.

    ``scope`` is its access: read or write. ``conversation_names`` are the names of the groups to which the
    token is limited, where ``lobby`` stands for the lobby; ``*`` alone means all conversations. ``made_at``
    and ``expires_at`` are the times at which the token was made and expires, in milliseconds since 1970;
    ``expires_at`` is None for a token that is valid until it is revoked.
    """

    name: str
    scope: str
    conversation_names: tuple[str, ...]
    made_at: int
    expires_at: int | None


class TokenMade(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``maketoken``: the new token, and its ``secret``, which no later answer contains."""

    token: TokenListItem
    secret: Secret


class TokenList(msgspec.Struct, frozen=True, eq=False):
    """The list of the tokens of the user ``nick``, the oldest first."""

    nick: str
    tokens: tuple[TokenListItem, ...]


class InvitationLinkListItem(msgspec.Struct, frozen=True, eq=False):
    """An invitation link in a list of the links of ``group``.

    ``number`` identifies the link among those of the group, and ``maker_nick`` is the nick of the user who
    made it. ``made_at`` and ``expires_at`` are the times at which the link was made and expires, in
    milliseconds since 1970. ``use_count`` is the number of users who have joined by the link.
    """

    group: str
    number: int
    maker_nick: str
    made_at: int
    expires_at: int
    use_count: int


class InvitationLinkMade(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``invitelink``: ``link`` describes the new invitation link, and ``secret`` is the link
    itself.

    No later answer contains the secret.
    """

    link: InvitationLinkListItem
    secret: Secret


class InvitationLinkList(msgspec.Struct, frozen=True, eq=False):
    """The list of the invitation links of ``group`` that the user may see, the oldest first."""

    group: str
    links: tuple[InvitationLinkListItem, ...]


class Moderated(msgspec.Struct, frozen=True, eq=False):
    """The answer to a moderation command.

    ``entries`` are the one or more new entries of the moderation log.
    """

    entries: tuple[ModerationEntry, ...]


class ModerationLog(msgspec.Struct, frozen=True, eq=False):
    """The entries of the moderation log, the latest first."""

    entries: tuple[ModerationEntry, ...]


class IgnoredUsers(msgspec.Struct, frozen=True, eq=False):
    """The list of the nicks that the user ignores, sorted."""

    nicks: tuple[str, ...]


class Clients(msgspec.Struct, frozen=True, eq=False):
    """The list of the connected users' nicks, in the order of their logins."""

    nicks: tuple[str, ...]


class Member(msgspec.Struct, frozen=True, eq=False):
    """A member in a list of a group's members.

    ``role`` is owner, operator or member. ``is_online`` says whether the user is connected, ``is_registered``
    whether the nick has a password. A user who is not registered loses the role of owner or operator at the
    next login.
    """

    nick: str
    role: str
    is_online: bool
    is_registered: bool


class Members(msgspec.Struct, frozen=True, eq=False):
    """The list of the members of ``group``, in the order in which they joined."""

    group: str
    members: tuple[Member, ...]


class GroupListItem(msgspec.Struct, frozen=True, eq=False):
    """A group in a list of groups.

    ``group`` is its name, ``visibility`` is public or private, and ``member_count`` is the number of members.
    ``role`` is the role of the user who asks for the list: owner, operator, member, invited, or empty for no
    role. ``owner`` is the nick of the owner, or empty if the group has none; ``owner_is_registered`` says
    whether the owner is registered. ``history`` says whether members can read ``all`` of the log, or only the
    entries ``since_joining``. ``created_at`` and ``topic_at`` are the times at which the group was created
    and its topic was set, in milliseconds since 1970; ``topic_at`` is 0 if no topic is set.
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
    """The list of the groups that the user who asks may see, sorted by name.

    ``online_user_count`` is the number of users who are online, all of whom are in the lobby. ``at`` is the
    time of the list, in milliseconds since 1970.
    """

    items: tuple[GroupListItem, ...]
    online_user_count: int = 0
    at: int = 0


class Reaction(NamedTuple):
    """A ``reaction`` to a message, such as an emoji, and the ``nicks`` of the users who reacted with it.

    The nicks are in the order in which the users reacted.
    """

    reaction: str
    nicks: list[str]


class Page(msgspec.Struct, frozen=True, eq=False):
    """A page of the log of one conversation for the user ``reader``, oldest entry first.

    If there are more entries than fit on the page, it has the first ones if ``reads_forward`` is true, else
    the last ones, and ``has_more`` is true. On a page around an entry or a time, entries may be missing on
    either side. ``is_event_page`` is true for a page of a group's events. It is false for a page of messages,
    which also contains events if the request asks for them.

    ``last_seen_id`` is the reader's last seen id on a page that is sent at a login: the reader has missed the
    entries with larger ids. It is None on a page that answers a command. ``trimmed_up_to_id`` is the largest
    id of the messages that retention has deleted from the conversation, or 0 if none were deleted.
    ``reactions`` maps the ids of the messages on the page to the reactions to them.
    """

    conversation: Conversation
    entries: tuple[LogEntry, ...]
    has_more: bool
    reads_forward: bool
    is_event_page: bool
    reader: User
    last_seen_id: int | None = None
    trimmed_up_to_id: int = 0
    reactions: Mapping[int, Sequence[Reaction]] = {}


class SearchResult(msgspec.Struct, frozen=True, eq=False):
    """The messages that a search of the user ``reader`` has found.

    They are sorted with the newest first, or with the oldest first if ``searches_forward`` is true.
    ``resume_id`` is the id to continue the search with, as its ``before``, or as its ``after`` if
    ``searches_forward`` is true. It is None if everything was searched.
    """

    reader: User
    entries: tuple[LogEntry, ...]
    searches_forward: bool
    resume_id: int | None


class ConversationListItem(msgspec.Struct, frozen=True, eq=False):
    """A conversation in a list of a user's conversations.

    ``kind`` is lobby, group or direct. ``name`` is the group's name, the other user's nick, or "lobby".
    ``last_id`` is the id of the last entry, or 0 if there is none. ``read_mark_id`` is the user's read mark
    in the conversation, or None if there is none. ``unread_count`` is the number of other users' messages
    after the read mark, or after the user's last seen id if there is no mark; only the last 1,000 messages
    are counted.
    """

    kind: str
    name: str
    last_id: int
    unread_count: int
    read_mark_id: int | None


class ReadMark(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``markread``: the read mark of ``reader`` in ``conversation``.

    ``entry_id`` is the id of the last entry that is marked as read, or 0 if no entry is marked.

    ``mark_time`` is the same mark as a time, in milliseconds since 1970: the time that a client has given, or
    the time of the last entry up to ``entry_id``, whichever is later. ``mark_time`` is None if there is no
    mark, or if the command did not ask for the time.
    """

    reader: User
    conversation: Conversation
    entry_id: int
    mark_time: int | None = None


class Conversations(msgspec.Struct, frozen=True, eq=False):
    """The list of a user's conversations, the most recent first.

    ``has_more`` says whether the user has more conversations than the list.
    """

    items: tuple[ConversationListItem, ...]
    has_more: bool


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

    ``has_more`` says whether there are more such conversations than the list has.
    """

    items: tuple[ActiveConversation, ...]
    has_more: bool


class HistoryHint(msgspec.Struct, frozen=True, eq=False):
    """A hint for a returning user: which command shows the missed messages.

    The hint is sent in dialects that do not send a page of every conversation at the login.
    """


class Help(msgspec.Struct, frozen=True, eq=False):
    """The answer to ``help``: the declarations of all commands, with their fields and help texts."""

    commands: tuple[CommandDeclaration, ...]


class Goodbye(msgspec.Struct, frozen=True, eq=False):
    """The last answer to a client before its connection closes.

    ``user`` is None if the client never logged in.
    """

    user: User | None


Answer = (
    PreparedAnswer
    | Ack
    | AlreadyInGroup
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
