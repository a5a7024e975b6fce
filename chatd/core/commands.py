"""The declarations of all commands.

Each command is declared once, with its fields and limits, who may use it, its answer, its refusals, its help
line and an example. JSON validation, the parsers of typed lines, ``HELP``, the client's completion and the
tables in SPEC.md use these declarations. `chatd.core.declarations` defines what a declaration contains.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from chatd.core.accounts import Secret
from chatd.core.declarations import COMMANDS as COMMANDS
from chatd.core.declarations import COMMANDS_BY_ACTION as COMMANDS_BY_ACTION
from chatd.core.declarations import COMMANDS_BY_CLASS as COMMANDS_BY_CLASS
from chatd.core.declarations import Command as Command
from chatd.core.declarations import Field, declare
from chatd.core.language import N_

SENDER_NAMES: Final = ("from", "sender", "name")
"""The JSON keys under which a client may send its own nick. The first key that is present counts."""


def _visibility(name: str, value: object) -> object:
    """Return ``public`` or ``private`` for a value that a JSON client has sent under the key ``name``.

    Return other values unchanged.
    """
    if name in ("public", "isPublic", "private") and value in (True, False, 0, 1):
        return "private" if bool(value) == (name == "private") else "public"
    if isinstance(value, str):
        if "priv" in value.lower():
            return "private"
        if "pub" in value.lower():
            return "public"
    return value


def _unless_empty(name: str, value: object) -> object:
    """Return ``value``, or None if it is an empty text: some clients always send a password field."""
    return value if value != "" else None


def _names(name: str, value: object) -> object:
    """Return the names that a JSON client has sent as a list as one text, separated by commas.

    Return other values, and an empty list, unchanged.
    """
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value


# The types of the fields of commands, each with the `Field` that declares it.
NickField = Annotated[str, Field("name", "the user's nick", SENDER_NAMES, is_sender=True)]
UserField = Annotated[str, Field("name", "the nick of a known user", ("to", "with"))]
GroupField = Annotated[str, Field("name", "the name of a group", ("groupe",))]
TextField = Annotated[str, Field("text", "the text to send", ("message",))]
KindField = Annotated[
    Literal["message", "image"],
    Field(
        "choice",
        "whether the text is a message or an image made of characters",
        (),
        ("message", "image"),
        typed=False,
    ),
]
MissingField = Annotated[
    str, Field("choice", "what to do if the group does not exist", (), ("refuse", "create"), typed=False)
]
AnnouncementField = Annotated[str, Field("text", "the text to announce", ("message",))]
MessageIdField = Annotated[int, Field("id", "the id of a message, as history and messages show it")]
ReasonField = Annotated[str, Field("note", "the reason, delivered with the event")]
TargetField = Annotated[str, Field("name", "a nick, an IP address, or a network such as 192.0.2.0/24")]
DurationField = Annotated[
    int, Field("duration", "how long: 90 (seconds), 10m, 2h, 7d or 1w; without end if empty")
]
AgeField = Annotated[
    int, Field("duration", "the age of messages: 3600 (seconds), 12h, 90d or 4w; for ever if empty")
]
TokenNameField = Annotated[str, Field("name", "a name for the token, such as that of the program it is for")]
ScopeField = Annotated[
    Literal["read", "write"],
    Field(
        "choice", "whether the token is only to read, or to read and write messages", (), ("read", "write")
    ),
]
TokenGroupsField = Annotated[
    str,
    Field(
        "note",
        "the groups that the token is for, separated by commas, and `lobby` for the lobby; `*` or empty: all"
        " conversations",
        spelling=_names,
    ),
]
TopicField = Annotated[str, Field("note", "the topic of the group; empty for none")]
VisibilityField = Annotated[
    str,
    Field(
        "choice",
        "whether everyone sees the group and may join it, or only invited users",
        ("type", "groupType", "typeg", "public", "isPublic", "private"),
        ("public", "private"),
        spelling=_visibility,
    ),
]
PasswordField = Annotated[
    Secret, Field("secret", "the password of the nick", ("pwd",), spelling=_unless_empty)
]
NewPasswordField = Annotated[Secret, Field("secret", "the password that replaces it")]
SinceField = Annotated[
    int, Field("id", "the last id that the client has seen; it gets exactly the entries that follow")
]
MissedField = Annotated[
    Literal["send", "keep"],
    Field(
        "choice",
        "whether to send what the user missed, or to keep it and what this session gets for the next session",
        (),
        ("send", "keep"),
        typed=False,
    ),
]
HistoryField = Annotated[
    Literal["send", "none"],
    Field(
        "choice",
        "whether a returning client gets a page of each of its conversations",
        (),
        ("send", "none"),
        typed=False,
    ),
]
HistoryModeField = Annotated[
    Literal["all", "since_joining"],
    Field(
        "choice",
        "whether a member reads all of the log, or only what came since joining",
        (),
        ("all", "since_joining"),
    ),
]
BeforeField = Annotated[int, Field("id", "only entries with a smaller id")]
AfterField = Annotated[int, Field("id", "only entries with a larger id, oldest first")]
LimitField = Annotated[int, Field("count", "the maximum number of entries in the page")]
SkipField = Annotated[
    int, Field("id", "the number of entries to skip, to continue a list that came with more")
]

LifetimeField = Annotated[
    int,
    Field(
        "duration",
        "how long the link holds: 3600 (seconds), 12h, 7d or 4w, at most a year; as an invitation if empty",
    ),
]
LinkField = Annotated[Secret, Field("secret", "an invitation link, as invitelink has shown it")]
LinkNumberField = Annotated[int, Field("count", "the number of a link, as links shows it")]

TYPED_FIELDS: Final = (
    N_("nick"),
    N_("dest"),
    N_("msg"),
    N_("group"),
    N_("reason"),
    N_("topic"),
    N_("visibility"),
    N_("mode"),
    N_("age"),
    N_("limit"),
    N_("before"),
    N_("after"),
    N_("skip"),
    N_("password"),
    N_("new"),
    N_("target"),
    N_("duration"),
    N_("id"),
    N_("token"),
    N_("scope"),
    N_("groups"),
    N_("lifetime"),
    N_("link"),
    N_("number"),
)
"""The names of the fields that usage lines show, to be translated."""


# What every command on a group can be refused with.
_GROUP = "no_such_group not_member"
_ON_MEMBER = f"{_GROUP} not_operator no_such_user is_owner"


@declare(
    "hello",
    actions=("client-hello", "client-connection", "connection"),
    keyword="IAM nick",
    who="anyone",
    token="read",
    answer="hello",
    refused="bad_nick nick_taken password_required wrong_password token_expired blocked too_long"
    " rate_limited not_you bad_request storage_failed",
    help=N_("log in with a nick"),
    example="IAM alice",
)
class Hello(Command, frozen=True):
    """Log in. The answer is a welcome.

    Without ``nick`` the client logs in as a guest. A registered nick needs its ``password``, or a
    token in its place. ``since`` is the id of the last entry that the client has received: the client is sent
    all later entries. ``missed`` and ``history`` say which other entries a returning client is sent.
    """

    nick: NickField = ""
    since: SinceField | None = None
    missed: MissedField = "send"
    history: HistoryField = "send"
    password: PasswordField | None = None


@declare(
    "password",
    keyword="PWD password",
    who="anyone",
    token="read",
    answer="none",
    refused="already_identified too_long bad_request",
    help=N_("give the password for the login that follows"),
    example="PWD correct horse battery",
)
class GivePassword(Command, frozen=True):
    """Give the ``password`` for the next hello, on a wire whose hello has no password field."""

    password: PasswordField


@declare(
    "identify",
    actions=("identify",),
    word="identify",
    slash="login",
    who="anyone",
    token="read",
    answer="hello",
    refused="bad_nick nick_taken wrong_password token_expired blocked too_long rate_limited not_you"
    " bad_request storage_failed",
    help=N_("log in with a registered nick and its password"),
    example="identify;alice;correct horse battery",
)
class Identify(Command, frozen=True):
    """Log in with the ``nick`` and ``password`` of a registered user, or a token. The answer is a welcome."""

    nick: NickField
    password: PasswordField


@declare(
    "quit",
    actions=("client-quit", "quit", "client-error"),
    keyword="BYE",
    slash="quit",
    who="anyone",
    token="read",
    answer="quit",
    help=N_("leave the chat"),
    example="BYE",
)
class Quit(Command, frozen=True):
    """End the session. The answer is the last frame that the client is sent."""


@declare(
    "clients",
    actions=("client-list-clients", "list"),
    keyword="WHO",
    slash="who",
    who="identified",
    token="read",
    answer="clients",
    help=N_("list the connected users"),
    example="WHO",
)
class ListClients(Command, frozen=True):
    """List the connected users, in the order of arrival, without the first ``skip`` users."""

    skip: SkipField = 0


@declare(
    "broadcast",
    actions=("client-broadcast", "broadcast"),
    keyword="MSG msg",
    slash="all",
    who="identified",
    token="write",
    answer="ack",
    refused="empty too_long ref_reused storage_failed storage_full",
    help=N_("send a message to everyone"),
    example="MSG hello all",
)
class SendToLobby(Command, frozen=True):
    """Send ``msg``, a message or an image, to the lobby: everyone connected receives it."""

    msg: TextField
    kind: KindField = "message"


@declare(
    "send",
    actions=("client-send", "send", "sendTo"),
    keyword="PRV dest msg",
    word="s",
    slash="msg",
    who="identified",
    token="write",
    answer="ack",
    refused="no_such_user empty too_long ref_reused storage_failed storage_full",
    help=N_("send a message to one user, who gets it later if away"),
    example="s;bob;hello",
)
class SendToUser(Command, frozen=True):
    """Send ``msg``, a message or an image, to the user ``dest``, who gets it later if not connected."""

    dest: UserField
    msg: TextField
    kind: KindField = "message"


@declare(
    "cgroupe",
    actions=("cgroupe", "cgroup", "cgroupeprive", "cgroupeprivé"),
    word="cg",
    slash="create",
    presets={"cgroupeprive": {"visibility": "private"}, "cgroupeprivé": {"visibility": "private"}},
    who="identified",
    answer="ack",
    refused="bad_group group_exists too_many_groups storage_failed storage_full",
    help=N_("create a group that you own, public by default"),
    example="cg;wob;private",
)
class CreateGroup(Command, frozen=True):
    """Create the group ``group``. The author becomes its owner and first member."""

    group: GroupField
    visibility: VisibilityField = "public"


@declare(
    "join",
    actions=("join", "joinpr"),
    word="j",
    who="identified",
    token="write",
    answer="ack",
    refused="no_such_group already_member not_invited banned group_full storage_failed storage_full",
    help=N_("join a group; a private group requires an invitation"),
    example="j;wob",
)
class Join(Command, frozen=True):
    """Join ``group``. A private group needs an invitation, which is used up."""

    group: GroupField


@declare(
    "enter",
    slash="join",
    who="identified",
    token="read",
    answer="ack",
    refused="bad_group no_such_group not_invited banned too_many_groups group_full storage_failed"
    " storage_full",
    help=N_("enter a room (a group), joining it first if necessary"),
    example="/join wob",
)
class Enter(Command, frozen=True):
    """Enter ``group`` as a room, on wires where a client is in one room at a time.

    An author who is not a member joins the group; for a member nothing changes. An empty ``group`` is the
    lobby. ``missing`` says whether to refuse the command or create the group if there is no such group.
    """

    group: GroupField
    missing: MissingField = "refuse"


@declare(
    "gbroadcast",
    actions=("gbroadcast", "bgroup"),
    word="bg",
    slash="say",
    who="members",
    token="write",
    answer="ack",
    refused=f"{_GROUP} empty too_long ref_reused storage_failed storage_full",
    help=N_("send a message to a group"),
    example="bg;wob;hello",
)
class SendToGroup(Command, frozen=True):
    """Send ``msg``, a message or an image, to the members of ``group``."""

    group: GroupField
    msg: TextField
    kind: KindField = "message"


@declare(
    "members",
    actions=("members",),
    word="members",
    slash="members",
    who="members",
    token="read",
    answer="members",
    refused=_GROUP,
    help=N_("list the members of a group"),
    example="members;wob",
)
class ListMembers(Command, frozen=True):
    """List the members of ``group``, longest-standing first, with roles and presence.

    The first ``skip`` members are left out.
    """

    group: GroupField
    skip: SkipField = 0


@declare(
    "msgs",
    actions=("msgs", "messages"),
    word="messages",
    slash="messages",
    who="members",
    token="read",
    answer="messages",
    refused=f"{_GROUP} bad_request storage_failed",
    help=N_("read the messages of a group"),
    example="messages;wob",
)
class ListMessages(Command, frozen=True):
    """Read a page of the messages of ``group`` between the ids ``after`` and ``before``, both excluded."""

    group: GroupField
    limit: LimitField | None = None
    before: BeforeField | None = None
    after: AfterField | None = None


@declare(
    "groups",
    actions=("groups",),
    word="groups",
    slash="rooms",
    who="identified",
    token="read",
    answer="groups",
    help=N_("list the groups that you can see"),
    example="groups;",
)
class ListGroups(Command, frozen=True):
    """List the groups that are visible to the author, sorted by name, without the first ``skip`` groups."""

    skip: SkipField = 0


@declare(
    "leave",
    actions=("leave",),
    word="leave",
    slash="leave",
    group_defaults_to_room=True,
    who="members",
    answer="ack",
    refused=f"{_GROUP} storage_failed",
    help=N_("leave a group"),
    example="leave;wob",
)
class Leave(Command, frozen=True):
    """Leave ``group``.

    If the owner leaves, the longest-standing operator, else member, becomes the owner.
    """

    group: GroupField


@declare(
    "invite",
    actions=("invite",),
    word="invite",
    slash="invite",
    who="members",
    answer="ack",
    refused=f"{_GROUP} no_such_user already_member already_invited banned too_many_invitations"
    " storage_failed storage_full",
    help=N_("invite a user to a group"),
    example="invite;wob;bob",
)
class Invite(Command, frozen=True):
    """Invite the user ``dest`` to ``group``. The invited user may then join."""

    group: GroupField
    dest: UserField


@declare(
    "invitelink",
    actions=("invitelink",),
    word="invitelink",
    slash="invitelink",
    who="members",
    answer="invitelink",
    refused=f"{_GROUP} too_many_links bad_request storage_failed",
    help=N_("make a link by which whoever has it joins a group"),
    example="invitelink;wob;7d",
)
class MakeLink(Command, frozen=True):
    """Make an invitation link to ``group``, which expires after ``lifetime`` seconds.

    Only this answer shows the link. Users join by it as if the author had invited them.
    """

    group: GroupField
    lifetime: LifetimeField | None = None


@declare(
    "uselink",
    actions=("uselink",),
    word="uselink",
    slash="uselink",
    who="identified",
    answer="ack",
    refused="bad_link already_member banned group_full rate_limited too_long bad_request storage_failed"
    " storage_full",
    help=N_("join a group by an invitation link, a private one too"),
    example="uselink;invite_0123456789abcdef0123456789abcdef01234567",
)
class UseLink(Command, frozen=True):
    """Join the group that ``link`` leads to, invited by whoever has made it."""

    link: LinkField


@declare(
    "links",
    actions=("links",),
    word="links",
    slash="links",
    who="members",
    answer="links",
    refused=f"{_GROUP} storage_failed",
    help=N_("list the invitation links of a group that you have made; as an operator all"),
    example="links;wob",
)
class ListLinks(Command, frozen=True):
    """List the invitation links of ``group`` in force, the oldest first: one's own, or all as an operator."""

    group: GroupField


