"""The connection to the daemon, kept up: lost, it is made again, and nothing is lost or doubled with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any, Final, Protocol

import msgspec

from chatd.client import codec
from chatd.client.language import _, explained
from chatd.client.typed import SAID
from chatd.core import commands as c

LINE: Final = 1024 * 1024
"""Bytes in a line at most; the daemon's are a quarter of that."""

READ: Final = 256 * 1024
"""Bytes that are read at once at most."""

FIRST_PAUSE: Final = 0.25
"""Seconds before the first attempt to connect again; each further one waits twice as long."""

LONGEST_PAUSE: Final = 15.0

CONNECTING: Final = 10.0
"""Seconds that a connection may take to be made, and the welcome to come."""

QUIET: Final = 30.0
"""Seconds without a word after which the daemon is asked whether it is there; after as many more it isn't."""

AGAIN: Final = "again"
"""The ref of the link's own requests. The first is answered behind all that was missed."""

PARTING: Final = 3.0
"""Seconds that the daemon has to answer a goodbye."""

UNREADABLE: Final = ("too_long", "bad_json", "bad_utf8")
"""What a request is refused with that could not be read, and so without its ref."""

PASSING: Final = ("nick_taken", "shutting_down", "rate_limited", "storage_failed")
"""What a hello is refused with for a while, when it was welcome before."""


class Address(msgspec.Struct, frozen=True):
    """Where the daemon is, and the TLS that it is spoken to with, if any."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Refused(Exception):
    """The daemon refused, with a ``code``; the text says what to do, in the user's language."""

    def __init__(self, error: codec.Error) -> None:
        super().__init__(explained(error.code, error.msg))
        self.code = error.code


class Lost(Exception):
    """There is no connection; the text says why. What was asked may or may not have been done."""


class Audience(Protocol):
    """Who uses a link, as far as it speaks to them."""

    def connected(self, welcome: codec.Welcome) -> None:
        """The daemon knows us, for the first time or again."""

    def disconnected(self, why: str) -> None:
        """The connection is gone; a new one is being tried."""

    def heard(self, news: codec.News) -> None:
        """Something new: each entry of the log once, in its order, one's own included."""

    def caught_up(self, page: codec.Page) -> None:
        """What was said before one came, a page of one conversation."""


class _Asked:
    """A request that has no answer yet."""

    __slots__ = ("answer", "command", "line", "sent")

    def __init__(self, command: c.Command, line: bytes) -> None:
        self.command = command
        self.line = line
        self.sent = False
        self.answer: asyncio.Future[codec.Answer] = asyncio.get_running_loop().create_future()

    @property
    def may_be_sent(self) -> bool:
        """Whether it is new, or changes nothing if it was done already."""
        return (
            not self.sent
            or isinstance(self.command, SAID)  # stored once, however often it is sent under one ref
            or c.DECLARED[type(self.command)].answer != "ack"
        )

    def send(self, writer: asyncio.StreamWriter) -> None:
        """Send it, for the first time or again."""
        self.sent = True
        writer.write(self.line)


