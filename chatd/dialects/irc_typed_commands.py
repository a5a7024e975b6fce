"""Commands for which IRC has no verb, typed to the daemon: ``/msg chatd ignore;bob``.

They are the ``;`` commands of the text wire, and are answered with its lines, as notices of the daemon.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from chatd.boundaries import Payloads
from chatd.core.answers import Answer, Help
from chatd.core.commands import ListCommands
from chatd.core.limits import Limits
from chatd.core.refusals import Refusal
from chatd.core.requests import Request
from chatd.core.typed_commands import parse_semicolon_command
from chatd.dialects.text import TextDialect

_MARK: Final = ";"
"""What the command words of typed commands begin with, which no verb of IRC does."""


def decode_typed_command(text: str, limits: Limits) -> Request:
    """Return the request for ``text``, a command that an IRC user typed to the daemon, such as
    ``ignore;bob``.

    A command without fields may be typed without its semicolon.
    """
    word = text.partition(";")[0].strip().lower()
    if word == "help":
        return Request(ListCommands(), _MARK + word)
    try:
        typed = parse_semicolon_command(text if ";" in text else f"{text};")
        if typed is None:
            raise Refusal("unknown_action", name=word)
        row, values = typed
        return Request(row.build(values, limits), _MARK + row.semicolon_word)
    except Refusal as refusal:
        return Request(refusal, _MARK + word)


def is_typed_command(request: Request) -> bool:
    """Return whether ``request`` is a command that an IRC user typed to the daemon as a message."""
    return request.command_word.startswith(_MARK)


def encode_typed_command_result(request: Request, result: Answer | Refusal, text: TextDialect) -> Payloads:
    """Return the lines for ``result``, the answer to ``request`` or its refusal, in the text dialect
    ``text``.

    The answer to ``help`` lists only the commands that can be typed.
    """
    if isinstance(result, Help):
        return tuple(
            f"{row.preferred_usage}: {row.help}".encode() for row in result.commands if row.semicolon_word
        )
    typed = replace(request, command_word=request.command_word[1:])
    if isinstance(result, Refusal):
        return text.encode_refusal(typed, result)
    return text.encode_answer(typed, result)
