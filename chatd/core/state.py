"""The state of the chat in memory: users, credentials, groups and conversations.

Only `State.apply` changes the state. The state does not contain which users are connected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

from chatd.core.accounts import Credential, Renamed
from chatd.core.colours import colour_of
from chatd.core.events import CONSOLE, LOBBY, Conversation, Event, User
from chatd.core.moderation import Moderation, parse_network, target_key
from chatd.core.names import BadName, Name, parse_group, parse_nick, skeletons
from chatd.core.refusals import Refusal


class Group:
    """The state of one group.

    ``members`` maps user ids to users, in the order of joining. ``operators`` and ``invited`` hold user ids;
    ``banned`` maps user ids to the reasons for the bans. ``visibility`` is public or private.
    """

    __slots__ = (
        "_audience",
        "banned",
        "conversation",
        "invited",
        "members",
        "operators",
        "owner",
        "topic",
        "visibility",
    )

    def __init__(self, conversation: Conversation, owner: User) -> None:
        self.conversation = conversation
        self.owner = owner
        self.visibility = "public"
        self.topic = ""
        self.members: dict[int, User] = {}
        self.operators: set[int] = set()
        self.invited: set[int] = set()
        self.banned: dict[int, str] = {}
        self._audience: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """The name of the group, as its creator wrote it."""
        return self.conversation.name

    @property
    def audience(self) -> tuple[int, ...]:
        """The user ids of the members, ascending. The tuple object is identical until the group changes."""
        if self._audience is None:
            self._audience = tuple(sorted(self.members))
        return self._audience

    def role(self, user: User) -> Literal["owner", "operator", "member", "invited", ""]:
        """Return the role of ``user`` in the group, or ``""`` for no role.

        Once all members have left, even the owner has no role.
        """
        if user.id in self.members:
            if user.id == self.owner.id:
                return "owner"
            return "operator" if user.id in self.operators else "member"
        return "invited" if user.id in self.invited else ""

    def visible_to(self, user: User) -> bool:
        """Return whether ``user`` may know that the group exists."""
        return self.visibility == "public" or user.id in self.members or user.id in self.invited

    def next_owner(self) -> User | None:
        """Return the member who becomes the owner if the owner leaves, or None if there is no other member.

        That is the longest-standing operator, else the longest-standing member.
        """
        others = [user for user in self.members.values() if user.id != self.owner.id]
        operators = [user for user in others if user.id in self.operators]
        return next(iter(operators or others), None)

    def apply(self, event: Event) -> None:
        """Change this group as ``event`` describes. The event must not be a message."""
        _CHANGES[event.kind](self, event, event.subject or event.actor)
        self._audience = None

    def rename(self, user: User) -> None:
        """Replace the member or owner with the id of ``user`` by ``user``, which has a new nick."""
        if user.id in self.members:
            self.members[user.id] = user
        if user.id == self.owner.id:
            self.owner = user

    def _add(self, event: Event, user: User) -> None:
        self.members[user.id] = user
        self.invited.discard(user.id)

    def _create(self, event: Event, user: User) -> None:
        self.visibility = event.body
        self._add(event, user)

    def _remove(self, event: Event, user: User) -> None:
        self.members.pop(user.id, None)
        self.operators.discard(user.id)
        self.invited.discard(user.id)

    def _invite(self, event: Event, user: User) -> None:
        self.invited.add(user.id)

    def _ban(self, event: Event, user: User) -> None:
        self._remove(event, user)
        self.banned[user.id] = event.body

    def _unban(self, event: Event, user: User) -> None:
        self.banned.pop(user.id, None)

    def _promote(self, event: Event, user: User) -> None:
        if event.body == "owner":
            self.owner = user
            self.operators.discard(user.id)
        else:
            self.operators.add(user.id)

    def _demote(self, event: Event, user: User) -> None:
        self.operators.discard(user.id)

    def _set_visibility(self, event: Event, user: User) -> None:
        self.visibility = event.body

    def _set_topic(self, event: Event, user: User) -> None:
        self.topic = event.body


_CHANGES: dict[str, Callable[[Group, Event, User], None]] = {
    "created": Group._create,
    "joined": Group._add,
    "left": Group._remove,
    "invited": Group._invite,
    "kicked": Group._remove,
    "banned": Group._ban,
    "unbanned": Group._unban,
    "promoted": Group._promote,
    "demoted": Group._demote,
    "visibility": Group._set_visibility,
    "topic": Group._set_topic,
}


StateChange = User | Conversation | Credential | Renamed | Moderation | Event
"""A change of the state: a new user, conversation, credential or user name, an act of a server operator, or
an event of the log.
"""


class State:
    """The state of the whole chat: all users, groups and conversations, which can be found by name or id.

    ``users`` and ``conversations`` map ids, in ascending order, to users and conversations. `CONSOLE`
    is not among the users; `author` returns it. ``credentials``
    maps the ids of the registered users to their credentials. ``moderations`` is the moderation log, oldest
    entry first. ``sanctions`` maps ``mute`` or ``block`` and the identity of a
    target (`target_key`) to the act that is in force or has ended; ``blocked_networks`` maps networks in CIDR
    notation to the acts that blocked them.
    """

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.conversations: dict[int, Conversation] = {LOBBY.id: LOBBY}
        self.credentials: dict[int, Credential] = {}
        self.moderations: list[Moderation] = []
        self.blocked_networks: dict[str, Moderation] = {}
        self.sanctions: dict[tuple[str, str], Moderation] = {}
        self._user_keys: dict[str, User] = {}
        self._users_by_skeleton: dict[str, User] = {}
        self._groups: dict[str, Group] = {}
        self._groups_by_skeleton: dict[str, Group] = {}
        self._group_ids: dict[int, Group] = {}
        self._directs: dict[tuple[int, int], Conversation] = {}
        self._directs_of: dict[int, list[Conversation]] = {}
        self._groups_of: dict[int, dict[int, Conversation]] = {}
        self._owned: Counter[int] = Counter()
        self._invitations: Counter[int] = Counter()

    def apply(self, change: StateChange) -> None:
        """Add a new user, conversation or credential, rename a user, or change a group as an event describes.

        Messages change nothing. A group exists from its ``created`` event on. The method checks no
        permissions and never refuses a change: the command was decided before.
        """
        if isinstance(change, Event):
            if not change.is_message:
                self._apply_event(change)
        elif isinstance(change, User):
            self._add_user(change)
        elif isinstance(change, Conversation):
            self._add_conversation(change)
        elif isinstance(change, Credential):
            self.credentials[change.user.id] = change
        elif isinstance(change, Moderation):
            self._apply_moderation(change)
        else:
            self._rename(self.users[change.user.id], change.user)

    def _add_user(self, user: User) -> None:
        self.users[user.id] = self._user_keys[user.key] = user
        for look in skeletons(Name(user.nick, user.key)):
            self._users_by_skeleton.setdefault(look, user)

    def _add_conversation(self, conversation: Conversation) -> None:
        self.conversations[conversation.id] = conversation
        if conversation.pair:
            low, high = conversation.pair
            self._directs[low.id, high.id] = conversation
            for id in conversation.participants:
                self._directs_of.setdefault(id, []).append(conversation)

    def _apply_moderation(self, act: Moderation) -> None:
        self.moderations.append(act)
        if act.kind in ("mute", "unmute"):
            self._apply_sanction("mute", act)
        elif act.kind in ("block", "unblock"):
            self._apply_sanction("block", act)

    def _apply_sanction(self, kind: Literal["mute", "block"], act: Moderation) -> None:
        key = target_key(kind, act.target)
        self.sanctions.pop((kind, key), None)
        if kind == "block":
            self.blocked_networks.pop(key, None)
        if act.kind == kind:
            self.sanctions[kind, key] = act
            if kind == "block" and parse_network(act.target) is not None:
                self.blocked_networks[key] = act

    def find_sanction(self, kind: Literal["mute", "block"], key: str) -> Moderation | None:
        """Return the last act that muted or blocked ``key`` (see `target_key`), or None if it was lifted.

        The mute or block may have ended since.
        """
        return self.sanctions.get((kind, key))

    def _rename(self, old: User, new: User) -> None:
        del self._user_keys[old.key]
        for look in skeletons(Name(old.nick, old.key)):
            if self._users_by_skeleton.get(look) is old:
                del self._users_by_skeleton[look]
        self._add_user(new)
        for conversation in self._directs_of.pop(old.id, []):
            for id in conversation.participants:
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
            group.rename(new)

    def _apply_event(self, event: Event) -> None:
        if event.kind == "created":
            group = Group(event.conversation, event.actor)
            name = parse_group(group.name)
            self._group_ids[event.conversation.id] = self._groups[name.key] = group
            for look in skeletons(name):
                self._groups_by_skeleton.setdefault(look, group)
            self._owned[event.actor.id] += 1
        group = self._group_ids[event.conversation.id]
        who = event.subject or event.actor
        owner, was_invited = group.owner, who.id in group.invited
        group.apply(event)
        self._owned[owner.id] -= 1
        self._owned[group.owner.id] += 1
        self._invitations[who.id] += (who.id in group.invited) - was_invited
        groups = self._groups_of.setdefault(who.id, {})
        if who.id in group.members:
            groups[event.conversation.id] = event.conversation
        else:
            groups.pop(event.conversation.id, None)

    def find_user(self, name: Name) -> User | None:
        """Return the user who has ``name``, in any spelling, or None if no user has it."""
        return self._user_keys.get(name.key)

    def find_similar_user(self, name: Name) -> User | None:
        """Return the user with the lowest id whose name is or looks like ``name``, or None."""
        alike = filter(None, map(self._users_by_skeleton.get, skeletons(name)))
        return min(alike, key=lambda user: user.id, default=None)

    def user(self, nick: str) -> User:
        """Return the user called ``nick``. Raises `Refusal` ``no_such_user``."""
        try:
            return self._user_keys[parse_nick(nick).key]
        except (BadName, KeyError):
            raise Refusal("no_such_user", nick=nick) from None

    def author(self, id: int) -> User:
        """Return the user with the id ``id``, or `CONSOLE` if that is its id. Raises `KeyError`."""
        return CONSOLE if id == CONSOLE.id else self.users[id]

    def new_user(self, name: Name) -> User:
        """Return a new user called ``name``, with the next id. Only `apply` adds the user to the state."""
        number = next(reversed(self.users), 0) + 1
        return User(number, name.shown, name.key, colour_of(number))

    def group(self, name: str, viewer: User) -> Group:
        """Return the group called ``name``, if ``viewer`` may see it. Raises `Refusal` ``no_such_group``."""
        group = self.find_group(name)
        if group is None or not group.visible_to(viewer):
            raise Refusal("no_such_group", group=name)
        return group

    def find_group(self, name: str) -> Group | None:
        """Return the group called ``name``, visible or not, or None if there is no such group."""
        try:
            return self._groups.get(parse_group(name).key)
        except BadName:
            return None

    def all_groups(self) -> list[Group]:
        """Return all groups, private and empty ones too, sorted by name."""
        return [self._groups[key] for key in sorted(self._groups)]

    def group_of(self, conversation: Conversation) -> Group | None:
        """Return the group of ``conversation``.

        Return None for the lobby and direct conversations, and before the group's ``created`` event.
        """
        return self._group_ids.get(conversation.id)

    def find_similar_group(self, name: Name) -> Group | None:
        """Return the oldest group, visible or not, whose name is or looks like ``name``, or None."""
        alike = filter(None, map(self._groups_by_skeleton.get, skeletons(name)))
        return min(alike, key=lambda group: group.conversation.id, default=None)

    def groups_owned_by(self, user: User) -> int:
        """Return the number of groups that ``user`` owns, including groups without members."""
        return self._owned[user.id]

    def invitations_of(self, user: User) -> int:
        """Return the number of groups that ``user`` is invited to and has not joined."""
        return self._invitations[user.id]

    def may_read(self, user: User, conversation: Conversation) -> bool:
        """Return whether ``user`` may read ``conversation``.

        A group's conversation may be read by its members. The method assumes that a direct conversation is
        the user's own.
        """
        if conversation.kind != "group":
            return True
        return user.id in self._group_ids[conversation.id].members

    def is_private(self, conversation: Conversation) -> bool:
        """Return whether ``conversation`` is a direct one or belongs to a group that is private now."""
        if conversation.kind == "group":
            return self._group_ids[conversation.id].visibility == "private"
        return conversation.kind == "direct"

    def groups_visible_to(self, user: User) -> list[Group]:
        """Return the groups that are visible to ``user``, sorted by name."""
        return [group for group in self.all_groups() if group.visible_to(user)]

    def direct_conversation(self, one: User, other: User) -> Conversation | None:
        """Return the direct conversation of two users, or None if they never sent each other a message."""
        return self._directs.get((min(one.id, other.id), max(one.id, other.id)))

    def new_conversation(
        self, kind: Literal["group", "direct"], name: str = "", pair: tuple[User, ...] = ()
    ) -> Conversation:
        """Return a new conversation with the next id. Only `apply` adds the conversation to the state."""
        return Conversation(next(reversed(self.conversations)) + 1, kind, name, pair)

    def conversations_of(self, user: User) -> list[Conversation]:
        """Return the conversations of ``user`` other than the lobby: direct ones, then those of groups."""
        return [*self._directs_of.get(user.id, ()), *self._groups_of.get(user.id, {}).values()]
