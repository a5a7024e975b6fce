"""``chat --plain``: a line in, a line out, for pipes, screen readers and tests."""

from __future__ import annotations

import asyncio
import shutil
import sys
from argparse import Namespace
from collections.abc import Awaitable
from concurrent.futures import CancelledError
from itertools import chain
from threading import Thread
from typing import Final

from chatd.client import codec
from chatd.client.codec import LOBBY, Place
from chatd.client.images import NoImage, art
from chatd.client.language import _, explained, greeting
from chatd.client.link import Link, Lost, Refused
from chatd.client.log import Log, kept
from chatd.client.options import address
from chatd.client.render import INDENT, answered, happening, line, note, unread, where
from chatd.client.scripts import named, put, through
from chatd.client.typed import SAID, Bearings, Meant, SendImage, said
from chatd.core import commands as c
from chatd.core.refusals import Refusal

AHEAD: Final = 64
"""Lines that are sent before the first of them is acked."""


class Room:
    """What a person sees, as lines: what is said and done everywhere, marked with where unless it is here."""

    def __init__(self, nick: str, log: Log) -> None:
        self.nick = nick
        self.here = LOBBY
        self._log = log

    def connected(self, welcome: codec.Welcome) -> None:
        """Say so."""
        self.nick = welcome.user.nick
        if welcome.msg:
            put(note(f"* {greeting(welcome.msg)}"))

    def disconnected(self, why: str) -> None:
        """Say so."""
        put(note("* " + _("connection lost ({why}): connecting again").format(why=why)))

    def heard(self, news: codec.News) -> None:
        """Print it."""
        self._trouble(self._log.heard(news, self.nick))
        if isinstance(news, codec.Event):
            put(f"* {happening(news)}")
        elif isinstance(news, codec.Notice):
            for text in answered(news, self.nick):
                put(f"* {text}")
        else:
            place = news.place(self.nick)
            put(line(news, self.nick, None if place.key == self.here.key else place))

    def caught_up(self, page: codec.Welcoming) -> None:
        """Print what was said before one came, and how much of it is unread."""
        self._trouble(self._log.caught_up(page, self.nick))
        for text in answered(page, self.nick):
            put(text)
        if isinstance(page, codec.Page) and page.seen is not None and (count := page.unread(self.nick)):
            put(f"* {unread(page.place, count)}")

    def refused(self, refusal: Refusal | Refused) -> None:
        """Print why."""
        text = str(refusal) if isinstance(refusal, Refused) else explained(refusal.code, refusal.text)
        put(note(f"* {refusal.code}: {text}"))

    def _trouble(self, trouble: str | None) -> None:
        if trouble:
            sys.stderr.write(f"chat: {trouble}\n")


class Talk:
    """A person at work: lines become commands, one after the other; what is only said is sent ahead."""

    def __init__(self, link: Link, room: Room) -> None:
        self._link = link
        self._room = room
        self._bearings = Bearings()
        self._typed: asyncio.Queue[Meant | Refusal] = asyncio.Queue(AHEAD)
        self._free = asyncio.Semaphore(AHEAD)
        self._saying: set[asyncio.Task[None]] = set()

    async def take(self, typed: str) -> None:
        """Have done what a line asks for."""
        if not typed.strip():
            return
        try:
            meant = self._bearings.meant(typed, self._room.here)
        except Refusal as refusal:
            await self._typed.put(refusal)  # to be told when what came before is done
        else:
            await self._typed.put(meant)

    async def end(self) -> None:
        """There will be no more lines."""
        await self._typed.put((c.Quit(), None))

    async def go_on(self) -> None:
        """Do what each line says, until one says to leave. Raises `Lost`."""
        while True:
            typed = await self._typed.get()
            if isinstance(typed, Refusal):
                self._room.refused(typed)
                continue
            command, goes = typed
            if isinstance(command, c.Quit):
                break
            if isinstance(command, SendImage):
                await self._send_image(command)
            elif isinstance(command, SAID):
                await self._send(command)
            else:
                await self._do(command, goes)
        await asyncio.gather(*self._saying)

    async def _send_image(self, image: SendImage) -> None:
        columns = shutil.get_terminal_size().columns - len(INDENT)
        try:
            drawn = await asyncio.to_thread(art, image.path, columns)
            await self._send(said(image.place, drawn, "image"))
        except Refusal as refusal:
            self._room.refused(refusal)
        except NoImage as trouble:
            put(note(f"* {trouble}"))

    async def _send(self, command: c.Command) -> None:
        await self._free.acquire()
        saying = asyncio.create_task(self._say(self._link.ask(command)))
        self._saying.add(saying)
        saying.add_done_callback(self._saying.discard)

    async def _say(self, asked: Awaitable[codec.Answer]) -> None:
        try:
            await asked
        except Refused as refused:
            self._room.refused(refused)
        except Lost:
            pass  # for good, and the link says so itself
        finally:
            self._free.release()

    async def _do(self, command: c.Command, goes: Place | None) -> None:
        done = True
        try:
            for text in answered(await self._link.ask(command), self._room.nick):
                put(text)
        except Refused as refused:
            done = goes is not None and refused.code == "already_member"
            if not done:
                self._room.refused(refused)
        except Lost as lost:
            done = False
            put(note(f"* {lost}"))
        there = self._bearings.done(goes)
        if there is None:
            return
        if done:
            put("* " + _("you are in {place}").format(place=where(there)))
        if done or not sys.stdin.isatty():
            # What a program writes next is meant for there, whether or not it has seen this.
            self._room.here = there


async def talk(options: Namespace) -> None:
    """Talk, until the end of standard input or ``/quit``. Raises `Unclear`, `Refused` and `Lost`."""
    name = named(options)
    log = kept(options.log)
    room = Room(name, log)
    link = Link(address(options), room.nick, room)
    talking = Talk(link, room)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # In a thread, because a regular file can't be waited for otherwise.
        lines = sys.stdin if sys.stdin is not None else ()
        steps = (talking.take(typed.rstrip("\n")) for typed in lines)
        for step in chain(steps, (talking.end(),)):
            try:
                asyncio.run_coroutine_threadsafe(step, loop).result()
            except (RuntimeError, CancelledError):  # one has left
                step.close()
                return

    Thread(target=read, daemon=True).start()
    try:
        await through(link, talking.go_on())
    finally:
        log.close()
