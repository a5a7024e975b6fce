"""Turns in the journal's queue: everything that leaves the chat has one, so all leaves in one order."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatd.boundaries import Client, Journal
from chatd.chat.dispatch import Dispatcher
from chatd.core.events import Entry
from chatd.core.records import Record
from chatd.core.refusals import Refusal, reason
from chatd.core.requests import Request
from chatd.store.errors import NotStored, ReadFailed

ClientCoroutine = Coroutine[Deferred[Any], Any, None]
"""A coroutine that serves a client, and may wait for turns, the disk and the socket."""


class ChangeHandler(Protocol):
    """Takes changes whose turn has come; `chatd.chat.service.Chat` does."""

    def on_committed(self, change: Change, entries: Sequence[Entry], is_new: bool) -> None:
        """The change is on disk."""

    def on_rolled_back(self, change: Change) -> None:
        """The change was rolled back."""


class Change:
    """A decided command and the records to write for it; see `chatd.boundaries.Task`.

    ``audiences`` holds the audience of each event. ``private`` says whether the change was private when it
    was decided: a group may be made public before its entries are delivered.
    """

    __slots__ = ("_handler", "audiences", "client", "private", "records", "request")

    def __init__(
        self,
        handler: ChangeHandler,
        client: Client,
        request: Request,
        records: Sequence[Record],
        audiences: Sequence[tuple[int, ...] | None],
        private: bool,
    ) -> None:
        self._handler = handler
        self.client = client
        self.request = request
        self.records = records
        self.audiences = audiences
        self.private = private

    def committed(self, entries: Sequence[Entry], is_new: bool) -> None:
        """Deliver the entries and acknowledge the command."""
        self._handler.on_committed(self, entries, is_new)

    def aborted(self) -> None:
        """Refuse the command."""
        self._handler.on_rolled_back(self)

    def crashed(self) -> None:
        """Tell the client that the daemon has a bug."""
        self.client.internal_error(self.request)


class TurnQueue:
    """Runs coroutines that wait for turns in ``journal``, which write nothing."""

    _log = Logger()

    def __init__(self, journal: Journal, dispatcher: Dispatcher) -> None:
        self._journal = journal
        self._dispatcher = dispatcher

    async def wait(self) -> None:
        """Wait for a turn, then send the deliveries gathered before it. Raises `NotStored`."""
        try:
            await self._journal.turn()
        finally:
            self._dispatcher.flush()

    def run(
        self, client: Client, request: Request | None, work: ClientCoroutine, paused: bool = False
    ) -> None:
        """Start ``work`` for ``client``. If it raises, ``request`` is refused.

        With ``paused`` the client's next command is decided only when ``work`` has ended.
        """
        Deferred.fromCoroutine(self._serve(client, request, work, paused)).addErrback(
            lambda failure: self._log.failure("bug while answering for an error", failure)
        )

    async def _serve(
        self, client: Client, request: Request | None, work: ClientCoroutine, paused: bool
    ) -> None:
        with client.paused() if paused else nullcontext():
            try:
                await work
            except Refusal as refusal:
                self._refuse(client, request, refusal)
            except NotStored:
                self._refuse(client, request, not_stored_refusal())
            except ReadFailed as error:
                self.log_read_failure(error)
                self._refuse(client, request, not_read_refusal())
            except Exception:
                client.internal_error(request)

    def _refuse(self, client: Client, request: Request | None, refusal: Refusal) -> None:
        if request is not None:
            client.refuse(request, refusal)

    def log_read_failure(self, error: ReadFailed) -> None:
        """Log that the store could not be read."""
        self._log.error("can't read the database: {why}", why=str(error))

    def log_refusal(self, client: Client, refusal: Refusal) -> None:
        """Log the code of a refusal."""
        nick = client.user.nick if client.user is not None else "-"
        self._log.info("{peer} {nick}: {code}", peer=client.peer, nick=nick, code=refusal.code)


def not_stored_refusal() -> Refusal:
    """The refusal of a command whose transaction was rolled back."""
    return Refusal("storage_failed", why=reason("not_stored"))


def not_read_refusal() -> Refusal:
    """The refusal of a command that reads from a store which can't be read."""
    return Refusal("storage_failed", why=reason("not_read"))
