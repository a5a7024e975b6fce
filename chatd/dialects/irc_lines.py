"""The syntax of IRC lines: parameters, message tags, CTCP, formatting codes, and long texts in short lines.

Sources: RFC 1459 section 2.3, modern.ircdocs.horse, and the IRCv3 specification of message tags. Nothing here
knows what a verb means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal
from unicodedata import category

import msgspec

from chatd.core.terminal import LINE_END_PATTERN

MAX_LINE_BYTES: Final = 510
"""The most bytes of a line, without CR LF and without the section of tags."""

MAX_CLIENT_TAG_BYTES: Final = 4094
"""The most bytes that a client may send between ``@`` and the blank that ends the tags."""

MAX_SERVER_TAG_BYTES: Final = 8189
"""The most bytes that a server may send between ``@`` and the blank that ends the tags."""

MAX_CHARACTER_BYTES: Final = 4
"""The most bytes of a character of UTF-8: a line that is cut has fewer bytes less than `MAX_LINE_BYTES`."""

MAX_PARAMS: Final = 15
"""The most parameters of a line. The last one takes what is left of the line."""

_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_ELLIPSIS: Final = "…"
_ZERO_WIDTH_JOINER: Final = "\u200d"
_CTCP_DELIMITER: Final = "\x01"

_VERB: Final = re.compile(rb"(?:@[^ ]* )? *(?::[^ ]* +)?([A-Za-z0-9]{1,32})(?: |\Z)")
_LINE_BREAKERS: Final = dict.fromkeys(map(ord, "\r\n\0"), " ")
# A parameter before the last one: not empty, no colon in front, and nothing that is or becomes a blank.
_MIDDLE: Final = re.compile("[^: \r\n\0][^ \r\n\0]*")

_TAG_ESCAPES: Final = {";": r"\:", " ": r"\s", "\0": r"\s", "\\": r"\\", "\r": r"\r", "\n": r"\n"}
_TAG_CHARACTERS: Final = {":": ";", "s": " ", "r": "\r", "n": "\n"}
_ESCAPE_TABLE: Final = str.maketrans(_TAG_ESCAPES)
_TO_ESCAPE: Final = re.compile(r"[; \0\\\r\n]")
_ESCAPED: Final = re.compile(r"\\(.?)")

_FORMATTING: Final = re.compile(
    "[\x02\x0f\x11\x16\x1d\x1e\x1f]"
    "|\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?"
    "|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?"
)


class IrcLine(msgspec.Struct, frozen=True):
    """A parsed line from an IRC client, without its source.

    ``verb`` is in upper case if it is ASCII. The last of ``params`` may be any text. The verb and the other
    parameters are not empty, contain no blank, and do not begin with a colon. ``tags`` has the unescaped
    values; a tag without a value has the value "".
    """

    verb: str
    params: tuple[str, ...]
    tags: Mapping[str, str]


class BadLine(Exception):
    """The error for bytes that are not an IRC line.

    ``reason`` is "too_long" for a line or tags of too many bytes, "bad_utf8", "bad_character" for a CR, LF or
    NUL in the line, or "empty" for a line without a verb. ``verb`` is the verb in upper case, or "" if it is
    not known.
    """

    def __init__(
        self, reason: Literal["too_long", "bad_utf8", "bad_character", "empty"], verb: str = ""
    ) -> None:
        super().__init__(reason, verb)
        self.reason: Final = reason
        self.verb: Final = verb


def parse_line(payload: bytes) -> IrcLine:
    """Return the IRC line in ``payload``, which has no line end. The source of the line is ignored.

    If a tag is there twice, the last one counts. Raises `BadLine` for bytes that are not an IRC line.
    """
    tag_section, line = b"", payload
    if payload[:1] == b"@":
        tag_section, _, line = payload[1:].partition(b" ")
    if len(line) > MAX_LINE_BYTES or len(tag_section) > MAX_CLIENT_TAG_BYTES:
        raise BadLine("too_long", _verb_of(payload))
    if b"\0" in payload or b"\r" in payload or b"\n" in payload:
        raise BadLine("bad_character", _verb_of(payload))
    try:
        text = line.decode().lstrip(" ")
        tags = _parse_tags(tag_section.decode()) if tag_section else _NO_TAGS
    except UnicodeDecodeError:
        raise BadLine("bad_utf8", _verb_of(payload)) from None
    if text[:1] == ":":
        text = text.partition(" ")[2].lstrip(" ")
    words, params = _split_words(text)
    if not words or words[0][0] in ":@":
        raise BadLine("empty")
    verb, *middle = words
    return IrcLine(_upper(verb), (*middle, *params), tags)


def format_line(
    verb: str,
    *params: str,
    source: str = "",
    tags: Mapping[str, str] | None = None,
    trailing: bool = False,
) -> bytes:
    """Return an IRC line without a line end.

    A line of more than `MAX_LINE_BYTES` is cut between two characters.

    The last parameter may be any text: CR, LF and NUL become blanks, and a colon precedes the text if it
    needs one, or if ``trailing`` is true. The source, the verb and the other parameters must not be empty,
    contain a blank, CR, LF or NUL, or begin with a colon; the function does not check this. ``tags`` has the
    unescaped values.
    """
    assert not source or _MIDDLE.fullmatch(source), source
    assert _MIDDLE.fullmatch(verb), verb
    line = f":{source} {verb}" if source else verb
    if params:
        for middle in params[:-1]:
            assert _MIDDLE.fullmatch(middle), params
            line = f"{line} {middle}"
        last = params[-1]
        if "\n" in last or "\r" in last or "\0" in last:
            last = last.translate(_LINE_BREAKERS)
        line = (
            f"{line} :{last}" if trailing or not last or last[0] == ":" or " " in last else f"{line} {last}"
        )
    encoded = line.encode()
    if len(encoded) > MAX_LINE_BYTES:
        encoded = encoded[: _character_start(encoded, MAX_LINE_BYTES)]
    return _format_tags(tags) + encoded if tags else encoded


def with_tags(line: bytes, tags: Mapping[str, str]) -> bytes:
    """Return ``line`` with ``tags`` added in front of the tags that it already has."""
    if not tags:
        return line
    section = _format_tags(tags)
    return section[:-1] + b";" + line[1:] if line.startswith(b"@") else section + line


def escape_tag_value(value: str) -> str:
    """Return ``value`` escaped for the tags of a line. A NUL, which has no escape, becomes a blank."""
    return value.translate(_ESCAPE_TABLE) if _TO_ESCAPE.search(value) else value


def unescape_tag_value(value: str) -> str:
    """Return the unescaped form of ``value``, from the tags of a line.

    A backslash that escapes nothing is dropped.
    """
    if "\\" not in value:
        return value
    return _ESCAPED.sub(lambda match: _TAG_CHARACTERS.get(match[1], match[1]), value)


def split_text(text: str, max_bytes: int, max_lines: int) -> list[str]:
    """Split ``text`` into at most ``max_lines`` lines of at most ``max_bytes`` (4 or more) bytes of UTF-8.

    A longer line is broken at a blank in its last third, and the blank is dropped. If there is none, the line
    is broken between two characters, and if possible not before a combining mark. Empty lines are left out.
    If there are more lines than ``max_lines`` (1 or more), the last one ends in ``…``.
    """
    pieces: list[str] = []
    for line in LINE_END_PATTERN.split(text):
        for piece in _pieces(line, max_bytes):
            if len(pieces) == max_lines:
                pieces[-1] = _cut(pieces[-1], max_bytes)
                return pieces
            pieces.append(piece)
    return pieces


def split_text_losslessly(text: str, max_bytes: int, max_lines: int) -> list[tuple[str, bool]]:
    """Split ``text`` into the pieces of a multiline message, which give ``text`` again when they are joined.

    Return pairs of a piece and a flag. If the flag is true, the piece continues the line of the piece before.
    Otherwise the piece begins a new line. A piece has at most ``max_bytes`` bytes of UTF-8 (4 or more). If a
    line is broken at a blank, the blank stays at the end of the piece. There are at most ``max_lines``
    pieces. If the text has more, it is cut, and the last piece ends in ``…``.
    """
    pieces: list[tuple[str, bool]] = []
    for line in LINE_END_PATTERN.split(text):
        found = list(_pieces(line, max_bytes, keeps_blanks=True)) or [""]
        for number, piece in enumerate(found):
            if len(pieces) == max_lines:
                last, is_continued = pieces[-1]
                pieces[-1] = _cut(last, max_bytes), is_continued
                return pieces
            pieces.append((piece, number > 0))
    return pieces


def without_formatting(text: str) -> str:
    """Return ``text`` without mIRC's codes for bold, italic, colours and the like."""
    return _FORMATTING.sub("", text)


