"""The grammar of commands that people type, from a line to the row of the table and the values of its fields.

There are three forms, and the last field of each takes the rest of the line:

- ``kick;wob;bob;too loud`` on the text wire and in the client (`parse_semicolon`),
- ``/kick wob bob too loud`` in the chat room and in the client (`parse_slash`),
- ``PRV bob hello``, the text protocol's own verbs (`keyword_values`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from chatd.core.commands import COMMANDS
from chatd.core.declarations import Declaration
from chatd.core.refusals import Refusal, reason

COMMANDS_BY_WORD: Final[dict[str, Declaration]] = {row.word: row for row in COMMANDS.values() if row.word}
"""The rows by what is typed before the first ``;``, in lower case."""

COMMANDS_BY_SLASH_WORD: Final[dict[str, Declaration]] = {
    row.slash: row for row in COMMANDS.values() if row.slash
}
"""The rows by what is typed behind a ``/``, in lower case."""

COMMANDS_BY_KEYWORD: Final[dict[str, Declaration]] = {
    row.keyword: row for row in COMMANDS.values() if row.keyword
}
"""The rows by the text protocol's own verb, in capitals."""


class SlashLine(msgspec.Struct, frozen=True):
    """A line that begins with ``/word``: the word as typed, and what follows it."""

    word: str
    rest: str

    @property
    def declaration(self) -> Declaration | None:
        """The row of the command table for the typed word, in any case; None if it is no command."""
        return COMMANDS_BY_SLASH_WORD.get(self.word.lower())


def parse_semicolon(line: str) -> tuple[Declaration, dict[str, object]] | None:
    """The command ``word;field;field`` and its values; None if ``line`` is no such command.

    Only a text keeps the blanks around it. A field that is left empty is absent.
    """
    word, semicolon, rest = line.partition(";")
    row = COMMANDS_BY_WORD.get(word.lower()) if semicolon else None
    if row is None:
        return None
    values: dict[str, object] = {}
    parts = rest.split(";", max(0, len(row.typed_fields) - 1))
    for (name, field), part in zip(row.typed_fields.items(), parts, strict=False):
        if field.kind == "text":
            values[name] = part
        elif part.strip():
            values[name] = part.strip()
    return row, values


def parse_slash(line: str) -> SlashLine | None:
    """The ``/word`` that ``line`` begins with, and its rest; None without a ``/`` and a letter."""
    if not (line.startswith("/") and line[1:2].isalpha()):
        return None
    word, *rest = line[1:].split(None, 1)
    return SlashLine(word, "".join(rest))


def slash_values(row: Declaration, rest: str) -> dict[str, object]:
    """The values of the fields in the rest of a ``/`` command; only a text keeps the blanks behind it."""
    parts = rest.split(None, max(0, len(row.typed_fields) - 1))
    return {
        name: part if field.kind == "text" else part.strip()
        for (name, field), part in zip(row.typed_fields.items(), parts, strict=False)
    }


def unescape_slash(line: str) -> str:
    """What a line says that is no command: ``//hello`` says ``/hello``."""
    return line[1:] if line.startswith("//") else line


def keyword_values(row: Declaration, rest: str) -> dict[str, object]:
    """The values of the fields behind a verb of the text protocol, which are separated by one space.

    Only a text keeps the blanks around it. Raises `Refusal` ``bad_request`` if a field is missing which is
    optional on other wires.
    """
    names = row.keyword_fields
    parts = [rest] if len(names) == 1 else rest.lstrip().split(" ", len(names) - 1)
    values: dict[str, object] = {}
    for name, part in zip(names, parts, strict=False):
        if row.fields[name].kind == "text":
            values[name] = part
        elif part.strip():
            values[name] = part.strip()
    if not set(names) <= values.keys() | row.required:
        raise Refusal("bad_request", why=reason("usage", usage=row.keyword_usage))
    return values
