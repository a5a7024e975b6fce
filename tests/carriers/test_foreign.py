"""The request line of HTTP, and what only looks like one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.carriers.foreign import HttpRequestLineDetector
from tests.support.effort import effort


def told(stream: bytes, *cuts: int) -> bool | None:
    """What is known of a stream that comes in pieces."""
    line = HttpRequestLineDetector()
    for start, end in pairwise((0, *cuts, len(stream))):
        known = line.feed(stream[start:end])
        if known is not None:
            return known
    return None


class Recognising(SynchronousTestCase):
    """As soon as it is clear, and no byte is read twice."""

    def test_a_request_line(self) -> None:
        """Any method, any target, any version, with what servers forgive."""
        for stream in (
            b"GET / HTTP/1.1\r\n",
            b'PoSt /a?b={c}&d=[e]"f HTTP/1.0',
            b"fetch http://localhost:4567/ HTTP/1.1",
            b"Hello|eve * http/9",
            b"CONNECT [::1]:443 HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b" \t\r\n\nGET  \t/x \t HTTP/1.1",
            b"!#$%&'*+-.^_`|~09 /" + b"x" * 100_000 + b" HTTP/1.1",
        ):
            self.assertIs(told(stream), True, stream[:80])
            end = stream.upper().rindex(b"HTTP/") + 5
            self.assertIsNone(told(stream[: end - 1]), stream[:80])
            self.assertIs(told(stream, *range(1, min(len(stream), 200))), True, stream[:80])

    def test_none(self) -> None:
        """What clients begin with; each is clear with the byte that says so."""
        for stream in (
            b"IAM alice\n",
            b"MSG a b",
            b"MSG a HTTX",
            b"LST\n",
            b"BYE\r",
            b"Hello|alice\n",
            b"Hello|alice,",
            b"{",
            b"  [",
            b'"',
            b"NaN {",
            b"\xef",
            b"\x01",
            b"\x16",
            b"GET\r",
            b"GET /x\r",
            b"GET / \n",
        ):
            self.assertIs(told(stream), False, stream)
            self.assertIsNone(told(stream[:-1]), stream)

    def test_blanks_do_not_count(self) -> None:
        """An empty line says nothing, so there may be any number; what follows is counted."""
        line = HttpRequestLineDetector()
        for _ in range(100):
            self.assertIsNone(line.feed(b"\r\n" * 1_000))
        self.assertEqual(line.bytes_read, 0)
        self.assertIsNone(line.feed(b"GET  /" + b"x" * 10))
        self.assertEqual(line.bytes_read, 16)

    @settings(max_examples=effort(300), deadline=None)
    @given(
        st.lists(
            st.sampled_from((b"GET", b" ", b"\n", b"/", b"HTTP/", b"http", b"{", b"|", b"x")), max_size=9
        ),
        st.sets(st.integers(1, 30)),
    )
    def test_it_makes_no_difference_where_it_is_cut(self, parts: list[bytes], cuts: set[int]) -> None:
        stream = b"".join(parts)
        self.assertEqual(told(stream), told(stream, *sorted(cut for cut in cuts if cut < len(stream))))
