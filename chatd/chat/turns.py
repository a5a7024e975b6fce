"""The order of all output: whatever the chat sends waits for its turn in the journal's queue of tasks."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatd.boundaries import Client, Journal, Requester
from chatd.chat.dispatch import Dispatcher
from chatd.core.answers import Channel
from chatd.core.audience import Audience
from chatd.core.events import LogEntry, User
from chatd.core.records import JournalRecord
from chatd.core.refusals import Refusal, translatable_reason
from chatd.core.requests import Request
from chatd.store.errors import NotStored, ReadFailed

ClientCoroutine = Coroutine[Deferred[Any], Any, None]
"""A coroutine that serves one client. It may wait for the journal, the disk and the client's socket."""


class CommitObserver(Protocol):
    """The interface of the receiver of the result of each `ChangeTask`: committed or rolled back.

    `chatd.chat.service.Chat` implements it.
    """

    def on_committed(self, change: ChangeTask, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        """Handle ``change``, whose transaction was committed.

        ``entries`` are its log entries. ``is_newly_stored`` is false if an entry with the same ref (the
        client's own id of the message) was stored before. Then ``entries`` holds that entry, or is empty if
        that entry is a different message.
        """

    def on_rolled_back(self, change: ChangeTask) -> None:
        """Handle ``change``, whose transaction was rolled back."""


class ChangeTask:
    """A task of the journal for an accepted command: the records to write, and who is told afterwards.

    It implements `chatd.boundaries.JournalTask`. ``audiences`` holds the users who receive each event.
    ``private`` says whether the conversation was private when the command was decided, because a group may be
    made public before the entries are delivered. ``channel`` is the group that the user joins by the command,
    if any session shows channels.
    """

    __slots__ = ("_handler", "audiences", "channel", "client", "private", "records", "request")

    def __init__(
        self,
        handler: CommitObserver,
        client: Client,
        request: Request,
        records: Sequence[JournalRecord],
        audiences: Sequence[Audience],
        private: bool,
        channel: Channel | None = None,
    ) -> None:
        self._handler = handler
        self.client = client
        self.request = request
        self.records = records
        self.audiences = audiences
        self.private = private
        self.channel = channel

    def on_commit(self, entries: Sequence[LogEntry], is_newly_stored: bool) -> None:
        """Acknowledge the command to its client, and deliver its log entries.

        If ``is_newly_stored`` is false, nothing is delivered; if ``entries`` is empty, the command is
        refused.
        """
        self._handler.on_committed(self, entries, is_newly_stored)

    def on_rollback(self) -> None:
        """Refuse the command, because its transaction was rolled back."""
        self._handler.on_rolled_back(self)

    def on_bug(self) -> None:
        """Log the exception that is being handled, and refuse the command with an internal error."""
        self.client.internal_error(self.request)


class TurnQueue:
    """Runs the coroutines that serve clients, and makes their output follow the order of the journal's tasks.

    Before a coroutine sends something, it waits with `wait_for_turn` or `store` until all earlier tasks in
    the journal's queue are completed.
    """

    _log = Logger()

    def __init__(self, journal: Journal, dispatcher: Dispatcher) -> None:
        self._journal = journal
        self._dispatcher = dispatcher

    async def wait_for_turn(self) -> None:
        """Wait until all tasks that are in the journal's queue now are completed and their deliveries are
        sent.

        Raises `NotStored` if the transaction of one of them was rolled back.
        """
        await self.store()

    async def store(self, *records: JournalRecord) -> Sequence[LogEntry]:
        """Write ``records`` to disk, and wait until they and all earlier tasks of the journal are completed.

        Return the log entries that were made from the drafts among ``records``; the caller delivers them.
        Raises `NotStored` if their transaction, or an earlier one, was rolled back.
        """
        try:
            return await self._journal.submit_records(*records)
        finally:
            self._dispatcher.flush()

    def run_coroutine(
        self, client: Requester, request: Request | None, work: ClientCoroutine, paused: bool = False
    ) -> None:
        """Start ``work``, a coroutine that serves ``client``.

        If it raises `Refusal`, `NotStored` or `ReadFailed`, ``request`` is refused, or nothing is sent if
        ``request`` is None. Any other exception is logged, and the client is told of an internal error. If
        ``paused`` is true, the client's next command is decided only when the coroutine has ended.
        """
        Deferred.fromCoroutine(self._serve(client, request, work, paused)).addErrback(
            lambda failure: self._log.failure("bug while answering for an error", failure)
        )

    async def _serve(
        self, client: Requester, request: Request | None, work: ClientCoroutine, paused: bool
    ) -> None:
        with client.pausing_input() if paused else nullcontext():
            try:
                await work
            except Refusal as refusal:
                self._refuse(client, request, refusal)
            except NotStored:
                self._refuse(client, request, not_stored_refusal())
            except ReadFailed as error:
                self.log_read_failure(error)
                self._refuse(client, request, read_failed_refusal())
            except Exception:
                client.internal_error(request)

    def _refuse(self, client: Requester, request: Request | None, refusal: Refusal) -> None:
        if request is not None:
            self.log_refusal(client, refusal)
            client.refuse(request, refusal)

    def log_read_failure(self, error: ReadFailed) -> None:
        """Log that the database could not be read."""
        self._log.error("can't read the database: {why}", why=str(error))

    def log_refusal(self, client: Requester, refusal: Refusal) -> None:
        """Log the code of ``refusal`` with the address and the nick of ``client``."""
        nick = client.user.nick if client.user is not None else "-"
        self._log.info("{peer} {nick}: {code}", peer=client.peer, nick=nick, code=refusal.code)

    def log_operator(self, client: Requester, operator: User) -> None:
        """Log that ``client`` acts with the rights of the server operator ``operator`` from now on."""
        nick = client.user.nick if client.user is not None else "-"
        self._log.info(
            "{peer} {nick}: operator {operator}", peer=client.peer, nick=nick, operator=operator.nick
        )


def not_stored_refusal() -> Refusal:
    """Return the refusal of a command whose transaction was rolled back."""
    return Refusal("storage_failed", why=translatable_reason("not_stored"))


def read_failed_refusal() -> Refusal:
    """Return the refusal of a command that needs to read the database while the database can't be read."""
    return Refusal("storage_failed", why=translatable_reason("not_read"))