@declare(
    "revokelink",
    actions=("revokelink",),
    word="revokelink",
    slash="revokelink",
    who="members",
    answer="links",
    refused=f"{_GROUP} no_such_link bad_request storage_failed",
    help=N_("revoke an invitation link of a group: one of yours; as an operator any"),
    example="revokelink;wob;1",
)
class RevokeLink(Command, frozen=True):
    """Revoke the invitation link ``number`` of ``group``: nobody can join by it any more."""

    group: GroupField
    number: LinkNumberField


@declare(
    "uninvite",
    actions=("uninvite",),
    word="uninvite",
    slash="uninvite",
    who="members",
    answer="ack",
    refused=f"{_GROUP} not_operator no_such_user no_such_invitation storage_failed",
    help=N_("withdraw an invitation to a group"),
    example="uninvite;wob;bob",
)
class Uninvite(Command, frozen=True):
    """Withdraw the invitation of the user ``dest`` to ``group``: one's own, or any as an operator."""

    group: GroupField
    dest: UserField


@declare(
    "decline",
    actions=("decline",),
    word="decline",
    slash="decline",
    who="identified",
    answer="ack",
    refused="no_such_group no_such_invitation storage_failed",
    help=N_("decline an invitation to a group"),
    example="decline;wob",
)
class Decline(Command, frozen=True):
    """Decline the author's invitation to ``group``."""

    group: GroupField


