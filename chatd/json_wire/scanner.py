"""A scanner that cuts a stream of bytes into JSON values, wherever the TCP segments end and whatever stands
between the values.

The scanner only finds where a value ends; msgspec checks later whether the value is valid. `{"a":]` is cut
like `{"a":1}`.
"""

import re
from dataclasses import dataclass
from typing import Literal

_STRING = rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*'  # up to its last quote, no raw newline (RFC 8259, section 7)
_INSIDE = rb'[^"{}\[\]]*+(?:' + _STRING + rb'"[^"{}\[\]]*+)*'  # what stands between two brackets

# Every repetition here stops at a byte that it can't contain, so that even a failed match takes linear time.
_FLAT_OBJECT = re.compile(rb"(\{" + _INSIDE + rb"\})([ \t\r\n]*+)")
_TO_MARK = re.compile(_INSIDE + rb'(["{}\[\]])?')
_TO_MARK_IN_STRING = re.compile(_STRING.removeprefix(b'"') + rb'("|\\?\n)?')
_END_OF_WORD = re.compile(rb'[ \t\r\n{\["]')

_BOM = b"\xef\xbb\xbf"  # some Windows editors begin with it, and RFC 8259, section 8.1, lets us pass over it
_BLANKS = re.compile(rb"(?:[ \t\r\n]++|" + _BOM + rb")*")
_DEBRIS = re.compile(rb"[^{]*+")


@dataclass(frozen=True, slots=True)
class ScanFault:
    """A part of a JSON stream that is not an acceptable value. It is reported once, however long it is.

    After a fault of the kind "broken" the scanner finds the next value. After "too_long" or "too_deep",
    nothing shows where the next value begins, so the framing is lost.
    """

    kind: Literal["broken", "too_long", "too_deep"]

    @property
    def framing_lost(self) -> bool:
        """Whether the scanner can't find the next value, and therefore drops the rest of the stream."""
        return self.kind != "broken"