def parse_ctcp(text: str) -> tuple[str, str] | None:
    """Return the verb in upper case and the rest of the CTCP message in ``text``.

    Return None if ``text`` is not a CTCP message. The delimiter at the end may be missing. Delimiters inside
    are dropped.
    """
    if text[:1] != _CTCP_DELIMITER:
        return None
    verb, _, rest = text.replace(_CTCP_DELIMITER, "").partition(" ")
    return (_upper(verb), rest) if verb else None


def format_ctcp(verb: str, rest: str) -> str:
    """Return the text of a CTCP message. A delimiter in ``rest`` is dropped."""
    body = f"{verb} {rest}" if rest else verb
    return f"{_CTCP_DELIMITER}{body.replace(_CTCP_DELIMITER, '')}{_CTCP_DELIMITER}"


def parse_message_id(msgid: str) -> int:
    """Return the id of the log entry that the IRC message id ``msgid`` names, or 0, which no entry has.

    A long message is sent as several lines, with the message ids ``17``, ``17.2`` and so on. Each of them
    names the whole message.
    """
    number, _, part = msgid.partition(".")
    is_known = all(one.isascii() and one.isdigit() and len(one) < 19 for one in (number, part or "1"))
    return int(number) if is_known else 0


def _upper(verb: str) -> str:
    # Only ASCII has a case here: "ı" must not become "I".
    return verb.upper() if verb.isascii() else verb


