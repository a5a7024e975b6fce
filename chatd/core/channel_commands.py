"""The commands of clients that see groups as chat channels: IRC clients.

They have no names of their own on other wires. The IRC dialect makes them from IRC's words.
"""

from __future__ import annotations

from typing import Annotated, Literal

from chatd.core.declarations import Command, FieldDeclaration, declare

_Name = Annotated[str, FieldDeclaration("name", "the name of a group, empty for the lobby")]
_Nicks = Annotated[str, FieldDeclaration("note", "nicks, separated by blanks")]
_Receiver = Annotated[str, FieldDeclaration("name", "the nick of the receiver")]
_Text = Annotated[str, FieldDeclaration("note", "a text; empty for none")]


@declare(
    "channel",
    required_role="identified",
    required_access="read",
    answer="channel",
    refusal_codes="no_such_group",
    help="show a group or the lobby with the members who are online",
    example="NAMES #wob",
)
class ShowChannel(Command, frozen=True):
    """Show ``group``, or the lobby if it is empty, with its topic and those of its members who are online."""

    group: _Name = ""


@declare(
    "users",
    required_role="identified",
    required_access="read",
    answer="users",
    help="show what is known of users",
    example="WHOIS bob",
)
class ShowUsers(Command, frozen=True):
    """Show what may be known of the users with the ``nicks``. Unknown nicks are left out."""

    nicks: _Nicks


@declare(
    "profile",
    required_role="identified",
    required_access="write",
    answer="profile",
    refusal_codes="too_long",
    help="say that you are away, or what your name is",
    example="AWAY :having lunch",
)
class SetProfile(Command, frozen=True):
    """Change what others are shown of this session: the ``realname``, or why its user is ``away``.

    A field that is None is left as it is. An empty ``away`` means that the user is back.
    """

    realname: _Text | None = None
    away: _Text | None = None


@declare(
    "statistics",
    required_role="identified",
    required_access="read",
    answer="statistics",
    help="count users and groups",
    example="LUSERS",
)
class ShowStatistics(Command, frozen=True):
    """Count the users, the connections and the groups."""


@declare(
    "transient",
    required_role="identified",
    required_access="write",
    answer="none",
    refusal_codes="no_such_user no_such_group not_member muted registered_only account_closed rate_limited",
    help="tell other clients in passing, without a trace in the log",
    example="TAGMSG #wob",
)
class SendTransient(Command, frozen=True):
    """Send ``tags``, or a ``text`` from client to client, to the user ``dest``, or else to ``group``.

    An empty ``group`` is the lobby. ``kind`` is as in `Transient`; a text is for a user only.
    """

    group: _Name = ""
    dest: _Receiver | None = None
    kind: Annotated[
        Literal["tags", "message", "notice"],
        FieldDeclaration("choice", "what it is", choices=("tags", "message", "notice")),
    ] = "tags"
    tags: Annotated[
        tuple[tuple[str, str], ...], FieldDeclaration("note", "tags, as pairs of a key and a value")
    ] = ()
    text: _Text = ""