class JsonScanner:
    """An incremental scanner that finds where JSON values end in a stream of bytes.

    `feed` adds bytes, and `next_value` returns the next complete value. Both may be called in any order. A
    value is an object, an array, a string, or a word: a run of other bytes, number or garbage, which ends at
    white space or at the start of an object, an array or a string. White space between values is optional.

    Two things end a value early, because they never occur in valid JSON:

    - a newline inside a string. Scanning continues at the next `{`, because after the broken string every
      quote would be taken for the opposite kind.
    - an object at the start of a line, inside an open value that can't have an object there, for instance
      after the truncated `{"from":"alice"`. Scanning continues with that object.

    A value that was ended early is reported as a `broken` fault. Therefore a client that sends one value a
    line loses an invalid line (and the next line if the invalid one ends in `"key":`), and a client that
    spreads a valid value over many lines loses nothing.

    No byte is examined more than three times, whatever the size of the segments. `max_bytes` is the maximum
    size of a value, `max_depth` its maximum depth of nesting; `[]` has the depth 1.
    """

    def __init__(self, max_bytes: int = 64 * 1024, max_depth: int = 32) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._buffer = bytearray()
        # The next value: the pattern to skip before it, the index where it begins, the index up to which it
        # has been scanned, and its open brackets, the outermost first.
        self._gap = _BLANKS
        self._start = 0
        self._read = 0
        self._open = bytearray()
        self._in_string = False

        self.newline_seen = False
        """Whether a newline followed the last returned value, which shows that the client sends one value a
        line.
        """
        self.framing_lost = False
        """Whether a fault made the rest of the stream unreadable. From then on the scanner returns no value
        and drops all bytes.
        """

    @property
    def newline_may_follow(self) -> bool:
        """Whether `newline_seen` may still become true, because only white space has followed the last
        value.
        """
        return not self.newline_seen and self._start == len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add ``data``, the next bytes of the stream, to the buffer."""
        if self.framing_lost:
            return
        if self._start:
            del self._buffer[: self._start]
            self._read -= self._start
            self._start = 0
        self._buffer += data

    def next_value(self) -> bytes | ScanFault | None:
        """Return the bytes of the next value, or None if no value is complete.

        Return a `ScanFault` if the bytes are not an acceptable value.
        """
        if self._read == self._start:  # between two values
            flat = _FLAT_OBJECT.match(self._buffer, self._start, self._start + self._max_bytes)
            if flat:  # as nearly every request is; the scan below would cut the same bytes, more slowly
                self._gap = _BLANKS
                self._start = self._read = flat.end()
                self.newline_seen = b"\n" in flat[2]
                return flat[1]
            if self._start == len(self._buffer):
                return None
            self._pass_gap()
            if _BOM.startswith(self._buffer[self._start : self._start + len(_BOM)]):
                return None  # nothing is left, or too little to tell a byte order mark from a word
        if self._buffer[self._start] in b'{["':
            return self._scan_value()
        return self._scan_word()

    def skip_blanks(self) -> None:
        """Skip the white space after the last value, and update `newline_seen` and `newline_may_follow`.

        The scanner does not start to read the next value.
        """
        if self._read == self._start:
            self._pass_gap()

    def _scan_value(self) -> bytes | ScanFault | None:
        """Continue to scan an object, an array or a string."""
        buffer, limit = self._buffer, self._start + self._max_bytes
        if self._read == self._start and buffer[self._start] in b'"':  # it ends where the string does
            self._in_string = True
            self._read += 1
        while True:
            to_mark = _TO_MARK_IN_STRING if self._in_string else _TO_MARK
            found = to_mark.match(buffer, self._read, limit)
            assert found, "it matches nothing at all, at worst"
            self._read, mark = found.end(), found[1]
            if mark is None:
                return self._lose("too_long") if len(buffer) >= limit else None
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark in b"{[":
                if mark == b"{" and self._open and self._misplaced(self._read - 1):
                    return self._break(self._read - 1)
                if len(self._open) == self._max_depth:
                    return self._lose("too_deep")
                self._open += mark
            elif mark in b"}]":
                self._open.pop()
            else:  # a newline in a string
                return self._break(self._read)
            if not self._open and not self._in_string:
                return self._take(self._read)

    def _scan_word(self) -> bytes | ScanFault | None:
        """Continue to scan a number, a literal or garbage. The byte that follows it is what shows its end."""
        limit = self._start + self._max_bytes
        if end := _END_OF_WORD.search(self._buffer, self._read, limit + 1):
            return self._take(end.start())
        self._read = len(self._buffer)
        return self._lose("too_long") if self._read > limit else None

    def _misplaced(self, brace: int) -> bool:
        """Return whether the brace at this index is the first byte of its line, in an open value that has no
        place for an object there.
        """
        solid = brace - 1
        while self._buffer[solid] in b" \t\r\n":
            solid -= 1
        room = b":" if self._open.endswith(b"{") else b"[,"
        return b"\n" in self._buffer[solid:brace] and self._buffer[solid] not in room

    def _take(self, end: int) -> bytes:
        value = bytes(self._buffer[self._start : end])
        self._begin(end, _BLANKS)
        self.newline_seen = False
        self._pass_gap()
        return value

    def _break(self, resume: int) -> ScanFault:
        self._begin(resume, _DEBRIS)
        self.newline_seen = True
        return ScanFault("broken")

    def _lose(self, kind: Literal["too_long", "too_deep"]) -> ScanFault:
        self._buffer.clear()
        self._begin(0, _DEBRIS)
        self.framing_lost = True
        return ScanFault(kind)

    def _begin(self, start: int, gap: re.Pattern[bytes]) -> None:
        """Prepare to scan the next value, from the index ``start``, after skipping what matches ``gap``."""
        self._gap = gap
        self._start = self._read = start
        self._open.clear()
        self._in_string = False

    def _pass_gap(self) -> None:
        gap = self._gap.match(self._buffer, self._start)
        assert gap, "it matches nothing at all, at worst"
        self._start = self._read = gap.end()
        self.newline_seen = self.newline_seen or b"\n" in gap[0]
