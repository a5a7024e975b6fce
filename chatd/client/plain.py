"""``chat --plain``: a line in, a line out, for pipes, screen readers and tests."""

from __future__ import annotations

import asyncio
import shutil
import sys
from argparse import Namespace
from itertools import chain
from threading import Thread
from typing import Final

from chatd.client import codec
from chatd.client.codec import LOBBY
from chatd.client.images import NoImage, art
from chatd.client.language import _
from chatd.client.link import Link, Lost, Refused
from chatd.client.log import Log, kept
from chatd.client.options import address
from chatd.client.scripts import named, put, through
from chatd.client.show import INDENT, answered, clean, happening, line, where
from chatd.client.typed import SAID, SendImage, heading, said, understood
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
        put(clean(f"* {welcome.msg}"))

    def disconnected(self, why: str) -> None:
        """Say so."""
        put(clean("* " + _("connection lost ({why}): connecting again").format(why=why)))

    def heard(self, news: codec.News) -> None:
        """Print it."""
        self._trouble(self._log.heard(news, self.nick))
        if isinstance(news, codec.Event):
            put(f"* {happening(news)}")
        else:
            place = news.place(self.nick)
            put(line(news, self.nick, None if place.key == self.here.key else place))

    def caught_up(self, page: codec.Page) -> None:
        """Print what was said before one came."""
        self._trouble(self._log.caught_up(page, self.nick))
        for text in answered(page, self.nick):
            put(text)

    def refused(self, refusal: Refusal | Refused) -> None:
        """Print why."""
        text = refusal.text if isinstance(refusal, Refusal) else str(refusal)
        put(clean(f"* {refusal.code}: {text}"))

    def _trouble(self, trouble: str | None) -> None:
        if trouble:
            sys.stderr.write(f"chat: {trouble}\n")


class Talk:
    """A person at work: lines become commands, one after the other; what is only said is sent ahead."""

    def __init__(self, link: Link, room: Room) -> None:
        self._link = link
        self._room = room
        self._free = asyncio.Semaphore(AHEAD)
        self._saying: set[asyncio.Task[None]] = set()

    async def go_on(self, lines: asyncio.Queue[str | None]) -> None:
        """Do what each line says, until the end of all, or until one says to leave. Raises `Lost`."""
        while (typed := await lines.get()) is not None:
            if not typed.strip():
                continue
            try:
                command = understood(typed, self._room.here)
                if isinstance(command, SendImage):
                    columns = shutil.get_terminal_size().columns - len(INDENT)
                    drawn = await asyncio.to_thread(art, command.path, columns)
                    command = said(self._room.here, drawn, "image")
            except Refusal as refusal:
                self._room.refused(refusal)
                continue
            except NoImage as trouble:
                put(clean(f"* {trouble}"))
                continue
            if isinstance(command, c.Quit):
                break
            if isinstance(command, SAID):
                await self._free.acquire()
                saying = asyncio.create_task(self._say(command))
                self._saying.add(saying)
                saying.add_done_callback(self._saying.discard)
                await asyncio.sleep(0)  # so that it is on its way before what comes next
            else:
                await self._do(command)
        await asyncio.gather(*self._saying)

    async def _say(self, command: c.Command) -> None:
        try:
            await self._link.ask(command)
        except Refused as refused:
            self._room.refused(refused)
        except Lost:
            pass  # for good, and the link says so itself
        finally:
            self._free.release()

    async def _do(self, command: c.Command) -> None:
        command, goes = heading(command)
        try:
            answer = await self._link.ask(command)
            for text in answered(answer, self._room.nick):
                put(text)
        except Refused as refused:
            if not (goes is not None and refused.code == "already_member"):
                self._room.refused(refused)
                return
        except Lost as lost:
            put(f"* {lost}")
            return
        if isinstance(command, c.Leave) and self._room.here.key == codec.Place("group", command.group).key:
            goes = LOBBY
        if goes is not None:
            self._room.here = goes
            put("* " + _("you are in {place}").format(place=where(goes)))


async def talk(options: Namespace) -> None:
    """Talk, until the end of standard input or ``/quit``. Raises `Unclear`, `Refused` and `Lost`."""
    name = named(options)
    log = kept(options.log)
    room = Room(name, log)
    link = Link(address(options), room.nick, room)
    lines: asyncio.Queue[str | None] = asyncio.Queue(AHEAD)
    loop = asyncio.get_running_loop()

    def read() -> None:
        # In a thread, because a regular file can't be waited for otherwise.
        for typed in chain(sys.stdin, (None,)):
            asyncio.run_coroutine_threadsafe(lines.put(typed and typed.rstrip("\n")), loop).result()

    Thread(target=read, daemon=True).start()
    try:
        await through(link, Talk(link, room).go_on(lines))
    finally:
        log.close()
