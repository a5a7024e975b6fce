"""Shortens the web page's JavaScript modules and its style sheet before they are served."""

from __future__ import annotations

import re
from typing import Final

_SCRIPT_PART: Final = re.compile(
    rb"""(?P<kept>
        "(?:[^"\\\n]|\\.)*"                                              # a string
        |`(?:[^`\\]|\\.)*`                                               # a template
        |/(?![/*\s])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*u   # a regular expression
    )
    |[;,]?(?:\s|/\*(?:(?!\*/).)*\*/|//[^\n]*)+                           # blanks and comments, after a sign
    """,
    re.DOTALL | re.VERBOSE,
)

_SIGNS: Final = b'=<>!&|?:;,(){}[]*%"`'
"""Characters that need no space next to them. Around ``+``, ``-`` and ``/`` it could matter."""

_OPENING: Final = b"{([,;"
_CLOSING: Final = b"})]"
"""Characters after and before which a statement needs no new line."""

_STYLE_BLANKS: Final = re.compile(rb"(?<=[:;,{])\s+|\s+(?=[{}])|;\s*(?=\})")


def shorten_script(module: bytes) -> bytes:
    """Return the source of a JavaScript ``module`` without comments, indentation and needless spaces.

    ``module`` must be written in a simple style: strings in double quotes, no template inside another, the
    flag ``u`` on every regular expression, spaces around a division, and no empty statement. In the result, a
    line ends only where a statement may end without a semicolon, and no closing brace follows a semicolon or
    a comma.
    """
    return _SCRIPT_PART.sub(_shorten_part, module)


def shorten_style(sheet: bytes) -> bytes:
    """Return the source of a style ``sheet`` with one rule in each line and without needless spaces.

    In ``sheet`` there must be no comments, and no strings that contain punctuation.
    """
    return _STYLE_BLANKS.sub(b"", sheet)


def _shorten_part(part: re.Match[bytes]) -> bytes:
    """Return the part itself, or what remains of a sign, blanks and comments between two characters."""
    if part["kept"]:
        return part["kept"]
    sign = part[0][:1] if part[0].startswith((b";", b",")) else b""
    after = part.string[part.end() : part.end() + 1]
    if sign:
        return b"" if after == b"}" else sign
    before = part.string[part.start() - 1 : part.start()]
    if b"\n" in part[0]:
        return b"" if before in _OPENING or after in _CLOSING else b"\n"
    return b"" if before in _SIGNS or after in _SIGNS else b" "
