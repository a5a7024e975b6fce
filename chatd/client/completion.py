"""Tab completion of commands, nicks and group names, and the usage hint for the typed command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from chatd.client.client_command_table import CLIENT_COMMANDS
from chatd.client.codec import LOBBY, ConversationRef
from chatd.client.command_usage import displayed_field_name
from chatd.client.implied_group import (
    GROUP_NAME_PREFIX,
    KnownNames,
    has_implied_group,
    slash_usage_in_conversation,
)
from chatd.client.language import _
from chatd.client.typed_lines import SLASH_ALIASES
from chatd.core.commands import Identify
from chatd.core.declarations import CommandDeclaration
from chatd.core.typed_commands import (
    COMMANDS_BY_SEMICOLON_WORD,
    COMMANDS_BY_SLASH_WORD,
    ME_HELP,
    ME_SLASH_WORD,
    translated_me_usage,
)

_COMMANDS: Final = sorted(
    [f"/{word} " for word, row in COMMANDS_BY_SLASH_WORD.items() if row.command is not Identify]
    + [f"/{word} " for word in (*CLIENT_COMMANDS, ME_SLASH_WORD, *SLASH_ALIASES)]
)
_WORDS: Final = sorted(
    f"{word};" for word, row in COMMANDS_BY_SEMICOLON_WORD.items() if row.command is not Identify
)


def completions(typed: str, known: KnownNames, here: ConversationRef = LOBBY) -> tuple[int, list[str]]:
    """Return the completions of the last word or field in ``typed``, and the index where that word begins.

    ``typed`` is the input up to the cursor, and ``here`` is the conversation on the screen. Names of members
    of ``here`` come first. If ``here`` is a group, its name comes before the names of other groups.
    """
    row, separator, fields = _command(typed)
    if row is not None:
        start = len(typed) - len(fields[-1])
        names = list(row.typeable_fields)
        is_implied = separator == " " and has_implied_group(row, here)
        offered: list[str] = []
        if is_implied and (len(fields) == 1 or not _is_group(fields[0], known, here)):
            names = names[1:]
            if len(fields) == 1:
                mark = GROUP_NAME_PREFIX if fields[0].startswith(GROUP_NAME_PREFIX) else ""
                offered = [f"{mark}{name}{separator}" for name in _group_names(known, here)]
        if len(fields) <= len(names):
            name = names[len(fields) - 1]
            field = row.typeable_fields[name]
            end = separator if name != list(row.typeable_fields)[-1] else ""
            if field.value_kind == "text":
                return _word(typed, known)
            values = {"group": _group_names(known, here), "dest": _nicks(known)}.get(name, field.choices)
            offered = [f"{value}{end}" for value in values] + offered
        elif not offered:
            return _word(typed, known)
        return start, _beginning(fields[-1], offered)
    if typed.startswith("/") and " " not in typed:
        return 0, _beginning(typed, _COMMANDS)
    start, found = _word(typed, known)
    return (0, [*_beginning(typed, _WORDS), *found]) if start == 0 and typed else (start, found)


def usage_hint(typed: str, here: ConversationRef = LOBBY) -> str:
    """Return the usage and the help text of the command that ``typed`` begins with.

    The text is empty if ``typed`` has no command. ``here`` is the conversation on the screen.
    """
    word, space, _rest = typed.partition(" ")
    row, separator, _fields = _command(typed)
    own = CLIENT_COMMANDS.get(word[1:].lower()) if word.startswith("/") and space else None
    if own is not None:
        shown, help = own.usage, own.help
    elif space and word.lower() == f"/{ME_SLASH_WORD}":
        shown, help = translated_me_usage(displayed_field_name), ME_HELP
    elif row is not None:
        is_slash = separator == " "
        shown = slash_usage_in_conversation(row, here, word[1:].lower()) if is_slash else row.preferred_usage
        help = row.help
    else:
        return ""
    return _("{usage}: {help}").format(usage=shown, help=_(help))


def _command(typed: str) -> tuple[CommandDeclaration | None, str, Sequence[str]]:
    """Return the command that ``typed`` begins with, the separator of its fields, and the fields so far.

    The command is None if ``typed`` begins with no known command. The last field may be unfinished.
    """
    if typed.startswith("/"):
        word, space, rest = typed[1:].partition(" ")
        word = SLASH_ALIASES.get(word.lower(), word.lower())
        return (COMMANDS_BY_SLASH_WORD.get(word) if space else None), " ", rest.split(" ")
    word, semicolon, rest = typed.partition(";")
    return (COMMANDS_BY_SEMICOLON_WORD.get(word.strip().lower()) if semicolon else None), ";", rest.split(";")


def _is_group(typed: str, known: KnownNames, here: ConversationRef) -> bool:
    """Return whether the first word of a command, which may leave its group out, is a group."""
    return typed.startswith(GROUP_NAME_PREFIX) or typed in _group_names(known, here)


def _group_names(known: KnownNames, here: ConversationRef) -> list[str]:
    """Return the names of groups, the one on the screen first."""
    current = [here.name] if here.kind == "group" else []
    return current + sorted(name for name in known.groups or () if name not in current)


def _nicks(known: KnownNames) -> list[str]:
    """Return the known nicks, those of the members of the conversation on the screen first."""
    return sorted(known.members) + sorted(nick for nick in known.nicks if nick not in known.members)


def _word(typed: str, known: KnownNames) -> tuple[int, list[str]]:
    """Return the index of the last word of ``typed``, and the nicks that begin like that word."""
    start = max(typed.rfind(" "), typed.rfind("\n")) + 1
    return start, _beginning(typed[start:], _nicks(known)) if typed[start:] else []


def _beginning(begun: str, offered: Iterable[str]) -> list[str]:
    return [one for one in offered if one.casefold().startswith(begun.casefold())]
