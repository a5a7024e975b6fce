"""A client session with chatd. It sends requests without waiting for the answers to earlier ones.

After a lost connection the next session resumes, and no log entry is lost or delivered twice.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from chatd.client import codec
from chatd.client.connection import Connection, ConnectionObserver
from chatd.client.language import translated_refusal
from chatd.client.pending import PendingRequest, PendingRequests, RefusedByServer
from chatd.core import commands as c
from chatd.json_wire import objects

REF_OF_PROBE_REQUEST: Final = "again"
"""The ``ref`` of the hello that the client sends after its login, and again to probe a silent connection.

The daemon answers the first such hello after it has sent all missed entries.
"""

UNREADABLE_REQUEST_REFUSAL_CODES: Final = ("too_long", "bad_json", "bad_utf8")
"""The codes with which the daemon refuses a request that it could not parse.

Such a refusal carries no ``ref``.
"""


NO_RECONNECT_REFUSAL_CODES: Final = ("session_replaced", "password_changed", "account_closed")
"""Codes of refusals after which the client does not connect again.

With them the daemon ends a session on purpose: for another session of the same user, or for a server operator
who reset the password or erased the user.
"""


class ResumePoint(msgspec.Struct):
    """The position in the log from which the client continues after it has connected again.

    ``nick`` is the user's nick. The daemon replays the log entries whose ids are larger than ``cursor``. If
    ``cursor`` is None, the daemon sends the messages that the user missed instead.
    """

    nick: str
    cursor: int | None = None


class ChatdSession:
    """The client's side of one connection to chatd, from the daemon's welcome to the end of the connection.

    The session passes each log entry to ``observer`` once. It keeps ``resume``, the position from which the
    next connection continues, up to date. If ``peeks`` is true, the daemon does not count missed entries as
    delivered, so that another session of the same user still gets them.
    """

    seconds_to_send_queue = 0.0

    def __init__(
        self,
        connection: Connection,
        requests: PendingRequests,
        resume: ResumePoint,
        observer: ConnectionObserver,
        peeks: bool,
    ) -> None:
        self.resets_backoff = False
        self.close_reason = ""
        self.ended_for_good = False
        self._connection = connection
        self._requests = requests
        self._resume = resume
        self._observer = observer
        self._peeks = peeks
        self._missed: list[codec.LoginBacklog | codec.News] | None = None

    async def run(self, welcome: objects.Welcome) -> None:
        """Start the session that ``welcome`` opened, and handle what the daemon sends until the connection
        ends.

        Raises `OSError` if the connection fails, and `ConnectionLost` if the server does not speak JSON.
        """
        self._begin(welcome)
        while (value := await self._connection.read_value()) is not None:
            received = codec.decode_object(value)
            self._receive(received)
            if isinstance(received, objects.AnswerObject):
                # The task that sent the request shows the answer before later objects of the same read.
                await asyncio.sleep(0)

    def send(self, request: PendingRequest) -> None:
        """Write ``request`` to the connection at once."""
        request.mark_sent()
        self._connection.writer.write(request.payload)

    def _begin(self, welcome: objects.Welcome) -> None:
        resume = self._resume
        resume.nick = welcome.user.nick
        # A cursor beyond the daemon's last id belongs to another log, or to an older copy of this one.
        if resume.cursor is None or resume.cursor > welcome.cursor:
            missed = welcome.returning and not self._peeks
            resume.cursor = welcome.seen if missed else welcome.cursor
            self._missed = [] if missed else None
        self._connection.probe = codec.encode_repeated_hello(
            REF_OF_PROBE_REQUEST, self._observer.shows_typing
        )
        self._connection.writer.write(self._connection.probe)
        self._observer.logged_in(welcome)
        for request in self._requests:
            if request.is_safe_to_send:
                self.send(request)
            else:
                self._requests.fail_uncertain(request)

    def _receive(self, value: codec.News | objects.AnswerObject | None) -> None:
        if isinstance(value, objects.ServerEvent):
            self._observer.news_received(value)
        elif self._missed is not None and isinstance(value, codec.LoginBacklog | codec.News):
            self._missed.append(value)
        elif isinstance(value, objects.AnswerObject):
            self._receive_answer(value)
        elif value is not None:
            self._deliver(value)

    def _deliver(self, news: objects.Message | objects.GroupEvent) -> None:
        """Pass a log entry to the observer, unless it was delivered before."""
        if news.id > (self._resume.cursor or 0):
            self._resume.cursor = news.id
            self._observer.news_received(news)

    def _receive_answer(self, answer: objects.AnswerObject) -> None:
        if answer.ref == REF_OF_PROBE_REQUEST:
            self._probe_answered(answer)
            return
        request = self._requests.get(answer.ref)
        if request is None:
            self._receive_unrequested(answer)
            return
        if _is_refused_by_shutdown(answer) and isinstance(request.command, codec.COMMANDS_KEPT_ON_DISK):
            request.sent = False  # it waits for the next connection
            return
        if isinstance(answer, objects.Ack):
            self._deliver_own(request.command, answer)
        self._requests.set_answer(request.ref, answer)

    def _probe_answered(self, answer: objects.AnswerObject) -> None:
        """Pass the missed entries to the observer, after the daemon has answered the client's own hello.

        The daemon sends that answer behind all missed entries. Raises `ConnectionError` if it is a refusal.
        """
        if isinstance(answer, objects.Welcome):
            self.resets_backoff = True
            missed, self._missed = self._missed or [], None
            for value in missed:
                self._receive(value)
            self._resume.cursor = max(self._resume.cursor or 0, answer.cursor)
        elif isinstance(answer, objects.Error) and self._missed is not None:
            raise ConnectionError(translated_refusal(answer.code, answer.msg))

    def _receive_unrequested(self, answer: objects.AnswerObject) -> None:
        if isinstance(answer, codec.LoginBacklog):
            self._observer.login_backlog_received(answer)
        elif isinstance(answer, objects.Typing):
            self._observer.typing_received(answer)
        elif isinstance(answer, objects.ReadMark):
            self._observer.read_mark_moved(answer)
        elif isinstance(answer, objects.Error):
            self.close_reason = translated_refusal(answer.code, answer.msg)
            self.ended_for_good = answer.code in NO_RECONNECT_REFUSAL_CODES
            if answer.code in UNREADABLE_REQUEST_REFUSAL_CODES:
                # Answers come in order: this is for the oldest request, which must not be sent again.
                self._requests.fail_oldest(RefusedByServer(answer))

    def _deliver_own(self, command: c.Command, ack: objects.Ack) -> None:
        """Pass the log entry that the user's own ``command`` made to the observer.

        Do nothing if the command made no entry, or if a replay has delivered the entry already.
        """
        news = codec.entry_from_ack(command, ack, self._resume.nick)
        if news is not None:
            self._deliver(news)


def _is_refused_by_shutdown(answer: objects.AnswerObject) -> bool:
    """Return whether ``answer`` refuses a request because the daemon is about to end."""
    return isinstance(answer, objects.Error) and answer.code == "shutting_down"
