"""The link to the daemon: it connects, logs in, and connects again whenever the connection is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Final

from chatd.client import codec
from chatd.client.chatd_session import ChatdSession, ResumePoint
from chatd.client.connection import (
    CONNECT_TIMEOUT_SECONDS,
    Address,
    Connection,
    Listener,
    Session,
    failure_reason,
)
from chatd.client.coursework import CourseworkCodec, hello_reply, make_welcome, parse_object
from chatd.client.coursework_session import CourseworkSession
from chatd.client.language import _
from chatd.client.pending import Lost, PendingRequests, Refused
from chatd.core import commands as c
from chatd.json_wire import objects

RETRY_MIN_SECONDS: Final = 0.25
"""The longest pause before the first attempt to connect again; it doubles with each further attempt."""

RETRY_MAX_SECONDS: Final = 15.0
"""The longest pause between two attempts."""

GIVE_UP_SECONDS: Final = 120.0
"""The link gives up after this time without a connection."""

KEEPALIVE_SECONDS: Final = 30.0
"""After this silence the client probes the daemon; after the same time again the connection is dead."""

LEAVE_TIMEOUT_SECONDS: Final = 3.0
"""The time limit for the daemon's answer to a quit."""

WELCOME_TIMEOUT_SECONDS: Final = 2.0
"""A course-work server that sends values but no welcome counts as having accepted the login after this."""

MAX_VALUES_BEFORE_WELCOME: Final = 64
"""The most values that a course-work server may send before its welcome."""

TRANSIENT_CODES: Final = ("nick_taken", "shutting_down", "rate_limited", "storage_failed")
"""Refusals of a login that pass: the link tries again if it was logged in before."""


