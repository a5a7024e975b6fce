"""A stream of bytes, cut into JSON values: the same ones however it arrives."""

from __future__ import annotations

import json
import re
import sys
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.json_wire import scanner as json_values
from chatd.json_wire.scanner import JsonScanner, ScanFault
from tests.support.effort import effort

BROKEN, TOO_LONG, TOO_DEEP = ScanFault("broken"), ScanFault("too_long"), ScanFault("too_deep")

HELLO = b'{"from":"alice","action":"client-hello"}'
WRAPPED = b"""{
  "messageFormat": {
    "from": "alice", "action": "client-hello"
  },
  "comment": "x { \\" \\\\",
  "type": "Client request"
}"""
# INTEROP.md, A: nothing between two of them, and each in a segment of its own, most of the time.
COURSE_WORK = [
    b'{"action":"client-hello"}',
    HELLO,
    b'{"action":"client-hello","name":"alice"}',
    b'{"sender":"alice","group":"wob","action":"cgroupe"}',
    b'{"sender":"alice","group":"wob","type":"private","action":"cgroup"}',
    WRAPPED,
    b'{"from":"alice","pwd":"\\"}{\\\\","action":"client-hello"}',
    '{"from":"zoë","to":"李","msg":"déjà vu :}","action":"client-send"}'.encode(),
    b'{"code":130,"msg":["^C",{"a":[]}],"action":"client-error"}',
]


def cut(*segments: bytes, max_bytes: int = 65536, max_depth: int = 32) -> list[bytes | ScanFault]:
    """What comes out when the segments come in, one by one."""
    values = JsonScanner(max_bytes, max_depth)
    out: list[bytes | ScanFault] = []
    for segment in segments:
        values.feed(segment)
        while (value := values.next_value()) is not None:
            out.append(value)
    return out


def drip(stream: bytes, size: int = 1) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


class Cutting(SynchronousTestCase):
    def test_values_of_every_kind_with_anything_between(self) -> None:
        for stream, values in {
            b"": [],
            b" \r\n\t": [],
            b"{}[]": [b"{}", b"[]"],
            b'{"a":1}{"b":2}': [b'{"a":1}', b'{"b":2}'],
            b'{"a":1}\n{"b":2}\r\n': [b'{"a":1}', b'{"b":2}'],
            b' \n {"a":1}\t\t{"b":2} ': [b'{"a":1}', b'{"b":2}'],
            b'{"a":{"b":[1,{}]}}[{"c":2}]': [b'{"a":{"b":[1,{}]}}', b'[{"c":2}]'],
            b'"a b""{"[1]': [b'"a b"', b'"{"', b"[1]"],
            b"12 -3.5e7\ntrue[null]": [b"12", b"-3.5e7", b"true", b"[null]"],
            b'12"a"x{}': [b"12", b'"a"', b"x", b"{}"],
            b'{"a":"}"}{"b":"]\\"}"}': [b'{"a":"}"}', b'{"b":"]\\"}"}'],
            b'{"a":"\\\\"}{"b":"\\\\\\""}': [b'{"a":"\\\\"}', b'{"b":"\\\\\\""}'],
            b'\xef\xbb\xbf{"a":1}': [b'{"a":1}'],
        }.items():
            self.assertEqual(cut(stream), values, stream)
            self.assertEqual(cut(*drip(stream)), values, stream)

    def test_nothing_is_cut_before_it_is_whole(self) -> None:
        for start in b"{", b"[1", b'{"a":"}', b'{"a":"\\', b'"a', b"12", b"\xef", b"\xef\xbb", b'{"a":{}':
            self.assertEqual(cut(start), [], start)

    def test_course_work_clients_split_anywhere(self) -> None:
        stream = b"".join(COURSE_WORK)
        self.assertEqual(cut(*COURSE_WORK), COURSE_WORK)
        self.assertEqual(cut(*drip(stream)), COURSE_WORK)
        for at in range(len(stream)):
            self.assertEqual(cut(stream[:at], stream[at:]), COURSE_WORK, at)

    def test_garbage_is_cut_in_runs(self) -> None:
        self.assertEqual(cut(b"}}}}]]]:,\n" + HELLO), [b"}}}}]]]:,", HELLO])
        self.assertEqual(cut(b"GET / HTTP/1.1\r\n"), [b"GET", b"/", b"HTTP/1.1"])
        self.assertEqual(cut(b"\x00\xff" + HELLO), [b"\x00\xff", HELLO])

    def test_whether_it_is_valid_is_for_others_to_say(self) -> None:
        for value in b'{"a":]', b"{a:'b'}", b"[,]", b'{"a":"\xff"}', b'{"a" "b"}':
            self.assertEqual(cut(value + HELLO), [value, HELLO])


