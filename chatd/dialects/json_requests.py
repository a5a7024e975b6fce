"""Decoding of JSON requests: from the bytes of an object to a checked command.

Source: SPEC.md, chapter "The JSON wire".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final, TypeGuard

import msgspec

from chatd.core.commands import COMMANDS_BY_JSON_ACTION, Command
from chatd.core.declarations import CommandDeclaration
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal, translatable_reason

MAX_REF_LENGTH: Final = 128
"""The maximum number of characters in a ``ref``, the client's own id of a request."""

MAX_REPEATED_ACTION_LENGTH: Final = 64
"""The maximum number of characters of a request's action that an answer or a refusal repeats."""

JsonObject = dict[str, Any]
"""A JSON request: keys to values."""

_decode: Final = msgspec.json.Decoder().decode


def parse_object(frame: bytes) -> JsonObject:
    """Return the JSON object in ``frame``. Raises `Refusal` ``bad_json`` or ``bad_utf8``.

    An object with a duplicate key is ``bad_json``.
    """
    try:
        said = _decode(frame)
        # Every key has its colon, so if there are as many colons as keys, no key occurs twice. If there are
        # more, in a text or in a nested object, the slower parser checks.
        if isinstance(said, dict) and frame.count(b":") != len(said):
            json.loads(frame, object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise Refusal("bad_utf8") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal("bad_json", why=str(error)) from None
    if not isinstance(said, dict):
        raise Refusal("bad_json", why="a request must be an object")
    return said


def check_depth(request_object: JsonObject, frame: bytes, limit: int) -> None:
    """Check that ``request_object``, the object in ``frame``, is nested at most ``limit`` levels deep.

    Only a WebSocket message may be nested deeper: the carrier of other JSON clients, which finds the end of
    each object, refuses such an object before. Raises `Refusal` ``bad_json``.
    """
    if frame.count(b"{") + frame.count(b"[") <= limit:
        return
    level: list[Any] = [request_object]
    for _ in range(limit):
        inner = chain.from_iterable(one.values() if isinstance(one, dict) else one for one in level)
        level = [one for one in inner if isinstance(one, dict | list)]
    if level:
        raise Refusal("bad_json", why=translatable_reason("too_deep", limit=limit))


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise Refusal("bad_json", why="a key occurs twice")
    return unique


def build_command(
    request_object: JsonObject, name: object, ref: object, sender: object, limits: Limits
) -> Command:
    """Return the command of the JSON action ``name``, with its values from the JSON object
    ``request_object``.

    ``sender`` is the nick that the object names as its sender, and ``ref`` the client's id of the request.
    Raises `Refusal` if one of the two is invalid, if there is no such action, or if a value is missing,
    invalid or over ``limits``.
    """
    if not is_valid_ref(ref):
        raise Refusal(
            "bad_request",
            why=f"ref must be a string or a whole number of at most {MAX_REF_LENGTH} characters",
        )
    if not isinstance(name, str):
        raise Refusal("bad_request", why="action must be a string")
    row = COMMANDS_BY_JSON_ACTION.get(name)
    if row is None:
        raise Refusal("unknown_action", name=name[:MAX_REPEATED_ACTION_LENGTH])
    if not isinstance(sender, str):
        raise Refusal("bad_request", why="the sender must be a string")
    return row.build(_values(row, name, request_object, sender), limits)


def is_valid_ref(ref: object) -> TypeGuard[str | int | None]:
    """Return whether ``ref``, the client's own id of a request, is valid.

    A valid ref is absent, or a string or an integer of at most `MAX_REF_LENGTH` characters.
    """
    if isinstance(ref, bool):
        return False
    return ref is None or (isinstance(ref, str | int) and len(str(ref)) <= MAX_REF_LENGTH)


def _values(
    declaration: CommandDeclaration, action: str, request_object: Mapping[str, object], sender: str
) -> Mapping[str, object]:
    """Return the values of ``request_object`` by chatd's field names, from the keys and spellings that
    clients use.
    """
    values: JsonObject = {}
    for name, field in declaration.fields.items():
        key, value = name, request_object.get(name)
        if value is None:
            for key in field.aliases:
                value = request_object.get(key)
                if value is not None:
                    break
        if field.accepts_sender_keys:
            values[name] = sender
        elif value is not None:
            values[name] = value if field.normalize is None else field.normalize(key, value)
    if action in declaration.field_presets_by_json_action:
        values.update(declaration.field_presets_by_json_action[action])
    return values
