"""The commands of clients that see groups as chat channels: IRC clients.

They have no names of their own on other wires. The IRC dialect makes them from IRC's words.
"""

from __future__ import annotations

from typing import Annotated, Literal

from chatd.core.accounts import Secret
from chatd.core.commands import Ban, DeleteMessage, ReactToMessage, TakeReactionBack
from chatd.core.declarations import Command, FieldDeclaration, declare_command

_Name = Annotated[str, FieldDeclaration("name", "the name of a group, empty for the lobby")]
_Nicks = Annotated[str, FieldDeclaration("note", "nicks, separated by blanks")]
_Receiver = Annotated[str, FieldDeclaration("name", "the nick of the receiver")]
_Nick = Annotated[str, FieldDeclaration("name", "a nick; empty for that of the certificate")]
_Friend = Annotated[str, FieldDeclaration("name", "the other user of a direct conversation")]
_Password = Annotated[Secret, FieldDeclaration("secret", "the password of the nick")]
_Group = Annotated[str, FieldDeclaration("name", "the name of a group")]
_KnownNick = Annotated[str, FieldDeclaration("name", "the nick of a known user")]
_Time = Annotated[int, FieldDeclaration("time", "up to when it was read")]
_Account = Annotated[str, FieldDeclaration("name", "the nick of a server operator")]
_Text = Annotated[str, FieldDeclaration("note", "a text; empty for none")]
_Mask = Annotated[str, FieldDeclaration("note", "a mask of nicks, with * and ?")]
_WatchList = Annotated[str, FieldDeclaration("note", "nicks, separated by commas")]
_Details = Annotated[
    Literal["presence", "groups"],
    FieldDeclaration("choice", "whether their groups are shown as well", (), ("presence", "groups")),
]
_WatchChange = Annotated[
    Literal["add", "remove", "clear", "list", "status"],
    FieldDeclaration(
        "choice", "what is done with the list", (), ("add", "remove", "clear", "list", "status")
    ),
]


@declare_command(
    "channel",
    required_role="identified",
    required_access="read",
    answer="channel",
    refusal_codes="no_such_group",
    help="show a group or the lobby with the members who are online",
    example="NAMES #wob",
)
class ShowChannel(Command, frozen=True):
    """The command to show ``group``, or the lobby if it is empty, with its topic and its members who are
    online.
    """

    group: _Name = ""


@declare_command(
    "enterlobby",
    required_role="identified",
    required_access="read",
    answer="channel",
    refusal_codes="out_of_scope",
    help="have this session enter the lobby",
    example="JOIN #lobby",
)
class EnterLobby(Command, frozen=True):
    """The command by which this session enters the lobby.

    From then on, the session is sent the messages there, and notices of users who log in and out.
    """


@declare_command(
    "leavelobby",
    required_role="identified",
    required_access="read",
    answer="channel",
    refusal_codes="not_member",
    help="have this session leave the lobby",
    example="PART #lobby",
)
class LeaveLobby(Command, frozen=True):
    """The command by which this session leaves the lobby. Other sessions of the user stay in the lobby."""


@declare_command(
    "users",
    required_role="identified",
    required_access="read",
    answer="users",
    help="show what is known of users",
    example="WHOIS bob",
)
class ShowUsers(Command, frozen=True):
    """The command to show the users with the ``nicks``, as far as the reader may know of them.

    Unknown nicks are left out. If ``details`` is ``groups``, the answer has the groups of those users, too.
    """

    nicks: _Nicks
    details: _Details = "groups"


@declare_command(
    "find",
    required_role="identified",
    required_access="read",
    answer="users",
    help="find users who are online by a mask of their nicks",
    example="WHO al*",
)
class FindUsers(Command, frozen=True):
    """The command to list the users who are online and whose nicks match ``mask``, in the order of their
    logins.
    """

    mask: _Mask


