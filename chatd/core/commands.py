"""The declarations of all commands.

Each command is declared once, with its fields and limits, who may use it, its answer, its refusals, its help
line and an example. JSON validation, the parsers of typed lines, ``HELP``, the client's completion and the
tables in SPEC.md use these declarations. `chatd.core.declarations` defines what a declaration contains.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from chatd.core.accounts import Secret
from chatd.core.declarations import COMMANDS as COMMANDS
from chatd.core.declarations import COMMANDS_BY_CLASS as COMMANDS_BY_CLASS
from chatd.core.declarations import COMMANDS_BY_JSON_ACTION as COMMANDS_BY_JSON_ACTION
from chatd.core.declarations import Command as Command
from chatd.core.declarations import FieldDeclaration, declare_command
from chatd.core.events import EventKind, is_action
from chatd.core.language import N_
from chatd.core.search import split_search_operators

SENDER_JSON_KEYS: Final = ("from", "sender", "name")
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


# The types of the fields of commands, each with the `FieldDeclaration` that declares it.
_Nick = Annotated[
    str, FieldDeclaration("name", "the user's nick", SENDER_JSON_KEYS, accepts_sender_keys=True)
]
_KnownNick = Annotated[str, FieldDeclaration("name", "the nick of a known user", ("to", "with"))]
_GroupName = Annotated[str, FieldDeclaration("name", "the name of a group", ("groupe",))]
_MessageText = Annotated[str, FieldDeclaration("text", "the text to send", ("message",))]
_MessageKind = Annotated[
    Literal["message", "image", "notice"],
    FieldDeclaration(
        "choice",
        "whether the text is a message, an image made of characters, or a notice",
        (),
        ("message", "image", "notice"),
        is_typeable=False,
    ),
]
_IfGroupMissing = Annotated[
    str,
    FieldDeclaration(
        "choice", "what to do if the group does not exist", (), ("refuse", "create"), is_typeable=False
    ),
]
_AnnouncementText = Annotated[str, FieldDeclaration("text", "the text to announce", ("message",))]
_MessageId = Annotated[int, FieldDeclaration("id", "the id of a message, as history and messages show it")]
_AnsweredId = Annotated[
    int, FieldDeclaration("id", "the id of the message that this one answers", is_typeable=False)
]
_Reaction = Annotated[
    str, FieldDeclaration("note", "an emoji or a word of at most 16 characters, without blanks")
]
_TypingState = Annotated[
    Literal["active", "paused", "done"],
    FieldDeclaration(
        "choice",
        "active: the user types. paused: the text was not changed for some seconds. done: there is no text",
        (),
        ("active", "paused", "done"),
        is_typeable=False,
    ),
]
_Reason = Annotated[str, FieldDeclaration("note", "the reason, delivered with the event")]
_BlockTarget = Annotated[
    str, FieldDeclaration("name", "a nick, an IP address, or a network such as 192.0.2.0/24")
]
_DurationSeconds = Annotated[
    int, FieldDeclaration("duration", "how long: 90 (seconds), 10m, 2h, 7d or 1w; without end if empty")
]
_MessageAgeSeconds = Annotated[
    int,
    FieldDeclaration("duration", "the age of messages: 3600 (seconds), 12h, 90d or 4w; for ever if empty"),
]
_TokenName = Annotated[
    str, FieldDeclaration("name", "a name for the token, such as that of the program it is for")
]
_TokenScope = Annotated[
    Literal["read", "write"],
    FieldDeclaration(
        "choice", "whether the token is only to read, or to read and write messages", (), ("read", "write")
    ),
]
_TokenGroups = Annotated[
    str,
    FieldDeclaration(
        "note",
        "the groups that the token is for, separated by commas, and `lobby` for the lobby; `*` or empty: all"
        " conversations",
        normalize=_names,
    ),
]
_Topic = Annotated[str, FieldDeclaration("note", "the topic of the group; empty for none")]
_Visibility = Annotated[
    str,
    FieldDeclaration(
        "choice",
        "whether everyone sees the group and may join it, or only invited users",
        ("type", "groupType", "typeg", "public", "isPublic", "private"),
        ("public", "private"),
        normalize=_visibility,
    ),
]
_Password = Annotated[
    Secret, FieldDeclaration("secret", "the password of the nick", ("pwd",), normalize=_unless_empty)
]
_NewPassword = Annotated[Secret, FieldDeclaration("secret", "the password that replaces it")]
_LastSeenId = Annotated[
    int,
    FieldDeclaration("id", "the last id that the client has seen; it gets exactly the entries that follow"),
]
_MissedEntries = Annotated[
    Literal["send", "keep"],
    FieldDeclaration(
        "choice",
        "send: send the entries that the user missed and move the last seen id. keep: send nothing and leave"
        " the last seen id where it is, also for what this session receives",
        (),
        ("send", "keep"),
        is_typeable=False,
    ),
]
_LoginHistory = Annotated[
    Literal["send", "none"],
    FieldDeclaration(
        "choice",
        "whether a returning client gets a page of each of its conversations",
        (),
        ("send", "none"),
        is_typeable=False,
    ),
]
_ProfileText = Annotated[
    str,
    FieldDeclaration("note", "what IRC clients are shown of the user; stored nowhere", is_typeable=False),
]
_HistoryVisibility = Annotated[
    Literal["all", "since_joining"],
    FieldDeclaration(
        "choice",
        "whether a member reads all of the log, or only what came since joining",
        (),
        ("all", "since_joining"),
    ),
]
_ReadUpToId = Annotated[
    int,
    FieldDeclaration("id", "the id up to which you have read; up to the last entry if empty"),
]
_BeforeId = Annotated[int, FieldDeclaration("id", "only entries with a smaller id")]
_AfterId = Annotated[int, FieldDeclaration("id", "only entries with a larger id, oldest first")]
_AroundId = Annotated[
    int,
    FieldDeclaration("id", "the entry with this id and entries on both sides of it", is_typeable=False),
]
_BeforeTime = Annotated[
    int,
    FieldDeclaration(
        "time",
        "only entries before this time, or conversations whose last message came before it",
        is_typeable=False,
    ),
]
_AfterTime = Annotated[
    int,
    FieldDeclaration(
        "time",
        "only entries after this time, or conversations whose last message came after it, oldest first",
        is_typeable=False,
    ),
]
_AroundTime = Annotated[
    int,
    FieldDeclaration(
        "time", "the first entry at this time or later, and entries on both sides of it", is_typeable=False
    ),
]
_PageOrder = Annotated[
    Literal["oldest", "newest"],
    FieldDeclaration(
        "choice",
        "which entries the page has if there are more than the limit; without it the oldest if there is only"
        " a lower bound, else the newest",
        (),
        ("oldest", "newest"),
        is_typeable=False,
    ),
]
_PageEvents = Annotated[
    Literal["none", "all"],
    FieldDeclaration(
        "choice",
        "whether the page also has the events of the conversation, which count for the limit",
        (),
        ("none", "all"),
        is_typeable=False,
    ),
]
_WholeMilliseconds = Annotated[
    Literal["no", "yes"],
    FieldDeclaration(
        "choice",
        "yes: the page has more entries than the limit if it would end between entries with the same time",
        (),
        ("no", "yes"),
        is_typeable=False,
    ),
]
_LIMIT_DOC: Final = "the maximum number of entries in the page, or of conversations in the list"
_PageLimit = Annotated[int, FieldDeclaration("count", _LIMIT_DOC)]
_ListLimit = Annotated[int, FieldDeclaration("count", _LIMIT_DOC, is_typeable=False)]
_SearchWords = Annotated[
    str,
    FieldDeclaration(
        "note",
        'the words to look for: all of them, prefixes such as `foo*`, phrases in `"`. Typed, also `in:GROUP`,'
        " `in:lobby`, `with:NICK`, `from:NICK`, `before:ID`, `after:ID` and `limit:NUMBER`",
    ),
]
_SearchGroup = Annotated[
    str,
    FieldDeclaration("name", "the name of a group, or `lobby` for the lobby", ("groupe",), is_typeable=False),
]
_SearchPartner = Annotated[
    str, FieldDeclaration("name", "the nick of a known user", ("with",), is_typeable=False)
]
_AuthorNick = Annotated[
    str, FieldDeclaration("name", "the nick of the user who wrote the message", (), is_typeable=False)
]
_SearchBeforeId = Annotated[int, FieldDeclaration("id", "only entries with a smaller id", is_typeable=False)]
_SearchAfterId = Annotated[
    int, FieldDeclaration("id", "only entries with a larger id, oldest first", is_typeable=False)
]
_SkipCount = Annotated[
    int, FieldDeclaration("id", "the number of entries to skip, to continue a list that came with more")
]

_LinkLifetimeSeconds = Annotated[
    int,
    FieldDeclaration(
        "duration",
        "how long the link holds: 3600 (seconds), 12h, 7d or 4w, at most a year; as an invitation if empty",
    ),
]
_InvitationLink = Annotated[
    Secret, FieldDeclaration("secret", "an invitation link, as invitelink has shown it")
]
_LinkNumber = Annotated[int, FieldDeclaration("count", "the number of a link, as links shows it")]

USAGE_FIELD_NAMES: Final = (
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
    N_("upto"),
    N_("words"),
    N_("reaction"),
)
"""The names of the fields that usage lines show, to be translated."""


# What every command on a group can be refused with.
_GROUP = "no_such_group not_member"
_ON_MEMBER = f"{_GROUP} not_operator no_such_user is_owner"


@declare_command(
    "hello",
    json_actions=("client-hello", "client-connection", "connection"),
    text_verb="IAM nick",
    required_role="anyone",
    required_access="read",
    answer="hello",
    refusal_codes="bad_nick nick_taken password_required wrong_password token_expired blocked too_long"
    " rate_limited not_you bad_request storage_failed",
    help=N_("log in with a nick"),
    example="IAM alice",
)
class Hello(Command, frozen=True):
    """The command to log in. The answer is a welcome.

    Without ``nick``, the client logs in as a guest. A registered nick needs its ``password``, which may also
    be the secret of a token. ``since`` is the id of the last entry that the client has received; the daemon
    sends all later entries. ``missed`` says whether the daemon sends missed entries and moves the user's last
    seen id. ``history`` says whether the daemon sends a page of each conversation. ``username`` and
    ``realname`` are shown to IRC clients; an empty one is replaced by the nick.
    """

    nick: _Nick = ""
    since: _LastSeenId | None = None
    missed: _MissedEntries = "send"
    history: _LoginHistory = "send"
    password: _Password | None = None
    username: _ProfileText = ""
    realname: _ProfileText = ""


@declare_command(
    "password",
    text_verb="PWD password",
    required_role="anyone",
    required_access="read",
    answer="none",
    refusal_codes="already_identified too_long bad_request",
    help=N_("give the password for the login that follows"),
    example="PWD correct horse battery",
)
class PasswordBeforeHello(Command, frozen=True):
    """The command that gives the ``password`` for the next hello, on a wire whose hello has no password
    field.
    """

    password: _Password


@declare_command(
    "identify",
    json_actions=("identify",),
    semicolon_word="identify",
    slash_word="login",
    required_role="anyone",
    required_access="read",
    answer="hello",
    refusal_codes="bad_nick nick_taken wrong_password token_expired blocked too_long rate_limited not_you"
    " bad_request storage_failed",
    help=N_("log in with a registered nick and its password"),
    example="identify;alice;correct horse battery",
)
class Identify(Command, frozen=True):
    """The command to log in as the registered user ``nick``. The answer is a welcome.

    ``password`` is the password of the user, or the secret of one of the user's tokens.
    """

    nick: _Nick
    password: _Password


@declare_command(
    "quit",
    json_actions=("client-quit", "quit", "client-error"),
    text_verb="BYE",
    slash_word="quit",
    required_role="anyone",
    required_access="read",
    answer="quit",
    help=N_("leave the chat"),
    example="BYE",
)
class Quit(Command, frozen=True):
    """The command to end the session. The answer is the last frame that the client is sent."""


@declare_command(
    "clients",
    json_actions=("client-list-clients", "list"),
    text_verb="WHO",
    slash_word="who",
    required_role="identified",
    required_access="read",
    answer="clients",
    help=N_("list the connected users"),
    example="WHO",
)
class ListClients(Command, frozen=True):
    """The command to list the connected users, in the order of their logins.

    The first ``skip`` are left out.
    """

    skip: _SkipCount = 0


@declare_command(
    "broadcast",
    json_actions=("client-broadcast", "broadcast"),
    text_verb="MSG msg",
    slash_word="all",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="empty too_long no_such_message ref_reused storage_failed storage_full",
    help=N_("send a message to everyone"),
    example="MSG hello all",
)
class SendToLobby(Command, frozen=True):
    """The command to send ``msg``, a message, an image or a notice, to the lobby: every connected user
    receives it.

    ``reply_to`` is the id of the message in the lobby that ``msg`` answers.
    """

    msg: _MessageText
    kind: _MessageKind = "message"
    reply_to: _AnsweredId | None = None


@declare_command(
    "send",
    json_actions=("client-send", "send", "sendTo"),
    text_verb="PRV dest msg",
    semicolon_word="s",
    slash_word="msg",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_user empty too_long no_such_message ref_reused storage_failed storage_full",
    help=N_("send a message to one user, who gets it later if away"),
    example="s;bob;hello",
)
class SendToUser(Command, frozen=True):
    """The command to send ``msg``, a message, an image or a notice, to the user ``dest``.

    A user who is not connected gets ``msg`` after the next login. ``reply_to`` is the id of the message in
    the conversation with that user that ``msg`` answers.
    """

    dest: _KnownNick
    msg: _MessageText
    kind: _MessageKind = "message"
    reply_to: _AnsweredId | None = None


@declare_command(
    "cgroupe",
    json_actions=("cgroupe", "cgroup", "cgroupeprive", "cgroupeprivé"),
    semicolon_word="cg",
    slash_word="create",
    field_presets_by_json_action={
        "cgroupeprive": {"visibility": "private"},
        "cgroupeprivé": {"visibility": "private"},
    },
    required_role="identified",
    answer="ack",
    refusal_codes="bad_group group_exists too_many_groups storage_failed storage_full",
    help=N_("create a group that you own, public by default"),
    example="cg;wob;private",
)
class CreateGroup(Command, frozen=True):
    """The command to create the group ``group``. The user becomes its owner and first member."""

    group: _GroupName
    visibility: _Visibility = "public"


@declare_command(
    "join",
    json_actions=("join", "joinpr"),
    semicolon_word="j",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_group already_member not_invited banned group_full storage_failed storage_full",
    help=N_("join a group; a private group requires an invitation"),
    example="j;wob",
)
class Join(Command, frozen=True):
    """The command to join ``group``. A private group needs an invitation, which is used up."""

    group: _GroupName


@declare_command(
    "enter",
    slash_word="join",
    required_role="identified",
    required_access="read",
    answer="ack",
    refusal_codes="bad_group no_such_group not_invited banned too_many_groups group_full storage_failed"
    " storage_full",
    help=N_("enter a room (a group), joining it first if necessary"),
    example="/join wob",
)
class EnterGroup(Command, frozen=True):
    """The command to enter ``group`` as a room, on wires where a client is in one room at a time.

    A user who is not a member joins the group; for a member nothing changes. An empty ``group`` is the lobby.
    ``missing`` says whether to refuse the command or create the group if there is no such group.
    """

    group: _GroupName
    missing: _IfGroupMissing = "refuse"


@declare_command(
    "gbroadcast",
    json_actions=("gbroadcast", "bgroup"),
    semicolon_word="bg",
    slash_word="say",
    required_role="members",
    required_access="write",
    answer="ack",
    refusal_codes=f"{_GROUP} empty too_long no_such_message ref_reused storage_failed storage_full",
    help=N_("send a message to a group"),
    example="bg;wob;hello",
)
class SendToGroup(Command, frozen=True):
    """The command to send ``msg``, a message, an image or a notice, to the members of ``group``.

    ``reply_to`` is the id of the message in the group that ``msg`` answers.
    """

    group: _GroupName
    msg: _MessageText
    kind: _MessageKind = "message"
    reply_to: _AnsweredId | None = None


@declare_command(
    "members",
    json_actions=("members",),
    semicolon_word="members",
    slash_word="members",
    required_role="members",
    required_access="read",
    answer="members",
    refusal_codes=_GROUP,
    help=N_("list the members of a group"),
    example="members;wob",
)
class ListMembers(Command, frozen=True):
    """The command to list the members of ``group``, in the order in which they joined, with roles and
    presence.

    The first ``skip`` members are left out.
    """

    group: _GroupName
    skip: _SkipCount = 0


@declare_command(
    "msgs",
    json_actions=("msgs", "messages"),
    semicolon_word="messages",
    slash_word="messages",
    required_role="members",
    required_access="read",
    answer="messages",
    refusal_codes=f"{_GROUP} bad_request storage_failed",
    help=N_("read the messages of a group"),
    example="messages;wob",
)
class ListGroupMessages(Command, frozen=True):
    """The command to read a page of the messages of ``group``.

    The ids of the messages lie between ``after`` and ``before``, both excluded.
    """

    group: _GroupName
    limit: _PageLimit | None = None
    before: _BeforeId | None = None
    after: _AfterId | None = None


@declare_command(
    "groups",
    json_actions=("groups",),
    semicolon_word="groups",
    slash_word="rooms",
    required_role="identified",
    required_access="read",
    answer="groups",
    help=N_("list the groups that you can see"),
    example="groups;",
)
class ListGroups(Command, frozen=True):
    """The command to list the groups that the user may see, sorted by name.

    The first ``skip`` are left out.
    """

    skip: _SkipCount = 0


@declare_command(
    "leave",
    json_actions=("leave",),
    semicolon_word="leave",
    slash_word="leave",
    group_defaults_to_room=True,
    required_role="members",
    answer="ack",
    refusal_codes=f"{_GROUP} storage_failed",
    help=N_("leave a group"),
    example="leave;wob",
)
class Leave(Command, frozen=True):
    """The command to leave ``group``.

    If the owner leaves, the operator who joined first, else the member who joined first, becomes the owner.
    """

    group: _GroupName


@declare_command(
    "invite",
    json_actions=("invite",),
    semicolon_word="invite",
    slash_word="invite",
    required_role="members",
    answer="ack",
    refusal_codes=f"{_GROUP} no_such_user already_member already_invited banned too_many_invitations"
    " storage_failed storage_full",
    help=N_("invite a user to a group"),
    example="invite;wob;bob",
)
class Invite(Command, frozen=True):
    """The command to invite the user ``dest`` to ``group``. The invited user may then join."""

    group: _GroupName
    dest: _KnownNick


@declare_command(
    "invitelink",
    json_actions=("invitelink",),
    semicolon_word="invitelink",
    slash_word="invitelink",
    required_role="members",
    answer="invitelink",
    refusal_codes=f"{_GROUP} too_many_links bad_request storage_failed",
    help=N_("make a link by which whoever has it joins a group"),
    example="invitelink;wob;7d",
)
class MakeInvitationLink(Command, frozen=True):
    """The command to make an invitation link to ``group``, which expires after ``lifetime`` seconds.

    Without ``lifetime``, the link lasts as long as an invitation, at most a year. Only the answer shows the
    link. Users join by it as if the link's maker had invited them.
    """

    group: _GroupName
    lifetime: _LinkLifetimeSeconds | None = None


@declare_command(
    "uselink",
    json_actions=("uselink",),
    semicolon_word="uselink",
    slash_word="uselink",
    required_role="identified",
    answer="ack",
    refusal_codes="bad_link already_member banned group_full rate_limited too_long bad_request storage_failed"
    " storage_full",
    help=N_("join a group by an invitation link, a private one too"),
    example="uselink;invite_0123456789abcdef0123456789abcdef01234567",
)
class UseInvitationLink(Command, frozen=True):
    """The command to join the group that ``link`` belongs to, as if the link's maker had invited the user."""

    link: _InvitationLink


