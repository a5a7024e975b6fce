"""The daemon's table of commands and its sentences in French, as JSON for the web page.

The page completes commands from the table, and makes requests of what is typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from chatd.core.commands import COMMANDS, USAGE_FIELD_NAMES
from chatd.core.declarations import CommandDeclaration, FieldDeclaration
from chatd.core.names import ALPHABET_NAMES_TO_TRANSLATE
from chatd.core.refusals import REASON_SENTENCES, REFUSAL_SENTENCES
from chatd.core.typed_commands import ME_HELP, ME_SLASH_WORD, ME_TEXT_FIELD
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
    "edit": "edited",
    "react": "reacted",
    "unreact": "unreacted",
}
"""The kind of the event that a command writes to the log: its author gets only the ack."""

_NOT_SAID_TO_THE_PAGE: Final = frozenset(
    (
        *(
            "already_server_operator",
            "bad_json",
            "bad_utf8",
            "configured_operator",
            "no_room",
            "not_appointed",
        ),
        *("around_alone", "cut_off", "frame_length", "frame_type", "many_questions", "many_typing_marks"),
        *("no_string", "no_time", "surrogate", "too_deep", "typing"),
    )
)
"""The names of the commands that the page does not offer, and of their fields, and the codes of refusals and
the keys of reasons that answer only what it can't send.
"""


def command_table(translate: Callable[[str], str]) -> bytes:
    """Return the JSON object that describes the commands to the web page.

    ``translate`` translates the help lines. In the object, ``fields`` maps the name of each field to its
    kind, and, if the field has them, to its choices and to its key in a request. Fields of the kind ``name``
    are left out.

    ``commands`` is a list of objects, one for each command. In each, ``fields`` is the usage, such as ``group
    dest [reason]``, where optional fields are in brackets. ``action``, ``word`` and ``slash`` are the
    command's names in JSON, before a ``;`` and after a ``/``. Each is left out if it equals ``name``, and is
    empty if the command has no such form. ``room`` and ``event`` are left out if they are false. The last
    command is ``/me``. It has no action, because the page sends it as a message.
    """
    typed = [row for row in COMMANDS.values() if row.semicolon_word or row.slash_word]
    rows = [row for row in typed if row.name not in _NOT_SAID_TO_THE_PAGE]
    fields: dict[str, dict[str, object]] = {}
    for row in rows:
        for name, declaration in row.typeable_fields.items():
            field = _field(name, declaration)
            if fields.setdefault(name, field) != field:
                raise AssertionError(f"two different fields are called {name}")
    named = {name: field for name, field in fields.items() if field}
    me = {"name": ME_SLASH_WORD, "action": "", "word": "", "fields": ME_TEXT_FIELD}
    commands = [*(_command(row, translate) for row in rows), {**me, "help": translate(ME_HELP)}]
    return msgspec.json.encode({"fields": named, "commands": commands})


def french_catalogue() -> bytes:
    """Return the JSON object with the French translations of the daemon's texts, for the web page.

    ``refusals`` maps the code of a refusal to its French sentence. If the sentence has placeholders, the
    value is a pair of the English and the French template. ``reasons`` is a list of such pairs for the
    reasons that are inserted into refusals. Refusals of requests that the page can't send are left out.
    ``texts`` maps other English texts to French ones: names of fields and of alphabets, and the help lines of
    the commands that `command_table` leaves out.
    """
    untyped = (row for row in COMMANDS.values() if not (row.semicolon_word or row.slash_word))
    helps = (row.help for row in untyped if row.name not in _NOT_SAID_TO_THE_PAGE)
    names = (name for name in USAGE_FIELD_NAMES if name not in _NOT_SAID_TO_THE_PAGE)
    texts = {*helps, *names, *ALPHABET_NAMES_TO_TRANSLATE}
    return msgspec.json.encode(
        {
            "refusals": {
                code: _pair(sentence) if "{" in sentence else to_french(sentence)
                for code, sentence in REFUSAL_SENTENCES.items()
                if code not in _NOT_SAID_TO_THE_PAGE
            },
            "reasons": [
                _pair(sentence)
                for key, sentence in REASON_SENTENCES.items()
                if key not in _NOT_SAID_TO_THE_PAGE
            ],
            "texts": {text: french for text in sorted(texts) if (french := to_french(text)) != text},
        }
    )


def _pair(sentence: str) -> tuple[str, str]:
    return sentence, to_french(sentence)


def _command(row: CommandDeclaration, translate: Callable[[str], str]) -> dict[str, object]:
    action = "join" if row.name == "enter" else row.json_actions[0]
    names = {"action": action, "word": row.semicolon_word, "slash": row.slash_word}
    usage = [name if name in row.required_fields else f"[{name}]" for name in row.typeable_fields]
    shown: dict[str, object] = {
        "name": row.name,
        **{key: name for key, name in names.items() if name != row.name},
        "fields": " ".join(usage),
        "help": translate(row.help),
    }
    if row.group_defaults_to_room:
        shown["room"] = True
    if action in _EVENT_KIND_BY_COMMAND:
        shown["event"] = _EVENT_KIND_BY_COMMAND[action]
    return shown


def _field(name: str, field: FieldDeclaration) -> dict[str, object]:
    shown: dict[str, object] = {} if field.value_kind == "name" else {"kind": field.value_kind}
    if field.accepts_sender_keys:
        shown["key"] = "from"
    if field.choices:
        shown["choices"] = field.choices
    return shown
