"""The connection to the daemon, kept up: lost, it is made again, and nothing is lost or doubled with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any, Final, Protocol

import msgspec

from chatd.client import codec
from chatd.client.coursework import REMARK, CourseWork, opening, parsed, welcome_of
from chatd.client.language import _, explained, system
from chatd.client.render import answered
from chatd.client.typed import SAID
from chatd.core import commands as c
from chatd.json_wire.values import JsonValues

LINE: Final = 1024 * 1024
"""Bytes in a JSON value at most; the daemon's are a quarter of that."""

READ: Final = 256 * 1024
"""Bytes that are read at once at most."""

RETRY_MIN_SECONDS: Final = 0.25
"""Seconds before the first attempt to connect again; each further one waits twice as long."""

RETRY_MAX_SECONDS: Final = 15.0

CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a connection may take to be made, and the welcome to come."""

KEEPALIVE_SECONDS: Final = 30.0
"""Seconds without a word after which the daemon is asked whether it is there; after as many more it isn't."""

AGAIN: Final = "again"
"""The ref of the link's own requests. The first is answered behind all that was missed."""

LEAVE_TIMEOUT_SECONDS: Final = 3.0
"""Seconds that the daemon has to answer a goodbye."""

WELCOME_TIMEOUT_SECONDS: Final = 2.0
"""Seconds after which a server that talks, but answers no hello, is taken to have welcomed us."""

EARLY: Final = 64
"""Values that such a server says first at most."""

PACE: Final = 0.04
"""Seconds between two writes to a course-work server, which takes one read for one object."""