@declare_command(
    "watch",
    required_role="identified",
    required_access="read",
    answer="watched",
    help="be told when users come and go",
    example="MONITOR + bob",
)
class WatchUsers(Command, frozen=True):
    """The command to change or show the watch list of this session.

    When a user whose nick is in the list logs in or out, the session is sent a notice. ``add`` adds the
    ``nicks`` to the list, ``remove`` removes them, and ``clear`` empties the list. ``list`` asks for the
    nicks in the list, ``status`` for those of them that are online.
    """

    change: _WatchChange
    nicks: _WatchList = ""


@declare_command(
    "profile",
    required_role="identified",
    required_access="write",
    answer="profile",
    refusal_codes="too_long",
    help="say that you are away, or what your name is",
    example="AWAY :having lunch",
)
class SetProfile(Command, frozen=True):
    """The command to change the profile of this session, which other users can see.

    ``realname`` is the name that is shown, ``away`` says why the user is away, and ``is_bot`` says whether a
    program uses the session. A field that is None is not changed. An empty ``away`` means that the user is
    back.
    """

    realname: _Text | None = None
    away: _Text | None = None
    is_bot: (
        Annotated[Literal["yes", "no"], FieldDeclaration("choice", "whether it is a bot", (), ("yes", "no"))]
        | None
    ) = None


@declare_command(
    "statistics",
    required_role="identified",
    required_access="read",
    answer="statistics",
    help="count users and groups",
    example="LUSERS",
)
class ShowStatistics(Command, frozen=True):
    """The command to show how many users are online or were ever known, and how many groups the user
    may see.
    """


@declare_command(
    "mark read until",
    required_role="identified",
    answer="read_time",
    refusal_codes="no_such_user no_such_group not_member account_closed registered_only muted bad_request"
    " storage_failed",
    help="show or move the time up to which you have read",
    example="MARKREAD #wob",
)
class MarkReadUntilTime(Command, frozen=True):
    """The command to show the user's read mark in a conversation, after moving it forward to ``time`` if
    given.

    The conversation is that of ``group``, or the direct one with the user ``dest``, or the lobby if both are
    None. ``time`` is in milliseconds since 1970. The mark moves to the last entry that is not later than
    ``time``. The time is stored with the mark; if ``time`` is in the future, the present time is stored
    instead.
    """

    group: _Group | None = None
    dest: _KnownNick | None = None
    time: _Time | None = None


@declare_command(
    "authenticate",
    required_role="anyone",
    required_access="read",
    answer="authenticated",
    refusal_codes="wrong_password token_expired already_identified too_long rate_limited bad_request"
    " storage_failed",
    help="prove who you are before you log in",
    example="AUTHENTICATE PLAIN",
)
class Authenticate(Command, frozen=True):
    """The command by which a client proves, before the login, that it belongs to the registered user
    ``nick``.

    ``password`` is the user's password, or the secret of a token. Without a password, the client's TLS
    certificate is the proof. In that case ``nick`` may be empty, and the user is the one named in the
    certificate.
    """

    nick: _Nick
    password: _Password | None = None


@declare_command(
    "ban account",
    required_role="operators",
    answer="ack",
    refusal_codes="no_such_group not_member not_operator no_such_user not_registered is_owner already_banned"
    " too_long storage_failed",
    help="ban a registered user from a group",
    example="MODE #wob +b ~a:bob",
)
class BanAccount(Ban, frozen=True):
    """The command to ban the user ``dest`` as `Ban` does, on condition that the user is registered."""


@declare_command(
    "register before login",
    required_role="anyone",
    answer="authenticated",
    refusal_codes="bad_nick nick_taken password_required already_identified weak_password too_long blocked"
    " rate_limited bad_request storage_failed",
    help="register a nick before you log in",
    example="REGISTER * * secret",
)
class RegisterBeforeLogin(Command, frozen=True):
    """The command to register ``nick`` with the ``password`` before the login.

    No user may have the nick, and no client may be using it. The login with the nick that follows needs no
    password, as after `Authenticate`.
    """

    nick: _Nick
    password: _Password


