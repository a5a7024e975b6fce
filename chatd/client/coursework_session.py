"""A client session with a course-work server, a student's simple chat server.

The session writes one request at a time with a pause before each, and gets no acks.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Final

from chatd.client import codec
from chatd.client.chatd_session import ResumePoint
from chatd.client.connection import Connection, ConnectionObserver
from chatd.client.coursework import COURSEWORK_LIMITATIONS_WARNING, CourseworkCodec, parse_object
from chatd.client.language import _
from chatd.client.pending import PendingRequest, PendingRequests
from chatd.client.render import render_answer
from chatd.core import commands as c
from chatd.json_wire import objects

SECONDS_BETWEEN_WRITES: Final = 0.04
"""The pause before each write, because a course-work server takes what one read returns for one object."""

ANSWER_TIMEOUT_SECONDS: Final = 2.0
"""The time limit for the answer to a request.

After this time, a request for a list gets an error, and any other request counts as carried out.
"""

CONNECTION_STABLE_AFTER_SECONDS: Final = 2.0
"""The duration in seconds from which a connection counts as stable.

After a stable connection the reconnection delay starts again at
`chatd.client.reconnecting_client.RETRY_START_SECONDS`.
"""


class CourseworkLimitationsNotice(codec.ServerNotice, frozen=True, kw_only=True):
    """A warning, shown once, that a course-work server sends no acks and replays no missed messages."""


class CourseworkSession:
    """The client's side of one connection to a course-work server (a student's simple chat server).

    A course-work server sends no acks. A message that was written to the connection counts as sent and is
    never written again. ``early`` holds the JSON values that the server sent before its welcome. ``warn``
    says whether the user must still be warned that the server sends no acks.
    """

    def __init__(
        self,
        connection: Connection,
        requests: PendingRequests,
        resume: ResumePoint,
        observer: ConnectionObserver,
        course: CourseworkCodec,
        early: list[bytes],
        warn: bool,
    ) -> None:
        self.resets_backoff = False
        self.close_reason = ""
        self.ended_for_good = False
        self._connection = connection
        self._requests = requests
        self._resume = resume
        self._observer = observer
        self._course = course
        self._early = early
        self._warn = warn
        self._queue: asyncio.Queue[PendingRequest] = asyncio.Queue()

    @property
    def seconds_to_send_queue(self) -> float:
        """The time in seconds until all queued requests will have been written."""
        return SECONDS_BETWEEN_WRITES * self._queue.qsize()

    async def run(self, welcome: objects.Welcome) -> None:
        """Start the session: write the queued requests, and handle what the server sends until the connection
        ends.

        Raises `OSError` if the connection fails, and `ConnectionLost` if the server does not speak JSON.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        self._connection.idle_seconds = None  # a course-work server answers no probe
        self._resume.cursor = None
        self._observer.logged_in(welcome)
        if self._warn:
            self._observer.news_received(
                CourseworkLimitationsNotice(text=_(COURSEWORK_LIMITATIONS_WARNING), ts=datetime.now(UTC))
            )
        for request in self._requests:
            if request.sent:
                self._requests.fail_uncertain(request)
            else:
                self._queue.put_nowait(request)
        writing = asyncio.create_task(self._write_queued())
        try:
            for early in self._early:
                self._receive(early)
            while (value := await self._connection.read_value()) is not None:
                self._receive(value)
        finally:
            self.resets_backoff = clock() > started + CONNECTION_STABLE_AFTER_SECONDS
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await writing

    def send(self, request: PendingRequest) -> None:
        """Put ``request`` at the end of the queue of requests to write."""
        self._queue.put_nowait(request)

    async def _write_queued(self) -> None:
        """Write the queued requests one after another. Raises `OSError` if the connection fails."""
        writer = self._connection.writer
        writer.transport.set_write_buffer_limits(0)  # so that a drain ends when everything is written
        while True:
            request = await self._queue.get()
            await asyncio.sleep(SECONDS_BETWEEN_WRITES)
            command = request.command
            if request.answer.cancelled():
                continue
            if isinstance(command, c.ListCommands):
                self._requests.set_answer(
                    request.ref, objects.Help(commands=[])
                )  # the client has the table itself
                continue
            payload = self._course.encode_request(command)
            if payload is None:
                unknown = objects.Error(code="unknown_action", msg=_("this server has no such command"))
                self._requests.set_answer(request.ref, unknown)
                continue
            request.mark_sent()
            # A server that ends its objects with a newline also reads lines; others take a read as one.
            writer.write(payload + b"\n" if self._connection.peer_sends_newlines else payload)
            await writer.drain()
            if isinstance(command, codec.SEND_COMMANDS):
                ack = self._course.substitute_ack(command)
                if (news := codec.entry_from_ack(command, ack, self._resume.nick)) is not None:
                    self._observer.news_received(news)
                self._requests.set_answer(request.ref, ack)
            else:
                asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_SECONDS, self._give_up, request)

    def _give_up(self, request: PendingRequest) -> None:
        """Answer a request that the server has left unanswered.

        A request for a list gets an error. Any other request counts as carried out.
        """
        changes = c.COMMANDS_BY_CLASS[type(request.command)].answer in ("ack", "quit")
        unanswered = objects.Error(code="no_answer", msg=_("the server does not answer that"))
        self._requests.set_answer(request.ref, objects.AnswerBase() if changes else unanswered)

    def _receive(self, value: bytes) -> None:
        fields = parse_object(value)
        decoded = self._course.decode(fields) if fields is not None else None
        if decoded is None:
            return
        row, content = decoded
        request = self._answered_by(row, content)
        if request is not None and isinstance(content, objects.AnswerObject):
            self._requests.set_answer(request.ref, content)
        elif isinstance(content, codec.News):
            self._observer.news_received(content)
        else:
            nick = self._resume.nick
            text = (
                content.msg if isinstance(content, objects.Error) else "\n".join(render_answer(content, nick))
            )
            if text:
                self._observer.news_received(codec.ServerNotice(text=text, ts=datetime.now(UTC)))

    def _answered_by(self, row: str, content: codec.News | objects.AnswerObject) -> PendingRequest | None:
        """Return the oldest written request that ``content`` may answer, or None if there is none.

        That is a request with the command name ``row``, or any request if ``content`` is an error.
        """
        for request in self._requests:
            named = c.COMMANDS_BY_CLASS[type(request.command)].name == row
            if request.sent and (named or isinstance(content, objects.Error)):
                return request
        return None
