"""Lines of IRC: what a client may send, how a line is written, and long texts in lines that fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chatd.core.terminal import LINE_END_PATTERN
from chatd.dialects.irc_lines import (
    MAX_CLIENT_TAG_BYTES,
    MAX_LINE_BYTES,
    MAX_PARAMS,
    MAX_SERVER_TAG_BYTES,
    BadLine,
    IrcLine,
    escape_tag_value,
    format_ctcp,
    format_line,
    parse_ctcp,
    parse_line,
    split_text,
    split_text_losslessly,
    unescape_tag_value,
    without_formatting,
)
from tests.support.effort import effort

NO_TAGS: Final[dict[str, str]] = {}

# The cases of ircdocs/parser-tests (public domain), msg-split: a line, and what is in it besides the source.
SPLIT: Final[tuple[tuple[str, Mapping[str, str], str, tuple[str, ...]], ...]] = (
    ("foo bar baz asdf", NO_TAGS, "FOO", ("bar", "baz", "asdf")),
    (":coolguy foo bar baz asdf", NO_TAGS, "FOO", ("bar", "baz", "asdf")),
    ("foo bar baz :asdf quux", NO_TAGS, "FOO", ("bar", "baz", "asdf quux")),
    ("foo bar baz :", NO_TAGS, "FOO", ("bar", "baz", "")),
    ("foo bar baz ::asdf", NO_TAGS, "FOO", ("bar", "baz", ":asdf")),
    (":coolguy foo bar baz :asdf quux", NO_TAGS, "FOO", ("bar", "baz", "asdf quux")),
    (":coolguy foo bar baz :  asdf quux ", NO_TAGS, "FOO", ("bar", "baz", "  asdf quux ")),
    (":coolguy PRIVMSG bar :lol :) ", NO_TAGS, "PRIVMSG", ("bar", "lol :) ")),
    (":coolguy foo bar baz :", NO_TAGS, "FOO", ("bar", "baz", "")),
    (":coolguy foo bar baz :  ", NO_TAGS, "FOO", ("bar", "baz", "  ")),
    ("@a=b;c=32;k;rt=ql7 foo", {"a": "b", "c": "32", "k": "", "rt": "ql7"}, "FOO", ()),
    (
        r"@a=b\\and\nk;c=72\s45;d=gh\:764 foo",
        {"a": "b\\and\nk", "c": "72 45", "d": "gh;764"},
        "FOO",
        (),
    ),
    ("@c;h=;a=b :quux ab cd", {"c": "", "h": "", "a": "b"}, "AB", ("cd",)),
    (":src JOIN #chan", NO_TAGS, "JOIN", ("#chan",)),
    (":src JOIN :#chan", NO_TAGS, "JOIN", ("#chan",)),
    (":src AWAY", NO_TAGS, "AWAY", ()),
    (":src AWAY ", NO_TAGS, "AWAY", ()),
    (":cool\tguy foo bar baz", NO_TAGS, "FOO", ("bar", "baz")),
    (":coolguy!ag@net\x035w\x03ork.admin PRIVMSG foo :bar baz", NO_TAGS, "PRIVMSG", ("foo", "bar baz")),
    (":coolguy!~ag@n\x02et\x0305w\x0fork.admin PRIVMSG foo :bar baz", NO_TAGS, "PRIVMSG", ("foo", "bar baz")),
    (
        "@tag1=value1;tag2;vendor1/tag3=value2;vendor2/tag4= :irc.example.com COMMAND param1 :param3 param3",
        {"tag1": "value1", "tag2": "", "vendor1/tag3": "value2", "vendor2/tag4": ""},
        "COMMAND",
        ("param1", "param3 param3"),
    ),
    (
        ":irc.example.com COMMAND param1 param2 :param3 param3",
        NO_TAGS,
        "COMMAND",
        ("param1", "param2", "param3 param3"),
    ),
    (
        "@tag1=value1;tag2;vendor1/tag3=value2;vendor2/tag4 COMMAND param1 param2 :param3 param3",
        {"tag1": "value1", "tag2": "", "vendor1/tag3": "value2", "vendor2/tag4": ""},
        "COMMAND",
        ("param1", "param2", "param3 param3"),
    ),
    ("COMMAND", NO_TAGS, "COMMAND", ()),
    (r"@foo=\\\\\:\\s\s\r\n COMMAND", {"foo": "\\\\;\\s \r\n"}, "COMMAND", ()),
    (
        ":gravel.mozilla.org 432  #momo :Erroneous Nickname: Illegal characters",
        NO_TAGS,
        "432",
        ("#momo", "Erroneous Nickname: Illegal characters"),
    ),
    (":gravel.mozilla.org MODE #tckk +n ", NO_TAGS, "MODE", ("#tckk", "+n")),
    (":services.esper.net MODE #foo-bar +o foobar  ", NO_TAGS, "MODE", ("#foo-bar", "+o", "foobar")),
    (r"@tag1=value\\ntest COMMAND", {"tag1": r"value\ntest"}, "COMMAND", ()),
    (r"@tag1=value\1 COMMAND", {"tag1": "value1"}, "COMMAND", ()),
    ("@tag1=value1\\ COMMAND", {"tag1": "value1"}, "COMMAND", ()),
    ("@tag1=1;tag2=3;tag3=4;tag1=5 COMMAND", {"tag1": "5", "tag2": "3", "tag3": "4"}, "COMMAND", ()),
    (
        "@tag1=1;tag2=3;tag3=4;tag1=5;vendor/tag2=8 COMMAND",
        {"tag1": "5", "tag2": "3", "tag3": "4", "vendor/tag2": "8"},
        "COMMAND",
        (),
    ),
    (":SomeOp MODE #channel :+i", NO_TAGS, "MODE", ("#channel", "+i")),
    (
        ":SomeOp MODE #channel +oo SomeUser :AnotherUser",
        NO_TAGS,
        "MODE",
        ("#channel", "+oo", "SomeUser", "AnotherUser"),
    ),
)

# msg-join: tags, source, verb, parameters, and the one line that `format_line` makes of them.
JOIN: Final[tuple[tuple[Mapping[str, str], str, str, tuple[str, ...], str], ...]] = (
    (NO_TAGS, "", "foo", ("bar", "baz", "asdf"), "foo bar baz asdf"),
    (NO_TAGS, "src", "AWAY", (), ":src AWAY"),
    (NO_TAGS, "src", "AWAY", ("",), ":src AWAY :"),
    (NO_TAGS, "coolguy", "foo", ("bar", "baz", "asdf"), ":coolguy foo bar baz asdf"),
    (NO_TAGS, "", "foo", ("bar", "baz", "asdf quux"), "foo bar baz :asdf quux"),
    (NO_TAGS, "", "foo", ("bar", "baz", ""), "foo bar baz :"),
    (NO_TAGS, "", "foo", ("bar", "baz", ":asdf"), "foo bar baz ::asdf"),
    (NO_TAGS, "coolguy", "foo", ("bar", "baz", "asdf quux"), ":coolguy foo bar baz :asdf quux"),
    (NO_TAGS, "coolguy", "foo", ("bar", "baz", "  asdf quux "), ":coolguy foo bar baz :  asdf quux "),
    (NO_TAGS, "coolguy", "PRIVMSG", ("bar", "lol :) "), ":coolguy PRIVMSG bar :lol :) "),
    (NO_TAGS, "coolguy", "foo", ("bar", "baz", ""), ":coolguy foo bar baz :"),
    (NO_TAGS, "coolguy", "foo", ("bar", "baz", "  "), ":coolguy foo bar baz :  "),
    (NO_TAGS, "coolguy", "foo", ("b\tar", "baz"), ":coolguy foo b\tar baz"),
    ({"asd": ""}, "coolguy", "foo", ("bar", "baz", "  "), "@asd :coolguy foo bar baz :  "),
    ({"a": "b\\and\nk", "d": "gh;764"}, "", "foo", (), r"@a=b\\and\nk;d=gh\:764 foo"),
    ({"a": "b\\and\nk", "d": "gh;764"}, "", "foo", ("par1", "par2"), r"@a=b\\and\nk;d=gh\:764 foo par1 par2"),
    ({"foo": "\\\\;\\s \r\n"}, "", "COMMAND", (), r"@foo=\\\\\:\\s\s\r\n COMMAND"),
)

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LAST: Final = TEXT.map(lambda text: re.sub("[\r\n\0]", "", text))
MIDDLE: Final = LAST.map(lambda text: text.replace(" ", "").lstrip(":") or "x")
KEY: Final = st.from_regex(r"\A\+?[a-z.]{1,8}(/[a-z0-9-]{1,8})?\Z")
TAGS: Final = st.dictionaries(KEY, TEXT.map(lambda text: text.replace("\0", "")), max_size=4)
VERB: Final = st.from_regex(r"\A(?:[A-Z]{1,12}|[0-9]{3})\Z")
# Bytes that mean something to the parser turn up often enough to meet each other.
BYTES: Final = st.one_of(
    st.binary(max_size=700),
    st.lists(
        st.sampled_from([b"@", b":", b" ", b";", b"=", b"\\", b"a", b"\xc3", b"\xa9", b"\r", b"\0"])
    ).map(b"".join),
    st.lists(
        st.sampled_from([b"@a=b ", b":src ", b"verb", b" ", b" :", b" x", b" \xc3\xa9"]), max_size=40
    ).map(b"".join),
)


class Parsing(SynchronousTestCase):
    """Bytes of a client, which may be anything."""

    def test_public_cases(self) -> None:
        """As other parsers understand them."""
        for line, tags, verb, params in SPLIT:
            self.assertEqual(parse_line(line.encode()), IrcLine(verb, params, tags), line)

    def test_verb_in_any_case(self) -> None:
        """In ASCII only: no other letter becomes one of a verb."""
        self.assertEqual(parse_line(b"pRiVmSg a").verb, "PRIVMSG")
        self.assertEqual(parse_line("ıson a".encode()).verb, "ıson")

    def test_blanks(self) -> None:
        """Any number of them, everywhere but in the last parameter. A tab is none."""
        line = IrcLine("MODE", ("#a", "+o\t", "b"), {"t": "1"})
        self.assertEqual(parse_line(b"@t=1   :src   MODE   #a  +o\t    :b"), line)
        self.assertEqual(parse_line(b"  MODE #a   "), IrcLine("MODE", ("#a",), {}))
        self.assertEqual(parse_line(b"JOIN :"), IrcLine("JOIN", ("",), {}))
        self.assertEqual(parse_line("A b\u2003c\x85".encode()).params, ("b\u2003c\x85",))

    def test_fifteen_parameters(self) -> None:
        """The fifteenth takes what is left, with or without a colon in front."""
        fourteen = tuple("abcdefghijklmn")
        start = b"V " + " ".join(fourteen).encode()
        for rest, last in (
            (b"", ()),
            (b"  ", ()),
            (b" o", ("o",)),
            (b" :o p", ("o p",)),
            (b"  o p", ("o p",)),
            (b" o  :p q ", ("o  :p q ",)),
            (b" o :", ("o :",)),
        ):
            self.assertEqual(parse_line(start + rest).params, fourteen + last, rest)
            self.assertEqual(parse_line(b":src " + start.replace(b" ", b"  ") + rest).params, fourteen + last)

    def test_tags(self) -> None:
        """Without a name they are nothing; a second ``=`` belongs to the value."""
        self.assertEqual(parse_line(b"@;=x;a==b=;;+c V").tags, {"a": "=b=", "+c": ""})
        self.assertEqual(parse_line("@é=ж V".encode()).tags, {"é": "ж"})
        self.assertEqual(parse_line(b"@ V").tags, {})

    def test_lengths(self) -> None:
        """Of the tags and of the line, each to the byte."""
        longest = b"PRIVMSG #a :".ljust(MAX_LINE_BYTES, b"x")
        tags = b"+a=".ljust(MAX_CLIENT_TAG_BYTES, b"y")
        parsed = parse_line(b"@" + tags + b" " + longest)
        self.assertEqual(len(parsed.params[1]), MAX_LINE_BYTES - 12)
        self.assertEqual(len(parsed.tags["+a"]), MAX_CLIENT_TAG_BYTES - 3)
        self.assert_bad(longest + b"x", "too_long", "PRIVMSG")
        self.assert_bad(b"@a " + longest + b"x", "too_long", "PRIVMSG")
        self.assert_bad(b"@" + tags + b"y :src privmsg #a :b", "too_long", "PRIVMSG")
        self.assert_bad(b"@" + tags + b"y", "too_long", "")
        self.assert_bad(b"x" * 511, "too_long", "")

    def test_bytes_that_are_no_text(self) -> None:
        """In any place: not UTF-8, NUL, or a line end inside the line."""
        for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\0", b"\r", b"\n"):
            reason = "bad_character" if bad in b"\0\r\n" else "bad_utf8"
            self.assert_bad(b"topic #a :b" + bad + b"c", reason, "TOPIC")
            self.assert_bad(b"@t=" + bad + b" TOPIC #a", reason, "TOPIC")
            self.assert_bad(b"@t :" + bad + b" TOPIC #a", reason, "TOPIC")
            self.assert_bad(b"TO" + bad + b"PIC #a", reason, "")

    def test_lines_without_a_verb(self) -> None:
        """Nothing, or only what goes before a verb."""
        for line in (
            b"",
            b" ",
            b"@",
            b"@a=b",
            b"@a=b ",
            b":src",
            b":src ",
            b":",
            b": ",
            b"@a :src :x",
            b": :",
            b" @a V",
            b":src @a V",
        ):
            self.assert_bad(line, "empty", "")

    @settings(max_examples=effort(1000), deadline=None)
    @given(BYTES)
    def test_any_bytes(self, payload: bytes) -> None:
        """A line that keeps its promises, or `BadLine`."""
        try:
            line = parse_line(payload)
        except BadLine as bad:
            self.assertIn(bad.reason, ("too_long", "bad_utf8", "bad_character", "empty"))
            self.assertRegex(bad.verb, r"\A[A-Z0-9]*\Z")
            return
        self.assertLessEqual(len(line.params), MAX_PARAMS)
        for word in (line.verb, *line.params[:-1]):
            self.assertRegex(word, r"\A[^: \r\n\0][^ \r\n\0]*\Z")
        if len(payload) < MAX_LINE_BYTES:  # a colon more, and it still fits
            again = parse_line(format_line(line.verb, *line.params))
            self.assertEqual(again, IrcLine(line.verb, line.params, {}))
        if line.tags:
            # Whatever tags a client sends can be passed on: they don't grow.
            section = format_line("V", tags=line.tags).partition(b" ")[0]
            self.assertLessEqual(len(section), len(payload.partition(b" ")[0]))

    def assert_bad(self, payload: bytes, reason: str, verb: str) -> None:
        """``payload`` is refused for ``reason``, and its verb was found."""
        bad = self.assertRaises(BadLine, parse_line, payload)
        self.assertEqual((bad.reason, bad.verb), (reason, verb), payload[:40])


class Formatting(SynchronousTestCase):
    """Lines of the server, which nobody's text can forge."""

    def test_public_cases(self) -> None:
        """With a colon only where one is needed."""
        for tags, source, verb, params, line in JOIN:
            self.assertEqual(format_line(verb, *params, source=source, tags=tags), line.encode())

    def test_colon_on_request(self) -> None:
        """Where old clients expect one."""
        self.assertEqual(format_line("PRIVMSG", "#a", "b", trailing=True), b"PRIVMSG #a :b")
        self.assertEqual(format_line("PING", trailing=True), b"PING")

    def test_line_ends_in_a_text(self) -> None:
        """They become blanks, so that no text becomes a second line. Other controls stay."""
        self.assertEqual(format_line("KICK", "#a", "b", "x\r\nQUIT\0y\x02"), b"KICK #a b :x  QUIT y\x02")
        self.assertEqual(format_line("KICK", "\n"), b"KICK : ")
        self.assertEqual(format_line("V", tags={"a": "\0\r\n"}), rb"@a=\s\r\n V")

    def test_words_that_would_break_the_line(self) -> None:
        """They are errors of the caller."""
        for bad in ("", "a b", ":a", "a\n", "a\r", "\0"):
            with self.assertRaises(AssertionError):
                format_line("V", bad, "last")
            with self.assertRaises(AssertionError):
                format_line(bad, "last")
            if bad:
                with self.assertRaises(AssertionError):
                    format_line("V", source=bad)

    def test_too_long_a_line(self) -> None:
        """It is cut, but no character is. Tags don't count."""
        for text in ("x" * 600, "é" * 300, "日" * 200, "x" + "😀" * 150):
            line = format_line("PRIVMSG", "#a", text, trailing=True)
            self.assertGreater(len(line), MAX_LINE_BYTES - 4)
            self.assertLessEqual(len(line), MAX_LINE_BYTES)
            self.assertTrue(f"PRIVMSG #a :{text}".startswith(line.decode()))
            self.assertEqual(
                format_line("PRIVMSG", "#a", text, trailing=True, tags={"a": "b"}), b"@a=b " + line
            )
        exact = "x" * (MAX_LINE_BYTES - 2)
        self.assertEqual(format_line("V", exact), f"V {exact}".encode())

    def test_too_many_tags(self) -> None:
        """A client has no room for more."""
        fits = "x" * (MAX_SERVER_TAG_BYTES - 2)
        self.assertEqual(format_line("V", tags={"a": fits}), f"@a={fits} V".encode())
        with self.assertRaises(AssertionError):
            format_line("V", tags={"a": fits + "x"})

    @settings(max_examples=effort(500), deadline=None)
    @given(VERB, st.lists(MIDDLE, max_size=14), st.lists(LAST, max_size=1), TAGS, st.booleans())
    def test_reads_back(
        self, verb: str, middle: list[str], last: list[str], tags: dict[str, str], trailing: bool
    ) -> None:
        """What was formatted, with a source or without, is parsed to the same values."""
        params = (*middle, *last)
        for source in ("", "zoé!zoé@chatd"):
            line = format_line(verb, *params, source=source, tags=tags, trailing=trailing)
            plain = format_line(verb, *params, source=source, trailing=trailing)
            self.assertTrue(line.endswith(plain))
            self.assertNotRegex(line, rb"[\r\n\0]")
            if len(plain) < MAX_LINE_BYTES - 3:  # so it was not cut
                self.assertEqual(parse_line(line), IrcLine(verb, params, tags))

    @settings(max_examples=effort(300), deadline=None)
    @given(TEXT)
    def test_values_of_tags(self, value: str) -> None:
        """They read back, and have none of the characters that end a value."""
        escaped = escape_tag_value(value)
        self.assertNotRegex(escaped, "[; \r\n\0]")
        self.assertEqual(unescape_tag_value(escaped), value.replace("\0", " "))


