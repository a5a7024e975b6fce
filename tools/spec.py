"""Generate the tables, lists, grammar and schemas of SPEC.md: ``python -m tools.spec [--check] SPEC.md``.

Each part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. With ``--check`` the tool writes
nothing and exits with 1 if a part is out of date.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from chatd.core.accounts import AccountPolicy
from chatd.core.commands import COMMANDS, SENDER_JSON_KEYS
from chatd.core.control_commands import CONTROL_COMMANDS, CONTROL_ERROR_SENTENCES
from chatd.core.declarations import MAX_ID_VALUE, CommandDeclaration, FieldDeclaration
from chatd.core.limits import Limits
from chatd.core.names import RESERVED_NAMES
from chatd.core.refusals import REASON_SENTENCES, REFUSAL_SENTENCES, RETRY_AFTER_SECONDS_BY_CODE
from chatd.core.typed_commands import COMMANDS_BY_SEMICOLON_WORD, COMMANDS_BY_TEXT_VERB
from chatd.daemon.metrics import METRICS
from chatd.dialects.irc import IrcDialect
from chatd.dialects.irc_numerics import NUMERICS_BY_REFUSAL_CODE, NUMERICS_BY_VERB_AND_REFUSAL_CODE
from chatd.dialects.irc_verbs import VERBS
from chatd.dialects.json_requests import MAX_REF_LENGTH

_WHO: Final = {
    "anyone": "anyone",
    "identified": "logged-in users",
    "members": "members",
    "operators": "owner and operators",
    "owner": "owner",
    "author": "the author of the message",
    "authors": "the author, in a group owner and operators, server operators",
    "server_operators": "server operators",
}


def commands() -> str:
    """The table of commands: names on each wire, who may use it, what it does, refusals."""
    names = ("command", "JSON `action`", "typed", "in the chat room", "who", "token", "what it does")
    rows: list[tuple[str, ...]] = [(*names, "refused with")]
    for row in COMMANDS.values():
        typed = [
            f"`{form}`"
            for form in (row.text_verb_usage, row.preferred_usage if row.semicolon_word else "")
            if form
        ]
        rows.append(
            (
                row.name,
                ", ".join(f"`{action}`" for action in row.json_actions),
                ", ".join(typed),
                f"`{row.slash_usage}`" if row.slash_word else "",
                _WHO[row.required_role],
                "" if row.required_access == "password" else row.required_access,
                row.help,
                " ".join(f"`{code}`" for code in row.refusal_codes),
            )
        )
    return _table(rows)


def fields() -> str:
    """The table of fields: meaning, accepted values and other names."""
    seen: dict[str, FieldDeclaration] = {}
    for row in COMMANDS.values():
        if row.json_actions:
            seen.update(row.fields)
    rows = [("field", "what it is", "accepts", "other names")]
    for name, field in seen.items():
        takes = " or ".join(f"`{choice}`" for choice in field.choices) or _TAKES[field.value_kind]
        rows.append((name, field.description, takes, ", ".join(f"`{alias}`" for alias in field.aliases)))
    return _table(rows)


_TAKES: Final = {
    "name": "a name (chapter 2)",
    "text": f"text, not blank, at most {Limits().message} bytes of UTF-8, an image {Limits().image}",
    "note": f"text, at most {Limits().note} bytes of UTF-8",
    "secret": f"a password: text without control characters, at most {Limits().password} bytes of UTF-8",
    "duration": "seconds, or a number with `s`, `m`, `h`, `d` or `w` behind it",
    "time": "a time in the format of RFC 3339, such as `2026-11-21T10:00:00.000Z`",
    "choice": "",
    "id": "a whole number from 0, or its digits",
    "count": "a whole number from 1, or its digits",
}


def refusals() -> str:
    """The table of refusal codes with their sentences."""
    rows = [("code", "sentence", "retry after")]
    for code, sentence in REFUSAL_SENTENCES.items():
        again = RETRY_AFTER_SECONDS_BY_CODE.get(code)
        rows.append((f"`{code}`", _with_gaps(sentence), f"{again:g} s" if again else ""))
    return _table(rows)


def reasons() -> str:
    """The list of sentences that can be the *why* of a refusal."""
    return "\n".join(f"- {_with_gaps(sentence)}" for sentence in REASON_SENTENCES.values())


def reserved() -> str:
    """The names that nobody can take, in alphabetical order."""
    return textwrap.fill(" ".join(f"`{name}`" for name in sorted(RESERVED_NAMES)), 120)


def _with_gaps(sentence: str) -> str:
    """``sentence`` with its gaps in italics."""
    return re.sub(r"\{(\w+)\}", r"*\1*", sentence)


def limits() -> str:
    """The table of limits with their defaults."""
    return _settings(Limits(), "what it limits")


def accounts() -> str:
    """The table of the settings of accounts with their defaults."""
    return _settings(AccountPolicy(), "what it sets")


def _settings(section: Limits | AccountPolicy, heading: str) -> str:
    """The table of the keys of a section of chatd.toml."""
    documented = re.findall(
        r'^    (\w+): .* = .*\n    """(.*?)"""', inspect.getsource(type(section)), re.MULTILINE
    )
    rows = [("key", "default", heading)]
    rows += [(f"`{name}`", str(getattr(section, name)), doc.rstrip(".")) for name, doc in documented]
    return _table(rows)


def metrics() -> str:
    """The table of metrics."""
    rows = [("metric", "type", "labels", "what it says")]
    for declared in METRICS:
        labels = ", ".join(f"`{label}`" for label in declared.labels)
        rows.append((f"`{declared.name}`", declared.kind, labels, declared.help.rstrip(".")))
    return _table(rows)


def irc_capabilities() -> str:
    """The capabilities that IRC clients may ask for, and the verbs that they may send."""
    offered = IrcDialect(Limits()).offered_capabilities.items()
    capabilities = (f"`{name}={value}`" if value else f"`{name}`" for name, value in offered)
    verbs = (f"`{verb}`" for verb in sorted(VERBS))
    sentences = (f"Capabilities: {' '.join(capabilities)}.", f"Verbs: {' '.join(verbs)}.")
    return "\n\n".join(textwrap.fill(one, 120, break_on_hyphens=False) for one in sentences)


def irc_numerics() -> str:
    """The table of refusals that IRC has a numeric for."""
    rows = [("refusal", "numeric", "where it differs")]
    for code, numeric in NUMERICS_BY_REFUSAL_CODE.items():
        others = [
            f"{verb}: {other}"
            for (verb, refused), other in NUMERICS_BY_VERB_AND_REFUSAL_CODE.items()
            if refused == code
        ]
        rows.append((f"`{code}`", numeric, ", ".join(others)))
    return _table(rows)


def control() -> str:
    """The table of the commands of the control socket."""
    rows = [
        (f"`{one.name}`", ", ".join(f"`{field}`" for field in one.fields), one.help, one.answer_description)
        for one in CONTROL_COMMANDS.values()
    ]
    return _table([("request", "fields", "what it does", "answer"), *rows])


def control_errors() -> str:
    """The error codes of the control socket."""
    rows = [(f"`{code}`", meaning) for code, meaning in CONTROL_ERROR_SENTENCES.items()]
    return _table([("code", "meaning"), *rows])


def grammar() -> str:
    """The grammar of the lines that a text client may send, in ABNF (RFC 5234)."""
    text_verb = [
        f"{row.name + '-line':<18}= {_abnf_text_verb(row)}" for row in COMMANDS_BY_TEXT_VERB.values()
    ]
    typed = [f"{row.name + '-typed':<18}= {_abnf_typed(row)}" for row in COMMANDS_BY_SEMICOLON_WORD.values()]
    return "\n".join(
        (
            "```abnf",
            "line              = (seed-line / typed-line) [CR] LF / [CR] LF",
            "seed-line         = "
            + " / ".join(f"{row.name}-line" for row in COMMANDS_BY_TEXT_VERB.values())
            + ' / "LST"',
            "typed-line        = "
            + "\n                  / ".join(
                f"{row.name}-typed" for row in COMMANDS_BY_SEMICOLON_WORD.values()
            ),
            *text_verb,
            *typed,
            "name              = 1*64(%x21-3A / %x3C-7E / UTF8-non-ascii)  ; and chapter 2",
            "text              = *(%x00-09 / %x0B-7F / UTF8-non-ascii)",
            "number            = 1*19DIGIT",
            'duration          = 1*9DIGIT ["s" / "m" / "h" / "d" / "w"]',
            "UTF8-non-ascii    = %x80-10FFFF  ; in UTF-8",
            "```",
        )
    )


def schemas() -> str:
    """The JSON Schema of each action."""
    return "\n".join(
        f"<details><summary><code>{row.json_actions[0]}</code></summary>\n\n"
        f"```json\n{_laid_out(schema_of(row))}\n```\n\n</details>"
        for row in COMMANDS.values()
        if row.json_actions
    )


def schema_of(row: CommandDeclaration) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one command's requests, with chatd's own field names."""
    sender = {
        "type": "string",
        "description": "the sender's nick; other names: " + ", ".join(SENDER_JSON_KEYS[1:]),
    }
    properties: dict[str, Any] = {"action": {"enum": list(row.json_actions)}, "from": sender}
    required = ["action"]
    for name, field in row.fields.items():
        if field.accepts_sender_keys:
            continue
        properties[name] = {**_schema_of_field(field), "description": field.description}
        if name in row.required_fields:
            required.append(name)
    properties["ref"] = {
        "type": ["string", "integer"],
        "maxLength": MAX_REF_LENGTH,
        "description": "the client's own id for this request",
    }
    return {"type": "object", "required": required, "properties": properties}


