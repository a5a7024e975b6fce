"""Parses a typed line: a ``word;field`` or ``/word`` command, or else a message for the current place."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from chatd.client.codec import LOBBY, Place
from chatd.client.language import _
from chatd.core import commands as c
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, reason
from chatd.core.typed import SlashLine, parse_semicolon, parse_slash, slash_values, unescaped

MAX_LIMITS: Final = Limits(message=9_600, image=64 * 1024)
"""The largest limits that a daemon may be configured with; the daemon checks its own."""

IMAGE_WORD: Final = "image"
"""The word of the one slash command that only the client has."""


class SendImage(msgspec.Struct, frozen=True):
    """The client's own command: convert the picture at ``path`` to characters and send them to ``place``."""

    path: str
    place: Place


def parse_typed(typed: str, here: Place) -> c.Command | SendImage:
    """The command that ``typed`` stands for in the place ``here``. Raises `Refusal`.

    ``s;bob;hello`` and ``/msg bob hello`` are commands. Any other line is a message; ``//hello`` is the
    message ``/hello``.
    """
    slash = parse_slash(typed)
    if slash is not None:
        return _slash(slash, here)
    word, semicolon, rest = typed.partition(";")
    command = parse_semicolon(f"{word.strip()}{semicolon}{rest}")
    if command is not None:
        row, values = command
        return row.build(values, MAX_LIMITS)
    return message_command(here, unescaped(typed))


def message_command(place: Place, text: str, kind: Literal["message", "image"] = "message") -> c.Command:
    """The command that sends ``text`` to ``place``. Raises `Refusal`."""
    fields = {"msg": text, "kind": kind}
    if place == LOBBY:
        return c.COMMANDS["broadcast"].build(fields, MAX_LIMITS)
    if place.kind == "group":
        return c.COMMANDS["gbroadcast"].build({"group": place.name, **fields}, MAX_LIMITS)
    return c.COMMANDS["send"].build({"dest": place.name, **fields}, MAX_LIMITS)


def _slash(typed: SlashLine, here: Place) -> c.Command | SendImage:
    if typed.word.lower() == IMAGE_WORD:
        path = typed.rest.strip()
        if not path:
            raise Refusal("bad_request", why=reason("usage", usage=f"/{IMAGE_WORD} file"))
        return SendImage(path, here)
    row = typed.row
    if row is None:
        raise Refusal("unknown_action", name=f"/{typed.word[:64]}")
    values = slash_values(row, typed.rest)
    if here.kind == "group":
        if row.name == "clients":
            return c.ListMembers(here.name)
        if row.here:
            values.setdefault("group", here.name)
    if row.name == "history" and "dest" not in values and here != LOBBY:
        values["group" if here.kind == "group" else "dest"] = here.name
    if not row.required <= values.keys():
        raise Refusal("bad_request", why=reason("usage", usage=row.slash_usage_in(_)))
    command = row.build(values, MAX_LIMITS)
    return c.Join(command.group) if isinstance(command, c.Enter) else command
