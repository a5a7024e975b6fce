"""The commands of clients that see groups as chat channels: IRC clients.

They have no names of their own on other wires. The IRC dialect makes them from IRC's words.
"""

from __future__ import annotations

from typing import Annotated

from chatd.core.accounts import Secret
from chatd.core.declarations import Command, FieldDeclaration, declare

_Name = Annotated[str, FieldDeclaration("name", "the name of a group, empty for the lobby")]
_Nicks = Annotated[str, FieldDeclaration("note", "nicks, separated by blanks")]
_Nick = Annotated[str, FieldDeclaration("name", "a nick; empty for that of the certificate")]
_Password = Annotated[Secret, FieldDeclaration("secret", "the password of the nick")]
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
    """Prove to be the registered user ``nick``, for the login with that nick that follows.

    ``password`` is the user's password, or a token. Without a password, the client's TLS certificate proves
    it; ``nick`` may be empty then.
    """

    nick: _Nick
    password: _Password | None = None