@declare(
    "kick",
    actions=("kick",),
    word="kick",
    slash="kick",
    who="operators",
    answer="ack",
    refused=f"{_ON_MEMBER} no_such_member too_long storage_failed",
    help=N_("remove a user from a group; the user may come back"),
    example="kick;wob;bob;too loud",
)
class Kick(Command, frozen=True):
    """Remove the member ``dest`` from ``group``, with a ``reason``. A public group may be joined again."""

    group: GroupField
    dest: UserField
    reason: ReasonField = ""


@declare(
    "ban",
    actions=("ban",),
    word="ban",
    slash="ban",
    who="operators",
    answer="ack",
    refused=f"{_ON_MEMBER} already_banned too_long storage_failed",
    help=N_("remove a user from a group and keep the user out"),
    example="ban;wob;bob;spam",
)
class Ban(Command, frozen=True):
    """Ban the user ``dest``, member or not, from ``group``, with a ``reason``, until the ban is lifted."""

    group: GroupField
    dest: UserField
    reason: ReasonField = ""


@declare(
    "unban",
    actions=("unban",),
    word="unban",
    slash="unban",
    who="operators",
    answer="ack",
    refused=f"{_GROUP} not_operator no_such_user not_banned storage_failed",
    help=N_("lift a ban"),
    example="unban;wob;bob",
)
class Unban(Command, frozen=True):
    """Lift the ban of the user ``dest`` from ``group``. The user does not become a member by this."""

    group: GroupField
    dest: UserField


