"""A session with a chatd: requests are pipelined, and a lost connection loses and doubles nothing."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from chatd.client import codec
from chatd.client.connection import Connection, Listener
from chatd.client.language import translated_refusal
from chatd.client.pending import PendingRequests, Refused, Request
from chatd.core import commands as c
from chatd.json_wire import objects

PROBE_REF: Final = "again"
"""The ref of the client's own hellos. The daemon answers the first of them behind the missed entries."""

UNREADABLE_CODES: Final = ("too_long", "bad_json", "bad_utf8")
"""Refusals of a request that the daemon could not read, and whose ref it therefore does not know."""


class ResumePoint(msgspec.Struct):
    """Where the next connection goes on: the nick, and the id of the last entry that was delivered."""

    nick: str
    cursor: int | None = None


class ChatdSession:
    """One connection to a chatd, after its welcome.

    It delivers each entry of the log once to ``listener`` and advances ``resume``, the position to resume
    from. With ``peeks`` the missed entries stay missed, for another session of the same user.
    """

    backlog_seconds = 0.0

    def __init__(
        self,
        connection: Connection,
        requests: PendingRequests,
        resume: ResumePoint,
        listener: Listener,
        peeks: bool,
    ) -> None:
        self.resets_backoff = False
        self.close_reason = ""
        self._connection = connection
        self._requests = requests
        self._resume = resume
        self._listener = listener
        self._peeks = peeks
        self._missed: list[codec.Welcoming | codec.News] | None = None

    async def run(self, welcome: objects.Welcome) -> None:
        """Resume the session and read until the connection ends. Raises `OSError` and `Lost`."""
        self._begin(welcome)
        while (value := await self._connection.read_value()) is not None:
            received = codec.decode_object(value)
            self._receive(received)
            if isinstance(received, objects.Answer):
                # The task that asked shows the answer before what follows in the same read.
                await asyncio.sleep(0)

    def send(self, request: Request) -> None:
        """Write a request at once."""
        request.sent = True
        self._connection.writer.write(request.payload)

    def _begin(self, welcome: objects.Welcome) -> None:
        resume = self._resume
        resume.nick = welcome.user.nick
        # A cursor beyond the daemon's own belongs to another log, or to an older state of this one.
        if resume.cursor is None or resume.cursor > welcome.cursor:
            missed = welcome.returning and not self._peeks
            resume.cursor = welcome.seen if missed else welcome.cursor
            self._missed = [] if missed else None
        self._connection.probe = codec.encode_request(c.Hello(), PROBE_REF)
        self._connection.writer.write(self._connection.probe)
        self._listener.connected(welcome)
        for request in self._requests:
            if request.may_be_sent:
                self.send(request)
            else:
                self._requests.fail_uncertain(request)

    def _receive(self, value: codec.News | objects.Answer | None) -> None:
        if isinstance(value, objects.Presence):
            self._listener.heard(value)
        elif self._missed is not None and isinstance(value, codec.Welcoming | codec.News):
            self._missed.append(value)
        elif isinstance(value, objects.Answer):
            self._receive_answer(value)
        elif value is not None:
            self._deliver(value)

    def _deliver(self, news: objects.Message | objects.Event) -> None:
        """Deliver an entry of the log, unless it was delivered before."""
        if news.id > (self._resume.cursor or 0):
            self._resume.cursor = news.id
            self._listener.heard(news)

    def _receive_answer(self, answer: objects.Answer) -> None:
        if answer.ref == PROBE_REF:
            self._probe_answered(answer)
            return
        request = self._requests.get(answer.ref)
        if request is None:
            self._receive_unrequested(answer)
            return
        if isinstance(answer, objects.Ack):
            self._deliver_own(request.command, answer)
        self._requests.answer(request.ref, answer)

    def _probe_answered(self, answer: objects.Answer) -> None:
        """The daemon is alive, and every missed entry has arrived."""
        if isinstance(answer, objects.Welcome):
            self.resets_backoff = True
            missed, self._missed = self._missed or [], None
            for value in missed:
                self._receive(value)
            self._resume.cursor = max(self._resume.cursor or 0, answer.cursor)
        elif isinstance(answer, objects.Error) and self._missed is not None:
            raise ConnectionError(translated_refusal(answer.code, answer.msg))

    def _receive_unrequested(self, answer: objects.Answer) -> None:
        if isinstance(answer, codec.Welcoming):
            self._listener.caught_up(answer)
        elif isinstance(answer, objects.Error):
            self.close_reason = translated_refusal(answer.code, answer.msg)
            if answer.code in UNREADABLE_CODES:
                # Answers come in order, so the oldest request is meant. It must not be sent again.
                self._requests.fail_oldest(Refused(answer))

    def _deliver_own(self, command: c.Command, ack: objects.Ack) -> None:
        """Deliver the user's own message at its place in the log, unless a replay has brought it."""
        news = codec.entry_from_ack(command, ack, self._resume.nick)
        if news is not None:
            self._deliver(news)
