"""People at their screens, and a real daemon."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from textual import app as textual_app
from textual import pilot as textual_pilot
from textual._compositor import Compositor
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.color import Color
from textual.pilot import Pilot

from chatd.client.composer import Composer
from chatd.client.connection import Address
from chatd.client.dialogs import RoomsDialog
from chatd.client.log import ChatLog
from chatd.client.memory import ScreenEntry
from chatd.client.screen import ChatApp
from chatd.client.scrollback import TIME_COLUMN_WIDTH, Scrollback
from chatd.core.colours import relative_luminance
from tests.support.chat_process import ChatTestCase
from tests.support.daemon_process import PATIENCE
from tests.support.languages import speak

POLL_SECONDS = 0.02
"""Between two looks at the screen, each of which renders it."""


async def wait_until_handled(app: App[Any]) -> None:
    """Wait until no widget of ``app`` has a message or a callback to handle.

    Textual's own pilot waits until the process is idle by the clock, which takes 20 ms for each key at least,
    and a second beside another busy process.
    """
    quiet = 0
    for _ in range(MAX_ROUNDS):
        # Twice: what was handled may have set something going that comes back with the next turn.
        await asyncio.sleep(QUIET_SECONDS if quiet else 0)
        nodes = (app, *app.screen_stack, *app.screen.walk_children())
        busy = any(node.message_queue_size or node._next_callbacks for node in nodes)
        quiet = 0 if busy else quiet + 1
        if quiet == 3:
            return


QUIET_SECONDS = 0.003
"""Between two looks whether there is something to handle."""

MAX_ROUNDS = 200
"""Iterations of the event loop after which messages that never end are not waited for."""


def skip_update(compositor: Compositor, *args: Any, **options: Any) -> None:
    """Replaces `Compositor.render_update`, whose result a headless app throws away: half the time of a test.

    A test that looks at the screen renders it whole, see `Person.lines`.
    """
    compositor._dirty_regions.clear()


class Person:
    """Somebody at a screen."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        app = pilot.app
        assert isinstance(app, ChatApp)
        self.app = app

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def screen(self) -> str:
        """The same in one."""
        return "\n".join(self.lines)

    @property
    def view(self) -> list[str]:
        """The lines of the conversation that are on the screen."""
        scrollback = self.app.query_one(Scrollback)
        return [scrollback.render_line(y).text for y in range(scrollback.size.height)]

    @property
    def talk(self) -> list[str]:
        """The messages on the screen: ``alice said: hello``, and ``You said:`` for one's own."""
        scrollback = self.app.query_one(Scrollback)
        first = scrollback.scroll_offset.y
        shown: dict[ScreenEntry, list[str]] = {}
        for entry, strip in scrollback._lines[first : first + scrollback.size.height]:
            if entry.nick:
                shown.setdefault(entry, []).append(strip.text)
        found = []
        for entry, lines in shown.items():
            who = "You" if entry.nick == self.app.memory.nick else entry.nick
            text = " ".join(line[TIME_COLUMN_WIDTH:].strip() for line in lines)
            found.append(f"{who} said: {text.removeprefix(entry.nick).strip()}")
        return found

    @property
    def contrasts(self) -> dict[str, float]:
        """The texts on the screen, and the contrast of each with what is behind it, from 1 to 21."""
        found = {}
        for strip in self.app.screen._compositor.render_strips():
            for text, style, _ in strip:
                if (
                    any(map(str.isalnum, text))  # and no part of a frame or a scroll bar
                    and style is not None
                    and style.color is not None
                    and style.bgcolor is not None
                ):
                    colours = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
                    dark, light = sorted(relative_luminance(*colour.normalized) for colour in colours)
                    found[text] = (light + 0.05) / (dark + 0.05)
        return found

    @property
    def marks(self) -> dict[str, set[str]]:
        """The texts on a dark screen, and how each is marked; ``reverse`` is a light background."""
        found = {}
        for strip in self.app.screen._compositor.render_strips():
            for text, style, _ in strip:
                if style is not None and text.strip():
                    names = {name for name in ("bold", "italic", "underline") if getattr(style, name)}
                    if style.bgcolor is not None and Color.from_rich_color(style.bgcolor).brightness > 0.5:
                        names.add("reverse")
                    found[text.strip()] = names
        return found

    @property
    def found(self) -> str:
        """What the search has come to."""
        found = self.app.history.found
        return "" if found is None else found.text

    async def sees(self, *texts: str) -> Person:
        """Wait until all of these are on the screen."""

        def come() -> bool:
            screen = self.screen
            said = [text for text in texts if " said: " in text]
            talk = "\n".join(self.talk) if said else ""
            return all(text in (talk if text in said else screen) for text in texts)

        return await self.until(come, texts)

    async def until(self, come: Callable[[], bool], what: object = "it") -> Person:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not come():
                    await asyncio.sleep(POLL_SECONDS)
                    self.app.screen._on_timer_update()
        except TimeoutError:
            raise AssertionError(f"{what} is not on the screen:\n{self.screen}") from None
        return self

    async def presses(self, *keys: str) -> Person:
        """Press these keys."""
        await self.pilot.press(*keys)
        return self

    async def fanouts(self, typed: str) -> Person:
        """Send what a terminal sends for keys that come all at once, as over a slow line."""
        for event in XTermParser().feed(typed):
            self.app.post_message(event)
        await self.pilot.pause()
        return self

    async def clicks(self, column: int, line: int) -> Person:
        """Click there; both count from 0."""
        await self.pilot.click(offset=(column, line))
        return self

    async def types(self, *texts: str) -> Person:
        """Type these, each with Enter."""
        for text in texts:
            self.app.query_one(Composer).text = text
            await self.pilot.press("enter")
        return self


