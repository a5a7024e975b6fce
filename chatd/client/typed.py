"""What a person types: a command, as the seeds or a chat room have them, or else something to say."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from chatd.client.codec import LOBBY, Place
from chatd.core import commands as c
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.dialects.text import WORDS, typed_fields
from chatd.dialects.tp6 import SLASHES, slash_fields

MOST: Final = Limits(message=9_600, image=64 * 1024)
"""What a daemon may take at most; what it does take is its own to say."""


IMAGE: Final = "image"
"""The word behind a slash that is the client's own."""

SAID: Final = (c.Broadcast, c.Send, c.GroupBroadcast)
"""What says something."""


class SendImage(msgspec.Struct, frozen=True):
    """The client's own command: turn the picture at ``path`` into characters and say them."""

    path: str


def understood(typed: str, here: Place) -> c.Command | SendImage:
    """The command that ``typed`` is in the place ``here``. Raises `Refusal`.

    ``s;bob;hello`` and ``/msg bob hello`` are commands, ``//hello`` says ``/hello``, and so does everything
    that is no command.
    """
    if typed.startswith("/") and typed[1:2].isalpha():
        return _slash(typed[1:], here)
    word, semicolon, rest = typed.partition(";")
    row = WORDS.get(word.strip().lower()) if semicolon else None
    if row is not None:
        return row.build(typed_fields(row, rest), MOST)
    return said(here, typed[1:] if typed.startswith("//") else typed)


def said(place: Place, text: str, kind: Literal["message", "image"] = "message") -> c.Command:
    """What says ``text`` in ``place``. Raises `Refusal`."""
    fields = {"msg": text, "kind": kind}
    if place == LOBBY:
        return c.COMMANDS["broadcast"].build(fields, MOST)
    if place.kind == "group":
        return c.COMMANDS["gbroadcast"].build({"group": place.name, **fields}, MOST)
    return c.COMMANDS["send"].build({"dest": place.name, **fields}, MOST)


def heading(command: c.Command) -> tuple[c.Command, Place | None]:
    """What the daemon is asked for ``command``, and where one is once that is done, or was done before."""
    if isinstance(command, c.Enter):
        return c.Join(command.group), Place("group", command.group)
    if isinstance(command, c.CreateGroup):
        return command, Place("group", command.group)
    return command, None


def _slash(typed: str, here: Place) -> c.Command | SendImage:
    word, *rest = typed.split(None, 1)
    if word.lower() == IMAGE:
        path = "".join(rest).strip()
        if not path:
            raise Refusal("bad_request", why="say /image file")
        return SendImage(path)
    row = SLASHES.get(word.lower())
    if row is None:
        raise Refusal("unknown_action", name=f"/{word[:64]}")
    values = dict(slash_fields(row, "".join(rest)))
    if here.kind == "group":
        if row.name == "clients":
            return c.ListMembers(here.name)
        if row.here:
            values.setdefault("group", here.name)
    if here.kind == "direct" and row.name == "history":
        values.setdefault("dest", here.name)
    if not row.required <= values.keys():
        raise Refusal("bad_request", why=f"say {row.slash_usage}")
    return row.build(values, MOST)
