"""The daemon's table of commands and its sentences in French, as JSON for the web page.

The page completes commands from the table, and makes requests of what is typed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chatd.core.commands import COMMANDS, USAGE_FIELD_NAMES
from chatd.core.declarations import CommandDeclaration, FieldDeclaration
from chatd.core.names import ALPHABET_NAMES_TO_TRANSLATE
from chatd.core.refusals import REASON_SENTENCES, REFUSAL_SENTENCES
from chatd.core.typed_commands import ACTION_FIELD, ACTION_HELP, ACTION_SLASH_WORD
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
    "delete": "deleted",
}
"""The kind of the event that a command writes to the log: its author gets only the ack."""


_ME: Final = {
    "name": ACTION_SLASH_WORD,
    "action": "",
    "slash": ACTION_SLASH_WORD,
    "fields": [{"name": ACTION_FIELD, "key": ACTION_FIELD, "kind": "text", "required": True}],
    "help": ACTION_HELP,
}


def command_table() -> bytes:
    """Return the JSON of the commands that can be typed: a list of their names, fields and help lines.

    The last one is ``/me``, which has no action: the page sends it as a message.
    """
    return msgspec.json.encode(
        [*(_command(row) for row in COMMANDS.values() if row.semicolon_word or row.slash_word), _ME]
    )


def french_catalogue() -> bytes:
    """Return the JSON of what the daemon says, in French.

    ``refusals`` has the English and the French sentence of each code, ``reasons`` a list of such pairs, and
    ``texts`` maps help lines, names of fields and of alphabets to their translations.
    """
    helps = {*(row.help for row in COMMANDS.values()), ACTION_HELP}
    texts = {*helps, *USAGE_FIELD_NAMES, *ALPHABET_NAMES_TO_TRANSLATE}
    return msgspec.json.encode(
        {
            "refusals": {code: _pair(sentence) for code, sentence in REFUSAL_SENTENCES.items()},
            "reasons": [_pair(sentence) for sentence in REASON_SENTENCES.values()],
            "texts": {text: french for text in sorted(texts) if (french := to_french(text)) != text},
        }
    )


def _pair(sentence: str) -> tuple[str, str]:
    return sentence, to_french(sentence)


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