@declare_command(
    "links",
    json_actions=("links",),
    semicolon_word="links",
    slash_word="links",
    required_role="members",
    answer="links",
    refusal_codes=f"{_GROUP} storage_failed",
    help=N_("list the invitation links of a group that you have made; as an operator all"),
    example="links;wob",
)
class ListInvitationLinks(Command, frozen=True):
    """The command to list the invitation links of ``group`` that are valid, the oldest first.

    Members see their own links, the owner and the operators all links.
    """

    group: _GroupName


@declare_command(
    "revokelink",
    json_actions=("revokelink",),
    semicolon_word="revokelink",
    slash_word="revokelink",
    required_role="members",
    answer="links",
    refusal_codes=f"{_GROUP} no_such_link bad_request storage_failed",
    help=N_("revoke an invitation link of a group: one of yours; as an operator any"),
    example="revokelink;wob;1",
)
class RevokeInvitationLink(Command, frozen=True):
    """The command to revoke the invitation link ``number`` of ``group``, so that nobody can join by it any
    more.
    """

    group: _GroupName
    number: _LinkNumber


@declare_command(
    "uninvite",
    json_actions=("uninvite",),
    semicolon_word="uninvite",
    slash_word="uninvite",
    required_role="members",
    answer="ack",
    refusal_codes=f"{_GROUP} not_operator no_such_user no_such_invitation storage_failed",
    help=N_("withdraw an invitation to a group"),
    example="uninvite;wob;bob",
)
class Uninvite(Command, frozen=True):
    """The command to withdraw the invitation of the user ``dest`` to ``group``.

    Members may withdraw the invitations that they have made, the owner and the operators all invitations.
    """

    group: _GroupName
    dest: _KnownNick


