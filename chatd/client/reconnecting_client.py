"""A client of the daemon that connects, logs in, and connects again whenever the connection is lost."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

from chatd.client import codec
from chatd.client.chatd_session import ChatdSession, ResumePoint
from chatd.client.connection import (
    CONNECT_TIMEOUT_SECONDS,
    Address,
    ClientSession,
    Connection,
    ConnectionObserver,
    failure_reason,
)
from chatd.client.coursework import CourseworkCodec, parse_hello_reply, parse_object, placeholder_welcome
from chatd.client.coursework_session import CourseworkSession
from chatd.client.language import _
from chatd.client.pending import ConnectionLost, PendingRequests, RefusedByServer
from chatd.client.tls import tls_failure_reason
from chatd.core import commands as c
from chatd.core.accounts import Secret
from chatd.json_wire import objects

MIN_RECONNECT_DELAY_SECONDS: Final = 0.25
"""The upper bound of the random delay before the first reconnection, in seconds.

It doubles with each further attempt, up to `MAX_RECONNECT_DELAY_SECONDS`.
"""

MAX_RECONNECT_DELAY_SECONDS: Final = 15.0
"""The largest upper bound of the random delay before a reconnection, in seconds."""

GIVE_UP_AFTER_SECONDS: Final = 120.0
"""The client stops reconnecting after this time without a connection."""

SILENCE_BEFORE_PROBE_SECONDS: Final = 30.0
"""The silence after which the client sends a probe to the daemon.

After the same time again without data from the daemon, the client closes the connection.
"""

QUIT_TIMEOUT_SECONDS: Final = 3.0
"""The time limit for the daemon's answer to the quit command."""

COURSEWORK_WELCOME_TIMEOUT_SECONDS: Final = 2.0
"""The longest wait for the welcome of a course-work server after its first JSON value.

If none comes, the login counts as accepted.
"""

MAX_VALUES_BEFORE_WELCOME: Final = 64
"""After so many JSON values without a welcome, the login at a course-work server counts as accepted."""

RETRYABLE_LOGIN_REFUSAL_CODES: Final = ("nick_taken", "shutting_down", "rate_limited", "storage_failed")
"""Codes of login refusals that may be temporary.

After such a refusal, a client that has been logged in before tries again.
"""