class Lines(SynchronousTestCase):
    def test_a_newline_after_the_value_shows(self) -> None:
        for end, newline_seen, undecided in [
            (b"", False, True),
            (b" \r", False, True),
            (b"\n", True, False),
            (b" \r\n\n", True, False),
            (b" {", False, False),
            (b"\n{", True, False),
        ]:
            for value in HELLO, WRAPPED, b'"a"':
                values = JsonScanner()
                values.feed(value + end)
                self.assertEqual(values.next_value(), value)
                self.assertEqual(
                    (values.newline_seen, values.newline_may_follow), (newline_seen, undecided), end
                )

    def test_a_newline_may_come_later(self) -> None:
        for look in JsonScanner.next_value, JsonScanner.skip_blanks:
            values = JsonScanner()
            values.feed(HELLO)
            self.assertEqual(values.next_value(), HELLO)
            for blanks, newline_seen in (b"", False), (b" \r", False), (b"\n", True), (b" ", True):
                values.feed(blanks)
                look(values)
                self.assertEqual(
                    (values.newline_seen, values.newline_may_follow), (newline_seen, not newline_seen), blanks
                )

    def test_looking_on_cuts_nothing(self) -> None:
        values = JsonScanner()
        for segment, value in (
            (b"", None),
            (WRAPPED[:9], None),
            (WRAPPED[9:], WRAPPED),
            (b"\n" + HELLO, HELLO),
        ):
            values.feed(segment)
            values.skip_blanks()
            self.assertEqual(values.next_value(), value, segment)

    def test_each_value_has_its_own_end(self) -> None:
        values = JsonScanner()
        values.feed(b'{"a":1}\n[2]{"b":3}\n"4"{"msg":"hi\n')
        ends = []
        while values.next_value():
            ends.append(values.newline_seen)
        self.assertEqual(ends, [True, False, True, False, True])


