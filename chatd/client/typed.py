"""What a person types: a command, as the seeds or a chat room have them, or else something to say."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

import msgspec

from chatd.client.codec import LOBBY, Place
from chatd.client.language import _
from chatd.core import commands as c
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, reason
from chatd.core.typed import SlashLine, parse_semicolon, parse_slash, slash_values, unescaped

MOST: Final = Limits(message=9_600, image=64 * 1024)
"""What a daemon may take at most; what it does take is its own to say."""


IMAGE: Final = "image"
"""The word behind a slash that is the client's own."""

SAID: Final = (c.Broadcast, c.Send, c.GroupBroadcast)
"""What says something."""


class SendImage(msgspec.Struct, frozen=True):
    """The client's own command: turn the picture at ``path`` into characters and say them in ``place``."""

    path: str
    place: Place


def understood(typed: str, here: Place) -> c.Command | SendImage:
    """The command that ``typed`` is in the place ``here``. Raises `Refusal`.

    ``s;bob;hello`` and ``/msg bob hello`` are commands, ``//hello`` says ``/hello``, and so does everything
    that is no command.
    """
    slash = parse_slash(typed)
    if slash is not None:
        return _slash(slash, here)
    word, semicolon, rest = typed.partition(";")
    command = parse_semicolon(f"{word.strip()}{semicolon}{rest}")
    if command is not None:
        row, values = command
        return row.build(values, MOST)
    return said(here, unescaped(typed))


Meant = tuple[c.Command | SendImage, Place | None]
"""A command, and where it leads, if it does."""


class Bearings:
    """Where what is typed is meant for: where one is, or where what was typed before it leads."""

    def __init__(self) -> None:
        self._ahead: deque[Place] = deque()

    def meant(self, typed: str, here: Place) -> Meant:
        """What ``typed`` asks for. Raises `Refusal`."""
        there = self._ahead[-1] if self._ahead else here
        command = understood(typed, there)
        goes = _leads(command, there)
        if goes is not None:
            self._ahead.append(goes)
        return command, goes

    def done(self, goes: Place | None) -> Place | None:
        """Where one goes now that what leads there is done: nowhere if one chose another place since."""
        return self._ahead.popleft() if goes in self._ahead else None

    def chosen(self) -> None:
        """One chose where to be, wherever what was typed leads."""
        self._ahead.clear()


def said(place: Place, text: str, kind: Literal["message", "image"] = "message") -> c.Command:
    """What says ``text`` in ``place``. Raises `Refusal`."""
    fields = {"msg": text, "kind": kind}
    if place == LOBBY:
        return c.COMMANDS["broadcast"].build(fields, MOST)
    if place.kind == "group":
        return c.COMMANDS["gbroadcast"].build({"group": place.name, **fields}, MOST)
    return c.COMMANDS["send"].build({"dest": place.name, **fields}, MOST)


def _leads(command: c.Command | SendImage, here: Place) -> Place | None:
    """Where ``command`` takes one from ``here`` once it is done, or was done before, if it does."""
    if isinstance(command, (c.Join, c.CreateGroup)):
        return Place("group", command.group)
    if isinstance(command, c.Leave) and Place("group", command.group).key == here.key:
        return LOBBY
    return None


def _slash(typed: SlashLine, here: Place) -> c.Command | SendImage:
    if typed.word.lower() == IMAGE:
        path = typed.rest.strip()
        if not path:
            raise Refusal("bad_request", why=reason("usage", usage=f"/{IMAGE} file"))
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
    command = row.build(values, MOST)
    return c.Join(command.group) if isinstance(command, c.Enter) else command
