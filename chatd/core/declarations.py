"""The declaration of a command: its fields, its names on each wire, its answer, its refusals and its help.

`CommandDeclaration.build` checks field values and makes a command of them. `chatd.core.commands` declares all
commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_args, get_type_hints

import msgspec

from chatd.core.accounts import Secret
from chatd.core.limits import Limits
from chatd.core.refusals import REFUSAL_SENTENCES, Refusal, TranslatableText, translatable_reason
from chatd.core.times import parse_rfc3339

RequiredRole = Literal[
    "anyone", "identified", "members", "operators", "owner", "author", "authors", "server_operators"
]
"""Which users may use a command. ``author`` is the author of a message, ``authors`` are that user and whoever
may moderate the message.
"""

RequiredTokenAccess = Literal["password", "read", "write"]
"""The access that a token must have to allow a command: every token for "read", a token with write access for
"write", and no token for "password", which needs a session that has logged in without a token.
"""
AnswerName = Literal[
    "hello",
    "ack",
    "clients",
    "members",
    "messages",
    "groups",
    "states",
    "history",
    "conversations",
    "search",
    "read_mark",
    "read_time",
    "help",
    "quit",
    "account",
    "ignored",
    "moderation",
    "deletion",
    "moderations",
    "token",
    "tokens",
    "invitelink",
    "links",
    "channel",
    "users",
    "watched",
    "profile",
    "statistics",
    "authenticated",
    "operator_rights",
    "typing",
    "none",
]

MAX_DURATION_SECONDS: Final = 10 * 365 * 86_400
"""The longest duration of a mute, a block or a token, in seconds: ten years."""

MAX_ID_VALUE: Final = 2**63 - 1
"""The largest id: ids are SQLite integers."""


class FieldDeclaration(msgspec.Struct, frozen=True):
    """The declaration of a field of a command.

    ``value_kind`` is ``name`` (a nick or a group), ``text`` (a message), ``note`` (a reason, a topic or a
    list of names), ``choice`` (one of ``choices``), ``id`` (0 … 2**63-1), ``count`` (1 … 2**63-1), ``secret``
    (a password or a link), ``duration`` (see `parse_duration`) or ``time`` (see `parse_time`).
    ``description`` describes the field. ``aliases`` are other names under which JSON clients send the field.
    If ``is_typeable`` is false, only programs can set the field: the commands that people type leave it out.

    ``accepts_sender_keys`` is true for the field with the nick under which a user logs in. In JSON, a client
    may send this field under the key that names the sender of a request. ``normalize(name, value)``, if not
    None, converts the value that a JSON client has sent under the key ``name`` to a value for `check`.
    """

    value_kind: Literal["name", "text", "note", "choice", "id", "count", "secret", "duration", "time"]
    description: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    is_typeable: bool = True
    accepts_sender_keys: bool = False
    normalize: Callable[[str, object], object] | None = None

    def check(self, name: str, value: object, limits: Limits, image: bool = False) -> str | int:
        """Check ``value`` for the field ``name``, and return it in the form that command objects have.

        Digits become a number for ids and counts, a duration becomes seconds, a time becomes milliseconds
        since 1970, a secret becomes a `Secret` in normalized form; other values are returned unchanged. If
        ``image`` is true, a text may be as long as an image. Raises `Refusal` ``too_long``, ``empty`` for a
        blank text, or ``bad_request`` for any other fault.
        """
        if self.value_kind == "duration":
            return parse_duration(name, value)
        if self.value_kind == "time":
            return parse_time(name, value)
        if self.value_kind in ("id", "count"):
            return self._number(name, value)
        if not isinstance(value, str):
            raise Refusal("bad_request", why=translatable_reason("no_string", name=TranslatableText(name)))
        if self.value_kind == "text":
            return check_text_size(value, name, limits.image if image else limits.message, allow_blank=False)
        if self.value_kind == "note":
            return check_text_size(value, name, limits.note)
        if self.value_kind == "secret":
            return _secret(name, check_text_size(value, name, limits.password))
        if self.value_kind == "choice" and value not in self.choices:
            choices = ", ".join(self.choices)
            raise Refusal(
                "bad_request",
                why=translatable_reason("no_choice", name=TranslatableText(name), choices=choices),
            )
        return value

    def _number(self, name: str, value: object) -> int:
        low = 0 if self.value_kind == "id" else 1
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MAX_ID_VALUE:
            raise Refusal(
                "bad_request", why=translatable_reason("no_number", name=TranslatableText(name), low=low)
            )
        return value


_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw]?)")


def parse_duration(name: str, value: object) -> int:
    """Return the duration ``value`` in seconds.

    ``value`` is a number of seconds, or a text of digits with no unit (seconds) or one of ``s``, ``m``,
    ``h``, ``d`` and ``w``, such as ``90``, ``10m`` or ``7d``. ``name`` is the name of the duration in a
    refusal.

    Raises `Refusal` ``bad_request`` for any other value, for 0, and above `MAX_DURATION_SECONDS`.
    """
    found = _DURATION.fullmatch(str(value)) if isinstance(value, str | int) else None
    seconds = 0 if found is None or isinstance(value, bool) else int(found[1]) * _UNITS[found[2]]
    if not 0 < seconds <= MAX_DURATION_SECONDS:
        limit = MAX_DURATION_SECONDS // _UNITS["d"]
        raise Refusal(
            "bad_request", why=translatable_reason("no_duration", name=TranslatableText(name), limit=limit)
        )
    return seconds


def parse_time(name: str, value: object) -> int:
    """Return the time ``value``, a text in the format of RFC 3339, in milliseconds since 1970-01-01 UTC.

    See `parse_rfc3339`. ``name`` is the name of the time in a refusal. Raises `Refusal` ``bad_request`` for
    any other value.
    """
    try:
        return parse_rfc3339(value if isinstance(value, str) else "")
    except ValueError:
        raise Refusal(
            "bad_request", why=translatable_reason("no_time", name=TranslatableText(name))
        ) from None


def _secret(name: str, value: str) -> Secret:
    """Return the password in ``value``, normalized. Raises `Refusal` ``bad_request``."""
    secret = Secret.parse(value)
    if secret is None:
        raise Refusal("bad_request", why=translatable_reason("bad_secret", name=TranslatableText(name)))
    return secret


def check_text_size(text: str, what: str, limit: int, allow_blank: bool = True) -> str:
    """Check the size of ``text`` and return it unchanged. ``what`` is the name of the text in a refusal.

    Raises `Refusal` ``too_long`` if the text has more than ``limit`` bytes of UTF-8, and ``empty`` if it is
    blank and ``allow_blank`` is false.
    """
    if len(text) * 4 > limit and len(text.encode()) > limit:
        raise Refusal("too_long", what=TranslatableText(what), limit=limit)
    if not allow_blank and not text.strip():
        raise Refusal("empty")
    return text


class Command(msgspec.Struct, frozen=True, eq=False):
    """The base class of the decoded commands of clients."""


CommandClass = TypeVar("CommandClass", bound=type[Command])


class CommandDeclaration(msgspec.Struct, frozen=True, eq=False):
    """The declaration of one command: its names, fields, answer, refusals and help.

    ``command`` is the class of the command, ``name`` its key in `COMMANDS` and its name in SPEC.md.
    ``json_actions`` are the command's names in JSON, the canonical one first;
    ``field_presets_by_json_action`` maps those of them that imply field values to these values.
    ``semicolon_word`` is typed before the first ``;``, ``slash_word`` after a ``/`` in the TP6 chat room.
    ``text_verb`` is the verb in the text protocol, ``text_verb_fields`` are the fields that follow the verb.
    An empty name means that the command has no such form. If ``group_defaults_to_room`` is true, the group
    may be omitted in the TP6 chat room: the default is the room where the user is.

    ``convert_typed_values``, if not None, converts the unchecked values of a line that a person has typed.

    ``required_role`` says which users may use the command. ``required_access`` says which tokens allow the
    command, if the session has logged in with a token. ``answer`` is the kind of the answer.
    ``refusal_codes`` are the codes of the refusals that are particular to the command. ``help`` is its line
    in the answer to ``help``, ``example`` a typed line. ``fields`` are in the order in which they are typed;
    the fields in ``required_fields`` have no default.
    """

    command: type[Command]
    name: str
    json_actions: tuple[str, ...]
    field_presets_by_json_action: Mapping[str, Mapping[str, str]]
    semicolon_word: str
    text_verb: str
    text_verb_fields: tuple[str, ...]
    slash_word: str
    group_defaults_to_room: bool
    convert_typed_values: Callable[[Mapping[str, object]], dict[str, object]] | None
    required_role: RequiredRole
    required_access: RequiredTokenAccess
    answer: AnswerName
    refusal_codes: tuple[str, ...]
    help: str
    example: str
    fields: dict[str, FieldDeclaration]
    required_fields: frozenset[str]

    def build(self, values: Mapping[str, object], limits: Limits) -> Command:
        """Return the command with ``values``, which maps field names to unchecked values.

        A value that is None counts as missing; a missing field has its default. Unknown field names are
        ignored. Raises `Refusal` ``too_long``, ``empty`` or ``bad_request``, which is also the code if a
        required field is missing.
        """
        image = values.get("kind") == "image"
        checked: dict[str, str | int] = {}
        for name, field in self.fields.items():
            value = values.get(name)
            if value is not None:
                checked[name] = field.check(name, value, limits, image)
            elif name in self.required_fields:
                raise Refusal(
                    "bad_request",
                    why=translatable_reason("missing", command=self.name, name=TranslatableText(name)),
                )
        return self.command(**checked)

    @property
    def is_for_server_operators(self) -> bool:
        """Whether a server operator may use the command because of that role.

        The control socket accepts these commands, too.
        """
        return self.required_role in ("authors", "server_operators")

    @property
    def reads_log(self) -> bool:
        """Whether the command is answered from the log on disk."""
        return self.answer in ("messages", "states", "history", "conversations", "search", "read_time")

    @property
    def reads_presence(self) -> bool:
        """Whether the answer lists users who are online. There may be thousands of them."""
        return self.answer in ("channel", "users", "watched")

    @property
    def typeable_fields(self) -> dict[str, FieldDeclaration]:
        """The fields that a person can type; the other fields are for programs only."""
        return {name: field for name, field in self.fields.items() if field.is_typeable}

    @property
    def preferred_usage(self) -> str:
        """The usage of the command in the first form that the command has: with ``;``, as a text verb, or
        with ``/``.

        Examples are ``kick;group;dest[;reason]``, ``IAM nick`` and ``/join group``.
        """
        if self.semicolon_word:
            parts = [
                f";{name}" if name in self.required_fields else f"[;{name}]" for name in self.typeable_fields
            ]
            return self.semicolon_word + ("".join(parts) or ";")
        return self.text_verb_usage or self.slash_usage

    @property
    def text_verb_usage(self) -> str:
        """The usage of the command in the text protocol, such as ``PRV dest msg``; empty if it has no verb
        there.
        """
        return " ".join((self.text_verb, *self.text_verb_fields)) if self.text_verb else ""

    @property
    def slash_usage(self) -> str:
        """The usage in the TP6 chat room, such as ``/kick group dest [reason]``; empty if there is no ``/``
        form.
        """
        return self.translated_slash_usage(str)

    def translated_slash_usage(self, translate: Callable[[str], str]) -> str:
        """Return `slash_usage_in_conversation` with the names of the fields translated by ``translate``."""
        if not self.slash_word:
            return ""
        needed = self.required_fields - {"group"} if self.group_defaults_to_room else self.required_fields
        parts = [
            f" {translate(name)}" if name in needed else f" [{translate(name)}]"
            for name in self.typeable_fields
        ]
        return f"/{self.slash_word}{''.join(parts)}"


COMMANDS: Final[dict[str, CommandDeclaration]] = {}
"""The declarations by name, in the order of SPEC.md, of all commands that have a name on some wire.

