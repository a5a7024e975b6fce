"""The one table of commands.

Each command is declared once, with its fields and limits, who may use it, its answer, its refusals, its help
line and an example. JSON validation, the ``;`` commands, ``HELP`` and SPEC.md's tables are derived from this
table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_type_hints

import msgspec

from chatd.core.language import N_
from chatd.core.limits import Limits
from chatd.core.refusals import SENTENCES, Phrase, Refusal, reason

Who = Literal["anyone", "identified", "members", "operators", "owner"]
AnswerName = Literal[
    "hello",
    "ack",
    "clients",
    "members",
    "messages",
    "groups",
    "states",
    "history",
    "conversations",
    "help",
    "quit",
]

ID_MAX: Final = 2**63 - 1
"""The largest id: ids are SQLite integers."""


class Field(msgspec.Struct, frozen=True):
    """The values that a field of a command accepts.

    ``kind`` is ``name`` (a nick or a group), ``text`` (a message), ``note`` (a reason, a topic), ``choice``
    (one of ``choices``), ``id`` (0 … 2**63-1) or ``count`` (1 or more). ``aliases`` are the field's other
    names in JSON. A field that is not ``typed`` exists only in JSON.
    """

    kind: Literal["name", "text", "note", "choice", "id", "count"]
    doc: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    typed: bool = True

    def check(self, name: str, value: object, limits: Limits, image: bool = False) -> str | int:
        """Return ``value`` if the field accepts it; ids and counts given as digits become integers.

        ``image`` selects the size limit of images for a text. Raises `Refusal`.
        """
        if self.kind in ("id", "count"):
            return self._number(name, value)
        if not isinstance(value, str):
            raise Refusal("bad_request", why=reason("no_string", name=Phrase(name)))
        if self.kind == "text":
            return measured(value, name, limits.image if image else limits.message, blank=False)
        if self.kind == "note":
            return measured(value, name, limits.note)
        if self.kind == "choice" and value not in self.choices:
            choices = ", ".join(self.choices)
            raise Refusal("bad_request", why=reason("no_choice", name=Phrase(name), choices=choices))
        return value

    def _number(self, name: str, value: object) -> int:
        low = 0 if self.kind == "id" else 1
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= ID_MAX:
            raise Refusal("bad_request", why=reason("no_number", name=Phrase(name), low=low))
        return value


def measured(text: str, what: str, limit: int, blank: bool = True) -> str:
    """Return ``text`` unchanged; ``what`` names it in a refusal.

    Raises `Refusal`: ``too_long`` if its UTF-8 form exceeds ``limit`` bytes, ``empty`` if it is blank and
    ``blank`` is false.
    """
    if len(text) * 4 > limit and len(text.encode()) > limit:
        raise Refusal("too_long", what=Phrase(what), limit=limit)
    if not blank and not text.strip():
        raise Refusal("empty")
    return text


NickField = Annotated[str, Field("name", "the user's nick", ("from", "sender", "name"))]
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
ReasonField = Annotated[str, Field("note", "the reason, delivered with the event")]
TopicField = Annotated[str, Field("note", "the topic of the group; empty for none")]
VisibilityField = Annotated[
    str,
    Field(
        "choice",
        "whether everyone sees the group and may join it, or only invited users",
        ("type", "groupType", "typeg", "public", "isPublic", "private"),
        ("public", "private"),
    ),
]
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
BeforeField = Annotated[int, Field("id", "only entries with a smaller id")]
AfterField = Annotated[int, Field("id", "only entries with a larger id, oldest first")]
LimitField = Annotated[int, Field("count", "the maximum number of entries in the page")]
SkipField = Annotated[
    int, Field("id", "the number of entries to skip, to continue a list that came with more")
]

TYPED: Final = (
    N_("nick"),
    N_("dest"),
    N_("msg"),
    N_("group"),
    N_("reason"),
    N_("topic"),
    N_("visibility"),
    N_("limit"),
    N_("before"),
    N_("after"),
    N_("skip"),
)
"""The names of typed fields, as usage lines show them."""


class Command(msgspec.Struct, frozen=True, eq=False):
    """A decoded request of a client. Each subclass is a row of the table."""


C = TypeVar("C", bound=type[Command])


class Declaration(msgspec.Struct, frozen=True, eq=False):
    """A row of the table: one command.

    ``actions`` are its JSON names, chatd's own first. ``word`` is its name on a typed line (before the first
    ``;``), ``keyword`` its verb in the WHO/IAM protocol, ``slash`` its name after a ``/`` in the chat room.
    ``fields`` are in typed order. With ``here`` the group is optional in the chat room and defaults to the
    client's current room.
    """

    command: type[Command]
    name: str
    actions: tuple[str, ...]
    word: str
    keyword: str
    slash: str
    here: bool
    who: Who
    answer: AnswerName
    refused: tuple[str, ...]
    help: str
    example: str
    fields: dict[str, Field]
    required: frozenset[str]

    def build(self, values: Mapping[str, object], limits: Limits) -> Command:
        """The command with these ``values``, keyed by field name; None means absent. Raises `Refusal`."""
        image = values.get("kind") == "image"
        checked: dict[str, str | int] = {}
        for name, field in self.fields.items():
            value = values.get(name)
            if value is not None:
                checked[name] = field.check(name, value, limits, image)
            elif name in self.required:
                raise Refusal("bad_request", why=reason("missing", command=self.name, name=Phrase(name)))
        return self.command(**checked)

    @property
    def reads(self) -> bool:
        """Whether the command only reads from the log."""
        return self.answer in ("messages", "states", "history", "conversations")

    @property
    def typed(self) -> dict[str, Field]:
        """The fields of the typed form, in order."""
        return {name: field for name, field in self.fields.items() if field.typed}

    @property
    def usage(self) -> str:
        """The typed usage: ``kick;group;dest[;reason]``, else ``PRV dest msg``, else ``/join group``."""
        if self.word:
            parts = [f";{name}" if name in self.required else f"[;{name}]" for name in self.typed]
            return self.word + ("".join(parts) or ";")
        return " ".join((self.keyword, *self.typed)) if self.keyword else self.slash_usage

    @property
    def slash_usage(self) -> str:
        """The usage in the chat room, ``/kick group dest [reason]``; empty if there is none."""
        return self.slash_usage_in(str)

    def slash_usage_in(self, translate: Callable[[str], str]) -> str:
        """The usage in the chat room, with ``translate`` applied to the field names (`TYPED`)."""
        if not self.slash:
            return ""
        needed = self.required - {"group"} if self.here else self.required
        parts = [f" {translate(name)}" if name in needed else f" [{translate(name)}]" for name in self.typed]
        return f"/{self.slash}{''.join(parts)}"


COMMANDS: Final[dict[str, Declaration]] = {}
"""Name -> declaration, in the order of SPEC.md."""

DECLARED: Final[dict[type[Command], Declaration]] = {}
"""Command class -> declaration."""


def declare(
    name: str,
    *,
    who: Who,
    answer: AnswerName,
    help: str,
    example: str,
    actions: tuple[str, ...] = (),
    word: str = "",
    keyword: str = "",
    slash: str = "",
    here: bool = False,
    refused: str = "",
) -> Callable[[C], C]:
    """A class decorator that adds a command to the table.

    ``refused`` lists the command's own refusal codes, separated by spaces.
    """

    def enter(command: C) -> C:
        hints = get_type_hints(command, include_extras=True)
        fields = {f.name: _field_of(hints[f.name]) for f in msgspec.structs.fields(command)}
        required = frozenset(f.name for f in msgspec.structs.fields(command) if f.required)
        codes = tuple(refused.split())
        assert set(codes) <= set(SENTENCES), codes
        row = Declaration(
            command,
            name,
            actions,
            word,
            keyword,
            slash,
            here,
            who,
            answer,
            codes,
            help,
            example,
            fields,
            required,
        )
        COMMANDS[name] = DECLARED[command] = row
        return command

    return enter


def _field_of(hint: Any) -> Field:
    """The `Field` in an annotation such as ``Annotated[int, Field(…)]``, optional or not."""
    metadata = get_args(hint)[-1]
    return metadata if isinstance(metadata, Field) else _field_of(get_args(hint)[0])


# Refusals that every command on a group has.
_GROUP = "no_such_group not_member"
_ON_MEMBER = f"{_GROUP} not_operator no_such_user is_owner"


@declare(
    "hello",
    actions=("client-hello", "client-connection", "connection"),
    keyword="IAM",
    who="anyone",
    answer="hello",
    refused="bad_nick nick_taken not_you bad_request storage_failed",
    help=N_("log in with a nick"),
    example="IAM alice",
)
class Hello(Command, frozen=True):
    """Log in as ``nick``, or as a guest without one, and choose what a returning user gets."""

    nick: NickField = ""
    since: SinceField | None = None
    missed: MissedField = "send"
    history: HistoryField = "send"


@declare(
    "quit",
    actions=("client-quit", "quit", "client-error"),
    keyword="BYE",
    slash="quit",
    who="anyone",
    answer="quit",
    help=N_("leave the chat"),
    example="BYE",
)
class Quit(Command, frozen=True):
    """Log out; the daemon answers and closes the connection."""


@declare(
    "clients",
    actions=("client-list-clients", "list"),
    keyword="WHO",
    slash="who",
    who="identified",
    answer="clients",
    help=N_("list the connected users"),
    example="WHO",
)
class ListClients(Command, frozen=True):
    """List the nicks of the connected users."""

    skip: SkipField = 0


@declare(
    "broadcast",
    actions=("client-broadcast", "broadcast"),
    keyword="MSG",
    slash="all",
    who="identified",
    answer="ack",
    refused="empty too_long ref_reused storage_failed",
    help=N_("send a message to everyone"),
    example="MSG hello all",
)
class Broadcast(Command, frozen=True):
    """Send a message to the lobby."""

    msg: TextField
    kind: KindField = "message"


@declare(
    "send",
    actions=("client-send", "send", "sendTo"),
    keyword="PRV",
    word="s",
    slash="msg",
    who="identified",
    answer="ack",
    refused="no_such_user empty too_long ref_reused storage_failed",
    help=N_("send a message to one user, who gets it later if away"),
    example="s;bob;hello",
)
class Send(Command, frozen=True):
    """Send a message to the direct conversation with one user."""

    dest: UserField
    msg: TextField
    kind: KindField = "message"


@declare(
    "cgroupe",
    actions=("cgroupe", "cgroup", "cgroupeprive", "cgroupeprivé"),
    word="cg",
    slash="create",
    who="identified",
    answer="ack",
    refused="bad_group group_exists storage_failed",
    help=N_("create a group that you own, public by default"),
    example="cg;wob;private",
)
class CreateGroup(Command, frozen=True):
    """Create a group; its creator becomes the owner."""

    group: GroupField
    visibility: VisibilityField = "public"


@declare(
    "join",
    actions=("join", "joinpr"),
    word="j",
    who="identified",
    answer="ack",
    refused="no_such_group already_member not_invited banned storage_failed",
    help=N_("join a group; a private group requires an invitation"),
    example="j;wob",
)
class Join(Command, frozen=True):
    """Become a member of a group."""

    group: GroupField


@declare(
    "enter",
    slash="join",
    who="identified",
    answer="ack",
    refused="bad_group no_such_group not_invited banned storage_failed",
    help=N_("enter a room (a group), joining it first if necessary"),
    example="/join wob",
)
class Enter(Command, frozen=True):
    """Make a group the current room of a TP6 client, joining it first. An empty group means the lobby."""

    group: GroupField
    missing: MissingField = "refuse"


@declare(
    "gbroadcast",
    actions=("gbroadcast", "bgroup"),
    word="bg",
    slash="say",
    who="members",
    answer="ack",
    refused=f"{_GROUP} empty too_long ref_reused storage_failed",
    help=N_("send a message to a group"),
    example="bg;wob;hello",
)
class GroupBroadcast(Command, frozen=True):
    """Send a message to a group."""

    group: GroupField
    msg: TextField
    kind: KindField = "message"


@declare(
    "members",
    actions=("members",),
    word="members",
    slash="members",
    who="members",
    answer="members",
    refused=_GROUP,
    help=N_("list the members of a group"),
    example="members;wob",
)
class ListMembers(Command, frozen=True):
    """List the members of a group with their roles."""

    group: GroupField
    skip: SkipField = 0


@declare(
    "msgs",
    actions=("msgs", "messages"),
    word="messages",
    slash="messages",
    who="members",
    answer="messages",
    refused=f"{_GROUP} bad_request storage_failed",
    help=N_("read the messages of a group"),
    example="messages;wob",
)
class ListMessages(Command, frozen=True):
    """Read a page of the messages of a group."""

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
    answer="groups",
    help=N_("list the groups that you can see"),
    example="groups;",
)
class ListGroups(Command, frozen=True):
    """List the groups that the user can see."""

    skip: SkipField = 0


@declare(
    "leave",
    actions=("leave",),
    word="leave",
    slash="leave",
    here=True,
    who="members",
    answer="ack",
    refused=f"{_GROUP} storage_failed",
    help=N_("leave a group"),
    example="leave;wob",
)
class Leave(Command, frozen=True):
    """Give up the membership of a group."""

    group: GroupField


@declare(
    "invite",
    actions=("invite",),
    word="invite",
    slash="invite",
    who="members",
    answer="ack",
    refused=f"{_GROUP} no_such_user already_member already_invited banned storage_failed",
    help=N_("invite a user to a group"),
    example="invite;wob;bob",
)
class Invite(Command, frozen=True):
    """Allow a user to join a group, and notify the user."""

    group: GroupField
    dest: UserField


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
    """End the membership of a user."""

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
    """End the membership of a user and refuse further joins."""

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
    """Lift the ban of a user."""

    group: GroupField
    dest: UserField


@declare(
    "states",
    actions=("states",),
    word="states",
    slash="states",
    who="members",
    answer="states",
    refused=f"{_GROUP} bad_request storage_failed",
    help=N_("read the events of a group"),
    example="states;wob",
)
class ListStates(Command, frozen=True):
    """Read a page of the events of a group."""

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
    """Give a member the role of operator."""

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
    """Take the role of operator from a member."""

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
    """Make a group public or private."""

    group: GroupField
    visibility: VisibilityField


@declare(
    "topic",
    actions=("topic",),
    word="topic",
    slash="topic",
    who="operators",
    answer="ack",
    refused=f"{_GROUP} not_operator too_long storage_failed",
    help=N_("set the topic of a group"),
    example="topic;wob;the weather",
)
class SetTopic(Command, frozen=True):
    """Set the topic of a group, or clear it."""

    group: GroupField
    topic: TopicField = ""


@declare(
    "history",
    actions=("history",),
    word="history",
    slash="history",
    who="identified",
    answer="history",
    refused=f"no_such_user {_GROUP} bad_request storage_failed",
    help=N_("read your messages with a user; without a nick, those of the lobby"),
    example="history;bob",
)
class History(Command, frozen=True):
    """Read a page of a conversation: direct, a group or the lobby."""

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
    answer="conversations",
    refused="bad_request storage_failed",
    help=N_("list your conversations, the most recent first"),
    example="conversations;",
)
class ListConversations(Command, frozen=True):
    """List the conversations of the user with their unread counts."""

    skip: SkipField = 0


@declare(
    "help",
    actions=("help",),
    keyword="HELP",
    slash="help",
    who="anyone",
    answer="help",
    help=N_("list the commands"),
    example="HELP",
)
class AskHelp(Command, frozen=True):
    """List the commands with their usage."""