class ScreenTestCase(ChatTestCase):
    """A daemon, and people at screens."""

    def setUp(self) -> None:
        """Start the daemon."""
        super().setUp()
        clock = patch.dict(os.environ, TZ="UTC")
        clock.start()
        self.addCleanup(clock.stop)
        speak(self, self.language)

        async def idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
            for app in list(self.apps):
                await wait_until_handled(app)

        for module in (textual_app, textual_pilot):
            self.patch(module, "wait_for_idle", idle)
        self.patch(Compositor, "render_update", skip_update)
        self.apps: list[App[Any]] = []

    def play(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let it happen."""
        asyncio.run(story())

    @asynccontextmanager
    async def at_screen(
        self,
        nick: str = "",
        size: tuple[int, int] = (80, 24),
        port: int = 0,
    ) -> AsyncIterator[Person]:
        """Somebody at a screen who has logged in, unless they have no nick yet, and is where they were last,
        at first in the lobby.
        """
        log = ChatLog(self.folder / f"{nick or 'somebody'}.log")
        address = Address("127.0.0.1", port or self.daemon.port("json"))
        app = ChatApp(address, nick, log, state_folder=self.folder / "state")
        try:
            self.apps.append(app)
            async with app.run_test(size=size) as pilot:
                person = Person(pilot)
                if nick:
                    await person.until(lambda: app._read_marks.has_counts, "the unread counts")
                    if isinstance(app.screen, RoomsDialog):
                        await person.presses("escape")
                yield person
        finally:
            self.apps.remove(app)
            log.close()

    def stored(self, group: str | None = None) -> list[str]:
        """The lobby's messages, or those of a public group, which carol joins for that."""
        carol = self.daemon.connect("json")
        self.addCleanup(carol.close)
        carol.asks(action="client-hello", from_=f"carol{group or ''}")
        if group:
            carol.asks(action="join", group=group)
        carol.asks(action="history", limit=500, ref=1, **({"group": group} if group else {}))
        return [said["msg"] for said in carol.object(ref=1)["messages"]]
