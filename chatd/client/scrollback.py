"""The widget that shows the current conversation and scrolls through it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from chatd.client.character_pictures import fit_picture
from chatd.client.day_lines import date_separator_above, is_grouped_with
from chatd.client.language import _
from chatd.client.memory import EntryKind, Memory, ScreenEntry
from chatd.client.mentions import mention_pattern, text_mentions_nick
from chatd.client.message_markup import split_code_blocks, styled_message_text
from chatd.client.render import format_time_of_day, sanitize_to_one_line
from chatd.client.shown_entries import ShownEntries
from chatd.core.colours import relative_luminance
from chatd.core.events import MESSAGE_KINDS

MIN_NICK_CONTRAST_RATIO = 4.5
"""The minimum contrast ratio between text and background (WCAG 2.1, level AA)."""

TIME_COLUMN_WIDTH = len("hh:mm ")

MAX_NICK_COLUMN_WIDTH = 10
"""The widest column of nicks, except on a wide screen. A longer nick has a line of its own."""

MIN_COLUMNS_FOR_NICKS = 36
"""The width of the view below which each nick has a line of its own."""

MAX_TEXT_COLUMNS = 110
"""The longest line of text: longer ones are hard to read on a wide screen."""

KINDS_WRITTEN_BY_USERS: Final = frozenset({*MESSAGE_KINDS, "pending", "failed"})
"""The kinds of entries that somebody has written, or is about to send."""

EntryLook = tuple[str, int, int]
"""The colour of the nick, the width of the view, and the width of the column of nicks."""


class DrawnEntry(NamedTuple):
    """The drawn lines of ``entry``, with the line of the date above it, as they are kept for the next redraw.

    ``lines`` can be used again as long as four things are the same: ``previous_entry``, the entry above;
    ``answered_entry``, the message that ``entry`` answers; ``look``, the width and the colours; and
    ``omits_nick``, which says that the nick is left out because the entry above has the same author.
    """

    entry: ScreenEntry
    previous_entry: ScreenEntry | None
    answered_entry: ScreenEntry | None
    look: EntryLook
    omits_nick: bool
    lines: list[tuple[ScreenEntry, Strip]]


@lru_cache(1024)
def readable_shade(colour: str, background: Color) -> str:
    """Return a shade of ``colour`` (``#rrggbb``) that can be read on ``background``.

    The contrast is at least `MIN_NICK_CONTRAST_RATIO`. If no shade has so much contrast, return white for a
    dark background and black for a light one.
    """
    found, dark = Color.parse(colour), background.brightness < 0.5
    while _contrast(found, background) < MIN_NICK_CONTRAST_RATIO and found.hex6 not in ("#000000", "#FFFFFF"):
        found = found.lighten(0.02) if dark else found.darken(0.02)
    return found.hex6


def _contrast(one: Color, other: Color) -> float:
    dark, light = sorted(relative_luminance(*colour.normalized) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def rule_line(text: str, width: int, style: Style) -> Text:
    """Return a horizontal rule of ``width`` columns with ``text`` in its middle."""
    return Text(f" {text} ".center(width, "\N{BOX DRAWINGS LIGHT HORIZONTAL}"), style)


class Scrollback(ScrollView, can_focus=False):
    """The widget that shows the current conversation, and asks for more entries when it is scrolled to an
    end.

    While the end of the conversation is in view, the view follows new entries. When the user has scrolled up,
    the visible lines stay in place.
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
        "scrollback--code",
        "scrollback--link",
        "scrollback--new",
        "scrollback--pending",
        "scrollback--failed",
        "scrollback--mention",
    }

    class NewestReached(Message):
        """A Textual message: the end of the conversation has scrolled into view."""

    class PageWanted(Message):
        """A Textual message: the app must load a page of older entries, or of newer ones if ``older`` is
        false.
        """

        def __init__(self, older: bool) -> None:
            super().__init__()
            self.older = older

    def __init__(self, memory: Memory, shown_entries: ShownEntries, id: str) -> None:
        super().__init__(id=id)
        self._memory = memory
        self._shown_entries = shown_entries
        self._conversation = memory.shown_conversation
        self._lines: list[tuple[ScreenEntry, Strip]] = []
        self._drawn: dict[int, DrawnEntry] = {}
        self._background = Color(0, 0, 0)
        self._found: ScreenEntry | None = None
        self._following = True
        self._stale = False
        self._painting: tuple[int, Style] | None = None

    @property
    def at_end(self) -> bool:
        """Whether the end of the conversation is visible. If so, new entries scroll into view."""
        return self._following and not self._conversation.has_newer

    @property
    def shows_new_line(self) -> bool:
        """Whether the line "new messages" is in view."""
        top = self.scroll_offset.y
        in_view = self._lines[top : top + self.size.height]
        return any(entry is self._shown_entries.new_line for entry, _ in in_view)

    def scroll_pages(self, pages: int) -> None:
        """Scroll the conversation by ``pages`` screen pages, up if ``pages`` is negative.

        Scrolling up from the first line asks for older entries, even if the last request found none.
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
        line = self._line_of(found)
        if line is not None:
            self._see(line - self.size.height // 2)
        else:
            self._see(0 if at_beginning else len(self._lines))
        self._want_more()

    def show_new_messages(self) -> None:
        """Show the current conversation with the line "new messages" at the top of the view."""
        self.show()
        line = self._line_of(self._shown_entries.new_line)
        if line is not None:
            self._see(line)

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
        line = self._line_of(top)
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
        top, style = self._painting or (self.scroll_offset.y, self.rich_style)
        line = y + top
        if line >= len(self._lines):
            return Strip.blank(self.scrollable_content_region.width, style)
        entry, strip = self._lines[line]
        if y == 0:
            strip = self._with_nick(entry, line)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(line)) is not None:
            strip = self._selected(strip, *span)
        if entry is self._found:
            strip = strip.apply_style(self.get_component_rich_style("scrollback--found"))
        strip = strip.apply_style(style)
        return strip.apply_offsets(0, line) if self._painting is None else strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines of the view that Textual paints.

        The lines lack the offsets that tell Textual which letter is under the mouse, because the offsets make
        painting a page half as slow again. For a selection, Textual calls `render_line`.
        What all lines share is computed once: to find the style of a widget, Textual asks all its ancestors.
        """
        self._painting = self.scroll_offset.y, self.rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._painting = None

    def _with_nick(self, entry: ScreenEntry, line: int) -> Strip:
        """Return the first visible line, with the nick if it begins a message further down in a run."""
        strip = self._lines[line][1]
        known = self._drawn.get(id(entry))
        if known is None or not known.omits_nick or strip is not known.lines[0][1]:
            return strip
        if not 0 < cell_len(_label(entry.kind, entry.nick)) <= known.look[2]:
            return strip
        return self._strips(entry, known.answered_entry, known.look, shows_time=True, shows_nick=True)[0]

    def _shade(self, colour: str) -> str | None:
        """Return the colour in which a nick with ``colour`` is shown, None for that of other texts.

        Without colours, the greys that stand for them would have less contrast.
        """
        return readable_shade(colour, self._background) if colour and not self.app.no_color else None

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        """Return ``strip`` with the characters from ``start`` to ``end`` shown as selected; -1 is its end."""
        text = strip.text
        cuts = [cell_len(text[:start]), strip.cell_length if end < 0 else cell_len(text[:end])]
        style = self.screen.get_component_rich_style("screen--selection")
        before, chosen, *after = strip.divide([*cuts, strip.cell_length])
        return Strip.join([before, chosen.apply_style(style), *after])

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Return the selected text as it is shown, and the line end that Textual puts behind it."""
        return selection.extract("\n".join(strip.text.rstrip() for _, strip in self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Redraw the view with the new selection highlighted."""
        self.refresh()

    def _line_of(self, sought: ScreenEntry | None) -> int | None:
        """Return the number of the first line of an entry, or None if it is not shown.

        A message that was edited or reacted to is another entry with the same id.
        """
        if sought is None:
            return None
        id = sought.log_id
        return next(
            (y for y, (entry, _) in enumerate(self._lines) if entry is sought or (id and entry.log_id == id)),
            None,
        )

    def _top(self) -> tuple[ScreenEntry | None, int]:
        """Return the entry in the first visible line, and how many lines of that entry are above the view.

        Lines between days and the line before new messages are passed over, because they move: the number is
        negative then.
        """
        top = y = self.scroll_offset.y
        while y < len(self._lines) and self._lines[y][0].kind in ("day", "new"):
            y += 1
        if y >= len(self._lines):
            return None, 0
        entry = self._lines[y][0]
        return entry, sum(1 for other, _ in self._lines[:y] if other is entry) - (y - top)

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
        entries = self._shown_entries.entries_for(self._conversation)
        nick_columns = self._nick_columns(entries, width)
        self._background = self.background_colors[1]
        drawn = {}
        lines = []
        before: ScreenEntry | None = None
        by_id: dict[int, ScreenEntry] = {}
        for entry in entries:
            colour = self._memory.colours.get(entry.nick, "")
            look = (colour, width, nick_columns)
            answered = None
            if entry.reply_to_id:
                by_id = by_id or {one.log_id: one for one in entries}
                answered = by_id.get(entry.reply_to_id)
            known = self._drawn.get(id(entry))
            if known is None or known[:4] != (entry, before, answered, look):
                known = self._drawn_entry(entry, before, answered, look)
            drawn[id(entry)] = known
            lines += known.lines
            before = entry
        self._drawn, self._lines = drawn, lines
        self.virtual_size = Size(width, len(lines))
        self.refresh()

    def _drawn_entry(
        self, entry: ScreenEntry, before: ScreenEntry | None, answered: ScreenEntry | None, look: EntryLook
    ) -> DrawnEntry:
        day = date_separator_above(entry, before)
        in_run = day is None and is_grouped_with(entry, before)
        shows_time = not in_run or before is None or entry.time.minute != before.time.minute
        strips = self._strips(entry, answered, look, shows_time, shows_nick=not in_run)
        lines = [(entry, strip) for strip in strips]
        if day is not None:
            lines.insert(0, (day, self._strip(rule_line(day.text, look[1], self._style("time")), look[1])))
        return DrawnEntry(entry, before, answered, look, in_run, lines)

    def _nick_columns(self, entries: Sequence[ScreenEntry], width: int) -> int:
        """Return the width of the column of nicks, or 0 if the view is too narrow for one."""
        if width < MIN_COLUMNS_FOR_NICKS:
            return 0
        speakers = {(entry.kind, entry.nick) for entry in entries if entry.nick}
        longest = max((cell_len(_label(*speaker)) for speaker in speakers), default=0)
        return min(longest, max(MAX_NICK_COLUMN_WIDTH, width // 6) if width >= 100 else MAX_NICK_COLUMN_WIDTH)

    def _strips(
        self,
        entry: ScreenEntry,
        answered: ScreenEntry | None,
        look: EntryLook,
        shows_time: bool,
        shows_nick: bool,
    ) -> list[Strip]:
        colour, width, nick_columns = look
        if entry.kind == "new":
            return [self._strip(rule_line(entry.text, width, self._style("new")), width)]
        time = format_time_of_day(entry.time)[1:-1] if shows_time else ""
        time_style = self._style("time")
        if entry.kind not in KINDS_WRITTEN_BY_USERS:
            head = Text(time.ljust(TIME_COLUMN_WIDTH), time_style)
            return self._hanging(head, [Text(entry.text, self._style(entry.kind))], width)
        style = self._style("own") if entry.nick == self._memory.nick else Style(bold=True)
        nick = style + Style(color=self._shade(colour))
        label = _label(entry.kind, entry.nick)
        columns = cell_len(label)
        if entry.kind != "image" and 0 < columns <= nick_columns:
            if shows_nick or time:
                shown = label if shows_nick else ""
                padding = " " * (nick_columns - (columns if shows_nick else 0))
                head = Text.assemble((time.ljust(TIME_COLUMN_WIDTH), time_style), padding, (shown, nick), " ")
            else:
                head = Text(" " * (TIME_COLUMN_WIDTH + nick_columns + 1))
            return self._hanging(head, self._body(entry, answered, nick), width)
        # A nick that is wider than the column is never cut: another one may begin in the same way.
        head = Text(time.ljust(TIME_COLUMN_WIDTH), time_style)
        column = Text.assemble(" " * (nick_columns - columns), (label, nick))
        own_line = self._hanging(head, [column], width) if shows_nick else []
        indent = Text(" " * (TIME_COLUMN_WIDTH + nick_columns + 1 if nick_columns else 2))
        if entry.kind == "image":
            below = self._hanging(indent, self._reactions(entry), width)
            return [*own_line, *(self._strip(line, width) for line in self._picture(entry, width)), *below]
        return [*own_line, *self._hanging(indent, self._body(entry, answered, nick), width)]

    def _picture(self, entry: ScreenEntry, width: int) -> list[Text]:
        """Return a picture as lines: characters that fit, or in colour if it is known and the user's own."""
        if entry.nick == self._memory.nick and not self.app.no_color:
            lines = self._memory.own_pictures.drawn_lines(entry.text, width)
            if lines:
                return [*lines, Text(_("others see it as characters"), self._style("time"))]
        return [Text(line, no_wrap=True) for line in fit_picture(entry.text, width)]

    def _body(self, entry: ScreenEntry, answered: ScreenEntry | None, nick: Style) -> list[Text]:
        """Return the text of a message in blocks, each of which begins a line.

        It is between the message that it answers and the reactions to it.
        """
        if entry.kind in ("pending", "failed"):
            blocks = [Text(entry.text, self._style(entry.kind))]
        elif "`" not in entry.text and "://" not in entry.text:  # as most messages
            blocks = [Text(entry.text)]
        else:
            blocks = self._marked_blocks(entry.text)
        if entry.nick != self._memory.nick and text_mentions_nick(entry.text, self._memory.nick):
            for block in blocks:
                block.highlight_regex(mention_pattern(self._memory.nick), self._style("mention"))
        if entry.kind == "action":
            blocks[0] = Text.assemble((f"{entry.nick} ", nick), blocks[0])
        if entry.reply_to_id:
            quote = Text(_quote(entry, answered), self._style("announcement"), no_wrap=True)
            quote.overflow = "ellipsis"
            blocks.insert(0, quote)
        return [*blocks, *self._reactions(entry)]

    def _reactions(self, entry: ScreenEntry) -> list[Text]:
        """Return the line with the reactions to a message and their numbers, if there are any."""
        if not entry.reactions:
            return []
        counts = " ".join(f"[{reaction} {len(nicks)}]" for reaction, nicks in entry.reactions.items())
        return [Text(sanitize_to_one_line(counts), self._style("announcement"))]

    def _marked_blocks(self, text: str) -> list[Text]:
        code, link = self._style("code"), self._style("link")
        blocks = []
        for block in split_code_blocks(text):
            shown = Text(block.text, code) if block.is_code else styled_message_text(block.text, code, link)
            shown.no_wrap = block.is_code
            blocks.append(shown)
        return blocks

    def _hanging(self, head: Text, blocks: list[Text], width: int) -> list[Strip]:
        """Return ``blocks`` wrapped to the columns behind ``head``, which is in front of the first line.

        No line of text has more than `MAX_TEXT_COLUMNS`. Code is broken anywhere, and padded to equal lines.
        """
        indent = head.cell_len
        columns = max(1, min(width - indent, MAX_TEXT_COLUMNS))
        lines: list[Text] = []
        for block in blocks:
            block.expand_tabs(8)
            if "\n" not in block.plain and block.cell_len <= columns:  # as most messages
                lines.append(block)
                continue
            if block.overflow == "ellipsis":
                block.truncate(columns, overflow="ellipsis")
                lines.append(block)
            elif block.no_wrap:
                written = block.split("\n", allow_blank=True)
                code = [part for line in written for part in _folded(line, columns)]
                widest = max(line.cell_len for line in code)
                for line in code:
                    line.pad_right(widest - line.cell_len)
                lines += code
            else:
                lines += block.wrap(self.app.console, columns)
        first, margin = self._segments(head), [Segment(" " * indent)]
        strips = []
        for number, line in enumerate(lines):
            segments = [*(margin if number else first), *self._segments(line)]
            strips.append(Strip(Segment.simplify(segments)).adjust_cell_length(width))
        return strips

    def _strip(self, line: Text, width: int) -> Strip:
        return Strip(self._segments(line)).adjust_cell_length(width)

    def _segments(self, line: Text) -> list[Segment]:
        if line.style:  # which rich leaves out of the segments of a text without other styles
            line.stylize_before(line.style)
        return list(line.render(self.app.console))

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"scrollback--{part}")


def _quote(entry: ScreenEntry, answered: ScreenEntry | None) -> str:
    """Return the message that ``entry`` answers as one line: its beginning if it is in memory, as
    ``answered``, else its author or its id.
    """
    if answered is None:
        return f"> {sanitize_to_one_line(entry.reply_to_nick or str(entry.reply_to_id))}"
    nick = f"* {answered.nick}" if answered.kind == "action" else _label(answered.kind, answered.nick)
    text = _("a picture") if answered.kind == "image" else answered.text.partition("\n")[0]
    return sanitize_to_one_line(f"> {nick} {text}")


def _label(kind: EntryKind, nick: str) -> str:
    """Return what the column of nicks shows for a message."""
    if kind == "action":
        return "*"
    return f"-{nick}-" if kind == "notice" else nick


def _folded(line: Text, columns: int) -> list[Text]:
    """Return ``line`` in pieces of at most ``columns`` columns, broken anywhere."""
    if line.cell_len <= columns:
        return [line]
    cuts, used = [], 0
    for at, letter in enumerate(line.plain):
        wide = cell_len(letter)
        if used + wide > columns and used:
            cuts.append(at)
            used = 0
        used += wide
    return list(line.divide(cuts))