@declare_command(
    "decline",
    json_actions=("decline",),
    semicolon_word="decline",
    slash_word="decline",
    required_role="identified",
    answer="ack",
    refusal_codes="no_such_group no_such_invitation storage_failed",
    help=N_("decline an invitation to a group"),
    example="decline;wob",
)
class Decline(Command, frozen=True):
    """The command to decline the user's invitation to ``group``."""

    group: _GroupName


@declare_command(
    "kick",
    json_actions=("kick",),
    semicolon_word="kick",
    slash_word="kick",
    required_role="operators",
    answer="ack",
    refusal_codes=f"{_ON_MEMBER} no_such_member too_long storage_failed",
    help=N_("remove a user from a group; the user may come back"),
    example="kick;wob;bob;too loud",
)
class Kick(Command, frozen=True):
    """The command to remove the member ``dest`` from ``group``, with a ``reason``.

    The removed user may join again if the group is public.
    """

    group: _GroupName
    dest: _KnownNick
    reason: _Reason = ""


@declare_command(
    "ban",
    json_actions=("ban",),
    semicolon_word="ban",
    slash_word="ban",
    required_role="operators",
    answer="ack",
    refusal_codes=f"{_ON_MEMBER} already_banned too_long storage_failed",
    help=N_("remove a user from a group and keep the user out"),
    example="ban;wob;bob;spam",
)
class Ban(Command, frozen=True):
    """The command to ban the user ``dest``, who need not be a member, from ``group``, with a ``reason``.

    The ban lasts until it is lifted.
    """

    group: _GroupName
    dest: _KnownNick
    reason: _Reason = ""


