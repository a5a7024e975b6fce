"""What a declaration of a command holds: its fields, its names on each wire, and how values become a command.

The table itself is `chatd.core.commands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_args, get_type_hints

import msgspec

from chatd.core.accounts import Secret
from chatd.core.limits import Limits
from chatd.core.refusals import SENTENCES, Phrase, Refusal, reason

RequiredRole = Literal["anyone", "identified", "members", "operators", "owner"]
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
    "help",
    "quit",
    "account",
    "none",
]

ID_MAX: Final = 2**63 - 1
"""Ids are SQLite integers."""


class Field(msgspec.Struct, frozen=True):
    """What a field takes.

    ``kind``: ``name`` (a nick or a group), ``text`` (a message), ``note`` (a reason, a topic),
    ``choice`` (one of ``choices``), ``id`` (0 … 2**63-1), ``count`` (1 or more), ``secret`` (a password).
    ``aliases`` are the other names that JSON clients give it. A field that is not ``typed`` is for programs
    alone.

    ``is_sender`` marks the field that says who asks: JSON takes it from the sender that any request may name.
    ``spelling(name, value)`` turns what JSON clients send under ``name`` into a value that `check` takes.
    """

    kind: Literal["name", "text", "note", "choice", "id", "count", "secret"]
    doc: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    typed: bool = True
    is_sender: bool = False
    spelling: Callable[[str, object], object] | None = None

    def check(self, name: str, value: object, limits: Limits, image: bool = False) -> str | int:
        """Check ``value`` for the field ``name`` and return it; digits become a number for ids and counts.

        With ``image`` the size limit of images applies to texts. Raises `Refusal` ``bad_request``,
        ``too_long`` or ``empty``.
        """
        if self.kind in ("id", "count"):
            return self._number(name, value)
        if not isinstance(value, str):
            raise Refusal("bad_request", why=reason("no_string", name=Phrase(name)))
        if self.kind == "text":
            return check_size(value, name, limits.image if image else limits.message, blank=False)
        if self.kind == "note":
            return check_size(value, name, limits.note)
        if self.kind == "secret":
            return _secret(name, check_size(value, name, limits.password))
        if self.kind == "choice" and value not in self.choices:
            choices = ", ".join(self.choices)
            raise Refusal("bad_request", why=reason("no_choice", name=Phrase(name), choices=choices))
        return value

    def _number(self, name: str, value: object) -> int:
        low = 0 if self.kind == "id" else 1
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= ID_MAX:
            raise Refusal("bad_request", why=reason("no_number", name=Phrase(name), low=low))
        return value


def _secret(name: str, value: str) -> Secret:
    """Return ``value`` as a password in its normal form. Raises `Refusal` ``bad_request``."""
    secret = Secret.parse(value)
    if secret is None:
        raise Refusal("bad_request", why=reason("bad_secret", name=Phrase(name)))
    return secret


def check_size(text: str, what: str, limit: int, blank: bool = True) -> str:
    """``text`` unchanged; ``what`` names it in a refusal.

    Raises `Refusal` ``too_long`` over ``limit`` bytes of UTF-8, ``empty`` if it is blank and may not be.
    """
    if len(text) * 4 > limit and len(text.encode()) > limit:
        raise Refusal("too_long", what=Phrase(what), limit=limit)
    if not blank and not text.strip():
        raise Refusal("empty")
    return text


class Command(msgspec.Struct, frozen=True, eq=False):
    """A decoded request of a client; one subclass for each row of the table."""


CommandClass = TypeVar("CommandClass", bound=type[Command])


class Declaration(msgspec.Struct, frozen=True, eq=False):
    """A row of the table.

    ``actions`` are the JSON names, ours first; ``presets`` has the fields that some of them set. ``word`` is
    typed before the first ``;``. ``keyword`` is the text protocol's own verb; ``keyword_fields`` follow it.
    ``slash`` is typed behind a ``/`` in the chat room. An empty one means no such form.
    With ``here`` the group may be left out in the chat room: it is then the one where the user is.

    ``who`` may use the command, ``answer`` is the kind of its answer, ``refused`` its own refusal codes.
    ``fields`` are in typed order; those in ``required`` have no default.
    """

    command: type[Command]
    name: str
    actions: tuple[str, ...]
    presets: Mapping[str, Mapping[str, str]]
    word: str
    keyword: str
    keyword_fields: tuple[str, ...]
    slash: str
    group_defaults_to_room: bool
    who: RequiredRole
    answer: AnswerName
    refused: tuple[str, ...]
    help: str
    example: str
    fields: dict[str, Field]
    required: frozenset[str]

    def build(self, values: Mapping[str, object], limits: Limits) -> Command:
        """The command, from values by field name; None counts as absent, unknown names are ignored.

        Raises `Refusal` ``bad_request``, ``too_long`` or ``empty``.
        """
        image = values.get("kind") == "image"
        checked: dict[str, str | int] = {}
        for name, field in self.fields.items():
            value = values.get(name)
            if value is not None:
                checked[name] = field.check(name, value, limits, image)
            elif name in self.required:
                raise Refusal("bad_request", why=reason("missing", command=self.name, name=Phrase(name)))
        return self.command(**checked)

    @property
    def reads_log(self) -> bool:
        """Whether the command is answered from the log."""
        return self.answer in ("messages", "states", "history", "conversations")

    @property
    def typed_fields(self) -> dict[str, Field]:
        """The fields that people type."""
        return {name: field for name, field in self.fields.items() if field.typed}

    @property
    def usage(self) -> str:
        """What a person types: ``kick;group;dest[;reason]``, else ``MSG msg``, else ``/join group``."""
        if self.word:
            parts = [f";{name}" if name in self.required else f"[;{name}]" for name in self.typed_fields]
            return self.word + ("".join(parts) or ";")
        return self.keyword_usage or self.slash_usage

    @property
    def keyword_usage(self) -> str:
        """What a person types in the text protocol's own form: ``PRV dest msg``; empty if it has none."""
        return " ".join((self.keyword, *self.keyword_fields)) if self.keyword else ""

    @property
    def slash_usage(self) -> str:
        """What a person types in the chat room: ``/kick group dest [reason]``; empty without a `slash`."""
        return self.slash_usage_in(str)

    def slash_usage_in(self, translate: Callable[[str], str]) -> str:
        """`slash_usage` in another language: ``translate`` has its words for the names of the fields."""
        if not self.slash:
            return ""
        needed = self.required - {"group"} if self.group_defaults_to_room else self.required
        parts = [
            f" {translate(name)}" if name in needed else f" [{translate(name)}]" for name in self.typed_fields
        ]
        return f"/{self.slash}{''.join(parts)}"


