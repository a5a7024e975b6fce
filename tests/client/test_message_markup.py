"""Code and links in messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from twisted.trial.unittest import SynchronousTestCase

from chatd.client.message_markup import (
    CODE_FENCE_PATTERN,
    TextBlock,
    split_code_blocks,
    styled_message_text,
    trim_link_address,
)

CODE, LINK = Style(bold=True), Style(underline=True)

LINES = st.lists(st.sampled_from(("```", "```python", "``` x y", "a", "", "  b `c`")), min_size=1, max_size=8)


def code(text: str) -> TextBlock:
    """A code block."""
    return TextBlock(text, is_code=True)


class CodeBlocks(SynchronousTestCase):
    """Lines between fences."""

    def test_blocks(self) -> None:
        for text, wanted in {
            "a": [TextBlock("a")],
            "": [TextBlock("")],
            "a\n```\nb\n  c\n```\nd": [TextBlock("a"), code("b\n  c"), TextBlock("d")],
            "```python\nb\n```": [code("b")],
            "```\na\n```\n```\nb\n```": [code("a"), code("b")],
            "a\n```\nb": [TextBlock("a\n```\nb")],
            "```\n```": [TextBlock("```\n```")],
            "```\na\n```python\nb\n```": [code("a\n```python\nb")],
            "``` not a fence": [TextBlock("``` not a fence")],
        }.items():
            with self.subTest(text):
                self.assertEqual(split_code_blocks(text), wanted)

    @given(LINES)
    def test_no_line_is_lost(self, lines: list[str]) -> None:
        """Except for fences."""
        text = "\n".join(lines)
        shown = [line for block in split_code_blocks(text) for line in block.text.split("\n")]
        rest = iter(lines)
        self.assertTrue(all(line in rest for line in shown), shown)
        kept = [line for line in lines if line and not CODE_FENCE_PATTERN.fullmatch(line)]
        self.assertEqual([line for line in shown if line and not CODE_FENCE_PATTERN.fullmatch(line)], kept)


class Marks(SynchronousTestCase):
    """Within a line."""

    def marked(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        """The text that is shown, and what of it is code (empty) or a link (its target)."""
        shown = styled_message_text(text, CODE, LINK)
        spans = [(span, span.style) for span in shown.spans]
        return shown.plain, [
            (shown.plain[span.start : span.end], style.link or "")
            for span, style in spans
            if isinstance(style, Style)
        ]

    def test_code_and_links(self) -> None:
        for text, wanted in {
            "run `make chat` now": ("run make chat now", [("make chat", "")]),
            "see https://a.b/c?d=e&f#g.": (
                "see https://a.b/c?d=e&f#g.",
                [("https://a.b/c?d=e&f#g", "https://a.b/c?d=e&f#g")],
            ),
            "(https://a.b/c_(d)), x": (
                "(https://a.b/c_(d)), x",
                [("https://a.b/c_(d)", "https://a.b/c_(d)")],
            ),
            "http://a.b http://c.d": (
                "http://a.b http://c.d",
                [("http://a.b", "http://a.b"), ("http://c.d", "http://c.d")],
            ),
            "https://a.b/é": ("https://a.b/é", [("https://a.b/é", "https://a.b/%C3%A9")]),
            "`https://a.b`": ("https://a.b", [("https://a.b", "")]),
            "file:///etc/passwd javascript:x `": ("file:///etc/passwd javascript:x `", []),
        }.items():
            with self.subTest(text):
                self.assertEqual(self.marked(text), wanted)

    @given(st.text(max_size=30).map(lambda rest: f"https://x{rest}"))
    def test_a_link_leads_where_it_says(self, found: str) -> None:
        """It is the beginning of what was written, and no byte of its target ends the escape sequence."""
        self.assertTrue(found.startswith(trim_link_address(found)))
        self.assertTrue(trim_link_address(found).startswith("https://x"))
        for _shown, target in self.marked(found)[1]:
            self.assertTrue(target.isascii() and target.isprintable(), target)