@declare_command(
    "unban",
    json_actions=("unban",),
    semicolon_word="unban",
    slash_word="unban",
    required_role="operators",
    answer="ack",
    refusal_codes=f"{_GROUP} not_operator no_such_user not_banned storage_failed",
    help=N_("lift a ban"),
    example="unban;wob;bob",
)
class Unban(Command, frozen=True):
    """The command to lift the ban of the user ``dest`` from ``group``.

    The user does not become a member by this.
    """

    group: _GroupName
    dest: _KnownNick


@declare_command(
    "states",
    json_actions=("states",),
    semicolon_word="states",
    slash_word="states",
    required_role="members",
    required_access="read",
    answer="states",
    refusal_codes=f"{_GROUP} bad_request storage_failed",
    help=N_("read the events of a group"),
    example="states;wob",
)
class ListGroupEvents(Command, frozen=True):
    """The command to read a page of the events of ``group``, such as joins and kicks.

    The ids of the events lie between ``after`` and ``before``, both excluded.
    """

    group: _GroupName
    limit: _PageLimit | None = None
    before: _BeforeId | None = None
    after: _AfterId | None = None


@declare_command(
    "promote",
    json_actions=("promote",),
    semicolon_word="promote",
    slash_word="promote",
    required_role="owner",
    answer="ack",
    refusal_codes=f"{_GROUP} not_owner no_such_user no_such_member is_owner already_operator storage_failed",
    help=N_("make a member an operator of a group"),
    example="promote;wob;bob",
)
class Promote(Command, frozen=True):
    """The command to make the member ``dest`` of ``group`` an operator."""

    group: _GroupName
    dest: _KnownNick