class Link:
    """A session with the daemon at ``address`` under ``nick``, through as many connections as it takes.

    ``cursor`` is the id of the last entry that was heard; given one, the session goes on behind it. What was
    missed before it is heard whole or, if the connection is lost on the way, as what follows on the next one.
    With ``peeks`` it is left for another session, and so is what this one hears. With no connection for
    ``patience`` seconds the link gives up.
    """

    def __init__(
        self,
        address: Address,
        nick: str,
        audience: Audience,
        cursor: int | None = None,
        peeks: bool = False,
        patience: float = 120.0,
        quiet: float = QUIET,
        pause: Callable[[float], float] = lambda longest: random.uniform(longest / 2, longest),
    ) -> None:
        self.nick = nick
        self.cursor = cursor
        self._address = address
        self._audience = audience
        self._peeks = peeks
        self._patience = patience
        self._quiet = quiet
        self._pause = pause
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[str, _Asked] = {}
        self._coming: list[codec.Page | codec.News] | None = None
        token = secrets.token_hex(4)
        self._refs: Iterator[str] = (f"{token}.{number}" for number in count(1))
        self._running: asyncio.Task[Any] | None = None
        self._leaving = False
        self._known = False
        self._up = False
        self._why = ""

    async def run(self) -> None:
        """Connect and stay connected until `leave`.

        Raises `Refused` when the daemon does not take us, `Lost` when it can't be reached, or no more.
        """
        self._running = asyncio.current_task()
        try:
            await self._stay_connected()
        except asyncio.CancelledError:
            if not self._leaving:
                raise
        finally:
            self._forget(Lost(_("the connection ended before the answer")))

    async def _stay_connected(self) -> None:
        clock = asyncio.get_running_loop().time
        lost_at, longest = clock(), FIRST_PAUSE
        while True:
            self._why, self._up = "", False
            try:
                await self._converse()
            except (OSError, UnicodeError) as error:  # the latter for a host that is no name
                self._why = self._why or _reason(error)
            except Refused as refused:
                # The daemon may still hold the connection that was lost, and the nick with it.
                if not self._known or refused.code not in PASSING:
                    raise
                self._why = str(refused)
            if self._leaving:
                return
            if self._up:
                lost_at, longest = clock(), FIRST_PAUSE
            why = self._why or _("it closed the connection")
            if not self._known or clock() + longest > lost_at + self._patience:
                raise Lost(_("no connection to {address}: {why}").format(address=self._address, why=why))
            self._audience.disconnected(why)
            await asyncio.sleep(self._pause(longest))
            longest = min(longest * 2, LONGEST_PAUSE)

    def ask(self, command: c.Command) -> asyncio.Future[codec.Answer]:
        """Send ``command``, behind all that was asked before; the answer, by whatever connection it comes.

        It may be `Refused` or `Lost`.
        """
        ref = next(self._refs)
        asked = self._asked[ref] = _Asked(command, codec.request(command, ref))
        if self._writer is not None:
            asked.send(self._writer)
        return asked.answer

    async def leave(self) -> None:
        """Say goodbye and end `run`, at once if there is no connection."""
        self._leaving = True
        if self._writer is not None:
            with contextlib.suppress(Lost, Refused, TimeoutError):
                async with asyncio.timeout(PARTING):
                    await self.ask(c.Quit())
        if self._running is not None:
            self._running.cancel()

    async def _converse(self) -> None:
        """One connection, from hello to its end; ``_up`` says whether it was of any use."""
        async with asyncio.timeout(CONNECTING):
            reader, writer = await asyncio.open_connection(
                self._address.host, self._address.port, ssl=self._address.tls
            )
        try:
            hello = c.Hello(self.nick, self.cursor, "keep" if self._peeks else "send")
            writer.write(codec.request(hello, "hello"))
            lines = self._lines(reader, writer)
            async with asyncio.timeout(CONNECTING):
                welcome = await self._welcome(lines)
            if welcome is not None:
                self._begin(writer, welcome)
                async for line in lines:
                    self._hear(codec.understand(line))
        finally:
            self._writer = None
            writer.close()

    async def _lines(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncIterator[bytes]:
        rest = b""
        while data := await self._read(reader, writer):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line
            if len(rest) > LINE:
                raise Lost(_("{address} says more than a line: it is no chatd").format(address=self._address))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """What comes next, however slowly a line does; `TimeoutError` when nothing does."""
        try:
            async with asyncio.timeout(self._quiet):
                return await reader.read(READ)
        except TimeoutError:
            if self._writer is None:  # before the welcome there is nobody to ask
                raise
            writer.write(codec.request(c.Hello(), AGAIN))
        async with asyncio.timeout(self._quiet):
            return await reader.read(READ)

    async def _welcome(self, lines: AsyncIterator[bytes]) -> codec.Welcome | None:
        async for line in lines:
            said = codec.understand(line)
            if isinstance(said, codec.Error):
                raise Refused(said)
            if isinstance(said, codec.Welcome):
                return said
        return None

    def _begin(self, writer: asyncio.StreamWriter, welcome: codec.Welcome) -> None:
        self._writer = writer
        self._known = True
        self.nick = welcome.user.nick
        self._coming = None
        if self.cursor is None or self.cursor > welcome.cursor:  # the log is another one, or an older one
            missed = welcome.returning and not self._peeks
            self.cursor = welcome.seen if missed else welcome.cursor
            self._coming = [] if missed else None
        writer.write(codec.request(c.Hello(), AGAIN))
        self._audience.connected(welcome)
        for ref, asked in list(self._asked.items()):
            if asked.may_be_sent:
                asked.send(writer)
            else:
                del self._asked[ref]
                if asked.answer.done():
                    continue  # nobody waits for it any more
                asked.answer.set_exception(Lost(_("the connection was lost: look whether it was done")))

    def _hear(self, said: codec.News | codec.Answer | None) -> None:
        if isinstance(said, codec.Event) and not said.id:
            self._audience.heard(said)
        elif self._coming is not None and isinstance(said, codec.Page | codec.News):
            self._coming.append(said)
        elif isinstance(said, codec.Answer):
            self._answered(said)
        elif said is not None and said.id > (self.cursor or 0):
            self.cursor = said.id
            self._audience.heard(said)

    def _answered_again(self, answer: codec.Answer) -> None:
        """The daemon is there, and all that was missed is here."""
        if isinstance(answer, codec.Welcome):
            self._up = True
            coming, self._coming = self._coming or [], None
            for said in coming:
                self._hear(said)
            self.cursor = max(self.cursor or 0, answer.cursor)
        elif isinstance(answer, codec.Error) and self._coming is not None:
            raise ConnectionError(explained(answer.code, answer.msg))

    def _answered(self, answer: codec.Answer) -> None:
        if answer.ref == AGAIN:
            self._answered_again(answer)
            return
        asked = self._asked.pop(str(answer.ref), None)
        if isinstance(answer, codec.Ack) and asked is not None:
            self._acked(asked.command, answer)
        if asked is None:
            if isinstance(answer, codec.Page):
                self._audience.caught_up(answer)
            elif isinstance(answer, codec.Error):
                self._why = explained(answer.code, answer.msg)
                if answer.code in UNREADABLE:
                    self._refused_unread(answer)
        elif not asked.answer.done():
            if isinstance(answer, codec.Error):
                asked.answer.set_exception(Refused(answer))
            else:
                asked.answer.set_result(answer)

    def _refused_unread(self, error: codec.Error) -> None:
        """Answers come in order: it was the first request without one. It must not be sent again."""
        for ref, asked in list(self._asked.items())[:1]:
            del self._asked[ref]
            if not asked.answer.done():
                asked.answer.set_exception(Refused(error))

    def _acked(self, command: c.Command, ack: codec.Ack) -> None:
        """One's own entry of the log is in its place: heard like the others', unless a replay had it."""
        news = codec.done(command, ack, self.nick)
        if news is not None and ack.id > (self.cursor or 0):
            self.cursor = ack.id
            self._audience.heard(news)

    def _forget(self, why: Lost) -> None:
        asked, self._asked = self._asked, {}
        for one in asked.values():
            if not one.answer.done():
                one.answer.set_exception(why)


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return _("that is no host's name")
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or _("it takes too long")