@declare(
    "states",
    actions=("states",),
    word="states",
    slash="states",
    who="members",
    token="read",
    answer="states",
    refused=f"{_GROUP} bad_request storage_failed",
    help=N_("read the events of a group"),
    example="states;wob",
)
class ListStates(Command, frozen=True):
    """Read a page of the events of ``group`` between the ids ``after`` and ``before``, both excluded."""

    group: GroupField
    limit: LimitField | None = None
    before: BeforeField | None = None
    after: AfterField | None = None


@declare(
    "promote",
    actions=("promote",),
    word="promote",
    slash="promote",
    who="owner",
    answer="ack",
    refused=f"{_GROUP} not_owner no_such_user no_such_member is_owner already_operator storage_failed",
    help=N_("make a member an operator of a group"),
    example="promote;wob;bob",
)
class Promote(Command, frozen=True):
    """Make the member ``dest`` of ``group`` an operator."""

    group: GroupField
    dest: UserField


@declare(
    "demote",
    actions=("demote",),
    word="demote",
    slash="demote",
    who="owner",
    answer="ack",
    refused=f"{_GROUP} not_owner no_such_user is_owner no_such_operator storage_failed",
    help=N_("make an operator an ordinary member again"),
    example="demote;wob;bob",
)
class Demote(Command, frozen=True):
    """Make the operator ``dest`` of ``group`` an ordinary member again."""

    group: GroupField
    dest: UserField


