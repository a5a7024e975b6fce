"""The parsers for commands that people type: a line is split into a command and the values of its fields.

A command can be typed in three forms. The last field takes the rest of the line.

- ``kick;wob;bob;too loud``: on the text wire and in the client (`parse_semicolon_command`)
- ``/kick wob bob too loud``: in the TP6 chat room and in the client (`parse_slash_line`)
- ``PRV bob hello``: with the text protocol's verbs (`parse_text_verb_fields`)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from chatd.core.commands import COMMANDS
from chatd.core.declarations import CommandDeclaration
from chatd.core.events import ACTION_PREFIX
from chatd.core.language import N_
from chatd.core.refusals import Refusal, translatable_reason

COMMANDS_BY_SEMICOLON_WORD: Final[dict[str, CommandDeclaration]] = {
    row.semicolon_word: row for row in COMMANDS.values() if row.semicolon_word
}
"""The commands, by the word that is typed before the first ``;``, in lower case."""

COMMANDS_BY_SLASH_WORD: Final[dict[str, CommandDeclaration]] = {
    row.slash_word: row for row in COMMANDS.values() if row.slash_word
}
"""The commands, by the word that is typed after a ``/``, in lower case."""

COMMANDS_BY_TEXT_VERB: Final[dict[str, CommandDeclaration]] = {
    row.text_verb: row for row in COMMANDS.values() if row.text_verb
}
"""The commands, by their verb in the text protocol, in capitals."""


INVITE_LINK_OPTION: Final = "--link"
"""The option with which ``/invite`` makes an invitation link."""


ME_SLASH_WORD: Final = ACTION_PREFIX.strip("/ ")
"""The word of ``/me waves``, which is no command but a message to where its author is: an action."""

ME_TEXT_FIELD: Final = "msg"
"""The name of what follows `ME_SLASH_WORD`. Its usage is shown with the name translated."""

ME_HELP: Final = N_("say what you do: * alice waves")
"""The help line of `ME_SLASH_WORD`."""


def translated_me_usage(translate: Callable[[str], str]) -> str:
    """Return the usage of an action, ``/me msg``, with the name of its field translated by ``translate``."""
    return f"{ACTION_PREFIX}{translate(ME_TEXT_FIELD)}"


class SlashLine(msgspec.Struct, frozen=True):
    """A typed line that begins with ``/`` and a word.

    ``word`` is the word as typed, ``rest`` the text after it.
    """

    word: str
    rest: str

    @property
    def declaration(self) -> CommandDeclaration | None:
        """The declaration of the command with the typed word, in upper or lower case; None for an unknown
        word.
        """
        return COMMANDS_BY_SLASH_WORD.get(self.word.lower())

    def action_message(self, translate: Callable[[str], str]) -> str | None:
        """Return the message text if the line is an action, such as ``/me waves``, else None.

        Raises `Refusal` ``bad_request`` for an action without a text. ``translate`` translates the usage in
        the refusal's sentence.
        """
        if self.word.lower() != ME_SLASH_WORD:
            return None
        if not self.rest.strip():
            raise Refusal(
                "bad_request", why=translatable_reason("usage", usage=translated_me_usage(translate))
            )
        return f"{ACTION_PREFIX}{self.rest}"


def parse_semicolon_command(line: str) -> tuple[CommandDeclaration, dict[str, object]] | None:
    """Parse a command ``word;field;field``. Return its declaration and its unchecked field values by name.

    Return None if ``line`` is not such a command. Blanks around a value are removed, and an empty value is
    left out. A message text is kept as it is, even if it is empty.
    """
    word, semicolon, rest = line.partition(";")
    row = COMMANDS_BY_SEMICOLON_WORD.get(word.lower()) if semicolon else None
    if row is None:
        return None
    values: dict[str, object] = {}
    parts = rest.split(";", max(0, len(row.typeable_fields) - 1))
    for (name, field), part in zip(row.typeable_fields.items(), parts, strict=False):
        if field.value_kind == "text":
            values[name] = part
        elif part.strip():
            values[name] = part.strip()
    return row, _converted(row, values)


def _converted(declaration: CommandDeclaration, values: dict[str, object]) -> dict[str, object]:
    convert = declaration.convert_typed_values
    return values if convert is None else convert(values)


def parse_slash_line(line: str) -> SlashLine | None:
    """Split a line such as ``/word rest``. Return None unless ``line`` begins with a ``/`` and a letter.

    ``/invite wob --link`` is treated as ``/invitelink wob``.
    """
    if not (line.startswith("/") and line[1:2].isalpha()):
        return None
    word, *rest = line[1:].split(None, 1)
    if word.lower() == "invite" and INVITE_LINK_OPTION in (fields := "".join(rest).split()):
        fields.remove(INVITE_LINK_OPTION)
        return SlashLine("invitelink", " ".join(fields))
    return SlashLine(word, "".join(rest))


def parse_slash_fields(declaration: CommandDeclaration, rest: str) -> dict[str, object]:
    """Return the unchecked field values, by name, in ``rest``, the text after the word of a ``/`` command.

    Fields that are missing are left out. Blanks around a value are removed, except for blanks after a message
    text.
    """
    parts = rest.split(None, max(0, len(declaration.typeable_fields) - 1))
    values: dict[str, object] = {
        name: part if field.value_kind == "text" else part.strip()
        for (name, field), part in zip(declaration.typeable_fields.items(), parts, strict=False)
    }
    return _converted(declaration, values)


def unescape_leading_slash(line: str) -> str:
    """Return the message text of a line that is not a command: ``//hello`` becomes the text ``/hello``."""
    return line[1:] if line.startswith("//") else line


def parse_text_verb_fields(declaration: CommandDeclaration, rest: str) -> dict[str, object]:
    """Return the unchecked field values, by name, in ``rest``, the text after a verb of the text protocol.

    One space separates two values. Blanks around a value are removed, except for a message text. A verb needs
    all its fields, also those that are optional on other wires: if one of these is missing, the function
    raises `Refusal` ``bad_request``. A missing field that is required everywhere is left out, and
    `CommandDeclaration.build` refuses the command.
    """
    names = declaration.text_verb_fields
    parts = [rest] if len(names) == 1 else rest.lstrip().split(" ", len(names) - 1)
    values: dict[str, object] = {}
    for name, part in zip(names, parts, strict=False):
        if declaration.fields[name].value_kind == "text":
            values[name] = part
        elif part.strip():
            values[name] = part.strip()
    if not set(names) <= values.keys() | declaration.required_fields:
        raise Refusal("bad_request", why=translatable_reason("usage", usage=declaration.text_verb_usage))
    return values


def is_command_with_secret(line: str) -> bool:
    """Return whether ``line`` is a command with a password or link field, in any of the three typed forms.

    The TP6 chat room and the terminal client treat a line without ``/`` as a message. They refuse the line if
    the result is true, so that a password is not published when its command is typed in the wrong form.
    Blanks before the command are ignored. The result is false for ``hello``, which may begin a message.
    """
    line = line.strip()
    slash = parse_slash_line(line)
    word, semicolon, _rest = line.partition(";")
    if slash is not None:
        row = slash.declaration
    elif semicolon:
        row = COMMANDS_BY_SEMICOLON_WORD.get(word.strip().lower())
    else:
        verb, blank, _rest = line.partition(" ")
        row = COMMANDS_BY_TEXT_VERB.get(verb) if blank else None
    return (
        row is not None
        and any(field.value_kind == "secret" for field in row.fields.values())
        and (row.name != "hello")
    )
