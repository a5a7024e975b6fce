"""The usage of commands, with names of their fields that people know."""

from __future__ import annotations

from typing import Final

from chatd.client.language import _
from chatd.core.declarations import CommandDeclaration
from chatd.core.language import N_

_FIELD_WORDS: Final = {"dest": "nick", "msg": N_("text"), "upto": "id"}
"""What people call fields whose names on the wire say little."""


def displayed_field_name(name: str) -> str:
    """Return what people call the field ``name`` of a command, in the user's language."""
    return _(_FIELD_WORDS.get(name, name))


def displayed_usage(row: CommandDeclaration) -> str:
    """Return the usage of ``row``, such as ``/kick group nick [reason]``, in the user's language."""
    return row.translated_slash_usage(displayed_field_name)