def _verb_of(payload: bytes) -> str:
    """Return the verb of a line that is otherwise unusable, or "" if that is not plain letters and digits."""
    match = _VERB.match(payload)
    return match[1].decode().upper() if match else ""


def _split_words(text: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the verb and the parameters without a colon in front, and the last parameter if it has one."""
    before, colon, last = text.partition(" :")
    words = before.split(" ")
    if "" in words:
        words = [word for word in words if word]
    if len(words) + bool(colon) <= MAX_PARAMS + 1:
        return words, (last,) if colon else ()
    for _ in range(MAX_PARAMS):
        text = text.partition(" ")[2].lstrip(" ")
    return words[:MAX_PARAMS], (text,)


def _parse_tags(section: str) -> dict[str, str]:
    tags = {}
    for tag in section.split(";"):
        key, _, value = tag.partition("=")
        if key:
            tags[key] = unescape_tag_value(value)
    return tags


def _format_tags(tags: Mapping[str, str]) -> bytes:
    section = ";".join(
        [f"{key}={escape_tag_value(value)}" if value else key for key, value in tags.items()]
    ).encode()
    assert len(section) <= MAX_SERVER_TAG_BYTES, tags
    return b"@" + section + b" "


def _pieces(line: str, max_bytes: int, keeps_blanks: bool = False) -> Iterator[str]:
    encoded = line.encode()
    start = 0
    while len(encoded) - start > max_bytes:
        end = _character_start(encoded, start + max_bytes)
        # A blank just behind the piece is a good place too, if it is dropped.
        blank = encoded.rfind(b" ", start + max_bytes * 2 // 3, end + (not keeps_blanks))
        if blank < 0:
            end = following = _unjoined(encoded, start + max_bytes * 2 // 3, end)
        else:
            end, following = blank + keeps_blanks, blank + 1
        yield encoded[start:end].decode()
        start = following
    if start < len(encoded):
        yield encoded[start:].decode()


def _cut(piece: str, max_bytes: int) -> str:
    """Return ``piece`` with an ellipsis at its end, shortened if there is no room for it."""
    encoded = piece.encode()
    end = max_bytes - len(_ELLIPSIS.encode())
    if len(encoded) > end:
        end = _character_start(encoded, end)
        piece = encoded[: _unjoined(encoded, max_bytes * 2 // 3, end)].decode()
    return piece + _ELLIPSIS


def _character_start(encoded: bytes, index: int) -> int:
    """Return the start of the character of UTF-8 that the byte at ``index`` belongs to."""
    while encoded[index] & 0xC0 == 0x80:
        index -= 1
    return index


def _unjoined(encoded: bytes, first: int, last: int) -> int:
    """Return the last place between ``first`` and ``last`` that is not inside a combined character.

    ``last``, which is the start of a character, is returned if there is none.
    """
    place = last
    after = _character(encoded, place)
    while place >= first:
        before_place = _character_start(encoded, place - 1)
        before = _character(encoded, before_place)
        if not _joins(before, after):
            return place
        place, after = before_place, before
    return last


def _character(encoded: bytes, start: int) -> str:
    return encoded[start : start + 4].decode(errors="ignore")[0]


def _joins(before: str, after: str) -> bool:
    return (
        _ZERO_WIDTH_JOINER in (before, after)
        or category(after)[0] == "M"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # the colours of skin, which change the emoji before
    )