COMMANDS: Final[dict[str, Declaration]] = {}
"""Name -> declaration, in the order of SPEC.md."""

COMMANDS_BY_CLASS: Final[dict[type[Command], Declaration]] = {}
"""The same rows by the command's class."""

COMMANDS_BY_ACTION: Final[dict[str, Declaration]] = {}
"""The same rows by each of their JSON names."""


def declare(
    name: str,
    *,
    who: RequiredRole,
    answer: AnswerName,
    help: str,
    example: str,
    actions: tuple[str, ...] = (),
    presets: Mapping[str, Mapping[str, str]] | None = None,
    word: str = "",
    keyword: str = "",
    slash: str = "",
    group_defaults_to_room: bool = False,
    refused: str = "",
) -> Callable[[CommandClass], CommandClass]:
    """Enter a command class in the table; its fields are those of the class.

    ``keyword`` is the verb with the fields that follow it: ``PRV dest msg``. ``refused`` has the command's
    own codes, separated by spaces.
    """

    def enter(command: CommandClass) -> CommandClass:
        hints = get_type_hints(command, include_extras=True)
        fields = {f.name: _field_of(hints[f.name]) for f in msgspec.structs.fields(command)}
        codes = tuple(refused.split())
        assert set(codes) <= set(SENTENCES), codes
        verb, *verb_fields = keyword.split() or [""]
        assert set(verb_fields) <= set(fields), verb_fields
        row = Declaration(
            command=command,
            name=name,
            actions=actions,
            presets=presets or {},
            word=word,
            keyword=verb,
            keyword_fields=tuple(verb_fields),
            slash=slash,
            group_defaults_to_room=group_defaults_to_room,
            who=who,
            answer=answer,
            refused=codes,
            help=help,
            example=example,
            fields=fields,
            required=frozenset(f.name for f in msgspec.structs.fields(command) if f.required),
        )
        COMMANDS[name] = COMMANDS_BY_CLASS[command] = row
        COMMANDS_BY_ACTION.update(dict.fromkeys(actions, row))
        return command

    return enter


def _field_of(hint: Any) -> Field:
    """The `Field` that annotates a type, which may be optional: ``Annotated[int, Field(…)] | None``."""
    metadata = get_args(hint)[-1]
    return metadata if isinstance(metadata, Field) else _field_of(get_args(hint)[0])
