"""Tab completion of commands, nicks and group names, and the usage hint for the typed command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from chatd.client.client_command_table import CLIENT_COMMANDS
from chatd.client.language import _
from chatd.client.render import IMAGE_COMMAND_USAGE
from chatd.client.typed_lines import IMAGE_SLASH_WORD
from chatd.core.commands import Identify
from chatd.core.declarations import CommandDeclaration
from chatd.core.typed_commands import (
    ACTION_HELP,
    ACTION_SLASH_WORD,
    COMMANDS_BY_SEMICOLON_WORD,
    COMMANDS_BY_SLASH_WORD,
    action_usage_in,
)

_COMMANDS: Final = sorted(
    [f"/{word} " for word, row in COMMANDS_BY_SLASH_WORD.items() if row.command is not Identify]
    + [f"/{word} " for word in (IMAGE_SLASH_WORD, ACTION_SLASH_WORD, *CLIENT_COMMANDS)]
)
_WORDS: Final = sorted(
    f"{word};" for word, row in COMMANDS_BY_SEMICOLON_WORD.items() if row.command is not Identify
)


def completions(typed: str, nicks: Iterable[str], groups: Iterable[str]) -> tuple[int, list[str]]:
    """Return the index in ``typed`` at which the last word or field begins, and its completions.

    ``typed`` is the input up to the cursor. ``nicks`` and ``groups`` are the known names.
    """
    row, separator, fields = _command(typed)
    if row is not None:
        start = len(typed) - len(fields[-1])
        names = list(row.typeable_fields)[: len(fields)]
        field = row.typeable_fields[names[-1]] if len(fields) == len(names) else None
        if field is None or field.kind == "text":
            return _word(typed, nicks)
        offered = {"group": groups, "dest": nicks}.get(names[-1], field.choices)
        end = separator if len(fields) < len(row.typeable_fields) else ""
        return start, _beginning(fields[-1], (f"{name}{end}" for name in offered))
    if typed.startswith("/") and " " not in typed:
        return 0, _beginning(typed, _COMMANDS)
    start, found = _word(typed, nicks)
    return (0, [*_beginning(typed, _WORDS), *found]) if start == 0 and typed else (start, found)


def usage_hint(typed: str) -> str:
    """Return the usage and the help text of the command in the input ``typed``, or else an empty text."""
    word, space, _rest = typed.partition(" ")
    row, separator, _fields = _command(typed)
    if space and word.lower() == f"/{IMAGE_SLASH_WORD}":
        shown, help = IMAGE_COMMAND_USAGE
    elif space and word.lower().removeprefix("/") in CLIENT_COMMANDS and word.startswith("/"):
        shown, help = CLIENT_COMMANDS[word.lower().removeprefix("/")]
    elif space and word.lower() == f"/{ACTION_SLASH_WORD}":
        shown, help = action_usage_in(_), ACTION_HELP
    elif row is not None:
        shown, help = (row.slash_usage_in(_) if separator == " " else row.preferred_usage), row.help
    else:
        return ""
    return _("{usage}: {help}").format(usage=shown, help=_(help))


def _command(typed: str) -> tuple[CommandDeclaration | None, str, Sequence[str]]:
    """Return the command that ``typed`` begins with, the separator of its fields, and the fields so far.

    The command is None if ``typed`` begins with no known command. The last field may be unfinished.
    """
    if typed.startswith("/"):
        word, space, rest = typed[1:].partition(" ")
        return (COMMANDS_BY_SLASH_WORD.get(word.lower()) if space else None), " ", rest.split(" ")
    word, semicolon, rest = typed.partition(";")
    return (COMMANDS_BY_SEMICOLON_WORD.get(word.strip().lower()) if semicolon else None), ";", rest.split(";")


def _word(typed: str, nicks: Iterable[str]) -> tuple[int, list[str]]:
    """Return the index of the last word of ``typed``, and the nicks that begin like that word."""
    start = max(typed.rfind(" "), typed.rfind("\n")) + 1
    return start, _beginning(typed[start:], nicks) if typed[start:] else []


def _beginning(begun: str, offered: Iterable[str]) -> list[str]:
    return sorted(one for one in offered if one.casefold().startswith(begun.casefold()))