@declare(
    "visibility",
    actions=("visibility",),
    word="visibility",
    slash="visibility",
    who="owner",
    answer="ack",
    refused=f"{_GROUP} not_owner bad_request storage_failed",
    help=N_("make a group public or private"),
    example="visibility;wob;private",
)
class SetVisibility(Command, frozen=True):
    """Make ``group`` public or private. Its members stay."""

    group: GroupField
    visibility: VisibilityField


@declare(
    "topic",
    actions=("topic",),
    word="topic",
    slash="topic",
    who="operators",
    answer="ack",
    refused=f"{_GROUP} not_operator too_long storage_failed storage_full",
    help=N_("set the topic of a group"),
    example="topic;wob;the weather",
)
class SetTopic(Command, frozen=True):
    """Set the topic of ``group``. An empty ``topic`` removes the topic."""

    group: GroupField
    topic: TopicField = ""


@declare(
    "sethistory",
    actions=("sethistory",),
    word="sethistory",
    slash="sethistory",
    who="owner",
    answer="ack",
    refused=f"{_GROUP} not_owner bad_request storage_failed",
    help=N_("let members read all of a group's log, or only what came since they joined"),
    example="sethistory;wob;since_joining",
)
class SetHistory(Command, frozen=True):
    """Let the members of ``group`` read all of its log, or only what came since each of them joined."""

    group: GroupField
    mode: HistoryModeField