@declare_command(
    "demote",
    json_actions=("demote",),
    semicolon_word="demote",
    slash_word="demote",
    required_role="owner",
    answer="ack",
    refusal_codes=f"{_GROUP} not_owner no_such_user is_owner no_such_operator storage_failed",
    help=N_("make an operator an ordinary member again"),
    example="demote;wob;bob",
)
class Demote(Command, frozen=True):
    """The command to make the operator ``dest`` of ``group`` an ordinary member again."""

    group: _GroupName
    dest: _KnownNick


@declare_command(
    "visibility",
    json_actions=("visibility",),
    semicolon_word="visibility",
    slash_word="visibility",
    required_role="owner",
    answer="ack",
    refusal_codes=f"{_GROUP} not_owner bad_request storage_failed",
    help=N_("make a group public or private"),
    example="visibility;wob;private",
)
class SetVisibility(Command, frozen=True):
    """The command to make ``group`` public or private. Its members stay."""

    group: _GroupName
    visibility: _Visibility


@declare_command(
    "topic",
    json_actions=("topic",),
    semicolon_word="topic",
    slash_word="topic",
    required_role="operators",
    answer="ack",
    refusal_codes=f"{_GROUP} not_operator too_long storage_failed storage_full",
    help=N_("set the topic of a group"),
    example="topic;wob;the weather",
)
class SetTopic(Command, frozen=True):
    """The command to set the topic of ``group``. An empty ``topic`` removes the topic."""

    group: _GroupName
    topic: _Topic = ""


@declare_command(
    "sethistory",
    json_actions=("sethistory",),
    semicolon_word="sethistory",
    slash_word="sethistory",
    required_role="owner",
    answer="ack",
    refusal_codes=f"{_GROUP} not_owner bad_request storage_failed",
    help=N_("let members read all of a group's log, or only what came since they joined"),
    example="sethistory;wob;since_joining",
)
class SetHistoryVisibility(Command, frozen=True):
    """The command to set what the members of ``group`` can read: all of its log, or what came since they
    joined.
    """

    group: _GroupName
    mode: _HistoryVisibility


@declare_command(
    "setkeep",
    json_actions=("setkeep",),
    semicolon_word="setkeep",
    slash_word="setkeep",
    required_role="owner",
    answer="ack",
    refusal_codes=f"{_GROUP} not_owner bad_request storage_failed",
    help=N_("delete messages of a group after a time, or keep them again"),
    example="setkeep;wob;90d",
)
class SetRetention(Command, frozen=True):
    """The command to delete the messages of ``group`` that are older than ``age`` seconds, now and from now
    on.

    Without ``age``, the messages are kept as long as the daemon's configuration says.
    """

    group: _GroupName
    age: _MessageAgeSeconds | None = None


@declare_command(
    "history",
    json_actions=("history",),
    semicolon_word="history",
    slash_word="history",
    required_role="identified",
    required_access="read",
    answer="history",
    refusal_codes=f"no_such_user {_GROUP} bad_request storage_failed",
    help=N_("read your messages with a user; without a nick, those of the lobby"),
    example="history;bob",
)
class ReadHistory(Command, frozen=True):
    """The command to read a page of messages of a conversation.

    The conversation is that of ``group``, or the direct one with the user ``dest``, or the lobby if both are
    None.

    - ``after`` and ``before`` are ids, ``after_time`` and ``before_time`` are times in milliseconds since
      1970. The page has only messages between them. The bounds themselves are excluded.
    - ``limit`` is the maximum number of messages.
    - ``order`` says which messages the page has if there are more: ``oldest`` for the first ones, else the
      last ones. None means the first ones if only lower bounds are given, else the last ones.
    - ``around`` is an id. The page has the entry with that id, if there is one, and entries on both sides of
      it. ``around_time`` means the same for the first entry of the log at this time or later. Neither can be
      combined with another bound.
    - If ``events`` is ``all``, the page also has the events of the conversation.
    - If ``whole_milliseconds`` is ``yes``, the page does not end between two entries with the same time (see
      `PageIdWindow`).
    """

    dest: _KnownNick | None = None
    limit: _PageLimit | None = None
    before: _BeforeId | None = None
    after: _AfterId | None = None
    group: _GroupName | None = None
    around: _AroundId | None = None
    before_time: _BeforeTime | None = None
    after_time: _AfterTime | None = None
    around_time: _AroundTime | None = None
    order: _PageOrder | None = None
    events: _PageEvents = "none"
    whole_milliseconds: _WholeMilliseconds = "no"