class Splitting(SynchronousTestCase):
    """A message in several lines."""

    def test_by_hand(self) -> None:
        """Where the breaks are."""
        family = "👨\u200d👩\u200d👧"  # 18 bytes
        for text, max_bytes, pieces in (
            ("", 10, []),
            ("hello", 5, ["hello"]),
            ("a\r\nb\n\n\rc\u2028d\x85", 5, ["a", "b", "c", "d"]),
            # At the last blank of the last third, or the one just behind; it is dropped.
            ("one two three", 9, ["one two", "three"]),
            ("one two three", 7, ["one two", "three"]),
            ("one two  three", 7, ["one two", " three"]),
            ("one two ", 7, ["one two"]),
            # A blank that comes too early is not worth a short line.
            ("a bcdefghijkl", 9, ["a bcdefgh", "ijkl"]),
            ("abcde fghijk", 9, ["abcde fgh", "ijk"]),
            ("ab " * 4, 4, ["ab", "ab", "ab", "ab "]),
            # Never inside a character.
            ("ééé", 5, ["éé", "é"]),
            ("a😀😀", 8, ["a😀", "😀"]),
            # Nor inside what is shown as one, unless it fills the last third.
            ("abcdefge\u0301", 8, ["abcdefg", "e\u0301"]),
            ("abcdefghij" + family, 24, ["abcdefghij" + family[:4], family[4:]]),
            ("abcdefghijklmnopq" + family, 24, ["abcdefghijklmnopq", family]),
            ("abcde👍🏽", 11, ["abcde👍", "🏽"]),
            ("abcdefg👍🏽", 12, ["abcdefg👍", "🏽"]),
            ("abcdefgh👍🏽", 12, ["abcdefgh", "👍🏽"]),
            ("abcdefghi👍🏽", 13, ["abcdefghi", "👍🏽"]),
            ("e" + "\u0301" * 5, 6, ["e\u0301\u0301", "\u0301\u0301\u0301"]),
        ):
            self.assertEqual(split_text(text, max_bytes, 100), pieces, (text, max_bytes))

    def test_too_many_lines(self) -> None:
        """The last one shows that something is missing, within its bytes."""
        for text, max_bytes, max_lines, pieces in (
            ("a\nb\nc", 9, 3, ["a", "b", "c"]),
            ("a\nb\nc\n\n", 9, 3, ["a", "b", "c"]),
            ("a\nb\nc", 9, 2, ["a", "b…"]),
            ("a\nb\nc", 9, 1, ["a…"]),
            ("abcdefghijklmno", 9, 1, ["abcdef…"]),
            ("ééééé", 9, 1, ["ééé…"]),
            ("éééééé", 8, 1, ["éé…"]),
            ("😀😀", 4, 1, ["…"]),
            ("abcdefghe\u0301", 12, 1, ["abcdefghe\u0301"]),
            ("abcdefghe\u0301x", 12, 1, ["abcdefghe\u0301x"]),
            ("abcdefghe\u0301xy", 12, 1, ["abcdefgh…"]),
            ("ab" + "\u0301" * 8, 15, 1, ["ab" + "\u0301" * 5 + "…"]),
            ("x" * 30, 9, 2, ["x" * 9, "x" * 6 + "…"]),
        ):
            self.assertEqual(split_text(text, max_bytes, max_lines), pieces, (text, max_bytes))

    def test_exact_pieces_by_hand(self) -> None:
        """What is broken goes on in the next piece; what is empty stays."""
        for text, max_bytes, pieces in (
            ("", 9, [("", False)]),
            ("a\n\nb\u2028", 9, [("a", False), ("", False), ("b", False), ("", False)]),
            ("one two three", 9, [("one two ", False), ("three", True)]),
            ("one two three", 8, [("one two ", False), ("three", True)]),
            ("one two three", 7, [("one two", False), (" three", True)]),
            ("éééé\nb", 5, [("éé", False), ("éé", True), ("b", False)]),
        ):
            self.assertEqual(split_text_losslessly(text, max_bytes, 100), pieces, (text, max_bytes))
        self.assertEqual(split_text_losslessly("a\nb\nc", 9, 2), [("a", False), ("b…", False)])

    @settings(max_examples=effort(300), deadline=None)
    @given(st.text(st.sampled_from("ab é😀\u0301\n"), max_size=120), st.integers(4, 40), st.integers(1, 6))
    def test_exact_pieces_are_the_text(self, text: str, max_bytes: int, max_lines: int) -> None:
        pieces = split_text_losslessly(text, max_bytes, 1000)
        joined = "".join(piece if is_continued else f"\n{piece}" for piece, is_continued in pieces)
        self.assertEqual(joined, f"\n{text}")
        self.assertLessEqual(max(len(piece.encode()) for piece, _ in pieces), max_bytes)
        self.assertFalse([piece for piece, is_continued in pieces if is_continued and not piece])
        few = split_text_losslessly(text, max_bytes, max_lines)
        self.assertEqual(few[:-1], pieces[: len(few) - 1])
        self.assertEqual(len(few), min(len(pieces), max_lines))

    @settings(max_examples=effort(500), deadline=None)
    @given(
        st.text(
            st.one_of(
                st.sampled_from("ab é日😀\u0301\u200d🏽\n\r"), st.characters(exclude_categories=["Cs"])
            ),
            max_size=120,
        ),
        st.integers(4, 40),
        st.integers(1, 6),
    )
    @example("\u0301" * 60, 4, 3)
    def test_any_text(self, text: str, max_bytes: int, max_lines: int) -> None:
        """Pieces fit, and nothing is lost but a blank a break, unless there are too many pieces."""
        pieces = split_text(text, max_bytes, 1000)
        for piece in pieces:
            self.assertTrue(1 <= len(piece.encode()) <= max_bytes, piece)
        kept, sent = LINE_END_PATTERN.sub("", text), "".join(pieces)
        self.assertEqual(sent.replace(" ", ""), kept.replace(" ", ""))
        self.assertLessEqual(kept.count(" ") - sent.count(" "), len(pieces))
        few = split_text(text, max_bytes, max_lines)
        if len(pieces) <= max_lines:
            self.assertEqual(few, pieces)
            return
        self.assertEqual(few[:-1], pieces[: max_lines - 1])
        self.assertLessEqual(len(few[-1].encode()), max_bytes)
        self.assertEqual(few[-1][-1], "…")
        self.assertTrue(pieces[max_lines - 1].startswith(few[-1][:-1]))