@declare(
    "setkeep",
    actions=("setkeep",),
    word="setkeep",
    slash="setkeep",
    who="owner",
    answer="ack",
    refused=f"{_GROUP} not_owner bad_request storage_failed",
    help=N_("delete messages of a group after a time, or keep them again"),
    example="setkeep;wob;90d",
)
class SetKeep(Command, frozen=True):
    """Delete the messages of ``group`` that are older than ``age`` seconds; without it, keep them."""

    group: GroupField
    age: AgeField | None = None


@declare(
    "history",
    actions=("history",),
    word="history",
    slash="history",
    who="identified",
    token="read",
    answer="history",
    refused=f"no_such_user {_GROUP} bad_request storage_failed",
    help=N_("read your messages with a user; without a nick, those of the lobby"),
    example="history;bob",
)
class History(Command, frozen=True):
    """Read a page of the messages with the user ``dest``, else of ``group``, else of the lobby.

    The page contains entries between the ids ``after`` and ``before``, both excluded.
    """

    dest: UserField | None = None
    limit: LimitField | None = None
    before: BeforeField | None = None
    after: AfterField | None = None
    group: GroupField | None = None


@declare(
    "conversations",
    actions=("conversations",),
    word="conversations",
    slash="conversations",
    who="identified",
    token="read",
    answer="conversations",
    refused="bad_request storage_failed",
    help=N_("list your conversations, the most recent first"),
    example="conversations;",
)
class ListConversations(Command, frozen=True):
    """List the author's conversations, the most recent first, without the first ``skip`` ones."""

    skip: SkipField = 0


@declare(
    "ignore",
    actions=("ignore",),
    word="ignore",
    slash="ignore",
    who="identified",
    answer="ignored",
    refused="no_such_user too_many_ignored bad_request storage_failed",
    help=N_("get no more messages and invitations of a user"),
    example="ignore;bob",
)
class IgnoreUser(Command, frozen=True):
    """Send the author no more messages and invitations of the user ``dest``, who is not told."""

    dest: UserField


@declare(
    "unignore",
    actions=("unignore",),
    word="unignore",
    slash="unignore",
    who="identified",
    answer="ignored",
    refused="no_such_user bad_request storage_failed",
    help=N_("get the messages and invitations of a user again"),
    example="unignore;bob",
)
class UnignoreUser(Command, frozen=True):
    """Send the author the messages and invitations of the user ``dest`` again."""

    dest: UserField


@declare(
    "ignored",
    actions=("ignored",),
    word="ignored",
    slash="ignored",
    who="identified",
    answer="ignored",
    help=N_("list the users whom you ignore"),
    example="ignored;",
)
class ListIgnored(Command, frozen=True):
    """List the users whom the author ignores, by nick."""


@declare(
    "register",
    actions=("register",),
    word="register",
    slash="register",
    who="identified",
    answer="account",
    refused="already_registered bad_nick weak_password too_long rate_limited bad_request storage_failed",
    help=N_("protect your nick with a password; every login needs it from then on"),
    example="register;correct horse battery",
)
class Register(Command, frozen=True):
    """Register the author's nick with ``password``."""

    password: PasswordField


@declare(
    "passwd",
    actions=("passwd",),
    word="passwd",
    slash="passwd",
    who="identified",
    answer="account",
    refused="not_registered wrong_password weak_password too_long rate_limited bad_request storage_failed",
    help=N_("change your password; your other sessions end"),
    example="passwd;correct horse battery;staple of nine",
)
class ChangePassword(Command, frozen=True):
    """Replace the author's ``password`` by the password ``new``. The author's other sessions end."""

    password: PasswordField
    new: NewPasswordField


