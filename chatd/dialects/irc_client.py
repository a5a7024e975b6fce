"""What the IRC dialect knows of one client, and how it names users, groups and the daemon."""

from __future__ import annotations

from typing import Final

import msgspec

from chatd.core.accounts import Secret
from chatd.core.events import Conversation
from chatd.core.refusals import Refusal
from chatd.dialects.irc_lines import format_line
from chatd.dialects.irc_numerics import NUMERICS

SERVER_NAME: Final = "chatd"
"""The name of the daemon on IRC, and the host of all users: nobody is shown an address."""

LOBBY_CHANNEL: Final = "#lobby"
"""The channel that is the lobby."""

CAPABILITIES: Final[dict[str, str]] = {
    "account-notify": "",
    "account-tag": "",
    "away-notify": "",
    "batch": "",
    "cap-notify": "",
    "chghost": "",
    "draft/account-registration": "",
    "echo-message": "",
    "extended-join": "",
    "invite-notify": "",
    "labeled-response": "",
    "message-tags": "",
    "multi-prefix": "",
    "no-implicit-names": "",
    "sasl": "PLAIN,EXTERNAL",
    "server-time": "",
    "setname": "",
    "standard-replies": "",
    "userhost-in-names": "",
}
"""The capabilities that are offered, with their values for clients of version 302."""


class IrcClient(msgspec.Struct, frozen=True):
    """What one client has said so far.

    ``nick`` is its nick once it is logged in, before that empty. ``wanted_nick``, ``username``, ``realname``
    and ``password`` are for its login; so is ``verified_nick``, the nick of the registered user that it has
    proved to be by SASL. While it proves that, ``mechanism`` is how, and ``sasl_response`` is what it has
    sent of its response, in base64. ``account`` is its nick once it is logged in, if that is registered.
    ``capabilities`` are those that it has asked for and got; with
    ``cap_version`` 302 it is told their values. While it ``is_negotiating``, it is not logged in.
    """

    nick: str = ""
    wanted_nick: str = ""
    username: str = ""
    realname: str = ""
    password: Secret | None = None
    verified_nick: str = ""
    mechanism: str = ""
    sasl_response: Secret = Secret("")
    account: str = ""
    capabilities: frozenset[str] = frozenset()
    cap_version: int = 301
    is_negotiating: bool = False

    def numeric(self, name: str, *params: str, text: str | None = None, **details: object) -> bytes:
        """Return the numeric ``name`` of `NUMERICS` with ``params``, then ``text`` or else the table's text,
        filled with ``details``. If ``text`` is None and the table has none, ``params`` are all.
        """
        code, template = NUMERICS[name]
        if text is None and template:
            text = template.format(**details)
        return self.numeric_line(code, *params, *(() if text is None else (text,)))

    def numeric_line(self, code: str, *params: str) -> bytes:
        """Return the numeric ``code`` with ``params``, which are made fit for a line."""
        *middle, last = params
        words = [word(one) for one in middle]
        return format_line(code, self.nick or "*", *words, last, source=SERVER_NAME)

    def notice(self, text: str, target: str = "") -> bytes:
        """Return a notice of the daemon to the client, or to the channel ``target``."""
        return format_line("NOTICE", target or self.nick or "*", text, source=SERVER_NAME, trailing=True)


def word(text: str) -> str:
    """Return ``text`` as a parameter that is not the last: without blanks, not empty, no colon in front."""
    text = "_".join(text.split()) or "*"
    return f"_{text}" if text[0] == ":" else text


def source_of(nick: str) -> str:
    """Return the source of lines from the user ``nick``: ``nick!nick@chatd``."""
    return f"{nick}!{nick}@{SERVER_NAME}"


def channel_name(group: str) -> str:
    """Return the channel of ``group``: ``#wob`` for ``wob``, the lobby's if ``group`` is empty.

    A group called lobby, which is older than the reservation of that name, is ``##lobby``.
    """
    if not group:
        return LOBBY_CHANNEL
    return f"##{group}" if group.casefold() == "lobby" else f"#{group}"


def channel_of(conversation: Conversation) -> str:
    """Return the channel of ``conversation``, which is the lobby or a group's."""
    return channel_name(conversation.name)


def group_name(channel: str) -> str:
    """Return the group of ``channel``, empty for the lobby. Raises `Refusal` ``no_such_group`` for what is no
    channel.
    """
    if channel.casefold() == LOBBY_CHANNEL:
        return ""
    if not channel.startswith("#") or channel == "#":
        raise Refusal("no_such_group", group=channel)
    name = channel[1:]
    return "lobby" if name.casefold() == "#lobby" else name