@declare_command(
    "oper",
    required_role="identified",
    answer="operator_rights",
    refusal_codes="wrong_password rate_limited out_of_scope storage_failed",
    help="act as an operator of the server in this session",
    example="OPER judge secret",
)
class BecomeOperator(Command, frozen=True):
    """The command to give this session the rights of the server operator ``account``, given the
    ``password``.
    """

    account: _Account
    password: _Password


@declare_command(
    "resign",
    required_role="identified",
    answer="operator_rights",
    refusal_codes="out_of_scope",
    help="act as an operator of the server no longer",
    example="MODE alice -o",
)
class ResignOperator(Command, frozen=True):
    """The command to give up the rights that this session has got by `BecomeOperator`, if any."""


@declare_command(
    "redact",
    required_role="authors",
    required_access="write",
    answer="deletion",
    refusal_codes="no_such_group not_member no_such_user no_such_message not_operator not_server_operator"
    " too_long bad_request storage_failed",
    help="delete the text of a message",
    example="REDACT #wob 17 :spam",
)
class DeleteMessageInConversation(DeleteMessage, frozen=True):
    """The command to delete a message as `DeleteMessage` does, on condition that it is in one conversation.

    The conversation is that of ``group``, or the direct one with ``dest``, or the lobby if both are None.
    """

    group: _Name | None = None
    dest: _Friend | None = None


@declare_command(
    "react in channel",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_group not_member no_such_user no_such_message bad_reaction already_reacted"
    " too_many_reactions too_long bad_request storage_failed storage_full",
    help="react to a message",
    example="@+draft/react=:);+draft/reply=17 TAGMSG #wob",
)
class ReactInChannel(ReactToMessage, frozen=True):
    """The command to react to a message as `ReactToMessage` does, on condition that it is in one
    conversation.

    The conversation is that of ``group``, or the direct one with ``dest``, or the lobby if both are None.
    """

    group: _Name | None = None
    dest: _Friend | None = None


@declare_command(
    "unreact in channel",
    required_role="identified",
    required_access="write",
    answer="ack",
    refusal_codes="no_such_group not_member no_such_user no_such_message bad_reaction no_such_reaction"
    " too_long bad_request storage_failed storage_full",
    help="take a reaction to a message back",
    example="@+draft/unreact=:);+draft/reply=17 TAGMSG #wob",
)
class UnreactInChannel(TakeReactionBack, frozen=True):
    """The command to remove a reaction as `TakeReactionBack` does, on condition that it is in one
    conversation.

    The conversation is given as in `ReactInChannel`.
    """

    group: _Name | None = None
    dest: _Friend | None = None


@declare_command(
    "transient",
    required_role="identified",
    required_access="write",
    answer="none",
    refusal_codes="no_such_user no_such_group not_member muted registered_only account_closed rate_limited",
    help="tell other clients in passing, without a trace in the log",
    example="TAGMSG #wob",
)
class SendTransientMessage(Command, frozen=True):
    """The command to send a message that is not stored: a ``text``, or ``tags`` such as a typing notice.

    The receiver is the user ``dest``, or else the members of ``group``. An empty ``group`` is the lobby. A
    text can be sent only to a user, or to the owner and the operators of a group: in the second case
    ``receivers`` is ``operators``. ``kind`` is as in `TransientMessage`.
    """

    group: _Name = ""
    dest: _Receiver | None = None
    kind: Annotated[
        Literal["tags", "message", "notice"],
        FieldDeclaration("choice", "what it is", choices=("tags", "message", "notice")),
    ] = "tags"
    receivers: Annotated[
        Literal["everyone", "operators"],
        FieldDeclaration("choice", "who of a group is sent it", choices=("everyone", "operators")),
    ] = "everyone"
    tags: Annotated[
        tuple[tuple[str, str], ...], FieldDeclaration("note", "tags, as pairs of a key and a value")
    ] = ()
    text: _Text = ""