@declare(
    "unregister",
    actions=("unregister",),
    word="unregister",
    slash="unregister",
    who="identified",
    answer="account",
    refused="not_registered wrong_password too_long rate_limited bad_request storage_failed",
    help=N_("give up your nick, your groups and your conversations for good"),
    example="unregister;correct horse battery",
)
class Unregister(Command, frozen=True):
    """Close the author's account for good. The nick becomes free for a new user.

    The author leaves all groups and is renamed. The old messages stay, under a name that nobody can log in
    with.
    """

    password: PasswordField


@declare(
    "regain",
    actions=("regain",),
    word="regain",
    slash="regain",
    who="identified",
    answer="account",
    refused="not_registered storage_failed",
    help=N_("end all other sessions of your nick"),
    example="regain;",
)
class Regain(Command, frozen=True):
    """End all other sessions of the author, who must be registered."""


@declare(
    "maketoken",
    actions=("maketoken",),
    word="maketoken",
    slash="maketoken",
    who="identified",
    answer="token",
    refused=f"not_registered account_closed token_exists too_many_tokens {_GROUP} too_long bad_request"
    " storage_failed",
    help=N_("make a token, with which a program logs in instead of with your password"),
    example="maketoken;deploy;write;wob;90d",
)
class MakeToken(Command, frozen=True):
    """Make a token called ``token`` for the author's programs. Only this answer shows its secret.

    ``scope`` and ``groups`` say what it can be used for. It expires after ``duration`` seconds.
    """

    token: TokenNameField
    scope: ScopeField
    groups: TokenGroupsField = ""
    duration: DurationField | None = None


@declare(
    "tokens",
    actions=("tokens",),
    word="tokens",
    slash="tokens",
    who="identified",
    answer="tokens",
    help=N_("list your tokens"),
    example="tokens;",
)
class ListTokens(Command, frozen=True):
    """List the author's tokens, the oldest first, without their secrets."""


@declare(
    "revoketoken",
    actions=("revoketoken",),
    word="revoketoken",
    slash="revoketoken",
    who="identified",
    answer="tokens",
    refused="no_such_token bad_request storage_failed",
    help=N_("revoke a token of yours; its sessions end"),
    example="revoketoken;deploy",
)
class RevokeToken(Command, frozen=True):
    """Revoke the author's token called ``token``: its sessions end, and nobody can log in with it."""

    token: TokenNameField


@declare(
    "mute",
    actions=("mute",),
    word="mute",
    slash="mute",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_user is_server_operator bad_request too_long storage_failed",
    help=N_("keep a user from writing anywhere, for a time or until you unmute"),
    example="mute;bob;10m;shouting",
)
class Mute(Command, frozen=True):
    """Refuse all messages and changes of the user ``dest`` for ``duration`` seconds, with a ``reason``."""

    dest: UserField
    duration: DurationField | None = None
    reason: ReasonField = ""


@declare(
    "unmute",
    actions=("unmute",),
    word="unmute",
    slash="unmute",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_user not_muted storage_failed",
    help=N_("let a muted user write again"),
    example="unmute;bob",
)
class Unmute(Command, frozen=True):
    """Lift the mute of the user ``dest``."""

    dest: UserField


@declare(
    "disconnect",
    actions=("disconnect",),
    word="disconnect",
    slash="disconnect",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_user not_connected is_server_operator too_long storage_failed",
    help=N_("end all sessions of a user, who may come back"),
    example="disconnect;bob;calm down",
)
class DisconnectUser(Command, frozen=True):
    """End all sessions of the user ``dest``, with a ``reason``."""

    dest: UserField
    reason: ReasonField = ""


@declare(
    "block",
    actions=("block",),
    word="block",
    slash="block",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator bad_nick is_server_operator bad_request too_long storage_failed",
    help=N_("keep a nick, an address or a network from logging in"),
    example="block;bob;1d;spam",
)
class Block(Command, frozen=True):
    """Refuse logins of ``target``, a nick or a network, for ``duration`` seconds; its sessions end."""

    target: TargetField
    duration: DurationField | None = None
    reason: ReasonField = ""


@declare(
    "blockaddress",
    actions=("blockaddress",),
    word="blockaddress",
    slash="blockaddress",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_user not_connected is_server_operator bad_request too_long"
    " storage_failed",
    help=N_("block the addresses that a user is connected from"),
    example="blockaddress;bob;1h;came back under another nick",
)
class BlockAddress(Command, frozen=True):
    """Block the networks that the user ``dest`` is connected from, as `Block` does."""

    dest: UserField
    duration: DurationField | None = None
    reason: ReasonField = ""