ANSWER_TIMEOUT_SECONDS: Final = 2.0
"""Seconds that a course-work server has to answer; then what was asked of it counts as done."""

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

    def caught_up(self, page: codec.Welcoming) -> None:
        """What was said before one came: a page of one conversation, or a list of those without one."""


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

    A server whose welcome is none of chatd's is a course-work server (`chatd.client.coursework`): it gets one
    object in a write, at a pace. What was written to it counts as sent and is never sent again.
    """

    def __init__(
        self,
        address: Address,
        nick: str,
        audience: Audience,
        cursor: int | None = None,
        peeks: bool = False,
        patience: float = 120.0,
        quiet: float = KEEPALIVE_SECONDS,
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
        self._coming: list[codec.Welcoming | codec.News] | None = None
        self._course: CourseWork | None = None
        self._turns: asyncio.Queue[str] | None = None
        self._in_lines = False
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
        lost_at, longest = clock(), RETRY_MIN_SECONDS
        while True:
            self._why, self._up = "", False
            try:
                await self._converse()
            except (OSError, UnicodeError) as error:  # the latter for a host that is no name
                self._why = self._why or _reason(error)
            except Refused as refused:
                # The daemon may still hold the connection that was lost, and the nick with it.
                # A course-work server says so in words of its own.
                if not self._known or (refused.code not in PASSING and self._course is None):
                    raise
                self._why = str(refused)
            if self._leaving:
                return
            if self._up:
                lost_at, longest = clock(), RETRY_MIN_SECONDS
            why = self._why or _("it closed the connection")
            if not self._known or clock() + longest > lost_at + self._patience:
                raise Lost(_("no connection to {address}: {why}").format(address=self._address, why=why))
            self._audience.disconnected(why)
            await asyncio.sleep(self._pause(longest))
            longest = min(longest * 2, RETRY_MAX_SECONDS)

    def ask(self, command: c.Command) -> asyncio.Future[codec.Answer]:
        """Send ``command``, behind all that was asked before; the answer, by whatever connection it comes.

        It may be `Refused` or `Lost`.
        """
        ref = next(self._refs)
        asked = self._asked[ref] = _Asked(command, codec.request(command, ref))
        if self._turns is not None:
            self._turns.put_nowait(ref)
        elif self._writer is not None:
            asked.send(self._writer)
        return asked.answer

    async def leave(self) -> None:
        """Say goodbye and end `run`, at once if there is no connection."""
        self._leaving = True
        if self._writer is not None:
            waiting = PACE * self._turns.qsize() if self._turns is not None else 0
            with contextlib.suppress(Lost, Refused, TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_SECONDS + waiting):
                    await self.ask(c.Quit())
        if self._running is not None:
            self._running.cancel()

    async def _converse(self) -> None:
        """One connection, from hello to its end; ``_up`` says whether it was of any use."""
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(
                self._address.host, self._address.port, ssl=self._address.tls
            )
        self._in_lines = False
        try:
            hello = c.Hello(self.nick, self.cursor, "keep" if self._peeks else "send")
            # The newline is what chatd and servers that read lines wait for; a JSON parser passes over it.
            writer.write(codec.request(hello, "hello"))
            following = partial(self._next, reader, writer, JsonValues(LINE))
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                welcome, early = await self._welcome(following)
            if isinstance(welcome, codec.CourseWelcome):
                await self._converse_with_course_work(writer, welcome, early, following)
            elif welcome is not None:
                self._begin(writer, welcome)
                while (value := await following()) is not None:
                    self._hear(codec.understand(value))
        finally:
            self._writer = None
            writer.close()

    async def _next(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, values: JsonValues
    ) -> bytes | None:
        """The next JSON value, of which a read may bring several or a part; None at the end."""
        while True:
            value = values.cut()
            if value is None:
                self._in_lines = self._in_lines or values.ended_line
                data = await self._read(reader, writer)
                if not data:
                    return None
                values.feed(data)
            elif isinstance(value, bytes):
                self._in_lines = self._in_lines or values.ended_line
                return value
            elif value.lost:
                raise Lost(_("{address} does not speak JSON: it is no chat").format(address=self._address))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """What comes next, however slowly a value does; `TimeoutError` when nothing does."""
        if self._turns is not None:  # a course-work server has no way to say that it is there
            return await reader.read(READ)
        try:
            async with asyncio.timeout(self._quiet):
                return await reader.read(READ)
        except TimeoutError:
            if self._writer is None:  # before the welcome there is nobody to ask
                raise
            writer.write(codec.request(c.Hello(), AGAIN))
        async with asyncio.timeout(self._quiet):
            return await reader.read(READ)

    async def _welcome(
        self, following: Callable[[], Awaitable[bytes | None]]
    ) -> tuple[codec.Welcome | None, list[bytes]]:
        """The welcome, and what a course-work server said before it. Raises `Refused`."""
        early: list[bytes] = []
        deadline = None
        while len(early) < EARLY:
            try:
                async with asyncio.timeout_at(deadline):
                    value = await following()
            except TimeoutError:
                if deadline is None:
                    raise
                break
            if value is None:
                return None, []
            said = codec.understand(value)
            if isinstance(said, codec.Error):
                raise Refused(said)
            if isinstance(said, codec.Welcome):
                return said, []
            other = parsed(value)
            if other is None:
                continue
            answer = opening(other, self.nick)
            if isinstance(answer, codec.Error):
                raise Refused(answer)
            if answer is not None:
                return answer, early
            early.append(value)
            deadline = deadline or asyncio.get_running_loop().time() + WELCOME_TIMEOUT_SECONDS
        return welcome_of(self.nick), early

    def _begin(self, writer: asyncio.StreamWriter, welcome: codec.Welcome) -> None:
        self._writer = writer
        self._known = True
        self._course = None
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
                self._leave_open(ref)

    def _leave_open(self, ref: str) -> None:
        """The connection was lost with the answer, and what was asked for may not be done twice."""
        asked = self._asked.pop(ref)
        if not asked.answer.done():  # or nobody waits for it any more
            asked.answer.set_exception(Lost(_("the connection was lost: look whether it was done")))

    def _hear(self, said: codec.News | codec.Answer | None) -> None:
        if isinstance(said, codec.Event) and not said.id:
            self._audience.heard(said)
        elif self._coming is not None and isinstance(said, codec.Welcoming | codec.News):
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
        asked = self._asked.get(str(answer.ref))
        if isinstance(answer, codec.Ack) and asked is not None:
            self._acked(asked.command, answer)
        if asked is None:
            if isinstance(answer, codec.Welcoming):
                self._audience.caught_up(answer)
            elif isinstance(answer, codec.Error):
                self._why = explained(answer.code, answer.msg)
                if answer.code in UNREADABLE:
                    self._refused_unread(answer)
        else:
            self._answer(str(answer.ref), answer)

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

    async def _converse_with_course_work(
        self,
        writer: asyncio.StreamWriter,
        welcome: codec.CourseWelcome,
        early: list[bytes],
        following: Callable[[], Awaitable[bytes | None]],
    ) -> None:
        """The same with a course-work server, after its welcome."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        course = self._course = self._course or CourseWork(self.nick)
        turns = self._turns = asyncio.Queue()
        self._writer = writer
        self.cursor = self._coming = None
        self._audience.connected(welcome)
        if not self._known:
            self._audience.heard(codec.Notice(text=_(REMARK), ts=datetime.now(UTC)))
        self._known = True
        for ref, asked in list(self._asked.items()):
            if asked.sent:
                self._leave_open(ref)
            else:
                turns.put_nowait(ref)
        taking = asyncio.create_task(self._take_turns(writer, course, turns))
        try:
            for value in early:
                self._hear_course_work(course, value)
            while (following_value := await following()) is not None:
                self._hear_course_work(course, following_value)
        finally:
            self._up = clock() > begun + WELCOME_TIMEOUT_SECONDS
            self._turns = None
            taking.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await taking

    async def _take_turns(
        self, writer: asyncio.StreamWriter, course: CourseWork, turns: asyncio.Queue[str]
    ) -> None:
        """Write what is asked, one object at a time. Raises `OSError`, which whoever reads meets as well."""
        writer.transport.set_write_buffer_limits(0)  # so that what is drained was written
        while True:
            ref = await turns.get()
            await asyncio.sleep(PACE)
            asked = self._asked[ref]
            if isinstance(asked.command, c.AskHelp):
                self._answer(ref, codec.Help())  # the client has the table itself
                continue
            request = course.request(asked.command)
            if request is None:
                unknown = codec.Error(code="unknown_action", msg=_("this server has no such command"))
                self._answer(ref, unknown)
                continue
            asked.sent = True
            # A server that ends its objects with a newline reads lines, too. For others a read is an object.
            writer.write(request + b"\n" if self._in_lines else request)
            await writer.drain()
            if isinstance(asked.command, c.Broadcast | c.Send | c.GroupBroadcast):
                ack = course.written(asked.command)
                if (news := codec.done(asked.command, ack, self.nick)) is not None:
                    self._audience.heard(news)
                self._answer(ref, ack)
            else:
                asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_SECONDS, self._give_up, ref)

    def _give_up(self, ref: str) -> None:
        """No answer came: whoever asked for a list is told so, anything else counts as done."""
        if ref in self._asked:
            does = c.DECLARED[type(self._asked[ref].command)].answer in ("ack", "quit")
            silence = codec.Error(code="no_answer", msg=_("the server does not answer that"))
            self._answer(ref, codec.Answer() if does else silence)

    def _hear_course_work(self, course: CourseWork, value: bytes) -> None:
        said = parsed(value)
        heard = course.understand(said) if said is not None else None
        if heard is None:
            return
        row, what = heard
        ref = self._answered_by(row, what)
        if ref is not None and isinstance(what, codec.Answer):
            self._answer(ref, what)
        elif isinstance(what, codec.News):
            self._audience.heard(what)
        else:
            text = what.msg if isinstance(what, codec.Error) else "\n".join(answered(what, self.nick))
            if text:
                self._audience.heard(codec.Notice(text=text, ts=datetime.now(UTC)))

    def _answered_by(self, row: str, what: codec.News | codec.Answer) -> str | None:
        """The ref of the first request that ``what`` may answer: of the same ``row``, or any for an error."""
        for ref, asked in self._asked.items():
            if asked.sent and (isinstance(what, codec.Error) or c.DECLARED[type(asked.command)].name == row):
                return ref
        return None

    def _answer(self, ref: str, answer: codec.Answer) -> None:
        asked = self._asked.pop(ref)
        if asked.answer.done():
            return
        if isinstance(answer, codec.Error):
            asked.answer.set_exception(Refused(answer))
        else:
            asked.answer.set_result(answer)

    def _forget(self, why: Lost) -> None:
        asked, self._asked = self._asked, {}
        for one in asked.values():
            if not one.answer.done():
                one.answer.set_exception(why)


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return _("that is no host's name")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return system(error)
    if error.errno and error.errno > 0:
        return _(os.strerror(error.errno))
    return str(error) or _("it takes too long")