Those without a name are made by a dialect that has words of its own for them, as IRC's does.
"""

COMMANDS_BY_CLASS: Final[dict[type[Command], CommandDeclaration]] = {}
"""The declarations of all commands by the command's class."""

COMMANDS_BY_JSON_ACTION: Final[dict[str, CommandDeclaration]] = {}
"""The declarations of all commands by each of their names in JSON."""


def declare_command(
    name: str,
    *,
    required_role: RequiredRole,
    answer: AnswerName,
    help: str,
    example: str,
    json_actions: tuple[str, ...] = (),
    field_presets_by_json_action: Mapping[str, Mapping[str, str]] | None = None,
    semicolon_word: str = "",
    text_verb: str = "",
    slash_word: str = "",
    group_defaults_to_room: bool = False,
    convert_typed_values: Callable[[Mapping[str, object]], dict[str, object]] | None = None,
    required_access: RequiredTokenAccess = "password",
    refusal_codes: str = "",
) -> Callable[[CommandClass], CommandClass]:
    """Return a class decorator that declares a command. The fields are taken from the decorated class.

    ``text_verb`` is the verb in the text protocol and the fields that follow it, such as ``PRV dest msg``.
    The ``refusal_codes`` are separated by spaces. For the other parameters see `CommandDeclaration`.
    """

    def enter(command: CommandClass) -> CommandClass:
        hints = get_type_hints(command, include_extras=True)
        fields = {f.name: _field_of(hints[f.name]) for f in msgspec.structs.fields(command)}
        codes = tuple(refusal_codes.split())
        assert set(codes) <= set(REFUSAL_SENTENCES), codes
        verb, *verb_fields = text_verb.split() or [""]
        assert set(verb_fields) <= set(fields), verb_fields
        row = CommandDeclaration(
            command=command,
            name=name,
            json_actions=json_actions,
            field_presets_by_json_action=field_presets_by_json_action or {},
            semicolon_word=semicolon_word,
            text_verb=verb,
            text_verb_fields=tuple(verb_fields),
            slash_word=slash_word,
            group_defaults_to_room=group_defaults_to_room,
            convert_typed_values=convert_typed_values,
            required_role=required_role,
            required_access=required_access,
            answer=answer,
            refusal_codes=codes,
            help=help,
            example=example,
            fields=fields,
            required_fields=frozenset(f.name for f in msgspec.structs.fields(command) if f.required),
        )
        COMMANDS_BY_CLASS[command] = row
        if json_actions or semicolon_word or text_verb or slash_word:
            COMMANDS[name] = row
        COMMANDS_BY_JSON_ACTION.update(dict.fromkeys(json_actions, row))
        return command

    return enter


def _field_of(hint: Any) -> FieldDeclaration:
    """Return the declaration in a type such as ``Annotated[int, FieldDeclaration(…)] | None``."""
    metadata = get_args(hint)[-1]
    return metadata if isinstance(metadata, FieldDeclaration) else _field_of(get_args(hint)[0])