@declare(
    "unblock",
    actions=("unblock",),
    word="unblock",
    slash="unblock",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator not_blocked storage_failed",
    help=N_("lift the block of a nick, an address or a network"),
    example="unblock;bob",
)
class Unblock(Command, frozen=True):
    """Lift the block of ``target``."""

    target: TargetField


@declare(
    "give",
    actions=("give",),
    word="give",
    slash="give",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_group no_such_user is_owner storage_failed",
    help=N_("make a user the owner of a group, and a member if necessary"),
    example="give;wob;alice",
)
class GiveGroup(Command, frozen=True):
    """Make the user ``dest`` the owner of ``group``, and a member if necessary."""

    group: GroupField
    dest: UserField


@declare(
    "close",
    actions=("close",),
    word="close",
    slash="close",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_group too_long storage_failed",
    help=N_("close a group: its members are removed, and nobody can join it"),
    example="close;wob;the course is over",
)
class CloseGroup(Command, frozen=True):
    """Remove all members from ``group``, with a ``reason``, and hide it. `GiveGroup` opens it again."""

    group: GroupField
    reason: ReasonField = ""


@declare(
    "delete",
    actions=("delete",),
    word="delete",
    slash="delete",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_message bad_request too_long storage_failed",
    help=N_("delete the text of a message for good; its place in the log remains"),
    example="delete;17;an insult",
)
class DeleteMessage(Command, frozen=True):
    """Delete the text of the message with the log entry ``id``, with a ``reason``."""

    id: MessageIdField
    reason: ReasonField = ""


@declare(
    "announce",
    actions=("announce",),
    word="announce",
    slash="announce",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator empty too_long storage_failed",
    help=N_("tell something to everyone who is connected, wherever they are"),
    example="announce;the server restarts at noon",
)
class Announce(Command, frozen=True):
    """Send ``msg`` to everyone who is connected."""

    msg: AnnouncementField


@declare(
    "resetpassword",
    actions=("resetpassword",),
    word="resetpassword",
    slash="resetpassword",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_user is_server_operator not_registered weak_password too_long"
    " rate_limited bad_request storage_failed",
    help=N_("give a registered user another password; the user's sessions end"),
    example="resetpassword;bob;staple of nine",
)
class ResetPassword(Command, frozen=True):
    """Replace the password of the registered user ``dest`` by ``new``; the user's sessions end."""

    dest: UserField
    new: NewPasswordField


@declare(
    "usertokens",
    actions=("usertokens",),
    word="usertokens",
    slash="usertokens",
    who="server_operators",
    answer="tokens",
    refused="not_server_operator no_such_user",
    help=N_("list the tokens of a user"),
    example="usertokens;bob",
)
class ListUserTokens(Command, frozen=True):
    """List the tokens of the user ``dest``, the oldest first, without their secrets."""

    dest: UserField


@declare(
    "revokeusertoken",
    actions=("revokeusertoken",),
    word="revokeusertoken",
    slash="revokeusertoken",
    who="server_operators",
    answer="moderation",
    refused="not_server_operator no_such_user is_server_operator no_such_token bad_request storage_failed",
    help=N_("revoke a token of a user; its sessions end"),
    example="revokeusertoken;bob;deploy",
)
class RevokeUserToken(Command, frozen=True):
    """Revoke the token called ``token`` of the user ``dest``, as `RevokeToken` does."""

    dest: UserField
    token: TokenNameField


@declare(
    "modlog",
    actions=("modlog",),
    word="modlog",
    slash="modlog",
    who="server_operators",
    answer="moderations",
    refused="not_server_operator bad_request storage_failed",
    help=N_("list the acts of the server operators, the latest first"),
    example="modlog;",
)
class ListModerations(Command, frozen=True):
    """List the moderation log, the latest act first; ``skip`` leaves out the first ones."""

    skip: SkipField = 0


@declare(
    "help",
    actions=("help",),
    keyword="HELP",
    slash="help",
    who="anyone",
    token="read",
    answer="help",
    help=N_("list the commands"),
    example="HELP",
)
class ListCommands(Command, frozen=True):
    """List the commands."""
