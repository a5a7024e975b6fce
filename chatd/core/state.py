"""The state of the chat in memory: users, credentials, groups and conversations.

Only `State.apply` and `State.expire_invitations` change the state. The state does not contain which users are
connected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from chatd.core.accounts import CLOSED_ACCOUNT_HASH, Credential, UserRenamed
from chatd.core.colours import nick_colour_of
from chatd.core.events import CONSOLE, LOBBY, MESSAGE_CHANGE_KINDS, ChatEvent, Conversation, User
from chatd.core.links import InvitationLink, InvitationLinkDeleted
from chatd.core.moderation import (
    BannedNetworks,
    ConversationTrimmed,
    ErasureCompleted,
    IgnoreChanged,
    MessageTextDeleted,
    ModerationEntry,
    ModerationKind,
    TextsErased,
    UserErased,
    mute_or_block_target_key,
    parse_network,
)
from chatd.core.names import BadName, Name, confusable_skeletons, parse_group, parse_nick
from chatd.core.read_marks import ReadMarksDeleted
from chatd.core.refusals import Refusal
from chatd.core.tokens import Token, TokenDeleted

NO_USER_IDS: Final[frozenset[int]] = frozenset()
"""An empty set of user ids."""


class LogFilter(msgspec.Struct, frozen=True, eq=False):
    """A filter that hides log entries from one reader, in the conversations that the reader may read.

    ``user_id`` is the id of the reader. The messages and invitations of the users with the ids
    ``ignored_user_ids`` are hidden. In the conversations with the ids
    ``conversation_ids_readable_since_joining``, the entries before the reader's last ``joined`` event are
    hidden.
    """

    user_id: int = 0
    ignored_user_ids: tuple[int, ...] = ()
    conversation_ids_readable_since_joining: frozenset[int] = frozenset()


NO_LOG_FILTER: Final = LogFilter()
"""The filter that hides nothing."""


class Invitation(msgspec.Struct, frozen=True, eq=False):
    """An invitation to a group, made by the user with the id ``inviter_id``.

    ``made_at`` is the time at which it was made, in milliseconds since 1970.
    """

    inviter_id: int
    made_at: int


class Group:
    """The state of one group.

    ``members`` maps user ids to users in the order of joining. ``operator_ids`` and ``banned_user_ids`` hold
    user ids. ``invitations`` maps user ids to invitations, and ``banned_networks`` maps the ids of banned
    users to the networks that their bans apply to. ``topic_author`` is the id of the user who has set the
    topic, or None if it was never set. ``topic_at`` and ``created_at`` are the times at which the topic was
    set and the group was created, in milliseconds since 1970. ``visibility`` is public or private.
    ``history`` says whether members read ``all`` of the log, or only the entries ``since_joining``. Messages
    older than ``retention_seconds`` are deleted; None means that the group sets no such age.

    ``owner`` is None if an unregistered owner has lost the group by logging in again, and while the group is
    closed. ``closed`` says that a server operator has closed the group, until a user is made its owner. A
    closed group has no owner, no members and no invitations, and is not visible to anybody.
    """

    __slots__ = (
        "_audience",
        "banned_networks",
        "banned_user_ids",
        "closed",
        "conversation",
        "created_at",
        "history",
        "invitations",
        "members",
        "operator_ids",
        "owner",
        "retention_seconds",
        "topic",
        "topic_at",
        "topic_author",
        "visibility",
    )

    def __init__(self, conversation: Conversation, owner: User) -> None:
        self.conversation = conversation
        self.owner: User | None = owner
        self.closed = False
        self.visibility = "public"
        self.history = "all"
        self.retention_seconds: int | None = None
        self.topic = ""
        self.topic_author: int | None = None
        self.topic_at = 0
        self.created_at = 0
        self.members: dict[int, User] = {}
        self.operator_ids: set[int] = set()
        self.invitations: dict[int, Invitation] = {}
        self.banned_user_ids: set[int] = set()
        self.banned_networks: dict[int, tuple[str, ...]] = {}
        self._audience: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """The name of the group, as the user who created it wrote it."""
        return self.conversation.name

    @property
    def member_ids(self) -> tuple[int, ...]:
        """The ids of the members, in ascending order.

        The tuple object is identical until the group changes.
        """
        if self._audience is None:
            self._audience = tuple(sorted(self.members))
        return self._audience

    def is_owner(self, user: User) -> bool:
        """Return whether ``user`` owns the group.

        The owner of a group that all members have left is not a member.
        """
        return self.owner is not None and self.owner.id == user.id

    def role(self, user: User) -> Literal["owner", "operator", "member", "invited", ""]:
        """Return the role of ``user`` in the group, or ``""`` for no role.

        Once all members have left, even the owner has no role.
        """
        if user.id in self.members:
            if self.is_owner(user):
                return "owner"
            return "operator" if user.id in self.operator_ids else "member"
        return "invited" if user.id in self.invitations else ""

    @property
    def is_public(self) -> bool:
        """Whether everyone may know that the group exists."""
        return self.visibility == "public" and not self.closed

    def is_visible_to(self, user: User) -> bool:
        """Return whether ``user`` may know that the group exists."""
        return self.is_public or user.id in self.members or user.id in self.invitations

    def is_banned_network(self, client_network: str | None) -> bool:
        """Return whether a ban of an unregistered user applies to clients in the network ``client_network``.

        The result is False for None, which stands for the daemon's own machine.
        """
        return any(client_network in networks for networks in self.banned_networks.values())

    def next_owner(self) -> User | None:
        """Return the member who becomes the owner if the owner leaves, or None if there is no other member.

        The next owner is the operator who joined first or, without operators, the member who joined first.
        """
        others = [user for user in self.members.values() if not self.is_owner(user)]
        operators = [user for user in others if user.id in self.operator_ids]
        return next(iter(operators or others), None)

    def apply(self, event: ChatEvent, at: int) -> None:
        """Change this group as ``event`` describes. The event must be a change of the group: neither a
        message nor a change of one.

        ``at`` is the time of the event in milliseconds since 1970.
        """
        if event.kind == "invited" and event.subject is not None:
            self.invitations[event.subject.id] = Invitation(event.actor.id, at)
            return
        if event.kind == "created":
            self.created_at = at
        elif event.kind == "topic":
            self.topic_at = at
        _CHANGES[event.kind](self, event, event.subject or event.actor)
        self._audience = None

    def replace_renamed_user(self, user: User) -> None:
        """Replace the member or owner with the id of ``user`` by ``user``, who has a new nick."""
        if user.id in self.members:
            self.members[user.id] = user
        if self.is_owner(user):
            self.owner = user

    def _add(self, event: ChatEvent, user: User) -> None:
        self.closed = False
        self.members[user.id] = user
        self._end_invitation(event, user)

    def _create(self, event: ChatEvent, user: User) -> None:
        self.visibility = event.body
        self._add(event, user)

    def _remove(self, event: ChatEvent, user: User) -> None:
        self.members.pop(user.id, None)
        self.operator_ids.discard(user.id)
        self._end_invitation(event, user)

    def _end_invitation(self, event: ChatEvent, user: User) -> None:
        self.invitations.pop(user.id, None)

    def _ban(self, event: ChatEvent, user: User) -> None:
        self._remove(event, user)
        self.banned_user_ids.add(user.id)

    def _unban(self, event: ChatEvent, user: User) -> None:
        self.banned_user_ids.discard(user.id)

    def _promote(self, event: ChatEvent, user: User) -> None:
        if event.body == "owner":
            self.owner = user
            self.operator_ids.discard(user.id)
        else:
            self.operator_ids.add(user.id)

    def _demote(self, event: ChatEvent, user: User) -> None:
        if event.body == "owner":
            self.owner = None
        self.operator_ids.discard(user.id)

    def _set_visibility(self, event: ChatEvent, user: User) -> None:
        self.visibility = event.body

    def _set_history(self, event: ChatEvent, user: User) -> None:
        self.history = event.body

    def _set_keep(self, event: ChatEvent, user: User) -> None:
        self.retention_seconds = int(event.body) if event.body else None

    def _set_topic(self, event: ChatEvent, user: User) -> None:
        self.topic = event.body
        self.topic_author = event.actor.id

    def _close(self, event: ChatEvent, user: User) -> None:
        self.closed = True
        self.owner = None
        self.members.clear()
        self.operator_ids.clear()
        self.invitations.clear()


_CHANGES: dict[str, Callable[[Group, ChatEvent, User], None]] = {
    "created": Group._create,
    "joined": Group._add,
    "left": Group._remove,
    "uninvited": Group._end_invitation,
    "declined": Group._end_invitation,
    "kicked": Group._remove,
    "banned": Group._ban,
    "unbanned": Group._unban,
    "promoted": Group._promote,
    "demoted": Group._demote,
    "visibility": Group._set_visibility,
    "topic": Group._set_topic,
    "history": Group._set_history,
    "keep": Group._set_keep,
    "closed": Group._close,
}


RecordedChange = (
    User
    | Conversation
    | Credential
    | UserRenamed
    | ModerationEntry
    | MessageTextDeleted
    | ConversationTrimmed
    | BannedNetworks
    | IgnoreChanged
    | Token
    | TokenDeleted
    | InvitationLink
    | InvitationLinkDeleted
    | UserErased
    | TextsErased
    | ErasureCompleted
    | ReadMarksDeleted
)
"""A change of the state that is stored as it is and never enters the log."""

StateChange = RecordedChange | ChatEvent
"""A change of the state."""


class State:
    """The state of the whole chat: all users, groups and conversations, which can be found by name or id.

    - ``users`` and ``conversations`` map ids, in ascending order, to users and conversations. `CONSOLE` is
      not among the users, but `user_by_id` returns it.
    - ``credentials`` maps the ids of the registered users to their credentials.
    - ``tokens`` maps the digest of each token to the token, ``invitation_links`` the digest of each
      invitation link to the link.
    - ``trimmed_up_to_ids`` maps the ids of conversations to the id up to which old messages were deleted.
    - ``moderations`` is the moderation log, oldest entry first.
    - ``mutes_and_blocks`` maps pairs of a kind (``mute`` or ``block``) and the key of a target (see
      `mute_or_block_target_key`) to the moderation log's last entry of that kind for the target. Lifted mutes
      and blocks are left out; expired ones are not.
    - ``blocked_networks`` maps networks in CIDR notation to the moderation log's entries of their blocks.
    - ``appointed_operator_nicks`` maps the keys of the nicks that are appointed as server operators to the
      nicks.
    - ``erased_up_to_ids`` maps the id of each user whose erasure is under way to the id of the last log entry
      whose text was erased, or 0 before the first one.
    - ``invitation_times`` is a heap of the invitations that have not expired, even if they were used. An item
      is the time, the id of the group's conversation, and the id of the invited user.
    - ``ignored_by`` maps the id of each ignored user to the ids of the users who ignore that user. Such a set
      is the identical object until it changes.
    """

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.conversations: dict[int, Conversation] = {LOBBY.id: LOBBY}
        self.credentials: dict[int, Credential] = {}
        self.tokens: dict[str, Token] = {}
        self.invitation_links: dict[str, InvitationLink] = {}
        self.trimmed_up_to_ids: dict[int, int] = {}
        self.moderations: list[ModerationEntry] = []
        self.blocked_networks: dict[str, ModerationEntry] = {}
        self.mutes_and_blocks: dict[tuple[str, str], ModerationEntry] = {}
        self.appointed_operator_nicks: dict[str, str] = {}
        self.erased_up_to_ids: dict[int, int] = {}
        # The tokens of each user by their digests, in the order in which they were made.
        self._tokens_of: dict[int, dict[str, Token]] = {}
        # The links to each conversation by their numbers.
        self._links_of: dict[int, dict[int, InvitationLink]] = {}
        self._user_keys: dict[str, User] = {}
        self._users_by_skeleton: dict[str, User] = {}
        self._groups: dict[str, Group] = {}
        self._groups_by_skeleton: dict[str, Group] = {}
        self._group_ids: dict[int, Group] = {}
        self._directs: dict[tuple[int, int], Conversation] = {}
        self._directs_of: dict[int, list[Conversation]] = {}
        self._groups_of: dict[int, dict[int, Conversation]] = {}
        self._owned: dict[int, dict[int, Group]] = {}
        self._invitations: Counter[int] = Counter()
        self.invitation_times: list[tuple[int, int, int]] = []
        self.ignored_by: dict[int, frozenset[int]] = {}
        # The conversations of groups whose members see only what came since they joined.
        self._since_joining: set[int] = set()
        # Groups without an owner, by the id of the user who lost the group by logging in again.
        self._lost: dict[int, set[int]] = {}
        self._ignored: dict[int, set[int]] = {}

    def apply(self, change: StateChange, at: int = 0) -> None:
        """Change the state as ``change``, a record or an event, says.

        Messages and read marks are not part of the state: a message, a change of a message, and the deletion
        of read marks change nothing. A new credential deletes the user's tokens. A group exists from its
        ``created`` event on.

        The method checks no permissions and never refuses a change, because the command was decided before.
        ``at`` is the time of an event, in milliseconds since 1970; other changes need none.
        """
        if isinstance(change, ChatEvent):
            if not change.is_message and change.kind not in MESSAGE_CHANGE_KINDS:
                self._apply_event(change, at)
        elif isinstance(change, User):
            self._add_user(change)
        elif isinstance(change, Conversation):
            self._add_conversation(change)
        elif isinstance(change, Credential):
            self._apply_credential(change)
        elif isinstance(change, ModerationEntry):
            self._apply_moderation(change)
        elif isinstance(change, ConversationTrimmed):
            self.trimmed_up_to_ids[change.conversation.id] = change.last_id
        elif isinstance(change, BannedNetworks):
            self._group_ids[change.conversation.id].banned_networks[change.user.id] = change.networks
        elif isinstance(change, IgnoreChanged):
            self._apply_ignore(change)
        elif isinstance(change, Token):
            self.tokens[change.digest] = change
            self._tokens_of.setdefault(change.user.id, {})[change.digest] = change
        elif isinstance(change, TokenDeleted):
            self._delete_token(change.token)
        elif isinstance(change, InvitationLink):
            self.invitation_links[change.digest] = change
            self._links_of.setdefault(change.conversation.id, {})[change.number] = change
        elif isinstance(change, InvitationLinkDeleted):
            self.invitation_links.pop(change.link.digest, None)
            self._links_of.get(change.link.conversation.id, {}).pop(change.link.number, None)
        elif isinstance(change, UserRenamed):
            self._rename(self.users[change.user.id], change.user)
        elif isinstance(change, UserErased):
            self._erase(change)
        elif isinstance(change, TextsErased):
            self.erased_up_to_ids[change.user.id] = change.entry_ids[-1]
        elif isinstance(change, ErasureCompleted):
            self.erased_up_to_ids.pop(change.user.id, None)

    def is_registered(self, user: User) -> bool:
        """Return whether the nick of ``user`` has a password, and the account is not closed."""
        credential = self.credentials.get(user.id)
        return credential is not None and credential.hash != CLOSED_ACCOUNT_HASH

    def _add_user(self, user: User) -> None:
        self.users[user.id] = self._user_keys[user.normalized_nick] = user
        for look in confusable_skeletons(Name(user.nick, user.normalized_nick)):
            self._users_by_skeleton.setdefault(look, user)

    def _apply_credential(self, credential: Credential) -> None:
        self.credentials[credential.user.id] = credential
        for token in self.tokens_of(credential.user):
            self._delete_token(token)

    def _delete_token(self, token: Token) -> None:
        self.tokens.pop(token.digest, None)
        self._tokens_of.get(token.user.id, {}).pop(token.digest, None)

    def tokens_of(self, user: User) -> list[Token]:
        """Return the tokens of ``user``, the oldest first. Some may have expired."""
        return list(self._tokens_of.get(user.id, {}).values())

    def invitation_links_of(self, conversation: Conversation) -> list[InvitationLink]:
        """Return the invitation links to ``conversation`` in the order of their numbers.

        Some may have expired.
        """
        links = self._links_of.get(conversation.id, {})
        return [links[number] for number in sorted(links)]

    def _add_conversation(self, conversation: Conversation) -> None:
        self.conversations[conversation.id] = conversation
        if conversation.pair:
            low, high = conversation.pair
            self._directs[low.id, high.id] = conversation
            for id in conversation.pair_ids:
                self._directs_of.setdefault(id, []).append(conversation)

    def _apply_moderation(self, act: ModerationEntry) -> None:
        self.moderations.append(act)
        if act.kind in ("mute", "unmute"):
            self._apply_mute_or_block("mute", act)
        elif act.kind in ("block", "unblock"):
            self._apply_mute_or_block("block", act)
        elif act.kind == "appoint":
            self.appointed_operator_nicks[parse_nick(act.target).normalized] = act.target
        elif act.kind == "dismiss":
            self.appointed_operator_nicks.pop(parse_nick(act.target).normalized, None)

    def _apply_mute_or_block(self, kind: Literal["mute", "block"], act: ModerationEntry) -> None:
        key = mute_or_block_target_key(kind, act.target)
        self.mutes_and_blocks.pop((kind, key), None)
        if kind == "block":
            self.blocked_networks.pop(key, None)
        if act.kind == kind:
            self.mutes_and_blocks[kind, key] = act
            if kind == "block" and parse_network(act.target) is not None:
                self.blocked_networks[key] = act

    def _apply_ignore(self, change: IgnoreChanged) -> None:
        user, other = change.user.id, change.other_user.id
        ignored, ignored_by = self._ignored.setdefault(user, set()), self.ignored_by.get(other, NO_USER_IDS)
        if change.is_ignored:
            ignored.add(other)
            self.ignored_by[other] = ignored_by | {user}
        else:
            ignored.discard(other)
            self.ignored_by[other] = ignored_by - {user}

    def ignored_user_ids(self, user: User) -> frozenset[int]:
        """Return the ids of the users whom ``user`` ignores."""
        return frozenset(self._ignored.get(user.id, ()))

    def log_filter(self, user: User) -> LogFilter:
        """Return the filter that hides log entries from ``user``."""
        return LogFilter(user.id, tuple(self._ignored.get(user.id, ())), frozenset(self._since_joining))

    def latest_mute_or_block(self, kind: Literal["mute", "block"], key: str) -> ModerationEntry | None:
        """Return the last mute or block of the target with the key ``key`` (see `mute_or_block_target_key`),
        or None.

        A mute or block that was lifted by ``unmute`` or ``unblock`` is not returned. An expired one is
        returned: see `ModerationEntry.is_active`.
        """
        return self.mutes_and_blocks.get((kind, key))

    def _rename(self, old: User, new: User) -> None:
        del self._user_keys[old.normalized_nick]
        for look in confusable_skeletons(Name(old.nick, old.normalized_nick)):
            if self._users_by_skeleton.get(look) is old:
                del self._users_by_skeleton[look]
        self._add_user(new)
        for conversation in self._directs_of.pop(old.id, []):
            for id in conversation.pair_ids:
                if id != old.id:
                    self._directs_of[id].remove(conversation)
            self._add_conversation(
                Conversation(
                    conversation.id,
                    conversation.kind,
                    pair=tuple(new if user.id == new.id else user for user in conversation.pair),
                )
            )
        for group in self._group_ids.values():
            group.replace_renamed_user(new)
        self._replace_moderations([act for act in self.moderations if act.operator.id == new.id])

    def _erase(self, change: UserErased) -> None:
        user = change.user
        self._rename(self.users[user.id], user)
        self._apply_credential(Credential(user, CLOSED_ACCOUNT_HASH))
        for id in self._ignored.pop(user.id, ()):
            self.ignored_by[id] -= {user.id}
        for id in self.ignored_by.pop(user.id, ()):
            self._ignored[id].discard(user.id)
        self._replace_moderations(change.redacted_entries)
        self.erased_up_to_ids[user.id] = 0

    def _replace_moderations(self, acts: Sequence[ModerationEntry]) -> None:
        """Replace the entries of the moderation log that have the ids of ``acts`` by ``acts``.

        Compute the mutes and blocks, blocked networks and appointments anew. The operators of the entries are
        taken from the present users.
        """
        if not acts:
            return
        replaced = {act.id: replace(act, operator=self.user_by_id(act.operator.id)) for act in acts}
        log, self.moderations = self.moderations, []
        for derived in (self.mutes_and_blocks, self.blocked_networks, self.appointed_operator_nicks):
            derived.clear()
        for act in log:
            self._apply_moderation(replaced.get(act.id, act))

    def _apply_event(self, event: ChatEvent, at: int) -> None:
        if event.kind == "created":
            group = Group(event.conversation, event.actor)
            name = parse_group(group.name)
            self._group_ids[event.conversation.id] = self._groups[name.normalized] = group
            for look in confusable_skeletons(name):
                self._groups_by_skeleton.setdefault(look, group)
        group = self._group_ids[event.conversation.id]
        if event.kind == "closed":
            self._close_group(group, event, at)
            return
        who = event.subject or event.actor
        owner, was_invited = group.owner, who.id in group.invitations
        group.apply(event, at)
        if event.kind == "history":
            (self._since_joining.add if event.body == "since_joining" else self._since_joining.discard)(
                event.conversation.id
            )
        if owner is not None:
            self._owned.get(owner.id, {}).pop(event.conversation.id, None)
            if group.owner is None:
                self._lost.setdefault(owner.id, set()).add(event.conversation.id)
        elif group.owner is not None:
            for lost in self._lost.values():
                lost.discard(event.conversation.id)
        if group.owner is not None:
            self._owned.setdefault(group.owner.id, {})[event.conversation.id] = group
        self._invitations[who.id] += (who.id in group.invitations) - was_invited
        if event.kind == "invited":
            heappush(self.invitation_times, (at, event.conversation.id, who.id))
        groups = self._groups_of.setdefault(who.id, {})
        if who.id in group.members:
            groups[event.conversation.id] = event.conversation
        else:
            groups.pop(event.conversation.id, None)

    def _close_group(self, group: Group, event: ChatEvent, at: int) -> None:
        for id in group.members:
            del self._groups_of[id][group.conversation.id]
        for id in group.invitations:
            self._invitations[id] -= 1
        if group.owner is not None:
            del self._owned[group.owner.id][group.conversation.id]
        group.apply(event, at)

    def find_user(self, name: Name) -> User | None:
        """Return the user with the name ``name``, in any spelling, or None if there is no such user."""
        return self._user_keys.get(name.normalized)

    def find_similar_user(self, name: Name) -> User | None:
        """Return the user whose name is, or looks like, ``name``, or None.

        Of several, return the one with the lowest id.
        """
        alike = filter(None, map(self._users_by_skeleton.get, confusable_skeletons(name)))
        return min(alike, key=lambda user: user.id, default=None)

    def require_user(self, nick: str) -> User:
        """Return the user called ``nick``. Raises `Refusal` ``no_such_user`` if there is none."""
        try:
            return self._user_keys[parse_nick(nick).normalized]
        except (BadName, KeyError):
            raise Refusal("no_such_user", nick=nick) from None

    def user_by_id(self, id: int) -> User:
        """Return the user with the id ``id``, or `CONSOLE` for its id.

        Raises `KeyError` for an unknown id.
        """
        return CONSOLE if id == CONSOLE.id else self.users[id]

    def build_user(self, name: Name) -> User:
        """Return a new user called ``name``, with the next free id.

        The user is added to the state by `apply`.
        """
        number = next(reversed(self.users), 0) + 1
        return User(number, name.original, name.normalized, nick_colour_of(number))

    def require_visible_group(self, name: str, viewer: User) -> Group:
        """Return the group called ``name``, if ``viewer`` may see it. Raises `Refusal` ``no_such_group``."""
        group = self.find_group(name)
        if group is None or not group.is_visible_to(viewer):
            raise Refusal("no_such_group", group=name)
        return group

    def find_group(self, name: str) -> Group | None:
        """Return the group called ``name``, visible or not, or None if there is no such group."""
        try:
            return self._groups.get(parse_group(name).normalized)
        except BadName:
            return None

    def all_groups(self) -> list[Group]:
        """Return all groups, private and empty ones included, sorted by name."""
        return [self._groups[key] for key in sorted(self._groups)]

    def group_of(self, conversation: Conversation) -> Group | None:
        """Return the group of ``conversation``.

        Return None for the lobby and direct conversations, and before the group's ``created`` event.
        """
        return self._group_ids.get(conversation.id)

    def find_similar_group(self, name: Name) -> Group | None:
        """Return the oldest group, visible or not, whose name is, or looks like, ``name``, or None."""
        alike = filter(None, map(self._groups_by_skeleton.get, confusable_skeletons(name)))
        return min(alike, key=lambda group: group.conversation.id, default=None)

    def groups_owned_by(self, user: User) -> list[Group]:
        """Return the groups that ``user`` owns, including groups without members."""
        return list(self._owned.get(user.id, {}).values())

    def count_groups_charged_to(self, user: User) -> int:
        """Return the number of groups that count towards the quota of ``user``.

        These are the groups that the user owns, and those that the user has lost by logging in again, as long
        as they have no other owner.
        """
        return len(self._owned.get(user.id, ())) + len(self._lost.get(user.id, ()))

    def groups_operated_by(self, user: User) -> list[Group]:
        """Return the groups of which ``user`` is an operator, but not the owner."""
        groups = map(self._group_ids.__getitem__, self._groups_of.get(user.id, ()))
        return [group for group in groups if user.id in group.operator_ids]

    def count_invitations_to(self, user: User) -> int:
        """Return the number of groups that ``user`` is invited to and has not joined."""
        return self._invitations[user.id]

    def expire_invitations(self, before: int) -> None:
        """Remove all invitations made before the time ``before``, in milliseconds since 1970."""
        while self.invitation_times and self.invitation_times[0][0] < before:
            at, conversation, user = heappop(self.invitation_times)
            group = self._group_ids[conversation]
            invitation = group.invitations.get(user)
            if invitation is not None and invitation.made_at == at:
                del group.invitations[user]
                self._invitations[user] -= 1

    def may_read(self, user: User, conversation: Conversation) -> bool:
        """Return whether ``user`` may read ``conversation``: the lobby, a direct one, or that of the user's
        group.

        For a direct conversation the result is always true, so ``user`` must take part in it. Raises
        `KeyError` for the conversation of a group that has no ``created`` event yet.
        """
        if conversation.kind != "group":
            return True
        return user.id in self._group_ids[conversation.id].members

    def retention_seconds(self, conversation: Conversation, limit: int | None) -> int | None:
        """Return the age in seconds up to which the messages of ``conversation`` are kept, or None for no
        limit.

        ``limit`` is the age in seconds that the configuration sets, or None for no limit. A group may have a
        limit of its own; the lower of the two applies.
        """
        group = self._group_ids.get(conversation.id)
        own = None if group is None else group.retention_seconds
        return min((age for age in (limit, own) if age is not None), default=None)

    def is_private(self, conversation: Conversation) -> bool:
        """Return whether ``conversation`` is a direct one or belongs to a group that is private now."""
        if conversation.kind == "group":
            return self._group_ids[conversation.id].visibility == "private"
        return conversation.kind == "direct"

    def groups_visible_to(self, user: User) -> list[Group]:
        """Return the groups that are visible to ``user``, sorted by name."""
        return [group for group in self.all_groups() if group.is_visible_to(user)]

    def direct_conversation(self, one: User, other: User) -> Conversation | None:
        """Return the direct conversation of two users, or None if they never sent each other a message."""
        return self._directs.get((min(one.id, other.id), max(one.id, other.id)))

    def build_conversation(
        self, kind: Literal["group", "direct"], name: str = "", pair: tuple[User, ...] = ()
    ) -> Conversation:
        """Return a new conversation with the next free id.

        The conversation is added to the state by `apply`.
        """
        return Conversation(next(reversed(self.conversations)) + 1, kind, name, pair)

    def build_moderation_entry(
        self,
        operator: User,
        kind: ModerationKind,
        target: str,
        at: int,
        until: int | None = None,
        reason: str = "",
    ) -> ModerationEntry:
        """Return a new entry of the moderation log with the next free id.

        The entry is added to the state by `apply`.

        ``at`` and ``until`` are in milliseconds since 1970.
        """
        id = self.moderations[-1].id + 1 if self.moderations else 1
        return ModerationEntry(id, at, operator, kind, target, until, reason)

    def groups_of(self, user: User) -> list[Group]:
        """Return the groups that ``user`` is a member of, in the order of joining."""
        return [self._group_ids[id] for id in self._groups_of.get(user.id, {})]

    def direct_and_group_conversations_of(self, user: User) -> list[Conversation]:
        """Return the conversations of ``user`` other than the lobby: direct ones, then those of groups."""
        return [*self._directs_of.get(user.id, ()), *self._groups_of.get(user.id, {}).values()]
