"""The group that a typed command is for if the line does not name one: the group on the screen.

``/kick carol too loud`` in the group wob is ``/kick wob carol too loud``. The group may still be named, and
``#wob`` is always a group. A line that can be read in both ways, with different effects, is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from chatd.client.codec import ConversationRef
from chatd.client.command_usage import displayed_usage
from chatd.client.implied_id import has_implied_id
from chatd.client.language import _
from chatd.core import commands as c
from chatd.core.declarations import CommandDeclaration
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.typed_commands import parse_slash_fields

GROUP_NAME_PREFIX: Final = "#"
"""What may be typed in front of the name of a group, which itself can't begin with it."""

_ROLES_IN_A_GROUP: Final = ("members", "operators", "owner")

_ALWAYS_NAMED: Final = (c.SendToGroup,)
"""Commands whose group is never implied: a message must not go to another group than the one it names."""


_REMOVE_SETTING_WITHOUT_VALUE: Final = (c.SetTopic, c.SetRetention)
"""Commands that remove a setting of a group if they have no value."""


class KnownNames(msgspec.Struct, frozen=True):
    """The nicks and group names that the client knows.

    They serve to parse and to complete what the user types.

    ``nicks`` are the users who are online or in the conversation on the screen. ``members`` are the other
    users in that conversation. ``groups`` is None if the client has no list of groups.
    """

    nicks: Collection[str] = ()
    groups: Collection[str] | None = None
    members: Collection[str] = ()


NO_NAMES_KNOWN: Final = KnownNames()
"""What a client knows that keeps no lists."""


def has_implied_group(row: CommandDeclaration, place: ConversationRef) -> bool:
    """Return whether the user may leave out the group when typing the command ``row`` in the conversation
    ``place``.
    """
    return (
        place.kind == "group"
        and row.required_role in _ROLES_IN_A_GROUP
        and row.command not in _ALWAYS_NAMED
        and next(iter(row.typeable_fields), "") == "group"
    )


def slash_usage_in_conversation(row: CommandDeclaration, place: ConversationRef, word: str = "") -> str:
    """Return the usage of ``row`` at ``place``: ``/kick [group] nick [reason]`` if the group is implied, and
    ``/edit [id] text`` for a command on the last message.

    The names of the fields are those that people know. ``word`` is the word that was typed for the command,
    if it may be another one.
    """
    usage = displayed_usage(row)
    if word:
        usage = usage.replace(f"/{row.slash_word}", f"/{word}", 1)
    if has_implied_id(row):
        id = _("id")
        return usage.replace(f" {id}", f" [{id}]", 1)
    group = _("group")
    return usage.replace(f" {group}", f" [{group}]", 1) if has_implied_group(row, place) else usage


def parse_fields_with_implied_group(
    row: CommandDeclaration, rest: str, place: ConversationRef, known: KnownNames, limits: Limits
) -> dict[str, object]:
    """Parse ``rest``, the text behind a command word, and return the values of the fields of the command
    ``row``.

    The values are not checked. If the conversation on the screen, ``place``, is a group, and ``rest`` makes
    sense without a group, the command applies to ``place``. If ``rest`` also makes sense with its first word
    as a group that the client knows, the first word is the group, unless the command would affect another
    user or mean something else: then the line is refused with ``bad_request``. So is ``/topic`` alone, which
    would remove the topic. A client without a list of groups takes the first word as a group whenever that
    makes sense.
    """
    explicit = parse_slash_fields(row, rest)
    first = str(explicit.get("group", ""))
    if first.startswith(GROUP_NAME_PREFIX):
        return {**explicit, "group": first.removeprefix(GROUP_NAME_PREFIX)}
    if not has_implied_group(row, place):
        return explicit
    if row.command in _REMOVE_SETTING_WITHOUT_VALUE and not rest.strip():
        raise Refusal(
            "bad_request",
            why=_(
                "without a value, {word} removes the setting of {group}: enter {word} #{group} to do so"
            ).format(word=f"/{row.slash_word}", group=place.name),
        )
    implied = {**parse_slash_fields(_without_group(row), rest), "group": place.name}
    if not _makes_sense(row, implied, limits) or (rest.strip() and len(row.typeable_fields) == 1):
        return explicit
    if not _makes_sense(row, explicit, limits):
        return implied
    if known.groups is None:
        return explicit
    if not _is_among(first, (*known.groups, place.name)):
        return implied
    if "dest" in row.fields:
        if not _is_among(first, known.nicks):
            return explicit
    elif first.casefold() == place.name.casefold():
        return explicit
    word = f"/{row.slash_word}"
    raise Refusal(
        "bad_request",
        why=_("{name} is a group, too: write {first} or {second}").format(
            name=first,
            first=f"{word} {GROUP_NAME_PREFIX}{rest.strip()}",
            second=f"{word} {GROUP_NAME_PREFIX}{place.name} {rest.strip()}",
        ),
    )


def _without_group(row: CommandDeclaration) -> CommandDeclaration:
    fields = {name: field for name, field in row.fields.items() if name != "group"}
    return msgspec.structs.replace(row, fields=fields, required_fields=row.required_fields - {"group"})


def _makes_sense(row: CommandDeclaration, values: dict[str, object], limits: Limits) -> bool:
    """Return whether ``values`` have all required fields, in their forms, and no name with a blank in it."""
    try:
        row.build(values, limits)
    except Refusal:
        return False
    names = (str(values.get(name, "")) for name, field in row.fields.items() if field.value_kind == "name")
    return not any(len(name.split()) > 1 for name in names)


def _is_among(name: str, names: Collection[str]) -> bool:
    return name.casefold() in {one.casefold() for one in names}
