"""The widget that shows the current conversation and scrolls through it."""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style
from rich.text import Text
from textual import events
from textual.color import Color
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from chatd.client.memory import Memory, ScreenEntry
from chatd.client.render import clock_time, speaker_label
from chatd.core.colours import luminance
from chatd.core.events import MESSAGE_KINDS

MIN_CONTRAST = 4.5
"""The minimum contrast ratio between text and background (WCAG 2.1, level AA)."""

TIME_COLUMNS = len("[hh:mm] ")


@lru_cache(1024)
def readable_shade(colour: str, background: Color) -> str:
    """Return a shade of ``colour`` (``#rrggbb``) with at least `MIN_CONTRAST` to ``background``.

    If no shade has so much contrast, return white for a dark background and black for a light one.
    """
    found, dark = Color.parse(colour), background.brightness < 0.5
    while _contrast(found, background) < MIN_CONTRAST and found.hex6 not in ("#000000", "#FFFFFF"):
        found = found.lighten(0.02) if dark else found.darken(0.02)
    return found.hex6


def _contrast(one: Color, other: Color) -> float:
    dark, light = sorted(luminance(*colour.normalized) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


class Scrollback(ScrollView, can_focus=False):
    """The scrollable view of the current conversation, which asks for more entries when it reaches an end.

    The view follows new entries. When the user has scrolled up, the visible lines stay in place instead.
    """

    DEFAULT_CSS = """
    Scrollback {
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
    }
    """

    COMPONENT_CLASSES = {
        "scrollback--time",
        "scrollback--own",
        "scrollback--announcement",
        "scrollback--answer",
        "scrollback--trouble",
        "scrollback--found",
    }

    class NewestReached(Message):
        """The message that is posted when the end of the conversation has scrolled into view."""

    class PageWanted(Message):
        """The message that asks for a page of older entries, or of newer entries if ``older`` is false."""

        def __init__(self, older: bool) -> None:
            super().__init__()
            self.older = older

    def __init__(self, memory: Memory, id: str) -> None:
        super().__init__(id=id)
        self._memory = memory
        self._conversation = memory.shown_conversation
        self._lines: list[tuple[ScreenEntry, Strip]] = []
        self._drawn: dict[int, tuple[ScreenEntry, str, int, list[Strip]]] = {}
        self._found: ScreenEntry | None = None
        self._following = True
        self._stale = False

    @property
    def at_end(self) -> bool:
        """Whether the end of the conversation is visible. If so, new entries scroll into view."""
        return self._following and not self._conversation.has_newer

    def scroll_pages(self, pages: int) -> None:
        """Scroll the conversation by ``pages`` screen pages, up if ``pages`` is negative.

        Scrolling up from the first line asks for older entries, even if there were none before.
        """
        if pages < 0 and not self.scroll_offset.y:
            self._memory.shown_conversation.has_older = (
                True  # ask again, in case the daemon refused it before
            )
            self.redraw_soon()
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def redraw_soon(self) -> None:
        """Schedule a redraw of the conversation. Several calls before the redraw cause only one redraw."""
        if not self._stale:
            self._stale = True
            self.call_later(self.redraw)

    def show(self, found: ScreenEntry | None = None, at_beginning: bool = False) -> None:
        """Show the current conversation with the entry ``found`` in the middle of the view.

        Without ``found``, show the beginning of the conversation if ``at_beginning`` is true, else its end.
        """
        self._found = found
        self._conversation = self._memory.shown_conversation
        self._draw()
        line = next((y for y, (entry, _) in enumerate(self._lines) if entry is found), None)
        if line is not None:
            self._see(line - self.size.height // 2)
        else:
            self._see(0 if at_beginning else len(self._lines))
        self._want_more()

    def redraw(self) -> None:
        """Redraw the conversation.

        Keep the visible lines in place, or follow the end if the end is visible.
        """
        self._stale = False
        if self._conversation is not self._memory.shown_conversation:
            self.show()
            return
        following = self.at_end
        top, above = self._top()
        self._draw()
        line = next((y for y, (entry, _) in enumerate(self._lines) if entry is top), None)
        if line is None and self._found in self._conversation.entries:
            self.show(self._found)
            return
        if following or line is None:
            self._see(len(self._lines))
        else:
            self._see(line + above)
        self._want_more()

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the lines of the conversation to the new width."""
        self.redraw()

    def notify_style_update(self) -> None:
        """Redraw the conversation in the colours of the new theme."""
        super().notify_style_update()
        self._drawn.clear()
        self.redraw_soon()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Post `NewestReached` when the view has scrolled to the end of the conversation.

        Ask for more entries when it has scrolled to the first or the last entry in memory.
        """
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y
        if self.at_end:
            self.post_message(self.NewestReached())
        if round(old_value) != round(new_value):
            self._want_more()

    def render_line(self, y: int) -> Strip:
        """Return line ``y`` of the view, counted from the first visible line."""
        line = y + self.scroll_offset.y
        if line >= len(self._lines):
            return Strip.blank(self.scrollable_content_region.width, self.rich_style)
        entry, strip = self._lines[line]
        if entry is self._found:
            strip = strip.apply_style(self.get_component_rich_style("scrollback--found"))
        return strip.apply_style(self.rich_style)

    def _top(self) -> tuple[ScreenEntry | None, int]:
        """Return the entry in the first visible line, and how many lines of that entry are above the view."""
        y = self.scroll_offset.y
        if y >= len(self._lines):
            return None, 0
        entry = self._lines[y][0]
        return entry, sum(1 for other, _ in self._lines[:y] if other is entry)

    def _see(self, y: int) -> None:
        """Scroll so that line ``y`` is the first visible line, or as close to it as the end allows."""
        self.scroll_to(y=max(0, y), animate=False, immediate=True)
        self._following = y >= self.max_scroll_y

    def _want_more(self) -> None:
        if self._conversation.has_older and self.scroll_offset.y == 0:
            self.post_message(self.PageWanted(older=True))
        elif self._conversation.has_newer and self.scroll_offset.y >= self.max_scroll_y:
            self.post_message(self.PageWanted(older=False))

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        background = self.background_colors[1]
        drawn = {}
        lines = []
        for entry in self._conversation.entries:
            colour = self._memory.colours.get(entry.nick, "")
            known = self._drawn.get(id(entry))
            if known is None or known[0] is not entry or known[1:3] != (colour, width):
                shade = readable_shade(colour, background) if colour and not self.app.no_color else None
                known = (entry, colour, width, self._strips(entry, shade, width))
            drawn[id(entry)] = known
            lines += [(entry, strip) for strip in known[3]]
        self._drawn, self._lines = drawn, lines
        self.virtual_size = Size(width, len(lines))
        self.refresh()

    def _strips(self, entry: ScreenEntry, colour: str | None, width: int) -> list[Strip]:
        time = Text(clock_time(entry.at) + " ", self._style("time"))
        if entry.kind not in MESSAGE_KINDS:
            return self._wrapped(time, Text(entry.text, self._style(entry.kind)), width)
        label = speaker_label(entry.nick, self._memory.nick, entry.kind)
        who = Text(label, Style(color=colour, bold=True))
        if entry.kind != "image":
            return self._wrapped(time, Text.assemble(who, " ", entry.text), width)
        picture = [Text(line, no_wrap=True) for line in entry.text.expandtabs().split("\n")]
        return [*self._wrapped(time, who, width), *(self._strip(line, width) for line in picture)]

    def _wrapped(self, time: Text, text: Text, width: int) -> list[Strip]:
        """Return ``text`` wrapped to ``width`` columns, with ``time`` in front of its first line."""
        text.expand_tabs(8)
        lines = text.wrap(self.app.console, max(1, width - TIME_COLUMNS))
        margin = Text(" " * TIME_COLUMNS)
        return [
            self._strip(Text.assemble(margin if number else time, line), width)
            for number, line in enumerate(lines)
        ]

    def _strip(self, line: Text, width: int) -> Strip:
        return Strip(line.render(self.app.console)).adjust_cell_length(width)

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"scrollback--{part}")