class Link:
    """A login at ``address`` under ``nick`` that lasts through as many connections as it takes.

    ``cursor`` is the id of the last entry that was delivered; if it is given, the daemon replays what
    follows it. Otherwise the missed entries are delivered as one whole; if the connection is lost meanwhile,
    the next connection replays them. With ``peeks``, the missed entries stay missed for another session of
    the same user, and so do the entries that this link hears. After ``patience`` seconds without a
    connection the link gives up.

    A server whose welcome is not chatd's is taken for a course-work server (`chatd.client.coursework`).
    """

    def __init__(
        self,
        address: Address,
        nick: str,
        listener: Listener,
        cursor: int | None = None,
        peeks: bool = False,
        patience: float = GIVE_UP_SECONDS,
        quiet: float = KEEPALIVE_SECONDS,
        pause: Callable[[float], float] = lambda longest: random.uniform(longest / 2, longest),
    ) -> None:
        self._resume = ResumePoint(nick, cursor)
        self._address = address
        self._listener = listener
        self._peeks = peeks
        self._patience = patience
        self._quiet = quiet
        self._pause = pause
        self._requests = PendingRequests()
        self._session: Session | None = None
        self._course: CourseworkCodec | None = None
        self._running: asyncio.Task[Any] | None = None
        self._leaving = False
        self._logged_in = False
        self._resets_backoff = False
        self._close_reason = ""

    @property
    def nick(self) -> str:
        """The user's nick, which the daemon may have chosen."""
        return self._resume.nick

    @property
    def cursor(self) -> int | None:
        """The id of the last entry that was delivered."""
        return self._resume.cursor

    async def run(self) -> None:
        """Connect and stay connected until `leave`.

        Raises `Refused` when the daemon refuses the login, `Lost` when it can't be reached, or no more.
        """
        self._running = asyncio.current_task()
        try:
            await self._stay_connected()
        except asyncio.CancelledError:
            if not self._leaving:
                raise
        finally:
            self._requests.fail_all(Lost(_("the connection ended before the answer")))

    def ask(self, command: c.Command) -> asyncio.Future[objects.Answer]:
        """Send ``command`` behind all earlier requests; the future gets the answer.

        The answer may arrive over a later connection. The future may raise `Refused` or `Lost`.
        """
        request = self._requests.add(command)
        if self._session is not None:
            self._session.send(request)
        return request.answer

    async def leave(self) -> None:
        """Ask the daemon to quit, then end `run`; without a connection, end it at once."""
        self._leaving = True
        if self._session is not None:
            limit = LEAVE_TIMEOUT_SECONDS + self._session.backlog_seconds
            with contextlib.suppress(Lost, Refused, TimeoutError):
                async with asyncio.timeout(limit):
                    await self.ask(c.Quit())
        if self._running is not None:
            self._running.cancel()

    async def _stay_connected(self) -> None:
        clock = asyncio.get_running_loop().time
        lost_at, longest = clock(), RETRY_MIN_SECONDS
        while True:
            self._close_reason, self._resets_backoff = "", False
            try:
                await self._connect()
            except (OSError, UnicodeError) as error:  # the latter for a malformed host name
                self._close_reason = self._close_reason or failure_reason(error)
            except Refused as refused:
                # The daemon may still hold the lost connection, and with it the nick.
                # A course-work server refuses that in words of its own.
                transient = refused.code in TRANSIENT_CODES or self._course is not None
                if not self._logged_in or not transient:
                    raise
                self._close_reason = str(refused)
            if self._leaving:
                return
            if self._resets_backoff:
                lost_at, longest = clock(), RETRY_MIN_SECONDS
            why = self._close_reason or _("it closed the connection")
            if not self._logged_in or clock() + longest > lost_at + self._patience:
                raise Lost(_("no connection to {address}: {why}").format(address=self._address, why=why))
            self._listener.disconnected(why)
            await asyncio.sleep(self._pause(longest))
            longest = min(longest * 2, RETRY_MAX_SECONDS)

    async def _connect(self) -> None:
        """One connection, from the hello to its end."""
        connection = await Connection.open(self._address, self._quiet)
        try:
            hello = c.Hello(self.nick, self.cursor, "keep" if self._peeks else "send")
            # chatd and servers that read lines wait for the newline; a JSON parser skips it.
            connection.writer.write(codec.encode_request(hello, "hello"))
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                welcome, early = await self._read_welcome(connection)
            if welcome is not None:
                await self._run_session(self._new_session(connection, welcome, early), welcome)
        finally:
            connection.writer.close()

    def _new_session(self, connection: Connection, welcome: objects.Welcome, early: list[bytes]) -> Session:
        if isinstance(welcome, codec.CourseworkWelcome):
            self._course = self._course or CourseworkCodec(self.nick)
            warn = not self._logged_in
            return CourseworkSession(
                connection, self._requests, self._resume, self._listener, self._course, early, warn
            )
        self._course = None
        return ChatdSession(connection, self._requests, self._resume, self._listener, self._peeks)

    async def _run_session(self, session: Session, welcome: objects.Welcome) -> None:
        self._session = session
        self._logged_in = True
        try:
            await session.run(welcome)
        finally:
            self._session = None
            self._close_reason, self._resets_backoff = session.close_reason, session.resets_backoff

    async def _read_welcome(self, connection: Connection) -> tuple[objects.Welcome | None, list[bytes]]:
        """The welcome, and the values that a course-work server sent before it. Raises `Refused`."""
        early: list[bytes] = []
        deadline = None
        while len(early) < MAX_VALUES_BEFORE_WELCOME:
            try:
                async with asyncio.timeout_at(deadline):
                    value = await connection.read_value()
            except TimeoutError:
                if deadline is None:
                    raise
                break
            if value is None:
                return None, []
            answer = codec.decode_object(value)
            if isinstance(answer, objects.Error):
                raise Refused(answer)
            if isinstance(answer, objects.Welcome):
                return answer, []
            fields = parse_object(value)
            if fields is None:
                continue
            opened = hello_reply(fields, self.nick)
            if isinstance(opened, objects.Error):
                raise Refused(opened)
            if opened is not None:
                return opened, early
            early.append(value)
            deadline = deadline or asyncio.get_running_loop().time() + WELCOME_TIMEOUT_SECONDS
        return make_welcome(self.nick), early