@declare_command(
    "search",
    json_actions=("search",),
    semicolon_word="search",
    slash_word="search",
    convert_typed_values=split_search_operators,
    required_role="identified",
    required_access="read",
    answer="search",
    refusal_codes=f"no_such_user {_GROUP} bad_request too_long storage_failed",
    help=N_("search your messages; in:GROUP, with:NICK and from:NICK search only some"),
    example='search;from:bob "the exam" room*',
)
class Search(Command, frozen=True):
    """The command to find messages that contain all ``words`` among those that the user may read.

    The search is in ``group``, else in the conversation with the user ``dest``, else in all conversations.
    With ``author``, only messages of that user are found. If ``words`` is empty, all messages of the named
    author or conversation are found.

    The answer has at most ``limit`` messages between the ids ``after`` and ``before`` and between the times
    ``after_time`` and ``before_time``, all excluded. The newest message comes first; if only lower bounds are
    given, the oldest comes first.
    """

    words: _SearchWords
    group: _SearchGroup | None = None
    dest: _SearchPartner | None = None
    author: _AuthorNick | None = None
    before: _SearchBeforeId | None = None
    after: _SearchAfterId | None = None
    before_time: _BeforeTime | None = None
    after_time: _AfterTime | None = None
    limit: _ListLimit | None = None


@declare_command(
    "conversations",
    json_actions=("conversations",),
    semicolon_word="conversations",
    slash_word="conversations",
    required_role="identified",
    required_access="read",
    answer="conversations",
    refusal_codes="bad_request storage_failed",
    help=N_("list your conversations, the most recent first"),
    example="conversations;",
)
class ListConversations(Command, frozen=True):
    """The command to list the user's conversations, the most recent first.

    The first ``skip`` are left out.

    With ``after_time``, ``before_time`` or both, in milliseconds since 1970, the list has only conversations
    whose last message is later than ``after_time`` and earlier than ``before_time``. In that case the oldest
    comes first, each item has the time of that message, and the list has at most ``limit`` conversations.
    """

    skip: _SkipCount = 0
    after_time: _AfterTime | None = None
    before_time: _BeforeTime | None = None
    limit: _ListLimit | None = None


@declare_command(
    "markread",
    json_actions=("markread",),
    semicolon_word="markread",
    slash_word="markread",
    group_defaults_to_room=True,
    required_role="identified",
    answer="read_mark",
    refusal_codes=f"no_such_user {_GROUP} account_closed bad_request storage_failed",
    help=N_("mark a group as read, or the lobby, or your messages with a user"),
    example="markread;wob;17",
)
class MarkRead(Command, frozen=True):
    """The command to move the user's read mark in a conversation forward to the entry id ``upto``.

    The conversation is that of ``group``, or the direct one with the user ``dest``, or the lobby if both are
    None. Without ``upto``, the mark moves to the last entry of the conversation. The mark never moves back,
    nor beyond the last entry.
    """

    group: _GroupName | None = None
    upto: _ReadUpToId | None = None
    dest: _KnownNick | None = None


@declare_command(
    "ignore",
    json_actions=("ignore",),
    semicolon_word="ignore",
    slash_word="ignore",
    required_role="identified",
    answer="ignored",
    refusal_codes="no_such_user too_many_ignored bad_request storage_failed",
    help=N_("get no more messages and invitations of a user"),
    example="ignore;bob",
)
class IgnoreUser(Command, frozen=True):
    """The command to ignore the user ``dest``: the daemon stops sending that user's messages and invitations.

    The ignored user is not told.
    """

    dest: _KnownNick


@declare_command(
    "unignore",
    json_actions=("unignore",),
    semicolon_word="unignore",
    slash_word="unignore",
    required_role="identified",
    answer="ignored",
    refusal_codes="no_such_user bad_request storage_failed",
    help=N_("get the messages and invitations of a user again"),
    example="unignore;bob",
)
class UnignoreUser(Command, frozen=True):
    """The command to undo `IgnoreUser`, so that new messages and invitations of the user ``dest`` are sent
    again.
    """

    dest: _KnownNick


@declare_command(
    "ignored",
    json_actions=("ignored",),
    semicolon_word="ignored",
    slash_word="ignored",
    required_role="identified",
    answer="ignored",
    help=N_("list the users whom you ignore"),
    example="ignored;",
)
class ListIgnored(Command, frozen=True):
    """The command to list the users whom the user ignores, sorted by nick."""


@declare_command(
    "register",
    json_actions=("register",),
    semicolon_word="register",
    slash_word="register",
    required_role="identified",
    answer="account",
    refusal_codes="already_registered bad_nick weak_password too_long rate_limited"
    " bad_request storage_failed",
    help=N_("protect your nick with a password; every login needs it from then on"),
    example="register;correct horse battery",
)
class Register(Command, frozen=True):
    """The command to register the user's nick with ``password``."""

    password: _Password


@declare_command(
    "passwd",
    json_actions=("passwd",),
    semicolon_word="passwd",
    slash_word="passwd",
    required_role="identified",
    answer="account",
    refusal_codes="not_registered wrong_password weak_password too_long rate_limited"
    " bad_request storage_failed",
    help=N_("change your password; your other sessions end"),
    example="passwd;correct horse battery;staple of nine",
)
class ChangePassword(Command, frozen=True):
    """The command to replace the user's ``password`` by the password ``new``.

    The user's other sessions end.
    """

    password: _Password
    new: _NewPassword


@declare_command(
    "unregister",
    json_actions=("unregister",),
    semicolon_word="unregister",
    slash_word="unregister",
    required_role="identified",
    answer="account",
    refusal_codes="not_registered wrong_password too_long rate_limited bad_request storage_failed",
    help=N_("give up your nick, your groups and your conversations for good"),
    example="unregister;correct horse battery",
)
class Unregister(Command, frozen=True):
    """The command to close the user's account for good. The nick becomes free for a new user.

    The user leaves all groups and is renamed. The old messages stay, under a name that nobody can log in
    with.
    """

    password: _Password


@declare_command(
    "regain",
    json_actions=("regain",),
    semicolon_word="regain",
    slash_word="regain",
    required_role="identified",
    answer="account",
    refusal_codes="not_registered storage_failed",
    help=N_("end all other sessions of your nick"),
    example="regain;",
)
class EndOtherSessions(Command, frozen=True):
    """The command to end all other sessions of the user, who must be registered."""