class ReconnectingClient:
    """A client that logs in under ``nick`` at the server ``address``, and again after each lost connection.

    ``observer`` handles what the server sends. If ``cursor`` is given, the daemon replays all log entries
    with larger ids. Without ``cursor``, the daemon sends the entries that the user missed, and the client
    passes them on together when all have arrived. If the connection is lost before that, the next connection
    replays them.

    If ``peeks`` is true, the daemon sends earlier entries only if ``cursor`` is given, and the session does
    not move the user's last seen id. Another session of the same user then still gets the missed entries.

    The client gives up after ``patience`` seconds without a connection. If ``patience`` is infinite, it never
    gives up after its first login, whatever answers at the address. After ``quiet`` seconds without data, the
    client probes the connection. ``pause`` takes the maximum delay before a reconnection in seconds, and
    returns the delay.

    A registered nick needs its ``password``. The client remembers a password that the user sets or changes.

    A server whose welcome differs from chatd's is treated as a course-work server, which speaks a simpler
    JSON protocol (`chatd.client.coursework`).
    """

    def __init__(
        self,
        address: Address,
        nick: str,
        observer: ConnectionObserver,
        cursor: int | None = None,
        peeks: bool = False,
        password: str = "",
        patience: float = GIVE_UP_AFTER_SECONDS,
        quiet: float = SILENCE_BEFORE_PROBE_SECONDS,
        pause: Callable[[float], float] = lambda longest: random.uniform(longest / 2, longest),
    ) -> None:
        self._resume = ResumePoint(nick, cursor)
        self._address = address
        self._observer = observer
        self._peeks = peeks
        self._password = Secret(password)
        self._patience = patience
        self._never_gives_up = patience == math.inf
        self._quiet = quiet
        self._pause = pause
        self._requests = PendingRequests()
        self._session: ClientSession | None = None
        self._course: CourseworkCodec | None = None
        self._running: asyncio.Task[Any] | None = None
        self._leaving = False
        self._logged_in = False
        self._resets_backoff = False
        self._close_reason = ""
        self._ended_for_good = False

    @property
    def nick(self) -> str:
        """The user's nick. The daemon may have chosen another nick than the client asked for."""
        return self._resume.nick

    @property
    def is_connected(self) -> bool:
        """Whether the client is logged in at this moment."""
        return self._session is not None

    @property
    def cursor(self) -> int | None:
        """The id of the last log entry that the client has passed on, or else the cursor that the session
        began with.

        The cursor is None before the first login, unless one was given, and with a course-work server.
        """
        return self._resume.cursor

    async def run(self) -> None:
        """Connect, log in, and reconnect after each loss, until `quit` is called or the user unregisters.

        Raises `RefusedByServer` if the daemon refuses the login. Raises `ConnectionLost` if the first
        connection fails, if no later connection succeeds in time, or if another attempt is useless: the
        server ended the session on purpose, refuses TLS, or does not speak JSON. Pending requests fail with
        `ConnectionLost`.
        """
        self._running = asyncio.current_task()
        try:
            await self._stay_connected()
        except asyncio.CancelledError:
            if not self._leaving:
                raise
        finally:
            self._requests.fail_all(ConnectionLost(_("the connection ended before the answer")))

    def ask(
        self,
        command: c.Command,
        ref: str | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> asyncio.Future[objects.AnswerObject]:
        """Send ``command`` to the daemon behind all earlier requests, and return a future of the answer.

        ``ref`` is the client's id of a message, which the daemon stores once; other commands need none.
        ``before_sending`` is called each time before the request is written to a connection.
        Without a connection, the request waits for the next one; after a lost connection, the answer may
        arrive over a later one. A request whose future is cancelled before it was sent is not sent. The
        future may raise `RefusedByServer` or `ConnectionLost`.
        """
        request = self._requests.add(command, ref, before_sending)
        if isinstance(command, c.Register | c.ChangePassword | c.Unregister):
            request.answer.add_done_callback(partial(self._account_changed, command))
        if self._session is not None:
            self._session.send(request)
        return request.answer

    def _account_changed(
        self,
        command: c.Register | c.ChangePassword | c.Unregister,
        answer: asyncio.Future[objects.AnswerObject],
    ) -> None:
        """Remember the new password for the next connection, or end with the account."""
        if answer.cancelled() or answer.exception() is not None:
            return
        if isinstance(command, c.Unregister):
            self._leaving = True
        else:
            self._password = command.new if isinstance(command, c.ChangePassword) else command.password

    async def quit(self) -> None:
        """Send the quit command to the daemon, wait for the answer, and make `run` return.

        Without a connection, `run` returns at once.
        """
        self._leaving = True
        if self._session is not None:
            limit = QUIT_TIMEOUT_SECONDS + self._session.seconds_to_send_queue
            with contextlib.suppress(ConnectionLost, RefusedByServer, TimeoutError):
                async with asyncio.timeout(limit):
                    await self.ask(c.Quit())
        if self._running is not None:
            self._running.cancel()

    async def _stay_connected(self) -> None:
        clock = asyncio.get_running_loop().time
        lost_at, longest = clock(), MIN_RECONNECT_DELAY_SECONDS
        while True:
            self._close_reason, self._resets_backoff, is_final = "", False, False
            try:
                await self._connect()
            except (OSError, UnicodeError) as error:  # the latter for a malformed host name
                self._close_reason = self._close_reason or failure_reason(error)
                # Another attempt would fail in the same way.
                is_final = isinstance(error, ssl.SSLError) and tls_failure_reason(error) is not None
            except ConnectionLost as lost:  # another program answers there, such as a proxy
                if not self._logged_in or not self._never_gives_up:
                    raise
                self._close_reason = str(lost)
            except RefusedByServer as refused:
                # The daemon may still hold the lost connection, and with it the nick.
                # A course-work server has no refusal code for that.
                transient = refused.code in RETRYABLE_LOGIN_REFUSAL_CODES or self._course is not None
                if not self._logged_in or not transient:
                    raise
                self._close_reason = str(refused)
            if self._leaving:
                return
            if self._ended_for_good:
                raise ConnectionLost(self._close_reason)
            if self._resets_backoff:
                lost_at, longest = clock(), MIN_RECONNECT_DELAY_SECONDS
            why = self._close_reason or _("it closed the connection")
            is_final = is_final and not self._never_gives_up
            if not self._logged_in or is_final or clock() + longest > lost_at + self._patience:
                raise ConnectionLost(
                    _("no connection to {address}: {why}").format(address=self._address, why=why)
                )
            self._observer.disconnected(why)
            await asyncio.sleep(self._pause(longest))
            longest = min(longest * 2, MAX_RECONNECT_DELAY_SECONDS)

    async def _connect(self) -> None:
        """Open a connection, log in, and run the session until the connection ends."""
        connection = await Connection.open(self._address, self._quiet)
        try:
            missed: Literal["send", "keep"] = "keep" if self._peeks else "send"
            hello = c.Hello(self.nick, self.cursor, missed, password=self._password or None)
            # chatd and servers that read lines wait for the newline; a JSON parser skips it.
            connection.writer.write(codec.encode_request(hello, "hello"))
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                welcome, early = await self._read_welcome(connection)
            if welcome is not None:
                await self._run_session(self._new_session(connection, welcome, early), welcome)
        finally:
            await connection.close()

    def _new_session(
        self, connection: Connection, welcome: objects.Welcome, early: list[bytes]
    ) -> ClientSession:
        if isinstance(welcome, codec.CourseworkWelcome):
            self._course = self._course or CourseworkCodec(self.nick)
            warn = not self._logged_in
            return CourseworkSession(
                connection, self._requests, self._resume, self._observer, self._course, early, warn
            )
        self._course = None
        return ChatdSession(connection, self._requests, self._resume, self._observer, self._peeks)

    async def _run_session(self, session: ClientSession, welcome: objects.Welcome) -> None:
        self._session = session
        self._logged_in = True
        try:
            await session.run(welcome)
        finally:
            self._session = None
            self._close_reason, self._resets_backoff = session.close_reason, session.resets_backoff
            self._ended_for_good = session.ended_for_good

    async def _read_welcome(self, connection: Connection) -> tuple[objects.Welcome | None, list[bytes]]:
        """Return the server's welcome, and the JSON values that a course-work server sent before its welcome.

        The welcome is None if the connection ended first. Raises `RefusedByServer` if the server refuses the
        login.
        """
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
                raise RefusedByServer(answer)
            if isinstance(answer, objects.Welcome):
                return answer, []
            fields = parse_object(value)
            if fields is None:
                continue
            opened = parse_hello_reply(fields, self.nick)
            if isinstance(opened, objects.Error):
                raise RefusedByServer(opened)
            if opened is not None:
                return opened, early
            early.append(value)
            deadline = deadline or asyncio.get_running_loop().time() + COURSEWORK_WELCOME_TIMEOUT_SECONDS
        return placeholder_welcome(self.nick), early
