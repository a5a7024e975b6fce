"""The client's requests that the daemon has not answered yet.

They survive the loss of the connection that they were sent on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from chatd.client import codec
from chatd.client.language import _, translated_refusal
from chatd.core import commands as c
from chatd.core.language import N_
from chatd.json_wire import objects

UNCERTAIN_TEXT: Final = N_("the connection was lost: look whether it was done")
"""The reason why a request that may have been carried out is not sent again."""


class RefusedByServer(Exception):
    """The error for a request that the daemon refused.

    ``code`` is the refusal's stable code. The text of the error is in the user's language.
    """

    def __init__(self, error: objects.Error) -> None:
        super().__init__(translated_refusal(error.code, error.msg))
        self.code = error.code


class ConnectionLost(Exception):
    """The error for a request or a login that failed because there is no connection to the server.

    The text says why there is none. The server may or may not have carried out the request.
    """


class UncertainRequest(ConnectionLost):
    """The error for a request that was written to a connection before it was lost, and must not be sent
    again.

    The server may or may not have carried out the request.
    """


class PendingRequest:
    """A request without an answer: the command, its ref, its encoded bytes, and the future of the answer.

    ``before_sending`` is called each time before the request is written to a connection.
    """

    __slots__ = ("answer", "before_sending", "command", "payload", "ref", "sent")

    def __init__(self, command: c.Command, ref: str, before_sending: Callable[[], None] | None) -> None:
        self.before_sending = before_sending
        self.command = command
        self.ref = ref
        self.payload = codec.encode_request(command, ref)
        self.sent = False
        self.answer: asyncio.Future[objects.AnswerObject] = asyncio.get_running_loop().create_future()

    def mark_sent(self) -> None:
        """Record that the request is about to be written to a connection."""
        if self.before_sending is not None:
            self.before_sending()
        self.sent = True

    @property
    def is_safe_to_send(self) -> bool:
        """Whether sending the request can't make the server carry it out twice.

        That is so if it was never sent, or if the server recognises a repetition.
        """
        return (
            not self.sent
            or isinstance(self.command, codec.MESSAGE_COMMANDS)  # the daemon stores a message once per ref
            or c.COMMANDS_BY_CLASS[type(self.command)].answer != "ack"
        )


class PendingRequests:
    """The requests that the daemon has not answered yet, in the order in which they were made."""

    def __init__(self) -> None:
        self._requests: dict[str, PendingRequest] = {}
        token = secrets.token_hex(4)
        self._refs: Iterator[str] = (f"{token}.{number}" for number in count(1))

    def __iter__(self) -> Iterator[PendingRequest]:
        """Return an iterator over a copy, so that requests may be added and answered during the iteration.

        Requests that their callers have cancelled are dropped.
        """
        for ref in [ref for ref, request in self._requests.items() if request.answer.cancelled()]:
            del self._requests[ref]
        return iter(list(self._requests.values()))

    def add(
        self,
        command: c.Command,
        ref: str | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> PendingRequest:
        """Create and return a pending request for ``command``, with the ref ``ref`` or a new one.

        ``before_sending`` is called each time before the request is written to a connection.
        """
        request = PendingRequest(command, ref or next(self._refs), before_sending)
        self._requests[request.ref] = request
        return request

    def get(self, ref: object) -> PendingRequest | None:
        """Return the pending request with the ref ``ref``, or None if no pending request has that ref."""
        return self._requests.get(str(ref))

    def set_answer(self, ref: str, answer: objects.AnswerObject) -> None:
        """Set the result of the request with the ref ``ref`` to ``set_answer``, and remove the request.

        If the answer is an error object, the request's future raises `RefusedByServer`. Do nothing for an
        unknown ref.
        """
        if isinstance(answer, objects.Error):
            self.fail(ref, RefusedByServer(answer))
            return
        request = self._requests.pop(ref, None)
        if request is not None and not request.answer.done():
            request.answer.set_result(answer)

    def fail(self, ref: str, error: RefusedByServer | ConnectionLost) -> None:
        """Make the future of the request with the ref ``ref`` raise ``error``, and remove the request.

        Do nothing for an unknown ref.
        """
        request = self._requests.pop(ref, None)
        if request is not None and not request.answer.done():  # done if its caller was cancelled
            request.answer.set_exception(error)

    def fail_uncertain(self, request: PendingRequest) -> None:
        """Make the future of ``request`` raise `UncertainRequest`, and remove the request.

        The connection was lost before the answer arrived, and the request must not be sent again.
        """
        self.fail(request.ref, UncertainRequest(_(UNCERTAIN_TEXT)))

    def fail_oldest(self, error: RefusedByServer) -> None:
        """Make the future of the oldest pending request raise ``error``."""
        for ref in list(self._requests)[:1]:
            self.fail(ref, error)

    def fail_all(self, error: ConnectionLost) -> None:
        """Make the futures of all pending requests raise ``error``."""
        for ref in list(self._requests):
            self.fail(ref, error)