class Broken(SynchronousTestCase):
    def test_a_newline_in_a_string_breaks_the_value(self) -> None:
        for broken in b'{"msg":"hi', b'{"msg":"hi\\', b'["a', b'"a', b'{"a":{"b":["c', b'{"a":1,"\\\\':
            self.assertEqual(cut(broken + b"\n" + HELLO), [BROKEN, HELLO], broken)
            self.assertEqual(cut(*drip(broken + b"\r\n" + HELLO)), [BROKEN, HELLO], broken)

    def test_the_rest_of_a_broken_string_is_passed_over(self) -> None:
        # A client that puts JSON together by hand, sends no newline after it, and says two lines.
        hand_made = b'{"msg":"one\ntwo","action":"client-broadcast"}'
        self.assertEqual(cut(hand_made, HELLO + b"1 "), [BROKEN, HELLO, b"1"])
        self.assertEqual(cut(*drip(hand_made + HELLO + b"1 ")), [BROKEN, HELLO, b"1"])

    def test_a_truncated_line_takes_no_other_line_with_it(self) -> None:
        line = b'{"from":"alice","n":[1,{"a":2}],"to":"bob","ok":true,"msg":"h \\"i","action":"client-send"}'
        for at in range(1, len(line)):
            if not line[:at].endswith((b'":', b"[1,", b":[")):  # where an object may follow
                stream = line[:at] + b"\n" + HELLO + b"\n"
                self.assertEqual(cut(stream), [BROKEN, HELLO], line[:at])
                self.assertEqual(cut(*drip(stream)), [BROKEN, HELLO], line[:at])

    def test_where_an_object_may_follow_only_the_one_after_it_tells(self) -> None:
        for truncated in b'{"from":', b"[1,", b"[", b'{"a":[{},':
            self.assertEqual(cut(truncated + b"\n" + HELLO + b"\n" + HELLO), [BROKEN, HELLO], truncated)

    def test_a_valid_value_is_never_taken_apart(self) -> None:
        for value in b'{"a":\n{"action":"x"}\n}', b'[\n{"a":1},\n{"b":2}\n,\n{}]', b'{"a":[\n\n{}]}':
            self.assertEqual(cut(value + HELLO), [value, HELLO])

    def test_only_the_start_of_a_line_tells(self) -> None:
        self.assertEqual(cut(b'{"a"{"b":1}}\n' + HELLO), [b'{"a"{"b":1}}', HELLO])
        self.assertEqual(cut(b'{"a":\n1 {"b":1}}\n' + HELLO), [b'{"a":\n1 {"b":1}}', HELLO])


class Limits(SynchronousTestCase):
    def test_the_longest_value_passes_and_a_longer_one_ends_the_framing(self) -> None:
        for value in b'{"a":"bcd"}', b'{"a":[{}]}', b'"abcdefghi"', b"[1,2,3,4,5]", b"12345678901":
            limit = len(value)
            stream = value + b" " + HELLO
            self.assertEqual(cut(value + b" ", max_bytes=limit), [value])
            self.assertEqual(cut(*drip(value + b" "), max_bytes=limit), [value])
            self.assertEqual(cut(stream, max_bytes=limit - 1), [TOO_LONG])
            self.assertEqual(cut(*drip(stream), max_bytes=limit - 1), [TOO_LONG])

    def test_what_can_no_longer_end_in_time_is_not_waited_for(self) -> None:
        for start in b'{"a":"bcd"', b'"abcdefghi', b'"abcdefgh\\', b"[1,2,3,4,5":
            self.assertEqual(cut(start, max_bytes=11), [])
            self.assertEqual(cut(start, max_bytes=10), [TOO_LONG])

    def test_the_deepest_value_passes_and_a_deeper_one_ends_the_framing(self) -> None:
        self.assertEqual(cut(b'[{"a":[]}]', max_depth=3), [b'[{"a":[]}]'])
        self.assertEqual(cut(b'[{"a":[]}]' + HELLO, max_depth=2), [TOO_DEEP])
        self.assertEqual(cut(*drip(b'[{"a":[]}]' + HELLO), max_depth=2), [TOO_DEEP])
        self.assertEqual(cut(b"[" * 1_000_000), [TOO_DEEP])

    def test_a_lost_framing_stays_lost_and_holds_nothing(self) -> None:
        values = JsonScanner(max_bytes=4)
        values.feed(b"12345")
        self.assertEqual((values.next_value(), values.framing_lost), (TOO_LONG, True))
        values.feed(HELLO)
        self.assertEqual((values.next_value(), values.framing_lost), (None, True))

    def test_only_a_broken_value_leaves_the_framing(self) -> None:
        self.assertEqual([fault.framing_lost for fault in (BROKEN, TOO_LONG, TOO_DEEP)], [False, True, True])
        values = JsonScanner()
        values.feed(b'"\n')
        self.assertEqual((values.next_value(), values.framing_lost), (BROKEN, False))

    def test_what_stands_between_values_counts_for_none(self) -> None:
        between = b" " * 100 + b"\n" * 100
        self.assertEqual(cut(between + HELLO + between + HELLO, max_bytes=len(HELLO)), [HELLO, HELLO])


