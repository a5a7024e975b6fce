"""People at their screens, and a real daemon."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from textual._xterm_parser import XTermParser
from textual.color import Color
from textual.pilot import Pilot

from chatd.client.composer import Composer
from chatd.client.connection import Address
from chatd.client.log import Log
from chatd.client.screen import Chat
from chatd.core.colours import luminance
from tests.support.chat_process import ChatTestCase
from tests.support.daemon_process import PATIENCE
from tests.support.languages import speak


class Person:
    """Somebody at a screen."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        app = pilot.app
        assert isinstance(app, Chat)
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
    def contrasts(self) -> dict[str, float]:
        """The texts on the screen, and the contrast of each with what is behind it, from 1 to 21."""
        found = {}
        for strip in self.app.screen._compositor.render_strips():
            for text, style, _ in strip:
                if (
                    text.strip()
                    and style is not None
                    and style.color is not None
                    and style.bgcolor is not None
                ):
                    colours = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
                    dark, light = sorted(luminance(*colour.normalized) for colour in colours)
                    found[text] = (light + 0.05) / (dark + 0.05)
        return found

    @property
    def found(self) -> str:
        """What the search has come to."""
        found = self.app.history.found
        return "" if found is None else found.text

    async def sees(self, *texts: str) -> Person:
        """Wait until all of these are on the screen."""
        return await self.until(lambda: all(text in self.screen for text in texts), texts)

    async def until(self, come: Callable[[], bool], what: object = "it") -> Person:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not come():
                    await self.pilot.pause(0.005)
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

    def play(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let it happen."""
        asyncio.run(story())

    @asynccontextmanager
    async def at_screen(
        self, nick: str = "", size: tuple[int, int] = (80, 24), port: int = 0
    ) -> AsyncIterator[Person]:
        """Somebody at a screen, who is in the lobby, unless they have no nick yet."""
        log = Log(self.folder / f"{nick or 'somebody'}.log")
        app = Chat(Address("127.0.0.1", port or self.daemon.port("json")), nick, log)
        try:
            async with app.run_test(size=size) as pilot:
                person = Person(pilot)
                if nick:
                    await person.sees("Join a room" if self.language == "en" else "Rejoignez")
                    await person.presses("escape")
                yield person
        finally:
            log.close()

    def stored(self) -> list[str]:
        """The lobby's messages."""
        carol = self.daemon.connect("json")
        self.addCleanup(carol.close)
        carol.asks(action="client-hello", from_="carol").asks(action="history", limit=500, ref=1)
        return [said["msg"] for said in carol.object(ref=1)["messages"]]