@declare_command(
    "maketoken",
    json_actions=("maketoken",),
    semicolon_word="maketoken",
    slash_word="maketoken",
    required_role="identified",
    answer="token",
    refusal_codes=f"not_registered account_closed token_exists too_many_tokens {_GROUP} too_long bad_request"
    " storage_failed",
    help=N_("make a token, with which a program logs in instead of with your password"),
    example="maketoken;deploy;write;wob;90d",
)
class MakeToken(Command, frozen=True):
    """The command to make a token called ``token``, with which the user's programs can log in.

    Only the answer shows the secret of the token. ``scope`` says whether the token can only read, and
    ``groups`` in which conversations it can be used. The token expires after ``duration`` seconds; without
    ``duration``, it is valid until it is revoked.
    """

    token: _TokenName
    scope: _TokenScope
    groups: _TokenGroups = ""
    duration: _DurationSeconds | None = None


@declare_command(
    "tokens",
    json_actions=("tokens",),
    semicolon_word="tokens",
    slash_word="tokens",
    required_role="identified",
    answer="tokens",
    help=N_("list your tokens"),
    example="tokens;",
)
class ListTokens(Command, frozen=True):
    """The command to list the user's tokens, the oldest first, without their secrets."""


@declare_command(
    "revoketoken",
    json_actions=("revoketoken",),
    semicolon_word="revoketoken",
    slash_word="revoketoken",
    required_role="identified",
    answer="tokens",
    refusal_codes="no_such_token bad_request storage_failed",
    help=N_("revoke a token of yours; its sessions end"),
    example="revoketoken;deploy",
)
class RevokeToken(Command, frozen=True):
    """The command to revoke the user's token called ``token``: its sessions end, and nobody can log in with
    it.
    """

    token: _TokenName


@declare_command(
    "mute",
    json_actions=("mute",),
    semicolon_word="mute",
    slash_word="mute",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_user is_server_operator bad_request too_long storage_failed",
    help=N_("keep a user from writing anywhere, for a time or until you unmute"),
    example="mute;bob;10m;shouting",
)
class Mute(Command, frozen=True):
    """The command to refuse all messages and changes of the user ``dest`` for ``duration`` seconds.

    ``reason`` is shown to that user. Without ``duration``, the mute lasts until it is lifted. A muted user
    can still leave groups.
    """

    dest: _KnownNick
    duration: _DurationSeconds | None = None
    reason: _Reason = ""


@declare_command(
    "unmute",
    json_actions=("unmute",),
    semicolon_word="unmute",
    slash_word="unmute",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_user not_muted storage_failed",
    help=N_("let a muted user write again"),
    example="unmute;bob",
)
class Unmute(Command, frozen=True):
    """The command to lift the mute of the user ``dest``."""

    dest: _KnownNick


@declare_command(
    "disconnect",
    json_actions=("disconnect",),
    semicolon_word="disconnect",
    slash_word="disconnect",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_user not_connected is_server_operator too_long storage_failed",
    help=N_("end all sessions of a user, who may come back"),
    example="disconnect;bob;calm down",
)
class DisconnectUser(Command, frozen=True):
    """The command to end all sessions of the user ``dest``, with a ``reason``."""

    dest: _KnownNick
    reason: _Reason = ""


@declare_command(
    "block",
    json_actions=("block",),
    semicolon_word="block",
    slash_word="block",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator bad_nick is_server_operator bad_request too_long storage_failed",
    help=N_("keep a nick, an address or a network from logging in"),
    example="block;bob;1d;spam",
)
class Block(Command, frozen=True):
    """The command to refuse logins of ``target``, a nick, an IP address or a network, for ``duration``
    seconds.

    Without ``duration``, the block lasts until it is lifted. Open sessions of the nick, or from the network,
    end.
    """

    target: _BlockTarget
    duration: _DurationSeconds | None = None
    reason: _Reason = ""


@declare_command(
    "blockaddress",
    json_actions=("blockaddress",),
    semicolon_word="blockaddress",
    slash_word="blockaddress",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_user not_connected is_server_operator bad_request too_long"
    " storage_failed",
    help=N_("block the addresses that a user is connected from"),
    example="blockaddress;bob;1h;came back under another nick",
)
class BlockAddressesOfUser(Command, frozen=True):
    """The command to block the networks from which the user ``dest`` is connected, as `Block` does."""

    dest: _KnownNick
    duration: _DurationSeconds | None = None
    reason: _Reason = ""


@declare_command(
    "unblock",
    json_actions=("unblock",),
    semicolon_word="unblock",
    slash_word="unblock",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator not_blocked storage_failed",
    help=N_("lift the block of a nick, an address or a network"),
    example="unblock;bob",
)
class Unblock(Command, frozen=True):
    """The command to lift the block of ``target``, a nick, an IP address or a network."""

    target: _BlockTarget


@declare_command(
    "give",
    json_actions=("give",),
    semicolon_word="give",
    slash_word="give",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_group no_such_user is_owner storage_failed",
    help=N_("make a user the owner of a group, and a member if necessary"),
    example="give;wob;alice",
)
class AssignGroupOwner(Command, frozen=True):
    """The command to make the user ``dest`` the owner of ``group``, and a member if necessary."""

    group: _GroupName
    dest: _KnownNick


@declare_command(
    "close",
    json_actions=("close",),
    semicolon_word="close",
    slash_word="close",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_group too_long storage_failed",
    help=N_("close a group: its members are removed, and nobody can join it"),
    example="close;wob;the course is over",
)
class CloseGroup(Command, frozen=True):
    """The command to remove all members from ``group``, with a ``reason``, and hide the group.

    `AssignGroupOwner` opens the group again.
    """

    group: _GroupName
    reason: _Reason = ""


@declare_command(
    "delete",
    json_actions=("delete",),
    semicolon_word="delete",
    slash_word="delete",
    required_role="authors",
    required_access="write",
    answer="deletion",
    refusal_codes="no_such_message not_operator not_server_operator bad_request too_long storage_failed",
    help=N_("delete the text of a message for good; its place in the log remains"),
    example="delete;17;an insult",
)
class DeleteMessage(Command, frozen=True):
    """The command to delete the text of the message with the log id ``id``, with a ``reason``.

    The author of the message and server operators may do so. In a group, the owner and the operators may,
    too.
    """

    id: _MessageId
    reason: _Reason = ""