def _laid_out(schema: dict[str, Any]) -> str:
    """``schema`` as JSON with one line per property."""
    properties = ",\n    ".join(
        f'"{name}": {_compact(value)}' for name, value in schema["properties"].items()
    )
    return (
        f'{{\n  "type": "object",\n  "required": {_compact(schema["required"])},'
        f'\n  "properties": {{\n    {properties}\n  }}\n}}'
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _schema_of_field(field: FieldDeclaration) -> dict[str, Any]:
    if field.choices:
        return {"enum": list(field.choices)}
    if field.value_kind == "time":
        return {"type": "string", "format": "date-time"}
    if field.value_kind in ("id", "count"):
        low = 0 if field.value_kind == "id" else 1
        return {"type": "integer", "minimum": low, "maximum": MAX_ID_VALUE}
    return {"type": "string", "minLength": 0 if field.value_kind == "note" else 1}


def _abnf_text_verb(row: CommandDeclaration) -> str:
    parts = [f'"{row.text_verb}"']
    for name in row.text_verb_fields:
        kind = row.fields[name].value_kind
        parts.append(f"SP {'text' if kind in ('text', 'secret') else 'name'}")
    return " ".join(parts)


_TYPED_AS: Final = {
    "name": "name",
    "text": "text",
    "note": "text",
    "secret": "text",
    "duration": "duration",
    "id": "number",
    "count": "number",
}


def _abnf_typed(row: CommandDeclaration) -> str:
    parts = [f'"{row.semicolon_word}"']
    brackets = 0
    for name, field in row.typeable_fields.items():
        value = _TYPED_AS.get(field.value_kind) or "(" + " / ".join(f'"{one}"' for one in field.choices) + ")"
        if name in row.required_fields:
            parts.append(f'";" {value}')
        else:
            parts.append(f'[";" [{value}]')
            brackets += 1
    return " ".join(parts) + "]" * brackets


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(
        (
            "| " + " | ".join(head) + " |",
            "|" + " --- |" * len(head),
            *("| " + " | ".join(row) + " |" for row in body),
        )
    )


PARTS: Final[dict[str, Callable[[], str]]] = {
    "commands": commands,
    "fields": fields,
    "refusals": refusals,
    "reasons": reasons,
    "reserved": reserved,
    "limits": limits,
    "accounts": accounts,
    "metrics": metrics,
    "control": control,
    "irc_capabilities": irc_capabilities,
    "irc_numerics": irc_numerics,
    "control_errors": control_errors,
    "grammar": grammar,
    "schemas": schemas,
}
"""Name of a generated part -> its generator."""


def generate(text: str) -> str:
    """``text`` with all generated parts up to date. Raises `KeyError` for an unknown part."""
    return re.sub(
        r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)",
        lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


def main(arguments: list[str]) -> int:
    """Run the tool and return its exit code."""
    check = "--check" in arguments
    path = Path(next((argument for argument in arguments if not argument.startswith("-")), "SPEC.md"))
    text = path.read_text("utf-8")
    fresh = generate(text)
    if not check:
        path.write_text(fresh, "utf-8")
    elif fresh != text:
        print(f"{path} is out of date: run python -m tools.spec {path}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