FRAGMENTS = [*COURSE_WORK, *drip(b'{}[]"\\\n\r :,1'), b"\xef\xbb\xbf"]
STREAMS = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), max_size=20).map(b"".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def laid_out(draw: st.DrawFn) -> bytes:
    """A JSON value with white space wherever it is allowed."""
    compact = json.dumps(draw(JSON), ensure_ascii=draw(st.booleans()), separators=(",", ":"))
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[][{}:,]|[^][{}:,"]+', compact)
    space = st.sampled_from(["", " ", "\n", "\r\n\t"])
    return "".join(token + draw(space) for token in tokens).strip(" \r\n\t").encode()


class AnyStream(SynchronousTestCase):
    @settings(deadline=None)
    @given(STREAMS, st.lists(st.integers(0, 300)), st.sampled_from([10, 60, 65536]), st.sampled_from([1, 32]))
    def test_segments_make_no_difference(
        self, stream: bytes, at: list[int], longest: int, deepest: int
    ) -> None:
        segments = [stream[a:b] for a, b in pairwise([0, *sorted(at), len(stream)])]
        limits = {"max_bytes": longest, "max_depth": deepest}
        whole = cut(stream, **limits)
        self.assertEqual(cut(*segments, **limits), whole)
        self.assertEqual(cut(*drip(stream), **limits), whole)

    @settings(deadline=None)
    @given(st.lists(laid_out(), max_size=6), st.sampled_from([" ", "\n", "\r\n", "\n\n "]))
    def test_valid_json_comes_out_as_it_went_in(self, values: list[bytes], between: str) -> None:
        stream = b"".join(value + between.encode() for value in values)
        self.assertEqual(cut(stream), values)
        self.assertEqual(cut(*drip(stream)), values)

    @settings(deadline=None)
    @given(STREAMS)
    def test_the_next_good_line_is_found_again(self, stream: bytes) -> None:
        # One line may go with a bad one; two objects in a row fit nowhere.
        end = b"\n" + HELLO + b"\n" + HELLO + b"\n"
        self.assertEqual(cut(stream + end)[-1], HELLO)


class Counted:
    """A pattern that adds up how many bytes it is shown."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self.shown = 0

    def match(self, data: bytes, start: int, end: int = sys.maxsize) -> re.Match[bytes] | None:
        self.shown += min(end, len(data)) - start
        return self._pattern.match(data, start, end)

    def search(self, data: bytes, start: int, end: int) -> re.Match[bytes] | None:
        self.shown += min(end, len(data)) - start
        return self._pattern.search(data, start, end)


class Effort(SynchronousTestCase):
    def test_no_byte_of_a_drip_is_read_more_than_three_times(self) -> None:
        patterns = []
        for name, value in vars(json_values).copy().items():
            if isinstance(value, re.Pattern):
                patterns.append(Counted(value))
                self.patch(json_values, name, patterns[-1])
        size = effort(65_000)
        for stream in [
            b'{"msg":"' + b"a" * size + b'"}',
            b'{"msg":"' + b"\\" * (size // 2) + b'"}',
            b'{"msg":"' + b"a" * size + b"\n",
            b'["",' * 31 + b'{"a":1},' * (size // 8),
            b'{"a":1,"b":"x"}' * (size // 13),
            b"[" + b"\n" * size + b"{}]",
            b"1" * size + b" ",
            b"\n" * size,
            b'"\n' + b"x" * size,
        ]:
            before = sum(pattern.shown for pattern in patterns)
            cut(*drip(stream))
            shown = sum(pattern.shown for pattern in patterns) - before
            self.assertTrue(len(stream) <= shown <= 3 * len(stream), (stream[:10], shown / len(stream)))