@declare_command(
    "edit",
    json_actions=("edit",),
    semicolon_word="edit",
    slash_word="edit",
    required_role="author",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_message not_author not_editable same_text empty too_long bad_request"
    " storage_failed storage_full",
    help=N_("replace the text of a message of yours"),
    example="edit;17;what I meant",
)
class EditMessage(Command, frozen=True):
    """The command to replace the text of the user's own message with the log id ``id`` by ``msg``."""

    id: _MessageId
    msg: _MessageText


@declare_command(
    "reply",
    json_actions=("reply",),
    semicolon_word="reply",
    slash_word="reply",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_message no_such_user empty too_long ref_reused bad_request storage_failed"
    " storage_full",
    help=N_("answer a message, where it was sent"),
    example="reply;17;so do I",
)
class ReplyToMessage(Command, frozen=True):
    """The command to send ``msg`` as an answer to the message with the log id ``id``, in the same
    conversation.
    """

    id: _MessageId
    msg: _MessageText


@declare_command(
    "react",
    json_actions=("react",),
    semicolon_word="react",
    slash_word="react",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_message bad_reaction already_reacted too_many_reactions bad_request too_long"
    " storage_failed storage_full",
    help=N_("react to a message with an emoji or a short word"),
    example="react;17;+1",
)
class ReactToMessage(Command, frozen=True):
    """The command to react to the message with the log id ``id`` with ``reaction``, such as an emoji."""

    id: _MessageId
    reaction: _Reaction


@declare_command(
    "unreact",
    json_actions=("unreact",),
    semicolon_word="unreact",
    slash_word="unreact",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_message bad_reaction no_such_reaction bad_request too_long storage_failed"
    " storage_full",
    help=N_("take a reaction to a message back"),
    example="unreact;17;+1",
)
class TakeReactionBack(Command, frozen=True):
    """The command to remove the user's own ``reaction`` to the message with the log id ``id``."""

    id: _MessageId
    reaction: _Reaction


@declare_command(
    "typing",
    json_actions=("typing",),
    required_role="identified",
    required_access="write",
    answer="typing",
    refusal_codes=f"no_such_user {_GROUP} rate_limited bad_request storage_failed",
    help=N_("tell that you are typing; stored nowhere"),
    example='{"action":"typing","group":"wob"}',
)
class SendTyping(Command, frozen=True):
    """The command to tell others that the user is typing or has stopped typing.

    The receivers are the members of ``group``, or the user ``dest``, or everyone in the lobby if both are
    None.
    """

    group: _GroupName | None = None
    dest: _KnownNick | None = None
    state: _TypingState = "active"


@declare_command(
    "announce",
    json_actions=("announce",),
    semicolon_word="announce",
    slash_word="announce",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator empty too_long storage_failed",
    help=N_("tell something to everyone who is connected, wherever they are"),
    example="announce;the server restarts at noon",
)
class Announce(Command, frozen=True):
    """The command to send ``msg``, an announcement of a server operator, to every connected user."""

    msg: _AnnouncementText


@declare_command(
    "resetpassword",
    json_actions=("resetpassword",),
    semicolon_word="resetpassword",
    slash_word="resetpassword",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_user is_server_operator not_registered weak_password too_long"
    " rate_limited bad_request storage_failed",
    help=N_("give a registered user another password; the user's sessions end"),
    example="resetpassword;bob;staple of nine",
)
class ResetPassword(Command, frozen=True):
    """The command to replace the password of the registered user ``dest`` by ``new``.

    That user's sessions end.
    """

    dest: _KnownNick
    new: _NewPassword


@declare_command(
    "usertokens",
    json_actions=("usertokens",),
    semicolon_word="usertokens",
    slash_word="usertokens",
    required_role="server_operators",
    answer="tokens",
    refusal_codes="not_server_operator no_such_user",
    help=N_("list the tokens of a user"),
    example="usertokens;bob",
)
class ListUserTokens(Command, frozen=True):
    """The command to list the tokens of the user ``dest``, the oldest first, without their secrets."""

    dest: _KnownNick


@declare_command(
    "revokeusertoken",
    json_actions=("revokeusertoken",),
    semicolon_word="revokeusertoken",
    slash_word="revokeusertoken",
    required_role="server_operators",
    answer="moderation",
    refusal_codes="not_server_operator no_such_user is_server_operator no_such_token"
    " bad_request storage_failed",
    help=N_("revoke a token of a user; its sessions end"),
    example="revokeusertoken;bob;deploy",
)
class RevokeUserToken(Command, frozen=True):
    """The command to revoke the token called ``token`` of the user ``dest``, as `RevokeToken` does."""

    dest: _KnownNick
    token: _TokenName


@declare_command(
    "modlog",
    json_actions=("modlog",),
    semicolon_word="modlog",
    slash_word="modlog",
    required_role="server_operators",
    answer="moderations",
    refusal_codes="not_server_operator bad_request storage_failed",
    help=N_("list the acts of the server operators, the latest first"),
    example="modlog;",
)
class ListModerations(Command, frozen=True):
    """The command to list the moderation log, the latest entry first.

    The first ``skip`` entries are left out.
    """

    skip: _SkipCount = 0


@declare_command(
    "help",
    json_actions=("help",),
    text_verb="HELP",
    slash_word="help",
    required_role="anyone",
    required_access="read",
    answer="help",
    help=N_("list the commands"),
    example="HELP",
)
class ListCommands(Command, frozen=True):
    """The command to list all commands."""


def message_event_kind(command: SendToLobby | SendToUser | SendToGroup) -> EventKind:
    """Return the kind of the log entry for the message that ``command`` sends.

    On every wire, a message whose text begins with ``/me`` becomes an action.
    """
    return "action" if command.kind == "message" and is_action(command.msg) else command.kind
