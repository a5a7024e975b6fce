"""The commands that only the full screen has: they concern what it shows and keeps, and are not sent."""

from __future__ import annotations

from typing import Final

from chatd.core.language import N_
from chatd.core.typed_commands import parse_slash

CLIENT_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "retry": ("/retry", N_("send the messages of this conversation again that the server has refused")),
    "withdraw": ("/withdraw", N_("take back the last message of this conversation that was not sent")),
    "quiet": ("/quiet", N_("do not ring for this conversation, or ring again")),
    "notify": ("/notify off|bell|on|always", N_("ring for private messages, mentions and invitations")),
}
"""The word of each command, its usage and its help text."""


def parse_client_command(typed: str) -> tuple[str, str] | None:
    """Return the word, in lower case, and the rest of a line with one of the `CLIENT_COMMANDS`.

    Return None for any other line.
    """
    line = parse_slash(typed)
    if line is None or line.word.lower() not in CLIENT_COMMANDS:
        return None
    return line.word.lower(), line.rest.strip()
