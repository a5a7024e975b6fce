"""Requests that have no answer yet; they outlive the connection that they were sent on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from itertools import count

from chatd.client import codec
from chatd.client.language import _, translated_refusal
from chatd.core import commands as c
from chatd.json_wire import objects


class Refused(Exception):
    """The daemon refused a request. ``code`` is the refusal's code; the text is in the user's language."""

    def __init__(self, error: objects.Error) -> None:
        super().__init__(translated_refusal(error.code, error.msg))
        self.code = error.code


class Lost(Exception):
    """There is no connection; the text says why. The request may or may not have been carried out."""


class Request:
    """A command, the bytes that ask for it under ``ref``, and the future that gets its answer."""

    __slots__ = ("answer", "command", "payload", "ref", "sent")

    def __init__(self, command: c.Command, ref: str) -> None:
        self.command = command
        self.ref = ref
        self.payload = codec.encode_request(command, ref)
        self.sent = False
        self.answer: asyncio.Future[objects.Answer] = asyncio.get_running_loop().create_future()

    @property
    def may_be_sent(self) -> bool:
        """Whether the request was never sent, or can be sent twice without being carried out twice."""
        return (
            not self.sent
            or isinstance(self.command, codec.MESSAGE_COMMANDS)  # the daemon stores a message once per ref
            or c.DECLARED[type(self.command)].answer != "ack"
        )


class PendingRequests:
    """All requests without an answer, in the order in which they were made."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}
        token = secrets.token_hex(4)
        self._refs: Iterator[str] = (f"{token}.{number}" for number in count(1))

    def __iter__(self) -> Iterator[Request]:
        """A snapshot: requests may be added and answered during the iteration."""
        return iter(list(self._requests.values()))

    def add(self, command: c.Command) -> Request:
        """A new request with a ref of its own."""
        request = Request(command, next(self._refs))
        self._requests[request.ref] = request
        return request

    def get(self, ref: object) -> Request | None:
        """The request that has this ref and no answer yet."""
        return self._requests.get(str(ref))

    def answer(self, ref: str, answer: objects.Answer) -> None:
        """Hand ``answer`` to the request's future; an error is raised there as `Refused`."""
        if isinstance(answer, objects.Error):
            self.fail(ref, Refused(answer))
            return
        request = self._requests.pop(ref, None)
        if request is not None and not request.answer.done():
            request.answer.set_result(answer)

    def fail(self, ref: str, error: Refused | Lost) -> None:
        """Raise ``error`` from the request's future."""
        request = self._requests.pop(ref, None)
        if request is not None and not request.answer.done():  # done if its caller was cancelled
            request.answer.set_exception(error)

    def fail_uncertain(self, request: Request) -> None:
        """Fail a request whose answer was lost with the connection and that must not be sent again."""
        self.fail(request.ref, Lost(_("the connection was lost: look whether it was done")))

    def fail_oldest(self, error: Refused) -> None:
        """Fail the oldest request."""
        for ref in list(self._requests)[:1]:
            self.fail(ref, error)

    def fail_all(self, error: Lost) -> None:
        """Fail every request."""
        for ref in list(self._requests):
            self.fail(ref, error)
