"""The commands that only the client has, besides those of the daemon."""

from __future__ import annotations

from typing import Final

import msgspec

from chatd.core.language import N_
from chatd.core.typed_commands import parse_slash_line


class ClientCommand(msgspec.Struct, frozen=True):
    """The description of a command that the client carries out itself, such as ``/quiet``.

    It has the usage, the help text in English, and an example of a line that a user may type.
    """

    usage: str
    help: str
    example: str


QUEUED_COMMANDS: Final = {
    "image": ClientCommand(
        "/image file", N_("turn a picture into characters and send it"), "/image photo.png"
    ),
    "paste": ClientCommand("/paste file", N_("send a text file as one message"), "/paste notes.txt"),
    "copy": ClientCommand(
        "/copy [number]", N_("copy the last message, or a number of them, to the clipboard"), "/copy 3"
    ),
}
"""The commands that wait for the lines that were typed before, by their words."""

IMMEDIATE_COMMANDS: Final = {
    "retry": ClientCommand(
        "/retry", N_("send the messages of this conversation again that the server has refused"), "/retry"
    ),
    "withdraw": ClientCommand(
        "/withdraw", N_("take back the last message of this conversation that was not sent"), "/withdraw"
    ),
    "clear": ClientCommand(
        "/clear", N_("remove answers, such as those of /search, from the screen"), "/clear"
    ),
    "quiet": ClientCommand("/quiet", N_("do not ring for this conversation, or ring again"), "/quiet"),
    "notify": ClientCommand(
        "/notify off|bell|on|always",
        N_("ring for private messages, mentions and invitations"),
        "/notify bell",
    ),
}
"""The commands on what the screen shows and keeps, which are carried out at once, by their words."""

CLIENT_COMMANDS: Final = QUEUED_COMMANDS | IMMEDIATE_COMMANDS
"""All commands of the client, by their words."""


def parse_immediate_command(typed: str) -> tuple[str, str] | None:
    """Split a typed line such as ``/quiet`` into the command word in lower case and the rest of the line.

    Return None if the line has none of the `IMMEDIATE_COMMANDS`, which the client carries out itself.
    """
    line = parse_slash_line(typed)
    if line is None or line.word.lower() not in IMMEDIATE_COMMANDS:
        return None
    return line.word.lower(), line.rest.strip()