class Texts(SynchronousTestCase):
    """What is in the text of a PRIVMSG besides words."""

    def test_formatting_codes(self) -> None:
        """They go, with their numbers; the words, and numbers that are words, stay."""
        for text, plain in (
            ("plain 1,2", "plain 1,2"),
            (
                "\x02bold\x02 \x1ditalic\x0f \x11mono \x16rev \x1estruck \x1funder",
                "bold italic mono rev struck under",
            ),
            ("\x034red\x03", "red"),
            ("\x0304,12red\x03 \x031,2x", "red x"),
            ("\x03123", "3"),
            ("\x031,234", "4"),
            ("\x034,red", ",red"),
            ("\x03,5", ",5"),
            ("\x03\x0205", "05"),
            ("\x03٤", "٤"),
            ("\x04ff00AAred\x04", "red"),
            ("\x04ff00aa,112233x", "x"),
            ("\x04ff00aa,1122x", ",1122x"),
            ("\x04ff00x", "ff00x"),
            ("\x01ACTION a\tb\x01", "\x01ACTION a\tb\x01"),
        ):
            self.assertEqual(without_formatting(text), plain)

    def test_ctcp(self) -> None:
        """A verb between delimiters, of which the last may be missing."""
        for text, ctcp in (
            ("\x01ACTION waves\x01", ("ACTION", "waves")),
            ("\x01action waves to all", ("ACTION", "waves to all")),
            ("\x01VERSION\x01", ("VERSION", "")),
            ("\x01PING  1 2 \x01", ("PING", " 1 2 ")),
            ("\x01ACTION a\x01b\x01", ("ACTION", "ab")),
            ("\x01ACTION \x01", ("ACTION", "")),
            ("ACTION waves", None),
            ("x\x01ACTION waves\x01", None),
            ("", None),
            ("\x01", None),
            ("\x01\x01", None),
            ("\x01 ACTION\x01", None),
        ):
            self.assertEqual(parse_ctcp(text), ctcp, text)

    def test_ctcp_formatted(self) -> None:
        """With both delimiters, and none inside."""
        self.assertEqual(format_ctcp("ACTION", "waves"), "\x01ACTION waves\x01")
        self.assertEqual(format_ctcp("VERSION", ""), "\x01VERSION\x01")
        self.assertEqual(format_ctcp("ACTION", "a\x01b"), "\x01ACTION ab\x01")

    @settings(max_examples=effort(200), deadline=None)
    @given(VERB, TEXT.map(lambda text: text.replace("\x01", "")))
    def test_ctcp_reads_back(self, verb: str, rest: str) -> None:
        """Whatever the rest is."""
        self.assertEqual(parse_ctcp(format_ctcp(verb, rest)), (verb, rest))
