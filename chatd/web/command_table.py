"""The daemon's table of commands and its sentences as JSON, for the web page.

The page completes commands from the table, makes requests of what is typed, and shows the daemon's English
sentences in French.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chatd.core.commands import COMMANDS, USAGE_FIELD_NAMES
from chatd.core.declarations import CommandDeclaration, FieldDeclaration
from chatd.core.names import ALPHABET_NAMES
from chatd.core.refusals import REFUSAL_REASONS, REFUSAL_SENTENCES
from chatd.locales import to_french

_EVENT_KIND_BY_COMMAND: Final = {
    "cgroupe": "created",
    "join": "joined",
    "leave": "left",
    "invite": "invited",
    "uninvite": "uninvited",
    "decline": "declined",
    "kick": "kicked",
    "ban": "banned",
    "unban": "unbanned",
    "promote": "promoted",
    "demote": "demoted",
    "visibility": "visibility",
    "topic": "topic",
    "sethistory": "history",
    "setkeep": "keep",
}
"""The kind of the event that a command writes to the log of a group: its author gets only the ack."""


def command_table() -> bytes:
    """Return the JSON of the table: ``commands``, ``refusals`` by code, ``reasons``, and ``french``.

    ``french`` maps the English sentences, the names of fields and of alphabets to their translations.
    """
    rows = [row for row in COMMANDS.values() if row.semicolon_word or row.slash_word]
    sentences = {
        *(row.help for row in rows),
        *REFUSAL_SENTENCES.values(),
        *REFUSAL_REASONS.values(),
        *USAGE_FIELD_NAMES,
        *ALPHABET_NAMES,
    }
    return msgspec.json.encode(
        {
            "commands": [_command(row) for row in rows],
            "refusals": REFUSAL_SENTENCES,
            "reasons": list(REFUSAL_REASONS.values()),
            "french": {one: french for one in sorted(sentences) if (french := to_french(one)) != one},
        }
    )


def _command(row: CommandDeclaration) -> dict[str, object]:
    """Return one command. Names of fields that are left out of the JSON are false or empty."""
    action = "join" if row.name == "enter" else row.actions[0]
    shown: dict[str, object] = {
        "name": row.name,
        "action": action,
        "word": row.semicolon_word,
        "slash": row.slash_word,
        "room": row.group_defaults_to_room,
        "event": _EVENT_KIND_BY_COMMAND.get("join" if row.name == "enter" else row.name, ""),
        "fields": [_field(name, field, name in row.required) for name, field in row.typeable_fields.items()],
        "help": row.help,
    }
    return {key: value for key, value in shown.items() if value not in ("", False)}


def _field(name: str, field: FieldDeclaration, required: bool) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": name,
        "key": "from" if field.is_sender else name,
        "kind": field.kind,
        "choices": list(field.choices),
        "required": required,
    }
    return {key: value for key, value in shown.items() if value not in (False, [])}
